#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "error.h"
#include "image/image.h"

struct evp_md_ctx_st;

namespace rookery::image {

/// A SHA-256 that is computed as the bytes come by.
class Sha256 {
 public:
  Sha256();

  void update(std::span<const char> bytes);
  /// The raw 32 bytes. Once only, and nothing can be added after it.
  std::string finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

/// DigestMismatch: the file that messages call `name` has the SHA-256 `found`, and the manifest that names it
/// for such `content` pins `pinned`; both in hex. Without `found`: for who may not read the file.
Error digestMismatch(Content content, std::string_view name, std::optional<std::string_view> found,
                     std::string_view pinned);

}  // namespace rookery::image

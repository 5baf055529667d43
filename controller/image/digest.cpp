#include "image/digest.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

namespace rookery::image {

void Sha256::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  check(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1, "SHA-256 is available");
}

void Sha256::update(std::span<const char> bytes) {
  check(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1, "a running SHA-256 takes bytes");
}

std::string Sha256::finish() {
  std::string digest(32, '\0');
  unsigned int size = 0;
  std::array<unsigned char, EVP_MAX_MD_SIZE> raw;
  check(EVP_DigestFinal_ex(context_.get(), raw.data(), &size) == 1 && size == digest.size(),
        "a SHA-256 has 32 bytes");
  std::copy_n(raw.begin(), digest.size(), digest.begin());
  return digest;
}

Error digestMismatch(Content content, std::string_view name, std::optional<std::string_view> found,
                     std::string_view pinned) {
  const std::string_view field = fieldOf(content);
  const std::string which =
      found ? fmt::format("the SHA-256 {}, but {}.sha256 asks for {}", *found, field, pinned)
            : fmt::format("another SHA-256 than {}, which {}.sha256 asks for", pinned, field);
  return {Reason::DigestMismatch,
          fmt::format("Image {} has {}. Restore the image or change the pin.", name, which)};
}

}  // namespace rookery::image

#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace rookery::http {

/// Compresses a stream of bytes as gzip (RFC 1952), fast rather than small. One thread.
class Gzip {
 public:
  /// Throws std::bad_alloc.
  Gzip();
  ~Gzip();
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  /// What can be sent so far after `bytes`; often empty, because much is kept back to compress it together.
  std::string add(std::string_view bytes);
  /// The rest; nothing may be added afterwards.
  std::string finish();

 private:
  struct State;
  std::string run(std::string_view bytes, int flush);

  std::unique_ptr<State> state_;
};

}  // namespace rookery::http

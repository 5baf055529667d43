#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "http/client_stream.h"

namespace rookery::http {

/// A client that sends these bytes, in pieces of some size, and then no more; and that takes everything.
class GivenStream : public ClientStream {
 public:
  GivenStream(std::string_view bytes, std::size_t piece) : ClientStream(-1), bytes_(bytes), piece_(piece) {}

 protected:
  Attempt tryReceive(char* data, std::size_t size) override {
    const std::size_t received = std::min({size, piece_, bytes_.size()});
    if (received == 0) return {Attempt::State::End};
    std::memcpy(data, bytes_.data(), received);
    bytes_.remove_prefix(received);
    return {Attempt::State::Done, received};
  }
  Attempt trySend(const char* /*data*/, std::size_t size) override { return {Attempt::State::Done, size}; }
  Attempt peek() override { return {bytes_.empty() ? Attempt::State::End : Attempt::State::Done, 1}; }

 private:
  std::string_view bytes_;
  std::size_t piece_;
};

}  // namespace rookery::http

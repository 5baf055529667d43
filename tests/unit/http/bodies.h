#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "http/message.h"

namespace rookery::http {

/// A body that is there already, in pieces of the given size; the first may have another.
class TextBody : public Body {
 public:
  explicit TextBody(std::string text, std::size_t piece = 7, std::size_t first = 0)
      : text_(std::move(text)), piece_(piece), first_(first == 0 ? piece : first) {}

  Result<std::string_view> next() override {
    if (position_ >= failsAt_) return fail(Reason::ConnectionFailed, "the client closed the connection");
    const std::size_t size = position_ == 0 ? first_ : piece_;
    // A copy of its own: who looks at an earlier piece is told by the sanitizer.
    current_ = text_.substr(position_, size);
    position_ += current_.size();
    return std::string_view(current_);
  }
  std::optional<std::uint64_t> announcedSize() const override { return announced; }

  /// The client goes away there.
  void failAt(std::size_t position) { failsAt_ = position; }
  std::size_t read() const { return position_; }

  std::optional<std::uint64_t> announced;

 private:
  const std::string text_;
  const std::size_t piece_, first_;
  std::string current_;
  std::size_t position_ = 0;
  std::size_t failsAt_ = std::string::npos;
};

}  // namespace rookery::http

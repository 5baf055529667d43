#include "trace/span.h"

#include <fmt/format.h>

namespace rookery::trace {

std::string Context::traceId() const {
  return sampled ? fmt::format("{:016x}{:016x}", traceHigh, traceLow) : std::string();
}

Span& Span::operator=(Span&& other) noexcept {
  if (this == &other) return *this;
  end();
  context_ = std::exchange(other.context_, {});
  recording_ = std::move(other.recording_);
  return *this;
}

void Span::set(std::string_view key, Value value) {
  if (!recording_) return;
  if (auto* const text = std::get_if<std::string>(&value); text != nullptr && text->size() > longestText)
    text->resize(longestText);
  recording_->data.attributes.emplace_back(key, std::move(value));
}

void Span::beganBefore(std::chrono::nanoseconds earlier) {
  if (!recording_) return;
  recording_->start -= earlier;
  recording_->data.start -= std::chrono::duration_cast<std::chrono::system_clock::duration>(earlier);
}

void Span::fail(std::string_view reason, std::string_view message) {
  if (!recording_) return;
  recording_->data.failed = true;
  recording_->data.failure = message.substr(0, longestText);
  set("error.type", std::string(reason));
}

void Span::end() noexcept {
  if (!recording_) return;
  const std::unique_ptr<Recording> ended = std::move(recording_);
  ended->data.duration = std::chrono::steady_clock::now() - ended->start;
  ended->finished(std::move(ended->data));
}

}  // namespace rookery::trace

#include "cli/visible_stream.h"

#include <utility>

#include "text.h"

namespace rookery::cli {

void VisibleBuffer::writeRaw(std::string_view sequence) {
  finish();
  sink_ << sequence;
}

VisibleBuffer::int_type VisibleBuffer::overflow(int_type c) {
  if (traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
  const char character = traits_type::to_char_type(c);
  return xsputn(&character, 1) == 1 ? c : traits_type::eof();
}

std::streamsize VisibleBuffer::xsputn(const char* text, std::streamsize size) {
  pending_.append(text, static_cast<std::size_t>(size));
  const std::size_t unfinished = unfinishedBytes(pending_);
  std::string rest = pending_.substr(pending_.size() - unfinished);
  pending_.resize(pending_.size() - unfinished);
  sink_ << visibleLines(pending_);
  pending_ = std::move(rest);
  return sink_ ? size : 0;
}

int VisibleBuffer::sync() {
  finish();
  return sink_.flush() ? 0 : -1;
}

/// Nothing more comes of the character that was begun.
void VisibleBuffer::finish() { sink_ << visibleLines(std::exchange(pending_, {})); }

std::ostream& operator<<(std::ostream& out, ControlSequence sequence) {
  auto* const buffer = dynamic_cast<VisibleBuffer*>(out.rdbuf());
  if (buffer == nullptr) return out << sequence.text;
  buffer->writeRaw(sequence.text);
  return out;
}

}  // namespace rookery::cli

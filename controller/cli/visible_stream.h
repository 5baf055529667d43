#pragma once

#include <ostream>
#include <streambuf>
#include <string>
#include <string_view>

namespace rookery::cli {

/// Passes text on to another stream as visibleLines() shows it: whatever a server, a manifest or a file's
/// name put into a message, only our own control sequences (ControlSequence) act on the terminal.
class VisibleBuffer : public std::streambuf {
 public:
  /// `sink` must outlive it.
  explicit VisibleBuffer(std::ostream& sink) : sink_(sink) {}
  ~VisibleBuffer() override { finish(); }
  VisibleBuffer(const VisibleBuffer&) = delete;
  VisibleBuffer& operator=(const VisibleBuffer&) = delete;

  /// Passes on what is ours as it is.
  void writeRaw(std::string_view sequence);

 protected:
  int_type overflow(int_type c) override;
  std::streamsize xsputn(const char* text, std::streamsize size) override;
  int sync() override;

 private:
  void finish();

  std::ostream& sink_;
  std::string pending_;  // the beginning of a character whose rest has not come yet
};

/// A stream on such a buffer.
class VisibleStream : public std::ostream {
 public:
  explicit VisibleStream(std::ostream& sink) : std::ostream(nullptr), buffer_(sink) { rdbuf(&buffer_); }

 private:
  VisibleBuffer buffer_;
};

/// Something that the terminal is to do: `out << ControlSequence{"\033[0m"}`.
struct ControlSequence {
  std::string_view text;
};
std::ostream& operator<<(std::ostream& out, ControlSequence sequence);

}  // namespace rookery::cli

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "error.h"

/// The primitive layer of the wire format: elements of ASN.1's Distinguished Encoding Rules (ITU-T X.690), as
/// far and as strictly as Albatross reads and writes them. Which elements a message has is said in wire.cpp.
namespace rookery::albatross::der {

/// Milliseconds since the epoch; years 0 to 9999.
using Time = std::chrono::sys_time<std::chrono::milliseconds>;

/// An identifier octet (X.690, 8.1.2): class, primitive or constructed, and a number below 31.
enum class Tag : std::uint8_t {
  Boolean = 0x01,
  Integer = 0x02,
  OctetString = 0x04,
  Null = 0x05,
  Utf8String = 0x0c,
  GeneralizedTime = 0x18,
  Sequence = 0x30,
  Set = 0x31,
};

/// The constructed, context-specific tag [number]; number < 31.
constexpr Tag context(unsigned number) {
  if (number >= 31) check(false, "a context-specific tag fits one octet");
  return static_cast<Tag>(0xa0U | number);
}

/// As a grammar calls it: "INTEGER", "[3]"; others as "tag 0x93".
std::string toString(Tag tag);

/// The most elements that are read off one input. A value takes up to some 60 bytes of memory for an element
/// of two, so that short elements, and not the bytes of a message, would be what fills the memory.
inline constexpr std::size_t mostElements = 2'000'000;

/// Reads elements from front to back, in place: strings are copied once, nothing else is allocated but the
/// path. Every reading function returns whether it succeeded; after the first failure the reader must not be
/// used further, but for error(). The input must outlive the reader.
class Reader {
 public:
  explicit Reader(std::string_view input) : input_(input), end_(input.size()) {}

  /// Whether the innermost open element has nothing left.
  bool atEnd() const { return position_ == end_; }
  /// Whether an element with this tag comes next.
  bool next(Tag tag) const {
    return !atEnd() && static_cast<std::uint8_t>(input_[position_]) == static_cast<std::uint8_t>(tag);
  }

  bool null();
  /// Any octet but zero is true, as the server reads it.
  bool boolean(bool& value);
  /// 63 bits with sign: the server's integers.
  bool integer(std::int64_t& value);
  /// An OCTET STRING or UTF8String (whose encoding is not validated).
  bool bytes(Tag tag, std::string& value);
  /// A GeneralizedTime, in every form that the server takes: minutes, seconds, fraction and zone may be
  /// absent. Up to three digits of a fraction are read as a *number of milliseconds* (".5" is 5 ms), the
  /// following ones are dropped.
  bool time(Time& value);

  /// Opens a constructed element, runs `content` (which returns whether it succeeded) and sees to it that all
  /// was read.
  template <class Content>
  bool constructed(Tag tag, Content content) {
    std::size_t length = 0;
    if (!header(tag, length)) return false;
    const std::size_t enclosing = end_;
    end_ = position_ + length;
    if (!content() || !finish()) return false;
    end_ = enclosing;
    return true;
  }

  /// Runs `content` with `name` (which must outlive it) at the end of the path that errors show.
  template <class Content>
  bool field(std::string_view name, Content content) {
    return within({.name = name, .index = 0}, content);
  }
  /// The same for an element of a list.
  template <class Content>
  bool item(std::size_t index, Content content) {
    return within({.name = {}, .index = index}, content);
  }

  /// Fails when something is left.
  bool finish();

  /// Fails at the element that was read last, with the end of a sentence; returns false.
  bool fail(std::string what);
  /// Fails because what comes next, if anything, is not what is `expected`; returns false.
  bool unexpected(std::string_view expected);

  /// What went wrong, as a ProtocolError: "`subject` is malformed at byte 12, in header.name: …".
  Error error(std::string_view subject) const;

 private:
  struct Step {
    std::string_view name;  // empty: an index
    std::size_t index;
  };

  template <class Content>
  bool within(Step step, Content content) {
    path_.push_back(step);
    const bool succeeded = content();
    path_.pop_back();
    return succeeded;
  }

  bool failNext(std::string what);
  bool header(Tag tag, std::size_t& length);
  bool longLength(std::uint8_t first, std::size_t& length);
  bool primitive(Tag tag, std::string_view& content);

  std::string_view input_;
  std::size_t position_ = 0;
  std::size_t end_;           // of the innermost open element
  std::size_t element_ = 0;   // where the element that was read last begins
  std::size_t elements_ = 0;  // read so far
  std::vector<Step> path_;
  std::string what_;   // of the first failure
  std::string where_;  // its path
};

/// Writes elements in their only DER form.
class Writer {
 public:
  void null();
  void boolean(bool value);
  void integer(std::int64_t value);
  void bytes(Tag tag, std::string_view value);
  /// Without a fraction, or with exactly three digits: what the server's reader understands.
  void time(Time value);

  /// A constructed element around what `content` writes.
  template <class Content>
  void constructed(Tag tag, Content content) {
    const std::size_t start = output_.size();
    content();
    output_.insert(start, header(tag, output_.size() - start));
  }

  /// An element that is encoded already.
  void element(std::string_view encoded) { output_ += encoded; }

  /// What was written. The writer is empty then.
  std::string take() { return std::exchange(output_, {}); }

 private:
  static std::string header(Tag tag, std::size_t length);

  std::string output_;
};

}  // namespace rookery::albatross::der

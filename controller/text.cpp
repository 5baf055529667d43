#include "text.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

namespace rookery {

namespace {

/// One character of UTF-8 (RFC 3629), or a byte that is none.
struct Character {
  std::size_t size = 1;
  char32_t codePoint = 0;
  bool valid = false;
};

std::uint8_t byteAt(std::string_view text, std::size_t index) {
  return static_cast<std::uint8_t>(text[index]);
}

/// How many bytes a character that begins like this has; 0: none does.
std::size_t sizeOf(std::uint8_t first) {
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return 2;
  if (first >= 0xE0 && first <= 0xEF) return 3;
  return first >= 0xF0 && first <= 0xF4 ? 4 : 0;
}

bool continues(std::uint8_t byte) { return (byte & 0xC0U) == 0x80; }

/// The first character of `text`, which is not empty.
Character firstOf(std::string_view text) {
  const std::uint8_t first = byteAt(text, 0);
  const std::size_t size = sizeOf(first);
  if (size == 0 || size > text.size()) return {};
  if (size == 1) return {.size = 1, .codePoint = first, .valid = true};
  char32_t codePoint = first & (0x7FU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if (!continues(byteAt(text, i))) return {};
    codePoint = codePoint << 6U | (byteAt(text, i) & 0x3FU);
  }
  constexpr std::array<char32_t, 5> least = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = codePoint >= 0xD800 && codePoint <= 0xDFFF;
  if (codePoint < least.at(size) || surrogate || codePoint > 0x10FFFF) return {};
  return {.size = size, .codePoint = codePoint, .valid = true};
}

/// Characters that act instead of showing themselves: Unicode's categories Cc, Cf, Zl and Zp, as far as text
/// of ours has no use for them.
constexpr std::array<std::pair<char32_t, char32_t>, 13> unseen = {
    {{0x00, 0x1F},
     {0x7F, 0x9F},
     {0xAD, 0xAD},          // soft hyphen
     {0x61C, 0x61C},        // Arabic letter mark
     {0x115F, 0x1160},      // Hangul fillers
     {0x180B, 0x180F},      // Mongolian selectors
     {0x200B, 0x200F},      // zero width, directions
     {0x2028, 0x202E},      // separators, directions
     {0x2060, 0x206F},      // joiner, isolates
     {0x3164, 0x3164},      // Hangul filler
     {0xFEFF, 0xFEFF},      // byte order mark
     {0xFFF9, 0xFFFB},      // annotations
     {0xE0000, 0xE0FFF}}};  // tags

bool isUnseen(char32_t codePoint) {
  return std::ranges::any_of(
      unseen, [&](const auto& range) { return codePoint >= range.first && codePoint <= range.second; });
}

void appendHex(std::string& out, std::string_view prefix, unsigned value, unsigned digits) {
  constexpr std::string_view hex = "0123456789abcdef";
  out += prefix;
  for (unsigned shift = digits * 4; shift > 0; shift -= 4) out += hex[value >> (shift - 4) & 0xFU];
}

/// As JSON writes it.
void appendEscaped(std::string& out, char32_t codePoint) {
  switch (codePoint) {
    case U'\n':
      out += "\\n";
      return;
    case U'\r':
      out += "\\r";
      return;
    case U'\t':
      out += "\\t";
      return;
    default:
      break;
  }
  if (codePoint < 0x10000) return appendHex(out, "\\u", codePoint, 4);
  const char32_t beyond = codePoint - 0x10000;
  appendHex(out, "\\u", 0xD800 + (beyond >> 10U), 4);
  appendHex(out, "\\u", 0xDC00 + (beyond & 0x3FFU), 4);
}

bool isPlain(char c) { return c >= ' ' && c <= '~'; }

std::string escape(std::string_view text, std::string_view kept) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto plain = static_cast<std::size_t>(std::ranges::find_if_not(text, isPlain) - text.begin());
    out += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    const Character next = firstOf(text);
    if (!next.valid) {
      appendHex(out, "\\x", byteAt(text, 0), 2);
    } else if (isUnseen(next.codePoint) && !kept.contains(text[0])) {
      appendEscaped(out, next.codePoint);
    } else {
      out += text.substr(0, next.size);
    }
    text.remove_prefix(next.size);
  }
  return out;
}

/// The end of a text that was cut after some of its bytes.
std::string ofSo(std::size_t size) { return "… (" + std::to_string(size) + " bytes)"; }

}  // namespace

std::string visible(std::string_view foreign) { return escape(foreign, ""); }

std::string visible(std::string_view foreign, std::size_t longest) {
  if (foreign.size() <= longest) return visible(foreign);
  const std::string_view head = foreign.substr(0, longest);
  return visible(head.substr(0, longest - unfinishedBytes(head))) + ofSo(foreign.size());
}

std::string visibleLines(std::string_view foreign) { return escape(foreign, "\n\t"); }

std::string shorten(std::string_view text, std::size_t longest) {
  if (text.size() <= longest) return std::string(text);
  const std::string_view head = text.substr(0, longest);
  return std::string(head.substr(0, longest - unfinishedBytes(head))) + ofSo(text.size());
}

std::string_view trimmed(std::string_view text, std::string_view blanks) {
  text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
  return text.substr(0, text.find_last_not_of(blanks) + 1);  // npos + 1 == 0
}

bool beginsVisible(std::string_view text) {
  const Character first = text.empty() ? Character{} : firstOf(text);
  return first.valid && !isUnseen(first.codePoint);
}

std::size_t unfinishedBytes(std::string_view text) {
  const std::size_t most = std::min<std::size_t>(text.size(), 3);
  for (std::size_t back = 1; back <= most; ++back) {
    const std::uint8_t byte = byteAt(text, text.size() - back);
    if (continues(byte)) continue;
    return sizeOf(byte) > back ? back : 0;
  }
  return 0;
}

std::string quote(std::string_view text) {
  constexpr std::size_t longest = 80;
  const bool cut = text.size() > longest;
  const std::string_view head = text.substr(0, longest);
  return '"' + visible(head.substr(0, head.size() - (cut ? unfinishedBytes(head) : 0))) +
         (cut ? "\"…" : "\"");
}

std::size_t utf8Length(std::string_view text) {
  const Character first = text.empty() ? Character{} : firstOf(text);
  return first.valid ? first.size : 0;
}

std::optional<std::size_t> findInvalidByte(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const bool control = (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7F;
    const std::size_t length = utf8Length(text.substr(at, 4));
    if (control || length == 0) return at;
    at += length;
  }
  return std::nullopt;
}

std::string toLower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  return lower;
}

std::string percentEncode(std::string_view text) {
  constexpr std::string_view unreserved =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    if (unreserved.find(c) != std::string_view::npos) {
      encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded += {'%', digits[byte >> 4U], digits[byte & 0xFU]};
    }
  }
  return encoded;
}

}  // namespace rookery

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

/// Text that somebody else wrote (a server, a manifest, a file's name, a caller) on its way to people:
/// nothing in it may move a terminal's cursor, turn its direction around, hide, or look like a line of its
/// own.
namespace rookery {

/// What text of an Albatross server, a cluster or a build server is cut to where it enters.
inline constexpr std::size_t longestForeignText = 1 << 10;

/// `foreign` on one line, with nothing in it that is not seen. Escaped are the control characters (C0, DEL,
/// C1), what sets the direction of text, joins, separates or hides without showing, and what is not UTF-8:
/// "\n", "\u001b", "\u202e" and, of a byte that is no character's, "\xff". In a JSON string this changes
/// nothing of what it means.
std::string visible(std::string_view foreign);

/// The same, of no more than the first `longest` bytes, and how many there were.
std::string visible(std::string_view foreign, std::size_t longest);

/// The same of several lines: line feeds and tabs stay.
std::string visibleLines(std::string_view foreign);

/// `text` as it is, but no more than its first `longest` bytes, and then how many there were. A character of
/// UTF-8 is never cut through.
std::string shorten(std::string_view text, std::size_t longest);

/// `text` without the `blanks` around it.
std::string_view trimmed(std::string_view text, std::string_view blanks = " \t\r\n");

/// Whether `text` begins with a character of UTF-8 that visible() leaves as it is.
bool beginsVisible(std::string_view text);

/// `text` in quotation marks, cut when long and with control characters escaped, so that a message can hold
/// it.
std::string quote(std::string_view text);

/// How many bytes the character of UTF-8 (RFC 3629) at the start of `text` takes; 0: it is none.
std::size_t utf8Length(std::string_view text);

/// The offset of the first byte that text must not hold: not UTF-8, or a control character other than tab,
/// line feed and carriage return.
std::optional<std::size_t> findInvalidByte(std::string_view text);

/// ASCII letters in lower case.
std::string toLower(std::string_view text);

/// Percent-encodes all but the unreserved characters (RFC 3986, sections 2.1 and 2.3): a segment of a path or
/// a value in a query.
std::string percentEncode(std::string_view text);

/// How many bytes at the end of `text` are the beginning of a character whose rest has not come yet.
std::size_t unfinishedBytes(std::string_view text);

}  // namespace rookery

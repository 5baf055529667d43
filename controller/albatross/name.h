#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "error.h"

namespace rookery::albatross {

/// A label by the server's rules: 1–63 of [A-Za-z0-9.-], not starting with '-'. Returns it folded to lower
/// case, as the server does; an Error (InvalidManifest) that quotes it and says the rule.
Result<std::string> parseLabel(std::string_view text);

/// What a command or a reply is about: a domain (a path of labels, the root when empty), or one unikernel or
/// block device in it. Labels are always lower case. Ordered, so that it can key a map.
struct Name {
  std::vector<std::string> path;
  std::optional<std::string> label;

  /// Parses the wire form: `path ":" label`; `:label` or `label` in the root; a bare path ends in `:`; the
  /// root is
  /// `:`. Error (ProtocolError) as the server's decoder refuses it, or longer than 1 KiB.
  static Result<Name> parse(std::string_view wire);

  /// The wire form: "a:b:c", ":c", "a:b:", ":".
  std::string toString() const;

  /// The full name of `relative`, found in a list reply to a question about this: names are relative to a
  /// domain that was asked, but full where the question was about one unikernel or block device.
  Name resolve(const Name& relative) const;

  friend auto operator<=>(const Name&, const Name&) = default;
};

}  // namespace rookery::albatross

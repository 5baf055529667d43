#include "albatross/name.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "text.h"

namespace rookery::albatross {

namespace {

bool isLabel(std::string_view text) {
  return !text.empty() && text.size() <= 63 && text.front() != '-' && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
}

std::string lowerCase(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  return lower;
}

/// As deep as a chain of certificates can lead (nine), and then some.
constexpr std::size_t longestName = 1 << 10;

/// `text` for a message: of readable length, on one line, whatever it holds.
std::string quoted(std::string_view text) {
  constexpr std::size_t limit = 80;
  return fmt::format("\"{}\"", visible(text, limit));
}

constexpr std::string_view labelRule =
    "a label has 1 to 63 letters, digits, dots and hyphens, and does not start with a hyphen";

/// The labels between the colons; false when one of them is none.
bool splitLabels(std::string_view text, std::vector<std::string>& labels) {
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find(':', start), text.size());
    const std::string_view label = text.substr(start, end - start);
    if (!isLabel(label)) return false;
    labels.push_back(lowerCase(label));
    start = end + 1;
  }
  return true;
}

}  // namespace

Result<std::string> parseLabel(std::string_view text) {
  if (isLabel(text)) return lowerCase(text);
  return fail(Reason::InvalidManifest, fmt::format("{} is not a label: {}.", quoted(text), labelRule));
}

Result<Name> Name::parse(std::string_view wire) {
  const auto invalid = [wire] {
    return fail(Reason::ProtocolError, fmt::format("{} is not a name: labels are joined by colons, and {}.",
                                                   quoted(wire), labelRule));
  };
  if (wire.size() > longestName) {
    return fail(Reason::ProtocolError,
                fmt::format("{} is not a name: the longest has {} bytes.", quoted(wire), longestName));
  }
  Name name;
  std::string_view labels = wire;
  const bool isDomain = labels.ends_with(':');
  if (isDomain) labels.remove_suffix(1);
  if (isDomain && labels.empty()) return name;
  if (labels.starts_with(':')) labels.remove_prefix(1);
  if (!splitLabels(labels, name.path)) return invalid();
  if (!isDomain) {
    name.label = std::move(name.path.back());
    name.path.pop_back();
  }
  return name;
}

std::string Name::toString() const { return fmt::format("{}:{}", fmt::join(path, ":"), label.value_or("")); }

Name Name::resolve(const Name& relative) const {
  // A question about one unikernel or device is answered with its full name.
  if (label) return relative;
  Name full = relative;
  full.path.insert(full.path.begin(), path.begin(), path.end());
  return full;
}

}  // namespace rookery::albatross

#include "http/target.h"

#include <algorithm>
#include <charconv>

#include "text.h"

namespace rookery::http {
namespace {

/// `plus`: what that sign stands for. Nothing when the text is not percent-encoded properly, or decodes to
/// what no name holds: bytes that are not UTF-8, and control characters.
std::optional<std::string> decode(std::string_view text, char plus) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      decoded += plus;
      continue;
    }
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const std::string_view digits = text.substr(i + 1, 2);
    unsigned char byte = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
    if (error != std::errc() || end != digits.data() + 2) return std::nullopt;
    decoded += static_cast<char>(byte);
    i += 2;
  }
  if (findInvalidByte(decoded)) return std::nullopt;
  return decoded;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

bool parsePath(std::string_view path, Target& target) {
  path.remove_prefix(1);
  if (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return true;
  for (const std::string_view part : split(path, '/')) {
    auto segment = decode(part, '+');
    if (!segment) return false;
    target.segments.push_back(*std::move(segment));
  }
  return true;
}

bool parseQuery(std::string_view query, Target& target) {
  for (const std::string_view part : split(query, '&')) {
    const std::size_t equals = std::min(part.find('='), part.size());
    const auto name = decode(part.substr(0, equals), ' ');
    const auto value = decode(part.substr(std::min(equals + 1, part.size())), ' ');
    if (!name || !value) return false;
    target.query[*name] = *value;
  }
  return true;
}

}  // namespace

std::optional<Target> parseTarget(std::string_view target) {
  if (!target.starts_with('/')) return std::nullopt;
  if (std::ranges::any_of(target, [](char c) { return c <= ' ' || c > '~'; })) return std::nullopt;
  const std::size_t question = std::min(target.find('?'), target.size());
  Target parsed;
  if (!parsePath(target.substr(0, question), parsed)) return std::nullopt;
  if (question < target.size() && !parseQuery(target.substr(question + 1), parsed)) return std::nullopt;
  return parsed;
}

std::string parameterOf(const std::map<std::string, std::string>& query, const std::string& name) {
  const auto found = query.find(name);
  return found == query.end() ? std::string() : found->second;
}

}  // namespace rookery::http

#include "cli/secret_arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include "text.h"

namespace rookery::cli {

namespace {

/// What the name of an argument with a secret holds, in lower case.
constexpr std::array<std::string_view, 7> tellingWords = {"passw", "passphrase", "pwd", "secret",
                                                          "token", "credential", "seed"};
/// What one of its words ends in: "--ssh-key", "--apikey", but not "--keyboard".
constexpr std::array<std::string_view, 4> tellingEnds = {"key", "keys", "pass", "psk"};

bool holdsAll(std::string_view text, bool (*allowed)(unsigned char)) {
  return std::ranges::all_of(text, [&](char c) { return allowed(static_cast<unsigned char>(c)); });
}

bool holdsAny(std::string_view text, bool (*wanted)(unsigned char)) {
  return std::ranges::any_of(text, [&](char c) { return wanted(static_cast<unsigned char>(c)); });
}

constexpr auto isWord = [](unsigned char c) {
  return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
};
constexpr auto isHex = [](unsigned char c) { return std::isxdigit(c) != 0; };
constexpr auto isUpper = [](unsigned char c) { return std::isupper(c) != 0; };
constexpr auto isLower = [](unsigned char c) { return std::islower(c) != 0; };
constexpr auto isDigit = [](unsigned char c) { return std::isdigit(c) != 0; };
/// Of base64 (RFC 4648, sections 4 and 5), its padding included.
constexpr auto isBase64 = [](unsigned char c) {
  return std::isalnum(c) != 0 || std::string_view("+/-_=").contains(static_cast<char>(c));
};

/// `host=db password=x`, `?token=x`, `{"secret": "x"}`
bool namesSecret(std::string_view value) {
  const std::string lower = toLower(value);
  return std::ranges::any_of(tellingWords, [&](std::string_view word) {
    for (std::size_t at = lower.find(word); at != std::string::npos; at = lower.find(word, at + 1)) {
      std::size_t end = at + word.size();
      while (end < lower.size() && (isWord(static_cast<unsigned char>(lower[end])) || lower[end] == '"'))
        ++end;
      if (end + 1 < lower.size() && (lower[end] == '=' || lower[end] == ':')) return true;
    }
    return false;
  });
}

bool isNotText(std::string_view value) { return findInvalidByte(value).has_value(); }

bool isPem(std::string_view value) { return value.contains("-----BEGIN "); }

/// RFC 7519: base64url of `{"`, and on.
bool isWebToken(std::string_view value) { return value.starts_with("eyJ") && value.size() >= 32; }

/// RFC 3986, section 3.2.1: `scheme://user:password@host`.
bool isUrlWithPassword(std::string_view value) {
  const std::size_t start = value.find("://");
  if (start == std::string_view::npos) return false;
  const std::string_view authority =
      value.substr(start + 3, value.find_first_of("/?#", start + 3) - start - 3);
  const std::size_t at = authority.rfind('@');
  return at != std::string_view::npos && authority.substr(0, at).contains(':');
}

/// 128 bits or more.
bool isLongHex(std::string_view value) { return value.size() >= 32 && holdsAll(value, isHex); }

bool isLongBase64(std::string_view value) {
  return value.size() >= 40 && holdsAll(value, isBase64) && holdsAny(value, isUpper) &&
         holdsAny(value, isLower) && holdsAny(value, isDigit);
}

constexpr std::array valueRules = {namesSecret,       isNotText, isPem,       isWebToken,
                                   isUrlWithPassword, isLongHex, isLongBase64};

bool looksSecret(std::string_view value) {
  return std::ranges::any_of(valueRules, [&](const auto rule) { return rule(value); });
}

/// The length of the name that `argument` begins with; 0: with none.
std::size_t nameLength(std::string_view argument) {
  constexpr std::size_t longest = 64;
  const std::size_t dashes = std::min(argument.find_first_not_of('-'), argument.size());
  const auto* const end = std::ranges::find_if_not(argument, isWord);
  const auto length = static_cast<std::size_t>(end - argument.begin());
  if (dashes > 2 || length == dashes || length > longest) return 0;
  // A word that is a secret itself, with the padding of its base64 behind it, is no name.
  return looksSecret(argument.substr(dashes, length - dashes)) ? 0 : length;
}

bool isTelling(std::string_view name) {
  const std::string lower = toLower(name);
  if (std::ranges::any_of(tellingWords, [&](std::string_view word) { return lower.contains(word); }))
    return true;
  for (std::size_t at = 0; at < lower.size();) {
    const std::size_t end = std::min(lower.find_first_of("-_.", at), lower.size());
    const std::string_view word = std::string_view(lower).substr(at, end - at);
    if (std::ranges::any_of(tellingEnds, [&](std::string_view tail) { return word.ends_with(tail); }))
      return true;
    at = end + 1;
  }
  return false;
}

/// `previous` is the name of an option before it, with its value in the next argument; empty: it has none.
std::optional<SecretArgument> secretIn(const std::string& argument, std::size_t index,
                                       std::string_view previous) {
  const std::size_t name = nameLength(argument);
  const std::string_view text = argument;
  if (name > 0 && name < text.size() && text[name] == '=') {
    const std::string_view value = text.substr(name + 1);
    if (value.empty() || !(isTelling(text.substr(0, name)) || looksSecret(value))) return std::nullopt;
    return SecretArgument{index, name + 1, std::string(text.substr(0, name))};
  }
  if (!previous.empty() && !text.empty()) return SecretArgument{index, 0, std::string(previous)};
  if (!looksSecret(text)) return std::nullopt;
  return SecretArgument{index, 0, fmt::format("argument {}", index + 1)};
}

}  // namespace

std::vector<SecretArgument> secretsAmong(const std::vector<std::string>& arguments) {
  std::vector<SecretArgument> found;
  std::string_view option;
  for (std::size_t index = 0; index < arguments.size(); ++index) {
    const std::string& argument = arguments[index];
    const bool isOption = argument.starts_with('-') && nameLength(argument) == argument.size();
    if (auto secret = secretIn(argument, index, isOption ? std::string_view() : option))
      found.push_back(*std::move(secret));
    option = isOption && isTelling(argument) ? std::string_view(argument) : std::string_view();
  }
  return found;
}

}  // namespace rookery::cli

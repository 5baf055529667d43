#include "api/syntax.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
#include <ranges>
#include <vector>

#include "text.h"
#include "yaml/yaml.h"

namespace rookery::api {

namespace {

bool isDecimal(char c) { return c >= '0' && c <= '9'; }
bool isLower(char c) { return c >= 'a' && c <= 'z'; }
bool isUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool isAlphanumeric(char c) { return isDecimal(c) || isLower(c) || isUpper(c); }
bool isHex(char c) { return isDecimal(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

/// RFC 1123's label in lower case, of any length.
bool isLabel(std::string_view text) {
  return !text.empty() && text.front() != '-' && text.back() != '-' &&
         std::ranges::all_of(text, [](char c) { return isDecimal(c) || isLower(c) || c == '-'; });
}

bool isSubdomain(std::string_view text) {
  while (true) {
    const std::size_t dot = text.find('.');
    if (!isLabel(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

/// Kubernetes' "qualified name" without its prefix, of any length.
bool isLabelText(std::string_view text) {
  return !text.empty() && isAlphanumeric(text.front()) && isAlphanumeric(text.back()) &&
         std::ranges::all_of(text,
                             [](char c) { return isAlphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

bool isLabelWord(std::string_view text) { return text.size() <= 63 && isLabelText(text); }

/// Ends a complaint about a name with one that would do, where there is an obvious one.
std::string suggestion(std::string_view text, bool (*isValid)(std::string_view)) {
  std::string better = toLower(text);
  std::ranges::replace(better, '_', '-');
  return better != text && isValid(better) ? fmt::format("; write {}", quote(better)) : "";
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool isPort(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

bool isIPv4(std::string_view text) {
  in_addr address{};
  return ::inet_pton(AF_INET, std::string(text).c_str(), &address) == 1;
}

bool isIPv6(std::string_view text) {
  in6_addr address{};
  return ::inet_pton(AF_INET6, std::string(text).c_str(), &address) == 1;
}

bool isHost(std::string_view text) {
  return !text.empty() && text.size() <= 253 && text.front() != '-' && text.front() != '.' &&
         std::ranges::all_of(text,
                             [](char c) { return isAlphanumeric(c) || c == '-' || c == '.' || c == '_'; });
}

// As k8s.io/apimachinery/pkg/util/validation words them.
constexpr std::string_view labelNameError =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

constexpr std::string_view labelValueError =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
    "for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

constexpr std::string_view subdomainError =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    R"('[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'))";

void checkLabelPrefix(std::string_view prefix, std::vector<std::string>& errors) {
  if (prefix.empty()) {
    errors.emplace_back("prefix part must be non-empty");
    return;
  }
  if (prefix.size() > 253) errors.emplace_back("prefix part must be no more than 253 characters");
  if (!isSubdomain(prefix)) errors.push_back(fmt::format("prefix part {}", subdomainError));
}

}  // namespace

Complaint checkName(std::string_view text, std::size_t longest) {
  if (text.size() > longest) {
    return fmt::format("a name has at most {} characters, this one has {}", longest, text.size());
  }
  if (isSubdomain(text)) return std::nullopt;
  return fmt::format(
      "{} is not a name that both Kubernetes and Albatross take: lower-case letters, digits, \"-\" and "
      "\".\", with a "
      "letter or digit at both ends and beside each dot{}",
      quote(text), suggestion(text, isSubdomain));
}

Complaint checkNamespace(std::string_view text) {
  if (text.size() > 63)
    return fmt::format("a namespace has at most 63 characters, this one has {}", text.size());
  if (isLabel(text)) return std::nullopt;
  return fmt::format(
      "{} is not a namespace that both Kubernetes and Albatross take: lower-case letters, digits and \"-\", "
      "with a "
      "letter or digit at both ends{}",
      quote(text), suggestion(text, isLabel));
}

Complaint checkLabelKey(std::string_view text) {
  const std::size_t slash = text.find('/');
  const bool hasPrefix = slash != std::string_view::npos;
  const std::string_view prefix = hasPrefix ? text.substr(0, slash) : "";
  const std::string_view word = hasPrefix ? text.substr(slash + 1) : text;
  if (isLabelWord(word) && (!hasPrefix || (prefix.size() <= 253 && isSubdomain(prefix)))) return std::nullopt;
  return fmt::format(
      "{} is not a key that Kubernetes takes: at most 63 letters, digits, \"-\", \"_\" and \".\", with a "
      "letter or "
      "digit at both ends, after an optional domain and \"/\"",
      quote(text));
}

Complaint checkLabelValue(std::string_view text) {
  if (text.empty() || isLabelWord(text)) return std::nullopt;
  return fmt::format(
      "{} is not a label that Kubernetes takes: at most 63 letters, digits, \"-\", \"_\" and \".\", with a "
      "letter or "
      "digit at both ends",
      quote(text));
}

std::vector<std::string> labelKeyErrors(std::string_view key) {
  std::vector<std::string> errors;
  if (std::ranges::count(key, '/') > 1) {
    return {fmt::format(
        "a qualified name {} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
        labelNameError)};
  }
  const std::size_t slash = key.find('/');
  if (slash != std::string_view::npos) checkLabelPrefix(key.substr(0, slash), errors);
  const std::string_view name = slash == std::string_view::npos ? key : key.substr(slash + 1);
  if (name.empty()) errors.emplace_back("name part must be non-empty");
  if (name.size() > 63) errors.emplace_back("name part must be no more than 63 characters");
  if (!isLabelText(name)) errors.push_back(fmt::format("name part {}", labelNameError));
  return errors;
}

std::vector<std::string> labelValueErrors(std::string_view value) {
  std::vector<std::string> errors;
  if (value.size() > 63) errors.emplace_back("must be no more than 63 characters");
  if (!value.empty() && !isLabelText(value)) errors.emplace_back(labelValueError);
  return errors;
}

Complaint checkSecretKey(std::string_view text) {
  const bool valid = !text.empty() && text.size() <= 253 && std::ranges::all_of(text, [](char c) {
    return isAlphanumeric(c) || c == '-' || c == '_' || c == '.';
  });
  if (valid) return std::nullopt;
  return fmt::format(
      "{} is not a key that a Secret can have: 1 to 253 letters, digits, \"-\", \"_\" and \".\"",
      quote(text));
}

Complaint checkVariable(std::string_view text) {
  const bool valid = !text.empty() && !isDecimal(text.front()) && !checkSecretKey(text);
  if (valid) return std::nullopt;
  return fmt::format(
      "{} is not a name that $(…) can refer to: letters, digits, \"-\", \"_\" and \".\", not beginning with "
      "a digit",
      quote(text));
}

Complaint checkEndpoint(std::string_view text) {
  if (constexpr std::string_view local = "unix:"; text.starts_with(local)) {
    constexpr std::size_t longestFolder = 94;  // so that the path of a socket in it is one
    const std::string_view folder = text.substr(local.size());
    if (!folder.starts_with("///") || checkPrintable(folder))
      return fmt::format(
          "{} does not say unix:// and an absolute path, such as \"unix:///run/albatross/util\"",
          quote(text));
    if (folder.size() - 2 > longestFolder)
      return fmt::format("a folder of sockets has a path of at most {} bytes", longestFolder);
    return std::nullopt;
  }
  std::string_view host = text;
  std::string_view port = "1025";
  bool valid = true;
  if (text.starts_with('[')) {
    const std::size_t bracket = std::min(text.find(']'), text.size() - 1);
    host = text.substr(1, bracket - 1);
    if (bracket + 1 < text.size()) {
      valid = text[bracket + 1] == ':';
      port = text.substr(std::min(bracket + 2, text.size()));
    }
    valid = valid && text[bracket] == ']' && isIPv6(host);
  } else {
    if (isIPv6(text)) return fmt::format("an IPv6 address stands in brackets; write \"[{}]:1025\"", text);
    if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
      host = text.substr(0, colon);
      port = text.substr(colon + 1);
    }
    valid = isHost(host) && !port.contains('/');
  }
  if (!valid) return fmt::format("{} is not host:port, such as \"10.0.42.15:1025\"", quote(text));
  if (!isPort(port)) return fmt::format("{} is not a port, which is a number from 1 to 65535", quote(port));
  return std::nullopt;
}

Complaint checkAddress(std::string_view text) {
  if (Complaint complaint = checkEndpoint(text)) return complaint;
  const std::size_t colon = text.rfind(':');
  const bool portless = colon == std::string_view::npos || text.ends_with(']');
  if (portless) return fmt::format("{} has no port; write \"{}:443\", say", quote(text), text);
  return std::nullopt;
}

Complaint checkNameServer(std::string_view text) {
  std::string_view host = text, port = "53";
  if (!isIPv6(text)) {
    const std::size_t colon = text.ends_with(']') ? std::string_view::npos : text.rfind(':');
    host = text.substr(0, colon);
    if (colon != std::string_view::npos) port = text.substr(colon + 1);
    const bool bracketed = host.starts_with('[') && host.ends_with(']');
    if (bracketed ? !isIPv6(host.substr(1, host.size() - 2)) : !isIPv4(host))
      return fmt::format("{} is not the IP address of a name server, such as \"10.0.42.53\"", quote(text));
  }
  if (!isPort(port)) return fmt::format("{} is not a port, which is a number from 1 to 65535", quote(port));
  return std::nullopt;
}

Complaint checkDomainName(std::string_view text) {
  constexpr std::size_t longest = 63;
  const std::string_view labels = text.ends_with('.') ? text.substr(0, text.size() - 1) : text;
  for (const auto label : std::views::split(labels, '.')) {
    if (label.empty() || label.size() > longest)
      return fmt::format("{} is not the name of a domain, between whose dots stand 1 to {} characters",
                         quote(text), longest);
  }
  return std::nullopt;
}

Complaint checkUrl(std::string_view text) {
  constexpr std::string_view example = "such as \"https://builds.example.org/web.hvt\"";
  const bool printable = std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F; });
  const std::size_t scheme = text.find("://");
  const std::string_view word = text.substr(0, std::min(scheme, text.size()));
  const auto is = [&](std::string_view other) {
    return std::ranges::equal(word, other, [](char a, char b) { return (a | 0x20) == b; });
  };
  if (!printable || scheme == std::string_view::npos || !(is("https") || is("http")))
    return fmt::format("this is not a URL of http or https, {}", example);
  if (text.contains('#')) return "a URL of a file has no fragment; remove what begins with #";
  const std::string_view rest = text.substr(scheme + 3);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?"));
  if (authority.contains('@'))
    return "a URL in a manifest cannot hold a user and a password, as everybody reads them; remove them";
  const std::size_t colon = authority.ends_with(']') ? std::string_view::npos : authority.rfind(':');
  const std::string_view host = authority.substr(0, std::min(colon, authority.size()));
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed ? !isIPv6(host.substr(1, host.size() - 2)) : !isHost(host))
    return fmt::format("{} is not the name or address of a host, {}", quote(host), example);
  if (colon != std::string_view::npos && !isPort(authority.substr(colon + 1))) {
    return fmt::format("{} is not a port, which is a number from 1 to 65535",
                       quote(authority.substr(colon + 1)));
  }
  return std::nullopt;
}

Complaint checkMac(std::string_view text) {
  const std::vector<std::string_view> octets = split(text, ':');
  const bool valid = octets.size() == 6 && std::ranges::all_of(octets, [](std::string_view octet) {
                       return octet.size() == 2 && isHex(octet[0]) && isHex(octet[1]);
                     });
  if (!valid) return fmt::format("{} is not a MAC address, such as \"02:00:00:00:00:01\"", quote(text));
  // IEEE 802: the lowest bit of the first octet is set in group addresses.
  constexpr std::string_view odd = "13579bdfBDF";
  if (odd.contains(text[1])) {
    return fmt::format("{} is a multicast address; a device's own has an even first octet, such as 02",
                       quote(text));
  }
  if (text.find_first_not_of("0:") == std::string_view::npos) {
    return "the all-zero address is nobody's; write one such as \"02:00:00:00:00:01\", or none";
  }
  return std::nullopt;
}

bool isBearerToken(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f'; });
}

Complaint checkSha256(std::string_view text) {
  if (text.size() == 64 && std::ranges::all_of(text, isHex)) return std::nullopt;
  return fmt::format("a SHA-256 digest is 64 hexadecimal digits; this is {} characters", text.size());
}

Complaint checkPrintable(std::string_view text) {
  const bool printable =
      std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  if (printable) return std::nullopt;
  return fmt::format("{} holds a control character", quote(text));
}

std::string encodeBase64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');  // with the zero that OpenSSL adds
  const int length =
      ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                        reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

Result<std::string> decodeBase64(std::string_view text) {
  std::string digits(text);
  std::erase_if(digits, [](char c) { return c == '\r' || c == '\n'; });
  const std::size_t padding = digits.ends_with("==") ? 2 : digits.ends_with('=') ? 1 : 0;
  const bool alphabet = std::ranges::all_of(std::string_view(digits).substr(0, digits.size() - padding),
                                            [](char c) { return isAlphanumeric(c) || c == '+' || c == '/'; });
  if (!alphabet || digits.size() % 4 != 0) {
    return fail(Reason::InvalidManifest, "the value is not base64; put plain text under stringData");
  }
  std::string bytes(digits.size() / 4 * 3, '\0');
  const int length = ::EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                       reinterpret_cast<const unsigned char*>(digits.data()),
                                       static_cast<int>(digits.size()));
  check(length >= 0 && static_cast<std::size_t>(length) == bytes.size(), "checked base64 can be decoded");
  bytes.resize(bytes.size() - padding);
  return bytes;
}

}  // namespace rookery::api

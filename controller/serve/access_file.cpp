#include "serve/access_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>

#include "api/age.h"
#include "api/findings.h"
#include "api/schema.h"
#include "api/syntax.h"
#include "file/watched.h"
#include "image/image.h"
#include "text.h"
#include "yaml/yaml.h"

namespace rookery::serve {
namespace {

using nlohmann::json;
using yaml::Place;
using yaml::Places;

constexpr std::string_view topLevel[] = {"certificates", "tokens"};
constexpr std::string_view tokenFields[] = {"expires", "name", "namespaces", "resources", "sha256", "verbs"};
constexpr std::string_view certificateFields[] = {"commonName", "expires", "namespaces", "resources",
                                                  "verbs"};
constexpr std::string_view knownVerbs[] = {"get",   "list",   "watch",  "create", "update",
                                           "patch", "delete", "deploy", "*"};

/// A mistake at its place; thrown within this file only.
struct Mistake {
  Place place;
  std::string message;
};

/// A value with the places of its parts and its path, e.g. "tokens[0].verbs".
struct Node {
  const json& value;
  const Places& places;
  std::string path;

  [[noreturn]] void refuse(const std::string& message) const {
    throw Mistake{places.value, path.empty() ? message : fmt::format("{}: {}", path, message)};
  }
  bool has(const std::string& name) const { return value.contains(name); }
  Node member(const std::string& name) const {
    if (!has(name)) refuse(fmt::format("the field {} is missing.", name));
    return {value.at(name), places.members.at(name), yaml::memberPath(path, name)};
  }
  Node item(std::size_t index) const {
    return {value.at(index), places.items.at(index), yaml::itemPath(path, index)};
  }
  std::string text() const {
    if (!value.is_string()) refuse("must be a string.");
    return value.get<std::string>();
  }
};

void checkMembers(const Node& node, std::span<const std::string_view> known) {
  if (!node.value.is_object()) node.refuse("must be a mapping.");
  for (const auto& [name, value] : node.value.items()) {
    if (std::ranges::find(known, name) != known.end()) continue;
    const auto meant = api::didYouMean(name, known);
    throw Mistake{node.places.members.at(name).key,
                  fmt::format("{}: unknown field{}.", yaml::memberPath(node.path, name),
                              meant ? fmt::format("; did you mean {}?", *meant)
                                    : fmt::format("; known are {}", fmt::join(known, ", ")))};
  }
}

void checkList(const Node& node) {
  if (!node.value.is_array()) node.refuse("must be a list.");
}

/// A list of words out of those that are known; `what` says what each of them is.
std::set<std::string> readWords(const Node& node, std::span<const std::string_view> known,
                                std::string_view what) {
  checkList(node);
  std::set<std::string> words;
  for (std::size_t i = 0; i < node.value.size(); ++i) {
    const Node item = node.item(i);
    const std::string word = item.text();
    if (std::ranges::find(known, word) == known.end()) {
      item.refuse(fmt::format("{} is no {}; known are {}.", quote(word), what, fmt::join(known, ", ")));
    }
    words.insert(word);
  }
  return words;
}

/// The plurals of what the API serves.
const std::vector<std::string_view>& knownResources() {
  static const std::vector<std::string_view> all = [] {
    std::vector<std::string_view> names = {
        "events", "namespaces", "secrets", "unikernels/log", "unikernelvolumes/content", "*"};
    for (const api::Kind kind : api::customKinds()) names.push_back(api::definitionOf(kind).plural);
    std::ranges::sort(names);
    return names;
  }();
  return all;
}

std::set<std::string> readResources(const Node& node, const AccessFile::Grant& grant) {
  if (node.has("resources")) return readWords(node.member("resources"), knownResources(), "resource");
  const bool unlimited = grant.verbs.contains("*") && grant.namespaces.contains("*");
  return {unlimited ? "*" : "unikernels"};
}

std::optional<std::chrono::system_clock::time_point> readExpiry(const Node& node) {
  if (!node.has("expires")) return std::nullopt;
  const Node member = node.member("expires");
  auto expires = api::parseRfc3339(member.text());
  if (!expires)
    member.refuse("must be a date and time of RFC 3339 with its offset, such as 2027-01-31T00:00:00Z.");
  return expires;
}

std::set<std::string> readNamespaces(const Node& node) {
  checkList(node);
  std::set<std::string> namespaces;
  for (std::size_t i = 0; i < node.value.size(); ++i) {
    const Node item = node.item(i);
    const std::string name = item.text();
    if (name != "*") {
      if (const auto complaint = api::checkNamespace(name)) {
        item.refuse(fmt::format("{} {}", quote(name), *complaint));
      }
    }
    namespaces.insert(name);
  }
  return namespaces;
}

AccessFile::Grant readGrant(const Node& node, const std::string& nameField) {
  const Node name = node.member(nameField);
  AccessFile::Grant grant{.name = name.text(),
                          .verbs = readWords(node.member("verbs"), knownVerbs, "verb"),
                          .namespaces = readNamespaces(node.member("namespaces")),
                          .resources = {},
                          .expires = readExpiry(node)};
  grant.resources = readResources(node, grant);
  if (grant.name.empty() || grant.name.starts_with("system:") || api::checkPrintable(grant.name)) {
    name.refuse("must be a printable name, not empty, that does not begin with \"system:\".");
  }
  return grant;
}

/// What is not a digest could be the token itself: messages must not repeat it.
Sha256 readDigest(const Node& node) {
  const std::string mistake =
      "must be the 64 hexadecimal digits of printf %s \"$TOKEN\" | sha256sum, in "
      "quotation marks where they look like a number.";
  if (!node.value.is_string()) node.refuse(mistake);
  const std::string bytes = image::fromHex(node.text());
  Sha256 digest{};
  if (bytes.size() != digest.size()) node.refuse(mistake);
  std::ranges::copy(bytes, digest.begin());
  return digest;
}

void checkUnique(std::set<std::string>& seen, const Node& name) {
  if (!seen.insert(name.text()).second) name.refuse(fmt::format("{} is there twice.", quote(name.text())));
}

void readTokens(const Node& node, AccessFile& file) {
  checkList(node);
  std::set<std::string> names;
  for (std::size_t i = 0; i < node.value.size(); ++i) {
    const Node item = node.item(i);
    checkMembers(item, tokenFields);
    AccessFile::Token token{readGrant(item, "name"), readDigest(item.member("sha256"))};
    checkUnique(names, item.member("name"));
    if (std::ranges::find(file.tokens, token.digest, &AccessFile::Token::digest) != file.tokens.end()) {
      item.member("sha256").refuse("this token is there twice.");
    }
    file.tokens.push_back(std::move(token));
  }
}

void readCertificates(const Node& node, AccessFile& file) {
  checkList(node);
  std::set<std::string> names;
  for (std::size_t i = 0; i < node.value.size(); ++i) {
    const Node item = node.item(i);
    checkMembers(item, certificateFields);
    AccessFile::Grant grant = readGrant(item, "commonName");
    checkUnique(names, item.member("commonName"));
    file.certificates.push_back(std::move(grant));
  }
}

AccessFile readDocument(const yaml::Document& document) {
  const Node root{document.value, document.places, {}};
  checkMembers(root, topLevel);
  AccessFile file;
  if (root.has("tokens")) readTokens(root.member("tokens"), file);
  if (root.has("certificates")) readCertificates(root.member("certificates"), file);
  return file;
}

std::unexpected<Error> mistakeAt(const std::string& name, Place place, const std::string& message) {
  return fail(Reason::CredentialInvalid,
              fmt::format("{}:{}:{}: {}", name, place.line, place.column, message));
}

}  // namespace

Result<AccessFile> readAccessFile(const std::filesystem::path& file, file::Settling* settling) {
  const auto text = file::readCredentialFile(file, fmt::format("API token file {}", file.string()), settling);
  if (!text) return std::unexpected(text.error());
  return parseAccessFile(*text, file.string());
}

Result<AccessFile> parseAccessFile(std::string_view text, const std::string& name) {
  const auto documents = yaml::parse(text);
  if (!documents) return mistakeAt(name, documents.error().place, documents.error().message);
  if (documents->empty()) return AccessFile{};
  if (documents->size() != 1) {
    return fail(
        Reason::CredentialInvalid,
        fmt::format("{}: there must be one YAML document with tokens, certificates or both; there are {}.",
                    name, documents->size()));
  }
  const yaml::Document& document = documents->front();
  if (document.value.is_null()) return AccessFile{};
  if (!document.duplicates.empty()) {
    return mistakeAt(name, document.duplicates.front().place, document.duplicates.front().message);
  }
  try {
    return readDocument(document);
  } catch (const Mistake& mistake) {
    return mistakeAt(name, mistake.place, mistake.message);
  }
}

}  // namespace rookery::serve

#include "serve/access_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "api/age.h"
#include "api/checked_node.h"
#include "api/schema.h"
#include "api/syntax.h"
#include "file/watched.h"
#include "image/image.h"
#include "text.h"

namespace rookery::serve {
namespace {

using api::CheckedNode;

constexpr std::string_view topLevel[] = {"certificates", "tokens"};
constexpr std::string_view tokenFields[] = {"expires", "name", "namespaces", "resources", "sha256", "verbs"};
constexpr std::string_view certificateFields[] = {"commonName", "expires", "namespaces", "resources",
                                                  "verbs"};
constexpr std::string_view knownVerbs[] = {"get",   "list",   "watch",  "create", "update",
                                           "patch", "delete", "deploy", "*"};

/// The plurals of what the API serves.
const std::vector<std::string_view>& knownResources() {
  static const std::vector<std::string_view> all = [] {
    std::vector<std::string_view> names = {
        "albatrossinstances/plan",  "events", "namespaces", "secrets", "unikernels/log",
        "unikernelvolumes/content", "*"};
    for (const api::Kind kind : api::customKinds()) names.push_back(api::definitionOf(kind).plural);
    std::ranges::sort(names);
    return names;
  }();
  return all;
}

std::set<std::string> readResources(const CheckedNode& node, const AccessFile::Grant& grant) {
  if (node.has("resources")) return readWords(node.member("resources"), knownResources(), "resource");
  const bool unlimited = grant.verbs.contains("*") && grant.namespaces.contains("*");
  return {unlimited ? "*" : "unikernels"};
}

std::optional<std::chrono::system_clock::time_point> readExpiry(const CheckedNode& node) {
  if (!node.has("expires")) return std::nullopt;
  const CheckedNode member = node.member("expires");
  auto expires = api::parseRfc3339(member.text());
  if (!expires)
    member.refuse("must be a date and time of RFC 3339 with its offset, such as 2027-01-31T00:00:00Z.");
  return expires;
}

std::set<std::string> readNamespaces(const CheckedNode& node) {
  checkList(node);
  std::set<std::string> namespaces;
  for (std::size_t i = 0; i < node.value.size(); ++i) {
    const CheckedNode item = node.item(i);
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

AccessFile::Grant readGrant(const CheckedNode& node, const std::string& nameField) {
  const CheckedNode name = node.member(nameField);
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
Sha256 readDigest(const CheckedNode& node) {
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

void checkUnique(std::set<std::string>& seen, const CheckedNode& name) {
  if (!seen.insert(name.text()).second) name.refuse(fmt::format("{} is there twice.", quote(name.text())));
}

void readTokens(const CheckedNode& node, AccessFile& file) {
  checkList(node);
  std::set<std::string> names;
  for (std::size_t i = 0; i < node.value.size(); ++i) {
    const CheckedNode item = node.item(i);
    checkMembers(item, tokenFields);
    AccessFile::Token token{readGrant(item, "name"), readDigest(item.member("sha256"))};
    checkUnique(names, item.member("name"));
    if (std::ranges::find(file.tokens, token.digest, &AccessFile::Token::digest) != file.tokens.end()) {
      item.member("sha256").refuse("this token is there twice.");
    }
    file.tokens.push_back(std::move(token));
  }
}

void readCertificates(const CheckedNode& node, AccessFile& file) {
  checkList(node);
  std::set<std::string> names;
  for (std::size_t i = 0; i < node.value.size(); ++i) {
    const CheckedNode item = node.item(i);
    checkMembers(item, certificateFields);
    AccessFile::Grant grant = readGrant(item, "commonName");
    checkUnique(names, item.member("commonName"));
    file.certificates.push_back(std::move(grant));
  }
}

AccessFile readDocument(const CheckedNode& root) {
  checkMembers(root, topLevel);
  AccessFile file;
  if (root.has("tokens")) readTokens(root.member("tokens"), file);
  if (root.has("certificates")) readCertificates(root.member("certificates"), file);
  return file;
}

}  // namespace

Result<AccessFile> readAccessFile(const std::filesystem::path& file, file::Settling* settling) {
  const auto text = file::readCredentialFile(file, fmt::format("API token file {}", file.string()), settling);
  if (!text) return std::unexpected(text.error());
  return parseAccessFile(*text, file.string());
}

Result<AccessFile> parseAccessFile(std::string_view text, const std::string& name) {
  AccessFile file;
  const auto read = api::readChecked(text, name, "tokens, certificates or both",
                                     [&](const CheckedNode& root) { file = readDocument(root); });
  if (!read) return std::unexpected(read.error());
  return file;
}

}  // namespace rookery::serve

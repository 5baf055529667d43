#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "error.h"
#include "yaml/yaml.h"

/// Files of settings: YAML that is no manifest, and of which the first mistake counts.
namespace rookery::api {

/// A mistake at its place. Thrown by what reads CheckedNodes, and caught by readChecked().
struct Mistake {
  yaml::Place place;
  std::string message;
};

/// A value with the places of its parts and its path, e.g. "tokens[0].verbs".
struct CheckedNode {
  const nlohmann::json& value;
  const yaml::Places& places;
  std::string path;

  [[noreturn]] void refuse(const std::string& message) const;
  bool has(const std::string& name) const { return value.contains(name); }
  CheckedNode member(const std::string& name) const;
  CheckedNode item(std::size_t index) const;
  std::string text() const;
};

void checkMembers(const CheckedNode& node, std::span<const std::string_view> known);
void checkList(const CheckedNode& node);

/// A list of words out of those that are known; `what` says what each of them is.
std::set<std::string> readWords(const CheckedNode& node, std::span<const std::string_view> known,
                                std::string_view what);

/// Shows the only document of a text to `read`; not where there is none. `content` says what the document is
/// to hold. Error (CredentialInvalid): the first mistake, with file:line:column.
Result<void> readChecked(std::string_view text, const std::string& name, std::string_view content,
                         const std::function<void(const CheckedNode& root)>& read);

}  // namespace rookery::api

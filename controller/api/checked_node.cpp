#include "api/checked_node.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "api/findings.h"
#include "text.h"

namespace rookery::api {

namespace {

std::unexpected<Error> mistakeAt(const std::string& name, yaml::Place place, const std::string& message) {
  return fail(Reason::CredentialInvalid,
              fmt::format("{}:{}:{}: {}", name, place.line, place.column, message));
}

}  // namespace

void CheckedNode::refuse(const std::string& message) const {
  throw Mistake{places.value, path.empty() ? message : fmt::format("{}: {}", path, message)};
}

CheckedNode CheckedNode::member(const std::string& name) const {
  if (!has(name)) refuse(fmt::format("the field {} is missing.", name));
  return {value.at(name), places.members.at(name), yaml::memberPath(path, name)};
}

CheckedNode CheckedNode::item(std::size_t index) const {
  return {value.at(index), places.items.at(index), yaml::itemPath(path, index)};
}

std::string CheckedNode::text() const {
  if (!value.is_string()) refuse("must be a string.");
  return value.get<std::string>();
}

void checkMembers(const CheckedNode& node, std::span<const std::string_view> known) {
  if (!node.value.is_object()) node.refuse("must be a mapping.");
  for (const auto& [name, value] : node.value.items()) {
    if (std::ranges::find(known, name) != known.end()) continue;
    const auto meant = didYouMean(name, known);
    throw Mistake{node.places.members.at(name).key,
                  fmt::format("{}: unknown field{}.", yaml::memberPath(node.path, name),
                              meant ? fmt::format("; did you mean {}?", *meant)
                                    : fmt::format("; known are {}", fmt::join(known, ", ")))};
  }
}

void checkList(const CheckedNode& node) {
  if (!node.value.is_array()) node.refuse("must be a list.");
}

std::set<std::string> readWords(const CheckedNode& node, std::span<const std::string_view> known,
                                std::string_view what) {
  checkList(node);
  std::set<std::string> words;
  for (std::size_t i = 0; i < node.value.size(); ++i) {
    const CheckedNode item = node.item(i);
    const std::string word = item.text();
    if (std::ranges::find(known, word) == known.end()) {
      item.refuse(fmt::format("{} is no {}; known are {}.", quote(word), what, fmt::join(known, ", ")));
    }
    words.insert(word);
  }
  return words;
}

Result<void> readChecked(std::string_view text, const std::string& name, std::string_view content,
                         const std::function<void(const CheckedNode& root)>& read) {
  const auto documents = yaml::parse(text);
  if (!documents) return mistakeAt(name, documents.error().place, documents.error().message);
  if (documents->empty()) return {};
  if (documents->size() != 1) {
    return fail(Reason::CredentialInvalid,
                fmt::format("{}: there must be one YAML document with {}; there are {}.", name, content,
                            documents->size()));
  }
  const yaml::Document& document = documents->front();
  if (document.value.is_null()) return {};
  if (!document.duplicates.empty()) {
    return mistakeAt(name, document.duplicates.front().place, document.duplicates.front().message);
  }
  try {
    read({document.value, document.places, {}});
  } catch (const Mistake& mistake) {
    return mistakeAt(name, mistake.place, mistake.message);
  }
  return {};
}

}  // namespace rookery::api

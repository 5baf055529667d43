#include "serve/json_patch.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/json_path.h"
#include "api/manifest.h"
#include "serve/failure.h"
#include "serve/request.h"
#include "text.h"
#include "yaml/writer.h"
#include "yaml/yaml.h"

namespace rookery::serve {
namespace {

using nlohmann::json;
using Trouble = std::optional<http::Response>;

constexpr std::size_t deepest = 2 * yaml::maxDepth;
/// Items of lists that may be moved to make or fill a gap, and values that may be copied or compared.
constexpr std::size_t mostWork = 2'000'000;

bool isDeeper(const json& value, std::size_t levels) {
  if (!value.is_structured()) return false;
  return levels == 0 ||
         std::ranges::any_of(value, [&](const json& part) { return isDeeper(part, levels - 1); });
}

std::size_t countValues(const json& value) {
  std::size_t count = 1;
  if (value.is_structured()) {
    for (const json& part : value) count += countValues(part);
  }
  return count;
}

http::Response tooLarge() {
  return failure(413, "the patched object is too large, or takes too long to make");
}

/// A JSON pointer (RFC 6901), cut into its names.
using Path = std::vector<std::string>;

std::optional<Path> parsePointer(std::string_view pointer) {
  Path path;
  if (!pointer.empty() && pointer.front() != '/') return std::nullopt;
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    const std::string_view written = pointer.substr(0, pointer.find('/'));
    pointer.remove_prefix(written.size());
    std::string name;
    for (std::size_t i = 0; i < written.size(); ++i) {
      if (written[i] != '~') {
        name += written[i];
        continue;
      }
      ++i;
      if (i == written.size() || (written[i] != '0' && written[i] != '1')) return std::nullopt;
      name += written[i] == '0' ? '~' : '/';
    }
    path.push_back(std::move(name));
  }
  return path;
}

/// The index that a name is: digits without leading zeros.
std::optional<std::size_t> indexOf(std::string_view name) {
  std::size_t index = 0;
  if (name.size() > 1 && name.front() == '0') return std::nullopt;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
  if (name.empty() || error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return index;
}

/// The part of `value` that is called so, or null.
json* partOf(json& value, const std::string& name) {
  if (value.is_object()) {
    const auto member = value.find(name);
    return member == value.end() ? nullptr : &*member;
  }
  const auto index = value.is_array() ? indexOf(name) : std::nullopt;
  return index && *index < value.size() ? &value[*index] : nullptr;
}

bool isBelow(const Path& path, const Path& above) {
  return path.size() > above.size() && std::equal(above.begin(), above.end(), path.begin());
}

/// An object, and what is done to it.
class Patching {
 public:
  explicit Patching(json object) : object_(std::move(object)) {}

  json result() && { return std::move(object_); }

  /// Does the operation of this number.
  Trouble apply(const json& operation, std::size_t number) {
    number_ = number;
    verb_.clear();
    const std::string* verb = api::stringAt(operation, "op");
    const std::string* pointer = api::stringAt(operation, "path");
    if (verb == nullptr || pointer == nullptr) return wrong("it needs op and path, which are strings");
    verb_ = *verb;
    pointer_ = *pointer;
    const auto path = parsePointer(pointer_);
    if (!path) return wrong("its path is no JSON pointer: it begins with /, and ~ is written ~0");
    if (verb_ == "remove") return remove(*path);
    if (verb_ == "copy" || verb_ == "move") return take(operation, *path);
    if (verb_ != "add" && verb_ != "replace" && verb_ != "test")
      return wrong("there is no such op; there are add, copy, move, remove, replace and test");
    const auto value = operation.find("value");
    if (value == operation.end()) return wrong("it has no value");
    if (auto refused = bound(*value, *path)) return refused;
    if (verb_ == "add") return add(*path, *value);
    return verb_ == "replace" ? replace(*path, *value) : test(*path, *value);
  }

 private:
  http::Response wrong(std::string_view why) const {
    const std::string what = verb_.empty() ? "" : fmt::format(" ({} {})", quote(verb_), quote(pointer_));
    return failure(422, fmt::format("the patch cannot be applied: operation {}{}: {}", number_, what, why));
  }

  /// Spends work, and memory that `value` takes at `path`.
  Trouble bound(const json& value, const Path& path) {
    if (path.size() > deepest || isDeeper(value, deepest - path.size())) return tooLarge();
    return spend(countValues(value));
  }
  Trouble spend(std::size_t work) {
    work_ += work;
    return work_ > mostWork ? Trouble(tooLarge()) : std::nullopt;
  }

  json* find(const Path& path) {
    json* value = &object_;
    for (const std::string& name : path) {
      if (value != nullptr) value = partOf(*value, name);
    }
    return value;
  }
  json* findHolder(const Path& path) { return find(Path(path.begin(), path.end() - 1)); }

  Trouble add(const Path& path, json value) {
    if (path.empty()) {
      object_ = std::move(value);
      return std::nullopt;
    }
    json* const holder = findHolder(path);
    const std::string& name = path.back();
    if (holder == nullptr) return wrong("there is nothing to add it to");
    if (holder->is_object()) {
      (*holder)[name] = std::move(value);
      return std::nullopt;
    }
    if (!holder->is_array()) return wrong("what it would be added to is neither a mapping nor a list");
    const auto index = name == "-" ? std::optional(holder->size()) : indexOf(name);
    if (!index || *index > holder->size())
      return wrong(fmt::format("the list has {} items: it takes an index up to that, or -", holder->size()));
    if (auto refused = spend(holder->size() - *index)) return refused;
    holder->insert(holder->begin() + static_cast<json::difference_type>(*index), std::move(value));
    return std::nullopt;
  }

  Trouble remove(const Path& path) {
    if (path.empty()) return wrong("the object as a whole cannot be removed");
    json* const holder = findHolder(path);
    if (holder == nullptr || partOf(*holder, path.back()) == nullptr) return wrong("there is nothing");
    if (holder->is_object()) {
      holder->erase(path.back());
      return std::nullopt;
    }
    const std::size_t index = indexOf(path.back()).value_or(0);
    if (auto refused = spend(holder->size() - index)) return refused;
    holder->erase(index);
    return std::nullopt;
  }

  Trouble replace(const Path& path, const json& value) {
    json* const found = find(path);
    if (found == nullptr) return wrong("there is nothing to replace");
    *found = value;
    return std::nullopt;
  }

  Trouble test(const Path& path, const json& value) {
    const json* const found = find(path);
    if (found == nullptr) return wrong("there is nothing to compare with");
    if (*found != value) return wrong("what is there is something else");
    return std::nullopt;
  }

  /// copy and move
  Trouble take(const json& operation, const Path& path) {
    const std::string* pointer = api::stringAt(operation, "from");
    const auto from = pointer == nullptr ? std::nullopt : parsePointer(*pointer);
    if (!from) return wrong("it needs from, which is a JSON pointer");
    const json* const found = find(*from);
    if (found == nullptr) return wrong("there is nothing at from");
    if (auto refused = bound(*found, path)) return refused;
    taken_ += yaml::dump(*found).size();
    if (taken_ > maxObjectBytes) return tooLarge();
    if (verb_ == "move" && *from == path) return std::nullopt;
    if (verb_ == "move" && isBelow(path, *from)) return wrong("nothing can be moved into itself");
    json value = *found;
    if (verb_ == "move") {
      if (auto refused = remove(*from)) return refused;
    }
    return add(path, std::move(value));
  }

  json object_;
  std::size_t number_ = 0;
  std::string verb_, pointer_;  // of the operation
  std::size_t taken_ = 0;       // bytes copied and moved
  std::size_t work_ = 0;
};

}  // namespace

std::expected<json, http::Response> applyJsonPatch(json object, const json& operations) {
  Patching patching(std::move(object));
  std::size_t number = 0;
  for (const json& operation : operations) {
    if (auto refused = patching.apply(operation, number++)) return std::unexpected(*std::move(refused));
  }
  return std::move(patching).result();
}

}  // namespace rookery::serve

#include "serve/patch.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "api/manifest.h"
#include "serve/failure.h"

namespace rookery::serve {
namespace {

using nlohmann::json;

constexpr std::size_t mostOperations = 10'000;  // as kube-apiserver allows

constexpr std::size_t deepest = 2 * api::maxManifestDepth;

bool isDeeper(const json& value, std::size_t levels) {
  if (!value.is_structured()) return false;
  return levels == 0 ||
         std::ranges::any_of(value, [&](const json& part) { return isDeeper(part, levels - 1); });
}

/// Applies the operations of a JSON patch one by one, within bounds: copies can double a value and deepen it
/// again and again, and what comes of them must stay within what a body may have.
class JsonPatch {
 public:
  explicit JsonPatch(json object) : object_(std::move(object)) {}

  /// Throws what the library throws of operations that do not fit the object.
  std::optional<Response> apply(const json& operation) {
    const std::string verb = operation.at("op");
    const std::string path = operation.at("path");
    const bool takes = verb == "copy" || verb == "move";
    if (takes) {
      const json& taken = object_.at(json::json_pointer(operation.at("from").get<std::string>()));
      if (auto refused = bound(taken, path)) return refused;
      taken_ += dump(taken).size();
      if (taken_ > maxObjectBytes) return tooLarge();
    } else if (operation.contains("value")) {
      if (auto refused = bound(operation["value"], path)) return refused;
    }
    object_.patch_inplace(json::array({operation}));
    return std::nullopt;
  }
  json result() && { return std::move(object_); }

 private:
  static Response tooLarge() { return failure(413, "the patched object is too large"); }

  static std::optional<Response> bound(const json& value, const std::string& path) {
    const auto above = static_cast<std::size_t>(std::ranges::count(path, '/'));
    if (above > deepest || isDeeper(value, deepest - above)) return tooLarge();
    return std::nullopt;
  }

  json object_;
  std::size_t taken_ = 0;  // bytes copied and moved
};

/// Of a Secret nobody may read the values: not by having them copied to where they are shown, and not by
/// asking whether they are this or that.
bool mayTellSecret(const json& operation) {
  const json verb = operation.is_object() ? operation.value("op", json()) : json();
  return verb != "add" && verb != "replace" && verb != "remove";
}

std::expected<json, Response> applyJsonPatch(json object, const json& operations) {
  try {
    JsonPatch patch(std::move(object));
    for (const json& operation : operations) {
      if (auto refused = patch.apply(operation)) return std::unexpected(*std::move(refused));
    }
    return std::move(patch).result();
  } catch (const json::exception& error) {
    return std::unexpected(failure(422, fmt::format("the patch cannot be applied: {}", error.what())));
  }
}

/// `$patch`, `$retainKeys`, `$setElementOrder/…`, `$deleteFromPrimitiveList/…`
bool hasDirective(const json& value) {
  if (!value.is_structured()) return false;
  if (value.is_object()) {
    for (const auto& [name, member] : value.items()) {
      if (name.starts_with('$') || hasDirective(member)) return true;
    }
    return false;
  }
  return std::ranges::any_of(value, hasDirective);
}

}  // namespace

std::expected<ObjectWriter::Patch, Response> patchOf(api::Kind kind, std::string_view contentType,
                                                     json body) {
  const std::string_view type = contentType.substr(0, contentType.find(';'));
  const bool strategic = kind == api::Kind::Secret && type == "application/strategic-merge-patch+json";
  if (strategic && hasDirective(body)) {
    return std::unexpected(
        failure(415, "directives of strategic merge patches are not supported: use --type=merge"));
  }
  if (strategic || type == "application/merge-patch+json") {
    if (!body.is_object()) return std::unexpected(failure(400, "a merge patch is an object"));
    return [patch = std::move(body)](json object) -> std::expected<json, Response> {
      object.merge_patch(patch);
      return object;
    };
  }
  if (type == "application/json-patch+json") {
    if (!body.is_array()) return std::unexpected(failure(400, "a JSON patch is a list of operations"));
    if (body.size() > mostOperations) {
      return std::unexpected(
          failure(413, fmt::format("The allowed maximum operations in a JSON patch is {}, got {}",
                                   mostOperations, body.size())));
    }
    if (kind == api::Kind::Secret && std::ranges::any_of(body, mayTellSecret)) {
      return std::unexpected(failure(422,
                                     "of a JSON patch, a Secret takes the operations add, replace and "
                                     "remove only: its values are written here, and never read"));
    }
    return [patch = std::move(body)](json object) { return applyJsonPatch(std::move(object), patch); };
  }
  if (type == "application/apply-patch+yaml") {
    return std::unexpected(
        failure(415, "server-side apply is not supported: use kubectl apply without --server-side"));
  }
  return std::unexpected(
      failure(415,
              "the body of the request was in an unknown format - accepted media types include: "
              "application/json-patch+json, application/merge-patch+json"));
}

}  // namespace rookery::serve

#include "serve/patch.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "serve/failure.h"
#include "serve/json_patch.h"

namespace rookery::serve {
namespace {

using nlohmann::json;

constexpr std::size_t mostOperations = 10'000;  // as kube-apiserver allows

/// Of a Secret nobody may read the values: not by having them copied to where they are shown, and not by
/// asking whether they are this or that.
bool mayTellSecret(const json& operation) {
  const json verb = operation.is_object() ? operation.value("op", json()) : json();
  return verb != "add" && verb != "replace" && verb != "remove";
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

std::expected<ObjectWriter::Patch, http::Response> patchOf(api::Kind kind, std::string_view contentType,
                                                           json body) {
  const std::string_view type = contentType.substr(0, contentType.find(';'));
  const bool strategic = kind == api::Kind::Secret && type == "application/strategic-merge-patch+json";
  if (strategic && hasDirective(body)) {
    return std::unexpected(
        failure(415, "directives of strategic merge patches are not supported: use --type=merge"));
  }
  if (strategic || type == "application/merge-patch+json") {
    if (!body.is_object()) return std::unexpected(failure(400, "a merge patch is an object"));
    return [patch = std::move(body)](json object) -> std::expected<json, http::Response> {
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

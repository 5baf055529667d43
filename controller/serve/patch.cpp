#include "serve/patch.h"

#include <fmt/format.h>

#include <algorithm>

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

/// Copies can double a value, and add a level to it, again and again: what comes of them must stay within
/// what a body may have.
std::expected<json, Response> applyJsonPatch(json object, const json& patch) {
  try {
    for (const json& operation : patch) {
      object.patch_inplace(json::array({operation}));
      if (isDeeper(object, deepest) ||
          (operation.value("op", "") == "copy" && dump(object).size() > maxObjectBytes))
        return std::unexpected(failure(413, "the patched object is too large"));
    }
    return object;
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

// Patches of the API: first an object, then a patch of it.

#include "serve/patch.h"

#include "api/manifest.h"
#include "fuzz/target.h"
#include "yaml/yaml.h"

namespace rookery::fuzz {
namespace {

using nlohmann::json;

/// Of another implementation of RFC 6902; nothing: it refuses the patch.
std::optional<json> patchedByOthers(const json& object, const json& operations) {
  try {
    return object.patch(operations);
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

const Target patch("patch", [](std::string_view input) {
  const auto parts = partsOf(input, 2);
  const auto object = yaml::parseJson(partAt(parts, 0));
  const auto body = yaml::parseJson(partAt(parts, 1));
  if (!object || !body) return;
  for (const char* type : {"application/merge-patch+json", "application/strategic-merge-patch+json",
                           "application/json-patch+json", "application/apply-patch+yaml"}) {
    for (const api::Kind kind : {api::Kind::Unikernel, api::Kind::Secret}) {
      const auto made = serve::patchOf(kind, type, *body);
      const auto patched = made ? (*made)(*object) : std::expected<json, http::Response>(json());
      if (!made || !patched) continue;
      if (body->is_object()) {
        check((*made)(*patched) == *patched, "a merge patch changes nothing the second time");
      } else if (const auto others = patchedByOthers(*object, *body)) {
        check(*others == *patched, "others patch the same");
      }
      if (!patched->is_object()) continue;
      api::readDocument(*patched, {.root = "api", .file = "api", .line = 0, .column = 0}, "/m");
    }
  }
});

}  // namespace
}  // namespace rookery::fuzz

// Objects as the API server of a cluster sends them, and the inventory that anybody may have written there.

#include <algorithm>

#include "fuzz/target.h"
#include "kubernetes/object_cache.h"
#include "yaml/yaml.h"

namespace rookery::fuzz {
namespace {

const Target clusterObject("cluster_object", [](std::string_view input) {
  const std::vector<plan::Entry> entries = kubernetes::entriesIn(std::string(input));
  const auto again = kubernetes::entriesIn(kubernetes::toAnnotation(entries));
  check(entries == again, "an inventory survives its annotation");

  const nlohmann::json object = nlohmann::json::parse(input, nullptr, false);
  if (object.is_discarded()) return;
  kubernetes::ObjectMeta::of(object);
  for (const api::Kind kind : api::allKinds) {
    kubernetes::ObjectCache cache("/images", [] {});
    cache.apply(kind, object);
    cache.applyOurs(kind, object);
    for (const auto& cached : cache.list()) {
      check(cached->object == nullptr || cached->problems.empty(), "an object with problems is none");
      check(cache.find(cached->key) == cached, "what is listed is found");
      cache.remove(cached->key);
    }
    check(cache.list().empty() && cache.entries().size() <= kubernetes::maxEntriesOfUnikernel,
          "what was removed is gone");
    cache.replace(kind, "", {object, object}, "7");
  }
});

}  // namespace
}  // namespace rookery::fuzz

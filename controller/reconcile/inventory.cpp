#include "reconcile/inventory.h"

#include <algorithm>
#include <array>

#include "image/image.h"

namespace rookery::reconcile {

using nlohmann::json;

namespace {

constexpr std::array verbs = {Verb::Create,  Verb::ForceCreate, Verb::Restart,
                              Verb::Destroy, Verb::Adopt,       Verb::ApplyPolicy};

json toJson(const Pending& pending) {
  json value = {{"verb", toString(pending.verb)},
                {"committed", pending.committed},
                {"since", toMillis(pending.since)},
                {"digest", image::toHex(pending.digest)},
                {"image", image::toHex(pending.image)}};
  if (pending.started) value["started"] = pending.started->time_since_epoch().count();
  return value;
}

Pending pendingFromJson(const json& value) {
  Pending pending;
  const auto verb = std::find_if(verbs.begin(), verbs.end(), [&](Verb known) {
    return toString(known) == value.at("verb").get_ref<const std::string&>();
  });
  if (verb == verbs.end()) throw json::other_error::create(501, "not a verb", nullptr);
  pending.verb = *verb;
  pending.committed = value.at("committed");
  pending.since = fromMillis(value.at("since"));
  pending.digest = image::fromHex(value.at("digest").get<std::string>());
  pending.image = image::fromHex(value.at("image").get<std::string>());
  if (value.contains("started")) {
    pending.started = albatross::Time(std::chrono::milliseconds(value["started"].get<std::int64_t>()));
  }
  return pending;
}

}  // namespace

std::int64_t toMillis(SystemTime time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

SystemTime fromMillis(std::int64_t millis) { return SystemTime(std::chrono::milliseconds(millis)); }

bool Entry::sent(const std::string& digest) const {
  return std::find(digests.begin(), digests.end(), digest) != digests.end() ||
         (pending && pending->image == digest);
}

void Entry::remember(const std::string& digest) {
  if (digest.empty()) return;
  std::erase(digests, digest);
  digests.insert(digests.begin(), digest);
  if (digests.size() > maxDigests) digests.resize(maxDigests);
}

json toJson(const Entry& entry) {
  json digests = json::array();
  for (const std::string& digest : entry.digests) digests.push_back(image::toHex(digest));
  json value = {{"serverKey", entry.serverKey},
                {"name", entry.name.toString()},
                {"instance", entry.instance},
                {"object", {{"namespace", entry.object.nameSpace}, {"name", entry.object.name}}},
                {"root", entry.root.string()},
                {"file", entry.file.string()},
                {"digests", digests},
                {"confirmed", entry.confirmed},
                {"prune", entry.prune},
                {"suspend", entry.suspend},
                {"ranSpec", entry.ranSpec}};
  if (entry.since != SystemTime()) value["since"] = toMillis(entry.since);
  if (entry.pending) value["pending"] = toJson(*entry.pending);
  if (entry.destroyedAt) value["destroyedAt"] = toMillis(*entry.destroyedAt);
  return value;
}

Entry entryFromJson(const json& value) {
  Entry entry;
  entry.serverKey = value.at("serverKey");
  const auto name = albatross::Name::parse(value.at("name").get<std::string>());
  if (!name) throw json::other_error::create(501, name.error().message, nullptr);
  entry.name = *name;
  entry.instance = value.at("instance");
  entry.object = {api::Kind::Unikernel, value.at("object").at("namespace"), value.at("object").at("name")};
  entry.root = value.at("root").get<std::string>();
  entry.file = value.at("file").get<std::string>();
  for (const json& digest : value.at("digests"))
    entry.digests.push_back(image::fromHex(digest.get<std::string>()));
  entry.confirmed = value.at("confirmed");
  entry.prune = value.at("prune");
  entry.suspend = value.at("suspend");
  entry.ranSpec = value.at("ranSpec");
  entry.since = fromMillis(value.value("since", std::int64_t{0}));
  if (value.contains("pending")) entry.pending = pendingFromJson(value["pending"]);
  if (value.contains("destroyedAt")) entry.destroyedAt = fromMillis(value["destroyedAt"]);
  return entry;
}

}  // namespace rookery::reconcile

#include "plan/inventory.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "api/annotations.h"
#include "api/syntax.h"
#include "image/image.h"

namespace rookery::plan {

using nlohmann::json;

namespace {

constexpr std::array verbs = {Verb::Create,       Verb::ForceCreate, Verb::Restart,
                              Verb::Destroy,      Verb::Adopt,       Verb::ApplyPolicy,
                              Verb::CreateVolume, Verb::SetVolume,   Verb::DestroyVolume};

json toJson(const Pending& pending) {
  json value = {{"verb", toString(pending.verb)},
                {"committed", pending.committed},
                {"since", toMillis(pending.since)},
                {"digest", image::toHex(pending.digest)},
                {"image", image::toHex(pending.image)}};
  if (pending.fingerprint) value["fingerprint"] = *pending.fingerprint;
  if (pending.started) value["started"] = pending.started->time_since_epoch().count();
  if (!pending.restartedAt.empty()) value["restartedAt"] = pending.restartedAt;
  return value;
}

[[noreturn]] void noEntry(const char* why) { throw json::other_error::create(501, why, nullptr); }

// The most that a text of ours takes, in bytes.
constexpr std::size_t longestKey = 128;     // a SHA-256 in hex is 64
constexpr std::size_t longestName = 512;    // on the wire
constexpr std::size_t longestObject = 253;  // of a Kubernetes name
constexpr std::size_t longestPath = 16'384;
constexpr std::size_t longestRun = 256;            // two SHA-256 in hex
constexpr std::size_t longestDigest = 64;          // in hex
constexpr std::size_t longestTold = 8 << 10;       // of how an update failed
constexpr std::size_t longestArgument = 64 << 10;  // in base64
constexpr std::size_t mostItems = 1024;            // of what a unikernel is started with
constexpr std::string_view nameLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
constexpr std::int64_t mostMi = std::int64_t{1} << 40;
constexpr std::int64_t lastMillis = 9'000'000'000'000;  // a SystemTime holds little more

std::string textFromJson(const json& value, std::size_t longest) {
  const auto& text = value.get_ref<const std::string&>();
  if (text.size() > longest) noEntry("a text is too long");
  return text;
}

std::string digestFromJson(const json& value) { return image::fromHex(textFromJson(value, longestDigest)); }

/// What is printed as part of a command that somebody copies must be what it says it is.
std::string wordFromJson(const json& value, std::size_t longest, std::string_view letters) {
  std::string word = textFromJson(value, longest);
  if (word.find_first_not_of(letters) != std::string::npos) noEntry("not a name");
  return word;
}

/// Since the epoch. A fraction may be too large to be made a whole number, and is none of ours.
std::int64_t millisFromJson(const json& value) {
  if (!value.is_number_integer()) noEntry("a time is no whole number");
  const auto millis = value.get<std::int64_t>();
  if (millis < 0 || millis > lastMillis) noEntry("a time lies out of this world");
  return millis;
}

Fingerprint fingerprintFromJson(const json& value) {
  if (!value.is_number_unsigned()) noEntry("a fingerprint is no whole number");
  return value.get<Fingerprint>();
}

std::optional<albatross::Time> startedFromJson(const json& value) {
  if (!value.contains("started")) return std::nullopt;
  return albatross::Time(std::chrono::milliseconds(millisFromJson(value["started"])));
}

std::string restartedAtFromJson(const json& value) {
  return value.contains("restartedAt") ? textFromJson(value["restartedAt"], api::longestRequest) : "";
}

std::int64_t sizeFromJson(const json& value) {
  if (!value.is_number_integer()) noEntry("a size is no whole number");
  const auto size = value.get<std::int64_t>();
  if (size < 0 || size > mostMi) noEntry("a size is out of this world");
  return size;
}

Pending pendingFromJson(const json& value) {
  Pending pending;
  const auto verb = std::find_if(verbs.begin(), verbs.end(), [&](Verb known) {
    return toString(known) == value.at("verb").get_ref<const std::string&>();
  });
  if (verb == verbs.end()) noEntry("not a verb");
  pending.verb = *verb;
  pending.committed = value.at("committed");
  pending.since = timeFromJson(value.at("since"));
  pending.digest = digestFromJson(value.at("digest"));
  pending.image = digestFromJson(value.at("image"));
  pending.started = startedFromJson(value);
  if (value.contains("fingerprint")) pending.fingerprint = fingerprintFromJson(value["fingerprint"]);
  pending.restartedAt = restartedAtFromJson(value);
  return pending;
}

json toJson(const albatross::Arguments& arguments) {
  json blocks = json::array(), bridges = json::array();
  for (const albatross::Block& block : arguments.blocks) {
    json& item = blocks.emplace_back(json{{"name", block.name}});
    if (block.device) item["device"] = *block.device;
    if (block.sectorSize) item["sectorSize"] = *block.sectorSize;
  }
  for (const albatross::Bridge& bridge : arguments.bridges) {
    json& item = bridges.emplace_back(json{{"name", bridge.netif}});
    if (bridge.bridge) item["bridge"] = *bridge.bridge;
    if (bridge.mac) item["mac"] = albatross::toString(*bridge.mac);
  }
  json value = {{"restart", arguments.failBehaviour.restart},
                {"exitCodes", arguments.failBehaviour.exitCodes},
                {"addName", arguments.addName},
                {"cpuIDs", arguments.cpuIDs},
                {"memory", arguments.memory},
                {"blocks", std::move(blocks)},
                {"bridges", std::move(bridges)}};
  if (arguments.startup) value["startup"] = *arguments.startup;
  if (arguments.arguments) {
    // Bytes, of which the servers do not say that they are text.
    json& boot = value["arguments"] = json::array();
    for (const std::string& argument : *arguments.arguments) boot.push_back(api::encodeBase64(argument));
  }
  return value;
}

std::int64_t numberFromJson(const json& value, std::int64_t most) {
  if (!value.is_number_integer()) noEntry("not a whole number");
  const auto number = value.get<std::int64_t>();
  if (number < 0 || number > most) noEntry("a number is out of this world");
  return number;
}

std::set<std::int64_t> numbersFromJson(const json& list) {
  if (!list.is_array() || list.size() > mostItems) noEntry("not a list of numbers");
  std::set<std::int64_t> numbers;
  for (const json& number : list) numbers.insert(numberFromJson(number, mostMi));
  return numbers;
}

std::optional<std::string> nameFromJson(const json& item, const char* member) {
  if (!item.contains(member)) return std::nullopt;
  return textFromJson(item[member], longestObject);
}

std::vector<std::string> bootArgumentsFromJson(const json& list) {
  if (!list.is_array() || list.size() > mostItems) noEntry("not a list of arguments");
  std::vector<std::string> arguments;
  for (const json& item : list) {
    auto argument = api::decodeBase64(textFromJson(item, longestArgument));
    if (!argument) noEntry("not base64");
    arguments.push_back(*std::move(argument));
  }
  return arguments;
}

albatross::Arguments argumentsFromJson(const json& value) {
  albatross::Arguments arguments;
  arguments.failBehaviour.restart = value.at("restart");
  arguments.failBehaviour.exitCodes = numbersFromJson(value.at("exitCodes"));
  arguments.addName = value.at("addName");
  arguments.cpuIDs = numbersFromJson(value.at("cpuIDs"));
  arguments.memory = numberFromJson(value.at("memory"), mostMi);
  if (value.contains("startup")) arguments.startup = numberFromJson(value["startup"], mostMi);
  if (value.at("blocks").size() > mostItems || value.at("bridges").size() > mostItems)
    noEntry("too many devices");
  for (const json& item : value.at("blocks")) {
    albatross::Block& block = arguments.blocks.emplace_back();
    block.name = textFromJson(item.at("name"), longestObject);
    block.device = nameFromJson(item, "device");
    if (item.contains("sectorSize")) block.sectorSize = numberFromJson(item["sectorSize"], mostMi);
  }
  for (const json& item : value.at("bridges")) {
    albatross::Bridge& bridge = arguments.bridges.emplace_back();
    bridge.netif = textFromJson(item.at("name"), longestObject);
    bridge.bridge = nameFromJson(item, "bridge");
    if (!item.contains("mac")) continue;
    const auto mac = albatross::parseMac(textFromJson(item["mac"], longestObject));
    if (!mac) noEntry("not a MAC address");
    bridge.mac = *mac;
  }
  if (value.contains("arguments")) arguments.arguments = bootArgumentsFromJson(value["arguments"]);
  return arguments;
}

json toJson(const Revision& revision) {
  json value = {{"digest", image::toHex(revision.digest)},
                {"fingerprint", revision.fingerprint},
                {"memory", revision.memory}};
  if (revision.arguments) value["arguments"] = toJson(*revision.arguments);
  return value;
}

Revision revisionFromJson(const json& value) {
  Revision revision{.digest = digestFromJson(value.at("digest")),
                    .fingerprint = fingerprintFromJson(value.at("fingerprint")),
                    .memory = numberFromJson(value.at("memory"), mostMi)};
  if (value.contains("arguments")) revision.arguments = argumentsFromJson(value["arguments"]);
  return revision;
}

json toJson(const Trial& trial) {
  json value = {{"attempt", trial.attempt},
                {"digest", image::toHex(trial.digest)},
                {"since", toMillis(trial.since)},
                {"failed", trial.failed}};
  if (trial.before) value["before"] = trial.before->time_since_epoch().count();
  if (!trial.failure.empty()) value["failure"] = trial.failure;
  if (!trial.console.empty()) value["console"] = trial.console;
  return value;
}

Trial trialFromJson(const json& value) {
  Trial trial{.attempt = textFromJson(value.at("attempt"), longestRun),
              .digest = digestFromJson(value.at("digest")),
              .since = timeFromJson(value.at("since")),
              .before = {}};
  trial.failed = value.at("failed");
  if (value.contains("before"))
    trial.before = albatross::Time(std::chrono::milliseconds(millisFromJson(value["before"])));
  if (value.contains("failure")) trial.failure = textFromJson(value["failure"], longestTold);
  if (value.contains("console")) trial.console = textFromJson(value["console"], longestTold);
  return trial;
}

json toJson(const Rollback& rollback) {
  json value = json::object();
  if (rollback.good) value["good"] = toJson(*rollback.good);
  if (rollback.since != SystemTime()) value["since"] = toMillis(rollback.since);
  if (rollback.earlier) value["earlier"] = toJson(*rollback.earlier);
  if (rollback.trial) value["trial"] = toJson(*rollback.trial);
  return value;
}

Rollback rollbackFromJson(const json& value) {
  if (!value.is_object()) noEntry("not what is remembered of updates");
  Rollback rollback;
  if (value.contains("good")) rollback.good = revisionFromJson(value["good"]);
  if (value.contains("since")) rollback.since = timeFromJson(value["since"]);
  if (value.contains("earlier")) rollback.earlier = revisionFromJson(value["earlier"]);
  if (value.contains("trial")) rollback.trial = trialFromJson(value["trial"]);
  return rollback;
}

/// The newest `limit` of them with `value` before all others.
template <class T>
void putFirst(std::vector<T>& values, const T& value, std::size_t limit) {
  std::erase(values, value);
  values.insert(values.begin(), value);
  if (values.size() > limit) values.resize(limit);
}

}  // namespace

std::int64_t toMillis(SystemTime time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

SystemTime timeFromJson(const json& value) {
  return SystemTime(std::chrono::milliseconds(millisFromJson(value)));
}

bool Entry::sent(const std::string& digest) const {
  return std::find(digests.begin(), digests.end(), digest) != digests.end() ||
         (pending && pending->image == digest);
}

void Entry::remember(const std::string& digest) {
  if (!digest.empty()) putFirst(digests, digest, maxDigests);
}

void Entry::bury(SystemTime now) {
  destroyedAt = now;
  pending.reset();
  ranSpec.clear();
  withheld.clear();
  restartedAt.clear();
  rollback.reset();
}

bool Entry::sent(Fingerprint fingerprint) const {
  return std::find(fingerprints.begin(), fingerprints.end(), fingerprint) != fingerprints.end() ||
         (pending && pending->fingerprint == fingerprint);
}

void Entry::remember(Fingerprint fingerprint) { putFirst(fingerprints, fingerprint, maxFingerprints); }

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
  if (entry.isVolume()) {
    value["object"]["kind"] = api::toString(entry.object.kind);
    value["size"] = entry.size;
  }
  if (entry.since != SystemTime()) value["since"] = toMillis(entry.since);
  if (!entry.fingerprints.empty()) value["fingerprints"] = entry.fingerprints;
  if (entry.started) value["started"] = entry.started->time_since_epoch().count();
  if (!entry.restartedAt.empty()) value["restartedAt"] = entry.restartedAt;
  if (entry.pending) value["pending"] = toJson(*entry.pending);
  if (!entry.withheld.empty()) value["withheld"] = entry.withheld;
  if (entry.rollback) value["rollback"] = toJson(*entry.rollback);
  if (entry.destroyedAt) value["destroyedAt"] = toMillis(*entry.destroyedAt);
  return value;
}

Entry entryFromJson(const json& value) {
  Entry entry;
  entry.serverKey = textFromJson(value.at("serverKey"), longestKey);
  const auto name = albatross::Name::parse(textFromJson(value.at("name"), longestName));
  if (!name) noEntry("not a name");
  entry.name = *name;
  const json& object = value.at("object");
  entry.instance = wordFromJson(value.at("instance"), longestObject, nameLetters);
  const bool volume = object.contains("kind");
  if (volume && object["kind"] != api::toString(api::Kind::UnikernelVolume)) noEntry("of another kind");
  if (volume) entry.size = sizeFromJson(value.at("size"));
  entry.object = {volume ? api::Kind::UnikernelVolume : api::Kind::Unikernel,
                  textFromJson(object.at("namespace"), longestObject),
                  textFromJson(object.at("name"), longestObject)};
  entry.root = textFromJson(value.at("root"), longestPath);
  entry.file = textFromJson(value.at("file"), longestPath);
  const json& digests = value.at("digests");
  if (digests.size() > Entry::maxDigests) noEntry("too many digests");
  for (const json& digest : digests) entry.digests.push_back(digestFromJson(digest));
  entry.confirmed = value.at("confirmed");
  entry.prune = value.at("prune");
  entry.suspend = value.at("suspend");
  entry.ranSpec = textFromJson(value.at("ranSpec"), longestRun);
  if (value.contains("since")) entry.since = timeFromJson(value["since"]);
  if (value.contains("fingerprints")) {
    if (value["fingerprints"].size() > Entry::maxFingerprints) noEntry("too many fingerprints");
    for (const json& fingerprint : value["fingerprints"])
      entry.fingerprints.push_back(fingerprintFromJson(fingerprint));
  }
  entry.started = startedFromJson(value);
  entry.restartedAt = restartedAtFromJson(value);
  if (value.contains("pending")) entry.pending = pendingFromJson(value["pending"]);
  if (value.contains("withheld"))
    entry.withheld = wordFromJson(value["withheld"], confirmationIdLength, "0123456789abcdef");
  if (value.contains("rollback")) entry.rollback = rollbackFromJson(value["rollback"]);
  if (value.contains("destroyedAt")) entry.destroyedAt = timeFromJson(value["destroyedAt"]);
  return entry;
}

Inventories inventoriesOf(std::vector<Entry> entries) {
  Inventories inventories;
  for (Entry& entry : entries) {
    if (entry.isVolume()) continue;
    albatross::Name name = entry.name;
    inventories[entry.serverKey].set(std::move(name), std::move(entry));
  }
  return inventories;
}

}  // namespace rookery::plan

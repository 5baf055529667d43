#include "api/decode.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <ranges>
#include <utility>

#include "api/expand.h"
#include "api/syntax.h"
#include "text.h"

namespace rookery::api {

namespace fs = std::filesystem;

namespace {

/// The text of a field, if it is there and nothing is wrong with it.
template <class Check>
std::optional<std::string> take(const Field& field, Check check) {
  std::optional<std::string> text = field.text();
  if (!text) return std::nullopt;
  if (Complaint complaint = check(*text)) {
    field.problem(std::move(*complaint));
    return std::nullopt;
  }
  return text;
}

std::optional<std::string> takeName(const Field& field) {
  return take(field, [](std::string_view text) { return checkName(text); });
}

/// The name of what only Kubernetes sees.
std::optional<std::string> takeLongName(const Field& field) {
  return take(field, [](std::string_view text) { return checkName(text, 253); });
}

fs::path takePath(const Field& field, const fs::path& folder) {
  const auto text = take(field, checkPrintable);
  return text ? (folder / *text).lexically_normal() : fs::path();
}

std::optional<std::int64_t> takeMi(const Field& field) {
  const auto text = field.text();
  if (!text) return std::nullopt;
  const Result<std::int64_t> amount = parseMi(*text);
  if (amount) return *amount;
  field.problem(amount.error().message);
  return std::nullopt;
}

void takeDuration(const Field& field, std::chrono::milliseconds& duration) {
  const auto text = field.text();
  if (!text) return;
  const Result<std::chrono::milliseconds> parsed = parseDuration(*text);
  if (parsed) {
    duration = *parsed;
  } else {
    field.problem(parsed.error().message);
  }
}

std::set<std::int64_t> takeNumbers(const Field& list) {
  std::set<std::int64_t> numbers;
  for (const Field& item : list.items()) {
    if (const auto number = item.number()) numbers.insert(*number);
  }
  return numbers;
}

template <class Check>
std::set<std::string> takeTexts(const Field& list, Check check) {
  std::set<std::string> texts;
  for (const Field& item : list.items()) {
    if (auto text = take(item, check)) texts.insert(std::move(*text));
  }
  return texts;
}

/// The value of an enumeration whose enumerators stand in the order of `words`.
template <class Enum>
Enum takeWord(const Field& field, std::initializer_list<std::string_view> words) {
  const auto found = std::ranges::find(words, field.text().value_or(""));
  return static_cast<Enum>(found == words.end() ? 0 : found - words.begin());
}

std::map<std::string, std::string> takeLabels(const Field& field, bool checkValues) {
  std::map<std::string, std::string> labels;
  for (const auto& [key, value] : field.members()) {
    if (Complaint complaint = checkLabelKey(key)) {
      value.problemWithName(std::move(*complaint));
    } else if (checkValues) {
      labels[key] = take(value, checkLabelValue).value_or("");
    } else {
      labels[key] = value.text().value_or("");
    }
  }
  return labels;
}

AlbatrossInstance::Files takeFiles(const Field& files, const fs::path& folder) {
  return {.ca = takePath(files["ca"], folder),
          .certificate = takePath(files["certificate"], folder),
          .privateKey = takePath(files["privateKey"], folder)};
}

void takeCredentials(const Field& credentials, const fs::path& folder, AlbatrossInstance& instance) {
  const Field files = credentials["files"];
  const Field secretRef = credentials["secretRef"];
  if (files.present()) instance.credentials = takeFiles(files, folder);
  if (secretRef.present()) {
    instance.credentials =
        AlbatrossInstance::SecretRef{.nameSpace = take(secretRef["namespace"], checkNamespace).value_or(""),
                                     .name = takeLongName(secretRef["name"]).value_or("")};
  }
  if (credentials.present() && files.given() == secretRef.given()) {
    credentials.problemWithName(
        fmt::format("exactly one of files and secretRef must be given{}", files.given() ? ", not both" : ""));
  }
}

Unikernel::Image takeImage(const Field& field, const fs::path& folder) {
  const Field path = field["path"], url = field["url"], sha256 = field["sha256"];
  Unikernel::Image image{
      .path = takePath(path, folder), .url = take(url, checkUrl), .sha256 = take(sha256, checkSha256)};
  if (image.sha256) image.sha256 = toLower(*image.sha256);
  if (path.given() && url.given()) {
    field.problemWithName("only one of path and url may be given");
  } else if (field.present() && !path.given() && !url.given() && !sha256.given()) {
    field.problemWithName(
        "give path, or url with sha256, or sha256 alone for an image that rookery deploy has put into the "
        "image "
        "store");
  } else if (url.present() && !sha256.given()) {
    url.problemWithName(
        "an image from a URL needs its SHA-256, which tells that it is the one that is meant; add sha256");
  }
  return image;
}

/// What is to be on a volume is named as an image is, but that nothing puts it into the image store.
Unikernel::Image takeSource(const Field& field, const fs::path& folder) {
  const Field path = field["path"], url = field["url"], sha256 = field["sha256"];
  Unikernel::Image source{
      .path = takePath(path, folder), .url = take(url, checkUrl), .sha256 = take(sha256, checkSha256)};
  if (source.sha256) source.sha256 = toLower(*source.sha256);
  if (path.given() == url.given()) {
    field.problemWithName(
        fmt::format("exactly one of path and url must be given{}", path.given() ? ", not both" : ""));
  } else if (url.present() && !sha256.given()) {
    url.problemWithName(
        "content from a URL needs its SHA-256, which tells that it is the one that is meant; add sha256");
  }
  return source;
}

Unikernel::NetworkInterface takeInterface(const Field& item) {
  Unikernel::NetworkInterface interface{.name = take(item["name"], checkPrintable).value_or(""),
                                        .bridge = take(item["bridge"], checkPrintable),
                                        .mac = take(item["mac"], checkMac)};
  if (interface.mac) interface.mac = toLower(*interface.mac);
  return interface;
}

Unikernel::BlockDevice takeBlockDevice(const Field& item) {
  const Field name = item["name"], volumeName = item["volumeName"], sectorSize = item["sectorSize"];
  Unikernel::BlockDevice device{.name = take(name, checkPrintable).value_or(""),
                                .volumeName = takeName(volumeName),
                                .sectorSize = sectorSize.number()};
  if (device.sectorSize && !std::has_single_bit(static_cast<std::uint64_t>(*device.sectorSize))) {
    sectorSize.problem(
        fmt::format("a sector size must be a power of two, such as 512 or 4096, not {}", *device.sectorSize));
  }
  if (!volumeName.given() && !device.name.empty() && checkName(device.name)) {
    name.problem(fmt::format("{} cannot be the name of a volume; say with volumeName which volume it is",
                             quote(device.name)));
  }
  return device;
}

std::vector<Unikernel::BlockDevice> takeBlockDevices(const Field& list) {
  std::vector<Unikernel::BlockDevice> devices;
  std::set<std::string> volumes;
  for (const Field& item : list.items()) {
    const auto& device = devices.emplace_back(takeBlockDevice(item));
    const std::string& volume = device.volume();
    if (volume.empty() || volumes.insert(volume).second) continue;
    const Field at = device.volumeName ? item["volumeName"] : item["name"];
    at.problem(
        fmt::format("the volume {} is used by another device of this unikernel already", quote(volume)));
  }
  return devices;
}

std::vector<Unikernel::ArgumentFrom> takeArgumentsFrom(const Field& list) {
  std::vector<Unikernel::ArgumentFrom> values;
  for (const Field& item : list.items()) {
    const Field reference = item["secretKeyRef"];
    if (isInstanceVariable(item["name"].text().value_or("")))
      item["name"].problem(
          "$(INSTANCE_NAME) and $(INSTANCE_LABEL_…) say where a unikernel runs; give this another name");
    values.push_back({.name = take(item["name"], checkVariable).value_or(""),
                      .secretKeyRef = {.name = takeLongName(reference["name"]).value_or(""),
                                       .key = take(reference["key"], checkSecretKey).value_or("")}});
  }
  return values;
}

std::vector<std::string> takeArguments(const Field& list) {
  std::vector<std::string> arguments;
  for (const Field& item : list.items()) {
    const std::string& argument = arguments.emplace_back(item.text().value_or(""));
    if (argument.contains('\0')) item.problem("an argument cannot hold a NUL character");
  }
  return arguments;
}

LabelSelector::Requirement takeExpression(const Field& item) {
  using Operator = LabelSelector::Requirement::Operator;
  LabelSelector::Requirement requirement{
      .key = take(item["key"], checkLabelKey).value_or(""),
      .op = takeWord<Operator>(item["operator"], {"In", "NotIn", "Exists", "DoesNotExist"}),
      .values = {},
      .bound = 0};
  for (std::string value : takeTexts(item["values"], checkLabelValue))
    requirement.values.insert(std::move(value));
  const bool compares = requirement.op == Operator::In || requirement.op == Operator::NotIn;
  const std::string word = item["operator"].text().value_or("");
  if (compares && item["values"].items().empty() && !item["values"].mistaken())
    item["operator"].problem(fmt::format("{} needs values; give one at least", word));
  if (!compares && !item["values"].items().empty())
    item["values"].problemWithName(fmt::format("{} takes no values; remove them", word));
  return requirement;
}

LabelSelector takeSelector(const Field& selector) {
  std::vector<LabelSelector::Requirement> requirements;
  for (const auto& [key, value] : takeLabels(selector["matchLabels"], true)) {
    requirements.push_back(
        {.key = key, .op = LabelSelector::Requirement::Operator::In, .values = {value}, .bound = 0});
  }
  for (const Field& item : selector["matchExpressions"].items()) requirements.push_back(takeExpression(item));
  return LabelSelector(std::move(requirements));
}

/// Where an object belongs.
template <class Spec>
void takePlace(const Field& spec, Spec& decoded) {
  decoded.instance = takeName(spec["instance"]);
  const Field selector = spec["instanceSelector"];
  if (!selector.present()) return;
  if (spec["instance"].present())
    selector.problemWithName("only one of instance and instanceSelector may be given");
  decoded.instanceSelector = takeSelector(selector);
}

std::vector<std::string> takeDependencies(const Field& list) {
  std::vector<std::string> names;
  for (const Field& item : list.items()) {
    if (auto name = takeName(item["name"])) names.push_back(*std::move(name));
  }
  return names;
}

void takeFailBehaviour(const Field& field, Unikernel& unikernel) {
  unikernel.restart = field["restart"].flag(false);
  unikernel.exitCodes = takeNumbers(field["exitCodes"]);
  if (!unikernel.exitCodes.empty() && !field["restart"].written() && !field["restart"].mistaken()) {
    field["exitCodes"].problemWithName("exit codes mean nothing without restart; add restart: true");
  }
}

schedule::TimeZone takeTimeZone(const Field& field) {
  const auto name = take(field, checkPrintable);
  if (!name) return {};
  const Result<schedule::TimeZone> zone = schedule::TimeZone::find(*name);
  if (!zone) field.problem(zone.error().message);
  return zone.value_or(schedule::TimeZone());
}

std::vector<schedule::Window> takeWindows(const Field& list) {
  std::vector<schedule::Window> windows;
  for (const Field& item : list.items()) {
    const Field times = item["schedule"], duration = item["duration"];
    std::chrono::milliseconds length = std::chrono::minutes(1);
    takeDuration(duration, length);
    if (length < std::chrono::minutes(1) || length > std::chrono::days(7))
      duration.problem("a maintenance window is open for at least 1m and at most 168h");
    const schedule::TimeZone zone = takeTimeZone(item["timeZone"]);
    const auto text = times.text();
    if (!text) continue;
    if (auto opens = schedule::Cron::parse(*text)) {
      windows.push_back({*std::move(opens), std::chrono::floor<std::chrono::minutes>(length), zone});
    } else {
      times.problem(opens.error().message);
    }
  }
  return windows;
}

/// What a health check asks may say where it is on each instance: only there it is known what that comes to.
template <class Check>
std::optional<std::string> takeTarget(const Field& field, Check check) {
  return take(field, [&](std::string_view text) -> Complaint {
    const std::vector<std::string> names = references(text);
    const bool varies = std::ranges::any_of(names, [](const auto& name) { return isInstanceVariable(name); });
    return varies ? checkPrintable(text) : check(text);
  });
}

/// Of one that is not there: a target that nobody asks, as what lacks it is an error.
HttpCheck takeHttpCheck(const Field& field) {
  return {.url = takeTarget(field["url"], checkUrl).value_or(""),
          .expectedStatus = field["expectedStatus"].number(),
          .insecure = field["insecure"].flag(false)};
}

DnsCheck takeDnsCheck(const Field& field) {
  return {.server = takeTarget(field["server"], checkNameServer).value_or(""),
          .name = take(field["name"], checkDomainName).value_or(""),
          .type = field["type"].text().value_or("A")};
}

void takeBoundedDuration(const Field& field, std::chrono::milliseconds& duration,
                         std::chrono::milliseconds longest, std::string_view bounds) {
  takeDuration(field, duration);
  if (duration < std::chrono::seconds(1) || duration > longest)
    field.problem(fmt::format("this must be {}", bounds));
}

std::optional<HealthCheck> takeHealthCheck(const Field& field) {
  if (!field.present()) return std::nullopt;
  HealthCheck check;
  const Field http = field["http"], tcp = field["tcp"], dns = field["dns"];
  if (http.present()) check.target = takeHttpCheck(http);
  if (tcp.present()) check.target = TcpCheck{takeTarget(tcp["address"], checkAddress).value_or("")};
  if (dns.present()) check.target = takeDnsCheck(dns);
  const int given = int{http.given()} + int{tcp.given()} + int{dns.given()};
  if (given != 1) field.problemWithName("exactly one of http, tcp and dns must be given");
  takeBoundedDuration(field["interval"], check.interval, std::chrono::hours(1), "1s to 1h");
  takeBoundedDuration(field["timeout"], check.timeout, std::chrono::hours(24), "1s to 24h");
  check.failureThreshold = field["failureThreshold"].number().value_or(3);
  check.rollback = field["rollback"].flag(false);
  return check;
}

/// Where a unikernel belongs that is on several instances.
std::optional<Unikernel::Placement> takePlacement(const Field& spec) {
  const Field field = spec["placement"];
  if (!field.present()) return std::nullopt;
  for (const char* other : {"instance", "instanceSelector"}) {
    if (spec[other].present())
      field.problemWithName(
          fmt::format("only one of {} and placement may be given; remove spec.{}", other, other));
  }
  Unikernel::Placement placement{.instanceSelector = takeSelector(field["instanceSelector"])};
  placement.replicas =
      field["replicas"].text() ? std::nullopt : std::optional(field["replicas"].number().value_or(1));
  placement.topologyKey = take(field["topologyKey"], checkLabelKey).value_or("");
  if (const Field failover = field["failoverAfter"]; failover.present()) {
    std::chrono::milliseconds after = std::chrono::minutes(1);
    takeDuration(failover, after);
    if (after < std::chrono::seconds(10)) failover.problem("this must be at least 10s");
    placement.failoverAfter = after;
  }
  return placement;
}

std::map<std::string, std::vector<std::string>> takeArgumentsByInstance(const Field& field) {
  constexpr std::size_t most = 1024;
  std::map<std::string, std::vector<std::string>> arguments;
  if (field.members().size() > most) {
    field.problem(fmt::format("at most {} instances are allowed", most));
    return arguments;
  }
  for (const auto& [instance, list] : field.members()) {
    if (Complaint complaint = checkName(instance)) list.problemWithName(*std::move(complaint));
    arguments.emplace(instance, takeArguments(list));
  }
  return arguments;
}

}  // namespace

Metadata decodeMetadata(const Field& metadata, Kind kind) {
  Metadata decoded{.name = (kind == Kind::Secret ? takeLongName : takeName)(metadata["name"]).value_or(""),
                   .nameSpace = take(metadata["namespace"], checkNamespace).value_or("default"),
                   .labels = takeLabels(metadata["labels"], true),
                   .annotations = takeLabels(metadata["annotations"], false)};
  if (kind == Kind::AlbatrossInstance) {
    decoded.nameSpace.clear();
    if (metadata["namespace"].present()) {
      metadata["namespace"].problemWithName("an AlbatrossInstance has no namespace; remove it");
    }
  }
  return decoded;
}

AlbatrossInstance decodeInstance(const Field& spec, const fs::path& folder) {
  AlbatrossInstance instance{.endpoint = take(spec["endpoint"], checkEndpoint).value_or(""),
                             .credentials = {},
                             .serverName = take(spec["serverName"], checkPrintable),
                             .rootNamespace = take(spec["rootNamespace"], checkNamespace),
                             .allowedNamespaces = {},
                             .observe = spec["observe"].flag(false),
                             .suspend = spec["suspend"].flag(false),
                             .maintenanceWindows = takeWindows(spec["maintenanceWindows"]),
                             .maxConcurrentUpdates = spec["maxConcurrentUpdates"].number()};
  takeCredentials(spec["credentials"], folder, instance);
  if (instance.isLocal()) {
    for (const char* field : {"credentials", "serverName"}) {
      if (spec[field].present())
        spec[field].problemWithName("a local server (unix:) asks for none; remove it");
    }
    instance.credentials = AlbatrossInstance::NoCredentials{};
  } else if (!spec["credentials"].present() && spec["endpoint"].present()) {
    spec["credentials"].problem("this field is required, unless the endpoint is a local server's (unix:)");
  }
  if (const Field allowed = spec["allowedNamespaces"]; allowed.present()) {
    instance.allowedNamespaces = takeTexts(allowed, checkNamespace);
  }
  const Field timeouts = spec["timeouts"];
  takeDuration(timeouts["connect"], instance.connectTimeout);
  takeDuration(timeouts["command"], instance.commandTimeout);
  takeDuration(timeouts["stream"], instance.streamTimeout);
  return instance;
}

Unikernel decodeUnikernel(const Field& spec, const fs::path& folder) {
  Unikernel unikernel;
  takePlace(spec, unikernel);
  unikernel.placement = takePlacement(spec);
  unikernel.image = takeImage(spec["image"], folder);
  unikernel.compressionLevel = static_cast<int>(spec["image"]["compressionLevel"].number().value_or(0));
  unikernel.cpuIDs = takeNumbers(spec["cpuIDs"]);
  unikernel.memory = takeMi(spec["memory"]).value_or(1);
  constexpr std::int64_t mostMemory =
      16 << 20;  // 16Ti: more than any machine has, less than what overflows a sum
  if (unikernel.memory <= 0 || unikernel.memory > mostMemory) {
    spec["memory"].problem("the memory must be more than 0 and at most 16Ti");
  }
  for (const Field& item : spec["networkInterfaces"].items()) {
    unikernel.networkInterfaces.push_back(takeInterface(item));
  }
  unikernel.blockDevices = takeBlockDevices(spec["blockDevices"]);
  unikernel.arguments = takeArguments(spec["arguments"]);
  unikernel.argumentsByInstance = takeArgumentsByInstance(spec["argumentsByInstance"]);
  unikernel.argumentsFrom = takeArgumentsFrom(spec["argumentsFrom"]);
  unikernel.dependsOn = takeDependencies(spec["dependsOn"]);
  const auto names = [](const std::vector<std::string>& arguments) {
    return std::ranges::any_of(arguments,
                               [](const auto& argument) { return argument.starts_with("--name="); });
  };
  const bool named = names(unikernel.arguments) ||
                     std::ranges::any_of(unikernel.argumentsByInstance | std::views::values, names);
  unikernel.addName = spec["addName"].flag(!named);
  takeFailBehaviour(spec["failBehaviour"], unikernel);
  unikernel.healthCheck = takeHealthCheck(spec["healthCheck"]);
  unikernel.runPolicy = takeWord<Unikernel::RunPolicy>(spec["runPolicy"], {"Always", "Once"});
  const bool once = unikernel.runPolicy == Unikernel::RunPolicy::Once;
  if (once && unikernel.healthCheck && unikernel.healthCheck->rollback)
    spec["healthCheck"]["rollback"].problemWithName(
        "nothing can be put back of what is run once; remove it, or runPolicy: Once");
  unikernel.startup = spec["startup"].number();
  unikernel.updateStrategy =
      takeWord<Unikernel::UpdateStrategy>(spec["update"]["strategy"], {"ForceCreate", "OnDelete"});
  unikernel.maxUnavailable = spec["update"]["maxUnavailable"].number().value_or(1);
  unikernel.pauseAfter = spec["update"]["pauseAfter"].number();
  unikernel.adopt = takeWord<Unikernel::Adopt>(spec["adopt"], {"IfIdentical", "Always", "Never"});
  unikernel.minReadySeconds = spec["minReadySeconds"].number().value_or(3);
  unikernel.prune = spec["prune"].flag(true);
  unikernel.suspend = spec["suspend"].flag(false);
  unikernel.maintenanceWindows = takeWindows(spec["maintenanceWindows"]);
  return unikernel;
}

UnikernelPolicy decodePolicy(const Field& spec) {
  UnikernelPolicy policy{.instance = {},
                         .instanceSelector = {},
                         .unikernels = spec["unikernels"].number().value_or(0),
                         .memory = takeMi(spec["memory"]).value_or(0),
                         .cpuIDs = takeNumbers(spec["cpuIDs"]),
                         .blockStorage = takeMi(spec["blockStorage"]),
                         .bridges = takeTexts(spec["bridges"], checkPrintable)};
  takePlace(spec, policy);
  if (spec["memory"].present() && policy.memory <= 16) {
    spec["memory"].problem("the memory must be more than 16Mi, or no unikernel fits in");
  }
  return policy;
}

UnikernelVolume decodeVolume(const Field& spec, const fs::path& folder) {
  UnikernelVolume volume;
  takePlace(spec, volume);
  volume.size = takeMi(spec["size"]).value_or(1);
  constexpr std::int64_t mostMi = 1 << 30;  // 1Pi: more than any disk has, less than what overflows a sum
  if (volume.size <= 0 || volume.size > mostMi)
    spec["size"].problem("the size must be more than 0 and at most 1Pi");
  if (const Field source = spec["source"]; source.present()) {
    volume.source = takeSource(source, folder);
    volume.compressionLevel = static_cast<int>(source["compressionLevel"].number().value_or(0));
  }
  volume.reclaimPolicy =
      takeWord<UnikernelVolume::ReclaimPolicy>(spec["reclaimPolicy"], {"Retain", "Delete"});
  return volume;
}

Secret decodeSecret(const Field& manifest) {
  Secret secret;
  for (const auto& [key, value] : manifest["data"].members()) {
    if (Complaint complaint = checkSecretKey(key)) value.problemWithName(std::move(*complaint));
    const Result<std::string> bytes = decodeBase64(value.text().value_or(""));
    if (bytes) {
      secret.data[key] = *bytes;
    } else {
      value.problem(bytes.error().message);
    }
  }
  for (const auto& [key, value] : manifest["stringData"].members()) {
    if (Complaint complaint = checkSecretKey(key)) value.problemWithName(std::move(*complaint));
    secret.data[key] = value.text().value_or("");
  }
  return secret;
}

}  // namespace rookery::api

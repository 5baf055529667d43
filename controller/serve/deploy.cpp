#include "serve/deploy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "api/expand.h"
#include "api/manifest.h"
#include "api/syntax.h"
#include "plan/image_check.h"
#include "reconcile/image_places.h"
#include "serve/access.h"
#include "serve/deployed_spec.h"
#include "serve/write_request.h"
#include "text.h"
#include "yaml/writer.h"

namespace rookery::serve {

using nlohmann::json;

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds longestPause{1};  // in which nobody asks whether the client is still there

http::Response notPost() {
  http::Response response = failure(405, "a deployment is a form that is sent with POST");
  response.headers["Allow"] = "POST";
  return response;
}

/// How long the answer may wait; zero: not at all.
std::expected<std::chrono::milliseconds, http::Response> waitOf(const http::Target& target) {
  const auto given = target.query.find("wait");
  if (given == target.query.end()) return std::chrono::milliseconds(0);
  const auto wait = api::parseDuration(given->second);
  if (wait && *wait <= Deployer::longestWait) return *wait;
  return std::unexpected(failure(400, "wait must be a duration such as 60s, and at most 10m"));
}

/// The boundary of the form that a request is, of no more than `limit` bytes.
std::expected<std::string, http::Response> boundaryOf(const Request& request, std::uint64_t limit) {
  auto boundary = http::formBoundary(request.contentType);
  if (!boundary) return std::unexpected(failure(boundary.error()));
  if (!*boundary)
    return std::unexpected(failure(415, "a deployment is a form: send it as multipart/form-data"));
  if (request.body == nullptr) return std::unexpected(failure(400, "the request has no body"));
  if (request.body->announcedSize().value_or(0) > limit) {
    return std::unexpected(failure(
        413, fmt::format("the form is larger than {} bytes, the most that an image and its spec may have "
                         "here",
                         limit)));
  }
  return **std::move(boundary);
}

std::string pathOf(const DeployForm& form) {
  return fmt::format("/apis/{}/namespaces/{}/unikernels/{}", api::groupVersion, percentEncode(form.nameSpace),
                     percentEncode(form.name));
}

json manifestOf(const DeployForm& form, json spec) {
  return {{"apiVersion", api::groupVersion},
          {"kind", "Unikernel"},
          {"metadata", {{"name", form.name}, {"namespace", form.nameSpace}}},
          {"spec", std::move(spec)}};
}

/// The annotations that a deployment sets: with force_create, one that holds for just this spec.
json annotationsOf(const DeployForm& form, const json& spec) {
  json annotations = json::object();
  if (!form.forceCreate) return annotations;
  const api::Manifest parsed = api::readDocument(manifestOf(form, spec), {});
  for (const api::ObjectPtr& object : parsed.objects)
    annotations[std::string(api::forceCreateAnnotation)] = object->specDigest;
  return annotations;
}

/// The image is one that a server can run with the devices of this unikernel; or what is wrong.
std::optional<http::Response> misfitOf(const DeployForm& form, api::Unikernel unikernel,
                                       const image::Image& image) {
  unikernel.image.path = form.imageName;  // as the client calls it
  const auto fits = plan::checkFit(unikernel, image);
  if (fits) return std::nullopt;
  const bool devices = fits.error().reason == Reason::DeviceMismatch;
  return invalidDeployment(form.name, devices ? "config" : "binary", fieldValueInvalid, fits.error().message);
}

std::unexpected<http::Response> wrongInstance(const DeployForm& form, std::string_view reason,
                                              const std::string& message) {
  return std::unexpected(invalidDeployment(form.name, "instance", reason, message));
}

std::set<std::string> instancesIn(const reconcile::ObjectStore& objects) {
  std::set<std::string> names;
  for (const auto& view : objects.list(api::Kind::AlbatrossInstance, std::nullopt).views)
    names.insert(view->object->metadata.name);
  return names;
}

/// One roll-out that a client waits for.
class RollOut {
 public:
  /// `object` is as it was written.
  RollOut(const reconcile::ObjectStore& objects, const DeployForm& form, const json& object,
          Clock::time_point deadline, http::Response atDeadline)
      : objects_(objects),
        key_{api::Kind::Unikernel, form.nameSpace, form.name},
        uid_(object.at("metadata").value("uid", "")),
        generation_(object.at("metadata").value("generation", std::int64_t{0})),
        deadline_(deadline),
        atDeadline_(std::move(atDeadline)) {}

  /// The answer, if there is one within about a second.
  std::optional<http::Response> answer() const {
    const std::uint64_t seen = objects_.resourceVersion();  // before looking, so that no change is missed
    if (auto outcome = look()) return outcome;
    const auto now = Clock::now();
    if (now >= deadline_) return atDeadline_;
    objects_.after(seen, std::min(deadline_, now + longestPause));
    return std::nullopt;
  }

 private:
  std::optional<http::Response> look() const {
    const auto view = objects_.find(key_);
    if (view == nullptr || view->identity.uid != uid_ || view->identity.deletionTimestamp)
      return superseded("was deleted");
    if (view->identity.generation != generation_) return superseded("was changed");
    const api::Status& status = view->status;
    if (status.observedGeneration < generation_) return std::nullopt;
    if (status.ready())
      return http::Response{.status = 200,
                            .contentType = std::string(http::jsonType),
                            .body = yaml::dump(toJson(*view)) + "\n"};
    const api::Condition* stalled = status.condition(api::Condition::Type::Stalled);
    if (stalled == nullptr || stalled->status != api::Condition::Status::True) return std::nullopt;
    return failure(422, toString(stalled->reason), stalled->message, details());
  }

  http::Response superseded(std::string_view how) const {
    return failure(409, fmt::format("{} {} by somebody else while it was rolled out", key_.toString(), how),
                   details());
  }
  FailureDetails details() const { return {.name = key_.name, .group = "rookery.dev", .kind = "unikernels"}; }

  const reconcile::ObjectStore& objects_;
  const api::ObjectKey key_;
  const std::string uid_;
  const std::int64_t generation_;
  const Clock::time_point deadline_;
  const http::Response atDeadline_;
};

}  // namespace

Deployer::Deployer(const reconcile::ObjectStore& objects, ObjectWriter& writer, image::ImageStore& images,
                   CannotRun cannotRun)
    : objects_(objects),
      writer_(writer),
      images_(images),
      cannotRun_(std::move(cannotRun)),
      unikernels_(objectResource(objects, api::Kind::Unikernel)) {}

http::Response Deployer::handle(const Request& request, const http::Target& target) {
  if (request.method != "POST") return notPost();
  if (!objects_.synced()) return notSynced();
  const auto wait = waitOf(target);
  if (!wait) return wait.error();
  const auto dryRun = dryRunOf(target);
  if (!dryRun) return dryRun.error();
  const auto boundary = boundaryOf(request, images_.largestImage() + 2 * maxObjectBytes);
  if (!boundary) return boundary.error();
  const std::string account = accountOf(request.caller, request.peer);
  const Admission::Pass pass = uploads_.enter(account);
  if (!pass) {
    return tooManyRequests("too many images are on their way at the same time: try again",
                           std::chrono::seconds(10));
  }
  http::MultipartReader reader(*request.body, *boundary);
  const auto refusal = [&](const std::string& nameSpace) {
    return authorize(
        request.caller,
        {.verb = "deploy", .group = "rookery.dev", .resource = "unikernels", .nameSpace = nameSpace});
  };
  auto form = readDeployForm(reader, images_, *dryRun ? ImagePart::Optional : ImagePart::Required, refusal);
  if (!form) return std::move(form.error());
  return *dryRun ? rehearse(*std::move(form), account) : take(*std::move(form), account, *wait);
}

/// What the deployment would make of the Unikernel, if nothing speaks against it as far as that is known
/// before anything is stored or written.
ObjectWriter::Answer Deployer::check(DeployForm& form, const std::string& account) {
  std::optional<image::Image> image;
  if (form.binary) {
    auto found = form.binary->inspect("image " + form.imageName);
    if (!found && found.error().reason == Reason::ImageInvalid)
      return std::unexpected(
          invalidDeployment(form.name, "binary", fieldValueInvalid, found.error().message));
    if (!found) return std::unexpected(failure(found.error()));
    image = *std::move(found);
  }
  auto valid = write(form, {.dryRun = true, .caller = account});
  if (!valid) return valid;
  const api::Manifest parsed = api::readDocument(manifestOf(form, valid->object.at("spec")), {});
  if (parsed.objects.size() != 1)
    return std::unexpected(failure(500, "the manifest of the deployment cannot be read"));
  const api::ObjectPtr& unikernel = parsed.objects.front();
  if (image) {
    if (auto misfit = misfitOf(form, unikernel->as<api::Unikernel>(), *image))
      return std::unexpected(*std::move(misfit));
  } else if (const auto room = images_.hasRoomFor(form.size); !room) {
    return std::unexpected(failure(room.error()));
  }
  if (auto refused = refusalOf(form, unikernel)) return std::unexpected(*std::move(refused));
  return valid;
}

http::Response Deployer::rehearse(DeployForm form, const std::string& account) {
  auto valid = check(form, account);
  if (!valid) return std::move(valid.error());
  http::Response response{
      .status = 200, .contentType = std::string(http::jsonType), .body = yaml::dump(valid->object) + "\n"};
  warn(response, valid->warnings);
  return response;
}

http::Response Deployer::take(DeployForm form, const std::string& account, std::chrono::milliseconds wait) {
  if (auto valid = check(form, account); !valid) return std::move(valid.error());
  auto stored = form.binary->commit();
  if (!stored) return failure(stored.error());
  auto written = write(form, {.caller = account});
  // The manifest stands there although nobody has read it yet: it names the image.
  if (written || written.error().status == 504) stored->keep();
  if (!written) return std::move(written.error());
  http::Response response = accepted(form, *stored, written->object, wait);
  warn(response, written->warnings);
  return response;
}

/// The instance that the form or its config names, if it is there for the namespace; nothing where none is
/// named.
std::expected<std::optional<std::string>, http::Response> Deployer::namedInstance(
    const DeployForm& form) const {
  std::string named = form.instance;
  if (form.config && form.config->contains("instance")) {
    const json& inConfig = form.config->at("instance");
    if (!inConfig.is_string())
      return wrongInstance(form, fieldValueInvalid, "spec.instance in the field config is no string");
    const auto& instance = inConfig.get_ref<const std::string&>();
    if (named.empty()) named = instance;
    if (named != instance)
      return wrongInstance(form, fieldValueInvalid, "the field config names another in spec.instance");
  }
  if (named.empty()) return std::nullopt;
  if (auto refused = refusalOf(form, named)) return std::unexpected(*std::move(refused));
  return named;
}

/// Why this instance cannot be named.
std::optional<http::Response> Deployer::refusalOf(const DeployForm& form, const std::string& instance) const {
  const auto view = objects_.find({api::Kind::AlbatrossInstance, "", instance});
  if (view == nullptr) {
    const auto names = instancesIn(objects_);
    return wrongInstance(form, fieldValueInvalid,
                         names.empty() ? "there is no AlbatrossInstance; declare one"
                                       : fmt::format("there is no AlbatrossInstance {}; there is {}",
                                                     instance, fmt::join(names, ", ")))
        .error();
  }
  const auto& allowed = view->object->as<api::AlbatrossInstance>().allowedNamespaces;
  if (!allowed || allowed->contains(form.nameSpace)) return std::nullopt;
  return wrongInstance(form, fieldValueInvalid,
                       fmt::format("the AlbatrossInstance {} is not open to the namespace {}", instance,
                                   form.nameSpace))
      .error();
}

/// The only instance there is, if it is there for the namespace.
std::expected<std::string, http::Response> Deployer::onlyInstance(const DeployForm& form) const {
  const auto names = instancesIn(objects_);
  if (names.empty())
    return wrongInstance(form, fieldValueInvalid, "there is no AlbatrossInstance; declare one");
  if (names.size() > 1) {
    return wrongInstance(
        form, fieldValueRequired,
        fmt::format("there are several AlbatrossInstances; name one of {}", fmt::join(names, ", ")));
  }
  if (auto refused = refusalOf(form, *names.begin())) return std::unexpected(*std::move(refused));
  return *names.begin();
}

/// Why the unikernel could not run where it would be.
std::optional<http::Response> Deployer::refusalOf(const DeployForm& form,
                                                  const api::ObjectPtr& unikernel) const {
  std::optional<std::string> instance = unikernel->as<api::Unikernel>().instance;
  if (const auto present = objects_.find(unikernel->key()); !instance && present != nullptr)
    instance = present->status.instance;
  if (!instance) {
    const auto names = instancesIn(objects_);
    if (names.size() == 1) instance = *names.begin();
  }
  const auto error = instance ? cannotRun_(*instance, unikernel) : std::nullopt;
  if (!error) return std::nullopt;
  return failure(422, toString(error->reason), error->message,
                 {.name = form.name, .group = "rookery.dev", .kind = "unikernels"});
}

/// The spec, without image, of a Unikernel that does not exist yet.
std::expected<json, http::Response> Deployer::newSpec(const DeployForm& form) const {
  json spec = form.config.value_or(json::object());
  auto instance = namedInstance(form);
  if (!instance) return std::unexpected(std::move(instance.error()));
  if (*instance) {
    spec["instance"] = **instance;
  } else if (!spec.contains("instanceSelector") && !spec.contains("placement")) {
    auto only = onlyInstance(form);  // written down, so that it stays when there is another
    if (!only) return std::unexpected(std::move(only.error()));
    spec["instance"] = *std::move(only);
  }
  return spec;
}

/// As a new object, or as a change of the one that force_create is about.
ObjectWriter::Answer Deployer::write(const DeployForm& form, const WriteOptions& options) {
  const api::ObjectKey key{api::Kind::Unikernel, form.nameSpace, form.name};
  const auto complete = [&](json& spec, json& metadata) {
    spec["image"] = {{"sha256", form.sha256}};
    if (const json annotations = annotationsOf(form, spec); !annotations.empty())
      metadata["annotations"].update(annotations);
  };
  const bool exists = objects_.find(key) != nullptr;
  if (exists && !form.forceCreate) {
    return std::unexpected(failure(
        409, "AlreadyExists",
        fmt::format(
            "unikernels.rookery.dev {} already exists: force_create (rookery deploy --force) gives it "
            "this image",
            quote(form.name)),
        {.name = form.name, .group = "rookery.dev", .kind = "unikernels"}));
  }
  if (!exists) {
    auto spec = newSpec(form);
    if (!spec) return std::unexpected(std::move(spec.error()));
    json manifest = manifestOf(form, *std::move(spec));
    complete(manifest["spec"], manifest["metadata"]);
    return writer_.create(*unikernels_, form.nameSpace, std::move(manifest), options);
  }
  const auto change = [&](json object) -> std::expected<json, http::Response> {
    auto instance = namedInstance(form);
    if (!instance) return std::unexpected(std::move(instance.error()));
    object["spec"] = deployedSpec(object.at("spec"), form.config, *instance);
    complete(object["spec"], object["metadata"]);
    return object;
  };
  return writer_.patch(*unikernels_, key, change, options);
}

http::Response Deployer::accepted(const DeployForm& form, const image::ImageStore::Stored& image,
                                  const json& object, std::chrono::milliseconds wait) const {
  const std::string path = pathOf(form);
  http::Response response{.status = 202,
                          .contentType = std::string(http::jsonType),
                          .body = yaml::dump({{"namespace", form.nameSpace},
                                              {"name", form.name},
                                              {"sha256", image.sha256()},
                                              {"size", image.size()},
                                              {"statusUrl", path}}) +
                                  "\n",
                          .headers = {{"Location", path}}};
  if (wait.count() == 0) return response;
  const auto rollOut = std::make_shared<RollOut>(objects_, form, object, Clock::now() + wait, response);
  response.later = [rollOut] { return rollOut->answer(); };
  return response;
}

}  // namespace rookery::serve

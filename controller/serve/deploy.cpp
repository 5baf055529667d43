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

/// The image of a spec from now on.
void setImage(json& spec, const image::Image& image) {
  spec["image"] = {{"path", image.path.string()}, {"sha256", image::toHex(image.digest)}};
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

/// The image is one that a server can run with the devices of this spec, which is valid; or what is wrong.
std::optional<http::Response> misfitOf(const DeployForm& form, const json& spec, const image::Image& image) {
  const api::Manifest parsed = api::readDocument(manifestOf(form, spec), {});
  if (parsed.objects.size() != 1) return failure(500, "the manifest of the deployment cannot be read");
  auto unikernel = parsed.objects.front()->as<api::Unikernel>();
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

Deployer::Deployer(const reconcile::ObjectStore& objects, ObjectWriter& writer, image::ImageStore& images)
    : objects_(objects),
      writer_(writer),
      images_(images),
      unikernels_(objectResource(objects, api::Kind::Unikernel)) {}

http::Response Deployer::handle(const Request& request, const http::Target& target) {
  if (request.method != "POST") return notPost();
  if (!objects_.synced()) return notSynced();
  const auto wait = waitOf(target);
  if (!wait) return wait.error();
  const auto boundary = boundaryOf(request, images_.largestImage() + 2 * maxObjectBytes);
  if (!boundary) return boundary.error();
  const std::string account = accountOf(request.caller, request.peer);
  const Admission::Pass pass = uploads_.enter(account);
  if (!pass) {
    return tooManyRequests("too many images are on their way at the same time: try again",
                           std::chrono::seconds(10));
  }
  http::MultipartReader reader(*request.body, *boundary);
  auto form = readDeployForm(reader, images_, [&](const std::string& nameSpace) {
    return authorize(
        request.caller,
        {.verb = "deploy", .group = "rookery.dev", .resource = "unikernels", .nameSpace = nameSpace});
  });
  if (!form) return std::move(form.error());
  return deploy(*std::move(form), account, *wait);
}

/// Everything is checked before the image is in the store and the manifest is written.
http::Response Deployer::deploy(DeployForm form, const std::string& account, std::chrono::milliseconds wait) {
  const auto image = form.binary.inspect("image " + form.imageName);
  if (!image) {
    if (image.error().reason == Reason::ImageInvalid)
      return invalidDeployment(form.name, "binary", fieldValueInvalid, image.error().message);
    return failure(image.error());
  }
  auto valid = write(form, *image, {.dryRun = true, .caller = account});
  if (!valid) return std::move(valid.error());
  if (auto misfit = misfitOf(form, valid->object.at("spec"), *image)) return *std::move(misfit);

  auto stored = form.binary.commit();
  if (!stored) return failure(stored.error());
  auto written = write(form, *image, {.caller = account});
  // The manifest stands there although nobody has read it yet: it names the image.
  if (written || written.error().status == 504) stored->keep();
  if (!written) return std::move(written.error());
  return accepted(form, *stored, written->object, wait);
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

/// The spec, without image, of a Unikernel that does not exist yet.
std::expected<json, http::Response> Deployer::newSpec(const DeployForm& form) const {
  json spec = form.config.value_or(json::object());
  auto instance = namedInstance(form);
  if (!instance) return std::unexpected(std::move(instance.error()));
  if (*instance) {
    spec["instance"] = **instance;
  } else {
    auto only = onlyInstance(form);  // written down, so that it stays when there is another
    if (!only) return std::unexpected(std::move(only.error()));
    spec["instance"] = *std::move(only);
  }
  return spec;
}

/// As a new object, or as a change of the one that force_create is about.
ObjectWriter::Answer Deployer::write(const DeployForm& form, const image::Image& image,
                                     const WriteOptions& options) {
  const api::ObjectKey key{api::Kind::Unikernel, form.nameSpace, form.name};
  const auto complete = [&](json& spec, json& metadata) {
    setImage(spec, image);
    if (const json annotations = annotationsOf(form, spec); !annotations.empty())
      metadata["annotations"].update(annotations);
  };
  if (!form.forceCreate || objects_.find(key) == nullptr) {
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

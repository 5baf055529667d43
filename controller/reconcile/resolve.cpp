#include "reconcile/resolve.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ranges>
#include <unordered_map>

#include "api/expand.h"
#include "api/manifest.h"
#include "plan/image_check.h"
#include "sentence.h"

namespace rookery::reconcile {

using albatross::Credential;
using api::ObjectKey;

namespace {

/// How long all wait for images that nobody has looked at yet: most are known before.
constexpr std::chrono::milliseconds lookTime{200};

const std::string* secretValue(const api::Secret& secret, const std::string& key) {
  const auto it = secret.data.find(key);
  return it == secret.data.end() ? nullptr : &it->second;
}

class Resolver {
 public:
  Resolver(const source::Snapshot& snapshot, const std::vector<plan::Entry>& entries, ImagePlaces images,
           CredentialFiles& credentials, const Identify& identify)
      : snapshot_(snapshot),
        entries_(entries),
        credentials_(credentials),
        images_(std::move(images)),
        imageRoots_(canonical(images_.roots)),
        objects_(snapshot.objects) {
    if (!std::ranges::is_sorted(objects_, {}, &api::Object::key))
      std::ranges::sort(objects_, {}, &api::Object::key);
    resolution_.declarations.reserve(objects_.size());
    for (const auto& object : objects_) {
      resolution_.declarations.push_back({object, identify(object->key(), object->specDigest)});
      if (object->kind() == api::Kind::Secret) secrets_.emplace(object->key(), &object->as<api::Secret>());
    }
    for (const ObjectKey& declared : snapshot.declared) {
      if (declared.kind == api::Kind::AlbatrossInstance) instances_.insert(declared.name);
    }
  }

  Resolution run() {
    if (images_.lookout != nullptr) lookAtImages();
    for (const Declaration& declared : resolution_.declarations) {
      if (declared.object->kind() == api::Kind::AlbatrossInstance) addInstance(declared);
    }
    for (const Declaration& declared : resolution_.declarations) {
      if (declared.object->kind() == api::Kind::UnikernelPolicy) addPolicy(declared);
      if (declared.object->kind() == api::Kind::Unikernel) addUnikernel(declared);
    }
    for (const auto& [key, error] : resolution_.unplaced) dropPolicy(key);
    credentials_.keepOnly(instances_);
    return std::move(resolution_);
  }

 private:
  void addInstance(const Declaration& declared) {
    const api::ObjectPtr& object = declared.object;
    auto desired = std::make_shared<plan::Desired>();
    desired->instance = object;
    desired->identity = declared.identity;
    CredentialFiles::Read read = credentialsOf(*object);
    desired->credentials = std::move(read.pem);
    desired->credentialsStand = std::move(read.standing);
    if (read.lookAgainIn) {
      auto& again = resolution_.lookAgainIn;
      again = again ? std::min(*again, *read.lookAgainIn) : *read.lookAgainIn;
    }
    desired->instances = instances_;
    desired->outdated = snapshot_.outdated;
    resolution_.instances[object->metadata.name] = std::move(desired);
  }

  /// Files are the operator's to name: whoever may write objects must neither use nor look for others'.
  CredentialFiles::Read credentialsOf(const api::Object& instance) const {
    const auto& spec = instance.as<api::AlbatrossInstance>();
    if (const auto* ref = std::get_if<api::AlbatrossInstance::SecretRef>(&spec.credentials))
      return {.pem = fromSecret(*ref)};
    if (authorOf(instance.origin, images_.apiStore) == plan::Author::Anybody) {
      return {.pem =
                  fail(Reason::CredentialInvalid,
                       "spec.credentials.files: files are for manifests that did not come through the API. "
                       "Put the credential into a Secret, and name that in spec.credentials.secretRef.")};
    }
    return credentials_.read(instance.metadata.name,
                             std::get<api::AlbatrossInstance::Files>(spec.credentials));
  }

  Result<albatross::Pem> fromSecret(const api::AlbatrossInstance::SecretRef& ref) const {
    const api::Secret* secret = findSecret(ref.nameSpace, ref.name);
    if (secret == nullptr) {
      return fail(Reason::ReferenceNotFound,
                  fmt::format("spec.credentials.secretRef names Secret {}/{}, {}.", ref.nameSpace, ref.name,
                              whyMissing({api::Kind::Secret, ref.nameSpace, ref.name})));
    }
    std::array<std::string, 3> values;
    constexpr std::array keys = {"ca.crt", "tls.crt", "tls.key"};
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const std::string* value = secretValue(*secret, keys[i]);
      if (value == nullptr) {
        return fail(Reason::ReferenceNotFound,
                    fmt::format("Secret {}/{} has no key {}, which credentials need.", ref.nameSpace,
                                ref.name, keys[i]));
      }
      values[i] = *value;
    }
    return albatross::Pem{std::move(values[0]), std::move(values[1]), std::move(values[2])};
  }

  const api::Secret* findSecret(const std::string& nameSpace, const std::string& name) const {
    const auto found = secrets_.find({api::Kind::Secret, nameSpace, name});
    return found == secrets_.end() ? nullptr : found->second;
  }

  std::string whyMissing(const ObjectKey& key) const {
    const auto known = snapshot_.unreadable.find(key);
    return known == snapshot_.unreadable.end() ? "which is not declared" : withoutFullStop(known->second);
  }

  /// The instance that an object names, or the only one. One whose manifest is broken counts: it may be the
  /// one meant.
  Result<std::string> instanceOf(const ObjectKey& key, const std::optional<std::string>& named) const {
    if (named) {
      if (instances_.contains(*named)) return usable(*named, key);
      return fail(Reason::InstanceNotFound,
                  fmt::format("spec.instance of {} names {}, which is not declared. There {}: {}.",
                              key.toString(), *named, instances_.size() == 1 ? "is" : "are",
                              instances_.empty() ? "none" : fmt::format("{}", fmt::join(instances_, ", "))));
    }
    if (instances_.empty())
      return fail(Reason::InstanceNotFound,
                  fmt::format("No AlbatrossInstance is declared for {} to run on.", key.toString()));
    if (instances_.size() > 1) {
      return fail(Reason::InstanceAmbiguous,
                  fmt::format("{} names no instance, and there are several: {}. Set spec.instance.",
                              key.toString(), fmt::join(instances_, ", ")));
    }
    return usable(*instances_.begin(), key);
  }

  Result<std::string> usable(const std::string& instance, const ObjectKey& key) const {
    if (resolution_.instances.contains(instance)) return instance;
    return fail(
        Reason::InstanceNotFound,
        fmt::format("{} belongs on AlbatrossInstance {}, whose manifest has an error. Correct that first.",
                    key.toString(), instance));
  }

  std::optional<Error> notAllowed(const ObjectKey& key, const plan::Desired& desired) const {
    const auto& allowed = desired.spec().allowedNamespaces;
    if (!allowed || allowed->contains(key.nameSpace)) return std::nullopt;
    return Error{
        Reason::NamespaceNotAllowed,
        fmt::format("AlbatrossInstance {} allows {}, and {} is in {}.", desired.name(),
                    allowed->empty() ? "no namespace"
                                     : fmt::format("the namespaces {} only", fmt::join(*allowed, ", ")),
                    key.toString(), key.nameSpace)};
  }

  void addPolicy(const Declaration& declared) {
    const api::ObjectPtr& object = declared.object;
    const ObjectKey key = object->key();
    const auto& spec = object->as<api::UnikernelPolicy>();
    const auto instance = instanceOf(key, spec.instance);
    if (!instance) {
      resolution_.unplaced[key] = instance.error();
      return;
    }
    plan::Desired& desired = *resolution_.instances[*instance];
    if (auto error = notAllowed(key, desired)) {
      resolution_.unplaced[key] = std::move(*error);
      return;
    }
    auto& policies = desired.policies;
    const auto [it, added] = policies.try_emplace(
        key.nameSpace, plan::DesiredPolicy{object, declared.identity, plan::toPolicy(spec)});
    if (added) return;
    const ObjectKey other = it->second.object->key();
    const auto clash = [&](const ObjectKey& self, const ObjectKey& rival) {
      resolution_.unplaced[self] = {
          Reason::DuplicateObject,
          fmt::format("{} and {} both declare the policy of namespace {} on {}. Remove one.", self.toString(),
                      rival.toString(), key.nameSpace, *instance)};
    };
    clash(key, other);
    clash(other, key);
  }

  void dropPolicy(const ObjectKey& key) {
    if (key.kind != api::Kind::UnikernelPolicy) return;
    for (auto& [name, desired] : resolution_.instances) {
      const auto it = desired->policies.find(key.nameSpace);
      if (it != desired->policies.end() && it->second.object->key() == key) desired->policies.erase(it);
    }
  }

  void addUnikernel(const Declaration& declared) {
    const api::ObjectPtr& object = declared.object;
    const ObjectKey key = object->key();
    const auto& spec = object->as<api::Unikernel>();
    std::optional<std::string> notice;
    auto instance = spec.instance ? instanceOf(key, spec.instance) : placeUnnamed(key, notice);
    if (!instance) {
      resolution_.unplaced[key] = instance.error();
      return;
    }
    plan::Desired& desired = *resolution_.instances[*instance];
    plan::DesiredUnikernel unikernel{.object = object,
                                     .identity = declared.identity,
                                     .arguments = {},
                                     .image = image::Image{},
                                     .missing = std::nullopt,
                                     .error = std::nullopt,
                                     .notice = std::move(notice)};
    notice = doubtsAbout(*object);
    if (notice) unikernel.notice = unikernel.notice ? sentences({*unikernel.notice, *notice}) : *notice;
    if (spec.image.url) {
      findPulled(unikernel);
    } else {
      findFile(unikernel);
    }
    if (auto arguments = argumentsOf(key, spec, unikernel.secrets)) {
      unikernel.arguments = std::move(*arguments);
    } else {
      unikernel.error = arguments.error();
    }
    if (auto error = notAllowed(key, desired)) unikernel.error = std::move(*error);
    desired.unikernels.emplace(key, std::move(unikernel));
  }

  /// Where the lookout can be asked for the image of an object: the same for all whose image is looked for in
  /// the same place by the same rules, whatever file they stand in.
  std::string lookupName(const api::Object& object) const {
    const bool anybodys = authorOf(object.origin, images_.apiStore) == plan::Author::Anybody;
    const api::Unikernel::Image& image = object.as<api::Unikernel>().image;
    if (image.isStored()) return image.name();
    return image.path.native() + '\0' + object.origin.root.native() + '\0' + (anybodys ? '1' : '0');
  }

  void lookAtImages() {
    std::map<std::string, image::Lookout::Locate> images;
    for (const api::ObjectPtr& object : objects_) {
      if (object->kind() != api::Kind::Unikernel || object->as<api::Unikernel>().image.url) continue;
      const auto [name, added] = answers_.try_emplace(lookupName(*object));
      answerOf_.emplace(object.get(), &name->second);
      if (!added) continue;
      images.emplace(name->first, [image = object->as<api::Unikernel>().image, origin = object->origin,
                                   roots = imageRoots_, store = images_.store,
                                   author = authorOf(object->origin, images_.apiStore)] {
        return image.isStored() ? locateStored(*image.sha256, store)
                                : locateImage(image.path, origin, roots, author);
      });
    }
    images_.lookout->look(std::move(images), lookTime);
    for (auto& [name, answer] : answers_) answer = images_.lookout->find(name);
  }

  /// Of an image that is still being written or read, nothing is known yet.
  void findFile(plan::DesiredUnikernel& unikernel) const {
    const api::Object& object = *unikernel.object;
    const plan::Author author = authorOf(object.origin, images_.apiStore);
    if (images_.lookout == nullptr) {
      unikernel.image = checkImage(unikernel.spec(), object.origin, images_.inspector, imageRoots_,
                                   images_.settling, author, images_.store);
      if (!unikernel.image && unikernel.image.error().reason == Reason::BeingWritten)
        unikernel.missing = image::Missing{unikernel.image.error()};
      noteIfItIsNotStored(unikernel);
      return;
    }
    const image::Lookout::Answer& answer = *answerOf_.at(&object);
    if (!answer) {
      unikernel.missing = image::Missing{answer.error().error};
      unikernel.image = std::unexpected(answer.error().error);
      return;
    }
    unikernel.image = *answer;
    noteIfItIsNotStored(unikernel);
    if (!unikernel.image) return;
    if (const auto fits = plan::checkFit(unikernel.spec(), *unikernel.image, author); !fits)
      unikernel.image = std::unexpected(fits.error());
  }

  /// What is known by its digest is compared with what runs, also where the store has lost it.
  static void noteIfItIsNotStored(plan::DesiredUnikernel& unikernel) {
    if (unikernel.image || !unikernel.spec().image.isStored()) return;
    if (unikernel.image.error().reason == Reason::ImageNotFound)
      unikernel.missing = image::Missing{unikernel.image.error(), true};
  }

  void findPulled(plan::DesiredUnikernel& unikernel) const {
    const api::Unikernel::Image& wanted = unikernel.spec().image;
    const plan::Author author = authorOf(unikernel.object->origin, images_.apiStore);
    if (images_.puller == nullptr) {
      unikernel.missing =
          image::Missing{{Reason::ImagePulling, fmt::format("Image {} is not pulled.", wanted.name())}};
    } else if (auto found = images_.puller->find(remoteOf(wanted, author)); !found) {
      unikernel.missing = std::move(found.error());
    } else {
      unikernel.image = *std::move(found);
      if (const auto fits = plan::checkFit(unikernel.spec(), *unikernel.image, author); !fits)
        unikernel.image = std::unexpected(fits.error());
    }
    if (unikernel.missing) unikernel.image = std::unexpected(unikernel.missing->error);
  }

  /// What is said with the object although it is valid.
  std::optional<std::string> doubtsAbout(const api::Object& object) const {
    constexpr std::size_t mostTold = 3;
    const auto doubts = api::doubtsAbout(
        object, [&](const std::string& name) { return findSecret(object.metadata.nameSpace, name); });
    if (doubts.empty()) return std::nullopt;
    std::string told = "But look at its arguments:";
    for (const api::Problem& doubt : doubts | std::views::take(mostTold))
      told += fmt::format("{} {}: {}", told.ends_with(':') ? "" : ";", doubt.field, doubt.message);
    if (doubts.size() > mostTold) told += fmt::format("; and {} more", doubts.size() - mostTold);
    return told + ".";
  }

  /// Placement is sticky: where an object without an instance was put, it stays.
  Result<std::string> placeUnnamed(const ObjectKey& key, std::optional<std::string>& notice) {
    const auto placed = placements().find(key);
    if (placed == placements().end()) return instanceOf(key, std::nullopt);
    if (!resolution_.instances.contains(placed->second)) {
      return fail(Reason::InstanceNotFound,
                  fmt::format("{} was placed on {}, which is not declared any more. Declare it again, or set "
                              "spec.instance.",
                              key.toString(), placed->second));
    }
    if (resolution_.instances.size() > 1) {
      notice = fmt::format(
          "It stays on {}, where it was placed; there are several instances now, so set spec.instance.",
          placed->second);
    }
    return placed->second;
  }

  /// Instances by the objects that were placed there.
  const std::map<ObjectKey, std::string>& placements() {
    if (placed_) return *placed_;
    placed_.emplace();
    for (const plan::Entry& entry : entries_) {
      if (!entry.destroyedAt) (*placed_)[entry.object] = entry.instance;
    }
    return *placed_;
  }

  /// Expanded; adds what came from Secrets to `secrets`.
  Result<albatross::Arguments> argumentsOf(const ObjectKey& key, const api::Unikernel& spec,
                                           std::vector<std::string>& secrets) const {
    std::map<std::string, std::string> values;
    for (const auto& from : spec.argumentsFrom) {
      const auto& ref = from.secretKeyRef;
      const api::Secret* secret = findSecret(key.nameSpace, ref.name);
      const std::string* value = secret == nullptr ? nullptr : secretValue(*secret, ref.key);
      if (value == nullptr) {
        return fail(
            Reason::ReferenceNotFound,
            fmt::format("spec.argumentsFrom of {} names key {} of Secret {}/{}, {}.", key.toString(), ref.key,
                        key.nameSpace, ref.name, whyMissing({api::Kind::Secret, key.nameSpace, ref.name})));
      }
      values[from.name] = *value;
      secrets.push_back(*value);
    }
    auto arguments = plan::toArguments(spec);
    if (!arguments) return arguments;
    std::vector<std::string> expanded;
    expanded.reserve(spec.arguments.size());
    for (const std::string& argument : spec.arguments) expanded.push_back(api::expand(argument, values));
    if (!expanded.empty()) arguments->arguments = std::move(expanded);
    return arguments;
  }

  const source::Snapshot& snapshot_;
  const std::vector<plan::Entry>& entries_;
  CredentialFiles& credentials_;
  ImagePlaces images_;
  const std::vector<ImageRoot> imageRoots_;
  std::optional<std::map<ObjectKey, std::string>> placed_;  // once somebody has asked
  std::vector<api::ObjectPtr> objects_;                     // in the order of their keys
  std::map<ObjectKey, const api::Secret*> secrets_;
  std::set<std::string> instances_;                                  // by name, those with a mistake, too
  std::unordered_map<std::string, image::Lookout::Answer> answers_;  // by lookupName()
  std::unordered_map<const api::Object*, const image::Lookout::Answer*> answerOf_;
  Resolution resolution_;
};

}  // namespace

Resolution resolve(const source::Snapshot& snapshot, const std::vector<plan::Entry>& entries,
                   ImagePlaces images, CredentialFiles& credentials, const Identify& identify) {
  return Resolver(snapshot, entries, std::move(images), credentials, identify).run();
}

}  // namespace rookery::reconcile

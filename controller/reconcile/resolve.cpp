#include "reconcile/resolve.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <ranges>
#include <set>
#include <tuple>
#include <utility>

#include "api/expand.h"
#include "api/manifest.h"
#include "plan/image_check.h"
#include "plan/rollout.h"
#include "reconcile/image_answers.h"
#include "reconcile/left_volumes.h"
#include "reconcile/placement.h"
#include "sentence.h"

namespace rookery::reconcile {

using albatross::Credential;
using api::ObjectKey;

namespace {

const std::string* secretValue(const api::Secret& secret, const std::string& key) {
  const auto it = secret.data.find(key);
  return it == secret.data.end() ? nullptr : &it->second;
}

using Objects = std::vector<api::ObjectPtr>;
using Unikernels = decltype(plan::Desired::unikernels);

bool comesBefore(const api::ObjectPtr& one, const api::ObjectPtr& other) {
  const api::Kind kind = one->kind(), otherKind = other->kind();
  const api::Metadata &names = one->metadata, &otherNames = other->metadata;
  return std::tie(kind, names.nameSpace, names.name) <
         std::tie(otherKind, otherNames.nameSpace, otherNames.name);
}

/// Those of a kind, of objects in the order of their keys.
auto allOf(api::Kind kind, const Objects& objects) {
  return std::ranges::equal_range(objects, kind, {}, &api::Object::kind);
}

/// What differs between the objects of two snapshots: each is null where there is none with that key.
struct Difference {
  api::ObjectPtr before, after;
};

std::vector<Difference> differencesBetween(const Objects& before, const Objects& after) {
  std::vector<Difference> found;
  auto was = before.begin();
  auto is = after.begin();
  while (was != before.end() || is != after.end()) {
    const bool both = was != before.end() && is != after.end();
    if (both && *was == *is) {
      ++was, ++is;
      continue;
    }
    const bool gone = is == after.end() || (both && comesBefore(*was, *is));
    const bool added = was == before.end() || (both && comesBefore(*is, *was));
    found.push_back({added ? nullptr : *was++, gone ? nullptr : *is++});
  }
  return found;
}

/// Whether an object has come, gone, or stands in another place of the order than the one before it.
bool sameKeys(const Objects& before, const Objects& after) {
  return std::ranges::equal(before, after, [](const api::ObjectPtr& was, const api::ObjectPtr& is) {
    return was == is || (!comesBefore(was, is) && !comesBefore(is, was));
  });
}

/// Where the objects are placed that name no instance.
using Placements = std::map<ObjectKey, std::string>;
/// The same of replicas, those first that came first.
using ReplicaPlacements = std::map<ObjectKey, std::vector<std::string>>;

const api::Unikernel::Placement* placementOf(const api::ObjectPtr& object) {
  if (object == nullptr || object->kind() != api::Kind::Unikernel) return nullptr;
  const auto& placement = object->as<api::Unikernel>().placement;
  return placement ? &*placement : nullptr;
}

bool placesTheSame(const plan::Entry& one, const plan::Entry& other) {
  return one.object == other.object && one.instance == other.instance &&
         one.destroyedAt.has_value() == other.destroyedAt.has_value();
}

bool placeTheSame(const plan::Inventories& one, const plan::Inventories& other) {
  if (!std::ranges::equal(one | std::views::keys, other | std::views::keys)) return false;
  bool same = true;
  using Item = plan::SharedInventory::Item;
  for (const auto& [server, inventory] : one) {
    plan::SharedInventory::compare(inventory, other.at(server), [&](const Item* was, const Item* is) {
      same = same && was != nullptr && is != nullptr && placesTheSame(was->second, is->second);
    });
  }
  return same;
}

}  // namespace

/// What the resolution of a unikernel hangs on besides its own manifest and identity, its image, and where it
/// was placed.
struct Resolver::Context {
  std::set<std::string> declared;            // the names of instances, those with a mistake, too
  std::vector<api::ObjectPtr> referredTo;    // instances, volumes and Secrets
  std::map<ObjectKey, std::string> missing;  // Snapshot::unreadable
  friend bool operator==(const Context&, const Context&) = default;
};

struct Resolver::Known {
  explicit Known(ImagePlaces places) : images(std::move(places)) {}

  std::shared_ptr<const Objects> objects = std::make_shared<Objects>();  // in the order of their keys
  Declarations declarations;
  std::optional<std::uint64_t> identityChanges;
  ImageAnswers images;
  std::optional<Context> context;                  // nothing: no unikernel was resolved
  std::size_t unnamed = 0;                         // unikernels that name no instance
  std::set<ObjectKey> dependants;                  // unikernels with spec.dependsOn
  std::map<ObjectKey, api::ObjectPtr> replicated;  // unikernels with spec.placement
  plan::Inventories inventories;                   // if there are any
  std::map<std::string, Unikernels> unikernels;    // by instance
  std::map<ObjectKey, Error> unplaced;             // unikernels
};

/// Resolves one snapshot, by what is known of the one before.
class Resolver::Pass {
 public:
  Pass(const ResolveInput& input, CredentialFiles& credentials, Known& known, Placements& chosen,
       SecretHistory& secrets, ReplicaPlacements& chosenReplicas)
      : input_(input),
        snapshot_(*input.snapshot),
        credentials_(credentials),
        known_(known),
        chosen_(chosen),
        secrets_(secrets),
        chosenReplicas_(chosenReplicas) {}

  Resolution run() {
    const std::shared_ptr<const Objects> objects = inOrder();
    differences_ = differencesBetween(*known_.objects, *objects);
    known_.objects = objects;
    for (const Difference& difference : differences_) noteUse(difference);
    const bool otherImages = known_.images.ask();
    const bool otherIdentities = noteDeclarations();
    const bool otherPlaces = notePlaces();
    Context context = contextNow();
    const bool isSame = context == known_.context && !otherImages && !otherIdentities && !otherPlaces;
    known_.context = std::move(context);
    for (const api::ObjectPtr& instance : allOf(api::Kind::AlbatrossInstance, *objects))
      addInstance(instance);
    for (const api::ObjectPtr& policy : allOf(api::Kind::UnikernelPolicy, *objects)) addPolicy(policy);
    for (const auto& [key, error] : resolution_.unplaced) dropPolicy(key);
    for (const api::ObjectPtr& volume : allOf(api::Kind::UnikernelVolume, *objects)) addVolume(volume);
    if (isSame) {
      updateUnikernels();
    } else {
      resolveUnikernels();
    }
    for (const auto& [name, desired] : resolution_.instances) {
      desired->unikernels = known_.unikernels[name];
      for (const auto& [key, object] : known_.replicated) {
        if (desired->unikernels.contains(key)) desired->replicated.insert(key);
      }
    }
    if (!volumePlaces_.empty()) refuseWrongVolumes();
    linkDependencies(resolution_.instances, known_.dependants, input_.standingOf,
                     [&](const ObjectKey& key) { return whyAbsent(key); });
    std::erase_if(chosen_, [&](const auto& item) { return !known_.declarations.contains(item.first); });
    secrets_.keepOnly([&](const ObjectKey& key) { return known_.declarations.contains(key); });
    std::erase_if(chosenReplicas_, [&](const auto& item) { return !known_.replicated.contains(item.first); });
    resolution_.unplaced.insert(known_.unplaced.begin(), known_.unplaced.end());
    resolution_.declarations = known_.declarations;
    resolution_.pulls = known_.images.anyRemote();
    credentials_.keepOnly(known_.context->declared);
    return std::move(resolution_);
  }

 private:
  // -- What differs from the snapshot before
  // ----------------------------------------------------------------

  std::shared_ptr<const Objects> inOrder() const {
    std::shared_ptr<const Objects> given(input_.snapshot, &snapshot_.objects);
    if (sameKeys(*known_.objects, *given) || std::ranges::is_sorted(*given, comesBefore)) return given;
    auto sorted = std::make_shared<Objects>(*given);
    std::ranges::sort(*sorted, comesBefore);
    return sorted;
  }

  void noteUse(const Difference& difference) {
    const auto namesImage = [](const api::ObjectPtr& object) {
      return object != nullptr && imageOf(*object) != nullptr;
    };
    const auto isUnnamed = [](const api::ObjectPtr& object) {
      const bool unikernel = object != nullptr && object->kind() == api::Kind::Unikernel;
      const bool unnamed =
          unikernel && !object->as<api::Unikernel>().instance && placementOf(object) == nullptr;
      return unnamed ? std::size_t{1} : std::size_t{0};
    };
    if (namesImage(difference.after)) known_.images.add(*difference.after);
    if (namesImage(difference.before)) known_.images.remove(*difference.before);
    const auto waits = [](const api::ObjectPtr& object) {
      return object != nullptr && object->kind() == api::Kind::Unikernel &&
             !object->as<api::Unikernel>().dependsOn.empty();
    };
    if (waits(difference.before)) known_.dependants.erase(difference.before->key());
    if (waits(difference.after)) known_.dependants.insert(difference.after->key());
    if (placementOf(difference.before) != nullptr) known_.replicated.erase(difference.before->key());
    if (placementOf(difference.after) != nullptr)
      known_.replicated.emplace(difference.after->key(), difference.after);
    known_.unnamed += isUnnamed(difference.after);
    known_.unnamed -= isUnnamed(difference.before);
  }

  /// True: objects that stand as they stood may have another identity.
  bool noteDeclarations() {
    const auto declare = [&](const api::ObjectPtr& object) {
      ObjectKey key = object->key();
      Declaration declared{object, input_.identify(key, object->specDigest)};
      const auto before = known_.declarations.find(key);
      if (before != known_.declarations.end() && before->second == declared) return;
      known_.declarations.set(std::move(key), std::move(declared));
    };
    const bool stand = input_.identityChanges && input_.identityChanges == known_.identityChanges;
    known_.identityChanges = input_.identityChanges;
    for (const Difference& difference : differences_) {
      if (difference.after == nullptr) known_.declarations.erase(difference.before->key());
      if (difference.after != nullptr && stand) declare(difference.after);
    }
    if (stand) return false;
    Declarations before;
    std::swap(before, known_.declarations);
    for (const api::ObjectPtr& object : *known_.objects) {
      if (const auto same = before.item(object->key())) known_.declarations.share(same);
      declare(object);
    }
    return true;
  }

  Context contextNow() const {
    Context context{
        .declared = source::instancesDeclared(snapshot_), .referredTo = {}, .missing = snapshot_.unreadable};
    for (const api::Kind kind :
         {api::Kind::AlbatrossInstance, api::Kind::UnikernelVolume, api::Kind::Secret}) {
      const auto those = allOf(kind, *known_.objects);
      context.referredTo.insert(context.referredTo.end(), those.begin(), those.end());
    }
    return context;
  }

  /// True: objects that name no instance may be placed elsewhere.
  bool notePlaces() {
    if (known_.unnamed == 0) {
      known_.inventories.clear();
      return false;
    }
    const bool same = placeTheSame(known_.inventories, input_.inventories);
    known_.inventories = input_.inventories;
    return !same;
  }

  const api::Identity& identityOf(const ObjectKey& key) const { return known_.declarations.at(key).identity; }

  /// Only those whose manifest is another, and those that more hangs on: what runs, and what is out of reach.
  void updateUnikernels() {
    for (const Difference& difference : differences_) {
      if (difference.before != nullptr && difference.before->kind() == api::Kind::Unikernel)
        forget(difference.before->key());
      if (difference.after != nullptr && difference.after->kind() == api::Kind::Unikernel &&
          placementOf(difference.after) == nullptr)
        addUnikernel(difference.after);
    }
    for (const auto& [key, object] : known_.replicated) {
      forget(key);
      addUnikernel(object);
    }
  }

  void forget(const ObjectKey& key) {
    known_.unplaced.erase(key);
    for (auto& [instance, unikernels] : known_.unikernels) {
      if (const auto item = unikernels.item(key)) before_[instance].share(item);
      unikernels.erase(key);
    }
  }

  /// All; what comes out as it was stays the same item.
  void resolveUnikernels() {
    before_ = std::exchange(known_.unikernels, {});
    known_.unplaced.clear();
    for (const api::ObjectPtr& object : allOf(api::Kind::Unikernel, *known_.objects)) addUnikernel(object);
  }

  void keep(const std::string& instance, const ObjectKey& key, plan::DesiredUnikernel unikernel) {
    Unikernels& unikernels = known_.unikernels[instance];
    const auto before = before_.find(instance);
    const auto same = before == before_.end() ? nullptr : before->second.item(key);
    if (same != nullptr && same->second == unikernel) {
      unikernels.share(same);
    } else {
      unikernels.set(key, std::move(unikernel));
    }
  }

  // -- Each on its own
  // ----------------------------------------------------------------------------------

  void addInstance(const api::ObjectPtr& object) {
    auto desired = std::make_shared<plan::Desired>();
    desired->instance = object;
    desired->identity = identityOf(object->key());
    CredentialFiles::Read read = credentialsOf(*object);
    desired->credentials = std::move(read.pem);
    desired->credentialsStand = std::move(read.standing);
    if (read.lookAgainIn) {
      auto& again = resolution_.lookAgainIn;
      again = again ? std::min(*again, *read.lookAgainIn) : *read.lookAgainIn;
    }
    desired->instances = known_.context->declared;
    desired->outdated = snapshot_.outdated;
    resolution_.instances[object->metadata.name] = std::move(desired);
  }

  /// Files are the operator's to name: whoever may write objects must neither use nor look for others'.
  CredentialFiles::Read credentialsOf(const api::Object& instance) const {
    const auto& spec = instance.as<api::AlbatrossInstance>();
    if (spec.isLocal()) return {.pem = withoutCredentials(instance)};
    if (const auto* ref = std::get_if<api::AlbatrossInstance::SecretRef>(&spec.credentials))
      return {.pem = fromSecret(*ref)};
    if (authorOf(instance.origin, input_.images.apiStore) == plan::Author::Anybody) {
      return {.pem =
                  fail(Reason::CredentialInvalid,
                       "spec.credentials.files: files are for manifests that did not come through the API. "
                       "Put the credential into a Secret, and name that in spec.credentials.secretRef.")};
    }
    return credentials_.read(instance.metadata.name,
                             std::get<api::AlbatrossInstance::Files>(spec.credentials));
  }

  /// Nothing but the sockets' permissions is between a local server and who may write objects.
  Result<albatross::Pem> withoutCredentials(const api::Object& instance) const {
    if (authorOf(instance.origin, input_.images.apiStore) != plan::Author::Anybody) return albatross::Pem{};
    return fail(
        Reason::CredentialInvalid,
        "spec.endpoint: a local server (unix:) is for manifests that did not come through the API, as "
        "it asks for no credentials. Declare it in a file.");
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
    const auto found = known_.declarations.find({api::Kind::Secret, nameSpace, name});
    return found == known_.declarations.end() ? nullptr : &found->second.object->as<api::Secret>();
  }

  std::string whyMissing(const ObjectKey& key) const {
    const auto known = snapshot_.unreadable.find(key);
    return known == snapshot_.unreadable.end() ? "which is not declared" : withoutFullStop(known->second);
  }

  /// Of a unikernel that is on no instance.
  std::string whyAbsent(const ObjectKey& key) const {
    return known_.declarations.contains(key) ? "which no instance can have" : whyMissing(key);
  }

  /// The instance that an object names, or the only one. One whose manifest is broken counts: it may be the
  /// one meant.
  Result<std::string> instanceOf(const ObjectKey& key, const std::optional<std::string>& named) const {
    const std::set<std::string>& instances = known_.context->declared;
    if (named) {
      if (instances.contains(*named)) return usable(*named, key);
      return fail(Reason::InstanceNotFound,
                  fmt::format("spec.instance of {} names {}, which is not declared. There {}: {}.",
                              key.toString(), *named, instances.size() == 1 ? "is" : "are",
                              instances.empty() ? "none" : fmt::format("{}", fmt::join(instances, ", "))));
    }
    if (instances.empty())
      return fail(Reason::InstanceNotFound,
                  fmt::format("No AlbatrossInstance is declared for {} to run on.", key.toString()));
    if (instances.size() > 1) {
      return fail(Reason::InstanceAmbiguous,
                  fmt::format("{} names no instance, and there are several: {}. Set spec.instance.",
                              key.toString(), fmt::join(instances, ", ")));
    }
    return usable(*instances.begin(), key);
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

  void addPolicy(const api::ObjectPtr& object) {
    const ObjectKey key = object->key();
    const auto& spec = object->as<api::UnikernelPolicy>();
    const auto instance =
        spec.instanceSelector ? placePolicy(key, *spec.instanceSelector) : instanceOf(key, spec.instance);
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
        key.nameSpace, plan::DesiredPolicy{object, identityOf(key), plan::toPolicy(spec)});
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

  void addVolume(const api::ObjectPtr& object) {
    const ObjectKey key = object->key();
    const auto& spec = object->as<api::UnikernelVolume>();
    plan::DesiredVolume volume{.object = object, .identity = identityOf(key)};
    const auto instance = spec.instance           ? instanceOf(key, spec.instance)
                          : spec.instanceSelector ? placeVolume(key, *spec.instanceSelector, volume.notice)
                                                  : placeUnnamed(key, volume.notice);
    if (!instance) {
      resolution_.unplaced[key] = instance.error();
      return;
    }
    plan::Desired& desired = *resolution_.instances.at(*instance);
    if (spec.source) findContent(volume);
    noteLeftBehind(key, *instance, volume.notice);
    if (auto error = notAllowed(key, desired)) volume.error = std::move(*error);
    volumePlaces_.emplace(key, *instance);
    desired.volumes.emplace(key, std::move(volume));
  }

  /// What was made for a volume where it was before stays there: nothing is copied, and nothing is removed.
  void noteLeftBehind(const ObjectKey& key, const std::string& instance,
                      std::optional<std::string>& notice) const {
    for (const auto& [server, inventory] : input_.volumes) {
      for (const auto& [name, entry] : inventory) {
        if (entry.object != key || entry.instance == instance) continue;
        const std::string left = leftBehind(name, entry.instance);
        notice = notice ? sentences({*notice, left}) : left;
      }
    }
  }

  void findContent(plan::DesiredVolume& volume) const {
    const api::Object& object = *volume.object;
    const api::Unikernel::Image& source = *volume.spec().source;
    const ImagePlaces& images = input_.images;
    const plan::Author author = authorOf(object.origin, images.apiStore);
    if (source.url && images.puller == nullptr) {
      volume.missing =
          image::Missing{{Reason::ImagePulling, fmt::format("{} is not pulled.", source.name())}};
    } else if (source.url) {
      if (const auto& found = known_.images.ofRemote(object); found) {
        volume.content = *found;
      } else {
        volume.missing = found.error();
      }
    } else if (images.lookout == nullptr) {
      const auto located =
          locateImage(source.path, object.origin, known_.images.roots(), author, image::Content::Any);
      volume.content = located ? images.inspector.inspect(*located, images.settling, {}, image::Content::Any)
                               : std::unexpected(located.error());
      if (!*volume.content && volume.content->error().reason == Reason::BeingWritten)
        volume.missing = image::Missing{volume.content->error()};
    } else if (const auto& answer = known_.images.ofFile(object); answer) {
      volume.content = *answer;
    } else {
      volume.missing = image::Missing{answer.error().error};
    }
    if (volume.missing) volume.content = std::unexpected(volume.missing->error);
    if (!volume.content || !*volume.content) return;
    if (auto unfit = plan::unfitContent(volume.spec(), **volume.content, author))
      volume.content = std::unexpected(*std::move(unfit));
  }

  /// An error on each unikernel that names a declared volume which it cannot have, whatever becomes of that.
  void refuseWrongVolumes() {
    std::map<ObjectKey, std::vector<ObjectKey>> users;
    forEachUse([&](plan::Desired&, const ObjectKey& unikernel, const ObjectKey& volume) {
      auto& those = users[volume];
      if (std::ranges::find(those, unikernel) == those.end()) those.push_back(unikernel);
    });
    forEachUse([&](plan::Desired& desired, const ObjectKey& unikernel, const ObjectKey& volume) {
      const std::vector<ObjectKey>& all = users.at(volume);
      const std::string& place = volumePlaces_.at(volume);
      if (all.size() > 1) {
        const ObjectKey& other = all.front() == unikernel ? all.back() : all.front();
        refuse(
            desired, unikernel,
            {Reason::VolumeConflict,
             fmt::format("{} and {} both name {}, and only one can have it. Give each a volume of its own.",
                         unikernel.toString(), other.toString(), volume.toString())});
      } else if (place != desired.name() && desired.unikernels.at(unikernel).replicas) {
        refuse(desired, unikernel,
               {Reason::VolumeConflict,
                fmt::format(
                    "{} is to run on {}, too, and {} is on {} only. Each instance needs a volume of that "
                    "name; select {} alone, or have the block devices made on the servers.",
                    unikernel.toString(), desired.name(), volume.toString(), place, place)});
      } else if (place != desired.name()) {
        refuse(desired, unikernel,
               {Reason::VolumeConflict,
                fmt::format("{} is to run on {}, and {} is on {}. Set the same spec.instance on both.",
                            unikernel.toString(), desired.name(), volume.toString(), place)});
      }
    });
  }

  template <class F>
  void forEachUse(const F& visit) {
    for (const auto& [name, desired] : resolution_.instances) {
      const Unikernels unikernels = desired->unikernels;  // what visits may put others in their places
      for (const auto& [key, unikernel] : unikernels) {
        for (const auto& device : unikernel.spec().blockDevices) {
          const ObjectKey volume{api::Kind::UnikernelVolume, key.nameSpace, device.volume()};
          if (volumePlaces_.contains(volume)) visit(*desired, key, volume);
        }
      }
    }
  }

  static void refuse(plan::Desired& desired, const ObjectKey& key, Error error) {
    plan::DesiredUnikernel unikernel = desired.unikernels.at(key);
    unikernel.error = std::move(error);
    desired.unikernels.set(key, std::move(unikernel));
  }

  void addUnikernel(const api::ObjectPtr& object) {
    if (placementOf(object) != nullptr) return addReplicas(object);
    const ObjectKey key = object->key();
    const auto& spec = object->as<api::Unikernel>();
    std::optional<std::string> notice;
    const auto instance = spec.instance           ? instanceOf(key, spec.instance)
                          : spec.instanceSelector ? placeUnikernel(key, spec, notice)
                                                  : placeWithVolumes(key, spec, notice);
    if (!instance) {
      known_.unplaced[key] = instance.error();
      return;
    }
    keep(*instance, key, unikernelOn(*instance, object, std::move(notice)));
  }

  /// On each instance that it was placed on.
  void addReplicas(const api::ObjectPtr& object) {
    const ObjectKey key = object->key();
    auto placed = placeReplicas(key, object->as<api::Unikernel>());
    if (!placed) {
      known_.unplaced[key] = placed.error();
      return;
    }
    for (const std::string& instance : placed->instances) {
      if (placed->unusable.contains(instance)) continue;
      plan::DesiredUnikernel unikernel = unikernelOn(instance, object, std::nullopt);
      placed->revision = plan::rolloutRevision(unikernel);
      unikernel.replicas = *placed;
      keep(instance, key, std::move(unikernel));
    }
  }

  plan::DesiredUnikernel unikernelOn(const std::string& instance, const api::ObjectPtr& object,
                                     std::optional<std::string> notice) const {
    const ObjectKey key = object->key();
    const auto& spec = object->as<api::Unikernel>();
    const plan::Desired& desired = *resolution_.instances.at(instance);
    plan::DesiredUnikernel unikernel{.object = object,
                                     .identity = identityOf(key),
                                     .arguments = {},
                                     .image = image::Image{},
                                     .missing = std::nullopt,
                                     .error = std::nullopt,
                                     .notice = std::move(notice)};
    for (auto& more : {doubtsAbout(*object), strangersIn(spec)}) {
      if (more) unikernel.notice = unikernel.notice ? sentences({*unikernel.notice, *more}) : *more;
    }
    if (spec.image.url) {
      findPulled(unikernel);
    } else {
      findFile(unikernel);
    }
    if (auto arguments = argumentsOf(desired, unikernel)) {
      unikernel.arguments = std::move(*arguments);
      unikernel.formerSecrets = secrets_.note(key, &unikernel.secrets);
    } else {
      unikernel.error = arguments.error();
      unikernel.formerSecrets = secrets_.note(key, nullptr);
    }
    if (auto error = notAllowed(key, desired)) unikernel.error = std::move(*error);
    return unikernel;
  }

  /// Instances that some arguments are for, and that nobody declares.
  std::optional<std::string> strangersIn(const api::Unikernel& spec) const {
    std::vector<std::string> strangers;
    for (const auto& [instance, arguments] : spec.argumentsByInstance) {
      if (!known_.context->declared.contains(instance)) strangers.push_back(instance);
    }
    if (strangers.empty()) return std::nullopt;
    return fmt::format("spec.argumentsByInstance names instances that are not declared: {}.",
                       fmt::join(strangers, ", "));
  }

  /// Of an image that is still being written or read, nothing is known yet.
  void findFile(plan::DesiredUnikernel& unikernel) const {
    const api::Object& object = *unikernel.object;
    const ImagePlaces& images = input_.images;
    const plan::Author author = authorOf(object.origin, images.apiStore);
    if (images.lookout == nullptr) {
      unikernel.image = checkImage(unikernel.spec(), object.origin, images.inspector, known_.images.roots(),
                                   images.settling, author, images.store);
      if (!unikernel.image && unikernel.image.error().reason == Reason::BeingWritten)
        unikernel.missing = image::Missing{unikernel.image.error()};
      noteIfItIsNotStored(unikernel);
      return;
    }
    const image::Lookout::Answer& answer = known_.images.ofFile(object);
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
    const plan::Author author = authorOf(unikernel.object->origin, input_.images.apiStore);
    if (input_.images.puller == nullptr) {
      unikernel.missing =
          image::Missing{{Reason::ImagePulling, fmt::format("Image {} is not pulled.", wanted.name())}};
    } else if (const auto& found = known_.images.ofRemote(*unikernel.object); !found) {
      unikernel.missing = found.error();
    } else {
      unikernel.image = *found;
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

  /// Where its volumes are; else as placeUnnamed().
  Result<std::string> placeWithVolumes(const ObjectKey& key, const api::Unikernel& spec,
                                       std::optional<std::string>& notice) {
    for (const auto& device : spec.blockDevices) {
      const auto place = volumePlaces_.find({api::Kind::UnikernelVolume, key.nameSpace, device.volume()});
      if (place != volumePlaces_.end()) return place->second;
    }
    return placeUnnamed(key, notice);
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

  // -- Those that select their instance by labels
  // -------------------------------------------------------------

  /// Where an object is already, if it may stay there. What was put somewhere stays where its instance is not
  /// declared any more, or nothing is selected, too.
  Result<std::optional<std::string>> keepPlace(const ObjectKey& key,
                                               const Result<std::set<std::string>>& selected,
                                               std::optional<std::string>& notice) {
    const auto placed = placements().find(key);
    if (placed == placements().end()) return std::nullopt;
    const std::string& place = placed->second;
    if (!known_.context->declared.contains(place)) {
      return fail(Reason::InstanceNotFound,
                  fmt::format("{} was placed on {}, which is not declared any more. Declare it again, or set "
                              "spec.instance.",
                              key.toString(), place));
    }
    if (auto there = usable(place, key); !there) return std::unexpected(there.error());
    if (selected && selected->contains(place)) return place;
    const bool staysForGood = key.kind == api::Kind::UnikernelVolume;
    if (selected && !staysForGood) return std::nullopt;
    notice = fmt::format(
        "It stays on {}, where it was placed, although spec.instanceSelector does not select that "
        "any more.",
        place);
    return place;
  }

  /// `near`: besides where it was chosen to be before.
  std::string choose(const ObjectKey& key, const std::set<std::string>& selected, Preferences preferences) {
    if (const auto before = chosen_.find(key); before != chosen_.end())
      preferences.near.insert(preferences.near.begin(), before->second);
    return chosen_[key] = chooseInstance(selected, preferences);
  }

  std::vector<std::string> policyPlaces(const std::string& nameSpace) const {
    std::vector<std::string> places;
    for (const auto& [name, desired] : resolution_.instances) {
      if (desired->policies.contains(nameSpace)) places.push_back(name);
    }
    return places;
  }

  /// Where something of its namespace is.
  Result<std::string> placePolicy(const ObjectKey& key, const api::LabelSelector& selector) {
    const auto selected = selectedInstances(key, selector, resolution_.instances);
    if (!selected) return std::unexpected(selected.error());
    Preferences preferences;
    for (const auto& [object, place] : placements()) {
      if (object.nameSpace == key.nameSpace) preferences.near.push_back(place);
    }
    return choose(key, *selected, std::move(preferences));
  }

  Result<std::string> placeVolume(const ObjectKey& key, const api::LabelSelector& selector,
                                  std::optional<std::string>& notice) {
    const auto selected = selectedInstances(key, selector, resolution_.instances);
    auto kept = keepPlace(key, selected, notice);
    if (!kept) return std::unexpected(kept.error());
    if (*kept) return **std::move(kept);
    if (!selected) return std::unexpected(selected.error());
    return choose(key, *selected, {.near = policyPlaces(key.nameSpace)});
  }

  Result<std::string> placeUnikernel(const ObjectKey& key, const api::Unikernel& spec,
                                     std::optional<std::string>& notice) {
    const auto selected = selectedInstances(key, *spec.instanceSelector, resolution_.instances);
    auto kept = keepPlace(key, selected, notice);
    if (!kept) return std::unexpected(kept.error());
    if (*kept) return **std::move(kept);
    if (!selected) return std::unexpected(selected.error());
    Preferences preferences;
    for (const auto& device : spec.blockDevices) {
      const auto place = volumePlaces_.find({api::Kind::UnikernelVolume, key.nameSpace, device.volume()});
      if (place != volumePlaces_.end()) preferences.near.push_back(place->second);
    }
    std::ranges::copy(policyPlaces(key.nameSpace), std::back_inserter(preferences.near));
    preferences.headroom = headroomFor(key, *selected);
    const bool isNew = !chosen_.contains(key);
    std::string instance = choose(key, *selected, std::move(preferences));
    if (isNew) given_[instance] += spec.memory;
    return instance;
  }

  /// Instances by the objects that were placed there.
  const Placements& placements() {
    if (placed_) return *placed_;
    placed_.emplace();
    for (const auto& [server, inventory] : input_.volumes) {
      for (const auto& [name, entry] : inventory) (*placed_)[entry.object] = entry.instance;
    }
    for (const auto& [server, inventory] : input_.inventories) {
      for (const auto& [name, entry] : inventory) {
        if (!entry.destroyedAt) (*placed_)[entry.object] = entry.instance;
      }
    }
    return *placed_;
  }

  /// Expanded. Adds to `unikernel` what came from Secrets, and how the arguments may be shown.
  Result<albatross::Arguments> argumentsOf(const plan::Desired& instance,
                                           plan::DesiredUnikernel& unikernel) const {
    const ObjectKey key = unikernel.object->key();
    const api::Unikernel& spec = unikernel.spec();
    std::vector<std::string> written = spec.arguments;
    if (const auto more = spec.argumentsByInstance.find(instance.name());
        more != spec.argumentsByInstance.end())
      written.insert(written.end(), more->second.begin(), more->second.end());
    const std::map<std::string, std::string> open =
        api::instanceVariables(instance.name(), instance.instance->metadata.labels);
    if (auto error = undefinedLabel(key, instance, written, open)) return std::unexpected(*std::move(error));
    std::map<std::string, std::string> values = open;
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
      unikernel.secrets.push_back(*value);
    }
    auto arguments = plan::toArguments(spec);
    if (!arguments) return arguments;
    std::vector<std::string> shown, expanded;
    shown.reserve(written.size());
    expanded.reserve(written.size());
    for (const std::string& argument : written) {
      expanded.push_back(api::expand(argument, values));
      const bool plain = api::references(argument).empty();
      shown.push_back(plain ? argument : api::expand(argument, open));
    }
    if (!expanded.empty()) arguments->arguments = std::move(expanded);
    if (shown != spec.arguments) unikernel.shown = std::move(shown);
    return arguments;
  }

  /// A unikernel that got the name of a label in place of its value would not be what is meant.
  static std::optional<Error> undefinedLabel(const ObjectKey& key, const plan::Desired& instance,
                                             const std::vector<std::string>& written,
                                             const std::map<std::string, std::string>& open) {
    for (const std::string& argument : written) {
      for (const std::string& name : api::references(argument)) {
        if (!api::isInstanceVariable(name) || open.contains(name)) continue;
        return Error{
            Reason::ReferenceNotFound,
            fmt::format(
                "The arguments of {} refer to $({}), and AlbatrossInstance {} has no such label. Give "
                "it one.",
                key.toString(), name, instance.name())};
      }
    }
    return std::nullopt;
  }

  // -- Those that are on several instances
  // ----------------------------------------------------------------------

  Result<plan::Replicas> placeReplicas(const ObjectKey& key, const api::Unikernel& spec) {
    const api::Unikernel::Placement& placement = *spec.placement;
    const auto selected = selectedInstances(key, placement.instanceSelector, resolution_.instances,
                                            "spec.placement.instanceSelector");
    const std::vector<std::string> present = presentOf(key);
    plan::Replicas replicas;
    for (const std::string& instance : present) {  // it runs on, and cannot be seen to
      if (auto why = whyUnusable(instance, key)) replicas.unusable.emplace(instance, *std::move(why));
    }
    if (!selected && replicas.unusable.empty()) return std::unexpected(selected.error());
    const std::set<std::string> reachable = withoutLost(spec, selected.value_or(std::set<std::string>()));
    const std::size_t broken = replicas.unusable.size();
    const std::size_t wanted = placement.replicas
                                   ? static_cast<std::size_t>(*placement.replicas)
                                   : selected.value_or(std::set<std::string>()).size() + broken;
    std::set<std::string> chosen =
        chooseInstances(reachable, wanted > broken ? wanted - broken : 0, topologyOf(placement),
                        {.present = present, .headroom = headroomFor(key, reachable)});
    // Nothing can be put in the place of what is out of reach: it stays where it was.
    for (const std::string& instance : present) {
      const bool lost = selected && selected->contains(instance) && !reachable.contains(instance);
      if (lost && chosen.size() + broken < wanted) chosen.insert(instance);
    }
    for (const std::string& instance : chosen) {
      if (!isAmong(present, instance)) given_[instance] += spec.memory;
    }
    noteChosen(key, present, chosen);
    replicas.wanted = static_cast<std::int64_t>(wanted);
    replicas.instances = std::move(chosen);
    for (const auto& [instance, error] : replicas.unusable) replicas.instances.insert(instance);
    return replicas;
  }

  /// Of an instance that may still be there; nothing: it can be used, or is not declared any more.
  std::optional<Error> whyUnusable(const std::string& instance, const ObjectKey& key) const {
    if (resolution_.instances.contains(instance)) return std::nullopt;
    if (known_.context->declared.contains(instance)) return usable(instance, key).error();
    // Who begins now does not know what a file declared before there was a mistake in it.
    for (const source::Root& root : snapshot_.roots) {
      const auto silences = snapshot_.silences(root);
      if (silences.empty()) continue;
      return Error{Reason::InstanceNotFound,
                   fmt::format("{} is on AlbatrossInstance {}, which is not declared any more, as far as can "
                               "be seen. {}",
                               key.toString(), instance, silences.front().cause)};
    }
    return std::nullopt;
  }

  static bool isAmong(const std::vector<std::string>& those, const std::string& instance) {
    return std::ranges::find(those, instance) != those.end();
  }

  /// Where its replicas are to be or are: those first that were chosen first, or came first.
  std::vector<std::string> presentOf(const ObjectKey& key) {
    std::vector<std::string> present;
    if (const auto before = chosenReplicas_.find(key); before != chosenReplicas_.end())
      present = before->second;
    const auto placed = replicaPlaces().find(key);
    if (placed == replicaPlaces().end()) return present;
    for (const std::string& instance : placed->second) {
      if (!isAmong(present, instance)) present.push_back(instance);
    }
    return present;
  }

  void noteChosen(const ObjectKey& key, const std::vector<std::string>& present,
                  const std::set<std::string>& chosen) {
    std::vector<std::string> order;
    std::ranges::copy_if(present, std::back_inserter(order),
                         [&](const std::string& instance) { return chosen.contains(instance); });
    std::ranges::copy_if(chosen, std::back_inserter(order),
                         [&](const std::string& instance) { return !isAmong(present, instance); });
    chosenReplicas_[key] = std::move(order);
  }

  /// Those that were not out of reach for so long that another one takes their place. What is on a volume is
  /// where the volume is.
  std::set<std::string> withoutLost(const api::Unikernel& spec, std::set<std::string> selected) {
    const auto after = spec.placement->failoverAfter;
    if (!after || !spec.blockDevices.empty()) return selected;
    resolution_.failsOver = true;
    std::erase_if(selected, [&](const std::string& instance) {
      const auto lost = input_.outOfReach.find(instance);
      if (lost == input_.outOfReach.end()) return false;
      if (lost->second >= *after) return true;
      auto& again = resolution_.lookAgainIn;
      again = again ? std::min(*again, *after - lost->second) : *after - lost->second;
      return false;
    });
    return selected;
  }

  std::map<std::string, std::string> topologyOf(const api::Unikernel::Placement& placement) const {
    std::map<std::string, std::string> topology;
    if (placement.topologyKey.empty()) return topology;
    for (const auto& [name, desired] : resolution_.instances) {
      const auto& labels = desired->instance->metadata.labels;
      const auto value = labels.find(placement.topologyKey);
      if (value != labels.end()) topology.emplace(name, value->second);
    }
    return topology;
  }

  std::map<std::string, std::int64_t> headroomFor(const ObjectKey& key,
                                                  const std::set<std::string>& instances) {
    std::map<std::string, std::int64_t> headroom;
    for (const std::string& instance : instances) {
      const auto use = input_.uses.find(instance);
      if (use == input_.uses.end()) continue;
      if (const auto free = freeMemory(use->second, key.nameSpace))
        headroom[instance] = *free - given_[instance];
    }
    return headroom;
  }

  /// Of unikernels with a placement, the instances where they were put, those first that came first.
  const ReplicaPlacements& replicaPlaces() {
    if (replicaPlaces_) return *replicaPlaces_;
    replicaPlaces_.emplace();
    std::map<ObjectKey, std::vector<const plan::Entry*>> entries;
    for (const auto& [server, inventory] : input_.inventories) {
      for (const auto& [name, entry] : inventory) {
        if (!entry.destroyedAt && known_.replicated.contains(entry.object))
          entries[entry.object].push_back(&entry);
      }
    }
    for (auto& [key, those] : entries) {
      std::ranges::stable_sort(those, {}, [](const plan::Entry* entry) { return entry->since; });
      for (const plan::Entry* entry : those) (*replicaPlaces_)[key].push_back(entry->instance);
    }
    return *replicaPlaces_;
  }

  const ResolveInput& input_;
  const source::Snapshot& snapshot_;
  CredentialFiles& credentials_;
  Known& known_;
  std::vector<Difference> differences_;
  std::map<std::string, Unikernels> before_;  // by instance, where all are resolved again
  std::optional<Placements> placed_;          // once somebody has asked
  Placements volumePlaces_;                   // of the volumes that are declared
  Placements& chosen_;                        // for those that select their instance, so far
  SecretHistory& secrets_;
  ReplicaPlacements& chosenReplicas_;               // for those that have a placement
  std::optional<ReplicaPlacements> replicaPlaces_;  // once somebody has asked
  std::map<std::string, std::int64_t> given_;  // Mi of memory, to unikernels that were chosen an instance for
  Resolution resolution_;
};

Resolver::Resolver(CredentialFiles& credentials) : credentials_(credentials) {}

Resolver::~Resolver() = default;

Resolution Resolver::resolve(const ResolveInput& input) {
  if (known_ == nullptr || !known_->images.isFor(input.images))
    known_ = std::make_unique<Known>(input.images);
  return Pass(input, credentials_, *known_, chosen_, secrets_, chosenReplicas_).run();
}

}  // namespace rookery::reconcile

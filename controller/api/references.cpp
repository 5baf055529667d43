#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <ranges>
#include <span>
#include <tuple>

#include "api/cycles.h"
#include "api/manifest.h"
#include "yaml/yaml.h"

namespace rookery::api {

namespace {

void tell(const Object& object, std::string field, Reason reason, std::string message,
          std::vector<Problem>& problems) {
  Origin origin = object.originOf(field);
  problems.push_back({reason, std::move(origin), object.key(), std::move(field), std::move(message)});
}

bool comesBefore(const Object* one, const Object* other) {
  const Kind kind = one->kind(), otherKind = other->kind();
  const Metadata &names = one->metadata, &otherNames = other->metadata;
  return std::tie(kind, names.nameSpace, names.name) <
         std::tie(otherKind, otherNames.nameSpace, otherNames.name);
}

/// In the order of their keys; of several with one key, the first.
std::vector<const Object*> inOrder(const std::vector<ObjectPtr>& objects) {
  std::vector<const Object*> all;
  all.reserve(objects.size());
  for (const ObjectPtr& object : objects) all.push_back(object.get());
  if (!std::ranges::is_sorted(all, comesBefore)) std::ranges::stable_sort(all, comesBefore);
  const auto rest = std::ranges::unique(
      all, [](const Object* one, const Object* other) { return !comesBefore(one, other); });
  all.erase(rest.begin(), rest.end());
  return all;
}

/// Checks the references of a set of objects.
class Checker {
 public:
  Checker(const std::vector<ObjectPtr>& objects, std::vector<Problem>& problems,
          const std::set<ObjectKey>& broken)
      : problems_(problems), objects_(inOrder(objects)), broken_(broken) {
    for (const ObjectKey& key : broken) {
      if (key.kind == Kind::AlbatrossInstance) instances_.insert(key.name);
    }
    for (const Object* object : objects_) {
      const Kind kind = object->kind();
      if (kind == Kind::AlbatrossInstance) instances_.insert(object->metadata.name);
      if (kind == Kind::Unikernel) unikernels_.emplace(object->key(), object);
      if (kind != Kind::Unikernel && kind != Kind::UnikernelPolicy) named_.emplace(object->key(), object);
    }
  }

  void run() {
    for (const Object* object : objects_) {
      if (object->kind() == Kind::AlbatrossInstance) checkCredentials(*object);
      if (object->kind() == Kind::Unikernel) checkUnikernel(*object);
      if (object->kind() == Kind::UnikernelPolicy) checkPolicy(*object);
      if (object->kind() == Kind::UnikernelVolume) {
        const auto& volume = object->as<UnikernelVolume>();
        resolveInstance(*object, volume.instance, volume.instanceSelector);
      }
    }
    for (const auto& [domain, policies] : policies_) checkOnlyPolicy(domain.first, policies);
    for (const auto& [volume, users] : users_) checkOnlyUser(volume, users);
    checkCycles();
  }

 private:
  /// The instances there are, for a message. Not more than fit in one.
  std::string listInstances() const {
    constexpr std::size_t most = 20;
    const auto shown = std::views::take(instances_, most);
    const std::string names = fmt::format("{}", fmt::join(shown.begin(), shown.end(), ", "));
    return instances_.size() <= most ? names : fmt::format("{} and {} more", names, instances_.size() - most);
  }

  const Object* find(Kind kind, std::string_view nameSpace, std::string_view name) const {
    const auto found = named_.find(ObjectKey{kind, std::string(nameSpace), std::string(name)});
    return found == named_.end() ? nullptr : found->second;
  }

  /// The instance that `object` is for: the one that it names, or the only one; none and told when there is
  /// none, or when it is not open to the object's namespace.
  const Object* resolveInstance(const Object& object, const std::optional<std::string>& named,
                                const std::optional<LabelSelector>& selector) {
    if (selector) return selectInstance(object, *selector);
    const Object* instance = named ? find(Kind::AlbatrossInstance, "", *named) : onlyInstance(object);
    if (named && instance == nullptr && !instances_.contains(*named)) {
      tell(object, "spec.instance", Reason::InstanceNotFound,
           instances_.empty()
               ? fmt::format("there is no AlbatrossInstance {}, nor any other; declare one", *named)
               : fmt::format("there is no AlbatrossInstance {}; there is {}", *named, listInstances()),
           problems_);
    }
    if (instance == nullptr) return nullptr;
    const auto& allowed = instance->as<AlbatrossInstance>().allowedNamespaces;
    if (!allowed || allowed->contains(object.metadata.nameSpace)) return instance;
    tell(object, "spec.instance", Reason::NamespaceNotAllowed,
         fmt::format(
             "the AlbatrossInstance {} is not open to the namespace {}; add it to its spec.allowedNamespaces",
             instance->metadata.name, object.metadata.nameSpace),
         problems_);
    return nullptr;
  }

  /// The only instance that is selected; null where several are: which of them it will be is not known here.
  const Object* selectInstance(const Object& object, const LabelSelector& selector) {
    const std::vector<const Object*> open = selectInstances(object, "spec.instanceSelector", selector);
    return open.size() == 1 ? open.front() : nullptr;
  }

  void checkPlacement(const Object& object, const Unikernel::Placement& placement) {
    const auto open = selectInstances(object, "spec.placement.instanceSelector", placement.instanceSelector);
    const auto wanted = static_cast<std::size_t>(placement.replicas.value_or(1));
    if (open.empty() || open.size() >= wanted || anyBrokenInstance()) return;
    tell(object, "spec.placement.replicas", Reason::InstanceNotFound,
         fmt::format("it is to run on {} AlbatrossInstances, and {} selected that {} open to its namespace",
                     wanted, open.size() == 1 ? "1 is" : fmt::format("{} are", open.size()),
                     open.size() == 1 ? "is" : "are"),
         problems_);
  }

  /// Those that are selected and open to the object's namespace. None, and told.
  std::vector<const Object*> selectInstances(const Object& object, const std::string& field,
                                             const LabelSelector& selector) {
    std::vector<const Object*> selected, open;
    std::map<std::string, Labels> labels;
    for (const auto& [key, candidate] : named_) {
      if (key.kind != Kind::AlbatrossInstance) continue;
      labels.emplace(key.name, candidate->metadata.labels);
      if (!selector.matches(candidate->metadata.labels)) continue;
      selected.push_back(candidate);
      const auto& allowed = candidate->as<AlbatrossInstance>().allowedNamespaces;
      if (!allowed || allowed->contains(object.metadata.nameSpace)) open.push_back(candidate);
    }
    if (selected.empty() && !anyBrokenInstance()) {
      tell(object, field, Reason::InstanceNotFound,
           fmt::format("{} selects no AlbatrossInstance; their labels are: {}", selector.toString(),
                       listLabels(labels)),
           problems_);
    } else if (open.empty() && !selected.empty()) {
      tell(
          object, field, Reason::NamespaceNotAllowed,
          fmt::format("none of the AlbatrossInstances that it selects is open to the namespace {}; add it to "
                      "their spec.allowedNamespaces",
                      object.metadata.nameSpace),
          problems_);
    }
    return open;
  }

  /// It may have the labels.
  bool anyBrokenInstance() const {
    return std::ranges::any_of(broken_, [&](const ObjectKey& key) {
      return key.kind == Kind::AlbatrossInstance && !named_.contains(key);
    });
  }

  const Object* onlyInstance(const Object& object) {
    if (instances_.size() == 1) return find(Kind::AlbatrossInstance, "", *instances_.begin());
    if (instances_.empty()) {
      tell(object, "spec.instance", Reason::InstanceNotFound, "there is no AlbatrossInstance; declare one",
           problems_);
    } else {
      tell(object, "spec.instance", Reason::InstanceAmbiguous,
           fmt::format("there are several AlbatrossInstances; name one of {}", listInstances()), problems_);
    }
    return nullptr;
  }

  void checkUnikernel(const Object& object) {
    const auto& unikernel = object.as<Unikernel>();
    if (unikernel.placement) {
      checkPlacement(object, *unikernel.placement);
    } else {
      resolveInstance(object, unikernel.instance, unikernel.instanceSelector);
    }
    for (const auto& [instance, arguments] : unikernel.argumentsByInstance) {
      if (instances_.contains(instance)) continue;
      tell(object, yaml::memberPath("spec.argumentsByInstance", instance), Reason::InstanceNotFound,
           fmt::format("there is no AlbatrossInstance {}{}", instance,
                       instances_.empty() ? "" : fmt::format("; there is {}", listInstances())),
           problems_);
    }
    for (std::size_t i = 0; i < unikernel.argumentsFrom.size(); ++i) {
      const SecretKeyRef& reference = unikernel.argumentsFrom[i].secretKeyRef;
      checkSecret(object, yaml::itemPath("spec.argumentsFrom", i) + ".secretKeyRef",
                  object.metadata.nameSpace, reference.name, {&reference.key, 1});
    }
    for (std::size_t i = 0; i < unikernel.blockDevices.size(); ++i) {
      const Unikernel::BlockDevice& device = unikernel.blockDevices[i];
      const ObjectKey volume{Kind::UnikernelVolume, object.metadata.nameSpace, device.volume()};
      if (!named_.contains(volume)) continue;
      users_[volume].push_back(
          {&object, yaml::itemPath("spec.blockDevices", i) + (device.volumeName ? ".volumeName" : ".name")});
    }
    checkDependencies(object);
  }

  void checkDependencies(const Object& object) {
    const std::vector<std::string>& names = object.as<Unikernel>().dependsOn;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const ObjectKey other{Kind::Unikernel, object.metadata.nameSpace, names[i]};
      waitsFor_[object.key()].push_back(other);
      if (unikernels_.contains(other) || broken_.contains(other)) continue;
      tell(object, yaml::itemPath("spec.dependsOn", i) + ".name", Reason::ReferenceNotFound,
           fmt::format("there is no Unikernel {} in the namespace {}", names[i], other.nameSpace), problems_);
    }
  }

  void checkCycles() {
    for (const auto& [key, cycle] : cyclesOf(waitsFor_)) {
      tell(*unikernels_.at(key), "spec.dependsOn", Reason::DependencyCycle,
           fmt::format("this unikernel depends on itself: {}; take one of these out", cycle), problems_);
    }
  }

  /// A unikernel that names a volume, and where.
  struct User {
    const Object* object;
    std::string field;
  };

  void checkOnlyUser(const ObjectKey& volume, const std::vector<User>& users) {
    if (users.size() < 2) return;
    for (const User& user : users) {
      const Object* other = user.object == users.front().object ? users.back().object : users.front().object;
      tell(*user.object, user.field, Reason::VolumeConflict,
           fmt::format("the Unikernel {} names the UnikernelVolume {}, too, and only one can have it",
                       other->metadata.name, volume.name),
           problems_);
    }
  }

  void checkCredentials(const Object& object) {
    const auto* reference =
        std::get_if<AlbatrossInstance::SecretRef>(&object.as<AlbatrossInstance>().credentials);
    if (reference == nullptr) return;
    static const std::array<std::string, 3> keys = {"ca.crt", "tls.crt", "tls.key"};
    checkSecret(object, "spec.credentials.secretRef", reference->nameSpace, reference->name, keys);
  }

  void checkSecret(const Object& object, const std::string& field, const std::string& nameSpace,
                   const std::string& name, std::span<const std::string> keys) {
    const Object* secret = find(Kind::Secret, nameSpace, name);
    if (secret == nullptr && broken_.contains({Kind::Secret, nameSpace, name})) return;
    if (secret == nullptr) {
      tell(object, field + ".name", Reason::ReferenceNotFound,
           fmt::format("there is no Secret {} in the namespace {}", name, nameSpace), problems_);
      return;
    }
    for (const std::string& key : keys) {
      if (secret->as<Secret>().data.contains(key)) continue;
      tell(object, keys.size() == 1 ? field + ".key" : field, Reason::ReferenceNotFound,
           fmt::format("the Secret {}/{} has no key {}", nameSpace, name, key), problems_);
    }
  }

  void checkPolicy(const Object& object) {
    const auto& policy = object.as<UnikernelPolicy>();
    const Object* instance = resolveInstance(object, policy.instance, policy.instanceSelector);
    if (instance == nullptr) return;
    const std::string& nameSpace = object.metadata.nameSpace;
    if (instance->as<AlbatrossInstance>().rootNamespace == nameSpace) {
      tell(object, "metadata.namespace", Reason::PolicyInvalid,
           fmt::format("{} is the rootNamespace of the AlbatrossInstance {}: its limits are those of the "
                       "credential, and "
                       "no policy can be set there; remove this one",
                       nameSpace, instance->metadata.name),
           problems_);
    }
    policies_[{instance->metadata.name, nameSpace}].push_back(&object);
  }

  void checkOnlyPolicy(const std::string& instance, const std::vector<const Object*>& policies) {
    if (policies.size() < 2) return;
    for (const Object* policy : policies) {
      const Object* other = policy == policies.front() ? policies.back() : policies.front();
      tell(*policy, "", Reason::PolicyInvalid,
           fmt::format(
               "the namespace {} has another UnikernelPolicy on the AlbatrossInstance {}: {}; keep one",
               policy->metadata.nameSpace, instance, other->metadata.name),
           problems_);
    }
  }

  std::vector<Problem>& problems_;
  const std::vector<const Object*> objects_;
  const std::set<ObjectKey>& broken_;
  std::map<ObjectKey, const Object*> named_;  // those that others name, but for unikernels
  std::map<ObjectKey, const Object*> unikernels_;
  WaitsFor waitsFor_;  // of those that wait for any
  std::set<std::string> instances_;
  std::map<std::pair<std::string, std::string>, std::vector<const Object*>>
      policies_;                                  // by instance and namespace
  std::map<ObjectKey, std::vector<User>> users_;  // of volumes
};

}  // namespace

std::set<ObjectKey> findDuplicates(const std::vector<ObjectPtr>& objects, std::vector<Problem>& problems) {
  std::map<ObjectKey, std::vector<const Object*>> byKey;
  for (const ObjectPtr& object : objects) byKey[object->key()].push_back(object.get());
  std::set<ObjectKey> duplicates;
  for (const auto& [key, places] : byKey) {
    if (places.size() < 2) continue;
    duplicates.insert(key);
    for (const Object* object : places) {
      const Object* other = object == places.front() ? places.back() : places.front();
      tell(*object, "", Reason::DuplicateObject,
           fmt::format("{} is declared {} times, also at {}; keep one", key.toString(), places.size(),
                       other->origin.toString()),
           problems);
    }
  }
  return duplicates;
}

void checkReferences(const std::vector<ObjectPtr>& objects, std::vector<Problem>& problems,
                     const std::set<ObjectKey>& broken) {
  Checker(objects, problems, broken).run();
}

}  // namespace rookery::api

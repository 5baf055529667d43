#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "api/expand.h"
#include "api/manifest.h"
#include "text.h"
#include "yaml/yaml.h"

namespace rookery::api {

namespace {

constexpr std::size_t mostDoubts = 20;

/// Finds what is doubtful in the arguments of one unikernel.
class Doubts {
 public:
  Doubts(const Object& object, const SecretLookup& secretOf) : object_(object), secretOf_(secretOf) {}

  std::vector<Problem> find() {
    const auto& unikernel = object_.as<Unikernel>();
    std::set<std::string> defined, used;
    for (const auto& from : unikernel.argumentsFrom) defined.insert(from.name);
    checkArguments(unikernel.arguments, "spec.arguments", defined, used);
    for (const auto& [instance, arguments] : unikernel.argumentsByInstance)
      checkArguments(arguments, yaml::memberPath("spec.argumentsByInstance", instance), defined, used);
    for (std::size_t i = 0; i < unikernel.argumentsFrom.size(); ++i)
      checkSource(unikernel.argumentsFrom[i], yaml::itemPath("spec.argumentsFrom", i), used);
    return std::move(found_);
  }

 private:
  void checkArguments(const std::vector<std::string>& arguments, const std::string& field,
                      const std::set<std::string>& defined, std::set<std::string>& used) {
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      for (const std::string& name : references(arguments[i])) {
        if (!used.insert(name).second || defined.contains(name) || isInstanceVariable(name)) continue;
        const std::string reference = quote("$(" + name + ")");
        add(Reason::ReferenceNotFound, yaml::itemPath(field, i),
            fmt::format("nothing defines {}, so the unikernel gets it as it stands; define it in "
                        "spec.argumentsFrom, or write $$(…) if just that is meant",
                        reference));
      }
    }
  }

  void checkSource(const Unikernel::ArgumentFrom& from, const std::string& field,
                   const std::set<std::string>& used) {
    if (!used.contains(from.name)) {
      add(Reason::InvalidManifest, field + ".name",
          fmt::format("no argument uses $({}); write it into one of spec.arguments, or remove this",
                      from.name));
      return;
    }
    const Secret* secret = secretOf_(from.secretKeyRef.name);
    if (secret == nullptr) return;
    const auto value = secret->data.find(from.secretKeyRef.key);
    if (value == secret->data.end() || !value->second.ends_with('\n')) return;
    add(Reason::InvalidManifest, field + ".secretKeyRef.key",
        fmt::format(
            "the value of the key {} of the Secret {} ends in a line break, and the argument will, too; "
            "make it without one, as with printf %s or echo -n",
            from.secretKeyRef.key, from.secretKeyRef.name));
  }

  void add(Reason reason, std::string field, std::string message) {
    if (found_.size() == mostDoubts) return;
    Origin origin = object_.originOf(field);
    found_.push_back({reason, std::move(origin), object_.key(), std::move(field), std::move(message)});
  }

  const Object& object_;
  const SecretLookup& secretOf_;
  std::vector<Problem> found_;
};

}  // namespace

std::vector<Problem> doubtsAbout(const Object& unikernel, const SecretLookup& secretOf) {
  return Doubts(unikernel, secretOf).find();
}

std::vector<Problem> doubtsAbout(const std::vector<ObjectPtr>& objects) {
  std::map<ObjectKey, const Object*> secrets;
  for (const ObjectPtr& object : objects) {
    if (object->kind() == Kind::Secret) secrets.emplace(object->key(), object.get());
  }
  std::vector<Problem> all;
  for (const ObjectPtr& object : objects) {
    if (object->kind() != Kind::Unikernel) continue;
    const auto secretOf = [&](const std::string& name) {
      const auto found = secrets.find({Kind::Secret, object->metadata.nameSpace, name});
      return found == secrets.end() ? nullptr : &found->second->as<Secret>();
    };
    std::ranges::move(doubtsAbout(*object, secretOf), std::back_inserter(all));
  }
  return all;
}

}  // namespace rookery::api

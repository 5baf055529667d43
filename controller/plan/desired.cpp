#include "plan/desired.h"

#include <fmt/format.h>

namespace rookery::plan {

bool DesiredUnikernel::imageUnsettled() const {
  return missing &&
         (missing->error.reason == Reason::BeingWritten || missing->error.reason == Reason::ImageBeingRead);
}

std::string DesiredUnikernel::digest() const {
  if (image) return image->digest;
  return missing ? image::fromHex(spec().image.sha256.value_or("")) : "";
}

albatross::Name Desired::nameOf(const api::ObjectKey& unikernel, const albatross::Name& base) const {
  albatross::Name name{base.path, unikernel.name};
  if (spec().rootNamespace != unikernel.nameSpace) name.path.push_back(unikernel.nameSpace);
  return name;
}

api::ObjectKey Desired::objectAt(const albatross::Name& name, const albatross::Name& base) const {
  const std::size_t depth = base.path.size();
  const bool inRoot = name.path.size() <= depth;
  api::ObjectKey key{api::Kind::Unikernel, inRoot ? spec().rootNamespace.value_or("") : name.path[depth], ""};
  const bool shadowed = !inRoot && key.nameSpace == spec().rootNamespace;  // that namespace's are in the root
  if (name.path.size() <= depth + 1 && !shadowed) key.name = name.label.value_or("");
  return key;
}

bool Desired::goesLater(const Absence& absence) const {
  if (absence.verdict != Absence::Verdict::Keep) return false;
  return absence.reason == Reason::Moved || (absence.reason == Reason::Pruning && prunes);
}

std::string whyKept(const api::ObjectKey& object, const api::Silence& silence) {
  return fmt::format("{} is not declared any more, as far as can be seen, and is kept: {}", object.toString(),
                     silence.cause);
}

albatross::Policy toPolicy(const api::UnikernelPolicy& spec) {
  return {spec.cpuIDs, spec.unikernels, spec.memory, spec.blockStorage, spec.bridges};
}

}  // namespace rookery::plan

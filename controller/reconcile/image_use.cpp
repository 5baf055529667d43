#include "reconcile/image_use.h"

#include "image/image.h"

namespace rookery::reconcile {

std::optional<std::set<std::string>> imagesInUse(const ObjectStore& objects, const state::State& state) {
  if (!objects.ready()) return std::nullopt;
  std::set<std::string> digests;
  for (const ObjectViewPtr& view : objects.list(api::Kind::Unikernel, std::nullopt).views) {
    const api::Unikernel::Image& image = view->object->as<api::Unikernel>().image;
    if (!image.path.empty())
      digests.insert(
          image.path.get().stem().string());  // a path into the store says the digest without a pin
    if (image.sha256) digests.insert(*image.sha256);
    if (view->status.digest) digests.insert(*view->status.digest);
  }
  for (const ObjectViewPtr& view : objects.list(api::Kind::UnikernelVolume, std::nullopt).views) {
    const auto& source = view->object->as<api::UnikernelVolume>().source;
    if (source && source->sha256) digests.insert(*source->sha256);
  }
  // What runs may have a manifest that no longer parses.
  for (const plan::Entry& entry : state.entries()) {
    if (!entry.destroyedAt && !entry.digests.empty()) digests.insert(image::toHex(entry.digests.front()));
    if (entry.pending) digests.insert(image::toHex(entry.pending->image));
    if (!entry.rollback) continue;
    for (const auto* revision : {&entry.rollback->good, &entry.rollback->earlier}) {
      if (*revision) digests.insert(image::toHex((*revision)->digest));
    }
  }
  return digests;
}

}  // namespace rookery::reconcile

#include "reconcile/wanted_images.h"

#include "reconcile/image_places.h"

namespace rookery::reconcile {

std::set<image::Remote> wantedImages(const Environment& environment, const Instances& instances) {
  std::set<image::Remote> remotes;
  for (const auto& [name, desired] : instances) {
    if (!environment.commands(name)) continue;
    const auto add = [&](const api::Object& object) {
      const api::Unikernel::Image* image = imageOf(object);
      if (image == nullptr || !image->url) return;
      remotes.insert(remoteOf(*image, authorOf(object.origin, environment.apiStore), contentOf(object)));
    };
    for (const auto& [key, unikernel] : desired->unikernels) {
      if (!unikernel.error) add(*unikernel.object);
    }
    for (const auto& [key, volume] : desired->volumes) {
      if (!volume.error) add(*volume.object);
    }
  }
  return remotes;
}

}  // namespace rookery::reconcile

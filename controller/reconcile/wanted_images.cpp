#include "reconcile/wanted_images.h"

#include "reconcile/image_places.h"

namespace rookery::reconcile {

std::set<image::Remote> wantedImages(const Environment& environment, const Instances& instances) {
  std::set<image::Remote> remotes;
  for (const auto& [name, desired] : instances) {
    if (!environment.commands(name)) continue;
    for (const auto& [key, unikernel] : desired->unikernels) {
      const api::Unikernel::Image& image = unikernel.spec().image;
      if (image.url && !unikernel.error)
        remotes.insert(remoteOf(image, authorOf(unikernel.object->origin, environment.apiStore)));
    }
  }
  return remotes;
}

}  // namespace rookery::reconcile

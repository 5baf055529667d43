#include "reconcile/image_answers.h"

#include <utility>

namespace rookery::reconcile {

namespace {

/// True: something else was known before.
template <class Answer>
bool renew(std::optional<Answer>& known, Answer found) {
  const bool other = known && *known != found;
  if (!known || other) known = std::move(found);
  return other;
}

template <class Map, class Key>
void release(Map& map, const Key& key) {
  const auto found = map.find(key);
  check(found != map.end(), "an image that is given up was asked for");
  if (--found->second.users == 0) map.erase(found);
}

}  // namespace

bool ImageAnswers::isFor(const ImagePlaces& places) const {
  return &places.inspector == &places_.inspector && places.store == places_.store &&
         places.puller == places_.puller && places.lookout == places_.lookout &&
         places.settling == places_.settling && places.apiStore == places_.apiStore &&
         canonical(places.roots) == roots_;
}

/// Where the lookout can be asked for the image of an object: the same for all whose image is looked for in
/// the same place by the same rules, whatever file they stand in.
std::string ImageAnswers::nameOf(const api::Object& object) const {
  const bool anybodys = authorOf(object.origin, places_.apiStore) == plan::Author::Anybody;
  const api::Unikernel::Image& image = *imageOf(object);
  if (image.isStored()) return image.name();
  return image.path.native() + '\0' + object.origin.root.native() + '\0' + (anybodys ? '1' : '0') +
         (contentOf(object) == image::Content::Any ? "any" : "");
}

image::Remote ImageAnswers::remoteFor(const api::Object& object) const {
  return remoteOf(*imageOf(object), authorOf(object.origin, places_.apiStore), contentOf(object));
}

void ImageAnswers::add(const api::Object& object) {
  const api::Unikernel::Image& image = *imageOf(object);
  if (image.url) {
    ++remotes_[remoteFor(object)].users;
    return;
  }
  File& file = files_[nameOf(object)];
  if (file.users++ > 0) return;
  file.locate = [image, origin = object.origin, roots = roots_, store = places_.store,
                 author = authorOf(object.origin, places_.apiStore),
                 content = contentOf(object)]() -> Result<image::Lookout::Located> {
    auto path = image.isStored() ? locateStored(*image.sha256, store)
                                 : locateImage(image.path, origin, roots, author, content);
    if (!path) return std::unexpected(path.error());
    return image::Lookout::Located(*std::move(path), content);
  };
}

void ImageAnswers::remove(const api::Object& object) {
  if (imageOf(object)->url) {
    release(remotes_, remoteFor(object));
  } else {
    release(files_, nameOf(object));
  }
}

bool ImageAnswers::ask() {
  bool other = false;
  if (places_.puller != nullptr) {
    for (auto& [remote, asked] : remotes_) other = renew(asked.answer, places_.puller->find(remote)) || other;
  }
  if (places_.lookout == nullptr) return other || !files_.empty();
  std::map<std::string, image::Lookout::Locate> images;
  for (const auto& [name, file] : files_) images.emplace(name, file.locate);
  places_.lookout->look(std::move(images), places_.patience);
  for (auto& [name, file] : files_) other = renew(file.answer, places_.lookout->find(name)) || other;
  return other;
}

const image::Lookout::Answer& ImageAnswers::ofFile(const api::Object& object) const {
  return *files_.at(nameOf(object)).answer;
}

const ImageAnswers::Pulled& ImageAnswers::ofRemote(const api::Object& object) const {
  return *remotes_.at(remoteFor(object)).answer;
}

}  // namespace rookery::reconcile

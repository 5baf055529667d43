#include "reconcile/image_answers.h"

#include <chrono>
#include <utility>

namespace rookery::reconcile {

namespace {

/// How long all wait for images that nobody has looked at yet: most are known before.
constexpr std::chrono::milliseconds lookTime{200};

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
std::string ImageAnswers::nameOf(const api::Object& unikernel) const {
  const bool anybodys = authorOf(unikernel.origin, places_.apiStore) == plan::Author::Anybody;
  const api::Unikernel::Image& image = unikernel.as<api::Unikernel>().image;
  if (image.isStored()) return image.name();
  return image.path.native() + '\0' + unikernel.origin.root.native() + '\0' + (anybodys ? '1' : '0');
}

image::Remote ImageAnswers::remoteFor(const api::Object& unikernel) const {
  return remoteOf(unikernel.as<api::Unikernel>().image, authorOf(unikernel.origin, places_.apiStore));
}

void ImageAnswers::add(const api::Object& unikernel) {
  const api::Unikernel::Image& image = unikernel.as<api::Unikernel>().image;
  if (image.url) {
    ++remotes_[remoteFor(unikernel)].users;
    return;
  }
  File& file = files_[nameOf(unikernel)];
  if (file.users++ > 0) return;
  file.locate = [image, origin = unikernel.origin, roots = roots_, store = places_.store,
                 author = authorOf(unikernel.origin, places_.apiStore)] {
    return image.isStored() ? locateStored(*image.sha256, store)
                            : locateImage(image.path, origin, roots, author);
  };
}

void ImageAnswers::remove(const api::Object& unikernel) {
  if (unikernel.as<api::Unikernel>().image.url) {
    release(remotes_, remoteFor(unikernel));
  } else {
    release(files_, nameOf(unikernel));
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
  places_.lookout->look(std::move(images), lookTime);
  for (auto& [name, file] : files_) other = renew(file.answer, places_.lookout->find(name)) || other;
  return other;
}

const image::Lookout::Answer& ImageAnswers::ofFile(const api::Object& unikernel) const {
  return *files_.at(nameOf(unikernel)).answer;
}

const ImageAnswers::Pulled& ImageAnswers::ofRemote(const api::Object& unikernel) const {
  return *remotes_.at(remoteFor(unikernel)).answer;
}

}  // namespace rookery::reconcile

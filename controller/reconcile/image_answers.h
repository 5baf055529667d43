#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/object.h"
#include "image/lookout.h"
#include "image/pull/puller.h"
#include "reconcile/image_places.h"

namespace rookery::reconcile {

/// What is known of the images that unikernels name, and of the files that are to be on volumes: each is
/// asked for once, however many name it. One thread at a time.
class ImageAnswers {
 public:
  using Pulled = std::expected<image::Image, image::Missing>;

  explicit ImageAnswers(ImagePlaces places) : places_(std::move(places)), roots_(canonical(places_.roots)) {}
  /// Whether that would be answers to the same questions.
  bool isFor(const ImagePlaces& places) const;

  /// One that names something (imageOf).
  void add(const api::Object& object);
  /// One that was added.
  void remove(const api::Object& object);

  /// Asks for all. True: of some, which were asked for before, something else is known now than then, or they
  /// cannot be asked for once for all.
  bool ask();

  /// Of what was added before ask(): by path, where there is a lookout, and by URL, where there is a puller.
  const image::Lookout::Answer& ofFile(const api::Object& object) const;
  const Pulled& ofRemote(const api::Object& object) const;

  bool anyRemote() const { return !remotes_.empty(); }
  const std::vector<ImageRoot>& roots() const { return roots_; }

 private:
  template <class Answer>
  struct Asked {
    std::size_t users = 0;
    std::optional<Answer> answer = std::nullopt;
  };
  struct File : Asked<image::Lookout::Answer> {
    image::Lookout::Locate locate;
  };

  std::string nameOf(const api::Object& object) const;
  image::Remote remoteFor(const api::Object& object) const;

  const ImagePlaces places_;
  const std::vector<ImageRoot> roots_;  // besides those of the manifests
  std::map<std::string, File> files_;
  std::map<image::Remote, Asked<Pulled>> remotes_;
};

}  // namespace rookery::reconcile

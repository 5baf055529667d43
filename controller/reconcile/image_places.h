#pragma once

#include <chrono>
#include <filesystem>
#include <string_view>
#include <vector>

#include "api/object.h"
#include "error.h"
#include "file/settling.h"
#include "image/image.h"
#include "image/inspector.h"
#include "image/lookout.h"
#include "image/pull/puller.h"
#include "image/store.h"
#include "plan/image_check.h"

namespace rookery::reconcile {

/// A folder that images may lie in, as it was named, and without symlinks.
struct ImageRoot {
  std::filesystem::path named, real;
  friend bool operator==(const ImageRoot&, const ImageRoot&) = default;
};

/// Image roots with their symlinks resolved, without those that are not there: to be asked for once for many
/// images.
std::vector<ImageRoot> canonical(const std::vector<std::filesystem::path>& imageRoots);

/// Where the image, or other content, is that a manifest names by path. `origin` is where the object comes
/// from: the image must lie below that root (or in the folder of a root that is a single file) or below one
/// of `imageRoots`; symlinks resolved. What lies elsewhere is not touched for Anybody, and has one error,
/// whatever is there. Errors: ImageNotFound, ImageOutsideRoot, SourceUnreadable.
Result<std::filesystem::path> locateImage(const std::filesystem::path& path, const api::Origin& origin,
                                          const std::vector<ImageRoot>& imageRoots, plan::Author author,
                                          image::Content content = image::Content::Solo5);

/// The file of an image that a manifest names by its digest alone. `store` is null where there is none.
/// Error: ImageNotFound.
Result<std::filesystem::path> locateStored(const std::string& sha256, const image::ImageStore* store);

/// The image that `unikernel` names, seen to be what a server can run with the devices that its spec gives:
/// all that a server checks only after it has stopped the old unikernel. The path of the result is the
/// resolved one. Errors: those of locateImage, locateStored, Inspector::inspect and checkFit.
Result<image::Image> checkImage(const api::Unikernel& unikernel, const api::Origin& origin,
                                image::Inspector& inspector, const std::vector<ImageRoot>& imageRoots = {},
                                file::Settling* settling = nullptr,
                                plan::Author author = plan::Author::Operator,
                                const image::ImageStore* store = nullptr);

/// What is to be pulled for an image that has a URL.
image::Remote remoteOf(const api::Unikernel::Image& image, plan::Author author,
                       image::Content content = image::Content::Solo5);

/// The image that an object names, or what is to be on a volume; null: it names none.
const api::Unikernel::Image* imageOf(const api::Object& object);
/// What that holds.
image::Content contentOf(const api::Object& object);

/// Who wrote what comes from there: only what the operator gave as files, but not those that the API writes
/// (in the folder `apiStore`; empty: it writes none), or on standard input is the operator's.
plan::Author authorOf(const api::Origin& origin, const std::filesystem::path& apiStore);

/// Where the images are that manifests name, and who looks at them.
struct ImagePlaces {
  image::Inspector& inspector;
  std::vector<std::filesystem::path> roots = {};  // besides the manifest roots
  const image::ImageStore* store = nullptr;       // has those that are named by their digest alone
  image::Puller* puller = nullptr;                // has those that have a URL; null: they are not looked at
  image::Lookout* lookout = nullptr;              // null: resolve() reads all images itself
  std::chrono::milliseconds patience{200};  // for images that nobody has looked at yet: most are known before
  file::Settling* settling =
      nullptr;  // says whether an image is whole, where there is no lookout; null: it is
  std::filesystem::path apiStore = {};  // what comes from there was written through the API
};

}  // namespace rookery::reconcile

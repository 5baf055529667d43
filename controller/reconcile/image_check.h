#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "api/object.h"
#include "error.h"
#include "image/image.h"
#include "image/puller.h"

namespace rookery::reconcile {

/// The image that `unikernel` names, seen to be what a server can run with the devices that its spec gives:
/// all that a server checks only after it has stopped the old unikernel. `origin` is where the object comes
/// from: the image must lie below that root (or in the folder of a root that is a single file) or below one
/// of `imageRoots`, which canonical() gave; symlinks resolved. The path of the result is the resolved one.
///
/// Errors: ImageNotFound, ImageOutsideRoot, DigestMismatch (with the pin), UnsupportedTarget (neither hvt nor
/// spt), DeviceMismatch, and those of Inspector::inspect.
Result<image::Image> checkImage(const api::Unikernel& unikernel, const api::Origin& origin,
                                image::Inspector& inspector,
                                const std::vector<std::filesystem::path>& imageRoots = {});

/// Where the images are that manifests name.
struct ImagePlaces {
  image::Inspector& inspector;
  std::vector<std::filesystem::path> roots = {};  // besides the manifest roots
  image::Puller* puller = nullptr;                // has those that have a URL; null: they are not looked at
};

/// Image roots with their symlinks resolved, without those that are not there: to be asked for once for many
/// images.
std::vector<std::filesystem::path> canonical(const std::vector<std::filesystem::path>& imageRoots);

/// What checkImage says of an image once it has been read: DigestMismatch, UnsupportedTarget, DeviceMismatch.
Result<void> checkFit(const api::Unikernel& unikernel, const image::Image& found);

/// The field of a Unikernel's manifest that an error of checkImage is about, e.g. "spec.image.sha256".
std::string_view imageField(Reason reason);

}  // namespace rookery::reconcile

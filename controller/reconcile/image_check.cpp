#include "reconcile/image_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "api/path.h"
#include "image/digest.h"

namespace rookery::reconcile {

namespace fs = std::filesystem;

namespace {

/// The real folder that images of `origin` may lie in: of standard input, the current one.
fs::path folderOf(const api::Origin& origin, std::error_code& error) {
  if (origin.root == "-") return fs::canonical(".", error);
  if (fs::is_directory(origin.root, error)) return fs::canonical(origin.root, error);
  if (error) return {};
  const fs::path folder = origin.root.parent_path();
  return fs::canonical(folder.empty() ? "." : folder, error);
}

/// Folders of images, as a message names them after the manifest root.
std::string alsoTried(const std::vector<fs::path>& imageRoots) {
  std::string text;
  for (const fs::path& root : imageRoots) text += fmt::format(" and the image root {}", root.string());
  return text;
}

bool liesBelowAny(const fs::path& path, const std::vector<fs::path>& roots) {
  return std::ranges::any_of(roots, [&](const fs::path& root) { return api::liesBelow(path, root); });
}

Result<fs::path> resolve(const fs::path& path, const api::Origin& origin,
                         const std::vector<fs::path>& imageRoots) {
  std::error_code error;
  fs::path resolved = fs::canonical(path, error);
  if (error) {
    return fail(Reason::ImageNotFound,
                fmt::format("Image {} cannot be found: {}. Build it or correct spec.image.path.",
                            path.string(), error.message()));
  }
  if (liesBelowAny(resolved, imageRoots)) return resolved;
  const fs::path folder = folderOf(origin, error);
  if (error) {
    return fail(Reason::SourceUnreadable, fmt::format("Manifest root {} of image {} cannot be resolved: {}.",
                                                      origin.root.string(), path.string(), error.message()));
  }
  if (!api::liesBelow(resolved, folder)) {
    return fail(
        Reason::ImageOutsideRoot,
        fmt::format("Image {} is in truth {}, which lies outside the manifest root {}{}. Move it below "
                    "the root.",
                    path.string(), resolved.string(), folder.string(), alsoTried(imageRoots)));
  }
  return resolved;
}

Result<void> checkPin(const api::Unikernel::Image& wanted, const image::Image& found) {
  const std::string digest = image::toHex(found.digest);
  if (!wanted.sha256 || *wanted.sha256 == digest) return {};
  return std::unexpected(image::digestMismatch(wanted.name(), digest, *wanted.sha256));
}

Result<void> checkTarget(const api::Unikernel::Image& wanted, const image::Image& found) {
  const image::Target target = found.manifest.target;
  if (target == image::Target::Hvt || target == image::Target::Spt) return {};
  return fail(
      Reason::UnsupportedTarget,
      fmt::format("Image {} is linked for the target {}, which no server runs. Build it for hvt or spt.",
                  wanted.name(), image::toString(target)));
}

/// What one kind of devices gets wrong; empty when both sides name the same.
std::string differences(const std::set<std::string>& image, const std::set<std::string>& spec,
                        std::string_view field) {
  const auto difference = [](const std::set<std::string>& left, const std::set<std::string>& right) {
    std::vector<std::string> names;
    std::ranges::set_difference(left, right, std::back_inserter(names));
    return names;
  };
  std::string text;
  if (const auto missing = difference(image, spec); !missing.empty()) {
    text += fmt::format(" {} lacks {}, which the image needs.", field, fmt::join(missing, ", "));
  }
  if (const auto unknown = difference(spec, image); !unknown.empty()) {
    text += fmt::format(" {} has {}, which the image does not know.", field, fmt::join(unknown, ", "));
  }
  return text;
}

template <class Device>
std::set<std::string> namesOf(const std::vector<Device>& devices) {
  std::set<std::string> names;
  for (const Device& device : devices) names.insert(device.name);
  return names;
}

Result<void> checkDevices(const api::Unikernel& unikernel, const image::Image& found) {
  const std::string text =
      differences(found.manifest.networkDevices, namesOf(unikernel.networkInterfaces),
                  "spec.networkInterfaces") +
      differences(found.manifest.blockDevices, namesOf(unikernel.blockDevices), "spec.blockDevices");
  if (text.empty()) return {};
  return fail(Reason::DeviceMismatch,
              fmt::format("Image {} was built for other devices.{} Name exactly the devices of the image.",
                          unikernel.image.name(), text));
}

}  // namespace

std::vector<fs::path> canonical(const std::vector<fs::path>& imageRoots) {
  std::vector<fs::path> found;
  for (const fs::path& root : imageRoots) {
    std::error_code error;
    fs::path folder = fs::canonical(root, error);  // one that is not there holds nothing
    if (!error) found.push_back(std::move(folder));
  }
  return found;
}

Result<image::Image> checkImage(const api::Unikernel& unikernel, const api::Origin& origin,
                                image::Inspector& inspector, const std::vector<fs::path>& imageRoots) {
  const Result<fs::path> resolved = resolve(unikernel.image.path, origin, imageRoots);
  if (!resolved) return std::unexpected(resolved.error());
  Result<image::Image> found = inspector.inspect(*resolved);
  if (!found) return found;
  if (const auto fits = checkFit(unikernel, *found); !fits) return std::unexpected(fits.error());
  return found;
}

Result<void> checkFit(const api::Unikernel& unikernel, const image::Image& found) {
  if (auto pinned = checkPin(unikernel.image, found); !pinned) return pinned;
  if (auto runnable = checkTarget(unikernel.image, found); !runnable) return runnable;
  return checkDevices(unikernel, found);
}

std::string_view imageField(Reason reason) {
  switch (reason) {
    case Reason::DigestMismatch:
      return "spec.image.sha256";
    case Reason::DeviceMismatch:
      return "spec";
    default:
      return "spec.image.path";
  }
}

}  // namespace rookery::reconcile

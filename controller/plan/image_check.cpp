#include "plan/image_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "image/digest.h"

namespace rookery::plan {

namespace {

Result<void> checkPin(image::Content content, const api::Unikernel::Image& wanted, const image::Image& found,
                      Author author) {
  const std::string digest = image::toHex(found.digest);
  if (!wanted.sha256 || *wanted.sha256 == digest) return {};
  const auto told = author == Author::Anybody ? std::nullopt : std::optional<std::string_view>(digest);
  return std::unexpected(image::digestMismatch(content, wanted.name(), told, *wanted.sha256));
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

Result<void> checkFit(const api::Unikernel& unikernel, const image::Image& found, Author author) {
  if (auto pinned = checkPin(image::Content::Solo5, unikernel.image, found, author); !pinned) return pinned;
  if (auto runnable = checkTarget(unikernel.image, found); !runnable) return runnable;
  return checkDevices(unikernel, found);
}

std::optional<Error> unfitContent(const api::UnikernelVolume& volume, const image::Image& found,
                                  Author author) {
  if (const auto pinned = checkPin(image::Content::Any, *volume.source, found, author); !pinned)
    return pinned.error();
  const auto room = static_cast<std::uint64_t>(volume.size) << 20U;
  if (found.size <= room) return std::nullopt;
  return Error{Reason::VolumeTooSmall,
               fmt::format("The content {} has {} bytes, and the volume has room for {} ({} Mi). Declare a "
                           "larger volume under another name, or less content.",
                           volume.source->name(), found.size, room, volume.size)};
}

std::string imageField(Reason reason, image::Content content) {
  std::string field(image::fieldOf(content));
  switch (reason) {
    case Reason::DigestMismatch:
      return field + ".sha256";
    case Reason::DeviceMismatch:
      return "spec";
    case Reason::VolumeTooSmall:
      return field;
    default:
      return field + ".path";
  }
}

}  // namespace rookery::plan

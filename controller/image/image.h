#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>

#include "error.h"
#include "file/shared_path.h"

namespace rookery::image {

/// The tender that an image is linked for (Solo5's ABI note).
enum class Target : std::uint32_t { Hvt = 1, Spt = 2, Virtio = 3, Muen = 4, Genode = 5, Xen = 6 };
std::string_view toString(Target target);

/// What the notes of a Solo5 image say: for whom it was linked and the devices that it must be given,
/// exactly.
struct Manifest {
  Target target = Target::Hvt;
  std::uint32_t abiVersion = 0;
  std::set<std::string> blockDevices;
  std::set<std::string> networkDevices;
  friend bool operator==(const Manifest&, const Manifest&) = default;
};

/// What a file is to hold: an image, or anything at all, of which only the digest is told.
enum class Content { Solo5, Any };
/// The field of a manifest that names such a file: of a Unikernel, or of a UnikernelVolume.
std::string_view fieldOf(Content content);

/// An image file as it was when it was looked at; or one of any content, whose manifest says nothing.
struct Image {
  file::SharedPath path;
  std::uint64_t size = 0;
  std::string digest;  // SHA-256, raw 32 bytes
  Manifest manifest;
  friend bool operator==(const Image&, const Image&) = default;
};

/// Raw bytes to lower-case hex and back (empty when `text` is not hex).
std::string toHex(std::string_view bytes);
std::string fromHex(std::string_view text);

/// An image that is to be had over http(s), and what it must be.
struct Remote {
  std::string url;
  std::string sha256;  // 64 lower-case hexadecimal digits
  /// Who asks for it need not be allowed to reach what this machine reaches: it comes from public addresses
  /// only, where nothing else is said, and failures do not tell what else there is.
  bool anybodys = false;
  Content content = Content::Solo5;

  /// What messages call it: the URL without its query, which may be as good as a password.
  std::string name() const { return url.substr(0, url.find('?')); }
  auto operator<=>(const Remote&) const = default;
};

/// Why an image is not there.
struct Missing {
  Error error;
  bool lasting = false;  // it will not come, unless somebody changes something
  friend bool operator==(const Missing&, const Missing&) = default;
};

}  // namespace rookery::image

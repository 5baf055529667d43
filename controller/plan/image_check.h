#pragma once

#include <optional>
#include <string>

#include "api/object.h"
#include "error.h"
#include "image/image.h"

namespace rookery::plan {

/// Who wrote a manifest. Anybody: who may write objects through an API, and need not be allowed to know what
/// else is on this machine or in its network.
enum class Author { Operator, Anybody };

/// What checkImage says of an image once it has been read: DigestMismatch (with the pin; the digest that was
/// found is not for Anybody), UnsupportedTarget (neither hvt nor spt), DeviceMismatch.
Result<void> checkFit(const api::Unikernel& unikernel, const image::Image& found,
                      Author author = Author::Operator);

/// Why what was found cannot be put on `volume`: DigestMismatch (as checkFit), VolumeTooSmall.
std::optional<Error> unfitContent(const api::UnikernelVolume& volume, const image::Image& found,
                                  Author author = Author::Operator);

/// The field of a manifest that an error of what it names for such `content` is about, e.g.
/// "spec.image.sha256".
std::string imageField(Reason reason, image::Content content = image::Content::Solo5);

}  // namespace rookery::plan

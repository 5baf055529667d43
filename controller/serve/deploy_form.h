#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"
#include "http/multipart.h"
#include "image/store.h"
#include "serve/failure.h"

namespace rookery::serve {

/// What the form of a deployment says.
struct DeployForm {
  std::string instance = {};  // empty: none is named
  std::string nameSpace = "default";
  std::string name = {};
  std::optional<nlohmann::json> config =
      {};  // a Unikernel's spec without image; an object. Absent: none is given
  bool forceCreate = false;
  std::string imageName = "binary";  // what messages call the image: the name of the client's file
  std::string sha256 = {};           // of the image, in lower-case hex
  std::uint64_t size = 0;            // of the image, in bytes; 0: not known
  std::optional<image::ImageStore::Incoming> binary = {};  // the image; absent: only what it will be is said
};

/// Whether the image itself must come in a form, or its digest will do.
enum class ImagePart { Required, Optional };

/// Reads the fields in any order; the image goes into the store as it comes. A field may be left out or empty
/// but for name and the image; none may be there twice, and no other. An image is the one that sha256 and
/// size say, where they do. `refusal` says why nothing may be deployed in a namespace, and is asked as soon
/// as that is known: of an image that comes after it, nothing is read then.
///
/// Failures: 400 (malformed, unknown or repeated field, the client went away), 408, 413, 422 (says the
/// field), 500 (the store), and what `refusal` says. Then nothing of the image remains.
std::expected<DeployForm, http::Response> readDeployForm(
    http::MultipartReader& reader, image::ImageStore& images, ImagePart image,
    const std::function<std::optional<http::Response>(const std::string& nameSpace)>& refusal);

/// Kinds of mistakes in a field: metav1.CauseType.
inline constexpr std::string_view fieldValueInvalid = "FieldValueInvalid";
inline constexpr std::string_view fieldValueRequired = "FieldValueRequired";

/// 422 for a mistake in a field of the form, or of the spec. `reason` is one of these.
http::Response invalidDeployment(const std::string& name, std::string_view field, std::string_view reason,
                                 const std::string& message);

}  // namespace rookery::serve

#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "http/message.h"
#include "http/target.h"
#include "image/store.h"
#include "reconcile/object_store.h"
#include "serve/admission.h"
#include "serve/deploy_form.h"
#include "serve/object_writer.h"
#include "serve/request.h"
#include "serve/resource.h"

namespace rookery::serve {

/// Takes an image and the spec of a unikernel in one form (POST /deploy, multipart/form-data) and declares
/// them: the image goes into the store, and a Unikernel that names it is written as any other object is.
/// Nothing is sent to a server here; the controller does that when it reads the manifest. Thread-safe.
///
///   instance      the AlbatrossInstance; may be left out where there is only one
///   namespace     default: "default"
///   name          of the Unikernel
///   config        its spec without image, as JSON or YAML; may be left out
///   force_create  true: a Unikernel of that name gets this image, whatever its update.strategy, and a
///                 unikernel of that name that is nobody's is taken over; for as long as the spec stays this
///                 one (api::forceCreateAnnotation). Default: false; then it must not exist
///   binary        the image
///   sha256, size  the image that is meant; may be left out where it is sent
///
/// Of a Unikernel that exists, what the form does not carry stays (deployedSpec()), its labels and
/// annotations always.
///
/// Where anything is wrong, or the client goes away, nothing of it remains.
class Deployer {
 public:
  /// The longest that a client may have the answer wait for the roll-out.
  static constexpr std::chrono::minutes longestWait{10};
  /// How many forms may be on their way at the same time: each keeps a thread of the server.
  static constexpr std::size_t mostUploads = 6;
  static constexpr std::size_t uploadsOfOne = 3;  // caller

  /// Why a unikernel could not run on an instance, as far as that can be told now; nothing: it could, or it
  /// cannot be told. Called from several threads.
  using CannotRun =
      std::function<std::optional<Error>(const std::string& instance, const api::ObjectPtr& unikernel)>;

  /// All must outlive the deployer.
  Deployer(const reconcile::ObjectStore& objects, ObjectWriter& writer, image::ImageStore& images,
           CannotRun cannotRun);

  /// Answers a request of a caller who may deploy somewhere; whether they may here is asked once the form
  /// says where. 202 with {namespace, name, sha256, size, statusUrl} once the controller has read the
  /// manifest. With ?wait=60s the answer waits for the roll-out of just this: 200 with the object when it is
  /// Ready, 422 with the reason when it is Stalled, 409 when somebody changes or deletes it meanwhile, 202
  /// when time is over.
  ///
  /// With ?dryRun=All nothing changes, and the image need not be sent: sha256 will do, and size to learn
  /// whether there is room. 200 with the Unikernel as it would be; what the image does not fit then, only who
  /// has it can tell.
  ///
  /// Failures are Status objects: 400, 403, 405, 408, 409 (exists), 413, 415, 422 (says the field, or has the
  /// reason why it could not run), 429, 5xx.
  http::Response handle(const Request& request, const http::Target& target);

 private:
  http::Response take(DeployForm form, const std::string& account, std::chrono::milliseconds wait);
  http::Response rehearse(DeployForm form, const std::string& account);
  ObjectWriter::Answer check(DeployForm& form, const std::string& account);
  std::expected<std::optional<std::string>, http::Response> namedInstance(const DeployForm& form) const;
  std::expected<std::string, http::Response> onlyInstance(const DeployForm& form) const;
  std::optional<http::Response> refusalOf(const DeployForm& form, const std::string& instance) const;
  std::optional<http::Response> refusalOf(const DeployForm& form, const api::ObjectPtr& unikernel) const;
  std::expected<nlohmann::json, http::Response> newSpec(const DeployForm& form) const;
  ObjectWriter::Answer write(const DeployForm& form, const WriteOptions& options);
  http::Response accepted(const DeployForm& form, const image::ImageStore::Stored& image,
                          const nlohmann::json& object, std::chrono::milliseconds wait) const;

  const reconcile::ObjectStore& objects_;
  ObjectWriter& writer_;
  image::ImageStore& images_;
  const CannotRun cannotRun_;
  const std::unique_ptr<Resource> unikernels_;
  Admission uploads_{mostUploads, uploadsOfOne};
};

}  // namespace rookery::serve

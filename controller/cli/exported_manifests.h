#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "albatross/name.h"
#include "albatross/reply.h"
#include "albatross/wire.h"
#include "api/object.h"
#include "error.h"
#include "plan/desired.h"
#include "plan/observed.h"

namespace rookery::cli {

/// The manifest of a unikernel that runs somewhere. That of its Secret holds what it looks like: never to be
/// printed.
struct ExportedUnikernel {
  api::ObjectKey key;
  albatross::Name name;                    // on the wire
  std::string digest;                      // of its image, raw
  std::string manifest;                    // YAML
  std::optional<std::string> secret = {};  // the same of the Secret that it refers to
  std::vector<std::string> hidden = {};    // what messages call the arguments that stand there
};

struct ExportedPolicy {
  std::string nameSpace;
  std::string manifest;  // YAML
};

/// The manifest of a block device that is there. What is on it is not exported.
struct ExportedVolume {
  api::ObjectKey key;
  std::string manifest;  // YAML
};

/// What a server runs as manifests, and what of it no manifest can be written for: sentences.
struct ExportedManifests {
  std::vector<ExportedPolicy> policies;
  std::vector<ExportedVolume> volumes;
  std::vector<ExportedUnikernel> unikernels;
  std::vector<std::string> leftOut;
};

/// The inverse of resolving and comparing: manifests such that plan::compare finds no difference to what
/// `observed` says, each read again and compared before it is given out. They hold only what is not a
/// default. Images are files `../images/…` (imageFile), beside the folders of the namespaces. `wanted`:
/// whether something of that namespace, and an object of that key, is to be exported.
ExportedManifests exportManifests(const plan::Desired& instance, const plan::Observed& observed,
                                  const std::function<bool(const api::ObjectKey&)>& wanted);

/// One of them. Errors: TypeNotSupported, InvalidManifest (what a server runs that a manifest cannot say).
Result<ExportedUnikernel> exportUnikernel(const std::string& instance, const api::ObjectKey& key,
                                          const albatross::Name& name,
                                          const albatross::UnikernelInfo& running);
/// The same of a policy. Error: InvalidManifest.
Result<ExportedPolicy> exportPolicy(const std::string& instance, const std::string& nameSpace,
                                    const albatross::Policy& present);

/// The same of a block device.
Result<ExportedVolume> exportVolume(const std::string& instance, const api::ObjectKey& key,
                                    const albatross::BlockDevice& device);

/// What the object that stands for a policy of that namespace is called.
api::ObjectKey policyKey(const std::string& instance, const std::string& nameSpace);
/// The same of the Secret with the arguments of a unikernel.
api::ObjectKey argumentsKey(const api::ObjectKey& unikernel);

/// The name of the file with the image of that digest (raw).
std::string imageFile(const std::string& digest);

/// The image in the reply to a unikernel::Get. Errors: ProtocolError (there is none, or not as it is),
/// ImageTooLarge (it has more than `largest` bytes), DigestMismatch (`digest` is raw).
Result<std::string> imageIn(albatross::Reply reply, const std::string& digest, std::uint64_t largest);

}  // namespace rookery::cli

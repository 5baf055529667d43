#include "cli/offline_check.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "albatross/client/certificate.h"
#include "api/manifest.h"
#include "plan/desired.h"
#include "plan/image_check.h"
#include "reconcile/image_places.h"
#include "reconcile/key_file.h"
#include "reconcile/resolve.h"

namespace rookery::cli {

namespace {

using albatross::Credential;
using SystemTime = std::chrono::system_clock::time_point;

api::Problem problemOf(const api::Object& object, const std::string& field, Reason reason,
                       std::string message) {
  return {reason, object.originOf(field), object.key(), field, std::move(message)};
}

void checkImages(const source::Snapshot& snapshot, image::Inspector& inspector,
                 const std::vector<std::filesystem::path>& imageRoots, std::vector<api::Problem>& errors) {
  const auto roots = reconcile::canonical(imageRoots);
  file::Settling settling;
  for (const api::ObjectPtr& object : snapshot.objects) {
    if (object->kind() != api::Kind::Unikernel) continue;
    const auto& unikernel = object->as<api::Unikernel>();
    if (unikernel.image.path.empty()) continue;  // where it is, only a controller knows
    const auto path =
        reconcile::locateImage(unikernel.image.path, object->origin, roots, plan::Author::Operator);
    if (path) inspector.await(*path, settling);
    const auto image = reconcile::checkImage(unikernel, object->origin, inspector, roots, &settling);
    if (image) continue;
    const std::string field = plan::imageField(image.error().reason);
    errors.push_back(problemOf(*object, field, image.error().reason, image.error().message));
  }
}

/// What is to be on a volume: that it is there, is what it should be, and fits.
std::optional<Error> contentTrouble(const api::Object& object, image::Inspector& inspector,
                                    const std::vector<reconcile::ImageRoot>& roots,
                                    file::Settling& settling) {
  const auto& volume = object.as<api::UnikernelVolume>();
  const auto path = reconcile::locateImage(volume.source->path, object.origin, roots, plan::Author::Operator,
                                           image::Content::Any);
  if (!path) return path.error();
  inspector.await(*path, settling, image::Content::Any);
  const auto content = inspector.inspect(*path, &settling, {}, image::Content::Any);
  if (!content) return content.error();
  return plan::unfitContent(volume, *content);
}

void checkContents(const source::Snapshot& snapshot, image::Inspector& inspector,
                   const std::vector<std::filesystem::path>& imageRoots, std::vector<api::Problem>& errors) {
  const auto roots = reconcile::canonical(imageRoots);
  file::Settling settling;
  for (const api::ObjectPtr& object : snapshot.objects) {
    if (object->kind() != api::Kind::UnikernelVolume) continue;
    const auto& source = object->as<api::UnikernelVolume>().source;
    if (!source || source->path.empty()) continue;  // what is elsewhere, only a controller pulls
    if (const auto error = contentTrouble(*object, inspector, roots, settling)) {
      const std::string field = plan::imageField(error->reason, image::Content::Any);
      errors.push_back(problemOf(*object, field, error->reason, error->message));
    }
  }
}

/// How many levels below the credential's own domain the commands of an instance go.
std::size_t depthOf(const plan::Desired& desired) {
  const auto isBelow = [&](const std::string& nameSpace) {
    return desired.spec().rootNamespace != nameSpace;
  };
  const bool below =
      std::ranges::any_of(desired.unikernels,
                          [&](const auto& entry) { return isBelow(entry.first.nameSpace); }) ||
      std::ranges::any_of(desired.volumes,
                          [&](const auto& entry) { return isBelow(entry.first.nameSpace); }) ||
      std::ranges::any_of(desired.policies, [&](const auto& entry) { return isBelow(entry.first); });
  return below ? 1 : 0;
}

std::optional<api::Problem> checkCredential(const plan::Desired& desired, SystemTime now) {
  const api::Object& instance = *desired.instance;
  const std::string field = "spec.credentials";
  if (!desired.credentials) {
    // A dangling reference was found with the others. The message names the very field.
    const Error& error = desired.credentials.error();
    if (error.reason == Reason::ReferenceNotFound) return std::nullopt;
    return api::Problem{error.reason, instance.originOf(field), instance.key(), "", error.message};
  }
  if (desired.spec().isLocal()) return std::nullopt;
  const auto credential = Credential::load(*desired.credentials);
  if (!credential) return problemOf(instance, field, credential.error().reason, credential.error().message);
  const auto issuable = (*credential)->canIssue(depthOf(desired), now);
  if (!issuable) return problemOf(instance, field, issuable.error().reason, issuable.error().message);
  return std::nullopt;
}

void checkCredentials(const source::Snapshot& snapshot, image::Inspector& inspector, SystemTime now,
                      Findings& findings) {
  const auto firstSeen = [](const api::ObjectKey&, const std::string&) { return api::Identity{}; };
  file::Settling settling;
  reconcile::CredentialFiles credentials(settling);
  const reconcile::Resolution resolution =
      reconcile::Resolver(credentials)
          .resolve({.snapshot = std::make_shared<source::Snapshot>(snapshot),
                    .inventories = {},
                    .images = {.inspector = inspector},
                    .identify = firstSeen});
  for (const auto& [name, desired] : resolution.instances) {
    if (auto problem = checkCredential(*desired, now)) findings.errors.push_back(std::move(*problem));
    const auto* files = std::get_if<api::AlbatrossInstance::Files>(&desired->spec().credentials);
    if (files == nullptr) continue;
    if (auto exposure = reconcile::exposureOf(files->privateKey)) {
      findings.warnings.push_back(problemOf(*desired->instance, "spec.credentials.files.privateKey",
                                            Reason::CredentialInvalid, std::move(*exposure)));
    }
  }
}

/// A folder without manifests is a slip of the command line rather than a fleet without unikernels.
void checkNotEmpty(const source::Snapshot& snapshot, std::vector<api::Problem>& errors) {
  if (snapshot.files > 0 || !errors.empty()) return;
  for (const source::Root& root : snapshot.roots) {
    errors.push_back({.reason = Reason::UsageError,
                      .origin = {.root = root.path, .file = root.path, .line = 0, .column = 0},
                      .object = std::nullopt,
                      .field = {},
                      .message = snapshot.passedOver.empty()
                                     ? "There is no manifest (*.yaml, *.yml, *.json) here."
                                     : "There is no manifest of rookery's here."});
  }
}

void sortByPlace(std::vector<api::Problem>& problems) {
  std::ranges::stable_sort(problems, {}, [](const api::Problem& problem) {
    return std::tie(problem.origin.file, problem.origin.line, problem.origin.column);
  });
}

}  // namespace

Findings checkOffline(const source::Snapshot& snapshot, image::Inspector& inspector,
                      const std::vector<std::filesystem::path>& imageRoots, SystemTime now) {
  Findings findings{.errors = snapshot.problems, .warnings = {}};
  checkNotEmpty(snapshot, findings.errors);
  api::checkReferences(snapshot.objects, findings.errors, snapshot.declared.keys());
  findings.warnings = api::doubtsAbout(snapshot.objects);
  std::ranges::copy(snapshot.warnings, std::back_inserter(findings.warnings));
  checkImages(snapshot, inspector, imageRoots, findings.errors);
  checkContents(snapshot, inspector, imageRoots, findings.errors);
  checkCredentials(snapshot, inspector, now, findings);
  sortByPlace(findings.errors);
  sortByPlace(findings.warnings);
  return findings;
}

void makeErrors(Findings& findings) {
  std::ranges::move(std::exchange(findings.warnings, {}), std::back_inserter(findings.errors));
  sortByPlace(findings.errors);
}

}  // namespace rookery::cli

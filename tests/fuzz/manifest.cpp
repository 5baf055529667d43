// Files of manifests: parsing, validation, defaults, references.

#include "api/manifest.h"

#include "fuzz/target.h"
#include "yaml/writer.h"

namespace rookery::fuzz {
namespace {

const api::Origin manifestFile{.root = "/m", .file = "/m/all.yaml", .line = 0, .column = 0};
const api::Origin jsonFile{.root = "/m", .file = "/m/all.json", .line = 0, .column = 0};

void expectStable(const api::Object& object, const api::Manifest& again) {
  check(again.parsed && again.problems.empty() && again.objects.size() == 1, "what was valid stays valid");
  check(again.objects.front()->specDigest == object.specDigest &&
            again.objects.front()->key() == object.key() &&
            again.objects.front()->manifest == object.manifest,
        "defaults are filled in once");
}

const Target manifest("manifest", [](std::string_view input) {
  api::parseManifestFile(input, manifestFile);
  api::parseManifestFile(input, manifestFile, true);
  api::parseManifest(input, jsonFile);
  const api::Manifest read = api::parseManifest(input, manifestFile);
  check(read.parsed || (read.objects.empty() && !read.problems.empty()), "what does not parse says why");
  for (const api::Problem& problem : read.problems)
    check(!problem.message.empty() && !problem.toString().empty(), "a problem says what it is");
  std::vector<api::Problem> problems;
  api::findDuplicates(read.objects, problems);
  api::checkReferences(read.objects, problems);
  api::doubtsAbout(read.objects);
  for (const api::ObjectPtr& object : read.objects) {
    object->originOf("spec.image.path");
    if (object->kind() == api::Kind::Secret) continue;  // its data is not in its manifest
    expectStable(*object, api::readDocument(object->manifest.unpack(), manifestFile));
    expectStable(*object, api::parseManifest(yaml::toYaml(object->manifest.unpack()), manifestFile));
  }
});

}  // namespace
}  // namespace rookery::fuzz

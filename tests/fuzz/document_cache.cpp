// A file of manifests that is edited again and again: each part is what it holds next.

#include "api/document_cache.h"

#include "fuzz/target.h"
#include "unit/api/descriptions.h"

namespace rookery::fuzz {
namespace {

const Target documentCache("document_cache", [](std::string_view input) {
  const api::Origin file{.root = "/m", .file = "/m/all.yaml", .line = 0, .column = 0};
  api::DocumentCache cache;
  for (const std::string_view text : partsOf(input, 6)) {
    const std::string fromNothing = describeAll(api::parseManifestFile(text, file));
    check(describeAll(api::parseManifestFile(text, file, false, &cache)) == fromNothing,
          "what is known of a file is what it says");
  }
});

}  // namespace
}  // namespace rookery::fuzz

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "api/manifest.h"
#include "api/mention.h"
#include "file/content.h"
#include "yaml/yaml.h"

namespace rookery::api {

namespace {

/// The first yaml::maxBytes of a file, or what can be had of them.
std::string startOf(const std::filesystem::path& file) {
  return file::readStart(file, yaml::maxBytes).value_or("");
}

/// A log, say, that some program always has open.
bool isForeignSoFar(const std::filesystem::path& file) {
  constexpr std::size_t telling = 4096;
  const std::string start = startOf(file);
  return start.size() >= telling && !mentionsIn(start).any();
}

}  // namespace

Result<std::string> readText(const std::filesystem::path& file) {
  auto text = file::readStart(file, yaml::maxBytes + 1);
  if (!text) {
    using Why = file::Unread::Kind;
    const bool regular = text.error().kind != Why::Directory && text.error().kind != Why::NotRegular;
    return fail(Reason::SourceUnreadable, regular
                                              ? fmt::format("the file cannot be opened: {}", text.error().why)
                                              : "this is not a regular file");
  }
  if (text->size() <= yaml::maxBytes) return *std::move(text);
  const auto stamp = file::stampOf(file);
  return fail(Reason::InvalidManifest,
              fmt::format("the file has {} bytes; a manifest has at most {}; split it",
                          std::max<std::uint64_t>(stamp ? stamp->size : 0, text->size()), yaml::maxBytes));
}

Manifest readManifest(const std::filesystem::path& root, const std::filesystem::path& file) {
  const Origin origin{.root = root, .file = file};
  const Result<std::string> text = readText(file);
  if (text) return parseManifestFile(*text, origin);
  Manifest manifest;
  if (text.error().reason == Reason::InvalidManifest && !mentionsIn(startOf(file)).makesOurs()) {
    manifest.foreign = 1;
    return manifest;
  }
  manifest.parsed = false;
  manifest.problems.push_back({text.error().reason, origin, {}, "", text.error().message});
  return manifest;
}

Manifest readManifest(const std::filesystem::path& root, const std::filesystem::path& file,
                      file::Settling& settling, bool held, DocumentCache* cache) {
  const Origin origin{.root = root, .file = file};
  const auto content = file::read(file, yaml::maxBytes, &settling);
  if (content) return parseManifestFile(content->bytes, origin, held, cache);
  using Why = file::Unread::Kind;
  const file::Unread& unread = content.error();
  if (unread.kind != Why::BeingWritten && unread.kind != Why::Missing) return readManifest(root, file);
  Manifest manifest;
  if (unread.kind == Why::BeingWritten && !held && isForeignSoFar(file)) {
    manifest.foreign = 1;
    return manifest;
  }
  manifest.parsed = false;
  const bool isMissing = unread.kind == Why::Missing;
  if (!isMissing) manifest.lookAgainIn = unread.lookAgainIn;
  manifest.problems.push_back(
      {isMissing ? Reason::SourceUnreadable : Reason::BeingWritten, origin, {}, "", unread.why});
  return manifest;
}

}  // namespace rookery::api

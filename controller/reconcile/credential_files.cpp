#include "reconcile/credential_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <utility>

#include "file/content.h"
#include "sentence.h"

namespace rookery::reconcile {

namespace {

constexpr std::size_t maxPemBytes = std::size_t{1} << 20;

Error errorOf(const std::filesystem::path& path, std::string_view field, const file::Unread& unread) {
  const bool written = unread.kind == file::Unread::Kind::BeingWritten;
  const std::string why =
      unread.kind == file::Unread::Kind::TooLarge ? "it is too large for a PEM file" : unread.why;
  return {written ? Reason::BeingWritten : Reason::CredentialInvalid,
          fmt::format("spec.credentials.files.{}: {}: {}.", field, path.string(), why)};
}

}  // namespace

CredentialFiles::Read CredentialFiles::read(const std::string& instance, const Files& files) {
  struct Part {
    const std::filesystem::path& path;
    std::string_view field;
    std::string& text;
  };
  Pem pem;
  const std::array<Part, 3> parts{{{files.ca, "ca", pem.ca},
                                   {files.certificate, "certificate", pem.certificate},
                                   {files.privateKey, "privateKey", pem.privateKey}}};
  for (const auto& [path, field, text] : parts) {
    auto content = file::read(path, maxPemBytes, &settling_);
    if (content) {
      text = std::move(content->bytes);
      continue;
    }
    Error error = errorOf(path, field, content.error());
    if (error.reason != Reason::BeingWritten) return {.pem = std::unexpected(std::move(error))};
    Read read = standing(instance, files, std::move(error));
    read.lookAgainIn = content.error().lookAgainIn;
    return read;
  }
  const auto known = good_.find(instance);
  if (known != good_.end() && known->second.pem == pem) return {.pem = std::move(pem)};
  const auto loaded = albatross::Credential::load(pem);
  if (loaded) {
    good_.insert_or_assign(instance, Known{files, pem});
    return {.pem = std::move(pem)};
  }
  if (known == good_.end()) return {.pem = std::move(pem)};  // who uses it says what is wrong
  return standing(instance, files, loaded.error());
}

/// What the same files held before, if that is known.
CredentialFiles::Read CredentialFiles::standing(const std::string& instance, const Files& files,
                                                Error error) {
  const auto known = good_.find(instance);
  const bool same = known != good_.end() && known->second.files.ca == files.ca &&
                    known->second.files.certificate == files.certificate &&
                    known->second.files.privateKey == files.privateKey;
  if (!same) return {.pem = std::unexpected(std::move(error))};
  error.message =
      sentences({error.message, "Until it can be used, the credential that was there before is."});
  return {.pem = known->second.pem, .standing = std::move(error)};
}

void CredentialFiles::keepOnly(const std::set<std::string>& instances) {
  std::erase_if(good_, [&](const auto& item) { return !instances.contains(item.first); });
}

}  // namespace rookery::reconcile

#include "file/watched.h"

#include <fmt/format.h>

#include <utility>

#include "file/content.h"

namespace rookery::file {
namespace {

constexpr std::chrono::seconds betweenChecks{1};
constexpr std::size_t maxBytes = std::size_t{1} << 20;

}  // namespace

Result<std::string> readCredentialFile(const std::filesystem::path& file, std::string_view what,
                                       Settling* settling) {
  auto content = read(file, maxBytes, settling);
  if (content) return std::move(content->bytes);
  const Unread& unread = content.error();
  switch (unread.kind) {
    case Unread::Kind::BeingWritten:
      return fail(Reason::BeingWritten,
                  fmt::format("The {} does not count before it is whole: {}.", what, unread.why));
    case Unread::Kind::Directory:
    case Unread::Kind::NotRegular:
      return fail(Reason::CredentialInvalid, fmt::format("The {} is not a regular file.", what));
    case Unread::Kind::TooLarge:
      return fail(Reason::CredentialInvalid,
                  fmt::format("The {} is larger than {} bytes: is it the right file?", what, maxBytes));
    case Unread::Kind::Missing:
    case Unread::Kind::Unreadable:
      break;
  }
  return fail(Reason::CredentialInvalid,
              fmt::format("The {} cannot be read: {}. Give the path of a file that this user may read.", what,
                          unread.why));
}

bool WatchedFiles::due(Clock::time_point now) {
  if (now - checked_ < betweenChecks) return false;
  checked_ = now;
  seen_ = look();
  return seen_ != inForce_;
}

void WatchedFiles::settled() {
  inForce_ = seen_;
  writing_ = false;
}

bool WatchedFiles::isNews(const Error& error) {
  if (error.reason == Reason::BeingWritten) return !std::exchange(writing_, true);
  writing_ = false;
  return seen_ != std::exchange(told_, seen_);
}

WatchedFiles::Stamps WatchedFiles::look() const {
  Stamps stamps;
  for (const std::filesystem::path& file : files_) stamps.push_back(stampOf(file));
  return stamps;
}

}  // namespace rookery::file

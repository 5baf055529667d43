#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

/// Files that change as a whole: who reads one at any moment finds the old content or the new, and so does
/// who reads it after a crash. The new content is first written to a temporary file in the same folder, whose
/// name begins with a dot. What can fail returns 0 or the cause as errno has it; the file is then as it was,
/// and no temporary file is left.
namespace rookery::file {

/// Who may do what with a file.
struct Access {
  static constexpr uid_t ownUser = static_cast<uid_t>(-1);
  static constexpr gid_t ownGroup = static_cast<gid_t>(-1);
  mode_t mode = 0600;
  uid_t owner = ownUser;  // another's where the process may
  gid_t group = ownGroup;
};

/// Puts `content` in place of the file, if there is one, and on the disk. Several may do so at once.
[[nodiscard]] int writeWhole(const std::filesystem::path& file, std::string_view content,
                             const Access& access = {});

/// The same in two steps, for who has to look around in between. Removed unless it takes the target's place.
class Draft {
 public:
  explicit Draft(std::filesystem::path target);
  ~Draft();
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;

  /// All of `content`, on the disk. Once.
  [[nodiscard]] int write(std::string_view content, const Access& access = {});

  enum class Present { Replace, Keep };
  /// After write(). EEXIST: there is such a file, and it is to be kept. What it has done lasts after
  /// syncFolder().
  [[nodiscard]] int takePlace(Present present = Present::Replace);

 private:
  std::filesystem::path target_;
  std::string path_;
  bool exists_ = false;
};

/// Whether a file is one that was about to take another's place: what a process leaves that is killed.
bool isDraft(const std::filesystem::path& file);

/// All of `content`, wherever the open file stands.
[[nodiscard]] int writeAll(int descriptor, std::string_view content);

/// Makes the folder, for its owner alone, and what it lies in, unless they are there.
[[nodiscard]] int makeFolder(const std::filesystem::path& folder);

/// What has changed of a folder's entries is on the disk when this returns, where the file system can do
/// that.
[[nodiscard]] int syncFolder(const std::filesystem::path& folder);

/// A sentence: what to do about a file in `folder` that could not be written for that cause.
std::string remedyFor(int cause, const std::filesystem::path& folder);

}  // namespace rookery::file

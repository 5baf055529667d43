// The files of a repository that say which commit is checked out: HEAD, a branch, packed-refs.

#include <filesystem>

#include "fixtures/temp_dir.h"
#include "fuzz/target.h"
#include "source/git.h"
#include "text.h"

namespace rookery::fuzz {
namespace {

const Target gitHead("git_head", [](std::string_view input) {
  static const fixtures::TempDir folder;
  const auto parts = partsOf(input, 4);
  folder.write("git/HEAD", std::string(partAt(parts, 0)));
  folder.write("git/refs/heads/main", std::string(partAt(parts, 1)));
  folder.write("git/packed-refs", std::string(partAt(parts, 2)));
  folder.write("git/commondir", std::string(partAt(parts, 3)));
  const source::Head head = source::readHead(folder.path() / "git");
  check(head.files.size() <= 8, "few files are looked at");
  if (!head.revision) return;
  const std::string& commit = head.revision->commit;
  check((commit.size() == 40 || commit.size() == 64) &&
            commit.find_first_not_of("0123456789abcdef") == std::string::npos,
        "a commit is a digest");
  check(visible(head.revision->toString()) == head.revision->toString(), "nothing hides in a revision");
});

}  // namespace
}  // namespace rookery::fuzz

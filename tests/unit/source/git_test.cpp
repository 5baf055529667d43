#include "source/git.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <optional>

#include "fixtures/temp_dir.h"

namespace rookery::source {
namespace {

namespace fs = std::filesystem;

TEST(GitFolder, IsTheEntryOrWhatItsFileNames) {
  const fixtures::TempDir folder;
  fs::create_directories(folder.path() / "main/.git");
  const fs::path linked = folder.write("linked/.git", "gitdir: /srv/repository/.git/worktrees/linked\n");
  const fs::path submodule = folder.write("main/library/.git", "gitdir: ../.git/modules/library\n");
  const fs::path other = folder.write("other/.git", "not a work tree\n");

  EXPECT_EQ(gitFolder(folder.path() / "main/.git"), folder.path() / "main/.git");
  EXPECT_EQ(gitFolder(linked), "/srv/repository/.git/worktrees/linked");
  EXPECT_EQ(gitFolder(submodule), folder.path() / "main/library/../.git/modules/library");
  EXPECT_EQ(gitFolder(other), std::nullopt);
  EXPECT_EQ(gitFolder(folder.path() / "missing/.git"), std::nullopt);
}

TEST(EnclosingGit, IsTheNearestAbove) {
  const fixtures::TempDir folder;
  fs::create_directories(folder.path() / "main/.git");
  fs::create_directories(folder.path() / "main/deploy/prod");
  fs::create_directory_symlink("main/deploy", folder.path() / "link");

  EXPECT_EQ(enclosingGit(folder.path() / "main"), folder.path() / "main/.git");
  EXPECT_EQ(enclosingGit(folder.path() / "main/deploy/prod"), folder.path() / "main/.git");
  EXPECT_EQ(enclosingGit(folder.path() / "link/prod"), folder.path() / "main/.git");
  EXPECT_EQ(enclosingGit(folder.path() / "missing"), std::nullopt);
}

}  // namespace
}  // namespace rookery::source

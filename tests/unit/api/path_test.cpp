#include "api/path.h"

#include <gtest/gtest.h>

namespace rookery::api {
namespace {

TEST(Path, LiesBelowAFolderThatItsRelativePathDoesNotLeave) {
  constexpr const char* paths[] = {"",       "/",     "/a",    "/a/",    "/a/b",    "/a/b/c",
                                   "/a/./b", "/a//b", "/ab",   "/a/..",  "/a/../b", "/a/b/..",
                                   "/..",    "a",     "a/b",   "a/../b", "../a",    "..",
                                   ".",      "./a",   "/a/.b", "/a/..b", "/b/a",    "/a/b/"};
  for (const std::filesystem::path path : paths) {
    for (const std::filesystem::path folder : paths) {
      const std::filesystem::path relative = path.lexically_relative(folder);
      EXPECT_EQ(liesBelow(path, folder), !relative.empty() && *relative.begin() != "..")
          << path << " and " << folder;
    }
  }
}

}  // namespace
}  // namespace rookery::api

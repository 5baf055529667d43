#include "source/names.h"

#include <gtest/gtest.h>

namespace rookery::source {
namespace {

TEST(Names, TellWhatIsWalkedThrough) {
  for (const char* folder : {"/m", "/m/api", "/m/a/b/c"}) EXPECT_TRUE(leadsTo("/m", folder)) << folder;
  for (const char* folder : {"/", "/n", "/mm", "/m/.api", "/m/.git/api", "/m/a/.b"})
    EXPECT_FALSE(leadsTo("/m", folder)) << folder;
  EXPECT_TRUE(leadsTo("/.hidden", "/.hidden/api")) << "it is the root";
}

}  // namespace
}  // namespace rookery::source

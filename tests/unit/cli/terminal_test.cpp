#include "cli/terminal.h"

#include <gtest/gtest.h>

namespace rookery::cli {
namespace {

TEST(WantsColour, OnATerminalUnlessTheUserOrTheTerminalMinds) {
  EXPECT_TRUE(wantsColour(true, nullptr, "xterm-256color"));
  EXPECT_TRUE(wantsColour(true, "", nullptr));
  EXPECT_FALSE(wantsColour(false, nullptr, "xterm-256color"));
  EXPECT_FALSE(wantsColour(true, "1", "xterm-256color"));
  EXPECT_FALSE(wantsColour(true, nullptr, "dumb"));
}

}  // namespace
}  // namespace rookery::cli

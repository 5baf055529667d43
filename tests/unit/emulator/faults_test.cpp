#include "emulator/faults.h"

#include <gtest/gtest.h>

namespace rookery::emulator {
namespace {

using std::chrono::milliseconds;

TEST(Faults, ParsesEveryWord) {
  const auto faults = Faults::parse(
      "refuse,restart-ignores-memory,exit-after=300ms:2,stop-after=1s,endpoint-error,hang,drop-reply,"
      "cut-after=65536,delay=2m,cut-stream-after=3,stall-streams,unknown-data,no-statistics");
  ASSERT_TRUE(faults) << faults.error().message;
  Faults expected;
  expected.refuse = expected.restartIgnoresMemory = expected.endpointError = expected.hang =
      expected.dropReply = true;
  expected.exitAfter = Faults::ExitAfter{milliseconds(300), 2};
  expected.stopAfter = milliseconds(1'000);
  expected.cutAfter = 65'536;
  expected.delay = milliseconds(120'000);
  expected.cutStreamAfter = 3;
  expected.stallStreams = expected.unknownData = expected.noStatistics = true;
  EXPECT_EQ(expected, *faults);
  EXPECT_EQ(Faults{}, Faults::parse(""));
}

struct BadSpec {
  const char* spec;
  const char* message;
};

class BadFaults : public testing::TestWithParam<BadSpec> {};

TEST_P(BadFaults, SayWhatIsWanted) {
  const auto faults = Faults::parse(GetParam().spec);
  ASSERT_FALSE(faults);
  EXPECT_EQ(Reason::UsageError, faults.error().reason);
  EXPECT_EQ(GetParam().message, faults.error().message);
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadFaults,
    testing::Values(BadSpec{"slow",
                            "There is no fault 'slow'; the faults are: refuse, restart-ignores-memory, "
                            "exit-after, stop-after, endpoint-error, hang, drop-reply, cut-after, delay, "
                            "cut-stream-after, stall-streams, unknown-data, no-statistics."},
                    BadSpec{"refuse,",
                            "There is no fault ''; the faults are: refuse, restart-ignores-memory, "
                            "exit-after, stop-after, endpoint-error, hang, drop-reply, cut-after, delay, "
                            "cut-stream-after, stall-streams, unknown-data, no-statistics."},
                    BadSpec{"refuse=1", "The fault 'refuse=1' is not of the form refuse."},
                    BadSpec{"hang=", "The fault 'hang=' is not of the form hang."},
                    BadSpec{"delay", "The fault 'delay' is not of the form delay=2s."},
                    BadSpec{"delay=2", "The fault 'delay=2' is not of the form delay=2s."},
                    BadSpec{"delay=-2s", "The fault 'delay=-2s' is not of the form delay=2s."},
                    BadSpec{"cut-after=1k",
                            "The fault 'cut-after=1k' is not of the form cut-after=65536 (bytes of an "
                            "image)."},
                    BadSpec{"exit-after=300ms",
                            "The fault 'exit-after=300ms' is not of the form exit-after=300ms:2 (a "
                            "duration, then an exit code up to 255)."},
                    BadSpec{"exit-after=1s:256",
                            "The fault 'exit-after=1s:256' is not of the form exit-after=300ms:2 "
                            "(a duration, then an exit code up to 255)."}));

}  // namespace
}  // namespace rookery::emulator

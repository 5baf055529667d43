#include "plan/redact.h"

#include <gtest/gtest.h>

#include <ostream>

namespace rookery::plan {
namespace {

struct Redaction {
  std::string text;
  std::vector<std::string> secrets;
  std::string shown;  // # stands for what is put in their place
  std::size_t longest = 1'000;
  friend std::ostream& operator<<(std::ostream& out, const Redaction& item) { return out << item.text; }
};

class Redact : public testing::TestWithParam<Redaction> {};

TEST_P(Redact, ShowsNothingOfASecret) {
  const auto& [text, secrets, shown, longest] = GetParam();
  std::string expected = shown;
  for (std::size_t at = expected.find('#'); at != std::string::npos; at = expected.find('#', at + 1))
    expected.replace(at, 1, "‹redacted›");
  EXPECT_EQ(withoutSecrets(text, secrets, longest), expected);
}

INSTANTIATE_TEST_SUITE_P(
    Table, Redact,
    testing::Values(Redaction{"", {"hunter2"}, ""}, Redaction{"hunter2", {"hunter2"}, "#"},
                    Redaction{"a hunter2, hunter2hunter2.", {"hunter2"}, "a #, ##."},
                    Redaction{"nothing", {}, "nothing"}, Redaction{"nothing", {"", "no", "thi"}, "nothing"},
                    // One in another, and one into another, whatever their order.
                    Redaction{"my hunter2 pass", {"hunter2", "my hunter2 pass"}, "#"},
                    Redaction{"my hunter2 pass", {"my hunter2 pass", "hunter2"}, "#"},
                    Redaction{"<abcdefgh>", {"abcdef", "cdefgh"}, "<#>"},
                    Redaction{"<abcdefgh>", {"cdefgh", "abcdef"}, "<#>"},
                    // A secret of several lines, of which a console shows one.
                    Redaction{"key: MIIEvQ", {"-----BEGIN-----\nMIIEvQ\n-----END-----\n"}, "key: #"},
                    Redaction{"hunter2", {"hunter2\r\n"}, "#"}, Redaction{"hunter2 ", {"hunter2\n"}, "# "},
                    Redaction{"abc def", {"abc\ndef"}, "abc def"},
                    Redaction{"\xff\x1b[31mhunter2\xff", {"hunter2"}, "\xff\x1b[31m#\xff"},
                    // Cut.
                    Redaction{"0123456789", {}, "01234", 5},
                    Redaction{"0123hunter2", {"hunter2"}, "0123#", 6},
                    Redaction{"0123hunter2", {"hunter2"}, "0123", 4},
                    Redaction{"hunter2hunter2 hunter2", {"hunter2"}, "##", 9},
                    // What is left of one that runs into itself is no whole one.
                    Redaction{std::string(50, 'a'), {std::string(20, 'a')}, "##aaaaaaaaaa"}));

}  // namespace
}  // namespace rookery::plan

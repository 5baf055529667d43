#include "cli/failures.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <sstream>

namespace rookery::cli {
namespace {

api::ObjectKey keyOf(const std::string& name) { return {api::Kind::Unikernel, "shop", name}; }

std::string told(const Failures& failures) {
  std::ostringstream out;
  failures.tell(out);
  return out.str();
}

TEST(Failures, EqualOnesAreOneLine) {
  Failures failures;
  for (int i = 1; i <= 1'488; ++i) {
    const std::string name = fmt::format("web-{}", i);
    failures.add(keyOf(name), Reason::PolicyExceeded,
                 fmt::format("The policy allows 9 unikernels, and {} would be one of {}.", name, 9 + i));
  }
  EXPECT_EQ(
      told(failures),
      "error: 1,488 Unikernels are not Ready (PolicyExceeded); the first, shop/web-1: The policy allows 9 "
      "unikernels, and web-1 would be one of 10. The others: shop/web-2, shop/web-3, shop/web-4, "
      "shop/web-5, shop/web-6 and 1,482 more.\n");
  EXPECT_EQ(failures.count(), 1'488);
}

TEST(Failures, DifferentOnesAreNot) {
  Failures failures;
  failures.add(keyOf("a"), Reason::ImageNotFound, "Image a.hvt cannot be found.");
  failures.add(keyOf("b"), Reason::ImageNotFound, "Image ../b.hvt lies outside.");
  failures.add(keyOf("c"), Reason::DeviceMismatch, "Image c.hvt cannot be found.");
  failures.add({api::Kind::UnikernelPolicy, "shop", "a"}, Reason::ImageNotFound,
               "Image a.hvt cannot be found.");
  failures.add(keyOf("d"), Reason::ImageNotFound, "Image d.hvt cannot be found.");
  EXPECT_EQ(
      told(failures),
      "error: 2 Unikernels are not Ready (ImageNotFound); the first, shop/a: Image a.hvt cannot be found. "
      "The others: shop/d.\n"
      "error: Unikernel shop/b is not Ready (ImageNotFound): Image ../b.hvt lies outside.\n"
      "error: Unikernel shop/c is not Ready (DeviceMismatch): Image c.hvt cannot be found.\n"
      "error: UnikernelPolicy shop/a is not Ready (ImageNotFound): Image a.hvt cannot be found.\n");
}

TEST(Failures, AreSaidOnce) {
  Failures failures;
  failures.add("No connection to 10.0.42.15:1025: refused.");
  failures.add("a.yaml:1:1: this is no manifest");
  failures.add("a.yaml:1:1: this is no manifest");
  failures.countSaid();
  failures.add(keyOf("a"), Reason::InstanceUnavailable,
               "AlbatrossInstance eu-1 cannot be asked: No connection to 10.0.42.15:1025: refused.");
  EXPECT_EQ(
      told(failures),
      "error: a.yaml:1:1: this is no manifest\n"
      "error: Unikernel shop/a is not Ready (InstanceUnavailable): AlbatrossInstance eu-1 cannot be asked: "
      "No connection to 10.0.42.15:1025: refused.\n");
  EXPECT_EQ(failures.count(), 5);
  EXPECT_EQ(Failures().count(), 0);
}

TEST(Failures, NumbersHaveSeparators) {
  EXPECT_EQ(withSeparators(0), "0");
  EXPECT_EQ(withSeparators(999), "999");
  EXPECT_EQ(withSeparators(1'000), "1,000");
  EXPECT_EQ(withSeparators(12'345'678), "12,345,678");
}

}  // namespace
}  // namespace rookery::cli

#include "albatross/der.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rookery::albatross::der {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::sys_days;
using std::chrono::sys_seconds;
using ::testing::HasSubstr;

std::string written(auto write) {
  Writer out;
  write(out);
  return out.take();
}

/// What is wrong with `input`, which `read` must refuse.
std::string refusal(std::string_view input, auto read) {
  Reader in(input);
  if (read(in) && in.finish()) return "accepted";
  return in.error("it").message;
}

TEST(Der, ReadsNoMoreElementsThanFitIntoMemory) {
  // As many empty strings as the bound, and one more: 4 MB that would take thirty times as much.
  std::string strings;
  for (std::size_t i = 0; i <= mostElements; ++i) strings += "\x0c\x00"s;
  Reader reader(strings);
  std::string value;
  std::size_t read = 0;
  while (reader.bytes(Tag::Utf8String, value)) ++read;
  EXPECT_EQ(read, mostElements);
  EXPECT_THAT(reader.error("A reply").message, HasSubstr("more than 2000000 elements"));
}

TEST(Der, IntegersTakeTheFewestBytes) {
  const struct {
    std::int64_t value;
    std::string der;
  } cases[] = {
      {0, "\x02\x01\x00"s},
      {127, "\x02\x01\x7f"s},
      {128, "\x02\x02\x00\x80"s},
      {255, "\x02\x02\x00\xff"s},
      {256, "\x02\x02\x01\x00"s},
      {-1, "\x02\x01\xff"s},
      {-128, "\x02\x01\x80"s},
      {-129, "\x02\x02\xff\x7f"s},
      {(std::int64_t{1} << 62) - 1, "\x02\x08\x3f\xff\xff\xff\xff\xff\xff\xff"s},
      {-(std::int64_t{1} << 62), "\x02\x08\xc0\x00\x00\x00\x00\x00\x00\x00"s},
  };
  for (const auto& [value, der] : cases) {
    EXPECT_EQ(written([&](Writer& out) { out.integer(value); }), der) << value;
    Reader in(der);
    std::int64_t read = 0;
    EXPECT_TRUE(in.integer(read) && in.finish());
    EXPECT_EQ(read, value);
  }
}

TEST(Der, RefusesOtherIntegers) {
  const auto read = [](Reader& in) {
    std::int64_t value = 0;
    return in.integer(value);
  };
  EXPECT_THAT(refusal("\x02\x00"s, read), HasSubstr("INTEGER is empty"));
  EXPECT_THAT(refusal("\x02\x02\x00\x7f"s, read), HasSubstr("longer than it has to be"));
  EXPECT_THAT(refusal("\x02\x02\xff\x80"s, read), HasSubstr("longer than it has to be"));
  EXPECT_THAT(refusal("\x02\x08\x40\x00\x00\x00\x00\x00\x00\x00"s, read), HasSubstr("outside the 63 bits"));
  EXPECT_THAT(refusal("\x02\x08\xbf\xff\xff\xff\xff\xff\xff\xff"s, read), HasSubstr("outside the 63 bits"));
  EXPECT_THAT(refusal("\x02\x09\x01\x00\x00\x00\x00\x00\x00\x00\x00"s, read),
              HasSubstr("outside the 63 bits"));
}

TEST(Der, LengthsTakeTheFewestBytes) {
  for (const std::size_t size : {0U, 1U, 127U, 128U, 255U, 256U, 65'535U, 65'536U, 70'000U}) {
    const std::string content(size, 'x');
    const std::string der = written([&](Writer& out) { out.bytes(Tag::OctetString, content); });
    const std::size_t header = size < 128 ? 2 : size < 256 ? 3 : size < 65'536 ? 4 : 5;
    EXPECT_EQ(der.size(), header + size);
    Reader in(der);
    std::string read;
    EXPECT_TRUE(in.bytes(Tag::OctetString, read) && in.finish());
    EXPECT_EQ(read, content);
  }
}

TEST(Der, RefusesOtherLengths) {
  const auto read = [](Reader& in) {
    std::string value;
    return in.bytes(Tag::OctetString, value);
  };
  EXPECT_EQ(refusal(""s, read), "it is malformed at byte 0: OCTET STRING is missing.");
  EXPECT_EQ(refusal("\x04"s, read), "it is malformed at byte 0: OCTET STRING is cut off.");
  EXPECT_EQ(refusal("\x04\x02x"s, read),
            "it is malformed at byte 0: OCTET STRING has a length of 2, but only 1 bytes follow.");
  EXPECT_EQ(refusal("\x04\x80xx\0\0"s, read), "it is malformed at byte 0: an indefinite length is not DER.");
  EXPECT_EQ(refusal("\x04\x81\x01x"s, read),
            "it is malformed at byte 0: the length is longer than it has to be.");
  EXPECT_EQ(refusal("\x04\x82\x00\x80"s + std::string(128, 'x'), read),
            "it is malformed at byte 0: the length is longer than it has to be.");
  EXPECT_EQ(refusal("\x04\x84\x01\x00"s, read), "it is malformed at byte 0: the length is cut off.");
  EXPECT_THAT(refusal("\x04\x88\xff\xff\xff\xff\xff\xff\xff\xff"s, read), HasSubstr("only 0 bytes follow"));
  EXPECT_EQ(refusal("\x04\x89\x01\x00\x00\x00\x00\x00\x00\x00\x00"s, read),
            "it is malformed at byte 0: the length is out of range.");
  EXPECT_EQ(refusal("\x04\x01xy"s, read), "it is malformed at byte 3: 1 bytes too many.");
}

TEST(Der, ElementsEndWhereTheirContainerDoes) {
  const auto read = [](Reader& in) {
    return in.constructed(Tag::Sequence, [&] {
      std::string value;
      return in.field("first", [&] { return in.bytes(Tag::Utf8String, value); });
    });
  };
  EXPECT_EQ(refusal("\x30\x03\x0c\x01x"s, read), "accepted");
  EXPECT_EQ(refusal("\x30\x02\x0c\x01x"s, read),
            "it is malformed at byte 2, in first: UTF8String has a length of 1, but only 0 bytes follow.");
  EXPECT_EQ(refusal("\x30\x05\x0c\x01x\x05\x00"s, read), "it is malformed at byte 5: 2 bytes too many.");
}

TEST(Der, PathsNameFieldsAndItems) {
  const auto read = [](Reader& in) {
    return in.field("list",
                    [&] { return in.item(3, [&] { return in.field("name", [&] { return in.null(); }); }); });
  };
  EXPECT_EQ(refusal("\x05\x01x"s, read), "it is malformed at byte 0, in list[3].name: NULL has content.");
  EXPECT_EQ(refusal("\xa3\x00"s, read),
            "it is malformed at byte 0, in list[3].name: NULL expected, [3] found.");
}

TEST(Der, BooleansAreOneByte) {
  EXPECT_EQ(written([](Writer& out) { out.boolean(true); }), "\x01\x01\xff"s);
  EXPECT_EQ(written([](Writer& out) { out.boolean(false); }), "\x01\x01\x00"s);
  const auto read = [](Reader& in) {
    bool value = false;
    return in.boolean(value) && value;
  };
  EXPECT_EQ(refusal("\x01\x01\x01"s, read), "accepted") << "any value but zero is true";
  EXPECT_THAT(refusal("\x01\x02\xff\xff"s, read), HasSubstr("BOOLEAN has 2 bytes, not 1"));
}

std::optional<Time> readTime(std::string_view text) {
  const std::string der = written([&](Writer& out) { out.bytes(Tag::GeneralizedTime, text); });
  Reader in(der);
  Time time;
  if (!in.time(time)) return std::nullopt;
  return time;
}

TEST(Der, ReadsTimesAsTheServerDoes) {
  const sys_seconds time = sys_days(2024y / 10 / 4) + 3h + 25min + 45s;
  EXPECT_EQ(readTime("20241004032545Z"), time);
  EXPECT_EQ(readTime("20241004032545"), time);
  EXPECT_EQ(readTime("20241004032545.Z"), time);
  EXPECT_EQ(readTime("20241004032545.5Z"), time + 5ms);
  EXPECT_EQ(readTime("20241004032545.50Z"), time + 50ms);
  EXPECT_EQ(readTime("20241004032545.500Z"), time + 500ms);
  EXPECT_EQ(readTime("20241004032545.1234567Z"), time + 123ms);
  EXPECT_EQ(readTime("20241004032545+0130"), time - 90min);
  EXPECT_EQ(readTime("20241004032545.001-0130"), time + 90min + 1ms);
  EXPECT_EQ(readTime("202410040325Z"), floor<minutes>(time));
  EXPECT_EQ(readTime("2024100403-0100"), floor<hours>(time) + 1h);
  EXPECT_EQ(readTime("20241004032560Z"), floor<minutes>(time) + 1min) << "a leap second";
  EXPECT_EQ(readTime("20240229000000Z"), sys_days(2024y / 2 / 29));
}

TEST(Der, RefusesWhatIsNoTime) {
  for (const std::string_view text : {"",
                                      "Z",
                                      "2024",
                                      "20241004",
                                      "20241004Z",
                                      "2024100424Z",
                                      "20241304032545Z",
                                      "20240230032545Z",
                                      "20241000032545Z",
                                      "20241004036045Z",
                                      "20241004032561Z",
                                      "20241004032545.12345678Z",
                                      "20241004032545z",
                                      "20241004032545ZZ",
                                      "20241004032545+01",
                                      "20241004032545+0160",
                                      "20241004032545+2400",
                                      "20241004032545*0100",
                                      "20241004032545.5.5Z",
                                      "2024100403254Z",
                                      "-0241004032545Z",
                                      "+0241004032545Z",
                                      " 0241004032545Z",
                                      "99991231235960Z",
                                      "99991231235959-0001",
                                      "00000101000000+0001",
                                      "241004032545Z"}) {
    EXPECT_EQ(readTime(text), std::nullopt) << text;
  }
}

TEST(Der, WritesTimesWithNoneOrThreeDigits) {
  const auto writtenTime = [](Time time) { return written([&](Writer& out) { out.time(time); }).substr(2); };
  const Time time = sys_days(2024y / 10 / 4) + 3h + 25min + 45s;
  EXPECT_EQ(writtenTime(time), "20241004032545Z");
  EXPECT_EQ(writtenTime(time + 5ms), "20241004032545.005Z");
  EXPECT_EQ(writtenTime(time - 500ms), "20241004032544.500Z");
  EXPECT_EQ(writtenTime(sys_days(1969y / 12 / 31) + 23h + 999ms), "19691231230000.999Z");
  EXPECT_EQ(writtenTime(sys_days(0y / 1 / 1)), "00000101000000Z");
  EXPECT_EQ(writtenTime(sys_days(10000y / 1 / 1) - 1ms), "99991231235959.999Z");
}

TEST(DerDeathTest, WritesFourDigitYearsOnly) {
  EXPECT_DEATH(Writer().time(sys_days(10000y / 1 / 1)), "year of four digits");
}

}  // namespace
}  // namespace rookery::albatross::der

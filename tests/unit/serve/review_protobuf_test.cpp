#include "serve/review_protobuf.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>

namespace rookery::serve {
namespace {

using nlohmann::json;

std::string field(unsigned number, const std::string& bytes) {
  std::string text(1, static_cast<char>(number << 3U | 2U));
  std::size_t size = bytes.size();
  for (; size >= 0x80; size >>= 7U) text += static_cast<char>((size & 0x7fU) | 0x80U);
  return text + static_cast<char>(size) + bytes;
}

std::string envelope(const std::string& raw) {
  const std::string type = field(1, "authorization.k8s.io/v1") + field(2, "SelfSubjectAccessReview");
  return std::string("k8s\0", 4) + field(1, type) + field(2, raw) + field(3, "") + field(4, "");
}

/// As kubectl auth can-i sends it.
std::string question() {
  return envelope(
      field(1, field(1, "")) +
      field(2, field(1, field(1, "shop") + field(2, "delete") + field(3, "rookery.dev") + field(4, "*") +
                            field(5, "unikernels") + field(6, "") + field(7, "web"))) +
      field(3, std::string("\x08\x00\x12\x00", 4)));
}

TEST(ReviewOfProtobuf, ReadsWhatIsAsked) {
  EXPECT_EQ(reviewOfProtobuf(question()), json::parse(R"({"spec":{"resourceAttributes":{
      "namespace": "shop", "verb": "delete", "group": "rookery.dev", "version": "*", "resource": "unikernels",
      "subresource": "", "name": "web"}}})"));
  EXPECT_EQ(reviewOfProtobuf(envelope(field(2, field(2, field(1, "/metrics") + field(2, "get"))))),
            json::parse(R"({"spec":{"nonResourceAttributes":{"path": "/metrics", "verb": "get"}}})"));
  EXPECT_EQ(reviewOfProtobuf(envelope("")), json::object());
  EXPECT_EQ(reviewOfProtobuf(envelope(field(1, ""))), json::object());
}

TEST(ReviewOfProtobuf, PassesOverWhatItDoesNotKnow) {
  // A varint, 8 and 4 bytes, and a field of later versions with a number of two bytes.
  const std::string others = std::string("\x18\x96\x01", 3) + std::string("\x21", 1) + std::string(8, 'x') +
                             std::string("\x2d", 1) + std::string(4, 'x') + std::string("\xa2\x06\x01y", 4);
  EXPECT_EQ(
      reviewOfProtobuf(envelope(others + field(2, others + field(1, others + field(2, "get")) + others))),
      json::parse(R"({"spec":{"resourceAttributes":{"verb":"get"}}})"));
}

TEST(ReviewOfProtobuf, RefusesWhatIsNone) {
  const std::string magic("k8s\0", 4);
  for (const std::string& bytes : {std::string(), std::string("k8s"), std::string("{}"), magic + "\x12",
                                   magic + "\x12\x05"
                                           "ab",
                                   magic + "\x13", magic + std::string(11, '\xff'),
                                   magic + "\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                                   envelope("\x12\x09"
                                            "a"),
                                   envelope(field(2, "\x0a\x7f"))})
    EXPECT_EQ(reviewOfProtobuf(bytes), std::nullopt) << testing::PrintToString(bytes);
}

TEST(ReviewOfProtobuf, HasAnAnswerForAnyBytes) {
  std::mt19937 random(1);
  const std::string whole = question();
  for (std::size_t length = 0; length < whole.size(); ++length) reviewOfProtobuf(whole.substr(0, length));
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = whole;
    for (int change = 0; change < 3; ++change)
      bytes[4 + random() % (bytes.size() - 4)] = static_cast<char>(random());
    const auto review = reviewOfProtobuf(bytes);
    if (review) EXPECT_TRUE(review->is_object());
  }
}

}  // namespace
}  // namespace rookery::serve

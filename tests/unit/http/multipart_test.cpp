#include "http/multipart.h"

#include <gmock/gmock.h>

#include <vector>

#include "unit/http/bodies.h"

namespace rookery::http {
namespace {

using namespace std::string_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

struct Part {
  std::string name, content;
  friend bool operator==(const Part&, const Part&) = default;
};
void PrintTo(const Part& part, std::ostream* out) { *out << part.name << "=" << part.content; }

/// All parts of a form with the boundary "XX".
Result<std::vector<Part>> parse(Body& body) {
  MultipartReader reader(body, "XX");
  std::vector<Part> parts;
  while (true) {
    const auto head = reader.nextPart();
    if (!head) return std::unexpected(head.error());
    if (!*head) return parts;
    Part part{(*head)->name, {}};
    while (true) {
      const auto piece = reader.next();
      if (!piece) return std::unexpected(piece.error());
      if (piece->empty()) break;
      part.content += *piece;
    }
    parts.push_back(std::move(part));
  }
}

Result<std::vector<Part>> parse(const std::string& text) {
  TextBody body(text);
  return parse(body);
}

std::string malformationIn(const std::string& text) {
  const auto parts = parse(text);
  if (parts) return "none";
  EXPECT_EQ(parts.error().reason, Reason::BadRequest);
  return parts.error().message;
}

std::string part(const std::string& name, const std::string& content) {
  return "--XX\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + content + "\r\n";
}
std::string headed(const std::string& head) { return "--XX\r\n" + head + "\r\n\r\nx\r\n--XX--\r\n"; }

TEST(Multipart, ReadsPartsHoweverTheBodyIsCut) {
  // What looks like the boundary until the last byte, or is not at the beginning of a line.
  const std::string binary = "\r\n--X\r\n--\r\n\r\n-\r--XX\n--XX--\0\xff\r"s;
  const std::string text = part("name", "web") + part("binary", binary) + part("empty", "") + "--XX--\r\n";
  for (std::size_t first = 1; first <= text.size(); ++first) {
    TextBody halves(text, text.size(), first);
    const auto parts = parse(halves);
    ASSERT_TRUE(parts) << "cut at " << first << ": " << parts.error().message;
    ASSERT_THAT(*parts, ElementsAre(Part{"name", "web"}, Part{"binary", binary}, Part{"empty", ""}))
        << "cut at " << first;
    EXPECT_EQ(halves.read(), text.size());
  }
  for (const std::size_t piece : {1u, 2u, 3u, 5u, 8u}) {
    TextBody pieces(text, piece);
    const auto parts = parse(pieces);
    ASSERT_TRUE(parts) << parts.error().message;
    EXPECT_EQ((*parts)[1].content, binary) << "in pieces of " << piece;
  }
}

TEST(Multipart, ReadsWhatClientsSend) {
  struct Case {
    const char* head;
    const char* name;
    std::optional<std::string> filename;
    const char* contentType;
  };
  const Case cases[] = {
      {"Content-Disposition: form-data; name=\"binary\"; filename=\"web.hvt\"\r\nContent-Type: "
       "application/octet-stream",
       "binary", "web.hvt", "application/octet-stream"},
      {"content-disposition:form-data;name=binary;filename=web.hvt", "binary", "web.hvt", ""},
      {"CONTENT-DISPOSITION: Form-Data; Name=\"a b\" ; FILENAME=\"\"", "a b", "", ""},
      {"Content-Disposition: form-data; name=\"x\"; filename=\"a\\\"b;c=d\\\\e\"", "x", "a\"b;c=d\\e", ""},
      {"Content-Disposition: form-data; name=\"x\"; filename=\"C:\\tmp\\a.hvt\"", "x", "C:\\tmp\\a.hvt", ""},
      {"Content-Disposition: form-data; name=\"x\"; filename*=utf-8''a%20b;", "x", std::nullopt, ""},
      {"Content-Type: text/plain\r\nX-Other: 1\r\nContent-Disposition: form-data; name=\"\"", "",
       std::nullopt, "text/plain"},
      {"Content-Disposition: form-data; name=x\r\nContent-Transfer-Encoding: BINARY", "x", std::nullopt, ""},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.head);
    TextBody body(headed(each.head));
    MultipartReader reader(body, "XX");
    const auto head = reader.nextPart();
    ASSERT_TRUE(head) << head.error().message;
    ASSERT_TRUE(*head);
    EXPECT_EQ((*head)->name, each.name);
    EXPECT_EQ((*head)->filename, each.filename);
    EXPECT_EQ((*head)->contentType, each.contentType);
  }
}

TEST(Multipart, PassesOverWhatIsOutside) {
  EXPECT_THAT(parse("--XX--"), testing::Optional(IsEmpty()));
  const auto parts = parse("a preamble\r\n" + part("a", "1") + "--XX--\r\nan epilogue");
  ASSERT_TRUE(parts) << parts.error().message;
  EXPECT_THAT(*parts, ElementsAre(Part{"a", "1"}));
  EXPECT_THAT(malformationIn(std::string(MultipartReader::maxOutsideBytes + 1, 'x') + "\r\n--XX--"),
              HasSubstr("first boundary is missing"));
  EXPECT_THAT(malformationIn("--XX--" + std::string(MultipartReader::maxOutsideBytes + 1, 'x')),
              HasSubstr("after its last boundary"));
}

TEST(Multipart, TransportPaddingBelongsToTheBoundary) {
  const auto parts = parse(
      "--XX \t\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--XX  \r\n"
      "Content-Disposition: form-data; name=a\r\n\r\n2\r\n--XX--");
  ASSERT_TRUE(parts) << parts.error().message;
  EXPECT_THAT(*parts, ElementsAre(Part{"a", "1"}, Part{"a", "2"})) << "who reads the form judges duplicates";
}

TEST(Multipart, RefusesWhatIsMalformed) {
  const std::string name = "Content-Disposition: form-data; name=a";
  const std::pair<std::string, const char*> cases[] = {
      {"", "without its last boundary"},
      {"name=web&binary=x", "without its last boundary"},
      {part("a", "1"), "without its last boundary"},
      {part("a", "1") + "--XX", "within a boundary"},
      {part("a", "1") + "--XX-", "within a boundary"},
      {part("a", "1") + "--XX\r\nContent-Disp", "within the head"},
      {part("a", "1\r\n--XXL"), "begins with the boundary"},
      {"--XX\n" + name + "\n\n1\n--XX--", "within the head"},
      {headed("Content-Type: text/plain"), "no Content-Disposition"},
      {headed("Content-Disposition: attachment; name=a"), "not form-data with a name"},
      {headed("Content-Disposition: form-data"), "not form-data with a name"},
      {headed("Content-Disposition: form-data; name"), "not form-data with a name"},
      {headed("Content-Disposition: form-data; name=\"a"), "not form-data with a name"},
      {headed("Content-Disposition: form-data; name=\"a\"b"), "not form-data with a name"},
      {headed("Content-Disposition: form-data; name=a; name=b"), "not form-data with a name"},
      {headed(name + "\r\n" + name), "no header of a part"},
      {headed(name + "\r\n folded"), "no header of a part"},
      {headed(name + "\nX: y"), "no header of a part"},
      {headed("Content-Disposition : form-data; name=a"), "no header of a part"},
      {headed("no header at all"), "no header of a part"},
      {headed(name + "\r\nContent-Transfer-Encoding: base64"), "Content-Transfer-Encoding"},
      {headed(name + "\r\nX: " + std::string(MultipartReader::maxHeadBytes, 'x')), "larger than 8192 bytes"},
  };
  for (const auto& [text, message] : cases) EXPECT_THAT(malformationIn(text), HasSubstr(message)) << text;
}

TEST(Multipart, BoundsTheNumberOfParts) {
  std::string text;
  for (std::size_t i = 0; i < MultipartReader::maxParts; ++i) text += part("a", "1");
  const auto parts = parse(text + "--XX--");
  ASSERT_TRUE(parts) << parts.error().message;
  EXPECT_THAT(*parts, SizeIs(MultipartReader::maxParts));
  EXPECT_THAT(malformationIn(text + part("a", "1") + "--XX--"), HasSubstr("more than 100 parts"));
}

TEST(Multipart, BoundsAField) {
  TextBody body(part("a", "12345") + part("b", "123456") + "--XX--");
  MultipartReader reader(body, "XX");
  ASSERT_TRUE(reader.nextPart());
  EXPECT_EQ(reader.readField("a", 5), "12345");
  ASSERT_TRUE(reader.nextPart());
  const auto tooLong = reader.readField("b", 5);
  ASSERT_FALSE(tooLong);
  EXPECT_EQ(tooLong.error().reason, Reason::RequestEntityTooLarge);
  EXPECT_THAT(tooLong.error().message, HasSubstr("\"b\""));
  EXPECT_FALSE(reader.nextPart()) << "errors stay";
}

TEST(Multipart, PassesOverTheRestOfAPart) {
  TextBody body(part("a", std::string(100, 'x')) + part("b", "1") + "--XX--");
  MultipartReader reader(body, "XX");
  ASSERT_TRUE(reader.nextPart());
  ASSERT_TRUE(reader.next());
  const auto head = reader.nextPart();
  ASSERT_TRUE(head);
  EXPECT_EQ((*head)->name, "b");
}

TEST(Multipart, SaysHowTheBodyFailed) {
  const std::string text = part("a", "1") + "--XX--";
  for (std::size_t at = 0; at < text.size(); ++at) {
    TextBody body(text, 1);
    body.failAt(at);
    const auto parts = parse(body);
    ASSERT_FALSE(parts);
    EXPECT_EQ(parts.error().reason, Reason::ConnectionFailed);
  }
}

TEST(Multipart, ReadsTheBoundary) {
  const std::string longest(70, 'b');
  EXPECT_EQ(*formBoundary("multipart/form-data; boundary=XX"), "XX");
  EXPECT_EQ(*formBoundary("Multipart/Form-Data;charset=utf-8; BOUNDARY=\"a b'(:?\""), "a b'(:?");
  EXPECT_EQ(*formBoundary("multipart/form-data; boundary=" + longest), longest);
  EXPECT_EQ(*formBoundary("multipart/mixed; boundary=XX"), std::nullopt);
  EXPECT_EQ(*formBoundary(""), std::nullopt);
  for (const std::string& bad :
       {std::string(), std::string("; boundary"), std::string("; boundary="),
        std::string("; boundary=\"a \""), "; boundary=" + longest + "b", std::string("; boundary=\"a\nb\""),
        std::string("; boundary=a; boundary=b")}) {
    EXPECT_FALSE(formBoundary("multipart/form-data" + bad)) << bad;
  }
}

}  // namespace
}  // namespace rookery::http

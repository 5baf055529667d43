#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "api/manifest.h"
#include "fixtures/peak_memory.h"
#include "yaml/yaml.h"

namespace rookery::api {
namespace {

/// `size` bytes of a piece over and over; the piece may tell its number.
std::string fill(std::size_t size, const std::function<std::string(std::size_t)>& piece) {
  std::string text;
  for (std::size_t i = 0; text.size() < size; ++i) text += piece(i);
  return text;
}

std::string fill(std::size_t size, const std::string& piece) {
  return fill(size, [&](std::size_t) { return piece; });
}

using Texts = std::vector<std::pair<std::string, std::string>>;

/// What costs more memory than it looks.
Texts yamlOf(std::size_t size) {
  const std::string head = "apiVersion: rookery.dev/v1alpha1\nkind: Unikernel\nmetadata:\n  name: web\n";
  const std::string spec = "spec: {image: {path: web.hvt}}\n";
  std::string anchors = "a: ";
  for (int i = 0; i < 60; ++i) anchors += fmt::format("&a{} [", i);
  std::string nest = "  managedFields: [";
  for (int i = 0; i < 50; ++i) nest += "{" + std::string(80, 'x') + ": ";
  const std::string unnest = std::string(50, '}') + "]\n";
  return {
      {"brackets", std::string(size, '[')},
      {"braces", fill(size, "{a: ")},
      {"lists in a list", "[" + fill(size, "[],")},
      {"mappings in a list", "[" + fill(size, "{},") + "0]"},
      {"lists without commas", "[" + fill(size, "[]")},
      {"commas", "[" + fill(size, ",") + "]"},
      {"commas after a document", fill(size, "[],")},
      {"keys without a value", "{" + fill(size, "a,") + "}"},
      {"keys of nothing", "[[" + fill(size, ": ,")},
      {"quotes side by side", fill(size, "''\"\"")},
      {"colons", "[[" + fill(size, "'':")},
      {"anchors side by side", fill(size, "&a ")},
      {"tags side by side", "[[" + fill(size, "! ")},
      {"lines that are no keys", "a:\n" + fill(size, "b\n")},
      {"a document within a list", "[\n---\n]\n" + fill(size, "- [a]\n")},
      {"a list on one line", "[" + fill(size, "a,") + "a]"},
      {"a list on many lines", fill(size, "- a\n")},
      {"nothing, often", fill(size, "-\n")},
      {"dashes", fill(size, "- ")},
      {"question marks", fill(size, "? ")},
      {"one word", "a: " + std::string(size, 'x')},
      {"one quoted word", "a: \"" + fill(size, "\\n") + "\""},
      {"a block", "a: |\n" + fill(size, "  x\n")},
      {"a plain scalar of many lines", "a: x\n" + fill(size, "  x\n")},
      {"keys", fill(size, [](std::size_t i) { return fmt::format("a{}:\n", i); })},
      {"one key", fill(size, "a: 1\n")},
      {"anchors", fill(size, [](std::size_t i) { return fmt::format("- &a{} x\n", i); })},
      {"a list that may be a key", "[" + fill(size, "a, ") + "a]"},
      {"pairs that may be a key",
       "{" + fill(size, [](std::size_t i) { return fmt::format("a{}: b, ", i); }) + "}"},
      {"nested anchors", anchors + fill(size, "x, ") + std::string(60, ']')},
      {"aliases", "a: &a " + std::string(1000, 'x') + "\nb: [" + fill(size, "*a, ") + "*a]\n"},
      {"documents", fill(size, "--- a\n")},
      {"empty documents", fill(size, "---\n")},
      {"tags", fill(size, "- !!str\n")},
      {"comments", fill(size, "# a\n")},
      {"pairs in a list", "[" + fill(size, "a: b, ") + "]"},
      {"unknown fields", head + spec + fill(size, [](std::size_t i) { return fmt::format("a{}: b\n", i); })},
      {"labels", head + "  labels:\n" +
                     fill(size, [](std::size_t i) { return fmt::format("    a{}: b\n", i); }) + spec},
      {"deep paths", head + nest + "{" +
                         fill(size, [](std::size_t i) { return fmt::format("a{}: 1, ", i); }) + "}" + unnest +
                         spec},
      {"a List", "apiVersion: v1\nkind: List\nitems:\n" +
                     fill(size,
                          [](std::size_t i) {
                            return fmt::format(
                                "- {{kind: Secret, apiVersion: v1, metadata: {{name: a{}}}}}\n", i);
                          })},
      {"a List of nothing", "apiVersion: v1\nkind: List\nitems: [" + fill(size, "{},") + "]"},
      {"a Secret", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData:\n" +
                       fill(size, [](std::size_t i) { return fmt::format("  a{}: b\n", i); })},
  };
}

Texts jsonOf(std::size_t size) {
  return {
      {"brackets", std::string(size, '[')},
      {"braces", fill(size, "{\"a\":")},
      {"numbers", "[" + fill(size, "0,") + "0]"},
      {"lists", "[" + fill(size, "[],") + "0]"},
      {"mappings", "[" + fill(size, "{},") + "0]"},
      {"members", "{" + fill(size, [](std::size_t i) { return fmt::format("\"a{}\":0,", i); }) + "\"\":0}"},
      {"one member", "{" + fill(size, "\"a\":0,") + "\"\":0}"},
      {"one string", "\"" + fill(size, "\\n") + "\""},
      {"values", fill(size, "[]")},
  };
}

/// Text that is refused counts as text that is read.
std::size_t peakOf(const std::function<void()>& work) {
  const fixtures::PeakMemory peak;
  work();
  return peak.bytes();
}

constexpr std::size_t boundOfYaml(std::size_t size) { return (std::size_t{8} << 20) + 192 * size; }
constexpr std::size_t boundOfJson(std::size_t size) { return (std::size_t{8} << 20) + 96 * size; }

TEST(Memory, OfAFileIsBoundedByItsSize) {
  for (const std::size_t size : {std::size_t{16} << 10, std::size_t{128} << 10}) {
    for (const auto& [what, text] : yamlOf(size)) {
      EXPECT_LE(peakOf([&] { parseManifest(text, {.root = "/m", .file = "/m/f.yaml"}); }),
                boundOfYaml(text.size()))
          << size << " bytes of " << what;
    }
    for (const auto& [what, text] : jsonOf(size)) {
      EXPECT_LE(peakOf([&] { parseManifest(text, {.root = "/m", .file = "/m/f.json"}); }),
                boundOfJson(text.size()))
          << size << " bytes of JSON: " << what;
    }
  }
}

TEST(Memory, OfABodyIsBoundedByItsSize) {
  for (const std::size_t size : {std::size_t{16} << 10, std::size_t{128} << 10}) {
    for (const auto& [what, text] : jsonOf(size)) {
      EXPECT_LE(peakOf([&] { (void)yaml::parseJson(text); }), (std::size_t{4} << 20) + 32 * text.size())
          << size << " bytes of JSON: " << what;
    }
  }
}

TEST(Memory, IsMeasured) {
  EXPECT_GE(peakOf([] { std::string(std::size_t{1} << 20, 'x').shrink_to_fit(); }), std::size_t{1} << 20);
}

}  // namespace
}  // namespace rookery::api

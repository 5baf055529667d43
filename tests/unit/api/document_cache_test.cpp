// What is read document by document is what is read as a whole: of random edits of files, some of them
// broken.

#include "api/document_cache.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <array>
#include <random>
#include <string>
#include <vector>

#include "api/manifest.h"
#include "unit/api/descriptions.h"

namespace rookery::api {
namespace {

const Origin cachedFile{.root = "/m", .file = "/m/all.yaml", .line = 0, .column = 0};

std::string documentOf(const std::string& name, const std::string& argument = "x") {
  return fmt::format(
      "---\napiVersion: rookery.dev/v1alpha1\nkind: Unikernel\nmetadata: {{name: {}}}\n"
      "spec:\n  image: {{path: web.hvt}}\n  memory: 16Mi\n  arguments: [\"{}\"]\n",
      name, argument);
}

void expectTheSame(DocumentCache& cache, const std::string& text, bool held = false) {
  const std::string expected = describeAll(parseManifestFile(text, cachedFile, held));
  for (const char* time : {"first", "second"}) {
    ASSERT_EQ(describeAll(parseManifestFile(text, cachedFile, held, &cache)), expected)
        << "the " << time << " time, of:\n"
        << text;
  }
}

/// Texts between which a boundary of documents is hard to tell, or one document may reach into the next.
constexpr std::array oddities = {
    "---\n",
    "--- !!str\n",
    "--- !!str",
    "--- # a comment\n",
    "---\n# nothing but a comment\n",
    "---\tkind: x\n",
    "...\n",
    "...\n...\n",
    "%YAML 1.2\n---\na: 1\n",
    "--- |\n text\n--- >\n folded\n",
    "---\nkey: 'a\n--- b'\n",
    "---\nkey: \"open\n",
    "---\nkey: [a,\n---\nb]\n",
    "---\n{a: 1,\n",
    "---\na: &x 1\nb: *x\n",
    "---\nb: *x\n",
    "---\na: 1\na: 2\n",
    "---\nplain\n",
    "---\r\nkind: Unikernel\r\n",
    "---x: 1\n",
    "- a\n- b\n",
    "\tkey: 1\n",
    "---\n- &a [*a]\n",
    "---\napiVersion: rookery.dev/v1alpha1\nkind: Unikernel\nmetadata: {name: bad}\nspec: {memory: x}\n",
    "---\napiVersion: rookery.dev/v1alpha1\nkind: Unikernel\nmetadata: {name: odd, name: twice}\nspec: {}\n",
    "---\nkind: Deployment\napiVersion: apps/v1\n",
    "---\nkind: UnikernelList\napiVersion: rookery.dev/v1alpha1\nitems:\n- metadata: {name: item}\n"
    "  spec: {image: {path: a}}\n",
    "---\nkind: Secret\napiVersion: v1\nmetadata: {name: s}\nstringData: {a: b}\n",
    "---\nkey: \x01\n",
    "---\nkey: \xff\n",
    "? a\n---\n: b\n",
    "---\n!!map\n",
    "---\n&anchor\n",
};

TEST(DocumentCache, ReadsWhatIsReadAsAWholeWhateverStandsBesideIt) {
  for (const char* one : oddities) {
    for (const char* other : oddities) {
      DocumentCache cache;
      expectTheSame(cache, documentOf("a") + one + documentOf("b") + other);
      expectTheSame(cache, documentOf("c") + one + other + documentOf("b"));
      expectTheSame(cache, std::string(one) + documentOf("a") + other + documentOf("b"));
    }
  }
}

TEST(DocumentCache, ReadsWhatIsReadAsAWholeAfterEachOfManyEdits) {
  std::mt19937 random(1);
  const auto below = [&](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
  };
  for (int run = 0; run < 40; ++run) {
    DocumentCache cache;
    std::vector<std::string> documents;
    for (int i = 0; i < 12; ++i) documents.push_back(documentOf(fmt::format("uk-{}", i)));
    for (int edit = 0; edit < 25; ++edit) {
      const std::size_t at = below(documents.size());
      switch (below(8)) {
        case 0:
          documents.insert(documents.begin() + static_cast<std::ptrdiff_t>(at),
                           oddities[below(oddities.size())]);
          break;
        case 1:
          if (documents.size() > 2) documents.erase(documents.begin() + static_cast<std::ptrdiff_t>(at));
          break;
        case 2:
          std::swap(documents[at], documents[below(documents.size())]);
          break;
        case 3:
          documents[at] += "# a line more\n";
          break;
        case 4:
          documents.push_back(documents[at]);
          break;
        case 5: {
          const std::size_t begin = below(documents[at].size());
          documents[at].erase(begin, below(6));
          if (documents[at].empty()) documents[at] = "---\n";
          break;
        }
        default:
          documents[at] = documentOf(fmt::format("uk-{}", below(14)), fmt::format("{}", below(1'000)));
      }
      std::string text;
      for (const std::string& document : documents) text += document;
      expectTheSame(cache, text, below(2) == 0);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(DocumentCache, KeepsTheObjectsOfWhatStaysAsItWas) {
  DocumentCache cache;
  const auto read = [&](const std::string& text) {
    return parseManifestFile(text, cachedFile, false, &cache).objects;
  };
  const auto before = read(documentOf("a") + documentOf("b") + documentOf("c"));
  const auto after = read(documentOf("a") + documentOf("b", "y") + documentOf("c"));
  ASSERT_EQ(after.size(), 3);
  EXPECT_EQ(after[0], before[0]);
  EXPECT_NE(after[1], before[1]);
  EXPECT_EQ(after[2], before[2]);
  read("---\n[broken");
  EXPECT_EQ(read(documentOf("a") + documentOf("b")).front(), before.front())
      << "after a mistake that was mended";
}

TEST(DocumentCache, HoldsTheWholeTextToItsLimits) {
  DocumentCache cache;
  std::string list = "---\n[";
  for (int i = 0; i < 15'000; ++i) list += "0,";
  list += "0]\n";
  expectTheSame(cache, documentOf("a") + list);
  expectTheSame(cache, documentOf("a") + list + list);
  expectTheSame(cache, documentOf("a") + list + list + list + list);
  std::string mistakes;
  for (int i = 0; i < 998; ++i)
    mistakes +=
        fmt::format("---\nkind: Unikernel\nmetadata: {{name: uk-{}}}\nspec: {{image: {{path: a}}}}\n", i);
  for (int i = 998; i < 1'003; ++i) {
    mistakes +=
        fmt::format("---\nkind: Unikernel\nmetadata: {{name: uk-{}}}\nspec: {{image: {{path: a}}}}\n", i);
    expectTheSame(cache, documentOf("a") + mistakes);
  }
}

TEST(DocumentCache, ForgetsFiles) {
  DocumentCache cache;
  const std::string text = documentOf("a") + documentOf("b");
  const auto before = parseManifestFile(text, cachedFile, false, &cache).objects;
  cache.keepOnly([](const std::filesystem::path& file) { return file == cachedFile.file; });
  EXPECT_EQ(parseManifestFile(text, cachedFile, false, &cache).objects, before);
  cache.keepOnly([](const std::filesystem::path&) { return false; });
  EXPECT_NE(parseManifestFile(text, cachedFile, false, &cache).objects, before);
}

}  // namespace
}  // namespace rookery::api

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "unit/api/problems.h"

namespace rookery::api {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const std::string fromDb = "  argumentsFrom: [{name: PW, secretKeyRef: {name: db, key: pw}}]\n";

std::vector<std::string> doubts(const std::string& spec, const std::string& password = "\"hunter2\"") {
  const Manifest manifest = parse(
      unikernel(spec) +
      "---\napiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: shop}\nstringData: {pw: " +
      password + "}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {pw: \"x\\n\"}\n");
  EXPECT_THAT(describe(manifest.problems), IsEmpty());
  return describe(doubtsAbout(manifest.objects));
}

TEST(Arguments, ThatFitTogetherAreNotDoubted) {
  EXPECT_THAT(doubts(""), IsEmpty());
  EXPECT_THAT(
      doubts("  arguments: ['--password=$(PW)', '$(PW)$(PW)', '$$(NO)', 'a$', '$(', '()']\n" + fromDb),
      IsEmpty());
  EXPECT_THAT(
      doubts("  arguments: ['$(PW)']\n  argumentsFrom: [{name: PW, secretKeyRef: {name: none, key: pw}}]\n"),
      IsEmpty())
      << "what is not there is a mistake, and told as one";
}

TEST(Arguments, ThatAreHardlyMeantAreDoubted) {
  const std::string undefined =
      ", so the unikernel gets it as it stands; define it in spec.argumentsFrom, or write $$(…) if just that "
      "is "
      "meant";
  EXPECT_THAT(doubts("  arguments: [a, '--x=$(PX)$(PW)$(PX)', '$(PX)', '$$$(PY)']\n" + fromDb),
              ElementsAre("6:18: spec.arguments[1]: nothing defines \"$(PX)\"" + undefined,
                          "6:50: spec.arguments[3]: nothing defines \"$(PY)\"" + undefined));
  EXPECT_THAT(doubts("  arguments: [\"$(\\e[31m)\", '$()']\n"),
              ElementsAre("6:15: spec.arguments[0]: nothing defines \"$(\\u001b[31m)\"" + undefined,
                          "6:28: spec.arguments[1]: nothing defines \"$()\"" + undefined));
  EXPECT_THAT(doubts("  arguments: ['$$(PW)']\n" + fromDb),
              ElementsAre("7:26: spec.argumentsFrom[0].name: no argument uses $(PW); write it into one of "
                          "spec.arguments, or remove this"));
  EXPECT_THAT(
      doubts("  arguments: ['$(PW)']\n" + fromDb, "\"hunter2\\n\""),
      ElementsAre(
          "7:60: spec.argumentsFrom[0].secretKeyRef.key: the value of the key pw of the Secret db ends "
          "in a line break, and the argument will, too; make it without one, as with printf %s or "
          "echo -n"));
  EXPECT_THAT(doubts("  arguments: ['$(PW)']\n" + fromDb, "\"hunter2\\r\\n\""), SizeIs(1));
}

TEST(Arguments, AreNotDoubtedWithoutEnd) {
  std::string arguments = "  arguments:\n";
  for (int i = 0; i < 1000; ++i) arguments += "  - $(A" + std::to_string(i) + ")\n";
  EXPECT_THAT(doubts(arguments), SizeIs(20));
}

}  // namespace
}  // namespace rookery::api

#include "cli/resource_arguments.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>

namespace rookery::cli {
namespace {

using testing::HasSubstr;

/// What arguments name, as "kind[name, …] …"; or the message that they do not.
std::string named(const std::vector<std::string>& arguments) {
  const auto wanted = resourcesNamed(arguments);
  if (!wanted) return wanted.error().message;
  std::vector<std::string> parts;
  for (const ResourceArgument& each : *wanted)
    parts.push_back(fmt::format("{}[{}]", each.resource.kind, fmt::join(each.names, ", ")));
  return fmt::format("{}", fmt::join(parts, " "));
}

TEST(ResourceArguments, NameKindsAndObjects) {
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{"uk"}, "Unikernel[]"},
      {{"uk", "web"}, "Unikernel[web]"},
      {{"uk", "web", "db"}, "Unikernel[web, db]"},
      {{"uk,alba"}, "Unikernel[] AlbatrossInstance[]"},
      {{"alba,uk,unikernels,events"}, "AlbatrossInstance[] Unikernel[] Event[]"},
      {{"uk,ukpol", "shop"}, "Unikernel[shop] UnikernelPolicy[shop]"},
      {{"all"}, "AlbatrossInstance[] Unikernel[] UnikernelPolicy[] UnikernelVolume[]"},
      {{"ALL,secrets"}, "AlbatrossInstance[] Unikernel[] UnikernelPolicy[] UnikernelVolume[] Secret[]"},
      {{"uk/web"}, "Unikernel[web]"},
      {{"uk/web", "alba/eu-1", "unikernels/db"}, "Unikernel[web, db] AlbatrossInstance[eu-1]"},
  };
  for (const auto& [arguments, expected] : cases) EXPECT_EQ(named(arguments), expected);
}

TEST(ResourceArguments, MistakesAreNamed) {
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{"pods"}, "\"pods\" is not a kind"},
      {{"uk,pods"}, "\"pods\" is not a kind"},
      {{"uk,,alba"}, "\"\" is not a kind"},
      {{","}, "\"\" is not a kind"},
      {{""}, "Name a kind"},
      {{"uk/web", "db"}, "\"db\" does not go with the others"},
      {{"uk/"}, "\"uk/\" does not name one object"},
      {{"uk/a/b"}, "\"uk/a/b\" does not name one object"},
      {{"all/web"}, "\"all\" is not a kind"},
  };
  for (const auto& [arguments, expected] : cases) EXPECT_THAT(named(arguments), HasSubstr(expected));
}

TEST(ResourceArguments, MayHaveToNameObjects) {
  EXPECT_EQ(objectsNamed({"uk/web"})->front().names, std::vector<std::string>{"web"});
  EXPECT_THAT(objectsNamed({"uk"}).error().message, HasSubstr("NAME is required"));
  EXPECT_THAT(objectsNamed({"pods", "web"}).error().message, HasSubstr("is not a kind"));
}

TEST(ResourceArguments, NameOneOfAKind) {
  const CLI::Validator validator = nameOfA(api::Kind::Unikernel);
  for (const std::string& word : {"web", "uk/web", "Unikernels/web"}) {
    std::string name = word;
    EXPECT_EQ(validator(name), "");
    EXPECT_EQ(name, "web");
  }
  for (std::string wrong : {"alba/eu-1", "pods/web", "uk/"}) EXPECT_NE(validator(wrong), "");
}

}  // namespace
}  // namespace rookery::cli

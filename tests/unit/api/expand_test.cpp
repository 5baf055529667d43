#include "api/expand.h"

#include <gmock/gmock.h>

namespace rookery::api {
namespace {

using testing::ElementsAre;

struct Expansion {
  const char* text;
  const char* expanded;
};

// The cases of Kubernetes' own expansion_test.go.
constexpr Expansion expansions[] = {
    {"$(VAR_A)", "A"},
    {"___$(VAR_B)___", "___B___"},
    {"$(VAR_A)-$(VAR_B)-$(VAR_C)", "A-B-C"},
    {"$(VAR_A)-1", "A-1"},
    {"$(VAR_REF)", "$(VAR_A)"},
    {"%%$(VAR_REF)--$(VAR_REF)%%", "%%$(VAR_A)--$(VAR_A)%%"},
    {"f000-$$VAR_A", "f000-$VAR_A"},
    {"foo\\$(VAR_C)bar", "foo\\Cbar"},
    {"foo\\\\$(VAR_C)bar", "foo\\\\Cbar"},
    {"$(VAR_A$(VAR_B))", "$(VAR_A$(VAR_B))"},
    {"$(VAR_A$(VAR_B)", "$(VAR_A$(VAR_B)"},
    {"foo$(VAR_EMPTY)bar", "foobar"},
    {"foo$(VAR_Awhoops!", "foo$(VAR_Awhoops!"},
    {"f00__(VAR_A)__", "f00__(VAR_A)__"},
    {"$?_boo_$!", "$?_boo_$!"},
    {"$VAR_A", "$VAR_A"},
    {"$(VAR_DNE)", "$(VAR_DNE)"},
    {"$$$$$$(BIG_MONEY)", "$$$(BIG_MONEY)"},
    {"$$$$$$(VAR_A)", "$$$(VAR_A)"},
    {"$$$$$$$(GOOD_ODDS)", "$$$$(GOOD_ODDS)"},
    {"$$$$$$$(VAR_A)", "$$$A"},
    {"$VAR_A)", "$VAR_A)"},
    {"${VAR_A}", "${VAR_A}"},
    {"$(VAR_B)_______$(A", "B_______$(A"},
    {"$(VAR_C)_______$(", "C_______$("},
    {"$(VAR_A)foobarzab$", "Afoobarzab$"},
    {"foo-\\$(VAR_A", "foo-\\$(VAR_A"},
    {"--$($($($($--", "--$($($($($--"},
    {"$($($($($--foo$(", "$($($($($--foo$("},
    {"foo0--$($($($(", "foo0--$($($($("},
    {"$(foo$$var)", "$(foo$$var)"},
    {"$($$", "$($"},
    {"$$(VAR_A)", "$(VAR_A)"},
    {"", ""},
};

TEST(Expand, DoesAsKubernetesDoes) {
  const std::map<std::string, std::string> values = {
      {"VAR_A", "A"}, {"VAR_B", "B"}, {"VAR_C", "C"}, {"VAR_REF", "$(VAR_A)"}, {"VAR_EMPTY", ""}};
  for (const auto& [text, expanded] : expansions) EXPECT_EQ(expand(text, values), expanded) << text;
}

TEST(Expand, ListsWhatATextRefersTo) {
  EXPECT_THAT(references("$(A)$$(B)$(C$(D)x$(E"), ElementsAre("A", "C$(D"));
}

TEST(Expand, AManyTimesUnclosedReferenceIsReadOnce) {
  std::string text;
  for (int i = 0; i < 500'000; ++i) text += "$(";
  EXPECT_EQ(expand(text, {}), text);
}

TEST(ParseMi, TakesQuantitiesOfWholeMi) {
  const std::pair<const char*, std::int64_t> amounts[] = {
      {"32Mi", 32},       {"0Mi", 0},    {"1Gi", 1024},          {"0.5Gi", 512},
      {"1.50Gi", 1536},   {"2048Ki", 2}, {"131072k", 125},       {"1Ti", 1 << 20},
      {"8Ei", 8LL << 40}, {"1.0Mi", 1},  {"1048576M", 1'000'000}};
  for (const auto& [text, mebi] : amounts) EXPECT_EQ(parseMi(text), mebi) << text;
}

TEST(ParseMi, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> mistakes[] = {
      {"32", "\"32\" has no unit; write \"32Mi\""},
      {"32M", "\"32M\" is not a whole number of Mi; write one such as \"31Mi\""},
      {"100Ki", "\"100Ki\" is not a whole number of Mi; write one such as \"1Mi\""},
      {"16Ei", "\"16Ei\" is more than any machine has"},
      {"-1Mi", "\"-1Mi\" is not an amount of memory; write it in whole Mi, such as \"32Mi\""},
      {"32MB", "\"32MB\" is not an amount of memory; write it in whole Mi, such as \"32Mi\""},
      {"", "\"\" is not an amount of memory; write it in whole Mi, such as \"32Mi\""},
      {"1.Mi", "\"1.Mi\" is not an amount of memory; write it in whole Mi, such as \"32Mi\""},
      {"0.0000000001Ei",
       "\"0.0000000001Ei\" is not an amount of memory; write it in whole Mi, such as \"32Mi\""},
      {"99999999999999999999Mi",
       "\"99999999999999999999Mi\" is not an amount of memory; write it in whole Mi, such as \"32Mi\""}};
  for (const auto& [text, message] : mistakes) {
    const auto parsed = parseMi(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error(), (Error{Reason::InvalidManifest, message}));
  }
}

TEST(ParseDuration, TakesWhatKubernetesWrites) {
  const std::pair<const char*, std::int64_t> durations[] = {{"5s", 5'000},        {"10m", 600'000},
                                                            {"1h30m", 5'400'000}, {"250ms", 250},
                                                            {"1.5s", 1'500},      {"1m0.25s", 60'250}};
  for (const auto& [text, milliseconds] : durations) {
    EXPECT_EQ(parseDuration(text), std::chrono::milliseconds(milliseconds)) << text;
  }
}

TEST(ParseDuration, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> mistakes[] = {
      {"5", "\"5\" has no unit; write \"5s\""},
      {"0s", "\"0s\" is not a duration of 1ms to a year"},
      {"", "\"\" is not a duration of 1ms to a year"},
      {"8761h", "\"8761h\" is not a duration of 1ms to a year"},
      {"9999999999999999999h", "\"9999999999999999999h\" is not a duration of 1ms to a year"},
      {"-5s", "\"-5s\" is not a duration, such as \"30s\", \"5m\" or \"1h30m\""},
      {"5 s", "\"5 s\" is not a duration, such as \"30s\", \"5m\" or \"1h30m\""},
      {"1h5", "\"1h5\" is not a duration, such as \"30s\", \"5m\" or \"1h30m\""},
      {"5d", "\"5d\" is not a duration, such as \"30s\", \"5m\" or \"1h30m\""}};
  for (const auto& [text, message] : mistakes) {
    const auto parsed = parseDuration(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error(), (Error{Reason::InvalidManifest, message}));
  }
}

TEST(InstanceVariables, AreItsNameAndItsLabels) {
  const auto values = instanceVariables("eu-1", {{"region", "eu"}, {"example.org/disk-type", "ssd"}});
  EXPECT_EQ(
      expand("$(INSTANCE_NAME) $(INSTANCE_LABEL_region) $(INSTANCE_LABEL_example_org_disk_type)", values),
      "eu-1 eu ssd");
  EXPECT_TRUE(isInstanceVariable("INSTANCE_LABEL_region") && isInstanceVariable("INSTANCE_NAME"));
  EXPECT_FALSE(isInstanceVariable("INSTANCE") || isInstanceVariable("NAME"));
}

}  // namespace
}  // namespace rookery::api

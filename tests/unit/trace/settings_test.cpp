#include "trace/settings.h"

#include <gmock/gmock.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace rookery::trace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

using Variables = std::map<std::string, std::string>;

Environment read(const Variables& variables) {
  return readEnvironment([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

Settings settingsOf(Variables variables) {
  variables.try_emplace("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
  const Environment environment = read(variables);
  EXPECT_THAT(environment.warnings, IsEmpty());
  return environment.settings.value_or(Settings{});
}

TEST(TraceSettings, SayWhetherAndWhereTo) {
  const struct {
    const char* about;
    Variables variables;
    const char* url;  // "": off
  } cases[] = {
      {"nothing is set", {}, ""},
      {"an empty variable is none", {{"OTEL_EXPORTER_OTLP_ENDPOINT", ""}}, ""},
      {"the base", {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"}}, "http://c:4318/v1/traces"},
      {"the base with a path",
       {{"OTEL_EXPORTER_OTLP_ENDPOINT", "https://c/otlp/"}},
       "https://c/otlp/v1/traces"},
      {"traces alone are sent there as it is",
       {{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/mine"}, {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://d"}},
       "http://c/mine"},
      {"traces alone, without a path", {{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:1"}}, "http://c:1/"},
      {"the default's", {{"OTEL_TRACES_EXPORTER", "otlp"}}, "http://localhost:4318/v1/traces"},
      {"not wanted", {{"OTEL_TRACES_EXPORTER", "none"}, {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"}}, ""},
      {"disabled", {{"OTEL_SDK_DISABLED", "TRUE"}, {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"}}, ""},
      {"not disabled",
       {{"OTEL_SDK_DISABLED", "false"}, {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"}},
       "http://c/v1/traces"}};
  for (const auto& each : cases) {
    const Environment environment = read(each.variables);
    EXPECT_EQ(environment.settings ? environment.settings->url : "", each.url) << each.about;
    EXPECT_THAT(environment.warnings, IsEmpty()) << each.about;
  }
}

TEST(TraceSettings, AreWhatTheSpecificationSaysWhereNothingIs) {
  const Settings settings = settingsOf({});
  EXPECT_EQ(settings.timeout, std::chrono::seconds(10));
  EXPECT_EQ(settings.delay, std::chrono::seconds(5));
  EXPECT_EQ(settings.queue, 2'048u);
  EXPECT_EQ(settings.batch, 512u);
  EXPECT_EQ(settings.sampler.ratio, 1);
  EXPECT_THAT(settings.headers, IsEmpty());
  EXPECT_THAT(settings.resource, ElementsAre(Pair("service.name", Value("rookery"))));
}

TEST(TraceSettings, DecodeHeadersAndAttributes) {
  const Settings settings = settingsOf(
      {{"OTEL_EXPORTER_OTLP_HEADERS", " api-key = a%20b%2Cc , x=1;meta=no,empty="},
       {"OTEL_RESOURCE_ATTRIBUTES", "service.name=ignored,deployment.environment=pr%C3%B6d,a=1,a=2"},
       {"OTEL_SERVICE_NAME", "birds"}});
  EXPECT_THAT(settings.headers, ElementsAre("api-key: a b,c", "x: 1", "empty;"));
  EXPECT_THAT(settings.resource,
              ElementsAre(Pair("service.name", Value("birds")), Pair("deployment.environment", Value("pröd")),
                          Pair("a", Value("2"))));
}

TEST(TraceSettings, OfTracesCountBeforeThoseOfEverything) {
  const Settings settings = settingsOf({{"OTEL_EXPORTER_OTLP_HEADERS", "a=1"},
                                        {"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "b=2"},
                                        {"OTEL_EXPORTER_OTLP_TIMEOUT", "1"},
                                        {"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "2"}});
  EXPECT_THAT(settings.headers, ElementsAre("b: 2"));
  EXPECT_EQ(settings.timeout, std::chrono::milliseconds(2));
}

TEST(TraceSettings, ChooseASampler) {
  const struct {
    const char *sampler, *argument;
    double ratio;
  } cases[] = {{"always_on", "", 1},
               {"always_off", "", 0},
               {"parentbased_always_on", "", 1},
               {"parentbased_always_off", "0.5", 0},
               {"traceidratio", "0.25", 0.25},
               {"parentbased_traceidratio", "1e-3", 0.001},
               {"traceidratio", "", 1}};
  for (const auto& each : cases) {
    const Settings settings =
        settingsOf({{"OTEL_TRACES_SAMPLER", each.sampler}, {"OTEL_TRACES_SAMPLER_ARG", each.argument}});
    EXPECT_EQ(settings.sampler.ratio, each.ratio) << each.sampler << ' ' << each.argument;
  }
}

TEST(TraceSettings, IgnoreAMistakeAndWarnWithoutTheValue) {
  const struct {
    const char *variable, *value;
  } cases[] = {{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "secret:4317"},
               {"OTEL_EXPORTER_OTLP_HEADERS", "secret"},
               {"OTEL_EXPORTER_OTLP_HEADERS", "a=secret%0d%0aHost: evil"},
               {"OTEL_EXPORTER_OTLP_HEADERS", "a b=secret"},
               {"OTEL_EXPORTER_OTLP_HEADERS", "a=secret%2"},
               {"OTEL_EXPORTER_OTLP_TIMEOUT", "secret"},
               {"OTEL_EXPORTER_OTLP_TIMEOUT", "-1"},
               {"OTEL_EXPORTER_OTLP_TIMEOUT", "0"},
               {"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"},
               {"OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"},
               {"OTEL_RESOURCE_ATTRIBUTES", "a=1,secret%zz=1"},
               {"OTEL_TRACES_SAMPLER", "secret"},
               {"OTEL_SDK_DISABLED", "1"},
               {"OTEL_TRACES_EXPORTER", "zipkin"},
               {"OTEL_BSP_MAX_QUEUE_SIZE", "0"}};
  for (const auto& [variable, value] : cases) {
    Variables variables = {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"}};
    variables[variable] = value;
    const Environment environment = read(variables);
    ASSERT_TRUE(environment.settings) << variable;
    EXPECT_EQ(environment.settings->url, "http://c/v1/traces");
    EXPECT_THAT(environment.settings->headers, IsEmpty());
    EXPECT_THAT(environment.warnings,
                ElementsAre(testing::AllOf(HasSubstr(variable), Not(HasSubstr("secret")))))
        << variable << '=' << value;
  }
}

TEST(TraceSettings, HaveABound) {
  const Environment environment = read(
      {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"}, {"OTEL_RESOURCE_ATTRIBUTES", std::string(20'000, 'a')}});
  EXPECT_THAT(environment.warnings, ElementsAre(HasSubstr("OTEL_RESOURCE_ATTRIBUTES has more than")));
}

TEST(TraceSettings, ShowNoPasswordOfAUrl) {
  EXPECT_EQ(Settings{.url = "https://user:pass@host:1/v1/traces?token=x"}.shownUrl(),
            "https://host:1/v1/traces");
  EXPECT_EQ(Settings{.url = "http://host/"}.shownUrl(), "http://host/");
  EXPECT_EQ(Settings{.url = "http://a@b@host"}.shownUrl(), "http://host");
}

TEST(TraceSampler, TakesItsShareOfTheIds) {
  EXPECT_FALSE(Sampler{0}.samples(0));
  EXPECT_TRUE(Sampler{1}.samples(~std::uint64_t{0}));
  EXPECT_TRUE(Sampler{0.5}.samples((std::uint64_t{1} << 63) - 1));
  EXPECT_FALSE(Sampler{0.5}.samples(std::uint64_t{1} << 63));
}

}  // namespace
}  // namespace rookery::trace

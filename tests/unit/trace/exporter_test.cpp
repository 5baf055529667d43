// Spans on their way to a collector: real HTTP on loopback.

#include "trace/exporter.h"

#include <gmock/gmock.h>
#include <httplib.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "trace/tracer.h"

namespace rookery::trace {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Not;
using testing::SizeIs;

/// Longer than anything takes that does not hang.
constexpr std::chrono::seconds patience{60};

/// Takes what is posted to it, and answers as it is told.
class Collector {
 public:
  struct Answer {
    int status = 200;
    std::string retryAfter = {}, body = "{}";
    bool hang = false;  // until release()
  };
  Collector() {
    server_.Post("/v1/traces", [this](const httplib::Request& request, httplib::Response& response) {
      std::unique_lock lock(mutex_);
      requests_.push_back(request);
      changed_.notify_all();
      Answer answer;
      if (!answers_.empty()) {
        answer = answers_.front();
        answers_.pop_front();
      }
      if (answer.hang) changed_.wait_for(lock, patience, [this] { return released_; });
      response.status = answer.status;
      if (!answer.retryAfter.empty()) response.set_header("Retry-After", answer.retryAfter);
      response.set_content(answer.body, "application/json");
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~Collector() {
    release();
    server_.stop();
    thread_.join();
  }
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  void willAnswer(Answer answer) {
    const std::lock_guard lock(mutex_);
    answers_.push_back(std::move(answer));
  }
  void release() {
    const std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }
  std::vector<httplib::Request> await(std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, patience, [&] { return requests_.size() >= count; }));
    return requests_;
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/v1/traces"; }

 private:
  httplib::Server server_;
  int port_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Answer> answers_;
  std::vector<httplib::Request> requests_;
  bool released_ = false;
  std::thread thread_;
};

class ExporterTest : public testing::Test {
 protected:
  Exporter::Options options() {
    return {.settings = {.url = collector_.url(), .delay = 0ms},
            .version = "1.2.3",
            .warn = [this](const std::string& message) { note(warnings_, message); },
            .inform = [this](const std::string& message) { note(news_, message); },
            .patience = {.firstPause = 1ms, .longestPause = 2ms, .batch = patience, .end = patience}};
  }
  void start(Exporter::Options options) {
    exporter_.emplace(std::move(options));
    tracer_.emplace(Sampler(), [this](SpanData span) { exporter_->add(std::move(span)); });
  }
  void note(std::vector<std::string>& into, const std::string& message) {
    const std::lock_guard lock(mutex_);
    into.push_back(message);
  }
  void traceOne(std::string_view name = "round") { tracer_->begin({}, name, SpanKind::Internal).end(); }

  Collector collector_;
  std::mutex mutex_;
  std::vector<std::string> warnings_, news_;
  std::optional<Exporter> exporter_;
  std::optional<Tracer> tracer_;
};

TEST_F(ExporterTest, SendsSpansAsOtlpHasThemInJson) {
  Exporter::Options chosen = options();
  chosen.settings.headers = {"Authorization: Bearer x"};
  chosen.settings.resource = {{"service.name", "birds"}};
  chosen.settings.batch = 2;
  chosen.settings.delay = patience;  // it goes as there are two
  start(std::move(chosen));
  std::string trace;
  {
    Span round = tracer_->begin({}, "round", SpanKind::Internal);
    trace = round.context().traceId();
    Span step = tracer_->begin(round.context(), "step", SpanKind::Client);
    step.set("text",
             "a\xff"
             "b");
    step.set("number", std::int64_t{1} << 60);
    step.set("truth", true);
    step.set("part", 0.5);
    step.fail("Refused", "No.");
  }
  const auto requests = collector_.await(1);
  EXPECT_EQ(requests[0].get_header_value("Content-Type"), "application/json");
  EXPECT_EQ(requests[0].get_header_value("Authorization"), "Bearer x");
  EXPECT_EQ(requests[0].get_header_value("User-Agent"), "rookery/1.2.3");
  const json body = json::parse(requests[0].body);
  const json& resource = body.at("resourceSpans").at(0);
  EXPECT_EQ(resource.at("resource").at("attributes"),
            json::parse(R"([{"key": "service.name", "value": {"stringValue": "birds"}}])"));
  const json& scope = resource.at("scopeSpans").at(0);
  EXPECT_EQ(scope.at("scope"), json::parse(R"({"name": "rookery", "version": "1.2.3"})"));
  ASSERT_THAT(scope.at("spans"), SizeIs(2));
  const json& step = scope.at("spans").at(0);
  const json& round = scope.at("spans").at(1);
  EXPECT_THAT(trace, MatchesRegex("[0-9a-f]{32}"));
  for (const json& span : {step, round}) {
    EXPECT_EQ(span.at("traceId"), trace);
    EXPECT_THAT(span.at("spanId").get<std::string>(), MatchesRegex("[0-9a-f]{16}"));
    EXPECT_THAT(span.at("startTimeUnixNano").get<std::string>(), MatchesRegex("1[0-9]{18}"));
    EXPECT_GE(span.at("endTimeUnixNano").get<std::string>(), span.at("startTimeUnixNano").get<std::string>());
  }
  EXPECT_EQ(step.at("parentSpanId"), round.at("spanId"));
  EXPECT_FALSE(round.contains("parentSpanId"));
  EXPECT_EQ(step.at("kind"), 3);
  EXPECT_EQ(round.at("kind"), 1);
  EXPECT_EQ(step.at("status"), json::parse(R"({"code": 2, "message": "No."})"));
  EXPECT_FALSE(round.contains("status"));
  EXPECT_EQ(step.at("attributes"), json::parse(R"([
    {"key": "text", "value": {"stringValue": "a�b"}},
    {"key": "number", "value": {"intValue": "1152921504606846976"}},
    {"key": "truth", "value": {"boolValue": true}},
    {"key": "part", "value": {"doubleValue": 0.5}},
    {"key": "error.type", "value": {"stringValue": "Refused"}}])"));
}

TEST_F(ExporterTest, TriesAgainWhatOtlpSaysMayBeTriedAgain) {
  for (const int status : {429, 502, 503, 504}) collector_.willAnswer({.status = status});
  start(options());
  traceOne();
  collector_.await(5);
  exporter_->stop();
  const auto counts = exporter_->counts();
  EXPECT_EQ(counts.exported, 1u);
  EXPECT_EQ(counts.dropped, 0u);
  EXPECT_EQ(counts.failures, 4u);
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("It answered 429.")));  // once, as long as it goes on
  EXPECT_THAT(news_, SizeIs(1));
}

TEST_F(ExporterTest, TriesNothingElseAgain) {
  for (const int status : {400, 401, 404, 500}) {
    collector_.willAnswer({.status = status});
  }
  start(options());
  for (std::size_t sent = 1; sent <= 4; ++sent) {
    traceOne();
    collector_.await(sent);
  }
  exporter_->stop();
  EXPECT_EQ(exporter_->counts().dropped, 4u);
  EXPECT_THAT(collector_.await(4), SizeIs(4));
}

TEST_F(ExporterTest, WaitsAsLongAsTheCollectorAsks) {
  collector_.willAnswer({.status = 503, .retryAfter = "3600"});
  Exporter::Options chosen = options();
  chosen.patience.batch = 30min;
  start(std::move(chosen));
  traceOne();
  collector_.await(1);
  exporter_->stop();
  EXPECT_EQ(exporter_->counts().dropped, 1u);  // an hour is longer than one batch is worth
  EXPECT_THAT(collector_.await(1), SizeIs(1));
}

TEST_F(ExporterTest, CountsWhatTheCollectorDidNotWant) {
  collector_.willAnswer({.body = R"({"partialSuccess": {"rejectedSpans": "1", "errorMessage": "too old"}})"});
  start(options());
  traceOne();
  collector_.await(1);
  exporter_->stop();
  EXPECT_EQ(exporter_->counts().exported, 0u);
  EXPECT_EQ(exporter_->counts().dropped, 1u);
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("refused 1 spans: too old")));
}

TEST_F(ExporterTest, DropsWhatIsTooMuchWhileTheCollectorHangs) {
  collector_.willAnswer({.hang = true});
  Exporter::Options chosen = options();
  chosen.settings.queue = 10;
  chosen.settings.batch = 1;
  start(std::move(chosen));
  traceOne();
  collector_.await(1);
  for (int i = 0; i < 100; ++i) traceOne();  // none of which waits
  EXPECT_EQ(exporter_->counts().waiting, 10u);
  EXPECT_EQ(exporter_->counts().dropped, 91u);
  collector_.release();
  exporter_->stop();
  EXPECT_EQ(exporter_->counts().exported, 10u);
  EXPECT_EQ(exporter_->counts().waiting, 0u);
}

TEST_F(ExporterTest, GivesUpARequestThatTakesTooLong) {
  collector_.willAnswer({.hang = true});
  Exporter::Options chosen = options();
  chosen.settings.timeout = 100ms;
  start(std::move(chosen));
  traceOne();
  collector_.await(2);
  exporter_->stop();
  EXPECT_EQ(exporter_->counts().exported, 1u);
  EXPECT_GE(exporter_->counts().failures, 1u);
}

TEST_F(ExporterTest, EndsThoughTheCollectorHangs) {
  collector_.willAnswer({.hang = true});
  Exporter::Options chosen = options();
  chosen.patience.end = 10ms;
  chosen.settings.timeout = 0ms;  // none
  start(std::move(chosen));
  traceOne();
  collector_.await(1);
  traceOne();
  exporter_->stop();
  EXPECT_EQ(exporter_->counts().dropped, 2u);
  traceOne();
  EXPECT_EQ(exporter_->counts().dropped, 3u);
}

TEST_F(ExporterTest, EndsThoughNobodyListens) {
  Exporter::Options chosen = options();
  chosen.settings.url = "http://user:secret@127.0.0.1:1/v1/traces";
  chosen.settings.headers = {"Authorization: secret"};
  chosen.patience.end = 0ms;
  start(std::move(chosen));
  traceOne();
  exporter_->stop();
  EXPECT_EQ(exporter_->counts().dropped, 1u);
  EXPECT_THAT(warnings_, Not(IsEmpty()));
  EXPECT_THAT(warnings_, testing::Each(Not(HasSubstr("secret"))));
}

TEST_F(ExporterTest, SendsWhatIsLeftWhenItEnds) {
  Exporter::Options chosen = options();
  chosen.settings.delay = patience * 10;
  chosen.settings.batch = 3;
  start(std::move(chosen));
  for (int i = 0; i < 2; ++i) traceOne();
  exporter_->stop();
  EXPECT_EQ(exporter_->counts().exported, 2u);
}

TEST(TraceSpan, OfNobodyRecordsNothing) {
  Span span = begin(nullptr, {}, "round");
  EXPECT_FALSE(span);
  span.set("key", "value");
  span.fail("Refused", "No.");
  EXPECT_EQ(span.context(), Context());
  EXPECT_EQ(span.context().traceId(), "");
}

TEST(TraceSpan, ThatIsNotSampledNorAreItsParts) {
  int ended = 0;
  const Tracer tracer({0}, [&](const SpanData& /*span*/) { ++ended; });
  {
    const Span round = begin(&tracer, {}, "round");
    EXPECT_FALSE(round);
    EXPECT_EQ(round.context().traceId(), "");
    EXPECT_FALSE(begin(&tracer, round.context(), "step"));
  }
  EXPECT_EQ(ended, 0);
}

TEST(TraceSpan, CutsWhatIsTooLong) {
  std::vector<SpanData> ended;
  const Tracer tracer({1}, [&](SpanData span) { ended.push_back(std::move(span)); });
  {
    Span round = begin(&tracer, {}, "round");
    round.set("key", std::string(10'000, 'a'));
    Span other;
    other = std::move(round);  // ends once
  }
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_THAT(std::get<std::string>(ended[0].attributes.at(0).second), SizeIs(longestText));
}

}  // namespace
}  // namespace rookery::trace

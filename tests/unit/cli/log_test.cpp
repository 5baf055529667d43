#include "cli/log.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace rookery::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

const api::ObjectKey shopWeb{api::Kind::Unikernel, "shop", "web"};

api::Problem problem(Reason reason, const std::string& file, const std::string& message) {
  api::Problem told;
  told.reason = reason;
  told.origin = {.root = "/m", .file = file, .line = 0, .column = 0};
  told.message = message;
  return told;
}

class LogTest : public testing::Test {
 protected:
  Log::Sink sink() {
    return [this](std::string_view line) { lines_.emplace_back(line); };
  }
  std::vector<std::string> lines_;
};

TEST_F(LogTest, SaysWhatRepeatsAtAGrowingDistance) {
  Log log(LogFormat::Text, sink());
  reconcile::CommandResult failed;
  failed.error = Error{Reason::Refused, "No room."};
  for (int i = 0; i < 100; ++i) {
    failed.duration = std::chrono::milliseconds(i);
    log.stepStarted("eu-1", shopWeb, plan::Verb::Create, Reason::Absent, "It is not there.");
    log.stepEnded("eu-1", shopWeb, plan::Verb::Create, failed);
    log.readyChanged(shopWeb, false, Reason::NoPolicy, "There is no policy.");
    log.readyChanged(shopWeb, false, Reason::Reconciling, "It is on its way.");
    log.warned("eu-1", Reason::StateUnwritable, "The disk is full.");
  }
  EXPECT_THAT(lines_, SizeIs(5 * 7)) << "the 1st, 2nd, 4th, 8th, 16th, 32nd and 64th time";
  EXPECT_THAT(lines_.back(), AllOf(HasSubstr("The disk is full."), HasSubstr("repeated=\"64 times\"")));
  EXPECT_THAT(lines_.front(), Not(HasSubstr("repeated=")));

  lines_.clear();
  log.stepEnded("eu-1", shopWeb, plan::Verb::Create, {});
  log.stepStarted("eu-1", shopWeb, plan::Verb::Create, Reason::Absent, "It is not there.");
  log.stepEnded("eu-1", shopWeb, plan::Verb::Create, {});
  EXPECT_THAT(lines_, SizeIs(3)) << "an attempt after a success is the first again, and each success is said";
}

TEST_F(LogTest, SaysWhatItTakesToFindACommandAtTheServer) {
  Log log(LogFormat::Json, sink());
  reconcile::CommandResult result;
  result.duration = std::chrono::milliseconds(1'500);
  result.bytes = 4'096;
  result.name = "shop:web";
  result.traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
  log.stepEnded("eu-1", shopWeb, plan::Verb::Create, result);
  result.error = Error{Reason::Refused, "No room."};
  log.stepEnded("eu-1", shopWeb, plan::Verb::Create, result);
  ASSERT_THAT(lines_, SizeIs(2));
  const auto done = nlohmann::json::parse(lines_[0]);
  nlohmann::json keys = done;
  keys.erase("time");
  EXPECT_TRUE(done.at("time").is_string());
  EXPECT_EQ(keys, nlohmann::json({{"level", "info"},
                                  {"message", "create on eu-1 succeeded."},
                                  {"instance", "eu-1"},
                                  {"object", "Unikernel shop/web"},
                                  {"verb", "create"},
                                  {"seconds", "1.500"},
                                  {"bytes", "4096"},
                                  {"name", "shop:web"},
                                  {"trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"}}));
  const auto failed = nlohmann::json::parse(lines_[1]);
  EXPECT_EQ(failed.at("level"), "error");
  EXPECT_EQ(failed.at("reason"), "Refused");
  EXPECT_EQ(failed.at("name"), "shop:web");
}

TEST_F(LogTest, AnotherTraceIsNoOtherFailure) {
  Log log(LogFormat::Text, sink());
  reconcile::CommandResult failed;
  failed.error = Error{Reason::Refused, "No room."};
  for (int i = 0; i < 100; ++i) {
    failed.traceId = std::to_string(i);
    log.stepEnded("eu-1", shopWeb, plan::Verb::Create, failed);
  }
  EXPECT_THAT(lines_, SizeIs(7));
}

TEST_F(LogTest, SaysOnceThatAnInstanceIsDownAndOnceThatItAnswers) {
  Log log(LogFormat::Text, sink());
  reconcile::Round down;
  down.error = Error{Reason::ConnectionFailed, "No connection to 10.0.42.15:1025: refused."};
  for (int second = 0; second < 3'600; ++second) {
    down.traceId = std::to_string(second);
    log.roundEnded("eu-1", down);
  }
  log.roundEnded("eu-1", {});
  EXPECT_THAT(lines_, SizeIs(2));
}

TEST_F(LogTest, SaysOnceWhyAnInstanceIsDown) {
  Log log(LogFormat::Text, sink());
  reconcile::Round down;
  down.error = Error{Reason::ConnectionFailed, "No connection to 10.0.42.15:1025: refused."};
  log.readyChanged({api::Kind::AlbatrossInstance, "", "eu-1"}, false, down.error->reason,
                   down.error->message);
  log.roundEnded("eu-1", down);
  ASSERT_THAT(lines_, SizeIs(1));
  EXPECT_THAT(lines_[0], AllOf(HasSubstr(" error "), HasSubstr("instance=\"eu-1\"")));
  log.readyChanged({api::Kind::AlbatrossInstance, "", "eu-2"}, false, down.error->reason,
                   down.error->message);
  ASSERT_THAT(lines_, SizeIs(2));
  EXPECT_THAT(lines_[1], AllOf(HasSubstr(down.error->message), HasSubstr("eu-2"))) << "it is another's, too";
}

TEST_F(LogTest, WhatIsOnItsWayIsNobodysCause) {
  Log log(LogFormat::Text, sink());
  for (int i = 0; i < 2; ++i)
    log.readyChanged(shopWeb, false, Reason::Reconciling, "Unikernel shop/web does not run on eu-1.");
  ASSERT_THAT(lines_, SizeIs(2));
  EXPECT_THAT(lines_[1], HasSubstr("does not run on eu-1."));
}

TEST_F(LogTest, SaysWhereAVolumeLeftItsBlockDevice) {
  Log log(LogFormat::Text, sink());
  log.volumeMoved("eu-2", {api::Kind::UnikernelVolume, "shop", "data"}, "It is left on eu-1.");
  ASSERT_THAT(lines_, SizeIs(1));
  EXPECT_THAT(lines_[0], AllOf(HasSubstr("It is left on eu-1."), HasSubstr("UnikernelVolume shop/data"),
                               HasSubstr("Moved")));
}

TEST_F(LogTest, SaysTheCauseOfAFailureOnce) {
  Log log(LogFormat::Text, sink());
  reconcile::Round round;
  round.error = Error{Reason::ConnectionFailed, "No connection to 10.0.42.15:1025: refused."};
  log.roundEnded("eu-1", round);
  for (const char* name : {"a", "b"}) {
    log.readyChanged({api::Kind::Unikernel, "shop", name}, false, Reason::InstanceUnavailable,
                     "AlbatrossInstance eu-1 cannot be asked: " + round.error->message);
  }
  log.readyChanged(shopWeb, false, Reason::NoPolicy, "The namespace has no policy.");
  log.readyChanged(shopWeb, true, Reason::Running, "The namespace has no policy. It runs all the same.");
  ASSERT_THAT(lines_, SizeIs(5));
  EXPECT_THAT(lines_[0], HasSubstr("No connection"));
  EXPECT_THAT(lines_[1], AllOf(Not(HasSubstr("No connection")), HasSubstr("InstanceUnavailable"),
                               HasSubstr("Unikernel shop/a")));
  EXPECT_THAT(lines_[2], HasSubstr("Unikernel shop/b"));
  EXPECT_THAT(lines_[3], HasSubstr("The namespace has no policy."));
  EXPECT_THAT(lines_[4], HasSubstr("It runs all the same.")) << "what is well is said in full";
}

TEST_F(LogTest, SaysAtTheStartWhatThereIsOrThatThereIsNothing) {
  source::Snapshot snapshot;
  snapshot.roots.push_back({.path = "/manifests"});
  snapshot.synced = false;
  Log log(LogFormat::Text, sink());
  log.scanned(snapshot);
  EXPECT_THAT(lines_, SizeIs(0)) << "another source may declare more";
  snapshot.synced = true;
  log.scanned(snapshot);
  log.scanned(snapshot);
  ASSERT_THAT(lines_, SizeIs(2));
  EXPECT_THAT(lines_[0], AllOf(HasSubstr("The manifests have been read."), HasSubstr("objects=\"0\"")));
  EXPECT_THAT(lines_[1], HasSubstr("No manifest was found in /manifests."));
}

TEST_F(LogTest, AFileThatIsBeingWrittenIsNoMistake) {
  source::Snapshot snapshot;
  snapshot.files = 2;
  snapshot.problems = {problem(Reason::BeingWritten, "/m/a.yaml", "it is being written"),
                       problem(Reason::InvalidManifest, "/m/b.yaml", "it is wrong")};
  Log log(LogFormat::Text, sink());
  log.scanned(snapshot);
  ASSERT_THAT(lines_, SizeIs(3));
  EXPECT_THAT(lines_[0], HasSubstr("mistakes=\"1\""));
  EXPECT_THAT(lines_[1], AllOf(HasSubstr(" info "), HasSubstr("/m/a.yaml: it is being written")));
  EXPECT_THAT(lines_[2], AllOf(HasSubstr(" error "), HasSubstr("/m/b.yaml: it is wrong"),
                               HasSubstr("reason=\"InvalidManifest\"")));
  snapshot.problems.clear();
  log.scanned(snapshot);
  ASSERT_THAT(lines_, SizeIs(4)) << "what passes by itself is not mended";
  EXPECT_THAT(lines_[3], HasSubstr("mended: /m/b.yaml"));
}

TEST_F(LogTest, SaysOfAMistakeWhatItIsAboutAndHowBadItIs) {
  source::Snapshot snapshot;
  snapshot.problems = {problem(Reason::DuplicateObject, "/m/a.yaml", "it is declared twice")};
  snapshot.warnings = {problem(Reason::InvalidManifest, "/m/a.yaml", "it is passed over")};
  snapshot.problems[0].object = snapshot.warnings[0].object = shopWeb;
  Log log(LogFormat::Json, sink());
  log.scanned(snapshot);
  snapshot.problems.clear();
  snapshot.warnings.clear();
  log.scanned(snapshot);
  ASSERT_THAT(lines_, SizeIs(5));
  std::vector<std::vector<std::string>> told;
  for (std::size_t i = 1; i < lines_.size(); ++i) {
    const auto line = nlohmann::json::parse(lines_[i]);
    told.push_back({line["level"], line["reason"]});
    EXPECT_EQ(line["object"], "Unikernel shop/web");
  }
  EXPECT_THAT(told, testing::ElementsAre(testing::ElementsAre("error", "DuplicateObject"),
                                         testing::ElementsAre("warning", "InvalidManifest"),
                                         testing::ElementsAre("info", "DuplicateObject"),
                                         testing::ElementsAre("info", "InvalidManifest")));
}

TEST_F(LogTest, SaysEveryRequest) {
  Log log(LogFormat::Text, sink());
  for (int i = 0; i < 10; ++i) log.info("API request.", {{"user", "ci"}});
  EXPECT_THAT(lines_, SizeIs(10));
}

TEST_F(LogTest, NothingThatOthersWroteActsOrFillsIt) {
  const std::string hostile = "a\x1b[2J\nb\u202e\u009b" + std::string(1 << 20, 'x');
  for (const LogFormat format : {LogFormat::Text, LogFormat::Json}) {
    lines_.clear();
    Log log(format, sink());
    log.error(hostile, {{"object", hostile}});
    ASSERT_THAT(lines_, SizeIs(1));
    EXPECT_LT(lines_[0].size(), 20'000);
    EXPECT_EQ(lines_[0].find('\n'), lines_[0].size() - 1) << "one line";
    for (const char* acting : {"\x1b", "\u202e", "\u009b"}) EXPECT_THAT(lines_[0], Not(HasSubstr(acting)));
    EXPECT_THAT(lines_[0], HasSubstr("(" + std::to_string(hostile.size()) + " bytes)"));
  }
  EXPECT_TRUE(nlohmann::json::accept(lines_[0]));
}

TEST_F(LogTest, SaysWhichCommitTheManifestsHaveWhenItIsAnother) {
  Log log(LogFormat::Text, sink());
  source::Snapshot snapshot;
  snapshot.roots = {{.path = "/live", .complete = true}};
  snapshot.objects.push_back(nullptr);  // there is something
  snapshot.synced = false;
  for (const char* commit : {"aaa", "aaa", "bbb"}) {
    snapshot.roots[0].revision = source::Revision{.branch = "main", .commit = commit};
    log.scanned(snapshot);
  }
  ASSERT_THAT(lines_, SizeIs(2));
  EXPECT_THAT(lines_[0], AllOf(HasSubstr("main@sha"), HasSubstr(":aaa"), Not(HasSubstr("before="))));
  EXPECT_THAT(lines_[1], AllOf(HasSubstr(":bbb"), HasSubstr("before=\"main@sha")));
  log.revisionApplied("eu-1", "/live", *snapshot.roots[0].revision);
  EXPECT_THAT(lines_.back(), AllOf(HasSubstr("instance=\"eu-1\""), HasSubstr(":bbb")));
}

}  // namespace
}  // namespace rookery::cli

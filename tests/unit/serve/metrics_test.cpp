#include "serve/metrics.h"

#include <gmock/gmock.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <sstream>
#include <thread>
#include <vector>

#include "api/outdated.h"
#include "fixtures/temp_dir.h"
#include "plan/unikernel_state.h"
#include "reconcile/listener.h"

namespace rookery::serve {
namespace {

using plan::UnikernelState;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Key;
using testing::Not;
using namespace std::chrono_literals;

const BuildInfo build{"1.2.3", "abcdef0"};

/// The samples of a scrape: series as written, and value.
std::map<std::string, double> samples(const Metrics& metrics) {
  std::map<std::string, double> found;
  std::istringstream text(metrics.text());
  for (std::string line; std::getline(text, line);) {
    const std::size_t blank = line.rfind(' ');
    if (!line.starts_with('#')) found[line.substr(0, blank)] = std::strtod(line.c_str() + blank, nullptr);
  }
  return found;
}

std::optional<double> sample(const Metrics& metrics, const std::string& series) {
  const auto all = samples(metrics);
  const auto found = all.find(series);
  return found == all.end() ? std::nullopt : std::optional(found->second);
}

Error unreachable() { return {Reason::ConnectionFailed, "Nothing answers at 10.0.0.1:1025."}; }

reconcile::Round unchanged() {
  reconcile::Round round;
  round.unchanged = true;
  return round;
}

/// Nobody answered.
reconcile::Round missed(std::size_t withheld = 0) {
  reconcile::Round round;
  round.error = unreachable();
  round.withheld = withheld;
  return round;
}

/// Something of everything, for one instance.
void report(Metrics& metrics, const std::string& instance) {
  reconcile::Round round{.error = std::nullopt, .duration = 30ms, .queued = 4, .drift = 2, .unikernels = {}};
  round.unikernels[{"shop", UnikernelState::Ready}] = 7;
  round.ready[{api::Kind::Unikernel, "shop", "web"}] = true;
  metrics.roundEnded(instance, round);
  metrics.roundEnded(instance,
                     {.error = unreachable(), .duration = 5s, .queued = 0, .drift = 0, .unikernels = {}});
  metrics.commandEnded(instance, {.verb = "create", .error = std::nullopt, .duration = 2s, .bytes = 4096});
  metrics.commandEnded(instance, {.verb = "info", .error = unreachable(), .duration = 5s, .bytes = 0});
  metrics.credentialLoaded(instance, reconcile::SystemTime(2'000'000'000s));
  metrics.serverCertificateSeen(instance, reconcile::SystemTime(1'900'000'000s));
  metrics.warned(instance, Reason::CredentialNotYetValid, "The clocks differ.");
  metrics.readyChanged({api::Kind::Unikernel, "shop", "web"}, false, Reason::DigestMismatch, "Other bytes.");
}

api::Problem problem(Reason reason, const std::string& file, std::optional<api::ObjectKey> object) {
  api::Problem mistake;
  mistake.reason = reason;
  mistake.origin.file = file;
  mistake.object = std::move(object);
  mistake.message = "It is wrong.";
  return mistake;
}

api::ObjectPtr object(const std::string& name) {
  auto made = std::make_shared<api::Object>();
  made->metadata.name = name;
  made->metadata.nameSpace = "shop";
  made->spec = api::Unikernel{};
  return made;
}

TEST(Metrics, TellsTheLeasesOfTheMoment) {
  Metrics metrics(build);
  EXPECT_THAT(metrics.text(), testing::Not(testing::HasSubstr("leader_election")));
  std::map<std::string, bool> leases = {{"rookery", true}, {"rookery-instance-eu-1", false}};
  metrics.setLeases([&leases] { return leases; });
  EXPECT_EQ(sample(metrics, R"(rookery_leader_election_master_status{name="rookery"})"), 1);
  EXPECT_EQ(sample(metrics, R"(rookery_leader_election_master_status{name="rookery-instance-eu-1"})"), 0);
  leases = {{"rookery", false}};
  EXPECT_EQ(sample(metrics, R"(rookery_leader_election_master_status{name="rookery"})"), 0);
  EXPECT_THAT(metrics.text(), testing::Not(testing::HasSubstr("eu-1")));
}

TEST(Metrics, CountsPulls) {
  Metrics metrics(build);
  metrics.imagePulled({.remote = {"https://a/x?token=hunter2", "aa"},
                       .bytes = 4096,
                       .duration = std::chrono::seconds(2),
                       .error = {}});
  metrics.imagePulled({.remote = {"https://a/y", "bb"},
                       .bytes = 1,
                       .duration = {},
                       .error = Error{Reason::ImageNotFound, "It is not there."}});
  EXPECT_EQ(sample(metrics, R"(rookery_image_pulls_total{result="success"})"), 1);
  EXPECT_EQ(sample(metrics, R"(rookery_image_pulls_total{result="ImageNotFound"})"), 1);
  EXPECT_EQ(sample(metrics, "rookery_image_bytes_pulled_total"), 4097);
  EXPECT_EQ(sample(metrics, "rookery_image_pull_duration_seconds_sum"), 2);
}

TEST(Metrics, CountHealthChecksAndRollbacks) {
  Metrics metrics(build);
  const api::ObjectKey web{api::Kind::Unikernel, "shop", "web"}, dns{api::Kind::Unikernel, "shop", "dns"};
  metrics.healthChecked("eu-1", web, true);
  metrics.healthChecked("eu-1", dns, true);
  metrics.healthChecked("eu-1", dns, false);
  metrics.rolledBack("eu-1", web);
  const std::string checks = R"(rookery_health_checks_total{instance="eu-1",namespace="shop",result=")";
  EXPECT_EQ(sample(metrics, checks + R"(success"})"), 2);
  EXPECT_EQ(sample(metrics, checks + R"(failure"})"), 1);
  EXPECT_EQ(
      sample(metrics, R"(rookery_unikernel_rollbacks_total{instance="eu-1",name="web",namespace="shop"})"),
      1);
  metrics.instanceForgotten("eu-1");
  EXPECT_THAT(metrics.text(), Not(HasSubstr(R"(instance="eu-1")")));
}

TEST(Metrics, CountsWhatTheReconcilerReports) {
  Metrics metrics(build);
  report(metrics, "eu-1");
  const std::map<std::string, double> expected = {
      {R"(rookery_build_info{revision="abcdef0",version="1.2.3"})", 1},
      {R"(rookery_reconcile_total{instance="eu-1",result="success"})", 1},
      {R"(rookery_reconcile_total{instance="eu-1",result="ConnectionFailed"})", 1},
      {R"(rookery_reconcile_duration_seconds_count{instance="eu-1"})", 2},
      {R"(rookery_reconcile_duration_seconds_bucket{instance="eu-1",le="0.05"})", 1},
      {R"(rookery_reconcile_duration_seconds_bucket{instance="eu-1",le="5"})", 2},
      {R"(rookery_commands_total{instance="eu-1",result="success",verb="create"})", 1},
      {R"(rookery_commands_total{instance="eu-1",result="ConnectionFailed",verb="info"})", 1},
      {R"(rookery_command_duration_seconds_sum{instance="eu-1",verb="create"})", 2},
      {R"(rookery_image_bytes_sent_total{instance="eu-1"})", 4096},
      {R"(rookery_unikernels{instance="eu-1",namespace="shop",state="ready"})", 7},
      {R"(rookery_unikernels{instance="eu-1",namespace="shop",state="failed"})", 0},
      {R"(rookery_instance_up{instance="eu-1"})", 0},
      {R"(rookery_drift_detected_total{instance="eu-1"})", 2},
      {R"(rookery_queue_depth{instance="eu-1"})", 0},
      {R"(rookery_certificate_expiry_timestamp_seconds{instance="eu-1"})", 2e9},
      {R"(rookery_server_certificate_expiry_timestamp_seconds{instance="eu-1"})", 1.9e9},
      {R"(rookery_warnings_total{instance="eu-1",reason="CredentialNotYetValid"})", 1},
      {R"(rookery_ready_changes_total{kind="Unikernel",ready="false",reason="DigestMismatch"})", 1},
  };
  const auto found = samples(metrics);
  for (const auto& entry : expected) EXPECT_THAT(found, Contains(entry));
}

TEST(Metrics, CountsTheRestartsOfEachUnikernel) {
  Metrics metrics(build);
  const api::ObjectKey web{api::Kind::Unikernel, "shop", "web"}, dns{api::Kind::Unikernel, "shop", "dns"};
  const auto restarted = [&](std::map<api::ObjectKey, std::int64_t> restarts) {
    reconcile::Round round;
    round.restarts = std::move(restarts);
    metrics.roundEnded("eu-1", round);
  };
  const std::string ofWeb =
      R"(rookery_unikernel_restarts_total{instance="eu-1",name="web",namespace="shop"})";
  const std::string ofDns =
      R"(rookery_unikernel_restarts_total{instance="eu-1",name="dns",namespace="shop"})";
  restarted({{web, 3}, {dns, 0}});
  restarted({{web, 5}, {dns, 0}});
  EXPECT_EQ(sample(metrics, ofWeb), 5);
  EXPECT_EQ(sample(metrics, ofDns), 0);
  metrics.roundEnded("eu-1",
                     {.error = unreachable(), .duration = 1s, .queued = 0, .drift = 0, .unikernels = {}});
  EXPECT_EQ(sample(metrics, ofWeb), 5) << "nothing is known of what was not seen";
  restarted({{web, 1}});
  EXPECT_EQ(sample(metrics, ofWeb), 1) << "another one";
  EXPECT_THAT(metrics.text(), testing::Not(testing::HasSubstr("\"dns\"")));
}

TEST(Metrics, TellWhichUnikernelsAreReady) {
  Metrics metrics(build);
  const api::ObjectKey web{api::Kind::Unikernel, "shop", "web"}, dns{api::Kind::Unikernel, "shop", "dns"};
  const std::string ofWeb = R"(rookery_unikernel_ready{instance="eu-1",name="web",namespace="shop"})";
  reconcile::Round round;
  round.ready = {{web, false}, {dns, true}};
  metrics.roundEnded("eu-1", round);
  EXPECT_EQ(sample(metrics, ofWeb), 0);
  metrics.roundEnded("eu-1", unchanged());
  metrics.roundEnded("eu-1", missed());
  EXPECT_EQ(sample(metrics, ofWeb), 0) << "nothing is known of what was not seen";
  round.ready = {{web, true}};
  metrics.roundEnded("eu-1", round);
  EXPECT_EQ(sample(metrics, ofWeb), 1);
  EXPECT_THAT(metrics.text(), Not(HasSubstr("\"dns\"")));
}

TEST(Metrics, TellWhatIsWithheldAlsoOfAnInstanceThatCannotBeAsked) {
  Metrics metrics(build);
  const std::string withheld = R"(rookery_prune_withheld_unikernels{instance="eu-1"})";
  metrics.roundEnded("eu-1", missed(5));
  EXPECT_EQ(sample(metrics, withheld), 5);
  metrics.roundEnded("eu-1", unchanged());
  EXPECT_EQ(sample(metrics, withheld), 5);
  metrics.roundEnded("eu-1", {});
  EXPECT_EQ(sample(metrics, withheld), 0);
}

TEST(Metrics, TellWhenTheListenersCertificateEndsIfItHasOne) {
  Metrics metrics(build);
  const std::string expiry = "rookery_http_certificate_expiry_timestamp_seconds";
  EXPECT_EQ(sample(metrics, expiry), std::nullopt);
  metrics.certificateLoaded(reconcile::SystemTime(2'000'000'000s));
  EXPECT_EQ(sample(metrics, expiry), 2e9);
}

TEST(Metrics, TellHowFullTheImageStoreIs) {
  Metrics metrics(build);
  EXPECT_THAT(metrics.text(), Not(HasSubstr("image_store")));
  metrics.setImageStore([] { return image::ImageStore::Usage{.used = 7, .removable = 2, .capacity = 10}; });
  EXPECT_EQ(sample(metrics, "rookery_image_store_used_bytes"), 7);
  EXPECT_EQ(sample(metrics, "rookery_image_store_removable_bytes"), 2);
  EXPECT_EQ(sample(metrics, "rookery_image_store_capacity_bytes"), 10);
}

TEST(Metrics, CountRequestsByMethodsThatClientsCannotMakeUp) {
  Metrics metrics(BuildInfo{"1", "r"});
  metrics.requestAnswered("GET", 200, 30ms);
  for (const char* method : {"", "BREW", "M-SEARCH"}) metrics.requestAnswered(method, 501, {});
  metrics.requestsInFlightChanged(1);
  metrics.longRunningRequestsChanged(1);
  EXPECT_THAT(metrics.text(),
              AllOf(HasSubstr(R"(rookery_http_requests_total{code="200",method="GET"} 1)"),
                    HasSubstr(R"(rookery_http_requests_total{code="501",method="other"} 3)"),
                    HasSubstr(R"(rookery_http_request_duration_seconds_sum{method="GET"} 0.03)"),
                    HasSubstr("rookery_http_requests_in_flight 1"),
                    HasSubstr("rookery_http_long_running_requests 1")));
  metrics.requestsInFlightChanged(-1);
  metrics.longRunningRequestsChanged(-1);
  EXPECT_THAT(metrics.text(), AllOf(HasSubstr("rookery_http_requests_in_flight 0"),
                                    HasSubstr("rookery_http_long_running_requests 0")));
}

TEST(Metrics, UpAndItsTimestampFollowTheObservations) {
  Metrics metrics(build);
  const std::string up = R"(rookery_instance_up{instance="eu-1"})";
  const std::string last = R"(rookery_instance_last_observation_timestamp_seconds{instance="eu-1"})";
  metrics.roundEnded("eu-1",
                     {.error = unreachable(), .duration = 1s, .queued = 0, .drift = 0, .unikernels = {}});
  EXPECT_EQ(sample(metrics, up), 0);
  EXPECT_EQ(sample(metrics, last), std::nullopt);

  const auto before = std::time(nullptr);
  metrics.roundEnded("eu-1", {});
  EXPECT_EQ(sample(metrics, up), 1);
  EXPECT_GE(sample(metrics, last), static_cast<double>(before));
}

TEST(Metrics, NamespacesThatEmptyDisappearAndStatesThatEmptyAreZero) {
  Metrics metrics(build);
  reconcile::Round round;
  round.unikernels = {{{"shop", UnikernelState::Failed}, 1}, {{"db", UnikernelState::Ready}, 1}};
  metrics.roundEnded("eu-1", round);
  round.unikernels = {{{"shop", UnikernelState::Ready}, 1}};
  metrics.roundEnded("eu-1", round);

  EXPECT_EQ(sample(metrics, R"(rookery_unikernels{instance="eu-1",namespace="shop",state="failed"})"), 0);
  EXPECT_EQ(sample(metrics, R"(rookery_unikernels{instance="eu-1",namespace="shop",state="ready"})"), 1);
  EXPECT_EQ(sample(metrics, R"(rookery_unikernels{instance="eu-1",namespace="db",state="ready"})"),
            std::nullopt);
}

TEST(Metrics, AFailedObservationKeepsTheLastCounts) {
  Metrics metrics(build);
  reconcile::Round round;
  round.unikernels = {{{"shop", UnikernelState::Ready}, 3}};
  metrics.roundEnded("eu-1", round);
  metrics.roundEnded("eu-1",
                     {.error = unreachable(), .duration = 1s, .queued = 0, .drift = 0, .unikernels = {}});
  EXPECT_EQ(sample(metrics, R"(rookery_unikernels{instance="eu-1",namespace="shop",state="ready"})"), 3);
}

TEST(Metrics, WhatWasJudgedPartlyStandsBesideTheRest) {
  Metrics metrics(build);
  const api::ObjectKey web{api::Kind::Unikernel, "shop", "web"}, dns{api::Kind::Unikernel, "shop", "dns"};
  const std::string labels = R"({instance="eu-1",name=")", end = R"(",namespace="shop"})";
  const auto ready = [&](const std::string& name) {
    return sample(metrics, "rookery_unikernel_ready" + labels + name + end);
  };
  reconcile::Round all;
  all.restarts = {{web, 1}, {dns, 2}};
  all.ready = {{web, true}, {dns, true}};
  metrics.roundEnded("eu-1", all);

  reconcile::Round some;
  some.partly = true;
  some.restarts = {{web, 3}};
  some.ready = {{web, false}};
  metrics.roundEnded("eu-1", some);
  EXPECT_EQ(ready("web"), 0);
  EXPECT_EQ(ready("dns"), 1);
  EXPECT_EQ(sample(metrics, "rookery_unikernel_restarts_total" + labels + "web" + end), 3);
  EXPECT_EQ(sample(metrics, "rookery_unikernel_restarts_total" + labels + "dns" + end), 2);

  some.ready.clear();
  metrics.roundEnded("eu-1", some);
  EXPECT_EQ(ready("web"), std::nullopt) << "it is suspended";
}

TEST(Metrics, NothingIsLeftOfAForgottenInstance) {
  Metrics metrics(build);
  report(metrics, "eu-1");
  report(metrics, "eu-2");
  metrics.instanceForgotten("eu-1");
  metrics.instanceForgotten("never-seen");
  EXPECT_THAT(metrics.text(), Not(HasSubstr(R"(instance="eu-1")")));
  EXPECT_THAT(samples(metrics), Contains(Key(R"(rookery_instance_up{instance="eu-2"})")));

  report(metrics, "eu-1");
  EXPECT_EQ(sample(metrics, R"(rookery_image_bytes_sent_total{instance="eu-1"})"), 4096);
}

TEST(Metrics, ManifestsAreValidOrNotHoweverManyMistakesTheyHave) {
  Metrics metrics(build);
  source::Snapshot snapshot;
  const api::ObjectKey bad{api::Kind::Unikernel, "shop", "bad"};
  snapshot.objects = {object("web"), object("db"), object("bad")};
  snapshot.files = 5;
  snapshot.scannedAt = std::chrono::system_clock::time_point(1'700'000'000s);
  snapshot.problems = {problem(Reason::UnknownField, "a.yaml", bad),
                       problem(Reason::InvalidManifest, "a.yaml", bad),
                       problem(Reason::InvalidManifest, "broken.yaml", std::nullopt)};
  metrics.scanned(snapshot);
  EXPECT_EQ(sample(metrics, R"(rookery_manifests{state="valid"})"), 2);
  EXPECT_EQ(sample(metrics, R"(rookery_manifests{state="invalid"})"), 2);
  EXPECT_EQ(sample(metrics, R"(rookery_manifest_problems{reason="UnknownField"})"), 1);
  EXPECT_EQ(sample(metrics, R"(rookery_manifest_problems{reason="InvalidManifest"})"), 2);
  EXPECT_EQ(sample(metrics, "rookery_manifest_files"), 5);
  EXPECT_EQ(sample(metrics, "rookery_manifest_scan_timestamp_seconds"), 1.7e9);

  snapshot.problems.clear();
  metrics.scanned(snapshot);
  EXPECT_EQ(sample(metrics, R"(rookery_manifests{state="valid"})"), 3);
  EXPECT_EQ(sample(metrics, R"(rookery_manifests{state="invalid"})"), 0);
  EXPECT_EQ(sample(metrics, R"(rookery_manifest_problems{reason="UnknownField"})"), 0);
}

TEST(Metrics, TellOfEachRootWhatKeepsItsThings) {
  Metrics metrics(build);
  source::Snapshot snapshot;
  snapshot.roots = {{.path = "/good", .complete = true}, {.path = "/bad", .complete = true}};
  source::Root& bad = snapshot.roots[1];
  bad.lockedSince = source::SystemTime(1'700'000'000s);
  bad.hidden = api::Silence{.reason = Reason::SourceLocked, .path = "/bad/.git/index.lock"};
  bad.obstacles = {{.silence = {.path = "/bad/secret"}}};
  snapshot.silent["/bad/web.yaml"] = {.reason = Reason::InvalidManifest, .path = "/bad/web.yaml"};
  snapshot.passedOver = {{"/bad/package.json", "it is not rookery's"}};
  metrics.scanned(snapshot);
  EXPECT_EQ(sample(metrics, R"(rookery_manifest_root_readable{root="/good"})"), 1);
  EXPECT_EQ(sample(metrics, R"(rookery_manifest_root_readable{root="/bad"})"), 0);
  EXPECT_EQ(sample(metrics, R"(rookery_manifest_root_locked_timestamp_seconds{root="/good"})"), 0);
  EXPECT_EQ(sample(metrics, R"(rookery_manifest_root_locked_timestamp_seconds{root="/bad"})"), 1.7e9);
  EXPECT_EQ(sample(metrics, "rookery_manifest_passed_over"), 1);
  for (const char* reason : {"SourceLocked", "SourceUnreadable", "InvalidManifest"}) {
    const std::string name =
        std::string(R"(rookery_manifest_root_prune_blocked{reason=")") + reason + R"(",root="/bad"})";
    EXPECT_EQ(sample(metrics, name), 1) << name;
  }
  snapshot.silent.clear();
  metrics.scanned(snapshot);
  EXPECT_EQ(sample(metrics, R"(rookery_manifest_root_prune_blocked{reason="InvalidManifest",root="/bad"})"),
            0);
}

TEST(Metrics, TellHowNotificationsStand) {
  Metrics metrics(build);
  metrics.setNotifications([] {
    return std::map<std::string, NotificationCount>{
        {"ops", {.sent = 4, .failures = 3, .dropped = 2, .waiting = 1}}};
  });
  EXPECT_EQ(sample(metrics, R"(rookery_notifications_sent_total{receiver="ops"})"), 4);
  EXPECT_EQ(sample(metrics, R"(rookery_notification_failures_total{receiver="ops"})"), 3);
  EXPECT_EQ(sample(metrics, R"(rookery_notifications_dropped_total{receiver="ops"})"), 2);
  EXPECT_EQ(sample(metrics, R"(rookery_notifications_waiting{receiver="ops"})"), 1);
}

TEST(Metrics, TellWhichCommitEachRootHas) {
  Metrics metrics(build);
  source::Snapshot snapshot;
  snapshot.roots = {{.path = "/live", .complete = true}, {.path = "/plain", .complete = true}};
  for (const char* commit : {"aaa", "bbb"}) {
    snapshot.roots[0].revision = source::Revision{.branch = "main", .commit = commit};
    metrics.scanned(snapshot);
    const std::string name =
        std::string(R"(rookery_manifest_root_info{branch="main",commit=")") + commit + R"(",root="/live"})";
    EXPECT_EQ(sample(metrics, name), 1) << name;
  }
  const auto isInfo = [](const auto& item) { return item.first.starts_with("rookery_manifest_root_info"); };
  EXPECT_EQ(std::ranges::count_if(samples(metrics), isInfo), 1) << "one for each checkout";
  snapshot.roots[0].revision.reset();
  metrics.scanned(snapshot);
  EXPECT_EQ(std::ranges::count_if(samples(metrics), isInfo), 0);
}

TEST(Metrics, TellOfTheProcessItself) {
  const Metrics metrics(build);
  const auto found = samples(metrics);
  EXPECT_GT(found.at("process_resident_memory_bytes"), 1 << 20);
  EXPECT_GE(found.at("process_virtual_memory_bytes"), found.at("process_resident_memory_bytes"));
  EXPECT_GT(found.at("process_open_fds"), 2);
  EXPECT_GE(found.at("process_max_fds"), found.at("process_open_fds"));
  EXPECT_GE(found.at("process_cpu_seconds_total"), 0);
  EXPECT_LE(found.at("process_start_time_seconds"), static_cast<double>(std::time(nullptr) + 2));
  EXPECT_GT(found.at("process_start_time_seconds"), 1.6e9);
}

TEST(Metrics, LabelsAreEscaped) {
  Metrics metrics(build);
  metrics.roundEnded("a\"b\\c\nd", {});
  EXPECT_THAT(metrics.text(), HasSubstr(R"(rookery_instance_up{instance="a\"b\\c\nd"} 1)"));
}

TEST(Metrics, PromtoolHasNothingToSay) {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0) GTEST_SKIP() << "promtool is not installed";
  Metrics metrics(build);
  report(metrics, "eu-1");
  source::Snapshot snapshot;
  snapshot.problems = {problem(Reason::UnknownField, "a.yaml", std::nullopt)};
  metrics.scanned(snapshot);

  const fixtures::TempDir folder;
  const std::string scrape = folder.write("scrape.txt", metrics.text());
  const std::string complaints = (folder.path() / "complaints").string();
  EXPECT_EQ(std::system(("promtool check metrics <" + scrape + " >" + complaints + " 2>&1").c_str()), 0);
  EXPECT_EQ(fixtures::readFile(complaints), "");
}

TEST(Metrics, ScrapesAndReportsMeet) {
  Metrics metrics(build);
  std::vector<std::jthread> threads;
  threads.reserve(4);
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&metrics, thread] {
      const std::string own = "eu-" + std::to_string(thread);
      for (int i = 0; i < 50; ++i) {
        report(metrics, own);
        report(metrics, "shared");
        metrics.instanceForgotten(own);
        metrics.scanned({});
      }
      report(metrics, own);
    });
  }
  for (int i = 0; i < 50; ++i) EXPECT_THAT(metrics.text(), HasSubstr("rookery_build_info"));
  threads.clear();
  EXPECT_EQ(sample(metrics, R"(rookery_image_bytes_sent_total{instance="shared"})"), 4 * 50 * 4096);
  EXPECT_EQ(sample(metrics, R"(rookery_image_bytes_sent_total{instance="eu-3"})"), 4096);
}

}  // namespace
}  // namespace rookery::serve

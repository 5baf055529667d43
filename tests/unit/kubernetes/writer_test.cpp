#include "kubernetes/writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "api/conditions.h"
#include "reconcile/listener.h"
#include "unit/kubernetes/scripted_api.h"

namespace rookery::kubernetes {
namespace {

using nlohmann::json;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::UnorderedElementsAre;

/// What the API server makes of a status that it does not take: an answer, or none for as long as anybody
/// waits.
struct Refusal {
  const char* name;
  unsigned status;
  friend std::ostream& operator<<(std::ostream& out, const Refusal& refusal) { return out << refusal.name; }
};

/// Writes the statuses of policies to an API server that refuses those in namespace db.
class StatusWriter : public testing::TestWithParam<Refusal> {
 protected:
  StatusWriter() {
    for (const char* nameSpace : {"db", "lab", "shop"}) declare(nameSpace);
    const auto strand = asio::make_strand(context_);
    asio::co_spawn(strand, writer_.writeStatuses(),
                   asio::bind_cancellation_slot(cancel_.slot(), [this](const std::exception_ptr& failure) {
                     EXPECT_FALSE(failure);
                     running_ = false;
                   }));
  }
  ~StatusWriter() override {
    asio::post(context_, [this] {
      silence_.cancel();
      cancel_.emit(asio::cancellation_type::terminal);
    });
    EXPECT_TRUE(runUntil(context_, [this] { return !running_; }));
    client_.close();
  }

  static api::ObjectKey keyIn(const std::string& nameSpace) {
    return {api::Kind::UnikernelPolicy, nameSpace, "limits"};
  }

  json policyIn(const std::string& nameSpace) {
    return {{"metadata",
             {{"name", "limits"},
              {"namespace", nameSpace},
              {"uid", nameSpace},
              {"resourceVersion", std::to_string(++version_)}}},
            {"spec",
             {{"instance", "eu-1"},
              {"unikernels", 1},
              {"memory", "32Mi"},
              {"cpuIDs", json::array({0})},
              {"bridges", json::array({"service"})}}}};
  }

  void declare(const std::string& nameSpace) {
    cache_.apply(api::Kind::UnikernelPolicy, policyIn(nameSpace));
    const CachedObjectPtr cached = cache_.find(keyIn(nameSpace));
    ASSERT_NE(cached->object, nullptr);
    objects_.declare(cached->object, {nameSpace, {}, {}, 1}, {});
    report(nameSpace, "First.");
  }

  void report(const std::string& nameSpace, const std::string& message) {
    api::Status status;
    status.conditions = api::stalledConditions({Reason::Refused, message}, {});
    objects_.report(keyIn(nameSpace), status, listener_);
  }

  asio::awaitable<ScriptedApi::Answer> answer(ScriptedApi::Request request) {
    const std::size_t start = request.target.find("/namespaces/") + 12;
    const std::string nameSpace = request.target.substr(start, request.target.find('/', start) - start);
    if (nameSpace == "db" && refusing_) {
      ++refusals_;
      const json message = {{"message", "db is refused"}};
      if (GetParam().status != 0) co_return ScriptedApi::Answer{GetParam().status, message};
      (void)co_await silence_.async_wait(asio::as_tuple(asio::use_awaitable));
      co_return ScriptedApi::Answer{500, message};
    }
    written_.push_back(nameSpace);
    json object = policyIn(nameSpace);
    object["status"] = statuses_[nameSpace];
    object["status"].merge_patch(request.body["status"]);
    statuses_[nameSpace] = object["status"];
    co_return ScriptedApi::Answer{200, object};
  }

  int version_ = 0;
  std::map<std::string, json> statuses_;
  asio::io_context context_;
  asio::steady_timer silence_{context_, asio::steady_timer::time_point::max()};
  ScriptedApi api_{context_, [this](ScriptedApi::Request request) { return answer(std::move(request)); }};
  Client client_{api_.config(), {.timeout = std::chrono::milliseconds(300)}};
  ObjectCache cache_{"", [] {}};
  reconcile::ObjectStore objects_;
  reconcile::EventCache events_;
  reconcile::Listener listener_;
  std::vector<std::string> warnings_, written_;
  Writer writer_{client_,
                 cache_,
                 objects_,
                 events_,
                 [] { return true; },
                 [this](const std::string& message) { warnings_.push_back(message); }};
  asio::cancellation_signal cancel_;
  bool running_ = true, refusing_ = true;
  int refusals_ = 0;
};

TEST_P(StatusWriter, GoesOnWithOthersWhereOneCannotBeWritten) {
  ASSERT_TRUE(runUntil(context_, [this] { return written_.size() == 2; }));
  EXPECT_THAT(written_, UnorderedElementsAre("lab", "shop"));
  report("shop", "Second.");
  ASSERT_TRUE(runUntil(context_, [this] { return written_.size() == 3; }));
  ASSERT_TRUE(runUntil(context_, [this] { return refusals_ >= 2; })) << "it is tried again";

  refusing_ = false;
  ASSERT_TRUE(runUntil(context_, [this] { return written_.size() == 4; }));
  EXPECT_EQ(written_.back(), "db");
  EXPECT_THAT(warnings_, SizeIs(1)) << "it goes on failing in the same way";
  EXPECT_THAT(warnings_, Each(HasSubstr("Status cannot be written")));
}

INSTANTIATE_TEST_SUITE_P(Kubernetes, StatusWriter,
                         testing::Values(Refusal{"Forbidden", 403}, Refusal{"WebhookFails", 500},
                                         Refusal{"TooBusy", 503}, Refusal{"NoAnswer", 0}),
                         testing::PrintToStringParamName());

/// Writes Events to an API server that answers as `refusals` say, one after the other.
class EventWriter : public testing::Test {
 protected:
  EventWriter() {
    asio::co_spawn(context_, writer_.writeEvents(),
                   asio::bind_cancellation_slot(cancel_.slot(), [this](const std::exception_ptr& failure) {
                     EXPECT_FALSE(failure);
                     running_ = false;
                   }));
    context_.poll();  // what happened before it began is not written
  }
  ~EventWriter() override {
    asio::post(context_, [this] { cancel_.emit(asio::cancellation_type::terminal); });
    EXPECT_TRUE(runUntil(context_, [this] { return !running_; }));
    client_.close();
  }

  void happen(const std::string& nameSpace) {
    const json object = {
        {"metadata",
         {{"name", "web"}, {"namespace", nameSpace}, {"uid", nameSpace}, {"resourceVersion", "1"}}}};
    cache_.apply(api::Kind::Unikernel, object);
    recorder_.readyChanged({api::Kind::Unikernel, nameSpace, "web"}, false, Reason::Refused, "No.");
  }

  asio::io_context context_;
  std::map<std::string, ScriptedApi::Answer> answers_;  // by namespace
  int asked_ = 0;
  ScriptedApi api_{context_,
                   [this](const ScriptedApi::Request& request) -> asio::awaitable<ScriptedApi::Answer> {
                     ++asked_;
                     co_return answers_.at(request.body["metadata"]["namespace"].get<std::string>());
                   }};
  Client client_{api_.config(), {}};
  ObjectCache cache_{"", [] {}};
  reconcile::ObjectStore objects_;
  reconcile::EventRecorder recorder_{objects_};
  std::vector<std::string> warnings_;
  Writer writer_{client_,
                 cache_,
                 objects_,
                 recorder_.events(),
                 [] { return true; },
                 [this](const std::string& message) { warnings_.push_back(message); }};
  asio::cancellation_signal cancel_;
  bool running_ = true;
};

TEST_F(EventWriter, TellsEachKindOfFailureOnceAndOfNamespacesThatGoNothing) {
  const auto forbidden = [](const std::string& nameSpace, const char* cause) {
    return ScriptedApi::Answer{403,
                               {{"reason", "Forbidden"},
                                {"message", "events is forbidden: User cannot create in " + nameSpace},
                                {"details", {{"causes", json::array({{{"reason", cause}}})}}}}};
  };
  for (int i = 0; i < 60; ++i) {
    const std::string going = "going-" + std::to_string(i), closed = "closed-" + std::to_string(i);
    answers_[going] = forbidden(going, "NamespaceTerminating");
    answers_[closed] = forbidden(closed, "");
    happen(going);
    happen(closed);
  }
  ASSERT_TRUE(runUntil(context_, [this] { return asked_ == 120; }));
  answers_["shop"] = {500, {{"reason", "InternalError"}, {"message", "a webhook fails"}}};
  happen("shop");
  ASSERT_TRUE(runUntil(context_, [this] { return warnings_.size() == 2; })) << "it is not silenced by others";
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("cannot create in closed-"), HasSubstr("a webhook fails")));
}

}  // namespace
}  // namespace rookery::kubernetes

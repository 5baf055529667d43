#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "unit/cli/invoke.h"
#include "unit/cli/scripted_server.h"

namespace rookery::cli {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* withheldId = "4f0c1b2a3d4e";
constexpr const char* instancesPath = "/apis/rookery.dev/v1alpha1/albatrossinstances";

/// A controller of which eu-2 withholds the set, and what it was sent.
class ConfirmPruneTest : public testing::Test {
 protected:
  static json instance(const std::string& name, const std::string& message) {
    return {{"metadata", {{"name", name}, {"resourceVersion", "17"}}},
            {"status", {{"conditions", {{{"type", "Ready"}, {"status", "True"}, {"message", message}}}}}}};
  }

  ScriptedServer::Answer answer(const httplib::Request& request) {
    if (request.method == "GET")
      return {200, {json{{"items", instances_}, {"metadata", json::object()}}.dump()}};
    patches_.push_back(json::parse(request.body));
    types_.push_back(request.get_header_value("Content-Type"));
    if (refusals_.empty()) return {200, {"{}"}};
    const auto [status, reason, message] = refusals_.front();
    refusals_.erase(refusals_.begin());
    return {status, {json{{"kind", "Status"}, {"reason", reason}, {"message", message}}.dump()}};
  }

  Invocation confirm(const std::string& id) const {
    return invoke({"confirm-prune", id, "--server", server_.url()});
  }

  struct Refusal {
    int status;
    std::string reason, message;
  };
  json instances_ = {
      instance("eu-1", "It answers. 4f0c1b2a3d4eff is another."),
      instance("eu-2",
               std::string("It answers. None is destroyed until that is confirmed: rookery confirm-prune ") +
                   withheldId + ".")};
  std::vector<Refusal> refusals_;  // of the first patches
  std::vector<json> patches_;
  std::vector<std::string> types_;
  ScriptedServer server_{[this](const httplib::Request& request) { return answer(request); }};
};

TEST_F(ConfirmPruneTest, AtAServerItIsWrittenOnTheInstanceThatWithholdsTheSet) {
  struct Case {
    const char* before;  // on the instance; empty: nothing
    const char* after;   // empty: nothing is written
  };
  for (const Case& given : {Case{"", "4f0c1b2a3d4e"}, Case{"000000000000", "000000000000,4f0c1b2a3d4e"},
                            Case{"000000000000, 4f0c1b2a3d4e", ""}}) {
    SCOPED_TRACE(given.before);
    patches_.clear();
    json& metadata = instances_[1]["metadata"];
    metadata.erase("annotations");
    if (*given.before != '\0') metadata["annotations"] = {{"rookery.dev/confirm-prune", given.before}};
    const Invocation outcome = confirm(withheldId);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_THAT(outcome.out, AllOf(HasSubstr("AlbatrossInstance eu-2"), HasSubstr(withheldId)));
    if (*given.after == '\0') {
      EXPECT_THAT(patches_, IsEmpty());
      continue;
    }
    EXPECT_EQ(server_.targets().back(), std::string(instancesPath) + "/eu-2");
    EXPECT_EQ(types_.back(), "application/merge-patch+json");
    EXPECT_THAT(patches_,
                ElementsAre(json{{"metadata",
                                  {{"resourceVersion", "17"},
                                   {"annotations", {{"rookery.dev/confirm-prune", given.after}}}}}}));
  }
}

TEST_F(ConfirmPruneTest, AnIdThatNobodyWaitsForIsNotConfirmed) {
  for (const char* id : {"000000000000", "4f0c", "../../secrets"}) {
    const Invocation outcome = confirm(id);
    EXPECT_EQ(outcome.status, 1) << id;
    EXPECT_EQ(outcome.out, "") << id;
    EXPECT_THAT(outcome.err,
                testing::AnyOf(AllOf(HasSubstr("error: No set of unikernels with the ID 000000000000"),
                                     HasSubstr("describe alba NAME")),
                               HasSubstr("twelve hexadecimal digits")))
        << id;
  }
  EXPECT_THAT(patches_, IsEmpty());
}

TEST_F(ConfirmPruneTest, WhatCannotBeWrittenThereSaysWhatToDoInstead) {
  for (const Refusal& refusal :
       {Refusal{405, "MethodNotAllowed", "it comes from git/eu-2.yaml:1:1, which this API does not write"},
        Refusal{403, "Forbidden", "albatrossinstances is forbidden"}}) {
    refusals_ = {refusal};
    const Invocation outcome = confirm(withheldId);
    EXPECT_EQ(outcome.status, 1);
    EXPECT_THAT(outcome.err,
                AllOf(testing::StartsWith("Error from server (" + refusal.reason + "): " + refusal.message +
                                          ". Confirm it on the machine"),
                      HasSubstr("`rookery confirm-prune 4f0c1b2a3d4e`"),
                      HasSubstr("rookery.dev/confirm-prune: 4f0c1b2a3d4e on AlbatrossInstance eu-2")));
  }
}

TEST_F(ConfirmPruneTest, WhoIsOvertakenLooksAgain) {
  const Refusal overtaken{409, "Conflict", "the object has been modified"};
  refusals_ = {overtaken, overtaken};
  EXPECT_EQ(confirm(withheldId).status, 0);
  EXPECT_EQ(patches_.size(), 3);
  refusals_.assign(9, overtaken);
  const Invocation outcome = confirm(withheldId);
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, HasSubstr("the object has been modified"));
}

TEST_F(ConfirmPruneTest, AServerAndAStateDirectoryExcludeEachOther) {
  EXPECT_NE(
      invoke({"confirm-prune", withheldId, "--server", server_.url(), "--state-dir", "/nowhere"}).status, 0);
  EXPECT_THAT(server_.targets(), IsEmpty());
}

}  // namespace
}  // namespace rookery::cli

#include "serve/json_patch.h"

#include <gmock/gmock.h>

#include <string>

namespace rookery::serve {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

struct PatchCase {
  const char* object;
  const char* operations;
  const char* after;  // or the end of the refusal
};

std::string outcome(const PatchCase& each) {
  const auto patched = applyJsonPatch(json::parse(each.object), json::parse(each.operations));
  if (patched) return patched->dump();
  EXPECT_EQ(patched.error().status, 422) << each.operations;
  return json::parse(patched.error().body)["message"];
}

TEST(JsonPatch, DoesWhatRfc6902Says) {
  const PatchCase cases[] = {
      {R"({"a":1})", R"([])", R"({"a":1})"},
      {R"({"a":1})", R"([{"op":"add","path":"/b","value":null}])", R"({"a":1,"b":null})"},
      {R"({"a":1})", R"([{"op":"add","path":"/a","value":[2]}])", R"({"a":[2]})"},
      {R"({"a":1})", R"([{"op":"add","path":"","value":{"b":2}}])", R"({"b":2})"},
      {R"({"a":1})", R"([{"op":"add","path":"/","value":2}])", R"({"":2,"a":1})"},
      {R"({"a":[1,2]})", R"([{"op":"add","path":"/a/1","value":9}])", R"({"a":[1,9,2]})"},
      {R"({"a":[1,2]})", R"([{"op":"add","path":"/a/2","value":9}])", R"({"a":[1,2,9]})"},
      {R"({"a":[1,2]})", R"([{"op":"add","path":"/a/-","value":[9]}])", R"({"a":[1,2,[9]]})"},
      {R"({"-":1,"0":2})", R"([{"op":"remove","path":"/-"}])", R"({"0":2})"},
      {R"({"a/b":1,"m~n":2})",
       R"([{"op":"remove","path":"/a~1b"},{"op":"replace","path":"/m~0n","value":3}])", R"({"m~n":3})"},
      {R"({"~1":1})", R"([{"op":"test","path":"/~01","value":1}])", R"({"~1":1})"},
      {R"({"a":[1,2,3]})", R"([{"op":"remove","path":"/a/1"}])", R"({"a":[1,3]})"},
      {R"({"a":{"b":1},"c":{}})", R"([{"op":"move","from":"/a/b","path":"/c/d"}])",
       R"({"a":{},"c":{"d":1}})"},
      {R"({"a":[1,2,3]})", R"([{"op":"move","from":"/a/0","path":"/a/2"}])", R"({"a":[2,3,1]})"},
      {R"({"a":1})", R"([{"op":"move","from":"/a","path":"/a"}])", R"({"a":1})"},
      {R"({"a":{"b":1}})", R"([{"op":"copy","from":"/a","path":"/a/c"}])", R"({"a":{"b":1,"c":{"b":1}}})"},
      {R"({"a":[1,{"b":2}]})", R"([{"op":"test","path":"/a","value":[1.0,{"b":2}]}])",
       R"({"a":[1,{"b":2}]})"},
      {R"({"a":1})", R"([{"op":"test","path":"/a","value":1,"more":[]},{"op":"add","path":"/b","value":0}])",
       R"({"a":1,"b":0})"},
  };
  for (const PatchCase& each : cases) EXPECT_EQ(outcome(each), each.after) << each.operations;
}

TEST(JsonPatch, RefusesWhatDoesNotFit) {
  const PatchCase cases[] = {
      {R"({"a":1})", R"([{"op":"add","path":"/a/b","value":1}])", "is neither a mapping nor a list"},
      {R"({"a":"x"})", R"([{"op":"add","path":"/a/0","value":1}])", "is neither a mapping nor a list"},
      {R"({"a":null})", R"([{"op":"add","path":"/a/b","value":1}])", "is neither a mapping nor a list"},
      {R"({"a":true})", R"([{"op":"add","path":"/a/-","value":1}])", "is neither a mapping nor a list"},
      {R"({"a":1})", R"([{"op":"add","path":"/b/c","value":1}])", "there is nothing to add it to"},
      {R"({"a":[1]})", R"([{"op":"add","path":"/a/2","value":1}])", "it takes an index up to that, or -"},
      {R"({"a":[1]})", R"([{"op":"add","path":"/a/01","value":1}])", "it takes an index up to that, or -"},
      {R"({"a":[1]})", R"([{"op":"add","path":"/a/+0","value":1}])", "it takes an index up to that, or -"},
      {R"({"a":[1]})", R"([{"op":"add","path":"/a/x","value":1}])", "it takes an index up to that, or -"},
      {R"({"a":[1]})", R"([{"op":"add","path":"/a/","value":1}])", "it takes an index up to that, or -"},
      {R"({"a":[1]})", R"([{"op":"add","path":"/a/99999999999999999999","value":1}])", "up to that, or -"},
      {R"({"a":[1]})", R"([{"op":"remove","path":"/a/-"}])", "there is nothing"},
      {R"({"a":[1]})", R"([{"op":"remove","path":"/a/00"}])", "there is nothing"},
      {R"({"a":1})", R"([{"op":"remove","path":""}])", "the object as a whole cannot be removed"},
      {R"({"a":1})", R"([{"op":"remove","path":"/a/b"}])", "there is nothing"},
      {R"({"a":1})", R"([{"op":"replace","path":"/b","value":1}])", "there is nothing to replace"},
      {R"({"a":[1]})", R"([{"op":"replace","path":"/a/-","value":1}])", "there is nothing to replace"},
      {R"({"a":1})", R"([{"op":"test","path":"/b","value":null}])", "there is nothing to compare with"},
      {R"({"a":"x"})", R"([{"op":"test","path":"/a","value":"hunter2"}])", "what is there is something else"},
      {R"({"a":1})", R"([{"op":"copy","from":"/b","path":"/c"}])", "there is nothing at from"},
      {R"({"a":{}})", R"([{"op":"move","from":"/a","path":"/a/b"}])", "nothing can be moved into itself"},
      {R"({"a":{}})", R"([{"op":"move","from":"","path":"/a"}])", "nothing can be moved into itself"},
      {R"({"a":1})", R"([{"op":"move","path":"/a"}])", "it needs from, which is a JSON pointer"},
      {R"({"a":1})", R"([{"op":"add","path":"/b"}])", "it has no value"},
      {R"({"a":1})", R"([{"op":"add","path":"b","value":1}])", "its path is no JSON pointer"},
      {R"({"a":1})", R"([{"op":"add","path":"/~2","value":1}])", "its path is no JSON pointer"},
      {R"({"a":1})", R"([{"op":"add","path":"/~","value":1}])", "its path is no JSON pointer"},
      {R"({"a":1})", R"([{"op":"frobnicate","path":""}])", "there is no such op"},
      {R"({"a":1})", R"([{"op":["add"],"path":"/b","value":1}])", "it needs op and path, which are strings"},
      {R"({"a":1})", R"([7])", "operation 0: it needs op and path, which are strings"},
      {R"({"a":1})", R"([{"op":"add","path":"/b","value":1},null])", "operation 1: it needs op and path"},
  };
  for (const PatchCase& each : cases) {
    const std::string said = outcome(each);
    EXPECT_THAT(said, HasSubstr("the patch cannot be applied: operation ")) << each.operations;
    EXPECT_THAT(said, HasSubstr(each.after)) << each.operations;
    EXPECT_THAT(said, Not(HasSubstr("hunter2")));
  }
}

TEST(JsonPatch, HasABudgetOfWork) {
  const auto statusOf = [](const json& object, const json& operations) {
    const auto patched = applyJsonPatch(object, operations);
    return patched ? 200 : patched.error().status;
  };
  json list = json::array();
  for (int i = 0; i < 100'000; ++i) list.push_back(i);
  const auto repeated = [](const char* operation, std::size_t times) {
    json operations = json::array();
    for (std::size_t i = 0; i < times; ++i) operations.push_back(json::parse(operation));
    return operations;
  };
  const json object = {{"a", list}};
  EXPECT_EQ(statusOf(object, repeated(R"({"op":"add","path":"/a/0","value":1})", 5)), 200);
  EXPECT_EQ(statusOf(object, repeated(R"({"op":"add","path":"/a/-","value":1})", 9'999)), 200);
  EXPECT_EQ(statusOf(object, repeated(R"({"op":"add","path":"/a/0","value":1})", 9'999)), 413);
  EXPECT_EQ(statusOf(object, repeated(R"({"op":"remove","path":"/a/0"})", 9'999)), 413);
  EXPECT_EQ(statusOf(object, repeated(R"({"op":"move","from":"/a/0","path":"/a/1"})", 9'999)), 413);
  EXPECT_EQ(statusOf(object, repeated(R"({"op":"copy","from":"/a","path":"/b"})", 9'999)), 413);
}

}  // namespace
}  // namespace rookery::serve

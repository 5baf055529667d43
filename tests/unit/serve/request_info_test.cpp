#include "serve/request_info.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace rookery::serve {
namespace {

std::string show(const std::string& method, const std::string& text) {
  const auto target = http::parseTarget(text);
  if (!target) return "malformed";
  const RequestInfo info = requestInfoOf(method, *target);
  return fmt::format("{} {}|{}|{}|{}|{}", info.verb, info.group, info.resource, info.subresource,
                     info.nameSpace, info.name);
}

TEST(RequestInfo, AsKubernetesDerivesIt) {
  const std::string base = "/apis/rookery.dev/v1alpha1";
  EXPECT_EQ(show("GET", base + "/unikernels"), "list rookery.dev|unikernels|||");
  EXPECT_EQ(show("GET", base + "/namespaces/shop/unikernels"), "list rookery.dev|unikernels||shop|");
  EXPECT_EQ(show("HEAD", base + "/namespaces/shop/unikernels/web"), "get rookery.dev|unikernels||shop|web");
  EXPECT_EQ(show("GET", base + "/unikernels?watch=1"), "watch rookery.dev|unikernels|||");
  EXPECT_EQ(show("GET", base + "/unikernels?watch=false"), "list rookery.dev|unikernels|||");
  EXPECT_EQ(show("POST", base + "/namespaces/shop/unikernels"), "create rookery.dev|unikernels||shop|");
  EXPECT_EQ(show("PUT", base + "/namespaces/shop/unikernels/web/status"),
            "update rookery.dev|unikernels|status|shop|web");
  EXPECT_EQ(show("PATCH", base + "/albatrossinstances/eu-1"), "patch rookery.dev|albatrossinstances|||eu-1");
  EXPECT_EQ(show("DELETE", base + "/namespaces/shop/unikernels"), "delete rookery.dev|unikernels||shop|");
  EXPECT_EQ(show("GET", "/api/v1/namespaces/shop/secrets/token"), "get |secrets||shop|token");
  EXPECT_EQ(show("GET", "/api/v1/namespaces/shop"), "get |namespaces||shop|shop");
  EXPECT_EQ(show("GET", "/api/v1/namespaces"), "list |namespaces|||");
}

TEST(RequestInfo, WhatIsNotAboutAResource) {
  for (const char* path :
       {"/", "/api", "/api/v1", "/apis", "/apis/rookery.dev/v1alpha1", "/openapi/v3", "/deploy"}) {
    EXPECT_EQ(show("GET", path), "get ||||") << path;
  }
  EXPECT_EQ(show("POST", "/deploy"), "create ||||");
}

}  // namespace
}  // namespace rookery::serve

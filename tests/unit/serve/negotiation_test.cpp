#include "serve/negotiation.h"

#include <gtest/gtest.h>

#include <string>

namespace rookery::serve {
namespace {

using As = MediaType::As;

constexpr const char* kubectlGet =
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,"
    "application/json";

TEST(Negotiation, ChoosesAsKubernetesDoes) {
  struct Case {
    const char* accept;
    Content content;
    std::optional<MediaType> type;
  };
  const MediaType itself;
  const MediaType table{.as = As::Table, .version = "v1", .pretty = false};
  const MediaType oldTable{.as = As::Table, .version = "v1beta1", .pretty = false};
  const MediaType partial{.as = As::PartialObjectMetadata, .version = "v1", .pretty = false};
  const Case cases[] = {
      {"", Content::Object, itself},
      {"  ", Content::Object, itself},
      {"*/*", Content::Object, itself},
      {"application/*", Content::Object, itself},
      {"application/json", Content::List, itself},
      {"APPLICATION/JSON", Content::List, itself},
      {"application/json; charset=utf-8", Content::List, itself},
      {"text/html", Content::Object, std::nullopt},
      {"text/*", Content::Object, std::nullopt},
      {"application/jsonp", Content::Object, std::nullopt},
      {"nonsense", Content::Object, std::nullopt},
      {",;,", Content::Object, std::nullopt},
      {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Content::Object, itself},
      {kubectlGet, Content::List, table},
      {kubectlGet, Content::Object, table},
      {kubectlGet, Content::Watch, table},
      {kubectlGet, Content::Discovery, itself},
      {"application/json;as=Table;v=v1beta1;g=meta.k8s.io", Content::List, oldTable},
      {"application/json;as=\"Table\";v=\"v1\";g=\"meta.k8s.io\"", Content::List, table},
      {"application/json;as=Table;v=v2;g=meta.k8s.io", Content::List, std::nullopt},
      {"application/json;as=Table;v=v1;g=x", Content::List, std::nullopt},
      {"application/json;as=Table", Content::List, std::nullopt},
      {"application/json;as=Chair;v=v1;g=meta.k8s.io,application/json", Content::List, itself},
      {"application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", Content::Object, partial},
      {"application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", Content::Watch, partial},
      {"application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", Content::List, std::nullopt},
      {"application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", Content::List, partial},
      {"application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", Content::Object, std::nullopt},
      {"application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,"
       "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
       Content::List, partial},
      {"application/vnd.kubernetes.protobuf", Content::Object, std::nullopt},
      {"application/vnd.kubernetes.protobuf,application/json", Content::Object, itself},
      {"application/vnd.kubernetes.protobuf, */*", Content::Object, itself},
      {"application/yaml", Content::Object, std::nullopt},
      {"application/json;stream=watch", Content::Watch, itself},
      {"application/json;stream=watch", Content::List, std::nullopt},
      {"application/json;stream=watch,application/json", Content::List, itself},
      {"application/json;stream=other", Content::Watch, std::nullopt},
      {"application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
       "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json",
       Content::Discovery, itself},
      {"application/json;pretty=1", Content::Object, MediaType{.pretty = true}},
      {"application/json;pretty=0", Content::Object, itself},
      {"application/json;as=Table;v=v1;g=meta.k8s.io;q=0.1,application/json;q=0.5", Content::List, itself},
      {"application/json;q=0.5,application/json;as=Table;v=v1;g=meta.k8s.io", Content::List, table},
      {"*/*,application/json;as=Table;v=v1;g=meta.k8s.io", Content::List, table},
      {"application/json;q=0", Content::Object, std::nullopt},
      {"application/json;q=0.0,text/html", Content::Object, std::nullopt},
      {"application/json;q=x", Content::Object, std::nullopt},
      {"application/json;q=2", Content::Object, std::nullopt},
      {"application/json;q=nan", Content::Object, std::nullopt},
      {"application/json;x=\"a,b;c\\\"\"", Content::Object, itself},
      {"application/json;x=\"a,", Content::Object, itself},
  };
  for (const Case& each : cases) EXPECT_EQ(negotiate(each.accept, each.content), each.type) << each.accept;
}

TEST(Negotiation, AVeryLongHeaderIsAnswered) {
  std::string accept;
  for (int i = 0; i < 20'000; ++i) accept += "text/html;q=0.5,";
  EXPECT_EQ(negotiate(accept, Content::Object), std::nullopt);
  EXPECT_NE(negotiate(accept + "*/*;q=0.1", Content::Object), std::nullopt);
}

TEST(Negotiation, OpenApiIsJsonOrProtobuf) {
  constexpr const char* protobuf = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
  EXPECT_EQ(negotiateOpenApiV2(protobuf), OpenApiForm::Protobuf);
  EXPECT_EQ(negotiateOpenApiV2("application/com.github.proto-openapi.spec.v2.v1.0+protobuf"),
            OpenApiForm::Protobuf);
  EXPECT_EQ(negotiateOpenApiV2(std::string(protobuf) + ", */*"), OpenApiForm::Protobuf);
  EXPECT_EQ(negotiateOpenApiV2("application/json, " + std::string(protobuf)), OpenApiForm::Json);
  EXPECT_EQ(negotiateOpenApiV2("application/json;q=0.5, " + std::string(protobuf)), OpenApiForm::Protobuf);
  EXPECT_EQ(negotiateOpenApiV2(""), OpenApiForm::Json);
  EXPECT_EQ(negotiateOpenApiV2("*/*"), OpenApiForm::Json);
  EXPECT_EQ(negotiateOpenApiV2("text/html"), std::nullopt);
}

}  // namespace
}  // namespace rookery::serve

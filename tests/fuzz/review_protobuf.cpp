// Reviews in Kubernetes' protobuf, as newer kubectl send them.

#include "serve/review_protobuf.h"

#include "fuzz/target.h"

namespace rookery::fuzz {
namespace {

const Target reviewProtobuf("review_protobuf", [](std::string_view input) {
  const auto review = serve::reviewOfProtobuf(input);
  if (!review) return;
  check(input.starts_with("k8s"), "only what says so is read as protobuf");
  std::size_t read = 0;
  for (const auto& [kind, attributes] : review->value("spec", nlohmann::json::object()).items())
    for (const auto& [name, value] : attributes.items()) read += value.get_ref<const std::string&>().size();
  check(read <= input.size(), "nothing is read that was not sent");
});

}  // namespace
}  // namespace rookery::fuzz

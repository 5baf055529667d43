// Strings in specs, on the command line and in headers.

#include "api/syntax.h"

#include "albatross/client/client.h"
#include "albatross/wire.h"
#include "api/age.h"
#include "api/expand.h"
#include "fuzz/target.h"
#include "image/pull/hosts.h"
#include "text.h"

namespace rookery::fuzz {
namespace {

void expectNamesAgree(std::string_view text) {
  const auto label = albatross::parseLabel(text);
  if (!api::checkName(text)) check(label && *label == text, "what may be a name is a label");
  if (label) check(albatross::parseLabel(*label) == label, "a label is folded once");
  if (const auto name = albatross::Name::parse(text))
    check(albatross::Name::parse(name->toString()) == name, "a name survives encoding");
  if (const auto mac = albatross::parseMac(text))
    check(albatross::parseMac(albatross::toString(*mac)) == mac, "a MAC survives writing");
  if (const auto endpoint = albatross::Endpoint::parse(text))
    check(albatross::Endpoint::parse(endpoint->toString()) == endpoint, "an endpoint survives writing");
  check(api::checkEndpoint(text).has_value() || albatross::Endpoint::parse(text).has_value(),
        "an endpoint that is valid is one");
}

void expectHostsAgree(const std::string& text) {
  if (const auto hosts = image::Hosts::parse({text})) {
    hosts->allowsName(text);
    if (const auto address = image::addressOf(text))
      check(hosts->allowsAddress(*address), "an address allows itself");
  }
}

const Target syntax("syntax", [](std::string_view input) {
  expectNamesAgree(input);
  expectHostsAgree(std::string(input));
  for (const auto complaint :
       {api::checkNamespace, api::checkLabelKey, api::checkLabelValue, api::checkSecretKey,
        api::checkVariable, api::checkMac, api::checkUrl, api::checkSha256, api::checkPrintable})
    check(complaint(input) != "", "a complaint says something");
  check(api::checkLabelKey(input).has_value() == !api::labelKeyErrors(input).empty() &&
            api::checkLabelValue(input).has_value() == !api::labelValueErrors(input).empty(),
        "files and the API take the same labels");
  check(api::decodeBase64(api::encodeBase64(input)) == std::string(input), "bytes survive base64");
  if (const auto bytes = api::decodeBase64(input))
    check(api::decodeBase64(api::encodeBase64(*bytes)) == bytes, "bytes survive base64");
  if (const auto memory = api::parseMi(input)) check(*memory >= 0, "memory is not negative");
  if (const auto duration = api::parseDuration(input)) check(duration->count() > 0, "a duration is positive");
  api::formatAgeSince(input, {});
  check(api::expand(input, {}).size() <= input.size(), "what is not known stays as it is");
  api::references(input);
});

}  // namespace
}  // namespace rookery::fuzz

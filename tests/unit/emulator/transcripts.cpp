#include "transcripts.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "fixtures/temp_dir.h"
#include "image/image.h"
#include "images/image_maker.h"

namespace rookery::emulator {

using albatross::Wire;
using nlohmann::json;

namespace {

std::string makeStream(const std::string& name, const json& description) {
  const std::string format = description.at("format");
  if (format == "zero bytes") return "";
  if (format != "solo5") return "this is " + format;
  images::ImageSpec spec;
  spec.target = description.at("target") == "spt" ? 2 : 1;
  spec.abiVersion = description.at("abi");
  spec.networks = description.at("networks");
  spec.blocks = description.at("blocks");
  spec.content = name;
  return images::makeImage(spec);
}

Wire toWire(const json& reply) {
  const std::string name = reply.at("name");
  const std::string header =
      der('\x30', der('\x02', "\x05") + der('\x04', std::string(8, '\0')) + der('\x0c', name));
  const std::string payload = image::fromHex(reply.at("payload_hex").get<std::string>());
  const auto message = albatross::decodeWire(der('\x30', header + payload));
  check(message.has_value(), message ? "" : message.error().message);
  return *message;
}

bool isDump(const std::string& commandDer) {
  const auto command = albatross::decodeExtension(extensionOf(commandDer));
  const auto* block = command ? std::get_if<albatross::BlockCommand>(&*command) : nullptr;
  return block != nullptr && std::holds_alternative<albatross::block::Dump>(*block);
}

bool isSubscription(const std::string& commandDer) {
  const auto command = albatross::decodeExtension(extensionOf(commandDer));
  const auto* stats = std::get_if<albatross::StatsCommand>(&*command);
  const auto* console = std::get_if<albatross::ConsoleCommand>(&*command);
  return (stats != nullptr && std::holds_alternative<albatross::stats::Subscribe>(*stats)) ||
         (console != nullptr && std::holds_alternative<albatross::console::Subscribe>(*console));
}

/// Whether the guests of the emulator print that line, too: they are simpler.
bool isPrintedHere(const Wire& message) {
  const auto* data = std::get_if<albatross::Data>(&message.payload);
  const auto* console = data == nullptr ? nullptr : std::get_if<albatross::data::Console>(data);
  if (console == nullptr) return true;
  const std::string& line = console->line;
  return line.contains("solo5_exit") || (line.starts_with("tick ") && line[5] >= '1' && line[5] <= '9');
}

Step toStep(const json& recorded, const json& images) {
  Step step;
  step.what = recorded.at("what");
  for (const auto& domain : recorded.at("chain")) {
    const std::string policy = image::fromHex(domain.at("policy_hex").get<std::string>());
    const std::string add = der('\xa4', der('\xa1', policy));  // policy [4], add [1]
    step.chain.push_back({domain.at("cn").get<std::string>(), extensionOf(add)});
  }
  step.command = image::fromHex(recorded.at("command_hex").get<std::string>());
  const std::string extension = recorded.contains("extension_hex")
                                    ? image::fromHex(recorded.at("extension_hex").get<std::string>())
                                    : extensionOf(step.command);
  step.chain.push_back({recorded.at("cn").get<std::string>(), extension});
  if (recorded.contains("stream") && recorded.at("stream").is_string()) {
    const std::string name = recorded.at("stream");
    step.streams = true;
    step.stream = makeStream(name, images.at(name));
  }
  if (recorded.contains("stream_bytes")) {  // of a block device: the recorded ones were all of one letter
    step.streams = true;
    step.stream = std::string(recorded.at("stream_bytes").get<std::size_t>(), 'A');
  }
  for (const auto& reply : recorded.at("replies")) {
    Wire message = toWire(reply);
    if (isPrintedHere(message)) step.replies.push_back(std::move(message));
  }
  step.subscription = isSubscription(step.command);
  step.dumps = isDump(step.command);
  if (step.subscription || step.dumps) return step;
  step.unanswered = step.streams && step.replies.empty();
  const std::string closed = step.replies.empty() ? "without a reply" : "clean";
  check(recorded.at("closed") == closed || step.unanswered,
        "a recorded exchange is one reply and a clean close, or no reply");
  return step;
}

albatross::Unikernels* unikernelsIn(Wire& message) {
  auto* success = std::get_if<albatross::Success>(&message.payload);
  auto* list = success == nullptr ? nullptr : std::get_if<albatross::success::UnikernelList>(success);
  return list == nullptr ? nullptr : &list->unikernels;
}

/// Of statistics: which parts there are.
void settleData(albatross::Data& recorded, const albatross::Data& actual) {
  auto* their = std::get_if<albatross::data::Statistics>(&recorded);
  const auto* our = std::get_if<albatross::data::Statistics>(&actual);
  if (their != nullptr && our != nullptr) {
    const bool sameParts = their->kinfo.has_value() == our->kinfo.has_value() &&
                           their->vmm.has_value() == our->vmm.has_value() &&
                           their->interfaces.size() == our->interfaces.size();
    if (sameParts) *their = *our;
  }
  auto* line = std::get_if<albatross::data::Console>(&recorded);
  const auto* ourLine = std::get_if<albatross::data::Console>(&actual);
  if (line != nullptr && ourLine != nullptr) line->timestamp = ourLine->timestamp;
}

void settleConsoles(Wire& message) {
  auto* success = std::get_if<albatross::Success>(&message.payload);
  auto* consoles = success == nullptr ? nullptr : std::get_if<albatross::success::Consoles>(success);
  if (consoles == nullptr) return;
  std::ranges::sort(consoles->names);
  // The recorded server left out one that was restarted twice and destroyed within a moment.
  std::erase_if(consoles->names, [](const albatross::Name& name) { return name.label == "fresh"; });
}

}  // namespace

std::vector<Scenario> loadTranscripts() {
  const json document = json::parse(fixtures::readFile(TEST_DATA "/transcripts.json"));
  std::vector<Scenario> scenarios;
  for (const auto& recorded : document.at("scenarios")) {
    Scenario scenario{recorded.at("name"), {}};
    for (const auto& step : recorded.at("steps"))
      scenario.steps.push_back(toStep(step, document.at("images")));
    scenarios.push_back(std::move(scenario));
  }
  return scenarios;
}

void Comparison::settle(Wire& recorded, Wire& actual) {
  settleConsoles(recorded);
  settleConsoles(actual);
  auto* theirData = std::get_if<albatross::Data>(&recorded.payload);
  const auto* ourData = std::get_if<albatross::Data>(&actual.payload);
  if (theirData != nullptr && ourData != nullptr) settleData(*theirData, *ourData);
  auto* theirs = unikernelsIn(recorded);
  auto* ours = unikernelsIn(actual);
  if (theirs == nullptr || ours == nullptr || theirs->size() != ours->size()) return;
  for (std::size_t i = 0; i < ours->size(); ++i) {
    auto& their = theirs->at(i).second;
    auto& our = ours->at(i).second;
    if (their.started && our.started) their.started = our.started;
    their.digest = digests_.emplace(their.digest, our.digest).first->second;
  }
}

std::string Comparison::differs(Wire recorded, Wire actual) {
  settle(recorded, actual);
  recorded.header.sequence = actual.header.sequence;
  const std::string expected = albatross::encode(recorded);
  const std::string got = albatross::encode(actual);
  return expected == got ? ""
                         : fmt::format("recorded {}\nactual   {}", image::toHex(expected), image::toHex(got));
}

}  // namespace rookery::emulator

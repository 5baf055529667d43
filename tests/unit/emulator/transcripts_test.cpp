#include "transcripts.h"

#include <gtest/gtest.h>

#include <atomic>

#include "emulator/emulator.h"
#include "emulator_options.h"

namespace rookery::emulator {
namespace {

using albatross::Time;
using albatross::Wire;
using std::chrono::milliseconds;

/// What the recorded server's root policy shows.
Machine recordedMachine() {
  Machine machine;
  machine.memory = 24'152;
  machine.cpus = 2;
  machine.block = 258'019;
  machine.bridges = {"albbr0"};
  return machine;
}

/// How long before a step: long enough for a guest to end where the recording waited for that.
milliseconds pauseBefore(const Step& step) {
  const bool waited =
      step.what == "info after it ended" || step.what == "info later" || step.what.contains("then live");
  return waited ? milliseconds(1000) : milliseconds(1);
}

/// How many steps were played, so that a test that compares nothing fails.
struct Tally {
  int compared = 0;
  int streamed = 0;  // messages of subscriptions
  int refusedByEndpoint = 0;
};

void expectSame(const Scenario& scenario, std::size_t index, Comparison& comparison,
                const std::vector<Wire>& replies) {
  const Step& step = scenario.steps[index];
  SCOPED_TRACE(scenario.name + ", step " + std::to_string(index) + ": " + step.what);
  ASSERT_LE(step.replies.size(), replies.size());
  ASSERT_TRUE(step.dumps || step.replies.size() == replies.size());
  for (std::size_t i = 0; i < step.replies.size(); ++i) {
    EXPECT_EQ("", comparison.differs(step.replies[i], replies[i]));
  }
}

/// Of a device of that size, to its end.
void expectWholeContent(const std::vector<Wire>& replies, std::size_t size) {
  std::size_t received = 0;
  for (std::size_t i = 1; i < replies.size(); ++i) {
    const auto& block = std::get<albatross::data::Block>(std::get<albatross::Data>(replies[i].payload));
    ASSERT_EQ(i + 1 < replies.size(), block.bytes.has_value()) << "at " << i;
    received += block.bytes ? block.bytes->size() : 0;
  }
  EXPECT_EQ(size, received);
}

/// What the endpoint makes of a chain; nothing where it would refuse it.
std::optional<Request> toRequest(const Step& step) {
  Request request;
  Path path;
  for (const auto& certificate : step.chain) {
    const auto command = albatross::decodeExtension(*certificate.extension);
    const bool isDomain = certificate.commonName == ".";
    const auto label = isDomain ? "" : albatross::parseLabel(*certificate.commonName);
    if (!command || !label) return std::nullopt;
    if (&certificate != &step.chain.back()) {
      path.push_back(*label);
      request.policies.emplace_back(
          path, std::get<albatross::policy::Add>(std::get<albatross::PolicyCommand>(*command)).policy);
      continue;
    }
    request.name = {path, isDomain ? std::nullopt : std::optional(*label)};
    request.command = *command;
  }
  return request;
}

void putStream(Request& request, const std::string& image) {
  if (std::holds_alternative<albatross::BlockCommand>(request.command)) {
    request.content = image;
    return;
  }
  auto& command = std::get<albatross::UnikernelCommand>(request.command);
  if (auto* create = std::get_if<albatross::unikernel::Create>(&command)) create->config.image = image;
  if (auto* create = std::get_if<albatross::unikernel::ForceCreate>(&command)) create->config.image = image;
}

/// Guests that print do it this often.
constexpr milliseconds betweenLines{200};

/// All that comes of a subscription: what is there, and what comes while time passes.
std::vector<Wire> subscribe(Server& server, const Request& request, Time& now) {
  std::vector<Wire> messages;
  const auto send = [&](const albatross::Name& name, albatross::Data data) {
    messages.push_back({{0, name}, albatross::Payload(std::move(data))});
  };
  if (const auto* console = std::get_if<albatross::ConsoleCommand>(&request.command)) {
    const auto& from = std::get<albatross::console::Subscribe>(*console).from;
    const auto reader = [&](const Consoles::Line* line) { send(request.name, *line); };
    const auto subscription = server.consoles().subscribe(request.name, from, reader);
    for (const auto& line : subscription.replay) send(request.name, line);
    now += betweenLines;
    server.tick(now);
    server.consoles().unsubscribe(request.name, subscription.reader);
    return messages;
  }
  for (int told = 0; told < 2; ++told) {
    for (auto& [name, statistics] : server.statistics(request.name.path, now)) send(name, statistics);
    now += betweenLines;
  }
  return messages;
}

TEST(Transcripts, ServerAnswersAsRecorded) {
  Server server(recordedMachine());
  Comparison comparison;
  Time now = Time(std::chrono::days(20'000));
  Tally tally;
  for (const auto& scenario : loadTranscripts()) {
    for (std::size_t i = 0; i < scenario.steps.size(); ++i) {
      const Step& step = scenario.steps[i];
      auto request = toRequest(step);
      tally.refusedByEndpoint += request ? 0 : 1;
      if (!request) continue;
      if (step.streams) putStream(*request, step.stream);
      now += pauseBefore(step);
      std::vector<Wire> replies;
      server.submit(*request, now, [&](Answer answer) {
        if (!answer) return;
        const auto payload = std::visit([](const auto& part) { return albatross::Payload(part); }, *answer);
        replies.push_back({{0, request->name}, payload});
      });
      if (step.subscription) {
        const auto streamed = subscribe(server, *request, now);
        replies.insert(replies.end(), streamed.begin(), streamed.end());
        tally.streamed += static_cast<int>(streamed.size());
      }
      if (step.dumps) continue;  // what follows the answer is the endpoint's
      expectSame(scenario, i, comparison, replies);
      ++tally.compared;
    }
  }
  EXPECT_EQ(113, tally.compared);
  EXPECT_EQ(7, tally.streamed);
  EXPECT_EQ(3, tally.refusedByEndpoint);
}

TEST(Transcripts, EmulatorAnswersAsRecordedOverTls) {
  const fixtures::Identity ca = fixtures::makeIdentity({});
  std::atomic<Time> now = Time(std::chrono::days(20'000));
  Options options = optionsWith(ca);
  options.machine = recordedMachine();
  options.now = [&now] { return now.load(); };
  options.statisticsInterval = milliseconds(1);
  EmulatorThread emulator(options);
  Comparison comparison;
  Tally tally;
  for (const auto& scenario : loadTranscripts()) {
    for (std::size_t i = 0; i < scenario.steps.size(); ++i) {
      const Step& step = scenario.steps[i];
      now = now.load() + pauseBefore(step);
      RawClient client(emulator.port(), ca, step.chain);
      if (step.streams) {
        client.sendFrames(step.stream);
        client.endStream();
      }
      if (step.unanswered) continue;
      std::vector<Wire> replies;
      const auto receive = [&](std::size_t most) {
        const RawReplies received = client.read(most);
        for (const auto& message : received.messages) replies.push_back(*albatross::decodeWire(message));
        return received.clean;
      };
      if (step.subscription) {
        const std::size_t replayed = step.replies.size() - (step.what.contains("then live") ? 1 : 0);
        receive(replayed);
        now = now.load() + betweenLines;
        receive(step.replies.size() - replayed);
        tally.streamed += static_cast<int>(replies.size()) - 1;
      } else {
        EXPECT_TRUE(receive(SIZE_MAX)) << step.what;
      }
      expectSame(scenario, i, comparison, replies);
      if (step.dumps && replies.size() > 1) expectWholeContent(replies, std::size_t{4} << 20);
      ++tally.compared;
    }
  }
  EXPECT_EQ(117, tally.compared);
  EXPECT_EQ(7, tally.streamed);
}

}  // namespace
}  // namespace rookery::emulator

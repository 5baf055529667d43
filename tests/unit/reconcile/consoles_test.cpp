#include "reconcile/consoles.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <atomic>
#include <functional>
#include <thread>

#include "unit/reconcile/console_server.h"

namespace rookery::reconcile {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

const api::ObjectKey shopWeb = plan::keyOf("shop/web");

class ConsolesTest : public testing::Test, protected ConsoleServer {
 protected:
  using Reader = std::unique_ptr<Consoles::Reader>;
  Reader open(const api::ObjectKey& unikernel = shopWeb) {
    auto reader = consoles().open(unikernel, "eu-1");
    EXPECT_TRUE(reader) << reader.error().message;
    return reader ? *std::move(reader) : nullptr;
  }
  Reason refusal(const api::ObjectKey& unikernel = shopWeb, const std::string& instance = "eu-1") {
    const auto reader = consoles().open(unikernel, instance);
    EXPECT_FALSE(reader);
    return reader ? Reason{} : reader.error().reason;
  }

  /// Reads until `enough` holds of all that has come.
  static Consoles::Lines gather(Consoles::Reader& reader,
                                const std::function<bool(const Consoles::Lines&)>& enough) {
    Consoles::Lines all;
    const auto end = std::chrono::steady_clock::now() + 30s;
    while (!enough(all)) {
      const Consoles::Lines more = reader.read(end);
      all.lines.insert(all.lines.end(), more.lines.begin(), more.lines.end());
      all.missed += more.missed;
      all.replayed = more.replayed;
      all.ended = more.ended;
      EXPECT_LT(std::chrono::steady_clock::now(), end) << "it does not come to that";
      if (std::chrono::steady_clock::now() >= end) break;
    }
    return all;
  }
  static std::vector<std::string> textsOf(const Consoles::Lines& lines) {
    std::vector<std::string> texts;
    for (const auto& line : lines.lines) texts.push_back(line.text);
    return texts;
  }
  static std::vector<std::string> lines(Consoles::Reader& reader, std::size_t count) {
    return textsOf(gather(reader, [&](const auto& all) { return all.lines.size() >= count; }));
  }
  static Consoles::Lines replay(Consoles::Reader& reader) {
    return gather(reader, [](const auto& all) { return all.replayed || all.ended; });
  }
  static Error end(Consoles::Reader& reader) {
    return gather(reader, [](const auto& all) { return all.ended.has_value(); }).ended.value_or(Error{});
  }
};

TEST_F(ConsolesTest, HaveOneSubscriptionHoweverManyRead) {
  print("one");
  print("two");
  const Reader first = open(), second = open();
  EXPECT_THAT(textsOf(replay(*first)), ElementsAre("one", "two"));
  EXPECT_THAT(textsOf(replay(*second)), ElementsAre("one", "two"));
  print("three");
  EXPECT_THAT(lines(*first, 1), ElementsAre("three"));
  const Reader late = open();
  const Consoles::Lines all = late->read(std::chrono::steady_clock::now());
  EXPECT_THAT(textsOf(all), ElementsAre("one", "two", "three"));
  EXPECT_TRUE(all.replayed);
  EXPECT_EQ(all.missed, 0);
  EXPECT_EQ(all.lines.front().time, albatross::Time(1s));
  EXPECT_THAT(lines(*second, 1), ElementsAre("three"));
  EXPECT_EQ(subscriptions(), 1);
  const Consoles::Lines nothing = second->read(std::chrono::steady_clock::now() + 1ms);
  EXPECT_THAT(nothing.lines, IsEmpty());
  EXPECT_FALSE(nothing.ended);
}

TEST_F(ConsolesTest, KnowAtOnceThatNothingWasKept) {
  options.quiet = options.longestReplay = 1h;
  const Reader reader = open();
  EXPECT_THAT(replay(*reader).lines, IsEmpty());
  print("begun");
  EXPECT_THAT(lines(*reader, 1), ElementsAre("begun"));
}

/// What prints all the time is never silent.
TEST_F(ConsolesTest, DoNotWaitForSilenceForEver) {
  options.quiet = 1h;
  options.longestReplay = 20ms;
  print("first");
  const Reader reader = open();
  const Consoles::Lines all = gather(*reader, [&](const auto& soFar) {
    print("more");
    return soFar.replayed;
  });
  EXPECT_EQ(textsOf(all).front(), "first");
}

TEST_F(ConsolesTest, LingerForTheNextReader) {
  print("one");
  open().reset();
  EXPECT_THAT(textsOf(replay(*open())), ElementsAre("one"));
  EXPECT_EQ(subscriptions(), 1);
}

TEST_F(ConsolesTest, CloseSomeTimeAfterTheLastReader) {
  options.lingering = 1ms;
  print("one");
  Reader first = open(), second = open();
  replay(*first);
  first.reset();
  replay(*second);
  EXPECT_EQ(ask([&] { return server.openStreams(); }), 1);
  second.reset();
  until([&] { return server.openStreams() == 0; });
  const Reader again = open();
  EXPECT_THAT(textsOf(replay(*again)), ElementsAre("one"));
  EXPECT_EQ(subscriptions(), 2);
}

TEST_F(ConsolesTest, EndAtTheStop) {
  print("one");
  const Reader reader = open(), other = open(plan::keyOf("shop/web"));
  replay(*reader);
  std::thread waiting([&] { EXPECT_EQ(end(*other).reason, Reason::Cancelled); });
  consoles().stop();
  EXPECT_EQ(end(*reader).reason, Reason::Cancelled);
  waiting.join();
  EXPECT_EQ(refusal(), Reason::ServiceUnavailable);
  until([&] { return server.openStreams() == 0; });
}

TEST_F(ConsolesTest, EndAtTheStopAlsoWhileTheyAreOpened) {
  ask([&] { server.hang = true; });
  const Reader reader = open();
  until([&] { return server.subscriptions == 1; });
  consoles().stop();
  EXPECT_EQ(end(*reader).reason, Reason::Cancelled);
}

TEST_F(ConsolesTest, TellWhatKeepsThemFromBeingRead) {
  EXPECT_EQ(refusal(shopWeb, "us-1"), Reason::InstanceUnavailable);
  EXPECT_EQ(refusal(plan::keyOf("other/web")), Reason::NoPolicy);
  ask([&] { server.down = true; });
  EXPECT_EQ(end(*open()).reason, Reason::ConnectionFailed);
}

TEST_F(ConsolesTest, EndWithTheirServerAndBeginAgain) {
  print("one");
  for (std::size_t i = 1; i <= 3; ++i) {
    const Reader reader = open();
    EXPECT_THAT(textsOf(replay(*reader)), ElementsAre("one"));
    ask([&] { server.endStreams(); });
    EXPECT_EQ(end(*reader).reason, Reason::ConnectionFailed);
    EXPECT_EQ(subscriptions(), i);
  }
}

// -- What is kept
// ----------------------------------------------------------------------------------------------------

TEST_F(ConsolesTest, KeepTheLastLinesForWhoReadsSlowly) {
  const Reader slow = open();
  replay(*slow);
  const Reader other = open();
  for (std::size_t i = 1; i <= Consoles::keptLines + 100; ++i) print(std::to_string(i));
  gather(*other, [](const auto& all) { return all.lines.size() + all.missed == Consoles::keptLines + 100; });
  const Consoles::Lines late = slow->read(std::chrono::steady_clock::now());
  EXPECT_EQ(late.missed, 100);
  ASSERT_THAT(late.lines, SizeIs(Consoles::keptLines));
  EXPECT_EQ(late.lines.front().text, "101");
  EXPECT_EQ(late.lines.back().text, std::to_string(Consoles::keptLines + 100));
  EXPECT_EQ(open()->read(std::chrono::steady_clock::now()).missed, 0) << "it began later";
}

TEST_F(ConsolesTest, KeepNoMoreThanSoManyBytes) {
  const Reader reader = open();
  replay(*reader);
  constexpr std::size_t count = 1'000;
  for (std::size_t i = 0; i < count; ++i) print(std::string(Consoles::longestLine, '\x01'));
  gather(*reader, [](const auto& all) { return all.lines.size() + all.missed == count; });
  std::size_t bytes = 0;
  for (const auto& line : open()->read(std::chrono::steady_clock::now()).lines) bytes += line.text.size();
  EXPECT_LE(bytes, Consoles::keptBytes);
  EXPECT_GT(bytes, Consoles::keptBytes / 2);
}

TEST_F(ConsolesTest, ShowWhatMovesACursorAndCutWhatIsLong) {
  print("\x1b[2J\a\xff\xc3\u202e");
  print("");
  print(std::string(1 << 20, 'x'));
  print(std::string(Consoles::longestLine - 1, 'x') + "é");
  const auto texts = textsOf(replay(*open()));
  ASSERT_THAT(texts, SizeIs(4));
  EXPECT_EQ(texts[0], "\\u001b[2J\\u0007\\xff\\xc3\\u202e");
  EXPECT_EQ(texts[1], "");
  EXPECT_EQ(texts[2], std::string(Consoles::longestLine, 'x') + "… (1048576 bytes)");
  EXPECT_EQ(texts[3], std::string(Consoles::longestLine - 1, 'x') + "… (4097 bytes)") << "no half character";
}

// -- Secrets
// ---------------------------------------------------------------------------------------------------------

TEST_F(ConsolesTest, ShowNoSecret) {
  declareSecrets("shop/web", {"hunter2", "-----BEGIN KEY-----\nMIIEvQIBADAN\n-----END KEY-----\n"});
  print("argv: --password=hunter2");
  print("MIIEvQIBADAN");
  print(std::string(Consoles::longestLine - 3, 'x') + "hunter2");
  const Reader reader = open();
  const auto texts = textsOf(replay(*reader));
  EXPECT_THAT(texts, Each(AllOf(Not(HasSubstr("hun")), Not(HasSubstr("MIIE")), HasSubstr("‹redacted›"))));
  EXPECT_THAT(texts, SizeIs(3));
}

/// What was started with the former value may print it yet, what is started with the new one soon.
TEST_F(ConsolesTest, ShowNoSecretThatIsReplacedWhileTheyAreRead) {
  declareSecrets("shop/web", {"hunter2"});
  const Reader reader = open();
  replay(*reader);
  declareSecrets("shop/web", {"correct horse"});
  print("hunter2, now correct horse");
  EXPECT_THAT(lines(*reader, 1), ElementsAre("‹redacted›, now ‹redacted›"));
  scene.undeclare("shop/web");
  reached();
  print("hunter2");
  EXPECT_THAT(lines(*reader, 1), ElementsAre("‹redacted›"));
}

/// A server keeps what was printed before, and what runs may have been started with it.
TEST_F(ConsolesTest, ShowNoFormerSecret) {
  declareSecrets("shop/web", {"correct horse"});
  scene.declare("shop/web", [](api::Unikernel&, plan::DesiredUnikernel& unikernel) {
    unikernel.formerSecrets.values = {"hunter2"};
  });
  reached();
  print("hunter2, now correct horse");
  EXPECT_THAT(textsOf(replay(*open())), ElementsAre("‹redacted›, now ‹redacted›"));
}

TEST_F(ConsolesTest, AreNotReadWhereNobodyKnowsTheSecrets) {
  declareSecrets("shop/web", {"hunter2"});
  scene.declare("shop/web",
                [](api::Unikernel&, plan::DesiredUnikernel& unikernel) { unikernel.secrets.clear(); });
  reached();
  EXPECT_EQ(refusal(), Reason::ReferenceNotFound);
  scene.undeclare("shop/web");
  reached();
  EXPECT_EQ(refusal(), Reason::InstanceUnavailable) << "it moves, or goes";
  EXPECT_EQ(subscriptions(), 0);
}

// -- Several consoles and servers
// ------------------------------------------------------------------------------------

TEST_F(ConsolesTest, AreSoManyThatTheLastIdleOneMakesRoom) {
  options.mostOpen = 2;
  for (const char* path : {"shop/a", "shop/b", "shop/c", "shop/d"}) scene.declare(path);
  reached();
  Reader first = open(plan::keyOf("shop/a"));
  const Reader second = open(plan::keyOf("shop/b"));
  EXPECT_EQ(refusal(plan::keyOf("shop/c")), Reason::ServiceUnavailable);
  const Reader again = open(plan::keyOf("shop/b"));
  first.reset();
  const Reader third = open(plan::keyOf("shop/c"));
  print("hello", "c");
  EXPECT_THAT(lines(*third, 1), ElementsAre("hello"));
  until([&] { return server.openStreams() == 2; });
  EXPECT_EQ(refusal(plan::keyOf("shop/d")), Reason::ServiceUnavailable);
  EXPECT_EQ(refusal(plan::keyOf("shop/a")), Reason::ServiceUnavailable);
}

TEST_F(ConsolesTest, OfAnotherServerAreOthers) {
  print("here");
  const Reader before = open();
  EXPECT_THAT(textsOf(replay(*before)), ElementsAre("here"));
  scene.declare("shop/cart");
  reached();
  EXPECT_EQ(open() != nullptr && subscriptions() == 1, true) << "the same server, and something else desired";
  client = server.connect();
  reached();
  const Reader after = open();
  EXPECT_THAT(textsOf(replay(*after)), ElementsAre("here"));
  EXPECT_EQ(end(*before).reason, Reason::Cancelled);
  EXPECT_EQ(subscriptions(), 2);
  print("there");
  EXPECT_THAT(lines(*after, 1), ElementsAre("there"));
}

TEST_F(ConsolesTest, AreReadByManyWhoComeAndGo) {
  options.lingering = 1ms;
  print("one");
  consoles();
  std::atomic<int> read = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < 8; ++i) {
    readers.emplace_back([&, i] {
      for (int round = 0; round < 20; ++round) {
        auto reader = consoles().open(shopWeb, "eu-1");
        if (!reader) continue;
        if ((i + round) % 3 == 0) continue;  // and is gone
        const Consoles::Lines all = replay(**reader);
        if (all.replayed && all.lines.size() == 1) ++read;
      }
    });
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(read, 0);
  until([&] { return server.openStreams() == 0; });
}

}  // namespace
}  // namespace rookery::reconcile

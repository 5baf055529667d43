#include "albatross/client/data_stream.h"

#include <gmock/gmock.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "fixtures/pki.h"
#include "fixtures/temp_dir.h"
#include "unit/albatross/client/tls_peer.h"

namespace rookery::albatross {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

const Name consoleName{.path = {"shop"}, .label = "web"};
const Name rootName{};
const Payload subscribed = Success(success::Text{"subscribed"});

Data lineOf(std::string text) { return data::Console{Time(milliseconds(1'000)), std::move(text)}; }

Data usedPages(std::int64_t pages) {
  data::Statistics statistics;
  statistics.kinfo = KinfoMem{};
  statistics.kinfo->rss = pages;
  return statistics;
}

/// A message in which a field that nobody knows stands where the kind of its data does.
std::string unknownMessage() {
  std::string message = framed(rootName, data::Block{});
  const std::size_t kind = message.rfind("\xa4");  // data::Block is [4]
  message.at(kind) = '\xa9';
  return message;
}

class StreamTest : public testing::Test {
 protected:
  using Script = TlsPeer::Script;

  /// What came of a subscription.
  struct Came {
    std::optional<Result<std::monostate>> opened;
    std::optional<Reply> reply;
    std::vector<DataStream::Message> messages;
    std::optional<Error> ended;
    std::uint64_t skipped = 0;
    bool threw = false;  // the coroutine, because it was cancelled
  };

  Request request(bool statistics = false) const {
    if (statistics) return {.command = StatsCommand(stats::Subscribe{})};
    return {.domains = {{"shop", Policy{}}},
            .label = "web",
            .command = ConsoleCommand(console::Subscribe{std::int64_t{10}})};
  }

  /// Subscribes at a peer that plays `script`, and reads until that has ended.
  Came follow(Script script, Request wanted, std::function<void(const Came&)> each = {}) {
    TlsPeer peer(context_.get_executor(), server_, ca_.certificate);
    ClientOptions options{.endpoint = peer.endpoint(), .credential = credential_, .timeouts = timeouts_};
    asio::co_spawn(context_, peer.serve(std::move(script)), asio::detached);
    Came came;
    asio::co_spawn(context_, read(makeTlsClient(std::move(options)), std::move(wanted), each, came),
                   asio::bind_cancellation_slot(cancellation_.slot(), [&](const std::exception_ptr& thrown) {
                     came.threw = thrown != nullptr;
                     peer.stopWaiting();
                   }));
    context_.restart();
    context_.run();
    return came;
  }

  /// The client is gone as soon as it has subscribed.
  static asio::awaitable<void> read(std::unique_ptr<Client> client, Request wanted,
                                    std::function<void(const Came&)> each, Came& came) {
    auto stream = co_await client->stream(std::move(wanted));
    client.reset();
    if (!stream) {
      came.opened = std::unexpected(stream.error());
      co_return;
    }
    came.opened = std::monostate();
    came.reply = (*stream)->reply();
    for (;;) {
      auto message = co_await (*stream)->next();
      came.skipped = (*stream)->skipped();
      if (!message) {
        came.ended = message.error();
        co_return;
      }
      came.messages.push_back(*std::move(message));
      if (each) each(came);
    }
  }

  asio::io_context context_{1};
  asio::cancellation_signal cancellation_;
  Timeouts timeouts_{
      .connect = milliseconds(20'000), .command = milliseconds(20'000), .stream = milliseconds(20'000)};
  const fixtures::Identity ca_ = fixtures::makeIdentity({});
  const fixtures::Identity server_ = fixtures::makeIdentity({.commonName = "server", .ca = false}, &ca_);
  const std::shared_ptr<const Credential> credential_ = *Credential::load(
      {.ca = ca_.certificate, .certificate = ca_.certificate, .privateKey = ca_.privateKey});
};

/// The names and what they printed, as "shop:web hello".
std::vector<std::string> linesOf(const std::vector<DataStream::Message>& messages) {
  std::vector<std::string> lines;
  for (const auto& [name, data] : messages)
    lines.push_back(name.toString() + " " + std::get<data::Console>(data).line);
  return lines;
}

TEST_F(StreamTest, HandsOnWhatAConsolePrints) {
  const Came came = follow(
      [](PeerConnection& peer) -> asio::awaitable<void> {
        co_await peer.reply(consoleName, subscribed);
        co_await peer.reply(consoleName, lineOf("hello"));
        co_await peer.reply(consoleName, lineOf("\x1b[31m\xff"));
        co_await peer.shutdown();
      },
      request());
  ASSERT_TRUE(came.reply) << came.opened->error().message;
  EXPECT_EQ(came.reply->success, Success(success::Text{"subscribed"}));
  EXPECT_EQ(came.reply->name, consoleName);
  EXPECT_THAT(came.reply->serverKey, testing::SizeIs(64));
  EXPECT_THAT(linesOf(came.messages), ElementsAre("shop:web hello", "shop:web \x1b[31m\xff"));
  ASSERT_TRUE(came.ended);
  EXPECT_EQ(came.ended->reason, Reason::ConnectionFailed);
  EXPECT_THAT(came.ended->message, HasSubstr("127.0.0.1:"));
  EXPECT_EQ(came.skipped, 0);
}

TEST_F(StreamTest, ResolvesTheNamesOfStatistics) {
  for (const Name& asked : {rootName, Name{.path = {"eu"}, .label = {}}}) {
    const Came came = follow(
        [&](PeerConnection& peer) -> asio::awaitable<void> {
          co_await peer.reply(asked, subscribed);
          co_await peer.reply(consoleName, usedPages(7));
          co_await peer.shutdown();
        },
        request(true));
    ASSERT_THAT(came.messages, testing::SizeIs(1));
    EXPECT_EQ(came.messages[0].name.toString(), asked.path.empty() ? "shop:web" : "eu:shop:web");
    EXPECT_EQ(came.messages[0].data, usedPages(7));
  }
}

TEST_F(StreamTest, SkipsAndCountsWhatItDoesNotKnow) {
  const Came came = follow(
      [](PeerConnection& peer) -> asio::awaitable<void> {
        co_await peer.reply(consoleName, subscribed);
        co_await peer.send(unknownMessage());
        co_await peer.send(frameHeader(5) + "hello");
        co_await peer.reply(consoleName, subscribed);
        co_await peer.reply(consoleName, lineOf("known"));
        co_await peer.send(unknownMessage());
        co_await peer.shutdown();
      },
      request());
  EXPECT_THAT(linesOf(came.messages), ElementsAre("shop:web known"));
  EXPECT_EQ(came.skipped, 4);
}

TEST_F(StreamTest, ReadsMessagesOfEachLengthThatComeTogether) {
  const std::vector<std::size_t> lengths = {1, 4'096, 70'000, 0, 200'000, 4'096, 65'536, 2};
  const Came came = follow(
      [&](PeerConnection& peer) -> asio::awaitable<void> {
        std::string all = framed(consoleName, subscribed);
        for (const std::size_t length : lengths)
          all += framed(consoleName, data::Block{std::string(length, static_cast<char>('a' + length % 26))});
        co_await peer.send(all);
        co_await peer.shutdown();
      },
      request());
  ASSERT_THAT(came.messages, testing::SizeIs(lengths.size()));
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    const std::string expected(lengths[i], static_cast<char>('a' + lengths[i] % 26));
    EXPECT_TRUE(came.messages[i].data == Data(data::Block{expected})) << lengths[i];
  }
}

TEST_F(StreamTest, TellsWhatCameBeforeWhatIsNoTls) {
  const Came came = follow(
      [](PeerConnection& peer) -> asio::awaitable<void> {
        co_await peer.reply(consoleName, subscribed);
        co_await peer.reply(consoleName, lineOf("hello"));
        co_await peer.sendRaw("HTTP/1.1 400 Bad Request\r\n\r\n");
      },
      request());
  EXPECT_THAT(linesOf(came.messages), ElementsAre("shop:web hello"));
  ASSERT_TRUE(came.ended);
  EXPECT_EQ(came.ended->reason, Reason::TlsFailed) << came.ended->message;
}

struct EndOfStream {
  std::string what;
  std::string bytes;  // after the reply
  bool politely;
  Reason reason;
  std::string says;
  friend void PrintTo(const EndOfStream& test, std::ostream* out) { *out << test.what; }
};

class StreamEnds : public StreamTest, public testing::WithParamInterface<EndOfStream> {};

TEST_P(StreamEnds, AndSaysHow) {
  const auto& [what, bytes, politely, reason, says] = GetParam();
  const Came came = follow(
      [&](PeerConnection& peer) -> asio::awaitable<void> {
        co_await peer.reply(consoleName, subscribed);
        if (!bytes.empty()) co_await peer.send(bytes);
        if (politely) co_await peer.shutdown();
      },
      request());
  ASSERT_TRUE(came.ended);
  EXPECT_EQ(came.ended->reason, reason) << came.ended->message;
  EXPECT_THAT(came.ended->message, HasSubstr(says));
}

INSTANTIATE_TEST_SUITE_P(
    Stream, StreamEnds,
    testing::Values(EndOfStream{"Politely", "", true, Reason::ConnectionFailed, "ended the stream"},
                    EndOfStream{"Cut", "", false, Reason::ConnectionFailed, "127.0.0.1:"},
                    EndOfStream{"InTheMidstOfAFrame", framed(consoleName, lineOf("hello")).substr(0, 20),
                                true, Reason::ConnectionFailed, "after 20 bytes"},
                    EndOfStream{"WithALengthThatNothingHas", "\x7f\xff\xff\xff", true, Reason::ProtocolError,
                                "2147483647"},
                    EndOfStream{"WithAnEmptyFrame", std::string(4, '\0'), true, Reason::ProtocolError,
                                "0 bytes"},
                    EndOfStream{"WithAFailure", framed(consoleName, Failure{"no\x1b[31m more"}), true,
                                Reason::Refused, "no\\u001b[31m more"}),
    [](const auto& test) { return test.param.what; });

struct BadOpening {
  std::string what;
  std::string bytes;
  Reason reason;
  friend void PrintTo(const BadOpening& test, std::ostream* out) { *out << test.what; }
};

class StreamOpening : public StreamTest, public testing::WithParamInterface<BadOpening> {};

TEST_P(StreamOpening, Fails) {
  const Came came = follow(
      [](PeerConnection& peer) -> asio::awaitable<void> {
        co_await peer.send(GetParam().bytes);
        co_await peer.shutdown();
      },
      request());
  ASSERT_TRUE(came.opened);
  ASSERT_FALSE(came.opened->has_value());
  EXPECT_EQ(came.opened->error().reason, GetParam().reason) << came.opened->error().message;
  EXPECT_THAT(came.messages, testing::IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    Stream, StreamOpening,
    testing::Values(BadOpening{"WithoutAReply", "", Reason::ProtocolError},
                    BadOpening{"WithAFailure", framed(consoleName, Failure{"no"}), Reason::Refused},
                    BadOpening{"WithoutADaemon", framed(consoleName, Failure{"couldn't reach service"}),
                               Reason::ServiceUnavailable},
                    BadOpening{"WithDataAtOnce", framed(consoleName, lineOf("hello")), Reason::ProtocolError},
                    BadOpening{"WithAnUnknownMessage", unknownMessage(), Reason::ProtocolError}),
    [](const auto& test) { return test.param.what; });

TEST_F(StreamTest, HasADeadlineForItsReplyOnly) {
  timeouts_.command = milliseconds(50);
  const Came silent = follow([](PeerConnection& peer) { return peer.receiveAll(); }, request());
  ASSERT_TRUE(silent.opened && !*silent.opened);
  EXPECT_EQ(silent.opened->error().reason, Reason::DeadlineExceeded);
  EXPECT_THAT(silent.opened->error().message, HasSubstr("50 ms (timeouts.command)"));
  const auto repliesAndIsSlowThen = [&](PeerConnection& peer) -> asio::awaitable<void> {
    co_await peer.reply(consoleName, subscribed);
    asio::steady_timer later(context_, 3 * timeouts_.command);
    co_await later.async_wait(asio::use_awaitable);
    co_await peer.reply(consoleName, lineOf("late"));
    co_await peer.shutdown();
  };
  Came slow = follow(repliesAndIsSlowThen, request());
  // A busy machine is late with the reply, too: then it is asked again, with more time.
  while (slow.opened && !*slow.opened && timeouts_.command < milliseconds(10'000)) {
    timeouts_.command *= 4;
    slow = follow(repliesAndIsSlowThen, request());
  }
  EXPECT_THAT(linesOf(slow.messages), ElementsAre("shop:web late"));
}

TEST_F(StreamTest, IsCancelledWhileItWaitsForTheReply) {
  const Came came = follow(
      [&](PeerConnection& peer) -> asio::awaitable<void> {
        cancellation_.emit(asio::cancellation_type::terminal);
        co_await peer.receiveAll();
      },
      request());
  EXPECT_TRUE(came.threw || (came.opened && came.opened->error().reason == Reason::Cancelled));
}

/// Both: while it waits for the next message, and between two of them.
TEST_F(StreamTest, IsCancelledWhileItIsRead) {
  for (const bool between : {false, true}) {
    const Came came = follow(
        [&](PeerConnection& peer) -> asio::awaitable<void> {
          co_await peer.reply(consoleName, subscribed);
          co_await peer.reply(consoleName, lineOf("one"));
          if (between) co_await peer.reply(consoleName, lineOf("two"));
          co_await peer.receiveAll();  // ends when the client closes
        },
        request(),
        [&](const Came&) {
          const auto cancel = [&] { cancellation_.emit(asio::cancellation_type::terminal); };
          if (between) return cancel();
          asio::post(context_, cancel);
        });
    EXPECT_TRUE(came.threw || came.ended);
    EXPECT_THAT(came.messages, testing::SizeIs(1));
  }
}

/// Nothing is ever sent by who only reads: without probes it would not notice that a server was switched off.
TEST_F(StreamTest, HasTheKernelAskWhetherTheServerIsStillThere) {
  std::string sockets;
  TlsPeer peer(context_.get_executor(), server_, ca_.certificate);
  asio::co_spawn(context_, peer.serve([](PeerConnection& connection) -> asio::awaitable<void> {
    co_await connection.reply(consoleName, subscribed);
    co_await connection.receiveAll();
  }),
                 asio::detached);
  asio::co_spawn(
      context_,
      [&]() -> asio::awaitable<void> {
        const auto client =
            makeTlsClient({.endpoint = peer.endpoint(), .credential = credential_, .timeouts = timeouts_});
        const auto stream = co_await client->stream(request());
        sockets = fixtures::readFile("/proc/self/net/tcp");
      },
      asio::detached);
  context_.run();
  // local address, remote address, state 01, queues, and the timer that runs: 02 is the probes'.
  const std::string socket = fmt::format(" 0100007F:{:04X} 01 00000000:00000000 02:", peer.endpoint().port);
  EXPECT_NE(sockets.find(socket), std::string::npos);
}

}  // namespace
}  // namespace rookery::albatross

#include "albatross/client/client.h"

#include <gmock/gmock.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <latch>

#include "fixtures/pki.h"
#include "text.h"
#include "unit/albatross/client/tls_peer.h"

namespace rookery::albatross {
namespace {

using asio::ip::tcp;
using fixtures::Identity;
using fixtures::makeIdentity;
using std::chrono::hours;
using std::chrono::milliseconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

const Identity& ca() {
  static const Identity identity = makeIdentity({});
  return identity;
}

const Identity& otherCa() {
  static const Identity identity = makeIdentity({});
  return identity;
}

const Identity& server() {
  static const Identity identity = makeIdentity({.commonName = "server", .ca = false}, &ca());
  return identity;
}

std::shared_ptr<const Credential> credential() {
  static const std::shared_ptr<const Credential> loaded = [] {
    const Identity admin = makeIdentity({.commonName = "admin"}, &ca());
    return *Credential::load(
        {.ca = ca().certificate, .certificate = admin.certificate, .privateKey = admin.privateKey});
  }();
  return loaded;
}

const Policy policy{.cpuIDs = {0}, .unikernels = 4, .memory = 512, .block = {}, .bridges = {}};
const Name domainName{.path = {"shop"}, .label = {}};
const Name webName{.path = {"shop"}, .label = "web"};
const Success createdUnikernel = success::Text{"created unikernel"};
const Payload created = createdUnikernel;

Request info() { return {.domains = {{"shop", policy}}, .command = UnikernelCommand(unikernel::Info{})}; }

Request restart() {
  return {.domains = {{"shop", policy}}, .label = "web", .command = UnikernelCommand(unikernel::Restart{})};
}

Request create(ImageStream& image) {
  return {.domains = {{"shop", policy}},
          .label = "web",
          .command = UnikernelCommand(unikernel::Create{}),
          .image = &image};
}

/// An image whose bytes are made as they are asked for. Fails, where that is asked for, instead of the end.
class GeneratedImage final : public ImageStream {
 public:
  explicit GeneratedImage(std::size_t size, std::optional<Error> failure = {})
      : size_(size), failure_(std::move(failure)) {}

  static char at(std::size_t offset) { return static_cast<char>(offset * 2654435761U >> 13U); }

  Result<std::span<const std::byte>> next() override {
    if (offset_ == size_ && failure_) return std::unexpected(*failure_);
    chunk_.resize(std::min<std::size_t>(size_ - offset_, 65'536));
    for (char& byte : chunk_) byte = at(offset_++);
    return std::as_bytes(std::span(chunk_));
  }

 private:
  const std::size_t size_;
  const std::optional<Error> failure_;
  std::size_t offset_ = 0;
  std::vector<char> chunk_;
};

std::string bytesOf(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = GeneratedImage::at(i);
  return bytes;
}

class ClientTest : public testing::Test {
 protected:
  using Script = TlsPeer::Script;

  ClientOptions optionsFor(const TlsPeer& peer) {
    return {.endpoint = peer.endpoint(), .credential = credential(), .timeouts = timeouts_};
  }

  /// Calls a peer that plays `script`. Both have ended when it returns.
  CallResult call(TlsPeer& peer, Script script, Request request) {
    return call(peer, std::move(script), std::move(request), optionsFor(peer));
  }

  CallResult call(TlsPeer& peer, Script script, Request request, ClientOptions options) {
    asio::co_spawn(context_, peer.serve(std::move(script)), asio::detached);
    return await(std::move(request), std::move(options), [&] { peer.stopWaiting(); });
  }

  CallResult call(Script script, Request request) {
    TlsPeer peer = makePeer();
    return call(peer, std::move(script), std::move(request));
  }

  CallResult await(Request request, ClientOptions options, const std::function<void()>& ended = [] {}) {
    std::optional<CallResult> result;
    asio::co_spawn(
        context_, makeTlsClient(std::move(options))->call(std::move(request)),
        asio::bind_cancellation_slot(cancellation_.slot(), [&](std::exception_ptr thrown, CallResult got) {
          EXPECT_EQ(thrown, nullptr);
          result = std::move(got);
          ended();
        }));
    context_.restart();
    context_.run();
    EXPECT_TRUE(result.has_value());
    return std::move(result).value_or(std::unexpected(CallError{{Reason::SystemError, "no result"}}));
  }

  TlsPeer makePeer(const Identity& identity = server(), const Identity& trusted = ca()) {
    return TlsPeer(context_.get_executor(), identity, trusted.certificate);
  }

  asio::io_context context_{1};
  asio::cancellation_signal cancellation_;
  Timeouts timeouts_{
      .connect = milliseconds(20'000), .command = milliseconds(20'000), .stream = milliseconds(20'000)};
};

asio::awaitable<void> waitForTheEnd(PeerConnection& peer) { co_await peer.receiveAll(); }

auto answering(Name name, Payload payload) {
  return [name, payload](PeerConnection& peer) -> asio::awaitable<void> {
    co_await peer.reply(name, payload);
    co_await peer.shutdown();
  };
}

auto sending(std::string bytes) {
  return [bytes](PeerConnection& peer) -> asio::awaitable<void> {
    co_await peer.send(bytes);
    co_await peer.shutdown();
  };
}

// -- What is sent, and success
// ---------------------------------------------------------------------------------------

TEST_F(ClientTest, SendsTheCommandInItsChain) {
  TlsPeer peer = makePeer();
  const auto reply = call(peer, answering(webName, created), restart());
  ASSERT_TRUE(reply.has_value()) << reply.error().error.message;
  EXPECT_EQ(reply->name, webName);
  EXPECT_EQ(reply->success, createdUnikernel);
  ASSERT_EQ(peer.chain().size(), 3U);
  EXPECT_EQ(commonNameOf(peer.chain()[0].get()), "web");
  EXPECT_EQ(commonNameOf(peer.chain()[1].get()), "shop");
  EXPECT_EQ(commonNameOf(peer.chain()[2].get()), "admin");
  const PolicyCommand addPolicy = policy::Add{policy};
  EXPECT_EQ(extensionIn(peer.chain()[0].get()), encodeExtension(restart().command));
  EXPECT_EQ(extensionIn(peer.chain()[1].get()), encodeExtension(addPolicy));
  EXPECT_EQ(extensionIn(peer.chain()[2].get()), "");
}

TEST_F(ClientTest, TakesAnImageAsLargeAsItWasAskedFor) {
  const Request get{.domains = {{"shop", policy}},
                    .label = "web",
                    .command = UnikernelCommand(unikernel::Get{0}),
                    .largestImage = 20 << 20};
  const Success image = success::UnikernelImage{false, bytesOf(20 << 20)};
  const auto reply = call(answering(webName, image), get);
  ASSERT_TRUE(reply.has_value()) << reply.error().error.message;
  EXPECT_TRUE(reply->success == image);

  constexpr std::size_t tooLarge = (36 << 20) + 1;
  const auto refused = call(sending(frameHeader(tooLarge)), get);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().error.reason, Reason::ProtocolError);
  EXPECT_THAT(refused.error().error.message, HasSubstr("37748737 bytes; one has 1 to 37748736"));
  EXPECT_FALSE(refused.error().inDoubt);
  Request question = info();
  question.largestImage = 20 << 20;
  EXPECT_FALSE(call(sending(frameHeader((16 << 20) + 1)), question).has_value());
}

TEST_F(ClientTest, TellsWhichServerItIs) {
  TlsPeer peer = makePeer();
  TlsPeer same = makePeer();
  TlsPeer other = makePeer(makeIdentity({.commonName = "server", .ca = false}, &ca()));
  const auto keyOf = [&](TlsPeer& asked) {
    return call(asked, answering(webName, created), info())->serverKey;
  };
  EXPECT_THAT(keyOf(peer), testing::MatchesRegex("[0-9a-f]{64}"));
  EXPECT_EQ(keyOf(peer), keyOf(same));
  EXPECT_NE(keyOf(peer), keyOf(other));
  EXPECT_GT(call(peer, answering(webName, created), info())->serverNotAfter,
            std::chrono::system_clock::now());
}

TEST_F(ClientTest, SendsNothingToAnotherServerThanTheOneThatItIsFor) {
  TlsPeer peer = makePeer();
  TlsPeer other = makePeer(makeIdentity({.commonName = "server", .ca = false}, &ca()));
  Request request = restart();
  request.serverKey = call(peer, answering(webName, created), info())->serverKey;
  EXPECT_TRUE(call(peer, answering(webName, created), request));
  const auto refused = call(other, answering(webName, created), request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().error.reason, Reason::ConnectionFailed);
  EXPECT_THAT(refused.error().error.message, testing::HasSubstr("is another one than was looked at"));
  EXPECT_FALSE(refused.error().inDoubt);
}

TEST_F(ClientTest, TakesARepliesBytesAsTheyCome) {
  const Success large = success::UnikernelImage{false, std::string(300'000, 'x')};
  const auto reply = call(answering(webName, large), info());
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->success, large);
}

class ClientKeyTypes : public ClientTest, public testing::WithParamInterface<fixtures::KeyType> {};

TEST_P(ClientKeyTypes, ShakeHands) {
  const Identity root = makeIdentity({.keyType = GetParam()});
  const Identity serverOfType =
      makeIdentity({.commonName = "server", .keyType = GetParam(), .ca = false}, &root);
  const Identity admin = makeIdentity({.commonName = "admin", .keyType = GetParam()}, &root);
  TlsPeer peer = makePeer(serverOfType, root);
  ClientOptions options = optionsFor(peer);
  options.credential = *Credential::load(
      {.ca = root.certificate, .certificate = admin.certificate, .privateKey = admin.privateKey});
  const auto reply = call(peer, answering(webName, created), restart(), options);
  EXPECT_TRUE(reply.has_value()) << reply.error().error.message;
}

INSTANTIATE_TEST_SUITE_P(Client, ClientKeyTypes,
                         testing::Values(fixtures::KeyType::Ed25519, fixtures::KeyType::P256,
                                         fixtures::KeyType::P384, fixtures::KeyType::P521,
                                         fixtures::KeyType::Rsa2048));

TEST(ClientConcurrency, KeepsCallsApart) {
  constexpr int calls = 8;
  asio::thread_pool pool(4);
  std::vector<std::unique_ptr<TlsPeer>> peers;
  std::vector<std::unique_ptr<GeneratedImage>> images;
  std::latch done(calls);
  std::atomic<int> succeeded = 0;
  const auto echoSize = [](PeerConnection& peer) -> asio::awaitable<void> {
    co_await peer.receiveStream();
    const bool whole = peer.content() == bytesOf(200'000);
    const Payload verdict = Success(success::Text{whole ? "whole" : "damaged"});
    co_await peer.reply(webName, verdict);
    co_await peer.shutdown();
  };
  for (int i = 0; i < calls; ++i) {
    const auto peerStrand = asio::make_strand(pool);
    peers.push_back(std::make_unique<TlsPeer>(peerStrand, server(), ca().certificate));
    images.push_back(std::make_unique<GeneratedImage>(200'000));
    asio::co_spawn(peerStrand, peers.back()->serve(echoSize), asio::detached);
    ClientOptions options{.endpoint = peers.back()->endpoint(), .credential = credential()};
    asio::co_spawn(asio::make_strand(pool), makeTlsClient(std::move(options))->call(create(*images.back())),
                   [&](const std::exception_ptr&, const CallResult& result) {
                     if (result && result->success == Success(success::Text{"whole"})) ++succeeded;
                     done.count_down();
                   });
  }
  done.wait();
  pool.join();
  EXPECT_EQ(succeeded, calls);
}

// -- Streaming
// -------------------------------------------------------------------------------------------------------

TEST_F(ClientTest, StreamsAnImage) {
  constexpr std::size_t size = std::size_t{8} << 20;
  GeneratedImage image(size + 17);
  bool same = false;
  const auto reply = call(
      [&](PeerConnection& peer) -> asio::awaitable<void> {
        co_await peer.receiveStream();
        same = peer.content() == bytesOf(size + 17);
        co_await peer.reply(webName, created);
        co_await peer.shutdown();
      },
      create(image));
  ASSERT_TRUE(reply.has_value()) << reply.error().error.message;
  EXPECT_EQ(reply->success, createdUnikernel);
  EXPECT_TRUE(same);
}

TEST_F(ClientTest, NeverEndsAStreamThatFailed) {
  const Error failure{Reason::ImageChanged, "The image is not what it was."};
  GeneratedImage image(1'000'000, failure);
  bool ended = true;
  std::string content;
  const auto reply = call(
      [&](PeerConnection& peer) -> asio::awaitable<void> {
        co_await peer.receiveAll();
        ended = peer.ended();
        content = peer.content();
      },
      create(image));
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().error, failure);
  EXPECT_FALSE(reply.error().inDoubt);
  EXPECT_FALSE(ended);
  EXPECT_THAT(bytesOf(1'000'000), testing::StartsWith(content));
}

// The whole image has arrived, and whoever sent it thinks better of it.
TEST_F(ClientTest, NeverEndsAStreamThatIsNotCommitted) {
  const Error failure{Reason::Cancelled, "Something else is wanted now."};
  GeneratedImage image(1'000'000);
  Request request = create(image);
  request.commit = [&]() -> asio::awaitable<Result<void>> { co_return std::unexpected(failure); };
  bool ended = true;
  std::string content;
  const auto reply = call(
      [&](PeerConnection& peer) -> asio::awaitable<void> {
        co_await peer.receiveAll();
        ended = peer.ended();
        content = peer.content();
      },
      std::move(request));
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().error, failure);
  EXPECT_FALSE(reply.error().inDoubt);
  EXPECT_FALSE(ended);
  EXPECT_EQ(content, bytesOf(1'000'000));
}

TEST_F(ClientTest, DoesNotConnectForACommandThatIsNotCommitted) {
  const Error failure{Reason::Cancelled, "Something else is wanted now."};
  Request request = restart();
  request.commit = [&]() -> asio::awaitable<Result<void>> { co_return std::unexpected(failure); };
  const TlsPeer peer = makePeer();  // serves nobody
  const auto reply = await(std::move(request), optionsFor(peer));
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().error, failure);
  EXPECT_FALSE(reply.error().inDoubt);
}

// It was issued long before it is its turn.
TEST_F(ClientTest, IssuesAnotherCertificateWhereOneHasWaitedTooLong) {
  SystemTime now = std::chrono::system_clock::now() - std::chrono::hours(1);
  Request request = restart();
  request.commit = [&]() -> asio::awaitable<Result<void>> {
    now = std::chrono::system_clock::now();
    co_return Result<void>{};
  };
  TlsPeer peer = makePeer();
  ClientOptions options = optionsFor(peer);
  options.now = [&] { return now; };
  const auto reply = call(
      peer,
      [&](PeerConnection& connection) -> asio::awaitable<void> {
        co_await connection.reply(webName, created);
        co_await connection.shutdown();
      },
      std::move(request), std::move(options));
  EXPECT_TRUE(reply.has_value()) << reply.error().error.message;
}

TEST_F(ClientTest, NeverEndsAStreamThatIsCancelled) {
  GeneratedImage image(std::size_t{1} << 40);
  bool ended = true;
  const auto reply = call(
      [&](PeerConnection& peer) -> asio::awaitable<void> {
        co_await peer.receive(500'000);
        cancellation_.emit(asio::cancellation_type::terminal);
        co_await peer.receiveAll();
        ended = peer.ended();
      },
      create(image));
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().error.reason, Reason::Cancelled);
  EXPECT_FALSE(reply.error().inDoubt);
  EXPECT_FALSE(ended);
}

TEST_F(ClientTest, ReportsAnAnswerThatComesBeforeTheEndOfTheStream) {
  GeneratedImage image(std::size_t{1} << 40);
  const Payload refused = Failure{"policy refused"};
  const auto reply = call(
      [&](PeerConnection& peer) -> asio::awaitable<void> {
        co_await peer.receive(100'000);
        co_await peer.reply(webName, refused);
      },
      create(image));
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().error, (Error{Reason::Refused, "policy refused"}));
  EXPECT_FALSE(reply.error().inDoubt);
}

TEST_F(ClientTest, ReportsThatTheServerWentAwayInMidStream) {
  GeneratedImage image(std::size_t{1} << 40);
  const auto reply = call(
      [](PeerConnection& peer) -> asio::awaitable<void> { co_await peer.receive(100'000); }, create(image));
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().error.reason, Reason::ConnectionFailed);
  EXPECT_THAT(reply.error().error.message,
              AllOf(HasSubstr("The connection to 127.0.0.1:"), HasSubstr("broke before the reply came")));
  EXPECT_FALSE(reply.error().inDoubt);
}

TEST_F(ClientTest, IsInDoubtOnceTheStreamHasEnded) {
  GeneratedImage image(1000);
  const auto reply = call(
      [](PeerConnection& peer) -> asio::awaitable<void> { co_await peer.receiveStream(); }, create(image));
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().error.reason, Reason::ConnectionFailed);
  EXPECT_TRUE(reply.error().inDoubt);
}

TEST_F(ClientTest, IsInDoubtWhenTlsBreaks) {
  const std::string garbage(100, 'x');
  const auto reply = call([&](PeerConnection& peer) { return peer.sendRaw(garbage); }, restart());
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().error.reason, Reason::TlsFailed);
  EXPECT_TRUE(reply.error().inDoubt);
}

// -- Deadlines and cancellation
// ----------------------------------------------------------------------------------------

TEST_F(ClientTest, GivesUpOnAServerThatNeverAnswers) {
  timeouts_.command = milliseconds(50);
  const auto mutation = call(waitForTheEnd, restart());
  ASSERT_FALSE(mutation.has_value());
  EXPECT_EQ(mutation.error().error.reason, Reason::DeadlineExceeded);
  EXPECT_THAT(mutation.error().error.message,
              AllOf(HasSubstr("127.0.0.1:"), HasSubstr("50 ms (timeouts.command)")));
  EXPECT_TRUE(mutation.error().inDoubt);
  const auto question = call(waitForTheEnd, info());
  ASSERT_FALSE(question.has_value());
  EXPECT_FALSE(question.error().inDoubt);
}

TEST_F(ClientTest, GivesUpOnAServerThatNeverReads) {
  timeouts_.stream = milliseconds(50);
  GeneratedImage image(std::size_t{1} << 40);
  asio::steady_timer never(context_, asio::steady_timer::time_point::max());
  TlsPeer peer = makePeer();
  asio::co_spawn(context_, peer.serve([&](PeerConnection&) { return never.async_wait(asio::use_awaitable); }),
                 asio::detached);
  std::optional<CallResult> reply;
  asio::co_spawn(context_, makeTlsClient(optionsFor(peer))->call(create(image)),
                 [&](const std::exception_ptr&, CallResult result) {
                   reply = std::move(result);
                   never.cancel();
                 });
  context_.run();
  ASSERT_TRUE(reply && !*reply);
  EXPECT_EQ(reply->error().error.reason, Reason::DeadlineExceeded);
  EXPECT_THAT(reply->error().error.message, HasSubstr("timeouts.stream"));
  EXPECT_FALSE(reply->error().inDoubt);
}

TEST_F(ClientTest, GivesUpOnAServerThatNeverShakesHands) {
  timeouts_.connect = milliseconds(50);
  const TlsPeer listensOnly = makePeer();
  const auto reply = await(restart(), optionsFor(listensOnly));
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().error.reason, Reason::DeadlineExceeded);
  EXPECT_THAT(reply.error().error.message, HasSubstr("50 ms (timeouts.connect)"));
  EXPECT_FALSE(reply.error().inDoubt);
}

TEST_F(ClientTest, IsCancelledWhileItWaits) {
  const auto cancelThenWait = [&](PeerConnection& peer) -> asio::awaitable<void> {
    cancellation_.emit(asio::cancellation_type::terminal);
    co_await peer.receiveAll();
  };
  const auto mutation = call(cancelThenWait, restart());
  ASSERT_FALSE(mutation.has_value());
  EXPECT_EQ(mutation.error().error.reason, Reason::Cancelled);
}

TEST_F(ClientTest, IsCancelledInTheHandshake) {
  const TlsPeer listensOnly = makePeer();
  asio::steady_timer soon(context_, milliseconds(20));
  soon.async_wait(
      [&](const boost::system::error_code&) { cancellation_.emit(asio::cancellation_type::terminal); });
  const auto reply = await(restart(), optionsFor(listensOnly));
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().error.reason, Reason::Cancelled);
  EXPECT_FALSE(reply.error().inDoubt);
}

// -- Replies that are none
// ---------------------------------------------------------------------------------------------

std::string ofAnotherVersion(std::string reply) {
  reply.at(reply.find("\x02\x01\x05") + 2) = '\x06';
  return reply;
}

struct BadReply {
  std::string what;
  std::string bytes;
  std::string says;
  friend void PrintTo(const BadReply& test, std::ostream* out) { *out << test.what; }
};

class ClientRefuses : public ClientTest, public testing::WithParamInterface<BadReply> {};

TEST_P(ClientRefuses, WhatIsNoReply) {
  const auto reply = call(sending(GetParam().bytes), restart());
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().error.reason, Reason::ProtocolError);
  EXPECT_THAT(reply.error().error.message, AllOf(HasSubstr("127.0.0.1:"), HasSubstr(GetParam().says)));
  EXPECT_TRUE(reply.error().inDoubt);
}

INSTANTIATE_TEST_SUITE_P(
    Reply, ClientRefuses,
    testing::Values(
        BadReply{"nothing", "", "closed the connection without a reply"},
        BadReply{"half a length", std::string("\0\0", 2), "after 2 bytes"},
        BadReply{"an empty frame", std::string("\0\0\0\0", 4), "0 bytes"},
        BadReply{"a negative length", std::string("\x80\0\0\0", 4), "2147483648 bytes"},
        BadReply{"an oversized length", std::string("\x01\0\0\x01", 4), "16777217 bytes"},
        BadReply{"the words of a web server", "HTTP/1.1 400 Bad Request\r\n\r\n",
                 "announced a reply of 1213486160 bytes; one has 1 to 16777216"},
        BadReply{"another version", ofAnotherVersion(framed(webName, created)),
                 "is it an Albatross of wire version 5? An Albatross message is malformed at byte "
                 "4, in header.version: unknown protocol version 6; this program speaks 5"},
        BadReply{"half a reply", framed(webName, created).substr(0, 20), "after 20 bytes"},
        BadReply{"garbage", frameHeader(5) + "hello", "cannot be decoded"},
        BadReply{"a command", framed(webName, Command(UnikernelCommand(unikernel::Info{}))), "a command"},
        BadReply{"data", framed(webName, Data(data::Block{})), "data"}),
    [](const auto& test) {
      std::string name = test.param.what;
      std::ranges::replace(name, ' ', '_');
      return name;
    });

struct FailureCase {
  std::string message;
  Reason reason;
  bool inDoubt;
  friend void PrintTo(const FailureCase& test, std::ostream* out) { *out << test.message; }
};

class ClientFailure : public ClientTest, public testing::WithParamInterface<FailureCase> {};

TEST_P(ClientFailure, IsClassified) {
  const auto& [message, reason, inDoubt] = GetParam();
  const auto mutation = call(answering(webName, Failure{message}), restart());
  ASSERT_FALSE(mutation.has_value());
  EXPECT_EQ(mutation.error().error.reason, reason);
  EXPECT_THAT(mutation.error().error.message, HasSubstr(message));
  EXPECT_EQ(mutation.error().inDoubt, inDoubt);
  const auto question = call(answering(webName, Failure{message}), info());
  ASSERT_FALSE(question.has_value());
  EXPECT_EQ(question.error().error.reason, reason);
  EXPECT_FALSE(question.error().inDoubt);
}

INSTANTIATE_TEST_SUITE_P(
    Message, ClientFailure,
    testing::Values(FailureCase{"destroy: not found", Reason::Refused, false},
                    FailureCase{"error reading from fd", Reason::EndpointFailed, true},
                    FailureCase{"couldn't write unikernel to VMMD", Reason::EndpointFailed, true},
                    FailureCase{"exception End_of_file", Reason::EndpointFailed, true},
                    FailureCase{"couldn't reach service", Reason::ServiceUnavailable, false}));

/// What a hostile server could put anywhere, and what of it is shown.
const std::string hostile = "a\x1b[31m\nb\u202e\xff" + std::string(10 << 20, 'x');
constexpr const char* hostileShown = "a\\u001b[31m\\nb\\u202e\\xffxxx";

TEST_F(ClientTest, CutsAServersWordsAndShowsWhatTheyHide) {
  for (const std::string prefix : {"", "exception ", "couldn't reach service "}) {
    const auto reply = call(answering(webName, Failure{prefix + hostile}), info());
    ASSERT_FALSE(reply.has_value());
    EXPECT_THAT(reply.error().error.message, AllOf(HasSubstr(prefix + hostileShown), HasSubstr(" bytes)")));
    EXPECT_LT(reply.error().error.message.size(), 2 * longestForeignText);
  }
  const auto success = call(answering(webName, Success(success::Text{hostile})), restart());
  ASSERT_TRUE(success.has_value());
  const auto& text = std::get<success::Text>(success->success).text;
  EXPECT_THAT(text, testing::StartsWith(hostileShown));
  EXPECT_LT(text.size(), 2 * longestForeignText);
}

TEST_F(ClientTest, TakesNoPolicyOfMoreThanAMachineHas) {
  const auto policiesWith = [&](Policy odd) {
    const auto reply =
        call(answering(Name{}, Success(success::PolicyList{{{Name{{"shop"}, {}}, std::move(odd)}}})),
             {.command = PolicyCommand(policy::Info{})});
    EXPECT_TRUE(reply.has_value());
    return policiesOf(*reply);
  };
  Policy odd{
      .cpuIDs = {0, 1}, .unikernels = 1, .memory = 32, .block = {}, .bridges = {"service", "management"}};
  EXPECT_TRUE(policiesWith(odd).has_value());
  for (int i = 0; i < 5'000; ++i) odd.cpuIDs.insert(i);
  EXPECT_THAT(policiesWith(odd).error().message, HasSubstr("more bridges or CPUs than a machine has"));
  odd.cpuIDs = {0};
  odd.bridges.insert(std::string(1 << 20, 'b'));
  const auto refused = policiesWith(odd);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, Reason::ProtocolError);
  EXPECT_LT(refused.error().message.size(), 500) << "it is not quoted";
}

TEST_F(ClientTest, AnswersThatComeByTheByteHaveADeadline) {
  timeouts_.command = milliseconds(50);
  const auto trickle = [](PeerConnection& peer) -> asio::awaitable<void> {
    co_await peer.send(frameHeader(1000));
    co_await peer.send("0");  // and then nothing, for as long as it likes
    co_await peer.receiveAll();
  };
  const auto reply = call(trickle, restart());
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().error.reason, Reason::DeadlineExceeded);
  EXPECT_TRUE(reply.error().inDoubt);
}

TEST_F(ClientTest, AsksForPoliciesAsAMutationWhereDomainsTravel) {
  timeouts_.command = milliseconds(50);
  const Command policyInfo = PolicyCommand(policy::Info{});
  const auto applying = call(waitForTheEnd, {.domains = {{"shop", policy}}, .command = policyInfo});
  const auto asking = call(waitForTheEnd, {.command = policyInfo});
  ASSERT_FALSE(applying.has_value());
  ASSERT_FALSE(asking.has_value());
  EXPECT_TRUE(applying.error().inDoubt);
  EXPECT_FALSE(asking.error().inDoubt);
}

// -- Connections that do not come about
// ----------------------------------------------------------------------------------

struct BadServer {
  std::string what;
  fixtures::CertificateSpec certificate;
  std::optional<std::string> serverName;
  std::optional<Reason> reason;  // none: it is accepted
  std::string says = "";
  friend void PrintTo(const BadServer& test, std::ostream* out) { *out << test.what; }
};

class ClientVerifies : public ClientTest, public testing::WithParamInterface<BadServer> {};

TEST_P(ClientVerifies, TheServersCertificate) {
  fixtures::CertificateSpec spec = GetParam().certificate;
  spec.ca = false;
  TlsPeer peer = makePeer(makeIdentity(spec, &ca()));
  ClientOptions options = optionsFor(peer);
  options.serverName = GetParam().serverName;
  const auto reply = call(peer, answering(webName, created), restart(), options);
  ASSERT_EQ(reply.has_value(), !GetParam().reason) << reply.error().error.message;
  if (reply) return;
  EXPECT_EQ(reply.error().error.reason, *GetParam().reason);
  EXPECT_THAT(reply.error().error.message, AllOf(HasSubstr("127.0.0.1:"), HasSubstr(GetParam().says)));
  EXPECT_FALSE(reply.error().inDoubt);
}

const SystemTime longAgo{std::chrono::sys_days(std::chrono::year(2020) / 1 / 2)};
const SystemTime farAhead{std::chrono::sys_days(std::chrono::year(2200) / 3 / 4)};

INSTANTIATE_TEST_SUITE_P(
    Server, ClientVerifies,
    testing::Values(
        BadServer{"expired",
                  {.commonName = "server", .notBefore = longAgo - hours(1), .notAfter = longAgo},
                  {},
                  Reason::ServerCertificateExpired,
                  "CN=server, which expired at 2020-01-02T00:00:00Z"},
        BadServer{"notYetValid",
                  {.commonName = "server", .notBefore = farAhead, .notAfter = farAhead + hours(1)},
                  {},
                  Reason::ServerCertificateNotYetValid,
                  "only from 2200-03-04T00:00:00Z"},
        BadServer{"forClientsOnly", {.extendedKeyUsage = "clientAuth"}, {}, Reason::TlsFailed, "purpose"},
        BadServer{"withoutExtendedKeyUsage", {.extendedKeyUsage = ""}, {}, {}},
        BadServer{"anyNameUnlessAsked", {.commonName = "whatever"}, {}, {}},
        BadServer{"byCommonName", {.commonName = "server"}, "server", {}},
        BadServer{
            "byAlternativeName", {.commonName = "x", .dnsName = "eu-1.example.org"}, "eu-1.example.org", {}},
        BadServer{
            "otherCommonName", {.commonName = "server"}, "eu-1", Reason::ServerNameMismatch, "\"eu-1\""},
        BadServer{"commonNameBesideAlternativeName",
                  {.commonName = "server", .dnsName = "eu-1.example.org"},
                  "server",
                  Reason::ServerNameMismatch,
                  "\"server\""},
        BadServer{"emptyName", {.commonName = "server"}, "", Reason::ServerNameMismatch, "\"\""}),
    [](const auto& test) { return test.param.what; });

TEST_F(ClientTest, TrustsTheGivenCaOnly) {
  const Identity selfSigned = makeIdentity({.commonName = "server", .ca = false});
  const Identity fromOther = makeIdentity({.commonName = "server", .ca = false}, &otherCa());
  for (const Identity* identity : {&selfSigned, &fromOther}) {
    TlsPeer peer = makePeer(*identity);
    const auto reply = call(peer, answering(webName, created), restart());
    ASSERT_FALSE(reply.has_value());
    EXPECT_EQ(reply.error().error.reason, Reason::ServerCertificateUnknownCA);
    EXPECT_THAT(reply.error().error.message,
                AllOf(HasSubstr("127.0.0.1:"), HasSubstr("check that this is the right server")));
    EXPECT_FALSE(reply.error().inDoubt);
  }
}

TEST_F(ClientTest, SaysThatTheServerRefusedOurCertificate) {
  TlsPeer peer = makePeer(server(), otherCa());
  const auto reply = call(peer, answering(webName, created), restart());
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().error.reason, Reason::CertificateRefused);
  EXPECT_THAT(reply.error().error.message, HasSubstr("alert unknown_ca"));
  EXPECT_FALSE(reply.error().inDoubt);
}

TEST_F(ClientTest, SaysThatTheClocksMayDifferWhereTheServerCallsOurCertificateBad) {
  TlsPeer peer = makePeer(server());
  ClientOptions options = optionsFor(peer);
  options.now = [] { return std::chrono::system_clock::now() + std::chrono::hours(1); };
  const auto reply = call(peer, answering(webName, created), restart(), options);
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().error.reason, Reason::CertificateRefused);
  EXPECT_THAT(reply.error().error.message,
              AllOf(HasSubstr("alert bad_certificate"), HasSubstr("compare this machine's clock")));
}

TEST_F(ClientTest, SaysThatTheServersClockRefusedOurCertificate) {
  TlsPeer peer = makePeer();
  ClientOptions options = optionsFor(peer);
  options.now = [] { return std::chrono::system_clock::now() - std::chrono::minutes(30); };
  GeneratedImage image(std::size_t{1} << 40);
  const auto reply = call(peer, answering(webName, created), create(image), options);
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().error.reason, Reason::CertificateRefused);
  EXPECT_THAT(reply.error().error.message, AllOf(HasSubstr("certificate_expired"), HasSubstr("clock")));
  EXPECT_FALSE(reply.error().inDoubt);
}

TEST_F(ClientTest, DoesNotConnectWithACredentialThatCannotIssue) {
  ClientOptions options{.endpoint = {.host = "127.0.0.1", .port = 1}, .credential = credential()};
  options.now = [] { return longAgo; };
  const auto reply = await(restart(), options);
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().error.reason, Reason::CredentialNotYetValid);
}

TEST_F(ClientTest, SaysThatNobodyListens) {
  Endpoint closed;
  {
    const TlsPeer peer = makePeer();
    closed = peer.endpoint();
  }
  const auto reply = await(restart(), {.endpoint = closed, .credential = credential()});
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().error.reason, Reason::ConnectionFailed);
  EXPECT_THAT(reply.error().error.message, AllOf(HasSubstr(closed.toString()), HasSubstr("refused")));
  EXPECT_FALSE(reply.error().inDoubt);
}

TEST_F(ClientTest, SaysThatAHostHasNoAddress) {
  // A label that is too long: no name server is asked.
  const std::string host = std::string(64, 'x') + ".invalid";
  const auto reply = await(info(), {.endpoint = {.host = host}, .credential = credential()});
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().error.reason, Reason::ConnectionFailed);
  EXPECT_THAT(reply.error().error.message, HasSubstr(host + ":1025"));
}

TEST_F(ClientTest, ResolvesNames) {
  TlsPeer peer = makePeer();
  ClientOptions options = optionsFor(peer);
  options.endpoint.host = "localhost";
  EXPECT_TRUE(call(peer, answering(webName, created), info(), options).has_value());
}

TEST_F(ClientTest, SaysThatItIsNoTlsEndpoint) {
  for (const std::string_view greeting :
       {"SSH-2.0-OpenSSH_9.2p1\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", ""}) {
    tcp::acceptor acceptor(context_, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    const auto greet = [&]() -> asio::awaitable<void> {
      tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
      co_await asio::async_write(socket, asio::buffer(greeting), asio::use_awaitable);
    };
    asio::co_spawn(context_, greet(), asio::detached);
    const Endpoint endpoint{.host = "127.0.0.1", .port = acceptor.local_endpoint().port()};
    const auto reply = await(restart(), {.endpoint = endpoint, .credential = credential()});
    ASSERT_FALSE(reply.has_value());
    EXPECT_EQ(reply.error().error.reason, Reason::TlsFailed);
    EXPECT_THAT(reply.error().error.message, HasSubstr("is this an Albatross TLS endpoint?"));
    EXPECT_FALSE(reply.error().inDoubt);
  }
}

// -- Lists
// -----------------------------------------------------------------------------------------------------------------

TEST(Lists, HaveFullNames) {
  const Name relative{.path = {}, .label = "web"};
  const Name deeper{.path = {"team"}, .label = "db"};
  const Reply ofDomain{.serverKey = {},
                       .name = domainName,
                       .success = success::UnikernelList{.unikernels = {{relative, {}}, {deeper, {}}}}};
  const Name db{.path = {"shop", "team"}, .label = "db"};
  EXPECT_THAT(*unikernelsOf(ofDomain),
              ElementsAre(Pair(webName, UnikernelInfo{}), Pair(db, UnikernelInfo{})));
  const Reply ofName{
      .serverKey = {}, .name = webName, .success = success::UnikernelList{.unikernels = {{webName, {}}}}};
  EXPECT_THAT(*unikernelsOf(ofName), ElementsAre(Pair(webName, UnikernelInfo{})));
  const Reply policies{
      .serverKey = {}, .name = domainName, .success = success::PolicyList{{{Name{}, policy}}}};
  EXPECT_THAT(*policiesOf(policies), ElementsAre(Pair(domainName, policy)));
  const Reply devices{
      .serverKey = {}, .name = domainName, .success = success::BlockDeviceList{{{relative, {.size = 4}}}}};
  EXPECT_THAT(*blockDevicesOf(devices), ElementsAre(Pair(webName, BlockDevice{.size = 4})));
}

TEST(Lists, HoldNoNumbersThatNoMachineHas) {
  const auto unikernels = [](const std::function<void(UnikernelInfo&)>& edit) {
    UnikernelInfo info;
    edit(info);
    return unikernelsOf({.serverKey = {},
                         .name = domainName,
                         .success = success::UnikernelList{{{webName, std::move(info)}}}});
  };
  const auto startedIn = [&](int year) {
    return unikernels(
        [&](auto& info) { info.started = std::chrono::sys_days(std::chrono::year(year) / 1 / 1); });
  };
  const auto withMemory = [&](std::int64_t memory) {
    return unikernels([&](auto& info) { info.memory = memory; });
  };
  EXPECT_TRUE(startedIn(2262).has_value());
  for (const int odd : {0, 1600, 2263, 9999}) EXPECT_FALSE(startedIn(odd).has_value()) << odd;
  EXPECT_TRUE(withMemory(std::int64_t{1} << 40).has_value());
  for (const std::int64_t odd : {std::int64_t{-1}, INT64_MIN, INT64_MAX, (std::int64_t{1} << 40) + 1}) {
    ASSERT_FALSE(withMemory(odd).has_value()) << odd;
    EXPECT_EQ(withMemory(odd).error().reason, Reason::ProtocolError);
  }
  const auto policies = [](const std::function<void(Policy&)>& edit) {
    Policy odd;
    edit(odd);
    return policiesOf(
        {.serverKey = {}, .name = domainName, .success = success::PolicyList{{{Name{}, std::move(odd)}}}});
  };
  EXPECT_FALSE(policies([](auto& odd) { odd.unikernels = -1; }).has_value());
  EXPECT_FALSE(policies([](auto& odd) { odd.memory = -1; }).has_value());
  EXPECT_FALSE(policies([](auto& odd) { odd.block = -1; }).has_value());
  EXPECT_EQ(policies([](auto& odd) { odd.memory = INT64_MAX; })->at(0).second.memory, std::int64_t{1} << 40);
  for (const std::int64_t size : {std::int64_t{-1}, INT64_MAX}) {
    const Reply devices{.serverKey = {},
                        .name = domainName,
                        .success = success::BlockDeviceList{{{webName, {.size = size}}}}};
    EXPECT_FALSE(blockDevicesOf(devices).has_value()) << size;
  }
}

TEST(Lists, AreRefusedInAnotherShape) {
  const Reply reply{.serverKey = {}, .name = domainName, .success = success::Empty{}};
  for (const auto& error :
       {unikernelsOf(reply).error(), policiesOf(reply).error(), blockDevicesOf(reply).error()}) {
    EXPECT_EQ(error.reason, Reason::ProtocolError);
    EXPECT_THAT(error.message, HasSubstr("shop:"));
  }
}

}  // namespace
}  // namespace rookery::albatross

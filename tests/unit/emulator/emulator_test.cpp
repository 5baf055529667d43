#include "emulator/emulator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>

#include "albatross/client/client.h"
#include "emulator_options.h"
#include "fixtures/temp_dir.h"
#include "images/image_maker.h"
#include "raw_client.h"

namespace rookery::emulator {
namespace {

using albatross::CallResult;
using asio::ip::tcp;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

/// The emulator's log, to wait for what has happened.
class Log {
 public:
  void add(std::string_view line) {
    const std::lock_guard lock(mutex_);
    lines_.emplace_back(line);
    arrived_.notify_one();
  }
  /// The next line; empty when none comes.
  std::string next() {
    std::unique_lock lock(mutex_);
    if (!arrived_.wait_for(lock, std::chrono::seconds(10), [&] { return !lines_.empty(); })) return "";
    std::string line = std::move(lines_.front());
    lines_.pop_front();
    return line;
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::string> lines_;
};

class BytesStream final : public albatross::ImageStream {
 public:
  explicit BytesStream(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<std::span<const std::byte>> next() override {
    const std::string_view chunk = std::string_view(bytes_).substr(offset_, 1000);
    offset_ += chunk.size();
    return std::as_bytes(std::span(chunk));
  }

 private:
  std::string bytes_;
  std::size_t offset_ = 0;
};

albatross::Policy shopPolicy() {
  albatross::Policy policy;
  policy.cpuIDs = {0};
  policy.unikernels = 4;
  policy.memory = 256;
  policy.block = 16;
  return policy;
}

std::string extension(const albatross::Command& command) { return albatross::encodeExtension(command); }
std::string addPolicy() { return extension(albatross::PolicyCommand(albatross::policy::Add{shopPolicy()})); }
std::string info() { return extension(albatross::UnikernelCommand(albatross::unikernel::Info{})); }
std::string create() { return extension(albatross::UnikernelCommand(albatross::unikernel::Create{})); }

class EmulatorTest : public testing::Test {
 protected:
  void start(const std::string& faults = "", Options options = {}) {
    Options complete = optionsWith(ca_);
    complete.faults = *Faults::parse(faults);
    complete.stateDir = options.stateDir;
    complete.listenLocally = options.listenLocally;
    complete.machine.release = options.machine.release;
    complete.statisticsInterval = options.statisticsInterval;
    complete.log = [this](std::string_view line) { log_.add(line); };
    emulator_ = std::make_unique<EmulatorThread>(std::move(complete));
    const auto credential = albatross::Credential::load({ca_.certificate, ca_.certificate, ca_.privateKey});
    ASSERT_TRUE(credential) << credential.error().message;
    albatross::ClientOptions client;
    client.endpoint = {"127.0.0.1", emulator_->port()};
    client.credential = *credential;
    client_ = albatross::makeTlsClient(std::move(client));
  }

  /// One command about `shop:NAME` (or `shop:`) from the client that rookery has.
  CallResult call(std::optional<std::string> label, albatross::Command command,
                  const std::string* image = nullptr) {
    asio::io_context context;
    BytesStream stream(image == nullptr ? "" : *image);
    albatross::Request request{.domains = {{"shop", shopPolicy()}},
                               .label = std::move(label),
                               .command = std::move(command),
                               .imageSize = image == nullptr ? 0 : image->size(),
                               .image = image == nullptr ? nullptr : &stream};
    auto result = asio::co_spawn(context, client_->call(std::move(request)), asio::use_future);
    context.run();
    return result.get();
  }
  /// What a dump of `shop:NAME` gives, up to its end.
  std::string dump(const std::string& label, std::int64_t level) {
    asio::io_context context;
    std::string content;
    const auto read = [&]() -> asio::awaitable<Result<void>> {
      albatross::Request request{
          {{"shop", shopPolicy()}}, label, albatross::BlockCommand(albatross::block::Dump{level})};
      const auto stream = co_await client_->stream(std::move(request));
      if (!stream) co_return std::unexpected(stream.error());
      for (;;) {
        const auto message = co_await (*stream)->next();
        if (!message) co_return std::unexpected(message.error());
        const auto& data = std::get<albatross::data::Block>(message->data);
        if (!data.bytes) co_return Result<void>{};
        content += *data.bytes;
      }
    };
    auto result = asio::co_spawn(context, read(), asio::use_future);
    context.run();
    const Result<void> ended = result.get();
    EXPECT_TRUE(ended) << ended.error().message;
    return content;
  }
  CallResult createUnikernel(const std::string& label, const std::string& image) {
    return call(label, albatross::UnikernelCommand(albatross::unikernel::Create{}), &image);
  }
  std::size_t running() {
    return emulator_->ask(
        [](Emulator& emulator) { return emulator.server().resources().unikernels().all().size(); });
  }
  RawReplies exchange(const std::vector<RawCertificate>& chain) {
    return RawClient(emulator_->port(), ca_, chain).read();
  }
  /// That it still answers.
  void expectAlive() { EXPECT_THAT(exchange({{".", info()}}).messages, SizeIs(1)); }

  const fixtures::Identity ca_ = fixtures::makeIdentity({});
  Log log_;
  std::unique_ptr<EmulatorThread> emulator_;
  std::unique_ptr<albatross::Client> client_;
};

std::string textOf(const CallResult& result) {
  if (!result) return result.error().error.message;
  const auto* text = std::get_if<albatross::success::Text>(&result->success);
  return text == nullptr ? "another reply" : text->text;
}

// -- With the client that rookery has
// ---------------------------------------------------------------------------------

TEST_F(EmulatorTest, RunsAUnikernelThatIsStreamed) {
  start();
  const std::string image = images::makeImage({.size = 300'000});
  EXPECT_EQ("created unikernel", textOf(createUnikernel("web", image)));
  const auto listed = call(std::nullopt, albatross::UnikernelCommand(albatross::unikernel::Info{}));
  ASSERT_TRUE(listed) << listed.error().error.message;
  EXPECT_EQ("shop:web", albatross::unikernelsOf(*listed)->front().first.toString());
  EXPECT_EQ("destroyed unikernel",
            textOf(call("web", albatross::UnikernelCommand(albatross::unikernel::Destroy{}))));
  EXPECT_EQ(0U, running());

  EXPECT_EQ(R"(command=policy-add name=shop: bytes=0 outcome=ok result="added policy")", log_.next());
  EXPECT_EQ(R"(command=create name=shop:web bytes=300000 outcome=ok result="created unikernel")",
            log_.next());
  EXPECT_EQ(R"(command=info name=shop: bytes=0 outcome=ok result="unikernels: 1")", log_.next());
  EXPECT_EQ(R"(command=destroy name=shop:web bytes=0 outcome=ok result="destroyed unikernel")", log_.next());
  emulator_->ask([](Emulator& emulator) {
    EXPECT_EQ(300'000U, emulator.journal().imageBytes());
    EXPECT_EQ(3U, emulator.journal().mutations());
  });
}

TEST_F(EmulatorTest, TakesAndGivesTheContentOfABlockDevice) {
  namespace block = albatross::block;
  start();
  emulator_->ask(
      [](Emulator& emulator) { ASSERT_TRUE(emulator.server().resources().addBlock({{"shop"}, "disk"}, 1)); });
  const std::string content(300'000, 'x');
  EXPECT_EQ("set block device", textOf(call("disk", albatross::BlockCommand(block::Set{false}), &content)));
  std::string whole = content;
  whole.resize(std::size_t{1} << 20);
  EXPECT_TRUE(whole == dump("disk", 0));
  const auto inflated = uncompress(dump("disk", 9));
  EXPECT_TRUE(inflated && whole == *inflated);
}

TEST_F(EmulatorTest, CarriesOutWhatItDoesNotReplyTo) {
  start("drop-reply");
  const auto result = createUnikernel("web", images::makeImage({}));
  ASSERT_FALSE(result);
  EXPECT_TRUE(result.error().inDoubt);
  EXPECT_EQ(1U, running());
  EXPECT_TRUE(call(std::nullopt, albatross::UnikernelCommand(albatross::unikernel::Info{})));
  log_.next();
  EXPECT_EQ(R"(command=create name=shop:web bytes=4096 outcome=unsent result="created unikernel")",
            log_.next());
}

TEST_F(EmulatorTest, ForgetsAnImageThatIsWholeAndWasNotCommitted) {
  start();
  ASSERT_EQ("created unikernel", textOf(createUnikernel("cart", images::makeImage({}))));
  log_.next();
  log_.next();
  asio::io_context context;
  BytesStream stream(images::makeImage({.size = 300'000}));
  albatross::Request request{.domains = {{"shop", shopPolicy()}},
                             .label = "web",
                             .command = albatross::UnikernelCommand(albatross::unikernel::ForceCreate{}),
                             .image = &stream};
  request.commit = []() -> asio::awaitable<Result<void>> {
    co_return fail(Reason::Cancelled, "Something else is wanted now.");
  };
  auto result = asio::co_spawn(context, client_->call(std::move(request)), asio::use_future);
  context.run();
  EXPECT_FALSE(result.get().error().inDoubt);
  EXPECT_EQ(
      R"(command=force-create name=shop:web bytes=300000 outcome=aborted result="the stream broke off")",
      log_.next());
  EXPECT_EQ(1U, running());
}

TEST_F(EmulatorTest, CutsAnUpload) {
  start("cut-after=65536");
  EXPECT_FALSE(createUnikernel("web", images::makeImage({.size = 300'000})));
  EXPECT_EQ(0U, running());
  EXPECT_THAT(log_.next(), testing::HasSubstr("outcome=aborted"));
  emulator_->ask([](Emulator& emulator) { emulator.server().faults().cutAfter.reset(); });
  EXPECT_EQ("created unikernel", textOf(createUnikernel("web", images::makeImage({.size = 300'000}))));
}

TEST_F(EmulatorTest, AnswersForADaemonThatIsNotThere) {
  start("endpoint-error");
  const auto result = createUnikernel("web", images::makeImage({}));
  ASSERT_FALSE(result);
  EXPECT_EQ(Reason::ServiceUnavailable, result.error().error.reason);
}

TEST_F(EmulatorTest, RefusesAndRepliesLate) {
  start("refuse,delay=1ms");
  emulator_->ask([](Emulator& emulator) {
    EXPECT_TRUE(emulator.server().resources().addPolicy({"shop"}, shopPolicy()));
  });
  const auto result = createUnikernel("web", images::makeImage({}));
  ASSERT_FALSE(result);
  EXPECT_EQ(Reason::Refused, result.error().error.reason);
}

TEST_F(EmulatorTest, AnswersOthersWhileAnOldProcessEnds) {
  start("stop-after=10m");
  ASSERT_EQ("created unikernel", textOf(createUnikernel("web", images::makeImage({}))));
  RawClient waiting(emulator_->port(), ca_,
                    {{"shop", addPolicy()},
                     {"web", extension(albatross::UnikernelCommand(albatross::unikernel::Restart{}))}});
  const auto isStopping = [](Emulator& emulator) { return emulator.server().nextEvent().has_value(); };
  while (!emulator_->ask(isStopping)) {
    EXPECT_TRUE(call("web", albatross::UnikernelCommand(albatross::unikernel::Info{})));
  }
  EXPECT_EQ(1U, running());
}

TEST_F(EmulatorTest, BringsItsUnikernelsBack) {
  const fixtures::TempDir temp;
  Options options;
  options.stateDir = temp.path() / "state";
  start("", options);
  ASSERT_EQ("created unikernel", textOf(createUnikernel("web", images::makeImage({}))));
  start("", options);
  EXPECT_EQ(1U, running());
  EXPECT_EQ("destroyed unikernel",
            textOf(call("web", albatross::UnikernelCommand(albatross::unikernel::Destroy{}))));
  start("", options);
  EXPECT_EQ(0U, running());
}

// -- Streams
// -----------------------------------------------------------------------------

std::string readConsole(std::int64_t lines = 100) {
  return extension(albatross::ConsoleCommand(albatross::console::Subscribe{lines}));
}
std::string readStatistics() { return extension(albatross::StatsCommand(albatross::stats::Subscribe{})); }

/// What messages say: a reply's or a console's text, the name of statistics; "?": nobody knows.
std::vector<std::string> wordsOf(const RawReplies& replies) {
  std::vector<std::string> words;
  for (const auto& message : replies.messages) {
    const auto wire = albatross::decodeWire(message);
    const auto* data = wire ? std::get_if<albatross::Data>(&wire->payload) : nullptr;
    if (data == nullptr) {
      const auto* success = wire ? std::get_if<albatross::Success>(&wire->payload) : nullptr;
      words.push_back(success == nullptr ? "?" : std::get<albatross::success::Text>(*success).text);
    } else if (const auto* console = std::get_if<albatross::data::Console>(data)) {
      words.push_back(console->line);
    } else {
      words.push_back("statistics of " + wire->header.name.toString());
    }
  }
  return words;
}

class StreamingEmulator : public EmulatorTest {
 protected:
  void print(const std::string& line) {
    emulator_->ask([&](Emulator& emulator) {
      emulator.server().consoles().print({{}, "web"}, albatross::Time(milliseconds(1)), line);
    });
  }
  std::size_t readers() {
    return emulator_->ask(
        [](Emulator& emulator) { return emulator.server().consoles().readers({{}, "web"}); });
  }
  RawClient subscribe(const std::string& command = readConsole()) {
    return RawClient(emulator_->port(), ca_, {{"web", command}});
  }
};

TEST_F(StreamingEmulator, TellsEachLineToAllWhoReadIt) {
  start();
  print("before");
  RawClient first = subscribe(), second = subscribe(readConsole(0));
  EXPECT_THAT(wordsOf(first.read(2)), ElementsAre("subscribed", "before"));
  EXPECT_THAT(wordsOf(second.read(1)), ElementsAre("subscribed"));
  while (readers() < 2) {
  }
  print("after\x1b\xff");
  EXPECT_THAT(wordsOf(first.read(1)), ElementsAre("after\x1b\xff"));
  EXPECT_THAT(wordsOf(second.read(1)), ElementsAre("after\x1b\xff"));
  first.breakOff();
  while (readers() > 1) {
  }
  print("still");
  EXPECT_THAT(wordsOf(second.read(1)), ElementsAre("still"));
}

TEST_F(StreamingEmulator, EndsTheOldestOfSixReaders) {
  start();
  std::deque<RawClient> clients;
  for (std::size_t i = 1; i <= 6; ++i) {
    EXPECT_THAT(
        wordsOf(
            clients.emplace_back(emulator_->port(), ca_, std::vector<RawCertificate>{{"web", readConsole()}})
                .read(1)),
        ElementsAre("waiting for VM"));
    while (readers() < std::min<std::size_t>(i, 5)) {
    }
  }
  const RawReplies displaced = clients.front().read();
  EXPECT_THAT(displaced.messages, IsEmpty());
  EXPECT_TRUE(displaced.clean);
  EXPECT_EQ(readers(), 5);
}

TEST_F(StreamingEmulator, TellsStatisticsAgainAndAgain) {
  Options options;
  options.statisticsInterval = milliseconds(1);
  start("", options);
  RawClient client(emulator_->port(), ca_, {{".", readStatistics()}});
  ASSERT_EQ("created unikernel", textOf(createUnikernel("web", images::makeImage({}))));
  EXPECT_THAT(wordsOf(client.read(3)),
              ElementsAre("subscribed", "statistics of shop:web", "statistics of shop:web"));
}

TEST_F(StreamingEmulator, HasNoStatistics) {
  start("no-statistics");
  const RawReplies replies = exchange({{".", readStatistics()}});
  EXPECT_THAT(replies.messages, IsEmpty());
  EXPECT_TRUE(replies.clean);
}

TEST_F(StreamingEmulator, CutsAStreamInTheMidstOfAMessage) {
  start("cut-stream-after=2");
  for (const char* line : {"one", "two", "three", "four"}) print(line);
  const RawReplies replies = subscribe().read();
  EXPECT_THAT(wordsOf(replies), ElementsAre("subscribed", "one", "two"));
  EXPECT_FALSE(replies.clean);
  while (readers() > 0) {
  }
}

TEST_F(StreamingEmulator, SaysWhatNobodyKnows) {
  start("unknown-data");
  print("one");
  EXPECT_THAT(wordsOf(subscribe().read(3)), ElementsAre("subscribed", "?", "one"));
}

TEST_F(StreamingEmulator, StallsUntilItsClientHasEnough) {
  start("stall-streams");
  print("one");
  RawClient client = subscribe();
  EXPECT_THAT(wordsOf(client.read(1)), ElementsAre("subscribed"));
  client.closeNotify();
  const RawReplies replies = client.read();
  EXPECT_THAT(replies.messages, IsEmpty());
  EXPECT_TRUE(replies.clean);
  EXPECT_EQ(readers(), 0);
}

// -- With clients that no one should have
// -----------------------------------------------------------------------------

TEST_F(EmulatorTest, DiscardsAnUploadThatIsNotEnded) {
  start();
  for (const bool politely : {false, true}) {
    RawClient client(emulator_->port(), ca_, {{"web", create()}});
    client.sendFrames(images::makeImage({}));
    if (politely) {
      client.closeNotify();
      const RawReplies replies = client.read();
      EXPECT_THAT(replies.messages, IsEmpty());
      EXPECT_TRUE(replies.clean);
    } else {
      client.breakOff();
    }
    EXPECT_EQ(R"(command=create name=:web bytes=4096 outcome=aborted result="the stream broke off")",
              log_.next());
  }
  EXPECT_EQ(0U, running());
  emulator_->ask([](Emulator& emulator) { EXPECT_EQ(8192U, emulator.journal().imageBytes()); });
}

TEST_F(EmulatorTest, RunsHalfAnImageThatIsEnded) {
  start();
  RawClient client(emulator_->port(), ca_, {{"web", create()}});
  client.sendFrames(images::makeImage({}).substr(0, 100));
  client.endStream();
  EXPECT_THAT(client.read().messages, SizeIs(1));
  EXPECT_EQ(R"(command=create name=:web bytes=100 outcome=failed result="error during ELF parsing")",
            log_.next());
}

struct BadChain {
  const char* what;
  std::vector<RawCertificate> chain;
  bool handshake;  // whether the chain is accepted and its content is what is wrong
};

std::vector<BadChain> badChains() {
  const std::string remove = extension(albatross::BlockCommand(albatross::block::Remove{}));
  const std::string subscribe = extension(albatross::ConsoleCommand(albatross::console::Add{1}));
  std::vector<RawCertificate> ten;
  for (int i = 0; i < 9; ++i) ten.push_back({"a", addPolicy()});
  ten.push_back({".", info()});
  return {
      {"NoCommand", {{"web", std::nullopt}}, true},
      {"EmptyName", {{"", info()}}, true},
      {"NameThatIsNoLabel", {{"a:b", info()}}, true},
      {"BlockCommandWithoutName", {{std::nullopt, remove}}, true},
      {"GarbageForACommand", {{"web", "garbage"}}, true},
      {"CommandForTheDaemonOnly", {{"web", subscribe}}, true},
      {"DomainWithoutName", {{std::nullopt, addPolicy()}, {".", info()}}, true},
      {"DomainWithABadName", {{"-a", addPolicy()}, {".", info()}}, true},
      {"DomainWithAnotherCommand", {{"a", info()}, {".", info()}}, true},
      {"TenCertificates", ten, true},
      {"Expired", {{".", info(), false, -300, -1}}, false},
      {"NotYetValid", {{".", info(), false, 60, 300}}, false},
      {"CriticalExtension", {{".", info(), true}}, false},
      {"ExpiredDomain", {{"a", addPolicy(), false, -300, -1}, {".", info()}}, false},
  };
}

class BadCertificates : public EmulatorTest, public testing::WithParamInterface<BadChain> {};

TEST_P(BadCertificates, CloseTheConnectionWithoutAReply) {
  start();
  const RawReplies replies = exchange(GetParam().chain);
  EXPECT_THAT(replies.messages, IsEmpty());
  EXPECT_EQ(GetParam().handshake, replies.clean);
  EXPECT_THAT(log_.next(), testing::StartsWith("command=none name= bytes=0 outcome=closed result="));
  expectAlive();
}

INSTANTIATE_TEST_SUITE_P(Table, BadCertificates, testing::ValuesIn(badChains()),
                         [](const auto& test) { return std::string(test.param.what); });

TEST_F(EmulatorTest, TakesNineCertificatesAndNamesOfTheDomainItself) {
  start();
  std::vector<RawCertificate> nine;
  for (int i = 0; i < 8; ++i) nine.push_back({"a", addPolicy()});
  nine.push_back({".", info()});
  EXPECT_THAT(exchange(nine).messages, SizeIs(1));
  EXPECT_THAT(exchange({{std::nullopt, std::nullopt}, {":", info()}}).messages, SizeIs(1))
      << "no domain, skipped";
  EXPECT_THAT(exchange({{std::nullopt, info()}}).messages, SizeIs(1));
}

TEST_F(EmulatorTest, KnowsNobodyFromAnotherAuthority) {
  start();
  RawClient stranger(emulator_->port(), fixtures::makeIdentity({}), {{".", info()}});
  EXPECT_FALSE(stranger.read().clean);
  EXPECT_THAT(log_.next(), testing::HasSubstr("handshake: "));
  expectAlive();
}

TEST_F(EmulatorTest, ClosesWithoutAReplyWhereNothingIsEmulated) {
  start();
  const RawReplies replies =
      exchange({{"web", extension(albatross::BlockCommand(albatross::block::OldDump{0}))}});
  EXPECT_THAT(replies.messages, IsEmpty());
  EXPECT_TRUE(replies.clean);
  EXPECT_EQ(R"(command=block-dump name=:web bytes=0 outcome=closed result="no answer")", log_.next());
}

class Plain {
 public:
  explicit Plain(std::uint16_t port) : socket_(context_) {
    socket_.connect({asio::ip::address_v4::loopback(), port});
  }
  void send(std::string_view bytes) { asio::write(socket_, asio::buffer(bytes)); }
  void end() { socket_.shutdown(tcp::socket::shutdown_send); }
  /// Whether the other side has closed, once it does.
  bool isClosed() {
    boost::system::error_code error;
    std::string rest;
    asio::read(socket_, asio::dynamic_buffer(rest), error);
    return error == asio::error::eof || error == asio::error::connection_reset;
  }

 private:
  asio::io_context context_;
  tcp::socket socket_;
};

TEST_F(EmulatorTest, SurvivesWhoeverConnects) {
  start();
  const Plain silent(emulator_->port());
  Plain garbage(emulator_->port());
  garbage.send("GET / HTTP/1.0\r\n\r\n");
  garbage.end();
  EXPECT_TRUE(garbage.isClosed());
  EXPECT_THAT(log_.next(), testing::HasSubstr("handshake: "));
  {
    RawClient promising(emulator_->port(), ca_, {{"web", create()}});
    promising.send(
        "\x7f\xff\xff\xff"
        "far less than that");
    promising.breakOff();
  }
  EXPECT_THAT(log_.next(), testing::HasSubstr("outcome=aborted"));
  RawClient stalled(emulator_->port(), ca_, {{"web", create()}});
  stalled.send(std::string(2, '\0'));
  expectAlive();
}

TEST_F(EmulatorTest, HangsUntilTheClientHasEnough) {
  start("hang");
  Plain client(emulator_->port());
  client.send("hello?");
  client.end();
  EXPECT_TRUE(client.isClosed());
  emulator_->ask([](Emulator& emulator) {
    EXPECT_THAT(emulator.journal().entries(), IsEmpty());
    emulator.server().faults().hang = false;
  });
  expectAlive();
}

// -- Starting
// ---------------------------------------------------------------------------------------------------------

TEST_F(EmulatorTest, SaysWhyItDoesNotStart) {
  start();
  asio::io_context context;
  Options options = optionsWith(ca_);
  options.listen.port(emulator_->port());
  const auto taken = Emulator::start(context, options);
  ASSERT_FALSE(taken);
  EXPECT_EQ("The emulator cannot listen on 127.0.0.1:" + std::to_string(emulator_->port()) +
                ": Address already in use.",
            taken.error().message);

  options = optionsWith(ca_);
  options.pki.server.privateKey = ca_.privateKey;
  const auto mixed = Emulator::start(context, options);
  ASSERT_FALSE(mixed);
  EXPECT_EQ(Reason::CredentialInvalid, mixed.error().reason);
}

// -- Local sockets
// -------------------------------------------------------------------------------------------------------

/// A client on the server's machine does all that one over TLS does, without a certificate.
class LocalEmulator : public EmulatorTest {
 protected:
  LocalEmulator() {
    Options options;
    options.listenLocally = folder_.path() / "util";
    start("", std::move(options));
    albatross::ClientOptions local;
    local.endpoint.folder = (folder_.path() / "util").string();
    client_ = albatross::makeClient(std::move(local));
  }

  CallResult ask(albatross::Command command) { return call(std::nullopt, std::move(command)); }

  fixtures::TempDir folder_;
};

TEST_F(LocalEmulator, RunsAnImageThatIsWithinTheMessage) {
  const std::string image = images::makeImage({.size = 300'000});
  const auto created = createUnikernel("web", image);
  ASSERT_TRUE(created) << created.error().error.message;
  EXPECT_EQ(created->serverKey.size(), 64u);
  const auto listed = ask(albatross::UnikernelCommand(albatross::unikernel::Info{}));
  ASSERT_TRUE(listed);
  const auto unikernels = albatross::unikernelsOf(*listed);
  ASSERT_TRUE(unikernels && unikernels->size() == 1);
  EXPECT_EQ(unikernels->front().first.toString(), "shop:web");
  EXPECT_EQ(listed->serverKey, created->serverKey);
  const auto policies = ask(albatross::PolicyCommand(albatross::policy::Info{}));
  ASSERT_TRUE(policies);
  EXPECT_EQ(albatross::policiesOf(*policies)->size(), 1u) << "the request's, as over TLS";
  const auto destroyed = call("web", albatross::UnikernelCommand(albatross::unikernel::Destroy{}));
  EXPECT_TRUE(destroyed);
}

TEST_F(LocalEmulator, FillsAndDumpsVolumes) {
  ASSERT_TRUE(call("data", albatross::BlockCommand(albatross::block::Add{1})));
  const std::string content(100'000, 'c');
  const auto set = call("data", albatross::BlockCommand(albatross::block::Set{false}), &content);
  ASSERT_TRUE(set) << set.error().error.message;
  EXPECT_TRUE(dump("data", 0).starts_with(content));
}

TEST_F(LocalEmulator, RunsNoImageThatHasAnotherLength) {
  const std::string image = images::makeImage({});
  asio::io_context context;
  BytesStream stream(image);
  albatross::Request request{.domains = {{"shop", shopPolicy()}},
                             .label = "web",
                             .command = albatross::UnikernelCommand(albatross::unikernel::Create{}),
                             .imageSize = image.size() + 1,
                             .image = &stream};
  auto result = asio::co_spawn(context, client_->call(std::move(request)), asio::use_future);
  context.run();
  const CallResult refused = result.get();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().error.reason, Reason::ImageChanged);
  EXPECT_FALSE(refused.error().inDoubt);
  EXPECT_EQ(running(), 0u);
}

TEST_F(LocalEmulator, SaysWhatItRefuses) {
  const auto refused = call("lost", albatross::UnikernelCommand(albatross::unikernel::Destroy{}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().error.reason, Reason::Refused);
  albatross::ClientOptions nowhere;
  nowhere.endpoint.folder = (folder_.path() / "nowhere").string();
  client_ = albatross::makeLocalClient(std::move(nowhere));
  const auto lost = ask(albatross::PolicyCommand(albatross::policy::Info{}));
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().error.reason, Reason::ConnectionFailed);
  EXPECT_THAT(lost.error().error.message, testing::HasSubstr("nowhere/vmmd.sock"));
}

// -- Former releases
// -----------------------------------------------------------------------------------------------------

TEST_F(EmulatorTest, OfAFormerReleaseKnowsOnlyItsForms) {
  using albatross::Era;
  Options options;
  options.machine.release = Era::V26;
  start("", std::move(options));
  const std::string image = images::makeImage({});
  const auto create = [&](Era era) {
    return call("web", albatross::UnikernelCommand(albatross::unikernel::Create{{}, era}), &image)
        .has_value();
  };
  const auto isTold = [&](Era era) {
    return call(std::nullopt, albatross::UnikernelCommand(albatross::unikernel::Info{era})).has_value();
  };
  EXPECT_FALSE(create(Era::Current));
  EXPECT_TRUE(create(Era::V26));
  EXPECT_FALSE(isTold(Era::Current));
  EXPECT_TRUE(isTold(Era::V26));
  EXPECT_TRUE(isTold(Era::V25));
}

}  // namespace
}  // namespace rookery::emulator

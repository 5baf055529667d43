#include <gmock/gmock.h>
#include <openssl/ssl.h>

#include <csignal>
#include <fstream>
#include <list>
#include <thread>

#include "fixtures/pki.h"
#include "fixtures/temp_dir.h"
#include "http/listener.h"
#include "http/tls_context.h"
#include "unit/http/raw_client.h"
#include "unit/http/service.h"

namespace rookery::http {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

/// What a client offers in its handshake.
struct Offer {
  const fixtures::Identity* identity = nullptr;
  int maxVersion = TLS1_3_VERSION;
  std::string alpn = {};  // in wire format
};

/// A TLS client that trusts everybody.
class TlsClient {
 public:
  explicit TlsClient(std::uint16_t port, const Offer& offer = {})
      : raw_(port), context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
    SSL_CTX_set_security_level(context_.get(), 0);  // so that it can offer what is too old
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context_.get(), offer.maxVersion);
    if (offer.identity != nullptr) use(*offer.identity);
    ssl_.reset(SSL_new(context_.get()));
    if (!offer.alpn.empty()) {
      SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(offer.alpn.data()),
                          static_cast<unsigned>(offer.alpn.size()));
    }
    SSL_set_fd(ssl_.get(), raw_.socket());
    connected_ = SSL_connect(ssl_.get()) == 1;
  }

  bool connected() const { return connected_; }
  std::string version() const { return SSL_get_version(ssl_.get()); }
  std::string protocol() const {
    const unsigned char* data = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &data, &size);
    return {reinterpret_cast<const char*>(data), size};
  }
  std::string serverName() const {
    std::array<char, 64> name{};
    X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(ssl_.get())), NID_commonName,
                              name.data(), static_cast<int>(name.size()));
    return name.data();
  }
  void send(const std::string& text) { SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())); }
  std::string receiveAll() {
    std::string text;
    std::array<char, 4096> buffer{};
    int received = 0;
    while ((received = SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()))) > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(received));
    }
    return text;
  }
  /// What comes after `begin`: so many bytes, or one less when it is over.
  std::string receiveUntil(std::string_view begin, std::size_t count) {
    std::string text;
    char byte = 0;
    while (!text.ends_with(begin) && SSL_read(ssl_.get(), &byte, 1) == 1) text += byte;
    std::string after;
    while (after.size() < count && SSL_read(ssl_.get(), &byte, 1) == 1) after += byte;
    return after;
  }
  /// Sends a message that is no part of a request (RFC 8446, section 4.6.3). False: the server has gone.
  bool updateKey() {
    return SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED) == 1 && SSL_do_handshake(ssl_.get()) == 1;
  }
  std::string get() {
    send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    return receiveAll();
  }

 private:
  void use(const fixtures::Identity& identity) {
    BIO* certificate =
        BIO_new_mem_buf(identity.certificate.data(), static_cast<int>(identity.certificate.size()));
    BIO* key = BIO_new_mem_buf(identity.privateKey.data(), static_cast<int>(identity.privateKey.size()));
    X509* parsed = PEM_read_bio_X509(certificate, nullptr, nullptr, nullptr);
    EVP_PKEY* parsedKey = PEM_read_bio_PrivateKey(key, nullptr, nullptr, nullptr);
    SSL_CTX_use_certificate(context_.get(), parsed);
    SSL_CTX_use_PrivateKey(context_.get(), parsedKey);
    X509_free(parsed);
    EVP_PKEY_free(parsedKey);
    BIO_free(certificate);
    BIO_free(key);
  }

  RawClient raw_;
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
  std::unique_ptr<SSL, void (*)(SSL*)> ssl_{nullptr, SSL_free};
  bool connected_ = false;
};

fixtures::Identity serverIdentity(const std::string& name) {
  return fixtures::makeIdentity({.commonName = name, .keyType = fixtures::KeyType::P256, .ca = false});
}

class TlsTest : public testing::Test {
 protected:
  void SetUp() override { install(serverIdentity("one")); }

  void install(const fixtures::Identity& identity) {
    folder_.replace("tls.crt", identity.certificate);
    folder_.replace("tls.key", identity.privateKey);
  }
  Result<std::unique_ptr<TlsContext>> load() {
    return TlsContext::load(
        files_, [this](const std::string& message) { warnings_.push_back(message); },
        [this](auto notAfter) { ends_.push_back(notAfter); },
        [this] { return TlsContext::Clock::time_point(std::chrono::milliseconds(now_)); });
  }
  void serve(ListenerLimits limits = {}) {
    auto context = load();
    ASSERT_TRUE(context) << context.error().message;
    auto opened = Listener::open({boost::asio::ip::address_v4::loopback(), 0}, *std::move(context), limits,
                                 service(
                                     [](const Request& request) -> Response {
                                       return {.contentType = "text/plain",
                                               .body = (request.peer.tls ? "tls " : "plain ") +
                                                       request.peer.commonName.value_or("nobody")};
                                     },
                                     counts_));
    ASSERT_TRUE(opened) << opened.error().message;
    listener_ = *std::move(opened);
  }
  std::string mistake() {
    const auto context = load();
    if (context) return "none";
    EXPECT_EQ(context.error().reason, Reason::CredentialInvalid);
    return context.error().message;
  }

  fixtures::TempDir folder_;
  TlsFiles files_{
      .certificate = folder_.path() / "tls.crt", .key = folder_.path() / "tls.key", .clientCA = {}};
  // Read only while no connection is made
  std::vector<std::string> warnings_;
  std::vector<std::chrono::system_clock::time_point> ends_;  // of the certificates that were used
  std::atomic<int> now_ = 0;                                 // in ms
  Counts counts_;
  std::unique_ptr<Listener> listener_;
};

TEST_F(TlsTest, ServesTls12And13) {
  serve();
  TlsClient modern(listener_->port());
  EXPECT_EQ(modern.version(), "TLSv1.3");
  EXPECT_THAT(modern.get(), AllOf(StartsWith("HTTP/1.1 200 OK"), EndsWith("tls nobody")));
  TlsClient older(listener_->port(), {.maxVersion = TLS1_2_VERSION});
  EXPECT_EQ(older.version(), "TLSv1.2");
  EXPECT_THAT(older.get(), EndsWith("tls nobody"));
  EXPECT_FALSE(TlsClient(listener_->port(), {.maxVersion = TLS1_1_VERSION}).connected());
}

TEST_F(TlsTest, SpeaksHttp11Only) {
  serve();
  TlsClient both(listener_->port(), {.alpn = "\x02h2\x08http/1.1"});
  EXPECT_EQ(both.protocol(), "http/1.1");
  EXPECT_THAT(both.get(), EndsWith("tls nobody"));
  EXPECT_FALSE(TlsClient(listener_->port(), {.alpn = "\x02h2"}).connected());
}

TEST_F(TlsTest, ClientCertificatesAreOptionalAndVerified) {
  const auto ca = fixtures::makeIdentity({.commonName = "clients"});
  const auto alice =
      fixtures::makeIdentity({.commonName = "alice", .ca = false, .extendedKeyUsage = "clientAuth"}, &ca);
  const auto forged =
      fixtures::makeIdentity({.commonName = "alice", .ca = false, .extendedKeyUsage = "clientAuth"});
  const auto expired = fixtures::makeIdentity({.commonName = "alice",
                                               .ca = false,
                                               .extendedKeyUsage = "clientAuth",
                                               .notAfter = std::chrono::system_clock::now() - 1min},
                                              &ca);
  const auto server = fixtures::makeIdentity({.commonName = "alice", .ca = false}, &ca);
  files_.clientCA = folder_.write("ca.crt", ca.certificate);
  serve();
  EXPECT_THAT(TlsClient(listener_->port(), {.identity = &alice}).get(), EndsWith("tls alice"));
  EXPECT_THAT(TlsClient(listener_->port()).get(), EndsWith("tls nobody"));
  for (const fixtures::Identity* bad : {&forged, &expired, &server}) {
    EXPECT_EQ(TlsClient(listener_->port(), {.identity = bad}).get(), "");
    EXPECT_FALSE(TlsClient(listener_->port(), {.identity = bad, .maxVersion = TLS1_2_VERSION}).connected());
  }
}

TEST_F(TlsTest, AConnectionOutlivesNotTheTrustInItsCertificate) {
  const auto ca = fixtures::makeIdentity({.commonName = "clients"});
  const auto andrea =
      fixtures::makeIdentity({.commonName = "andrea", .ca = false, .extendedKeyUsage = "clientAuth"}, &ca);
  files_.clientCA = folder_.write("ca.crt", ca.certificate);
  serve();
  TlsClient open(listener_->port(), {.identity = &andrea});
  const auto ask = [&] {
    open.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    return open.receiveUntil("tls ", 6);
  };
  EXPECT_EQ(ask(), "andrea");
  install(serverIdentity("two"));  // the server's own certificate is no reason
  now_ += 1000;
  EXPECT_EQ(ask(), "andrea");
  folder_.replace("ca.crt", fixtures::makeIdentity({.commonName = "others"}).certificate);
  now_ += 1000;
  EXPECT_EQ(ask(), "nobody");
}

TEST_F(TlsTest, AWatchEndsWithTheTrustInItsCertificate) {
  const auto ca = fixtures::makeIdentity({.commonName = "clients"});
  const auto alice =
      fixtures::makeIdentity({.commonName = "alice", .ca = false, .extendedKeyUsage = "clientAuth"}, &ca);
  files_.clientCA = folder_.write("ca.crt", ca.certificate);
  auto opened = Listener::open({boost::asio::ip::address_v4::loopback(), 0}, load().value(), {},
                               service(
                                   [](const Request&) -> Response {
                                     return {.contentType = "text/plain",
                                             .next = []() -> std::optional<std::string> {
                                               std::this_thread::sleep_for(1ms);
                                               return "event ";
                                             },
                                             .longRunning = true};
                                   },
                                   counts_));
  ASSERT_TRUE(opened) << opened.error().message;
  TlsClient watcher((*opened)->port(), {.identity = &alice});
  watcher.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(watcher.receiveUntil("event ", 1), "\r");
  folder_.replace("ca.crt", fixtures::makeIdentity({.commonName = "others"}).certificate);
  now_ += 1000;
  watcher.receiveAll();  // it has an end
}

TEST_F(TlsTest, AClientThatSendsNoRequestButKeysIsGivenUp) {
  ListenerLimits limits;
  limits.stream.request = 50ms;
  limits.stream.idle = 50ms;
  serve(limits);
  TlsClient busy(listener_->port());
  ASSERT_TRUE(busy.connected());
  std::signal(SIGPIPE, SIG_IGN);  // which writing to a server that has gone would raise
  while (busy.updateKey()) {
  }
}

TEST_F(TlsTest, WithoutAClientCANobodysCertificateCounts) {
  const auto self =
      fixtures::makeIdentity({.commonName = "alice", .ca = false, .extendedKeyUsage = "clientAuth"});
  serve();
  EXPECT_THAT(TlsClient(listener_->port(), {.identity = &self}).get(), EndsWith("tls nobody"));
}

TEST_F(TlsTest, HandshakesThatDoNotEndKeepNobodyOut) {
  serve();
  std::list<RawClient> slow;
  for (int i = 0; i < 40; ++i) slow.emplace_back(listener_->port()).send("\x16\x03\x01");
  EXPECT_THAT(TlsClient(listener_->port()).get(), EndsWith("tls nobody"));
}

TEST_F(TlsTest, AHandshakeThatDoesNotEndIsGivenUp) {
  ListenerLimits limits;
  limits.stream.request = 50ms;
  serve(limits);
  const RawClient slow(listener_->port());
  slow.send("\x16\x03\x01");
  EXPECT_EQ(slow.receiveAll(), "");
}

TEST_F(TlsTest, GarbageIsGivenUp) {
  serve();
  for (const std::string& garbage : {std::string(10'000, '\0'), std::string(10'000, 'x'),
                                     std::string("\x16\x03\x01\xff\xff", 5) + std::string(70'000, '\x01')}) {
    const RawClient raw(listener_->port());
    raw.send(garbage);
    EXPECT_LT(raw.receiveAll().size(), 100);  // an alert at most
  }
  EXPECT_THAT(TlsClient(listener_->port()).get(), EndsWith("tls nobody"));
}

TEST_F(TlsTest, PlainHttpIsToldToUseTls) {
  serve();
  const RawClient raw(listener_->port());
  raw.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(raw.receiveAll(), AllOf(StartsWith("HTTP/1.1 400 Bad Request"), HasSubstr("https://")));
}

TEST_F(TlsTest, ChangedFilesAreReadAgainAndBrokenOnesAreNot) {
  serve();
  TlsClient open(listener_->port());
  EXPECT_EQ(open.serverName(), "one");
  install(serverIdentity("two"));
  EXPECT_EQ(TlsClient(listener_->port()).serverName(), "one");  // not looked at again yet
  now_ += 1000;
  EXPECT_EQ(TlsClient(listener_->port()).serverName(), "two");

  folder_.replace("tls.key", serverIdentity("other").privateKey);
  for (int i = 0; i < 3; ++i) {
    now_ += 1000;
    EXPECT_EQ(TlsClient(listener_->port()).serverName(), "two");
  }
  EXPECT_THAT(open.get(), EndsWith("tls nobody"));
  install(serverIdentity("three"));
  now_ += 1000;
  EXPECT_EQ(TlsClient(listener_->port()).serverName(), "three");
  listener_->stop();
  EXPECT_THAT(ends_, SizeIs(3));
  EXPECT_GT(ends_[0], std::chrono::system_clock::now());
  ASSERT_THAT(warnings_, SizeIs(1));
  EXPECT_THAT(warnings_[0],
              AllOf(HasSubstr("keeps its last"), HasSubstr("tls.key"), HasSubstr("does not belong")));
}

TEST_F(TlsTest, WhatIsOfNoUseOrBeingWrittenLeavesTheFormerInUse) {
  struct Case {
    const char* what;
    const char* file;
    std::string content;
    bool open;  // for writing, all the time
    const char* warning;
  };
  const fixtures::Identity other = serverIdentity("other");
  const std::string ca =
      fixtures::makeIdentity({.commonName = "ca", .keyType = fixtures::KeyType::P256}).certificate;
  files_.clientCA = folder_.write("ca.crt", ca);
  const std::vector<Case> cases = {
      {"an empty certificate", "tls.crt", "", false, "holds no PEM certificate"},
      {"half a certificate", "tls.crt", other.certificate.substr(0, 100), false, "tls.crt"},
      {"rubbish for a key", "tls.key", "rubbish", false, "holds no PEM private key"},
      {"an empty client CA", "ca.crt", "", false, "ca.crt"},
      {"a certificate on its way", "tls.crt", other.certificate, true, "open for writing"},
      {"a key on its way", "tls.key", other.privateKey, true, "open for writing"},
      {"a client CA on its way", "ca.crt", ca + ca, true, "open for writing"},
  };
  for (const Case& given : cases) {
    SCOPED_TRACE(given.what);
    install(serverIdentity("one"));
    folder_.replace("ca.crt", ca);
    warnings_.clear();
    auto loaded = load();
    ASSERT_TRUE(loaded) << loaded.error().message;
    const auto before = (*loaded)->current();
    std::ofstream writer(folder_.path() / given.file);
    for (std::size_t at = 0; at < 3; ++at) {
      const std::size_t part = given.content.size() / 3;
      writer << given.content.substr(at * part, at == 2 ? std::string::npos : part) << std::flush;
      if (!given.open) writer.close();
      if (!given.open) folder_.replace(given.file, given.content);
      now_ += 1000;
      EXPECT_EQ((*loaded)->current(), before);
      if (!given.open) break;
    }
    ASSERT_THAT(warnings_, SizeIs(1));
    EXPECT_THAT(warnings_[0], AllOf(HasSubstr("keeps its last TLS certificate"), HasSubstr(given.warning)));
  }
}

TEST_F(TlsTest, AFileOfNoUseIsNamed) {
  EXPECT_EQ(mistake(), "none");
  folder_.replace("tls.key", serverIdentity("other").privateKey);
  EXPECT_THAT(mistake(), AllOf(HasSubstr("tls.key"), HasSubstr("does not belong to the TLS certificate")));
  folder_.replace("tls.key", "nothing");
  EXPECT_THAT(mistake(), AllOf(HasSubstr("tls.key"), HasSubstr("holds no PEM private key")));
  install(serverIdentity("one"));
  folder_.replace("tls.crt", "nothing");
  EXPECT_THAT(mistake(), AllOf(HasSubstr("tls.crt"), HasSubstr("holds no PEM certificate")));
  std::filesystem::remove(files_.certificate);
  EXPECT_THAT(mistake(), AllOf(HasSubstr("tls.crt"), HasSubstr("No such file")));
  std::filesystem::create_directory(files_.certificate);
  EXPECT_THAT(mistake(), AllOf(HasSubstr("tls.crt"), HasSubstr("not a regular file")));
  std::filesystem::remove(files_.certificate);

  install(serverIdentity("one"));
  files_.clientCA = folder_.write("ca.crt", serverIdentity("not a CA").certificate);
  EXPECT_THAT(mistake(), AllOf(HasSubstr("ca.crt"), HasSubstr("not a CA's")));
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(TlsTest, ALargeAnswerAndALongBodyPass) {
  auto opened =
      Listener::open({boost::asio::ip::address_v4::loopback(), 0}, load().value(), {},
                     service(
                         [](const Request& request) -> Response {
                           const auto body = readAll(*request.body, std::size_t{8} << 20);
                           return {.contentType = "text/plain", .body = body.value_or("too large") + "end"};
                         },
                         counts_));
  TlsClient client((*opened)->port());
  client.send("PUT / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 4000000\r\n\r\n");
  client.send(std::string(4'000'000, 'x'));
  const std::string answer = client.receiveAll();
  EXPECT_GT(answer.size(), 4'000'003);
  EXPECT_THAT(answer.substr(answer.size() - 10), "xxxxxxxend");
}

}  // namespace
}  // namespace rookery::http

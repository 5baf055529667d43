#include "serve/server.h"

#include <sys/resource.h>

#include <limits>

#include "http/loopback.h"
#include "reconcile/key_file.h"

namespace rookery::serve {
namespace {

Result<void> checkOptions(const Server::Options& options) {
  const http::TlsFiles& tls = options.tls;
  if (tls.certificate.empty() != tls.key.empty()) {
    return fail(
        Reason::UsageError,
        "TLS needs both the certificate and its private key: give --tls-cert and --tls-key, or neither.");
  }
  if (tls.certificate.empty() && !tls.clientCA.empty()) {
    return fail(Reason::UsageError,
                "Client certificates exist only under TLS: --tls-client-ca needs --tls-cert and --tls-key.");
  }
  if (!tls.certificate.empty() && tls.clientCA.empty() && options.tokenFile.empty()) {
    return fail(Reason::UsageError,
                "Nobody could use this listener: under TLS every client needs a bearer token or a client "
                "certificate. Give --api-token-file, --tls-client-ca or both.");
  }
  return {};
}

/// Null for plain HTTP.
Result<std::unique_ptr<http::TlsContext>> loadTls(const Server::Options& options, http::Observer& observer) {
  if (options.tls.certificate.empty()) return nullptr;
  auto context = http::TlsContext::load(options.tls, options.warn,
                                        [&observer](auto notAfter) { observer.certificateLoaded(notAfter); });
  if (!context) return context;
  if (const auto exposed = reconcile::exposureOf(options.tls.key)) options.warn(*exposed);
  return context;
}

std::size_t openableDescriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
    return std::numeric_limits<std::size_t>::max();
  return limit.rlim_cur;
}

class HttpServer final : public Server {
 public:
  HttpServer(std::unique_ptr<Access> access, const reconcile::ObjectStore& store, const ResourceApi& api,
             const Metrics& metrics, const Options& options, std::size_t watches)
      : access_(std::move(access)),
        router_(store, api, metrics, *access_, options.deployer, options.audit, watches) {}

  Result<void> listen(const boost::asio::ip::tcp::endpoint& endpoint, std::unique_ptr<http::TlsContext> tls,
                      const http::ListenerLimits& limits, http::Observer& observer) {
    auto listener = http::Listener::open(
        endpoint, std::move(tls), limits,
        {.handler = [this](http::Request request) { return router_.handle(std::move(request)); },
         .failure = [](int status, const std::string& message) { return failure(status, message); },
         .observer = observer});
    if (!listener) return std::unexpected(listener.error());
    listener_ = *std::move(listener);
    return {};
  }

  std::uint16_t port() const override { return listener_->port(); }
  void stop() override { listener_->stop(); }

 private:
  const std::unique_ptr<Access> access_;
  const Router router_;
  std::unique_ptr<http::Listener> listener_;  // the last: its threads use the others
};

}  // namespace

Result<std::unique_ptr<Server>> Server::start(const Options& options, const reconcile::ObjectStore& store,
                                              const ResourceApi& api, Metrics& metrics) {
  const bool plain = options.tls.certificate.empty() && options.tls.key.empty();
  const auto endpoint =
      plain ? http::parseLoopbackEndpoint(options.listen) : http::parseEndpoint(options.listen);
  if (!endpoint) return std::unexpected(endpoint.error());
  if (auto sound = checkOptions(options); !sound) return std::unexpected(sound.error());
  auto tls = loadTls(options, metrics);
  if (!tls) return std::unexpected(tls.error());
  auto access = Access::load({.tokenFile = options.tokenFile,
                              .requests = options.requests,
                              .failures = options.failures,
                              .warn = options.warn});
  if (!access) return std::unexpected(access.error());
  const http::ListenerLimits limits = http::within(options.limits, openableDescriptors());
  auto server = std::make_unique<HttpServer>(*std::move(access), store, api, metrics, options,
                                             limits.connections.longRunning);
  if (auto listening = server->listen(*endpoint, *std::move(tls), limits, metrics); !listening) {
    return std::unexpected(listening.error());
  }
  return server;
}

}  // namespace rookery::serve

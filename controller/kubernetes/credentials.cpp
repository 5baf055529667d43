#include "kubernetes/credentials.h"

#include <fmt/format.h>
#include <openssl/ssl.h>

#include <boost/asio/buffer.hpp>
#include <utility>

#include "api/syntax.h"
#include "sentence.h"

namespace rookery::kubernetes {

namespace {

constexpr std::size_t longestBearer = std::size_t{64} << 10;

}  // namespace

template <class T>
Result<T> Credentials::keep(Kept<T>& kept, Result<T> now) {
  if (now) {
    kept.value = *now;
    kept.any = true;
    kept.told.clear();
    return now;
  }
  if (!kept.any) return now;
  if (now.error().message != std::exchange(kept.told, now.error().message) && warn_) {
    warn_(sentences(
        {now.error().message,
         fmt::format("Until it can be used, what was there before stays in use for the API server {}.",
                     config_.url())}));
  }
  return kept.value;
}

Result<std::shared_ptr<asio::ssl::context>> Credentials::tlsContext() {
  const std::lock_guard lock(mutex_);
  return keep(context_, makeContext(settlingFor(context_.any)));
}

Result<std::string> Credentials::token() {
  const std::lock_guard lock(mutex_);
  return keep(token_, readToken(settlingFor(token_.any)));
}

Result<std::string> Credentials::readToken(file::Settling* settling) const {
  auto token = config_.token.read(settling);
  if (!token || (token->size() <= longestBearer && api::isBearerToken(*token))) return token;
  const std::string where = config_.token.file.empty() ? "The token of the kubeconfig file"
                                                       : fmt::format("{}: this", config_.token.file.string());
  return fail(Reason::CredentialInvalid,
              fmt::format("{} is no token, which is one line of printable characters.", where));
}

Result<std::shared_ptr<asio::ssl::context>> Credentials::makeContext(file::Settling* settling) {
  auto ca = config_.ca.read(settling);
  auto certificate = config_.certificate.read(settling);
  auto key = config_.privateKey.read(settling);
  for (const auto* read : {&ca, &certificate, &key}) {
    if (!*read) return std::unexpected(read->error());
  }
  std::string now = fmt::format("{}\n{}\n{}", *ca, *certificate, *key);
  if (context_.any && now == material_) return context_.value;
  // With an empty file Asio has no fault to find: it would be a CA that trusts nobody.
  if (config_.ca.given() && ca->empty())
    return fail(
        Reason::CredentialInvalid,
        fmt::format("The CA of the API server {} is not PEM: there is nothing in it.", config_.url()));
  auto made = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  boost::system::error_code error;
  SSL_CTX_set_min_proto_version(made->native_handle(), TLS1_2_VERSION);
  made->set_verify_mode(asio::ssl::verify_peer, error);
  if (config_.ca.given()) {
    made->add_certificate_authority(asio::buffer(*ca), error);
    if (error)
      return fail(Reason::CredentialInvalid,
                  fmt::format("The CA of the API server {} is not PEM: {}.", config_.url(), error.message()));
  } else {
    made->set_default_verify_paths(error);
  }
  if (config_.certificate.given()) {
    made->use_certificate_chain(asio::buffer(*certificate), error);
    if (!error) made->use_private_key(asio::buffer(*key), asio::ssl::context::pem, error);
    if (error)
      return fail(Reason::CredentialInvalid,
                  fmt::format("The client certificate for the API server {} is of no use: {}.", config_.url(),
                              error.message()));
  }
  material_ = std::move(now);
  return made;
}

}  // namespace rookery::kubernetes

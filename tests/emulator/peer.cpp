#include "emulator/peer.h"

#include <fmt/format.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

#include <optional>
#include <string>
#include <string_view>

#include "tls/openssl.h"

namespace rookery::emulator {

using albatross::Command;

namespace {

constexpr int longestChain = 9;  // certificates, as the client sends them

std::string_view bytesOf(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(::ASN1_STRING_get0_data(string)),
          static_cast<std::size_t>(::ASN1_STRING_length(string))};
}

std::optional<std::string> commonName(const X509& certificate) {
  const X509_NAME* subject = ::X509_get_subject_name(&certificate);
  const int index = ::X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (index < 0) return std::nullopt;
  return std::string(bytesOf(::X509_NAME_ENTRY_get_data(::X509_NAME_get_entry(subject, index))));
}

/// Nothing when the certificate has no such extension.
Result<std::optional<Command>> commandOf(const X509& certificate) {
  const tls::ObjectPtr oid(::OBJ_txt2obj(albatross::commandOid, 1));
  const int index = ::X509_get_ext_by_OBJ(&certificate, oid.get(), -1);
  if (index < 0) return std::nullopt;
  auto command =
      albatross::decodeExtension(bytesOf(::X509_EXTENSION_get_data(::X509_get_ext(&certificate, index))));
  if (!command) return std::unexpected(command.error());
  return *std::move(command);
}

/// Appends the domain of an intermediate certificate and its policy.
Result<void> descend(const X509& certificate, Path& path, Request& request) {
  auto command = commandOf(certificate);
  if (!command) return std::unexpected(command.error());
  if (!*command) return {};
  const auto* policy = std::get_if<albatross::PolicyCommand>(&**command);
  const auto* add = policy == nullptr ? nullptr : std::get_if<albatross::policy::Add>(policy);
  if (add == nullptr)
    return fail(Reason::ProtocolError,
                "An intermediate certificate carries another command than policy add.");
  const auto name = commonName(certificate);
  if (!name) return fail(Reason::ProtocolError, "An intermediate certificate has no name.");
  auto label = albatross::parseLabel(*name);
  if (!label) return std::unexpected(label.error());
  path.push_back(*std::move(label));
  request.policies.emplace_back(path, add->policy);
  return {};
}

bool isForRemoteClients(const Command& command) {
  if (const auto* policy = std::get_if<albatross::PolicyCommand>(&command)) {
    return std::holds_alternative<albatross::policy::Info>(*policy);
  }
  if (const auto* stats = std::get_if<albatross::StatsCommand>(&command)) {
    return std::holds_alternative<albatross::stats::Subscribe>(*stats);
  }
  if (const auto* console = std::get_if<albatross::ConsoleCommand>(&command)) {
    return !std::holds_alternative<albatross::console::Add>(*console);
  }
  return true;
}

/// Without a common name a command is about the domain, which only some may be.
bool needsName(const Command& command) {
  const auto* block = std::get_if<albatross::BlockCommand>(&command);
  return block != nullptr && !std::holds_alternative<albatross::block::Info>(*block);
}

Result<std::optional<std::string>> leafLabel(const X509& leaf, const Command& command) {
  const auto name = commonName(leaf);
  if (!name && needsName(command)) return fail(Reason::ProtocolError, "A block command has no name.");
  if (!name || *name == "." || *name == ":") return std::nullopt;
  auto label = albatross::parseLabel(*name);
  if (!label) return std::unexpected(label.error());
  return *std::move(label);
}

}  // namespace

Result<Request> requestOf(SSL& session) {
  const STACK_OF(X509)* sent = ::SSL_get_peer_cert_chain(&session);  // on this side: without the leaf
  const STACK_OF(X509)* chain = ::SSL_get0_verified_chain(&session);
  check(chain != nullptr && sk_X509_num(chain) > 0, "a handshake is accepted only with a verified chain");
  if (sent != nullptr && sk_X509_num(sent) + 1 > longestChain) {
    return fail(Reason::ProtocolError, "The certificate chain is too long.");
  }

  Request request;
  Path path;
  for (int i = sk_X509_num(chain) - 1; i > 0; --i) {
    if (auto step = descend(*sk_X509_value(chain, i), path, request); !step)
      return std::unexpected(step.error());
  }

  const X509& leaf = *sk_X509_value(chain, 0);
  auto command = commandOf(leaf);
  if (!command) return std::unexpected(command.error());
  if (!*command) return fail(Reason::ProtocolError, "The client's certificate carries no command.");
  auto label = leafLabel(leaf, **command);
  if (!label) return std::unexpected(label.error());
  if (!isForRemoteClients(**command))
    return fail(Reason::ProtocolError, "The command is not for remote clients.");
  request.name = {std::move(path), *std::move(label)};
  request.command = **std::move(command);
  return request;
}

}  // namespace rookery::emulator

#pragma once

#include <array>
#include <chrono>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "error.h"
#include "file/settling.h"

namespace rookery::serve {

using Sha256 = std::array<unsigned char, 32>;

/// Who may do what, as the file of --api-token-file says. "*" in a set stands for everything.
struct AccessFile {
  struct Grant {
    std::string name;  // of a token; or a certificate's common name
    std::set<std::string> verbs;
    std::set<std::string> namespaces;
    std::set<std::string> resources;
    std::optional<std::chrono::system_clock::time_point> expires;  // from then on it counts for nothing
  };
  struct Token {
    Grant grant;
    Sha256 digest{};  // of the token
  };
  std::vector<Token> tokens;
  std::vector<Grant> certificates;

  /// Whether it lets nobody in at all.
  bool empty() const { return tokens.empty() && certificates.empty(); }
};

/// Reads
///
///   tokens:
///   - name: ci                 # unique; shown in logs and answers
///     sha256: <64 hex digits>  # of the token: printf %s "$TOKEN" | sha256sum
///     verbs: [get, list, watch, create, update, patch, delete, deploy]  # or ["*"]
///     namespaces: [shop]       # or ["*"], which includes what is cluster-scoped
///     resources: [unikernels]  # or ["*"]; plurals of the kinds. May be left out
///     expires: 2027-01-31T00:00:00Z  # RFC 3339; may be left out: never
///   certificates:
///   - commonName: alice        # of a client certificate that --tls-client-ca signed; unique
///     verbs: ["*"]
///     namespaces: ["*"]        # resources and expires as above
///
/// Where `resources` is left out it is [unikernels], so that nobody raises the limits of a namespace who was
/// not named for it; only where verbs and namespaces are both ["*"] it is ["*"], too. Whoever has any
/// resource may read the Events and the Namespace of its namespaces: kubectl asks for them beside the
/// objects.
///
/// A file without a document is one that lets nobody in: somebody emptied it. Errors (CredentialInvalid):
/// cannot be read; or the first mistake, with file:line:column. And BeingWritten, as
/// file::readCredentialFile() has it.
Result<AccessFile> readAccessFile(const std::filesystem::path& file, file::Settling* settling = nullptr);

/// The same of a file's text; `name` is how messages name it.
Result<AccessFile> parseAccessFile(std::string_view text, const std::string& name);

}  // namespace rookery::serve

#pragma once

#include <array>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "error.h"

namespace rookery::serve {

using Sha256 = std::array<unsigned char, 32>;

/// Who may do what, as the file of --api-token-file says. "*" in a set stands for everything.
struct AccessFile {
  struct Grant {
    std::string name;  // of a token; or a certificate's common name
    std::set<std::string> verbs;
    std::set<std::string> namespaces;
  };
  struct Token {
    Grant grant;
    Sha256 digest{};  // of the token
  };
  std::vector<Token> tokens;
  std::vector<Grant> certificates;
};

/// Reads
///
///   tokens:
///   - name: ci                 # unique; shown in logs and answers
///     sha256: <64 hex digits>  # of the token: printf %s "$TOKEN" | sha256sum
///     verbs: [get, list, watch, create, update, patch, delete, deploy]  # or ["*"]
///     namespaces: [shop]       # or ["*"], which includes what is cluster-scoped
///   certificates:
///   - commonName: alice        # of a client certificate that --tls-client-ca signed; unique
///     verbs: ["*"]
///     namespaces: ["*"]
///
/// Errors (CredentialInvalid): cannot be read; or the first mistake, with file:line:column.
Result<AccessFile> readAccessFile(const std::filesystem::path& file);

/// The same of a file's text; `name` is how messages name it.
Result<AccessFile> parseAccessFile(std::string_view text, const std::string& name);

}  // namespace rookery::serve

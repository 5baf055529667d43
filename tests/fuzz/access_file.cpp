// Files of --api-token-file.

#include "serve/access_file.h"

#include "fuzz/target.h"

namespace rookery::fuzz {
namespace {

void expectUsable(const serve::AccessFile::Grant& grant, std::set<std::string>& names) {
  check(!grant.name.empty() && names.insert(grant.name).second, "a grant has a name of its own");
  check(!grant.verbs.empty() && !grant.namespaces.empty() && !grant.resources.empty(),
        "a grant grants something");
}

const Target accessFile("access_file", [](std::string_view input) {
  const auto file = serve::parseAccessFile(input, "tokens.yaml");
  if (!file) return check(!file.error().message.empty(), "an error says what is wrong");
  std::set<std::string> tokens, certificates;
  for (const auto& token : file->tokens) expectUsable(token.grant, tokens);
  for (const auto& grant : file->certificates) expectUsable(grant, certificates);
});

}  // namespace
}  // namespace rookery::fuzz

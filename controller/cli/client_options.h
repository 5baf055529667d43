#pragma once

#include <chrono>
#include <filesystem>
#include <string>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace rookery::cli {

/// Which controller a verb talks to, and how it shows who asks.
struct ClientOptions {
  std::string server = "http://127.0.0.1:8080";
  std::filesystem::path tokenFile;             // empty: no token is sent
  std::filesystem::path certificateAuthority;  // empty: the system's
  std::chrono::seconds crawlGrace{60};  // for an answer, before it must come faster than it would crawl
};

/// Adds -n,--namespace.
CLI::Option* addNamespaceOption(CLI::App& verb, std::string& nameSpace);

/// What the variables of the environment say, for verbs without these options.
ClientOptions clientFromEnvironment();

/// Adds --server, --token-file and --certificate-authority. Returns the first.
CLI::Option* addClientOptions(CLI::App& verb, ClientOptions& options);

}  // namespace rookery::cli

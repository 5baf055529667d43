#pragma once

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "kubernetes/client.h"

namespace rookery::kubernetes {

/// All that a collection held at one time.
struct Listing {
  std::vector<nlohmann::json> objects;
  std::string resourceVersion;
};

/// Lists the collection at `path`, as pathOf() makes it, in pages; `fieldSelector` may be empty.
asio::awaitable<Answer<Listing>> listAll(Client& client, std::string path, std::string fieldSelector = {});

/// Is told what a collection holds: all of it, and then each change.
class Reflection {
 public:
  virtual ~Reflection() = default;
  /// These objects, and no others, were there at `resourceVersion`.
  virtual void replaced(std::vector<nlohmann::json> objects, const std::string& resourceVersion) = 0;
  virtual void changed(nlohmann::json object) = 0;
  virtual void deleted(const nlohmann::json& object) = 0;
  /// The collection cannot be read at present; what it held is what is known.
  virtual void failed(const Failure& failure) = 0;
};

/// Lists a collection and then watches it, for ever: with bookmarks, from where a watch that ended was;
/// listing again when that is too old (410). Waits longer after each failure, 0.8 s to 30 s, with jitter.
class Reflector {
 public:
  /// `path` as pathOf() makes it; `fieldSelector` may be empty. All must outlive run().
  Reflector(Client& client, std::string path, std::string fieldSelector, Reflection& reflection);

  /// Ends when the coroutine is cancelled.
  asio::awaitable<void> run();

 private:
  asio::awaitable<Answer<void>> list();
  asio::awaitable<Answer<void>> watch();

  Client& client_;
  std::string path_, fieldSelector_;
  Reflection& reflection_;
  std::string resourceVersion_;  // empty: list first
};

/// Delay before attempt number `failures` + 1: base · 2ⁿ up to `limit`, and up to as much again at random, so
/// that many clients do not come back at once.
std::chrono::milliseconds retryDelay(unsigned failures,
                                     std::chrono::milliseconds base = std::chrono::milliseconds(800),
                                     std::chrono::milliseconds limit = std::chrono::seconds(15));

}  // namespace rookery::kubernetes

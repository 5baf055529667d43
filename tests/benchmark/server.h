#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "benchmark/client.h"

namespace rookery::benchmark {

/// How many Unikernels there are, and how they are spread. They are called "uk-0", "uk-1" and so on.
struct Load {
  std::size_t objects = 10'000;
  std::size_t namespaces = 20;  // for rookery, each is a file with as many documents as it has objects
  std::size_t selected = 10;    // how many have the label that is selected by

  /// The namespace of an object.
  std::string nameSpace(std::size_t object) const;
  /// "/apis/…/uk-N".
  std::string path(std::size_t object) const;
  /// YAML.
  std::string manifest(std::size_t object) const;
};

constexpr auto unikernels = "/apis/rookery.dev/v1alpha1/unikernels";
constexpr auto selector = "bench%3Dselected";  // of those few

/// Waits until all objects are listed and the resourceVersion stays what it is. Ends the program when that
/// takes longer than some minutes.
void waitUntilCalm(const Access& access, std::size_t objects);

/// One of the two servers that are compared, started without any objects, and ended with this object.
class Server {
 public:
  Server() = default;
  virtual ~Server() = default;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  virtual const Access& access() const = 0;
  virtual pid_t process() const = 0;
  /// The one that keeps its objects, if that is another.
  virtual std::optional<pid_t> storeProcess() const = 0;
  /// Makes the objects and waits until they can be listed and nothing changes any more.
  virtual void load(const Load& load) = 0;
};

/// `bin` has the program rookery. The object with the number 0 has a file of its own, in the folder that the
/// API writes to as all the others.
std::unique_ptr<Server> startRookery(const std::filesystem::path& bin);
/// kube-apiserver and etcd, with the CRDs of `crds`.
std::unique_ptr<Server> startKubernetes(const std::filesystem::path& crds);

}  // namespace rookery::benchmark

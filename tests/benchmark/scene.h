#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "benchmark/raw_client.h"
#include "error.h"
#include "fixtures/process.h"
#include "fixtures/temp_dir.h"

namespace rookery::benchmark {

using Clock = std::chrono::steady_clock;

/// How a scene's unikernels are described, wherever they are described.
constexpr auto sceneNamespace = "shop";
constexpr std::int64_t sceneMemory = 16;           // MB
constexpr std::int64_t sceneBlockStorage = 8'192;  // MB

/// An albatross-emulator as a process, and its journal as far as it has been looked at.
class EmulatedServer {
 public:
  /// `folder` need not be there yet. Aborts when it does not start within a minute.
  EmulatedServer(const std::filesystem::path& programs, const std::filesystem::path& folder);

  const std::filesystem::path& pki() const { return pki_; }  // with admin.pem and admin.key
  std::uint16_t port() const { return port_; }

  /// How many commands of a kind it has answered with success. Cheap enough to be asked all the time: reads
  /// what its journal has more than when it was last asked.
  std::size_t answered(const std::string& command);

 private:
  void count(const std::string& line);

  std::filesystem::path pki_;
  std::unique_ptr<fixtures::Process> process_;
  std::uint16_t port_ = 0;
  std::ifstream journal_;
  std::string rest_;  // a line that has no end yet
  std::map<std::string, std::size_t> counts_;
};

/// Emulated servers "eu-1", "eu-2", …, an image, and a controller on a folder of manifests, all fresh.
class Scene {
 public:
  Scene(const std::filesystem::path& programs, std::size_t servers, std::uint64_t imageSize);

  /// The servers as a plain loop needs them. Error: a credential that cannot be read.
  Result<std::vector<RawServer>> rawServers() const;
  /// A load for the plain loop: what unikernel() describes, without the argument.
  RawLoad rawLoad(std::size_t countOnEach) const;

  /// Starts `rookery run`, with these options as well, and waits until every server has the namespace's
  /// policy. Error: it has not within a minute.
  Result<void> run(const std::vector<std::string>& options = {});
  std::uint16_t port() const { return static_cast<std::uint16_t>(port_); }
  /// The folder that all of it is in; `manifests` is what the controller follows.
  const std::filesystem::path& folder() const { return folder_.path(); }
  fixtures::Process& controller() { return *controller_; }

  /// "eu-1", …
  static std::string instance(std::size_t index) { return "eu-" + std::to_string(index + 1); }
  /// An instance that the controller knows, and sends nothing to.
  static constexpr auto suspended = "asleep";
  /// A manifest, Ready as soon as it runs.
  std::string unikernel(std::size_t number, const std::string& instance, const std::string& argument) const;

  /// Writes a file beside the manifests; place() is to move it there.
  void stage(const std::string& relative, const std::string& content) const;
  /// Has all of the scene on the disk: what was prepared must not be what the controller waits for. Then
  /// moves a staged file or folder to the manifests, and returns when.
  Clock::time_point place(const std::string& relative) const;

  /// How many commands the servers have answered with success.
  std::size_t answered(const std::string& command);
  /// A scrape of all metrics; empty: there was none.
  std::string scrape() const;
  /// The sum of a metric's values on all lines with this label, such as `state="ready"`.
  double metric(const std::string& name, const std::string& label) const;

 private:
  void writeInstances() const;

  std::filesystem::path programs_;
  fixtures::TempDir folder_;
  std::vector<std::unique_ptr<EmulatedServer>> servers_;
  std::unique_ptr<fixtures::Process> controller_;
  int port_ = 0;
};

/// Asks `condition` at once and then every `step` until it holds; returns the seconds since `begin`. Error,
/// `limit` after it: `what` has not come about.
Result<double> waitFor(const std::string& what, Clock::time_point begin, std::chrono::seconds limit,
                       std::chrono::milliseconds step, const std::function<bool()>& condition);

}  // namespace rookery::benchmark

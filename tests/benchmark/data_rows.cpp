#include "benchmark/data_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <optional>
#include <thread>
#include <vector>

#include "benchmark/figures.h"
#include "benchmark/raw_stream.h"
#include "benchmark/scene.h"
#include "fixtures/pki.h"
#include "fixtures/process.h"
#include "images/sha256.h"

namespace rookery::benchmark {

namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t gibibyte = std::uint64_t{1} << 30;
constexpr double volumeMebibytes = gibibyte >> 20;
constexpr std::size_t chunk = 4096;         // of a dump, as Albatross sends it
constexpr std::size_t largest = 16 * 1024;  // record of TLS
constexpr seconds dataLimit{120};

/// MiB; 0: it has just ended.
double peakOf(pid_t process) {
  std::ifstream status(fmt::format("/proc/{}/status", process));
  double kibibytes = 0;
  for (std::string word; status >> word;) {
    if (word == "VmHWM:" && status >> kibibytes) break;
  }
  return kibibytes / 1024;
}

void complain(const Error& error) {
  fmt::print("{}\n", error.message);
  std::fflush(stdout);
}

// -- A volume
// ------------------------------------------------------------------------------------------------------------

/// What a program took, and the controller meanwhile.
struct Transfer {
  double seconds = 0;
  double peak = 0, controllerPeak = 0;  // MiB
  double controllerCpu = 0;             // seconds
};

/// A controller with one volume, and a program that moves what is on it.
class VolumeScene {
 public:
  explicit VolumeScene(const fs::path& programs) : programs_(programs), scene_(programs, 1, 4096) {
    const fixtures::Identity ca = fixtures::makeIdentity({});
    const fixtures::Identity server = fixtures::makeIdentity(
        {.commonName = "rookery", .keyType = fixtures::KeyType::P256, .ca = false, .dnsName = "localhost"},
        &ca);
    files_.write("ca.pem", ca.certificate);
    files_.write("server.pem", server.certificate);
    files_.write("server.key", server.privateKey);
    files_.write("token", token);
    files_.write("tokens.yaml",
                 fmt::format("tokens:\n- {{name: ops, sha256: {}, verbs: ['*'], namespaces: ['*']}}\n",
                             images::sha256Of(token)));
    for (const char* file : {"server.key", "tokens.yaml"})
      fs::permissions(files_.path() / file, fs::perms::owner_read | fs::perms::owner_write);
    scene_.stage(
        "volume.yaml",
        fmt::format("apiVersion: rookery.dev/v1alpha1\nkind: UnikernelVolume\nmetadata: {{name: data, "
                    "namespace: {}}}\nspec: {{instance: {}, size: 1Gi}}\n",
                    sceneNamespace, Scene::instance(0)));
    scene_.place("volume.yaml");
    std::string piece(std::size_t{1} << 20, '\0');
    for (std::size_t i = 0; i < piece.size(); ++i) piece[i] = static_cast<char>(i * 2654435761U >> 13U);
    std::ofstream out(loaded(), std::ios::binary);
    for (std::uint64_t written = 0; written < gibibyte; written += piece.size())
      out.write(piece.data(), static_cast<std::streamsize>(piece.size()));
  }

  /// Starts the controller, which a token is asked of over TLS, and anybody may read from without.
  Result<void> run(bool encrypted) {
    encrypted_ = encrypted;
    const auto file = [&](const char* name) { return (files_.path() / name).string(); };
    if (!encrypted) return ready(scene_.run());
    return ready(scene_.run({"--api-store", (scene_.folder() / "manifests/api").string(), "--tls-cert",
                             file("server.pem"), "--tls-key", file("server.key"), "--api-token-file",
                             file("tokens.yaml")}));
  }

  Result<Transfer> load() { return transfer({"load", "data", loaded().string()}); }
  Result<Transfer> dump() { return transfer({"dump", "data", "-o", dumped().string()}); }
  fs::path loaded() const { return files_.path() / "loaded.img"; }
  fs::path dumped() const { return files_.path() / "dumped.img"; }
  fs::path stored() const { return files_.path() / "stored.img"; }

 private:
  static constexpr auto token = "of-a-benchmark-that-is-long-enough";

  /// Once the volume is there.
  Result<void> ready(const Result<void>& started) {
    if (!started) return started;
    const auto made = waitFor("the volume", Clock::now(), dataLimit, milliseconds(20), [&] {
      return scene_.controller().err().contains("object=\"UnikernelVolume shop/data\" ready=\"true\"");
    });
    return made ? Result<void>{} : std::unexpected(made.error());
  }

  Result<Transfer> transfer(const std::vector<std::string>& what) {
    std::vector<std::string> arguments = {(programs_ / "rookery").string(), "volume"};
    arguments.insert(arguments.end(), what.begin(), what.end());
    arguments.insert(arguments.end(),
                     {"-n", sceneNamespace, "--server",
                      fmt::format("{}://localhost:{}", encrypted_ ? "https" : "http", scene_.port())});
    if (encrypted_) {
      arguments.insert(arguments.end(), {"--token-file", (files_.path() / "token").string(),
                                         "--certificate-authority", (files_.path() / "ca.pem").string()});
    }
    Transfer figures;
    const pid_t controller = scene_.controller().pid();
    const double before = usageOf(controller).cpu;
    const auto begin = Clock::now();
    fixtures::Process program(arguments, files_.path() / "program");
    const auto ended = waitFor("the end of " + what.front(), begin, dataLimit, milliseconds(5), [&] {
      if (!program.running()) return true;
      figures.peak = std::max(figures.peak, peakOf(program.pid()));
      return false;
    });
    if (!ended) return std::unexpected(ended.error());
    if (program.wait() != 0) return fail(Reason::SystemError, program.err());
    const Usage after = usageOf(controller);
    figures.seconds = *ended;
    figures.controllerPeak = after.peakResident;
    figures.controllerCpu = after.cpu - before;
    return figures;
  }

  const fs::path programs_;
  Scene scene_;
  const fixtures::TempDir files_;
  bool encrypted_ = false;
};

constexpr auto volumeFormat = "{:<44} {:>7} {:>8} {:>7} {:>11} {:>15} {:>15}\n";

void printStream(const char* name, double taken) {
  fmt::print(volumeFormat, name, fmt::format("{:.2f}", taken), fmt::format("{:.0f}", volumeMebibytes / taken),
             "-", "-", "-", "-");
}

/// `plain`: seconds of the stream that it is beside.
void printTransfer(const char* name, const Transfer& transfer, double plain) {
  fmt::print(volumeFormat, name, fmt::format("{:.2f}", transfer.seconds),
             fmt::format("{:.0f}", volumeMebibytes / transfer.seconds),
             fmt::format("{:.2f}", transfer.seconds / plain), fmt::format("{:.1f}", transfer.peak),
             fmt::format("{:.1f}", transfer.controllerPeak), fmt::format("{:.2f}", transfer.controllerCpu));
  std::fflush(stdout);
}

/// Streams, one after the other, and what is beside them.
Result<void> beside(const char* streamName, const std::vector<RawStream>& streams, const char* name,
                    const std::function<Result<Transfer>()>& move) {
  double plain = 0;
  for (const RawStream& stream : streams) {
    const auto taken = streamPlainly(stream);
    if (!taken) return std::unexpected(taken.error());
    plain += *taken;
  }
  printStream(streamName, plain);
  const auto moved = move();
  if (!moved) return std::unexpected(moved.error());
  printTransfer(name, *moved, plain);
  return {};
}

Result<void> measureTransfers(const fs::path& programs) {
  VolumeScene scene(programs);
  if (auto started = scene.run(true); !started) return started;
  // As a load does it, which begins to write to a volume once all has come.
  const RawStream in{.bytes = gibibyte, .record = largest, .from = scene.loaded(), .into = scene.dumped()};
  const RawStream on{.bytes = gibibyte, .record = largest, .from = scene.dumped(), .into = scene.stored()};
  const auto load = [&] { return scene.load(); };
  if (auto done = beside("TLS streams from a file to another to a third", {in, on}, "load, https", load);
      !done)
    return done;
  RawStream into{.bytes = gibibyte, .record = largest, .from = {}, .into = scene.dumped()};
  const auto dump = [&] { return scene.dump(); };
  if (auto done = beside("TLS stream into a file", {into}, "dump, https", dump); !done) return done;
  into.record = chunk;
  if (auto done = beside("the same in records of 4 KiB", {into}, "dump, https", dump); !done) return done;
  if (auto started = scene.run(false); !started) return started;
  return beside("TLS stream in records of 4 KiB", {into}, "dump, http", dump);
}

// -- Statistics
// ------------------------------------------------------------------------------------------------------------

constexpr std::size_t statisticsUnikernels = 500, statisticsInstances = 10, kills = 3, scrapes = 9;
constexpr seconds atRestFor{60};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

/// Until all run, and have been told of.
Result<void> settle(Scene& scene) {
  const auto told = waitFor("statistics of all unikernels", Clock::now(), dataLimit, milliseconds(200), [&] {
    const std::string metrics = scene.scrape();
    constexpr std::string_view name = "\nrookery_unikernel_memory_resident_bytes{";
    std::size_t count = 0;
    for (auto at = metrics.find(name); at != std::string::npos; at = metrics.find(name, at + 1)) ++count;
    return count >= statisticsUnikernels;
  });
  return told ? Result<void>{} : std::unexpected(told.error());
}

void measureRest(Scene& scene) {
  const pid_t controller = scene.controller().pid();
  const double before = usageOf(controller).cpu;
  std::this_thread::sleep_for(atRestFor);
  const Usage after = usageOf(controller);
  std::vector<double> times;
  std::size_t size = 0;
  for (std::size_t i = 0; i < scrapes; ++i) {
    const auto begin = Clock::now();
    size = scene.scrape().size();
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  }
  fmt::print("at rest for {} s: {:.0f} ms of CPU, {:.1f} MiB; a scrape: {:.0f} ms, {:.0f} KiB\n",
             atRestFor.count(), (after.cpu - before) * 1000, after.resident, median(times),
             static_cast<double>(size) / 1024);
  std::fflush(stdout);
}

Result<void> measureKills(Scene& scene) {
  const auto servers = scene.rawServers();
  if (!servers) return std::unexpected(servers.error());
  std::vector<double> times;
  for (std::size_t i = 0; i < kills; ++i) {
    const std::size_t before = scene.answered("create");
    const std::size_t victim = i * 7;
    const auto begin = Clock::now();
    const auto killed = destroyPlainly((*servers)[victim % statisticsInstances], scene.rawLoad(0),
                                       fmt::format("uk-{}", victim));
    if (!killed) return killed;
    const auto created = waitFor("its creation", begin, dataLimit, milliseconds(5),
                                 [&] { return scene.answered("create") > before; });
    if (!created) return std::unexpected(created.error());
    times.push_back(*created);
  }
  fmt::print(
      "killed at the server, and created again after {:.1f} s (the median of {}), {:.1f} s (the worst)\n",
      median(times), kills, std::ranges::max(times));
  return {};
}

Result<void> measureTelling(const fs::path& programs) {
  Scene scene(programs, statisticsInstances, 4096);
  std::string manifests;
  for (std::size_t i = 0; i < statisticsUnikernels; ++i)
    manifests += scene.unikernel(i, Scene::instance(i % statisticsInstances), "");
  scene.stage("unikernels.yaml", manifests);
  if (auto started = scene.run(); !started) return started;
  scene.place("unikernels.yaml");
  if (auto settled = settle(scene); !settled) return settled;
  measureRest(scene);
  return measureKills(scene);
}

}  // namespace

void measureVolume(const fs::path& programs) {
  fmt::print("\nA volume of 1 GiB:\n");
  fmt::print(volumeFormat, "", "s", "MiB/s", "ratio", "client MiB", "controller MiB", "controller CPU");
  if (const auto done = measureTransfers(programs); !done) complain(done.error());
}

void measureStatistics(const fs::path& programs) {
  fmt::print("\n{} unikernels on {} instances that tell statistics:\n", statisticsUnikernels,
             statisticsInstances);
  if (const auto done = measureTelling(programs); !done) complain(done.error());
}

}  // namespace rookery::benchmark

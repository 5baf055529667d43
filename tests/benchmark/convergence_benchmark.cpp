// How fast Rookery has unikernels running, beside a plain loop that creates as many with the same
// certificates on an emulated server of the same kind, on the same machine right before; and how soon a
// server hears of a change of one among ten thousand. The controller and the emulated servers are real
// processes, with state on a disk. It prints tables and judges nothing.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <regex>
#include <thread>
#include <utility>
#include <vector>

#include "benchmark/data_rows.h"
#include "benchmark/figures.h"
#include "benchmark/raw_client.h"
#include "benchmark/scene.h"

namespace rookery::benchmark {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kibibyte = 1024;
constexpr std::uint64_t mebibyte = 1024 * kibibyte;

struct Row {
  std::string name;
  std::size_t unikernels;
  std::uint64_t imageSize;
  std::size_t instances;
  std::string goal;
  seconds limit{75};   // for each wait
  bool rests = false;  // whether it is looked at while nothing changes
  bool isLong = false;
};

const std::vector<Row> rows = {
    {.name = "200x4KiB/1",
     .unikernels = 200,
     .imageSize = 4 * kibibyte,
     .instances = 1,
     .goal = "ratio ≤ 1.0"},
    {.name = "40x128KiB/1",
     .unikernels = 40,
     .imageSize = 128 * kibibyte,
     .instances = 1,
     .goal = "ratio ≤ 1.0"},
    {.name = "24x1MiB/1", .unikernels = 24, .imageSize = mebibyte, .instances = 1, .goal = "ratio ≤ 1.0"},
    {.name = "1000x4KiB/1",
     .unikernels = 1000,
     .imageSize = 4 * kibibyte,
     .instances = 1,
     .goal = "ratio ≤ 1.0"},
    {.name = "4x64MiB/1",
     .unikernels = 4,
     .imageSize = 64 * mebibyte,
     .instances = 1,
     .goal = "ratio ≤ 1.15"},
    {.name = "1000x128KiB/50",
     .unikernels = 1000,
     .imageSize = 128 * kibibyte,
     .instances = 50,
     .goal = "CPU ≤ 3 ms"},
    {.name = "2000x4KiB/1",
     .unikernels = 2000,
     .imageSize = 4 * kibibyte,
     .instances = 1,
     .goal = "-",
     .limit = seconds(600),
     .isLong = true},
    {.name = "4000x4KiB/1",
     .unikernels = 4000,
     .imageSize = 4 * kibibyte,
     .instances = 1,
     .goal = "-",
     .limit = seconds(600),
     .isLong = true},
    {.name = "10000x4KiB/10",
     .unikernels = 10'000,
     .imageSize = 4 * kibibyte,
     .instances = 10,
     .goal = "-",
     .limit = seconds(600),
     .rests = true,
     .isLong = true},
};

/// One among many is changed; all the others are of an instance that nothing is sent to.
struct Change {
  std::string name;
  bool oneFile;
};
const std::vector<Change> changes = {{"change/one-file", true}, {"change/many-files", false}};
constexpr std::size_t objects = 10'000;
constexpr std::size_t runs = objects / 2;  // the number of the one that runs
constexpr std::size_t edits = 3;
constexpr seconds changeLimit{60};
constexpr seconds atRest{60};
constexpr seconds scrapeInterval{15};

struct Plan {
  fs::path programs = fs::read_symlink("/proc/self/exe").parent_path();
  std::string row = ".*";
  bool isLong = false;
  bool chosen(const std::string& name) const { return std::regex_search(name, std::regex(row)); }
};

/// What was measured of the controller in a row. Absent: it did not come about, and `trouble` says what.
struct Convergence {
  std::optional<double> created, ready;  // seconds from when the manifests were there
  double cpu = 0;                        // seconds, until all was Ready
  Usage calm;                            // once all was Ready, or at the end of its rest
  std::optional<double> restCpu;         // seconds, while it rested
  std::size_t looks = 0;                 // at instances, meanwhile
  std::optional<double> scrapedCpu;      // the same, while it was scraped as Prometheus does
  std::optional<double> scrape;          // seconds that one took, the median
  std::size_t scrapeSize = 0;            // bytes
  std::optional<double> exit;            // seconds from SIGTERM
  std::string trouble;
};

Result<RawCost> measureRaw(const Plan& plan, const Row& row) {
  Scene scene(plan.programs, row.instances, row.imageSize);
  const auto servers = scene.rawServers();
  if (!servers) return std::unexpected(servers.error());
  auto cost = createPlainly(*servers, scene.rawLoad(row.unikernels / row.instances));
  if (cost && scene.answered("create") != row.unikernels)
    return fail(Reason::ProtocolError, "The servers have not created what the plain loop was told they had.");
  return cost;
}

/// SIGTERM, and the seconds until it has ended.
Result<double> stop(Scene& scene, seconds limit) {
  const auto begin = Clock::now();
  scene.controller().signal(SIGTERM);
  return waitFor("the controller's exit", begin, limit, milliseconds(5),
                 [&] { return !scene.controller().running(); });
}

/// The controller's way from the manifests to Ready. It is asked for metrics only when all is created: its
/// answers would be work of its own.
Result<void> converge(Scene& scene, const Row& row, Convergence& figures) {
  const pid_t controller = scene.controller().pid();
  const double before = usageOf(controller).cpu;
  const Clock::time_point begin = scene.place("unikernels.yaml");
  const auto created = waitFor("all unikernels on the servers", begin, row.limit, milliseconds(5), [&] {
    return scene.answered("create") >= row.unikernels || !scene.controller().running();
  });
  if (!created) {
    return fail(created.error().reason, fmt::format("{} There are {} of {}.", created.error().message,
                                                    scene.answered("create"), row.unikernels));
  }
  if (!scene.controller().running()) return fail(Reason::SystemError, "The controller has ended.");
  figures.created = *created;
  const auto ready = waitFor("Ready on all unikernels", begin, row.limit, milliseconds(50), [&] {
    return scene.metric("rookery_unikernels", R"(state="ready")") >= static_cast<double>(row.unikernels);
  });
  if (!ready) return std::unexpected(ready.error());
  figures.ready = *ready;
  figures.calm = usageOf(controller);
  figures.cpu = figures.calm.cpu - before;
  return {};
}

void rest(Scene& scene, Convergence& figures) {
  std::this_thread::sleep_for(seconds(5));  // what it still has to say of the last changes
  const double before = usageOf(scene.controller().pid()).cpu;
  const std::size_t looks = scene.answered("info");
  std::this_thread::sleep_for(atRest);
  figures.calm = usageOf(scene.controller().pid());
  figures.restCpu = figures.calm.cpu - before;
  figures.looks = scene.answered("info") - looks;
}

/// As much rest again, with a scrape now and then.
void scrape(Scene& scene, Convergence& figures) {
  std::vector<double> times;
  const double before = usageOf(scene.controller().pid()).cpu;
  for (seconds passed{0}; passed < atRest; passed += scrapeInterval) {
    const auto begin = Clock::now();
    figures.scrapeSize = scene.scrape().size();
    times.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
    std::this_thread::sleep_until(begin + scrapeInterval);
  }
  figures.scrapedCpu = usageOf(scene.controller().pid()).cpu - before;
  std::ranges::nth_element(times, times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2));
  figures.scrape = times[times.size() / 2];
}

Convergence measureRookery(const Plan& plan, const Row& row) {
  Scene scene(plan.programs, row.instances, row.imageSize);
  Convergence figures;
  std::string manifests;
  for (std::size_t i = 0; i < row.unikernels; ++i)
    manifests += scene.unikernel(i, Scene::instance(i % row.instances), "");
  scene.stage("unikernels.yaml", manifests);
  Result<void> done = scene.run();
  if (done) done = converge(scene, row, figures);
  if (done && row.rests) {
    rest(scene, figures);
    scrape(scene, figures);
  }
  if (scene.controller().running()) {
    const auto exit = stop(scene, row.limit);
    if (exit) figures.exit = *exit;
    if (done && !exit) done = std::unexpected(exit.error());
  }
  if (!done) figures.trouble = done.error().message;
  return figures;
}

std::string cell(const std::optional<double>& value, int decimals = 2) {
  return value ? fmt::format("{:.{}f}", *value, decimals) : "-";
}

constexpr auto rowFormat = "{:<16} {:>8} {:>7} {:>8} {:>8} {:>7} {:>6}  {:<12} {:>9} {:>9} {:>7}\n";

void printHead() {
  fmt::print("\n");
  fmt::print(rowFormat, "unikernels x", "raw", "raw", "created", "Ready", "CPU", "", "", "memory", "memory",
             "");
  fmt::print(rowFormat, "image/instances", "s", "CPU ms", "s", "s", "ms", "ratio", "goal", "peak MiB",
             "calm MiB", "exit s");
}

void print(const Row& row, const Result<RawCost>& raw, const Convergence& figures) {
  const auto each = [&](double cpu) { return cpu * 1000 / static_cast<double>(row.unikernels); };
  using Value = std::optional<double>;
  const bool converged = figures.ready.has_value();
  const Value ratio = raw && figures.created ? Value(*figures.created / raw->seconds) : std::nullopt;
  fmt::print(rowFormat, row.name, cell(raw ? Value(raw->seconds) : std::nullopt, 3),
             cell(raw ? Value(each(raw->cpu)) : std::nullopt), cell(figures.created, 3),
             cell(figures.ready, 3), cell(converged ? Value(each(figures.cpu)) : std::nullopt), cell(ratio),
             row.goal, cell(converged ? Value(figures.calm.peakResident) : std::nullopt, 1),
             cell(converged ? Value(figures.calm.resident) : std::nullopt, 1), cell(figures.exit));
  if (figures.restCpu) {
    fmt::print("{:<16} at rest for {} s: {:.0f} ms of CPU, {} looks at instances, {:.1f} MiB\n", "",
               atRest.count(), *figures.restCpu * 1000, figures.looks, figures.calm.resident);
  }
  if (figures.scrape) {
    fmt::print("{:<16} a scrape: {:.0f} ms, {:.1f} MiB; with one every {} s: {:.0f} ms of CPU\n", "",
               *figures.scrape * 1000,
               static_cast<double>(figures.scrapeSize) / static_cast<double>(mebibyte),
               scrapeInterval.count(), *figures.scrapedCpu * 1000);
  }
  if (!raw) fmt::print("{:<16} the plain loop: {}\n", "", raw.error().message);
  if (!figures.trouble.empty()) fmt::print("{:<16} rookery: {}\n", "", figures.trouble);
  std::fflush(stdout);
}

/// Ten thousand manifests, in one file or in as many.
class Crowd {
 public:
  Crowd(Scene& scene, bool oneFile) : scene_(scene), oneFile_(oneFile) {}

  /// All of them, for the first time; seconds until they are known and the one runs.
  Result<double> appear() {
    stage("0", true);
    const Clock::time_point begin = scene_.place(oneFile_ ? "many.yaml" : "many");
    const auto known = waitFor("the knowledge of all manifests", begin, changeLimit, milliseconds(100), [&] {
      return scene_.metric("rookery_manifests", R"(="valid")") >= static_cast<double>(objects);
    });
    if (!known) return known;
    return waitFor("the one that runs", begin, changeLimit, milliseconds(100),
                   [&] { return scene_.answered("create") == 1; });
  }

  /// Another argument for the one that runs; seconds until its server has carried out the restart.
  Result<double> edit(const std::string& argument) {
    const std::size_t before = scene_.answered("restart");
    stage(argument, false);
    const Clock::time_point begin = scene_.place(oneFile_ ? "many.yaml" : fileOf(runs));
    return waitFor("the restart", begin, changeLimit, milliseconds(2),
                   [&] { return scene_.answered("restart") > before; });
  }

 private:
  static std::string fileOf(std::size_t number) { return fmt::format("many/uk-{}.yaml", number); }

  void stage(const std::string& argument, bool all) const {
    std::string together;
    for (std::size_t i = 0; i < objects; ++i) {
      if (!oneFile_ && !all && i != runs) continue;
      const std::string manifest = i == runs ? scene_.unikernel(i, Scene::instance(0), "--edit=" + argument)
                                             : scene_.unikernel(i, Scene::suspended, "--edit=never");
      if (!oneFile_) scene_.stage(fileOf(i), manifest);
      together += manifest;
    }
    if (oneFile_) scene_.stage("many.yaml", together);
  }

  Scene& scene_;
  const bool oneFile_;
};

/// Waits until the controller computes next to nothing: what one change leaves to do is not the next one's.
Result<void> calmDown(Scene& scene) {
  constexpr double nothing = 0.02;  // CPU seconds in half a second
  const pid_t controller = scene.controller().pid();
  double before = usageOf(controller).cpu;
  int calm = 0;
  const auto done = waitFor("the controller's rest", Clock::now(), changeLimit, milliseconds(500), [&] {
    const double now = usageOf(controller).cpu;
    calm = now - std::exchange(before, now) <= nothing ? calm + 1 : 0;
    return calm > 3;  // the first time, there is nothing between the two
  });
  return done ? Result<void>{} : std::unexpected(done.error());
}

Result<void> measureEdits(Scene& scene, const Change& change) {
  Crowd crowd(scene, change.oneFile);
  if (auto started = scene.run(); !started) return started;
  const auto appeared = crowd.appear();
  if (!appeared) return std::unexpected(appeared.error());
  Result<void> calm = calmDown(scene);
  std::vector<double> times;
  const double before = usageOf(scene.controller().pid()).cpu;
  for (std::size_t i = 1; calm && i <= edits; ++i) {
    const auto took = crowd.edit(std::to_string(i));
    if (!took) return std::unexpected(took.error());
    times.push_back(*took * 1000);
    calm = calmDown(scene);
  }
  if (!calm) return calm;
  const Usage after = usageOf(scene.controller().pid());
  const double first = times.front();  // apart: the controller may still have in mind that all is new
  std::ranges::sort(times);
  fmt::print("{:<20} {:>9.2f} {:>9.0f} {:>9.0f} {:>9.0f} {:>9.0f} {:>9.1f}\n", change.name, *appeared, first,
             times[times.size() / 2], times.back(), (after.cpu - before) * 1000 / static_cast<double>(edits),
             after.peakResident);
  return {};
}

void measure(const Plan& plan, const Change& change) {
  Scene scene(plan.programs, 1, 4 * kibibyte);
  const auto done = measureEdits(scene, change);
  if (!done) fmt::print("{:<20} {}\n", change.name, done.error().message);
  std::fflush(stdout);
}

/// The type of the file system that a folder lies on.
std::string fileSystemOf(const fs::path& folder) {
  std::ifstream mounts("/proc/self/mounts");
  std::string type = "unknown", longest, device, point, kind, rest;
  while (mounts >> device >> point >> kind && std::getline(mounts, rest)) {
    const auto [end, ignored] = std::ranges::mismatch(fs::path(point), folder);
    const bool above = end == fs::path(point).end() || point == "/";
    if (above && point.size() >= longest.size()) {
      longest = point;
      type = kind;
    }
  }
  return type;
}

void measureAll(const Plan& plan) {
  {
    const fixtures::TempDir folder;
    double load = 0;
    ::getloadavg(&load, 1);
    fmt::print("{} CPUs, load {:.1f} before; state below {}, on {}\n", std::thread::hardware_concurrency(),
               load, folder.path().parent_path().string(), fileSystemOf(folder.path()));
  }
  const auto wanted = [&](const Row& row) { return plan.chosen(row.name) && (plan.isLong || !row.isLong); };
  if (std::ranges::any_of(rows, wanted)) printHead();
  for (const Row& row : rows) {
    if (!wanted(row)) continue;
    const auto raw = measureRaw(plan, row);
    print(row, raw, measureRookery(plan, row));
  }
  if (plan.chosen(volumeRow)) measureVolume(plan.programs);
  if (plan.chosen(statisticsRow)) measureStatistics(plan.programs);
  if (std::ranges::none_of(changes, [&](const Change& change) { return plan.chosen(change.name); })) return;
  fmt::print("\nAn argument of the one of {} Unikernels that runs is edited, {} times:\n", objects, edits);
  fmt::print("{:<20} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n", "", "known s", "first ms", "median ms",
             "worst ms", "CPU ms", "peak MiB");
  for (const Change& change : changes) {
    if (plan.chosen(change.name)) measure(plan, change);
  }
}

std::string lacksPrograms(const std::string& folder) {
  for (const char* name : {"rookery", "albatross-emulator"}) {
    if (!fs::exists(fs::path(folder) / name)) return fmt::format("{} has no program {}.", folder, name);
  }
  return "";
}

std::string notRegex(const std::string& text) {
  try {
    static_cast<void>(std::regex(text));
    return "";
  } catch (const std::regex_error& error) {
    return error.what();
  }
}

int program(int argc, char** argv) {
  Plan plan;
  CLI::App app{"Measures how fast rookery run converges, beside a plain loop on the same servers."};
  app.add_option("--programs", plan.programs, "The folder with rookery and albatross-emulator")
      ->check(lacksPrograms)
      ->capture_default_str();
  app.add_option("--row", plan.row, "Only rows whose names match, such as ^200x or change")
      ->type_name("REGEX")
      ->check(notRegex);
  app.add_flag("--long", plan.isLong, "Also the rows of thousands, which take minutes");
  CLI11_PARSE(app, argc, argv);

  std::signal(SIGPIPE, SIG_IGN);
  // Often it is /tmp that lies in memory, where nothing takes the time that a disk takes.
  ::setenv("TMPDIR", "/var/tmp", 0);
  measureAll(plan);
  return 0;
}

}  // namespace
}  // namespace rookery::benchmark

int main(int argc, char** argv) {
  try {
    return rookery::benchmark::program(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "convergence-benchmark: %s\n", error.what());
    return 1;
  }
}

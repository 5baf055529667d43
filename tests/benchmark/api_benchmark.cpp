// How fast and how big Rookery's API is, beside a real kube-apiserver that does the same work on the same
// machine, one after the other. Both are asked by the same code over TLS with bearer tokens. It prints a
// table and judges nothing.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "benchmark/client.h"
#include "benchmark/figures.h"
#include "benchmark/server.h"
#include "kubernetes/api_server.h"

namespace rookery::benchmark {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Plan {
  Load load;
  int lists = 10;        // of all objects
  int chunkedLists = 3;  // of all objects, in pages
  int selectedLists = 20;
  std::size_t watchers = 100;
  int rounds = 50;  // changes that the watchers are told of
};

constexpr int pageSize = 500;

std::string listPath(const std::string& query) { return fmt::format("{}?{}", unikernels, query); }

/// A merge patch.
std::string labelled(const std::string& value) {
  return json{{"metadata", {{"labels", {{"round", value}}}}}}.dump();
}

/// One server's measurements, phase by phase. Each phase is a caller of its own to the server.
class Measurement {
 public:
  Measurement(Server& server, const Plan& plan) : server_(server), plan_(plan) {}

  Figures run() {
    noteMemory("without objects");
    const auto begin = Clock::now();
    server_.load(plan_.load);
    noteTime("until all objects are there and calm", begin);
    noteMemory("with the objects");
    measureLists("LIST, all, from the store", "", "identity");
    measureLists("LIST, all, resourceVersion=0", "resourceVersion=0", "identity");
    measureLists("LIST, all, resourceVersion=0, gzip", "resourceVersion=0", "gzip");
    measureChunkedLists();
    measureSelectedLists();
    noteMemory("after the lists");
    measureWatches();
    return std::move(figures_);
  }

 private:
  void note(const std::string& name, Unit unit, std::optional<double> value) {
    figures_.push_back({name, unit, value});
    if (std::exchange(noted_, Clock::now()) + std::chrono::seconds(1) < Clock::now())
      fmt::print(stderr, "{:6.1f} s: {}\n", std::chrono::duration<double>(Clock::now() - begun_).count(),
                 name);
  }

  void noteTime(const std::string& name, Clock::time_point begin) {
    note(name, Unit::Seconds, std::chrono::duration<double>(Clock::now() - begin).count());
  }

  void noteMemory(const std::string& when) {
    const Usage server = usageOf(server_.process());
    note("memory " + when + ": VmRSS", Unit::MiB, server.resident);
    note("memory " + when + ": VmHWM", Unit::MiB, server.peakResident);
    const auto store = server_.storeProcess();
    note("memory " + when + ": VmRSS of etcd", Unit::MiB,
         store ? std::optional(usageOf(*store).resident) : std::nullopt);
  }

  /// CPU seconds of the server, and of its store with it.
  double cpu() const {
    const auto store = server_.storeProcess();
    return usageOf(server_.process()).cpu + (store ? usageOf(*store).cpu : 0);
  }

  void noteCpu(const std::string& phase, double before, int times) {
    note(phase + ", CPU of each", Unit::Milliseconds, (cpu() - before) * 1000 / times);
  }

  void measureLists(const std::string& name, const std::string& query, const std::string& encoding) {
    Client client(server_.access(), caller_++);
    Times times;
    std::size_t bytes = 0;
    const double before = cpu();
    for (int i = 0; i < plan_.lists; ++i) {
      const Client::Answer answer = client.get(listPath(query), encoding);
      times.add(answer.took);
      bytes = answer.body.size();
    }
    times.writeTo(figures_, name);
    noteCpu(name, before, plan_.lists);
    note(name + ", size", Unit::MiB, static_cast<double>(bytes) / (1 << 20));
  }

  void measureChunkedLists() {
    Client client(server_.access(), caller_++);
    const std::string name = fmt::format("LIST, all, limit={}", pageSize);
    Times pages, all;
    const double before = cpu();
    for (int i = 0; i < plan_.chunkedLists; ++i) {
      std::string next;
      std::chrono::duration<double, std::milli> took{};
      do {
        const Client::Answer page = client.get(listPath(fmt::format("limit={}{}", pageSize, next)));
        pages.add(page.took);
        took += page.took;
        const std::string token = json::parse(page.body).at("metadata").value("continue", "");
        next = token.empty() ? "" : "&continue=" + token;
      } while (!next.empty());
      all.add(took);
    }
    pages.writeTo(figures_, name + ", each page");
    all.writeTo(figures_, name + ", all pages");
    noteCpu(name + ", all pages", before, plan_.chunkedLists);
  }

  void measureSelectedLists() {
    Client client(server_.access(), caller_++);
    const std::string name = fmt::format("LIST, labelSelector of {}", plan_.load.selected);
    Times times;
    const double before = cpu();
    for (int i = 0; i < plan_.selectedLists; ++i) {
      const Client::Answer answer = client.get(listPath(fmt::format("labelSelector={}", selector)));
      if (json::parse(answer.body).at("items").size() != plan_.load.selected)
        giveUp("the selector is not obeyed");
      times.add(answer.took);
    }
    times.writeTo(figures_, name);
    noteCpu(name, before, plan_.selectedLists);
  }

  void measureWatches() {
    Client client(server_.access(), caller_++);
    // Once before: the first change after the load may make a server look at everything again.
    client.patch(plan_.load.path(0), labelled("warm"));
    waitUntilCalm(server_.access(), plan_.load.objects);
    const json list = json::parse(client.get(listPath("limit=1")).body);
    const std::string version = list.at("metadata").at("resourceVersion");
    const auto begin = Clock::now();
    Watchers watchers(server_.access(), caller_++, plan_.watchers,
                      listPath("watch=1&allowWatchBookmarks=true&resourceVersion=" + version));
    noteTime(fmt::format("until {} watches are open", plan_.watchers), begin);
    noteMemory("with the watches");
    measureChanges(watchers, "PATCH", 0, plan_.rounds);
    noteMemory("after these changes");
    const std::size_t last = plan_.load.objects - 1;
    measureChanges(watchers, "PATCH in a large file", last, std::max(plan_.rounds / 5, 1));
    noteMemory("after these changes too");
  }

  /// Changes a label of an object again and again, each time when all watchers know the change before.
  void measureChanges(Watchers& watchers, const std::string& name, std::size_t object, int rounds) {
    Client client(server_.access(), caller_++);
    Times answered, first, last;
    const double before = cpu();
    for (int round = 0; round < rounds; ++round) {
      const std::string value = fmt::format("object-{}-round-{}-end", object, round);
      watchers.expect(value);
      const auto begin = Clock::now();
      answered.add(client.patch(plan_.load.path(object), labelled(value)).took);
      const Watchers::Arrival arrival = watchers.await();
      first.add(arrival.first - begin);
      last.add(arrival.last - begin);
    }
    answered.writeTo(figures_, name + ": until answered");
    first.writeTo(figures_, name + ": until the first watcher knows");
    last.writeTo(figures_, fmt::format("{}: until all {} watchers know", name, plan_.watchers));
    noteCpu(name, before, rounds);
  }

  Server& server_;
  const Plan plan_;
  const Clock::time_point begun_ = Clock::now();
  Clock::time_point noted_ = begun_;
  std::size_t caller_ = 0;
  Figures figures_;
};

/// Starts a server, measures it and ends it.
template <class Start>
Figures measure(const char* name, const Start& start, const Plan& plan) {
  // Static, so that it ends with the program also where that gives up.
  static std::unique_ptr<Server> server;
  fmt::print(stderr, "{}\n", name);
  server = start();
  Figures figures = Measurement(*server, plan).run();
  server.reset();
  return figures;
}

/// The program; its exit status.
int compare(int argc, char** argv) {
  Plan plan;
  fs::path bin = fs::read_symlink("/proc/self/exe").parent_path();
  CLI::App app{"Measures Rookery's API beside a kube-apiserver, which tests/kubernetes/install brings."};
  app.add_option("--bin", bin, "The folder with rookery and albatross-emulator")->capture_default_str();
  app.add_option("--objects", plan.load.objects, "How many Unikernels there are")->capture_default_str();
  app.add_option("--watchers", plan.watchers, "How many watches are open")->capture_default_str();
  app.add_option("--lists", plan.lists, "How often all are listed")->capture_default_str();
  app.add_option("--rounds", plan.rounds, "How many changes the watchers are told of")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (!kubernetes::ApiServer::available()) giveUp(kubernetes::ApiServer::missing);

  std::signal(SIGPIPE, SIG_IGN);  // a watch that is cut off must not end the program
  const Figures one = measure("rookery", [&] { return startRookery(bin); }, plan);
  const Figures other = measure("kube-apiserver", [] { return startKubernetes(CRDS); }, plan);
  fmt::print("{} Unikernels\n{}", plan.load.objects, table("rookery", one, "kube-apiserver", other));
  return 0;
}

}  // namespace
}  // namespace rookery::benchmark

int main(int argc, char** argv) { return rookery::benchmark::compare(argc, argv); }

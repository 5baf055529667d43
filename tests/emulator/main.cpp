#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/signal_set.hpp>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "emulator/emulator.h"

namespace rookery::emulator {

namespace {

struct Arguments {
  std::string listen = "127.0.0.1:1025";
  std::string listenLocally;
  std::string pki;
  std::string stateDir;
  std::string fault;
  std::string release = "2.7";
  std::int64_t statisticsInterval = 10'000;
  std::vector<std::string> bridges;
  Machine machine;
};

void define(CLI::App& app, Arguments& arguments) {
  app.add_option("--listen", arguments.listen, "Address and port; port 0 for any that is free")
      ->type_name("ADDRESS:PORT")
      ->capture_default_str();
  app.add_option("--listen-unix", arguments.listenLocally,
                 "Folder in which the daemons' sockets are made, for clients on this machine")
      ->type_name("DIR");
  app.add_option(
         "--pki", arguments.pki,
         "Folder of cacert.pem, ca.key, server.pem and server.key; they are made where they are missing")
      ->type_name("DIR")
      ->required();
  app.add_option("--state-dir", arguments.stateDir,
                 "Folder in which policies, block devices and running unikernels outlive the emulator")
      ->type_name("DIR");
  app.add_option("--bridge", arguments.bridges, "A bridge that the machine has (repeatable)")
      ->type_name("NAME");
  app.add_option("--memory", arguments.machine.memory, "The machine's memory")
      ->type_name("MB")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40))
      ->capture_default_str();
  app.add_option("--cpus", arguments.machine.cpus, "How many CPUs the machine has")
      ->type_name("N")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--release", arguments.release, "The release that it is: what it does not know it closes on")
      ->check(CLI::IsMember({"2.5", "2.6", "2.7"}))
      ->capture_default_str();
  app.add_option("--statistics-interval", arguments.statisticsInterval,
                 "How often the statistics tell of each unikernel")
      ->type_name("MS")
      ->check(CLI::Range(1, 3'600'000))
      ->capture_default_str();
  app.add_option(
         "--fault", arguments.fault,
         "What to do wrong, a comma list: refuse, delay=2s, cut-after=65536, drop-reply, hang, "
         "endpoint-error, "
         "restart-ignores-memory, exit-after=300ms:2, stop-after=1s, cut-stream-after=3, stall-streams, "
         "unknown-data, no-statistics")
      ->type_name("SPEC");
}

Result<asio::ip::tcp::endpoint> parseListen(std::string_view text) {
  const auto colon = text.rfind(':');
  std::string host(text.substr(0, colon));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const std::string_view digits = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, problem] = std::from_chars(digits.begin(), digits.end(), port);
  boost::system::error_code error;
  const auto address = asio::ip::make_address(host, error);
  if (error || problem != std::errc{} || end != digits.end()) {
    return fail(Reason::UsageError,
                fmt::format("--listen {} is not an IP address and a port, such as 127.0.0.1:1025.", text));
  }
  return asio::ip::tcp::endpoint(address, port);
}

Result<Options> toOptions(const Arguments& arguments) {
  Options options;
  const auto listen = parseListen(arguments.listen);
  if (!listen) return std::unexpected(listen.error());
  auto faults = Faults::parse(arguments.fault);
  if (!faults) return std::unexpected(faults.error());
  auto pki = openPki(arguments.pki);
  if (!pki) return std::unexpected(pki.error());
  options.listen = *listen;
  if (!arguments.listenLocally.empty()) options.listenLocally = arguments.listenLocally;
  options.pki = *std::move(pki);
  options.machine = arguments.machine;
  if (arguments.release == "2.5") options.machine.release = albatross::Era::V25;
  if (arguments.release == "2.6") options.machine.release = albatross::Era::V26;
  options.machine.bridges = {arguments.bridges.begin(), arguments.bridges.end()};
  options.faults = *std::move(faults);
  options.statisticsInterval = std::chrono::milliseconds(arguments.statisticsInterval);
  if (!arguments.stateDir.empty()) options.stateDir = arguments.stateDir;
  options.log = [](std::string_view line) {
    std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
  };
  return options;
}

int complain(const Error& error) {
  std::fprintf(stderr, "albatross-emulator: %s\n", error.message.c_str());
  return 1;
}

int run(const Arguments& arguments) {
  auto options = toOptions(arguments);
  if (!options) return complain(options.error());
  asio::io_context context;
  asio::signal_set signals(context, SIGTERM, SIGINT);
  signals.async_wait([&](const boost::system::error_code&, int) { context.stop(); });
  const auto emulator = Emulator::start(context, *std::move(options));
  if (!emulator) return complain(emulator.error());
  const auto endpoint = (*emulator)->endpoint();
  const bool v6 = endpoint.address().is_v6();
  std::printf(v6 ? "listening on [%s]:%u\n" : "listening on %s:%u\n", endpoint.address().to_string().c_str(),
              static_cast<unsigned>(endpoint.port()));
  std::fflush(stdout);
  context.run();
  return 0;
}

}  // namespace

}  // namespace rookery::emulator

int main(int argc, char** argv) {
  CLI::App app("An emulated Albatross server: speaks the real protocol, runs no virtual machines.",
               "albatross-emulator");
  rookery::emulator::Arguments arguments;
  rookery::emulator::define(app, arguments);
  CLI11_PARSE(app, argc, argv);
  return rookery::emulator::run(arguments);
}

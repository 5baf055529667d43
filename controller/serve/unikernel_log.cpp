#include "serve/unikernel_log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <stdexcept>
#include <utility>

#include "api/age.h"
#include "serve/failure.h"
#include "serve/query_reader.h"
#include "text.h"

namespace rookery::serve {
namespace {

using reconcile::ConsoleLine;
using reconcile::Consoles;
using Clock = std::chrono::steady_clock;
using SystemTime = std::chrono::system_clock::time_point;

constexpr std::chrono::seconds longestRead{1};  // in which nobody asks whether the client is still there

struct LogOptions {
  bool follow = false, timestamps = false, previous = false, allLives = false;
  std::optional<std::uint64_t> tailLines, limitBytes;
  std::optional<SystemTime> since;
};

std::expected<LogOptions, http::Response> parseLogOptions(const http::Target& target) {
  LogOptions options;
  QueryReader reader(target.query);
  reader.read("follow", options.follow);
  reader.read("timestamps", options.timestamps);
  reader.read("previous", options.previous);
  reader.read("allLives", options.allLives);
  reader.read("tailLines", options.tailLines);
  reader.read("limitBytes", options.limitBytes);
  std::optional<std::uint64_t> seconds;
  reader.read("sinceSeconds", seconds);
  constexpr std::uint64_t longest = std::chrono::seconds(std::chrono::years(100)).count();
  if (seconds)
    options.since = std::chrono::system_clock::now() - std::chrono::seconds(std::min(*seconds, longest));
  if (const std::string time = http::parameterOf(target.query, "sinceTime"); !time.empty()) {
    if (seconds) reader.refuse("at most one of sinceTime and sinceSeconds may be given");
    options.since = api::parseRfc3339(time);
    if (!options.since) reader.refuse("sinceTime", "must be a date and time of RFC 3339 with its offset");
  }
  if (options.follow && options.previous)
    reader.refuse("only one of follow and previous may be given: what was printed before does not go on");
  if (reader.failed()) return std::unexpected(*reader.failed());
  return options;
}

/// One log on its way. Used by one thread at a time.
class LogReader {
 public:
  LogReader(const LogOptions& options, std::optional<SystemTime> startedAt,
            std::unique_ptr<Consoles::Reader> console)
      : options_(options), console_(std::move(console)) {
    // The server says it in whole seconds; rather a line too many than the first ones missing.
    if (startedAt) startedAt_ = std::chrono::floor<std::chrono::seconds>(*startedAt);
  }

  /// The answer, once all that the server had kept has come.
  std::optional<http::Response> begin(const std::shared_ptr<LogReader>& self) {
    const Consoles::Lines read = console_->read(Clock::now() + longestRead);
    for (const ConsoleLine& line : read.lines) {
      if (isWanted(line)) first_ += textOf(line), ends_.push_back(first_.size());
    }
    if (read.ended && !read.replayed) return failure(503, read.ended->message);
    if (!read.replayed) return std::nullopt;
    http::Response response{.status = 200, .contentType = std::string(http::plainTextType)};
    std::string text = limited(lastOf(std::exchange(first_, {})));
    if (!options_.follow) {
      response.body = std::move(text);
      return response;
    }
    first_ = std::move(text);
    response.next = [self] { return self->next(); };
    response.longRunning = true;
    return response;
  }

 private:
  std::optional<std::string> next() {
    if (!first_.empty()) return std::exchange(first_, {});
    if (left_ == 0) return std::nullopt;
    const Consoles::Lines read = console_->read(Clock::now() + longestRead);
    std::string piece;
    if (read.missed > 0) piece += fmt::format("[{} lines came too fast to be shown]\n", read.missed);
    for (const ConsoleLine& line : read.lines) piece += textOf(line);
    // The client is to see that this is not the end of the log.
    if (read.ended && piece.empty()) throw std::runtime_error(read.ended->message);
    return limited(std::move(piece));
  }

  bool isWanted(const ConsoleLine& line) const {
    const SystemTime time = line.time;
    if (options_.since && time < *options_.since) return false;
    return options_.allLives || !startedAt_ || (time < *startedAt_) == options_.previous;
  }

  std::string textOf(const ConsoleLine& line) const {
    if (!options_.timestamps) return line.text + "\n";
    const auto second = std::chrono::floor<std::chrono::seconds>(line.time);
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z {}\n", second, (line.time - second).count(), line.text);
  }

  /// The last lines of it.
  std::string lastOf(std::string text) const {
    const std::uint64_t lines = ends_.size();
    const std::uint64_t wanted = options_.tailLines.value_or(lines);
    if (wanted >= lines) return text;
    return text.substr(ends_[lines - wanted - 1]);
  }

  /// As much of it as there may be still.
  std::string limited(std::string text) {
    if (text.size() > left_) text.resize(left_);
    left_ -= text.size();
    return text;
  }

  const LogOptions options_;
  const std::unique_ptr<Consoles::Reader> console_;
  std::optional<SystemTime> startedAt_;
  std::string first_;              // what the server had kept
  std::vector<std::size_t> ends_;  // of each line of it
  std::uint64_t left_ = options_.limitBytes.value_or(std::numeric_limits<std::uint64_t>::max());
};

std::string notThere(const api::ObjectKey& key, const std::string& instance, const api::Status& status) {
  std::vector<std::string> places;
  places.reserve(status.placements.size());
  for (const api::PlacementStatus& placement : status.placements) places.push_back(placement.instance);
  if (places.empty()) places.push_back(status.instance.value_or(""));
  return fmt::format("{} is not on AlbatrossInstance {}; it is on {}.", key.toString(), visible(instance, 63),
                     fmt::join(places, ", "));
}

}  // namespace

http::Response unikernelLog(const http::Target& target, const reconcile::ObjectView& unikernel,
                            Consoles& consoles) {
  auto options = parseLogOptions(target);
  if (!options) return std::move(options.error());
  const api::ObjectKey key = unikernel.object->key();
  if (!unikernel.status.instance)
    return failure(503, fmt::format("{} is on no instance yet, so it has printed nothing.", key.toString()));
  const std::string named = http::parameterOf(target.query, "instance");
  const std::string& instance = named.empty() ? *unikernel.status.instance : named;
  const auto status = unikernel.status.seenOn(instance);
  if (!status) return failure(404, notThere(key, instance, unikernel.status));
  auto console = consoles.open(key, instance);
  if (!console) return failure(503, console.error().message);
  const auto reader = std::make_shared<LogReader>(*options, status->startedAt, *std::move(console));
  http::Response response = failure(503, "too many logs and watches are open at once; try again later");
  response.later = [reader] { return reader->begin(reader); };
  return response;
}

}  // namespace rookery::serve

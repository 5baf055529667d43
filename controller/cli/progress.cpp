#include "cli/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <utility>

#include "cli/visible_stream.h"
#include "plan/unikernel_state.h"
#include "text.h"

namespace rookery::cli {

namespace {

constexpr ControlSequence eraseLine{"\r\033[K"};
constexpr std::size_t barWidth = 30;
constexpr std::uint64_t worthLines = 1u << 20;  // smaller images are gone before a line about them is read

unsigned tenths(std::uint64_t bytes, std::uint64_t total) {
  return total == 0 ? 10 : static_cast<unsigned>(bytes * 10 / total);
}

}  // namespace

std::string humanBytes(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  if (bytes < (1u << 20)) return fmt::format("{:.1f} KiB", static_cast<double>(bytes) / 1024);
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1u << 20));
}

/// Must be called with the mutex held.
void Progress::line(const std::string& text) {
  if (barShown_) out_ << eraseLine;
  barShown_ = false;
  out_ << visible(text) << '\n';
  drawBars();
  out_.flush();
}

void Progress::drawBars() {
  if (!terminal_ || uploads_.empty()) return;
  std::string bars;
  for (const auto& [instance, upload] : uploads_) {
    const std::size_t full =
        upload.total == 0 ? barWidth : std::min(barWidth, upload.bytes * barWidth / upload.total);
    bars +=
        fmt::format("{} {} [{}{}] {} of {}  ", instance, upload.object, std::string(full, '#'),
                    std::string(barWidth - full, '.'), humanBytes(upload.bytes), humanBytes(upload.total));
  }
  out_ << eraseLine << visible(bars);
  barShown_ = true;
}

void Progress::stepStarted(const std::string& instance, const api::ObjectKey& object, plan::Verb verb,
                           Reason reason, const std::string& /*message*/) {
  const std::lock_guard lock(mutex_);
  line(fmt::format("{}: {} {} ({})", instance, toString(verb), object.toString(), toString(reason)));
}

void Progress::imageSent(const std::string& instance, const api::ObjectKey& object, std::uint64_t bytes,
                         std::uint64_t total) {
  const std::lock_guard lock(mutex_);
  Upload& upload = uploads_[instance];
  upload.object = object.nameSpace + "/" + object.name;
  upload.bytes = bytes;
  upload.total = total;
  if (terminal_) {
    drawBars();
    out_.flush();
  } else if (total >= worthLines && tenths(bytes, total) > upload.told) {
    upload.told = tenths(bytes, total);
    line(fmt::format("{}: {}: {} of {} sent", instance, object.toString(), humanBytes(bytes),
                     humanBytes(total)));
  }
}

void Progress::imageSentWhole(const std::string& instance, const api::ObjectKey& object, std::uint64_t bytes,
                              std::chrono::nanoseconds duration) {
  const std::lock_guard lock(mutex_);
  uploads_.erase(instance);
  line(fmt::format("{}: {}: {} sent in {:.1f} s", instance, object.toString(), humanBytes(bytes),
                   std::chrono::duration<double>(duration).count()));
}

void Progress::finish() {
  const std::lock_guard lock(mutex_);
  uploads_.clear();
  if (std::exchange(barShown_, false)) out_ << eraseLine;
  out_.flush();
}

void Progress::stepEnded(const std::string& instance, const api::ObjectKey& object, plan::Verb verb,
                         const reconcile::CommandResult& result) {
  const std::lock_guard lock(mutex_);
  uploads_.erase(instance);
  const std::string what = fmt::format("{}: {} {}", instance, toString(verb), object.toString());
  if (result.error) return line(fmt::format("{} failed ({})", what, toString(result.error->reason)));
  const double seconds = std::chrono::duration<double>(result.duration).count();
  line(fmt::format("{} done in {:.1f} s{}", what, seconds,
                   result.bytes == 0 ? "" : ", " + humanBytes(result.bytes) + " sent"));
}

void Progress::imagePulled(const image::Puller::Attempt& attempt) {
  if (attempt.error) return;  // the objects that name it say why
  const std::lock_guard lock(mutex_);
  line(fmt::format("{}: {} pulled in {:.1f} s", attempt.remote.name(), humanBytes(attempt.bytes),
                   std::chrono::duration<double>(attempt.duration).count()));
}

void Progress::readyChanged(const api::ObjectKey& object, bool ready, Reason reason,
                            const std::string& /*message*/) {
  if (plan::isProgress(reason) || object.kind == api::Kind::AlbatrossInstance) return;
  if (reason == Reason::Pruning) return;  // what is not pruned is told in the end
  const std::lock_guard lock(mutex_);
  if (ready) return line(fmt::format("{}: Ready", object.toString()));
  if (!troubles_.emplace(object.kind, reason).second) return;
  line(fmt::format("{}: not Ready ({})", object.toString(), toString(reason)));
}

void Progress::warned(const std::string& instance, Reason /*reason*/, const std::string& message) {
  const std::lock_guard lock(mutex_);
  if (!warned_.insert(message).second) return;
  line(instance.empty() ? message : fmt::format("{}: {}", instance, message));
}

bool Progress::hasWarned(const std::string& message) const {
  const std::lock_guard lock(mutex_);
  return warned_.contains(message);
}

}  // namespace rookery::cli

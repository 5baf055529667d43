#include "reconcile/confirmations.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <optional>
#include <random>
#include <string_view>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "clock/clock.h"
#include "file/atomic.h"
#include "file/content.h"
#include "file/stamp.h"
#include "state/folder_lock.h"

namespace rookery::reconcile {

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::milliseconds lookInterval{500};
constexpr std::chrono::milliseconds answerInterval{50};
constexpr std::chrono::seconds lastMoment{5};
constexpr std::string_view questionSuffix = ".question";
constexpr std::string_view answerSuffix = ".answer";
constexpr std::size_t maxQuestions = 16;  // that one look answers
constexpr std::size_t maxQuestion = 64;   // bytes; an ID has 12
constexpr std::size_t maxAnswer = std::size_t{256} << 10;
constexpr std::string_view agreed = "yes\n", declined = "no\n";  // before the sentence of an answer

std::string randomName() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}", random(), random());
}

/// Nobody sees it before it is whole.
Result<void> putMessage(const fs::path& path, std::string_view content) {
  const int cause = file::writeWhole(path, content);
  if (cause == 0) return {};
  const bool forbidden = cause == EACCES || cause == EPERM;
  return fail(
      Reason::StateUnwritable,
      fmt::format("{} cannot be written: {}. {}", path.string(), std::generic_category().message(cause),
                  forbidden ? "Who confirms needs the rights of the user that the controller runs as."
                            : file::remedyFor(cause, path.parent_path())));
}

/// Nothing: there is no such file, or it is longer than `most`.
std::optional<std::string> messageIn(const fs::path& path, std::size_t most) {
  auto content = file::read(path, most);
  if (!content) return std::nullopt;
  return std::move(content->bytes);
}

/// Whether nobody waits any more for what was written so long ago. What the clock calls the future is new.
bool isStale(const fs::path& path) {
  const auto stamp = file::stampOf(path);
  return stamp && file::toSystemTime(stamp->modified) <
                      std::chrono::system_clock::now() - Confirmations::longestPatience;
}

std::vector<fs::path> filesIn(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator item(folder, error), end; !error && item != end; item.increment(error)) {
    std::error_code ignored;
    if (!item->is_directory(ignored)) files.push_back(item->path());
  }
  return files;
}

bool isQuestion(const fs::path& path) {
  const std::string name = path.filename().string();
  return !name.starts_with('.') && name.ends_with(questionSuffix);
}

/// The ID that somebody waits to be confirmed. It counts once, whatever comes of it.
std::optional<std::string> takeQuestion(const fs::path& path) {
  const auto id = messageIn(path, maxQuestion);
  const bool stale = isStale(path);
  if (::unlink(path.c_str()) != 0 || stale) return std::nullopt;  // a question that stays would count again
  return id.value_or("?");
}

/// What makes a text safe to print: an ID comes from a file.
std::string printable(std::string text) {
  std::ranges::replace_if(
      text,
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f; },
      '?');
  return text;
}

/// Nothing: there is no answer within that time.
std::optional<std::string> awaitMessage(const fs::path& answer, std::chrono::milliseconds patience) {
  const auto end = clock::Steady::now() + patience;
  std::optional<std::string> said;
  while (!(said = messageIn(answer, maxAnswer)) && clock::Steady::now() < end)
    std::this_thread::sleep_for(answerInterval);
  return said;
}

}  // namespace

asio::awaitable<void> Confirmations::serve(Controller& controller) const {
  co_await asio::this_coro::throw_if_cancelled(false);
  std::error_code error;
  fs::create_directories(folder_, error);
  ::chmod(folder_.c_str(), 0700);
  for (const fs::path& left : filesIn(folder_)) ::unlink(left.c_str());
  clock::Timer timer(co_await asio::this_coro::executor);
  for (;;) {
    answerAll(controller);
    timer.expires_after(lookInterval);
    (void)co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return;
  }
}

void Confirmations::answerAll(Controller& controller) const {
  std::size_t questions = 0;
  for (const fs::path& file : filesIn(folder_)) {
    if (!isQuestion(file)) {
      if (isStale(file)) ::unlink(file.c_str());  // an answer that nobody fetched, say
    } else if (questions++ < maxQuestions) {
      if (const auto id = takeQuestion(file)) answer(controller, file, *id);
    }
  }
}

void Confirmations::answer(Controller& controller, fs::path question, const std::string& id) {
  const Result<std::string> said = controller.confirmPrune(printable(id));
  std::string text(said ? agreed : declined);
  text += said ? *said : said.error().message;
  if (text.size() > maxAnswer) text.resize(maxAnswer);
  std::ignore =
      putMessage(question.replace_extension(answerSuffix), text);  // otherwise, who asked waits in vain
}

Result<std::string> Confirmations::ask(const std::string& id, std::chrono::milliseconds patience) const {
  const fs::path stateDir = folder_.parent_path();
  if (!state::FolderLock::isHeld(stateDir)) {
    return fail(
        Reason::UsageError,
        fmt::format("No rookery runs with the state directory {}. Name the one of the controller with "
                    "--state-dir, or give its `run` --confirm-prune {}.",
                    stateDir.string(), printable(id)));
  }
  if (id.size() > maxQuestion)
    return fail(Reason::UsageError,
                "That is no ID of a set of unikernels: it has twelve hexadecimal digits.");
  const std::string name = randomName();
  const fs::path question = folder_ / (name + std::string(questionSuffix));
  const fs::path answer = folder_ / (name + std::string(answerSuffix));
  if (auto asked = putMessage(question, id); !asked) return std::unexpected(asked.error());
  auto said = awaitMessage(answer, patience);
  const bool withdrawn = !said && ::unlink(question.c_str()) == 0;
  if (!said && !withdrawn) said = awaitMessage(answer, lastMoment);  // it was taken in the last moment
  ::unlink(answer.c_str());
  if (!said && !withdrawn) {
    return fail(
        Reason::DeadlineExceeded,
        fmt::format("The process that holds {} took the question, but did not say what came of it. What "
                    "it destroys stands in its log.",
                    stateDir.string()));
  }
  if (!said) {
    return fail(
        Reason::DeadlineExceeded,
        fmt::format("The process that holds {} did not answer within {} s: it is no `rookery run`, or "
                    "is busy. Nothing was confirmed.",
                    stateDir.string(), std::chrono::duration_cast<std::chrono::seconds>(patience).count()));
  }
  if (said->starts_with(agreed)) return said->substr(agreed.size());
  return fail(Reason::UsageError, said->substr(std::min(declined.size(), said->size())));
}

}  // namespace rookery::reconcile

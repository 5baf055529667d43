#include "reconcile/confirmations.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <random>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

namespace rookery::reconcile {

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::milliseconds lookInterval{500};
constexpr std::chrono::milliseconds answerInterval{50};
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

std::unexpected<Error> cannotWrite(const fs::path& path) {
  return fail(Reason::StateUnwritable,
              fmt::format("{} cannot be written: {}. Who confirms needs the rights of the user that the "
                          "controller runs as.",
                          path.string(), std::strerror(errno)));
}

/// Nobody sees it before it is whole.
Result<void> writeWhole(const fs::path& path, std::string_view content) {
  const fs::path temporary = path.parent_path() / ("." + path.filename().string());
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return cannotWrite(temporary);
  const ssize_t written = ::write(fd, content.data(), content.size());
  const bool whole = ::close(fd) == 0 && written == static_cast<ssize_t>(content.size()) &&
                     ::rename(temporary.c_str(), path.c_str()) == 0;
  if (whole) return {};
  const auto failure = cannotWrite(path);
  ::unlink(temporary.c_str());
  return failure;
}

/// Nothing: there is no such file, or it is longer than `most`.
std::optional<std::string> readBounded(const fs::path& path, std::size_t most) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::string content(most + 1, '\0');
  in.read(content.data(), static_cast<std::streamsize>(content.size()));
  content.resize(static_cast<std::size_t>(in.gcount()));
  if (content.size() > most) return std::nullopt;
  return content;
}

std::vector<fs::path> questionsIn(const fs::path& folder) {
  std::vector<fs::path> questions;
  std::error_code error;
  for (fs::directory_iterator item(folder, error), end; !error && item != end; item.increment(error)) {
    const std::string name = item->path().filename().string();
    if (!name.starts_with('.') && name.ends_with(questionSuffix)) questions.push_back(item->path());
    if (questions.size() == maxQuestions) break;
  }
  return questions;
}

/// Answers that nobody has fetched, and questions that nobody waits for any more.
void sweep(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> old;
  for (fs::directory_iterator item(folder, error), end; !error && item != end; item.increment(error))
    old.push_back(item->path());
  for (const fs::path& path : old) ::unlink(path.c_str());
}

/// What makes a text safe to print: an ID comes from a file.
std::string printable(std::string text) {
  std::ranges::replace_if(
      text,
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f; },
      '?');
  return text;
}

/// Whether a process holds the lock of a state directory.
bool isLockHeld(const fs::path& stateDir) {
  const int lock = ::open((stateDir / "lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (lock < 0) return errno != ENOENT;  // one that may not be read says nothing
  const bool held = ::flock(lock, LOCK_SH | LOCK_NB) != 0;
  ::close(lock);
  return held;
}

}  // namespace

asio::awaitable<void> Confirmations::serve(Controller& controller) const {
  co_await asio::this_coro::throw_if_cancelled(false);
  std::error_code error;
  fs::create_directories(folder_, error);
  ::chmod(folder_.c_str(), 0700);
  sweep(folder_);
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (;;) {
    answerAll(controller);
    timer.expires_after(lookInterval);
    (void)co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return;
  }
}

void Confirmations::answerAll(Controller& controller) const {
  for (const fs::path& question : questionsIn(folder_)) {
    const auto id = readBounded(question, maxQuestion);
    ::unlink(question.c_str());
    const Result<std::string> said = controller.confirmPrune(printable(id.value_or("?")));
    std::string answer(said ? agreed : declined);
    answer += said ? *said : said.error().message;
    if (answer.size() > maxAnswer) answer.resize(maxAnswer);
    fs::path file = question;
    if (!writeWhole(file.replace_extension(answerSuffix), answer)) continue;  // who asked waits in vain
  }
}

Result<std::string> Confirmations::ask(const std::string& id, std::chrono::milliseconds patience) const {
  const fs::path stateDir = folder_.parent_path();
  if (!isLockHeld(stateDir)) {
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
  if (auto asked = writeWhole(question, id); !asked) return std::unexpected(asked.error());
  const auto end = std::chrono::steady_clock::now() + patience;
  std::optional<std::string> said;
  while (!(said = readBounded(answer, maxAnswer)) && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(answerInterval);
  ::unlink(said ? answer.c_str() : question.c_str());
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

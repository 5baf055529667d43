#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <filesystem>
#include <string>

#include "error.h"
#include "reconcile/controller.h"

namespace rookery::reconcile {

/// How somebody tells a running controller that what the prune guard withholds may go: by a file in the
/// folder `confirmations` of its state directory, to which it answers with another. Whoever may write there
/// has the authority of --confirm-prune. What was asked before it ran, or longer than `longestPatience` ago,
/// is not answered, and answers that nobody fetches are removed after that time: nothing is left that could
/// confirm something later.
class Confirmations {
 public:
  static constexpr std::chrono::seconds longestPatience{60};

  explicit Confirmations(const std::filesystem::path& stateDir) : folder_(stateDir / "confirmations") {}

  /// Answers what is asked, on the controller's strand, until the coroutine is cancelled; looks twice in a
  /// second. Where the folder cannot be made or read, nothing is answered.
  asio::awaitable<void> serve(Controller& controller) const;

  /// Asks whoever holds the state directory to let the set with this ID go, and waits for the answer for
  /// `patience` at most, which is shorter than longestPatience: a sentence that says what goes. Errors:
  /// UsageError (nobody holds it; no such set is withheld: says which are), StateUnwritable (the question
  /// cannot be written), DeadlineExceeded (there was no answer).
  Result<std::string> ask(const std::string& id, std::chrono::milliseconds patience) const;

 private:
  void answerAll(Controller& controller) const;
  static void answer(Controller& controller, std::filesystem::path question, const std::string& id);

  std::filesystem::path folder_;
};

}  // namespace rookery::reconcile

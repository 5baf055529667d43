#include "reconcile/environment.h"

#include <fmt/format.h>

namespace rookery::reconcile {

Result<void> Environment::mayCommand(const std::string& instance) const {
  if (auto held = state.held(); !held) return held;
  if (commands(instance)) return {};
  return fail(
      Reason::LeaseLost,
      fmt::format("AlbatrossInstance {} is another controller's now: nothing more is sent to it.", instance));
}

}  // namespace rookery::reconcile

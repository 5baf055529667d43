#include "plan/rollout.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "api/annotations.h"
#include "image/digest.h"
#include "image/image.h"
#include "plan/compare.h"
#include "plan/desired.h"

namespace rookery::plan {

namespace {

constexpr std::size_t revisionLength = 10;  // hexadecimal digits

/// One roll-out while it is decided.
class Decision {
 public:
  explicit Decision(const RolloutInput& input) : input_(input) {
    for (const std::string& instance : input.admitted) {
      const auto replica = input.replicas.find(instance);
      if (replica != input.replicas.end() && !isDone(replica->second)) rollout_.admitted.insert(instance);
    }
  }

  Rollout decide() {
    for (const std::string& instance : inOrder()) {
      if (rollout_.admitted.contains(instance)) continue;
      const std::optional<Replica>& replica = input_.replicas.at(instance);
      if (!replica || !replica->outdated) {
        rollout_.waits[instance] = "It waits for its turn.";
      } else if (auto why = whyNot(instance, *replica); why.empty()) {
        rollout_.admitted.insert(instance);
      } else {
        rollout_.waits[instance] = std::move(why);
      }
    }
    return std::move(rollout_);
  }

 private:
  static bool isDone(const std::optional<Replica>& replica) {
    return replica && !replica->outdated && (replica->ready || replica->failed);
  }

  /// What is down already takes nothing away.
  std::vector<std::string> inOrder() const {
    std::vector<std::string> order;
    order.reserve(input_.replicas.size());
    for (const auto& [instance, replica] : input_.replicas) order.push_back(instance);
    std::ranges::stable_partition(order, [&](const std::string& instance) {
      const auto& replica = input_.replicas.at(instance);
      return replica && !replica->ready;
    });
    return order;
  }

  /// Empty: what runs on `instance` may be stopped.
  std::string whyNot(const std::string& instance, const Replica& replica) const {
    const std::string resume =
        fmt::format("rookery rollout resume {} -n {}", input_.unikernel.name, input_.unikernel.nameSpace);
    if (input_.paused) return fmt::format("Its roll-out is paused; {} lets it go on.", resume);
    for (const auto& [other, known] : input_.replicas) {
      if (known && known->failed)
        return fmt::format(
            "Its roll-out has stopped, as it failed on {}. It goes on once the manifest changes.", other);
    }
    if (isHalfway() && !replica.proven && !input_.resumed) {
      return fmt::format(
          "Its roll-out pauses after {} of {}; {} lets it go on, as does the annotation {}: \"{}\".",
          *input_.pauseAfter, input_.replicas.size(), resume, api::rolloutResumeAnnotation, input_.revision);
    }
    return whyBusy(instance, replica.ready);
  }

  /// As many have got the update as are to get it before somebody is asked.
  bool isHalfway() const {
    if (!input_.pauseAfter) return false;
    const auto has = [&](const auto& item) {
      return rollout_.admitted.contains(item.first) || (item.second && item.second->updated);
    };
    return std::ranges::count_if(input_.replicas, has) >= *input_.pauseAfter;
  }

  /// What is down itself takes nothing away: it waits only for those that are on their way.
  std::string whyBusy(const std::string& instance, bool ready) const {
    std::int64_t down = 0;
    std::string first;
    for (const auto& [other, replica] : input_.replicas) {
      const bool admitted = rollout_.admitted.contains(other);
      const bool counts = admitted || !replica || (!replica->ready && (ready || !replica->outdated));
      if (other == instance || !counts) continue;
      ++down;
      if (!first.empty()) continue;
      first = admitted   ? fmt::format("It waits for {}, which is being updated.", other)
              : !replica ? fmt::format("It waits for {}, of which it is not known how it stands.", other)
                         : fmt::format("It waits for {}, which is not Ready.", other);
    }
    return down < input_.maxUnavailable ? "" : first;
  }

  const RolloutInput& input_;
  Rollout rollout_;
};

}  // namespace

std::string goalOf(const DesiredUnikernel& unikernel) {
  return fmt::format("{}:{}:{}:{}", unikernel.object->specDigest, image::toHex(unikernel.digest()),
                     fingerprintOf(unikernel.arguments, {}), unikernel.restartedAt());
}

std::string rolloutRevision(const DesiredUnikernel& unikernel) {
  image::Sha256 digest;
  digest.update(unikernel.object->run.current + ":" + image::toHex(unikernel.digest()));
  return image::toHex(digest.finish()).substr(0, revisionLength);
}

Rollout decideRollout(const RolloutInput& input) { return Decision(input).decide(); }

}  // namespace rookery::plan

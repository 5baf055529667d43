#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "albatross/name.h"
#include "albatross/wire.h"
#include "error.h"
#include "plan/observed.h"

namespace rookery::plan {

/// A server as it is, or as it will be once the steps that were planned so far are done; and the checks that
/// the server itself makes only after the old unikernel is gone. None of them looks at every unikernel but
/// cannotSet() and, once, the first one. For one thread.
class World {
 public:
  /// `observed` must outlive it, and is not changed.
  explicit World(const Observed& observed) : seen_(observed) {}
  explicit World(Observed&&) = delete;

  /// As it was seen.
  const Observed& seen() const { return seen_; }
  const albatross::UnikernelInfo* find(const albatross::Name& name) const;
  const albatross::Policy* policy(const albatross::Name& domain) const;

  /// A domain of that label below the credential's own, in which something lives or for which a policy is
  /// set.
  bool hasDomain(const std::string& label) const;

  /// Null: there is none of that name, or nobody has asked.
  const albatross::BlockDevice* blockDevice(const albatross::Name& name) const;
  /// Who uses a block device; nothing: nobody who could be seen.
  std::optional<albatross::Name> userOf(const albatross::Name& device) const;

  /// Has it run, in place of what runs there now.
  void run(const albatross::Name& name, const albatross::Arguments& arguments, const std::string& digest);
  void remove(const albatross::Name& name);
  void setPolicy(const albatross::Name& domain, const albatross::Policy& policy);
  void addBlockDevice(const albatross::Name& name, std::int64_t size);
  void removeBlockDevice(const albatross::Name& name);

  /// Why a unikernel with `arguments` could not run as `name`, in place of what runs there now:
  /// PolicyExceeded (the policy of its immediate domain, or the machine), BridgeNotFound,
  /// BlockDeviceNotFound, BlockDeviceInUse.
  std::optional<Error> cannotRun(const albatross::Name& name, const albatross::Arguments& arguments) const;

  /// Why a block device of `size` Mi could not be made: PolicyExceeded.
  std::optional<Error> cannotAdd(const albatross::Name& name, std::int64_t size) const;

  /// Why `policy` could not be set on `domain`: below what is used there or allowed below it, or above the
  /// policy over it.
  std::optional<Error> cannotSet(const albatross::Name& domain, const albatross::Policy& policy) const;

 private:
  using Path = std::vector<std::string>;
  struct Totals {
    std::int64_t unikernels = 0;
    std::int64_t memory = 0;
  };
  struct Usage {
    Totals totals;
    std::set<std::int64_t> cpuIDs;
    std::set<std::string> bridges;
    std::int64_t block = 0;
  };

  struct Change {
    albatross::Name name;
    std::optional<albatross::Arguments> arguments;  // nothing: it is gone
    std::string digest;
  };

  const Observed& present() const;
  void carryOut(const Change& change) const;
  void countAll() const;
  void account(const albatross::Name& name, const albatross::UnikernelInfo& info, int sign) const;
  /// Of everything at or below `domain`, but for `except`.
  Totals totals(const albatross::Name& domain, const albatross::Name& except) const;
  Usage usage(const albatross::Name& domain) const;
  std::optional<Error> overPolicy(const albatross::Name& name, const albatross::Arguments& arguments) const;
  std::optional<Error> overMachine(const albatross::Name& name, const albatross::Arguments& arguments) const;
  std::optional<Error> blockDevices(const albatross::Name& name, const albatross::Arguments& arguments) const;
  std::optional<Error> belowUsage(const albatross::Name& domain, const albatross::Policy& wanted) const;

  const Observed& seen_;
  std::optional<std::map<albatross::Name, albatross::Policy>> policies_;  // once one of them is another
  // The rest is made when somebody asks for it: most of what is planned concerns nobody else.
  mutable std::vector<Change> due_;           // that foreseen_ does not have yet
  mutable std::optional<Observed> foreseen_;  // once it is another than seen_; the policies left aside
  mutable bool counted_ = false;              // that all of the following is known
  mutable std::map<Path, Totals> totals_;     // by domain
  mutable std::map<albatross::Name, albatross::Name> users_;  // of block devices
};

/// The domain that a unikernel is in.
albatross::Name domainOf(const albatross::Name& name);

}  // namespace rookery::plan

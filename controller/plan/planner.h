#pragma once

#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "plan/desired.h"
#include "plan/plan.h"
#include "plan/unikernel_state.h"
#include "plan/world.h"

namespace rookery::plan {

/// One run of decide(): the state that its phases share. Lives for the call only.
class Planner {
 public:
  /// `changed`: what decideAgain() is asked about; null: all.
  Planner(const Desired& desired, const std::set<api::ObjectKey>* changed, const Observed& observed,
          Memory memory, const Authority& authority, Now now);
  Plan run();

 private:
  /// What is said of an object, and what is to be done about it.
  struct Verdict {
    api::Condition::Status ready = api::Condition::Status::False;
    Reason reason = Reason::Reconciling;
    std::string message;
    bool reconciling = false;  // it changes, or will by itself
    bool stalled = false;      // it will not, unless somebody changes something
    UnikernelState state = UnikernelState::Progressing;
    std::optional<Step> step = std::nullopt;
  };

  /// A declared unikernel, with what is known of it.
  struct Subject {
    const api::ObjectKey& key;
    const DesiredUnikernel& unikernel;
    albatross::Name name;                     // on the wire
    const albatross::UnikernelInfo* running;  // null: it does not run
    Entry* entry;                             // null: it is not ours
    ObjectMemory& memory;
    Shared<Wanted> wanted;  // what it is to be: wantedNow()
    bool stopped = false;   // to be destroyed in this plan, for a volume of it, and created again
    // Where its last update failed: what it is to be instead, and the image of that, as far as it is there;
    // or why it is not put back
    Shared<Wanted> former = {};
    std::optional<image::Image> formerImage = std::nullopt;
    std::string notPutBack = {};

    const api::Unikernel& spec() const { return unikernel.spec(); }
    const albatross::Arguments& arguments() const { return former ? former->arguments : unikernel.arguments; }
  };

  /// The same of a volume.
  struct Volume {
    const api::ObjectKey& key;
    const DesiredVolume& wanted;
    albatross::Name name;                  // on the wire
    const albatross::BlockDevice* device;  // null: it is not there
    Entry* entry;                          // null: it is not ours

    const api::UnikernelVolume& spec() const { return wanted.spec(); }
  };

  // plan_ownership.cpp: what is ours
  bool canBeOurs(const Entry& entry) const;
  void dropClaims();
  void confirmEntries();
  bool isOurs(const Entry& entry, const albatross::UnikernelInfo& running) const;
  bool isWatched(const Entry& entry) const;
  void confirm(Entry& entry, const albatross::UnikernelInfo& running);
  void disown(const Entry& entry);

  // planner.cpp: the phases, and what is remembered of the servers' side
  template <class F>
  void keepEntries(const F& keep);
  void settlePending();
  void settle(Entry& entry);
  void addSubject(const api::ObjectKey& key, const DesiredUnikernel& unikernel,
                  std::vector<Subject>& subjects);
  std::vector<Subject> findSubjects();
  void refreshEntry(const Subject& subject) const;
  void takeOverLife(const Subject& subject) const;
  void heedRequest(ObjectMemory& memory, const api::Object& object) const;
  void trackLife(const Subject& subject);
  void countUnmanaged();
  void forgetObjects();
  Plan::Rest rest() const;

  // plan_health.cpp: whether what runs is well
  const Health* healthOf(const Subject& subject) const;
  Verdict judgeHealth(const Subject& subject, Verdict verdict);
  std::string lastWordsOf(const Subject& subject) const;

  // plan_rollback.cpp: updates that fail
  void followUpdate(Subject& subject);
  Rollback firstRollback(const Subject& subject) const;
  void failAfterAll(Subject& subject, Rollback& rollback);
  std::string failureOf(const Subject& subject, const Trial& trial);
  void putBack(Subject& subject);
  std::string keptFor(const Subject& subject, const Step& step) const;
  Verdict judgeUpdate(const Subject& subject, Verdict verdict);
  Verdict judgeFailed(const Subject& subject, Verdict verdict);

  // plan_trouble.cpp: what does not last
  bool loops(const ObjectMemory& object) const;
  Verdict judgeLoop(const Subject& subject, Verdict verdict);
  struct Goal {
    Shared<Wanted> wanted;
    std::optional<albatross::Policy> policy = std::nullopt;
  };
  static Shared<Wanted> wantedNow(Wanted wanted, albatross::Era era, const ObjectMemory& memory);
  static bool sameGoal(const Contention& contention, const Goal& goal);
  void noteTakenBack(ObjectMemory& object, const Goal& goal, const std::vector<FieldChange>& fields) const;
  bool contended(const ObjectMemory& object, const Goal& goal) const;
  void awaitTurn(const api::ObjectKey& key, const Goal& goal, Verdict& verdict);
  Verdict judgePeace(const api::ObjectKey& key, const Goal& goal, Verdict verdict);
  std::string describe(const api::ObjectKey& key, const Contention& contention) const;

  // planner.cpp: results
  void qualify(const api::ObjectKey& key, Verdict& verdict) const;
  ObjectState& conclude(const api::ObjectKey& key, std::int64_t generation, Verdict verdict);
  std::string whyNothingIsSent() const;
  void onlyObserve(Verdict& verdict);
  void emit(Step step);
  void foresee(const Step& step);
  void report(Error error);
  void wakeAt(SystemTime time);
  Verdict refusal(const Error& error, bool running) const;
  const Error* putOff(Step& step);
  void applyBackoff(Verdict& verdict, Step& step);
  bool leftBehind(const Step& step);

  // plan_window.cpp: when what runs may be stopped
  bool isWindowOverridden(const api::Object& object, SystemTime time) const;
  std::optional<SystemTime> closedUntil(const api::Object* unikernel, SystemTime due) const;
  std::string nameOpening(SystemTime opening, const api::Object* unikernel) const;
  void awaitWindow(const Subject& subject, Verdict& verdict) const;
  void awaitWindow(const Entry& entry, Step& step);

  // plan_update.cpp: whose turn it is to be stopped for an update
  void findDown();
  void awaitTurnToStop(const Subject& subject, Verdict& verdict);
  void holdBack(Verdict& verdict, SystemTime until, const std::string& why, std::string_view more) const;
  std::string whyTooMany(const Subject& subject) const;
  void noteTurn(const Subject& subject, const Verdict& verdict);

  // plan_unikernel.cpp
  void planUnikernels(const std::vector<Subject>& subjects);
  void planUnikernel(const Subject& subject);
  Verdict judge(const Subject& subject);
  std::optional<Verdict> obstacle(const Subject& subject);
  Verdict judgeUnsettled(const Subject& subject) const;
  Verdict judgeRunning(const Subject& subject);
  Verdict judgeForeign(const Subject& subject, const Difference& difference, Step step);
  Verdict judgeInSync(const Subject& subject);
  static bool isRestartWanted(const Subject& subject);
  Verdict judgeRestart(const Subject& subject);
  Verdict judgeDifferent(const Subject& subject, const Difference& difference, Step step);
  Verdict judgeAbsent(const Subject& subject);
  Verdict judgeEnded(const Subject& subject, Step step);
  Verdict takeStep(const Subject& subject, Step step);
  Verdict awaitImage(const Subject& subject, Step step);
  bool notConverging(const Subject& subject, const Difference& difference, Step& step);

  // plan_dependency.cpp
  std::map<api::ObjectKey, std::size_t> depths(const std::vector<Subject>& subjects) const;
  std::optional<Verdict> awaitDependencies(const Subject& subject, Step& step) const;
  std::string absentDependencies(const Subject& subject) const;
  Dependency dependencyOf(const api::ObjectKey& key) const;

  // plan_volume.cpp
  void settleVolumes();
  void settleVolume(Entry& entry);
  void planVolumes(std::vector<Subject>& subjects);
  void planVolume(const Volume& volume, std::vector<Subject>& subjects);
  void refreshVolume(const Volume& volume) const;
  Verdict judgeVolume(const Volume& volume, std::vector<Subject>& subjects);
  std::optional<Verdict> obstacle(const Volume& volume) const;
  Verdict judgeMissing(const Volume& volume);
  Verdict judgeForeign(const Volume& volume);
  Verdict judgeContent(const Volume& volume, std::vector<Subject>& subjects);
  std::optional<Verdict> judgeLoad(const Volume& volume, std::vector<Subject>& subjects);
  Verdict judgeUsed(const Volume& volume, Step step, std::vector<Subject>& subjects);
  bool canStop(const Subject& subject);
  bool stop(Subject& subject, const Volume& volume);
  Verdict asDeclared(const Volume& volume) const;
  Verdict taking(Step step);
  Verdict awaitContent(const Volume& volume, std::string_view until) const;
  Step volumeStep(const Volume& volume, Verb verb, Reason reason, std::string message) const;
  std::optional<Verdict> awaitVolumes(const Subject& subject) const;
  void planVolumeRemovals();
  bool planVolumeRemoval(Entry& entry);
  bool destroyVolume(Entry& entry, const Absence& absence);

  // plan_removal.cpp
  void planRemovals();
  void planKept(const Entry& entry, const Absence& absence);
  bool planRemoval(Entry& entry);
  bool destroy(Entry& entry, Reason reason, std::string message);
  bool couldGo(const Entry& entry) const;
  void leave(const Entry& entry, std::string message);
  void postpone(const Entry& entry, std::string message);
  void keep(const Entry& entry, Error error);
  Error nameLeaving(const albatross::Name& name, Error error, bool& resolves) const;
  void nameWaiting();

  // plan_policy.cpp
  enum class PolicyPhase { BeforeUnikernels, AfterUnikernels };
  void planPolicies(PolicyPhase phase);
  void planPolicy(const DesiredPolicy& policy, PolicyPhase phase);
  Verdict judgePolicy(const DesiredPolicy& policy, PolicyPhase phase);
  Result<albatross::Policy> nextPolicy(const albatross::Name& domain, const albatross::Policy& wanted,
                                       PolicyPhase phase) const;

  Entry* ownEntry(const albatross::Name& name);
  bool inDoubt(const albatross::Name& name) const { return inDoubt_.contains(name); }
  albatross::Name nameOf(const api::ObjectKey& key) const;
  albatross::Name domainNamed(const std::string& nameSpace) const;
  bool isRoot(const std::string& nameSpace) const;
  const Result<void>& authorityFor(const albatross::Name& name) const;
  /// The chain for a command about `name` or in that domain; NoPolicy when it needs a policy and none is
  /// known.
  Result<std::vector<albatross::Domain>> chainFor(const albatross::Name& name) const;
  ObjectMemory& memoryOf(const api::ObjectKey& key) { return plan_.memory.objects[key]; }
  const std::string& instance() const { return desired_.name(); }

  const Desired& desired_;
  const std::set<api::ObjectKey>* changed_;
  World world_;
  const Authority& authority_;
  const SystemTime now_;
  const SystemTime::duration wallAhead_;  // of now_: the machine's clock
  std::set<albatross::Name> inDoubt_;
  std::set<albatross::Name> volumesInDoubt_;
  std::set<albatross::Name> usableVolumes_;                         // now, or once due steps are done
  std::set<std::string> reported_;                                  // messages of plan_.errors
  std::map<albatross::Name, std::vector<api::ObjectKey>> waiting_;  // for room, by domain
  std::set<api::ObjectKey> down_;  // unikernels that may be down for an update, where their number is limited
  bool hangsTogether_ = false;     // something is as it is because of what others have
  std::optional<SystemTime> restUntil_;  // what of wakeAt is about unikernels of which nothing is to be done
  Plan plan_;
};

/// Goes over the entries in question, and forgets those of which `keep` does not hold.
template <class F>
void Planner::keepEntries(const F& keep) {
  Inventory& inventory = plan_.memory.inventory;
  if (changed_ == nullptr) {
    for (auto it = inventory.begin(); it != inventory.end();)
      it = keep(it->second) ? std::next(it) : inventory.erase(it);
    return;
  }
  for (const api::ObjectKey& key : *changed_) {
    const auto it = inventory.find(nameOf(key));
    if (it != inventory.end() && !keep(it->second)) inventory.erase(it);
  }
}

}  // namespace rookery::plan

#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "albatross/reply.h"
#include "api/status.h"
#include "plan/compare.h"
#include "plan/desired.h"
#include "plan/inventory.h"
#include "plan/observed.h"
#include "plan/rollout.h"
#include "plan/shared.h"
#include "plan/unikernel_state.h"
#include "plan/verb.h"

/// The heart of the controller, and pure: it does no I/O, reads no clock and rolls no dice. Everything that
/// is decided about a unikernel or a policy on one instance is decided here: what differs, which verb repairs
/// it most cheaply, what must wait, what is refused and why. `run`, `apply` and `plan` all call it.
namespace rookery::plan {

/// What a unikernel is to be, as far as a server can see: how plan tells whether it tried just this before.
struct Wanted {
  albatross::Arguments arguments;
  std::string digest;  // raw
  friend bool operator==(const Wanted&, const Wanted&) = default;
};

/// What a volume is to be.
struct WantedVolume {
  std::int64_t size = 0;  // Mi
  std::string digest;     // raw, of the content to be written; empty: none is
  int compressionLevel = 0;
  friend bool operator==(const WantedVolume&, const WantedVolume&) = default;
};

/// Somebody else takes back, again and again, what we change of an object.
struct Contention {
  Shared<Wanted> wanted;                    // of ours
  std::optional<albatross::Policy> policy;  // the same of a UnikernelPolicy
  unsigned times = 0;                       // it was taken back, since there was last peace
  SystemTime last;                          // when that was seen
  std::vector<FieldChange> fields;          // the other's values, and ours
  friend bool operator==(const Contention&, const Contention&) = default;
};

/// How a VolumeLoad has ended.
struct LoadEnd {
  std::uint64_t id = 0;
  std::optional<Error> error;  // absent: it was written
  friend bool operator==(const LoadEnd&, const LoadEnd&) = default;
};

/// What plan remembers of an object between rounds. Lost with the process, and then found out again.
struct ObjectMemory {
  /// It has begun another life, which nobody here asked for.
  void countRestart(SystemTime now);

  // Crash loops and retries
  std::optional<SystemTime> missingSince;  // it should run, ran before, and was not there
  unsigned attempts = 0;                   // since it was last up for resetAfter
  SystemTime nextAttempt;
  std::optional<std::string> reconcile;  // the value of api::reconcileAnnotation that was heeded last
  std::optional<Error> lastError;        // of the last step; about `tried`
  // What it is to be and what was done to make it so
  Shared<Wanted> tried;                   // by the last step
  Shared<albatross::Policy> triedPolicy;  // the same for a UnikernelPolicy
  Shared<WantedVolume> triedVolume;       // the same for a UnikernelVolume
  Shared<LoadEnd> load;                   // of a UnikernelVolume: the last that has ended
  std::vector<FieldChange> triedFields;   // what the last step was to change
  std::optional<Verb> succeeded;          // the verb that was answered with success for `tried`
  Shared<Wanted> inSync;                  // it was seen to be just this
  bool inForce = false;                   // the same for a UnikernelPolicy, of triedPolicy
  Shared<Contention> contention;
  // Its life, as the server tells it
  std::optional<albatross::Time> started;
  SystemTime upSince;  // by our clock
  std::int64_t restarts = 0;
  std::vector<SystemTime> recentRestarts;  // the last restartsOfALoop, oldest first
  bool startExpected = false;              // we caused the next change of `started`
  std::optional<SystemTime> recalled;      // `started` as another controller told it, in whole seconds
  std::optional<api::LastAction> lastAction;
  std::optional<UnikernelState> state;  // as it was judged last
  bool ready = false;                   // the same of its condition Ready
  bool settled = false;                 // the same of ObjectState::settled
  bool down = false;                    // it is stopped for an update, or not Ready again after it
  Replica replica = {};                 // of a unikernel with a placement, the same for its roll-out
  friend bool operator==(const ObjectMemory&, const ObjectMemory&) = default;
};

struct Memory {
  Inventory inventory;  // persistent, as `volumes`: what changes here must be on the disk before the step
                        // that it is about is sent
  Inventory volumes;
  std::optional<bool> restartChangesMemory;  // persistent; absent: not known yet
  std::map<api::ObjectKey, ObjectMemory> objects;
  std::set<albatross::Name> watched;  // of the inventory, what was seen to be ours when somebody looked last
  SystemTime lookedAt;                // when that was

  /// What is remembered of what a step is about; null: nothing.
  Entry* entryOf(const struct Step& step);
};

/// One thing to do. It was judged by the world as it is once the due steps before it have succeeded.
struct Step {
  Verb verb = Verb::Create;
  api::ObjectKey object;
  albatross::Name name;  // on the wire; of the domain for ApplyPolicy
  Reason reason = Reason::Absent;
  std::string message;  // a sentence: why
  std::vector<FieldChange> fields;
  SystemTime notBefore;  // not due until then (back-off); max(): until something else changes
  std::vector<albatross::Domain> domains;  // the chain, each with the policy that it is to carry
  Shared<Wanted> wanted;                   // Create, ForceCreate, Restart, Adopt
  std::optional<image::Image> image;       // Create, ForceCreate; SetVolume: the file with the content
  Shared<WantedVolume> volume;             // CreateVolume, SetVolume, Adopt of a volume
  int compressionLevel = 0;                // Create, ForceCreate: of the image on its way
  albatross::Era era =
      albatross::Era::Current;        // Create, ForceCreate, Restart: the form that the server knows
  std::optional<std::uint64_t> load;  // SetVolume: the VolumeLoad that it carries out
  std::string keeps = {};             // raw, of the image that must be kept before this is sent; empty: none

  bool isAboutVolume() const { return object.kind == api::Kind::UnikernelVolume; }
};

/// Of a plan's steps those that may be taken one after the other without a look in between, as long as each
/// is answered with success: what is due, in order. They end with one after which the world has to be seen
/// before anything else is judged by it: a policy was set. No two are about the same object.
std::vector<Step> takeable(const std::vector<Step>& steps, SystemTime now);

/// Whether both would send the very same command.
bool sendsTheSame(const Step& a, const Step& b);

/// What is said of an object in its status and metrics.
struct ObjectState {
  api::Status status;
  UnikernelState state = UnikernelState::Progressing;
  bool settled = false;  // Ready, or it will not become Ready unless somebody changes something
  friend bool operator==(const ObjectState&, const ObjectState&) = default;
};

/// A unikernel of ours that the manifests do not want here any more, and that stays as pruning is off.
struct Unpruned {
  api::ObjectKey object;
  std::string message;  // a sentence
};

/// How a unikernel with a placement stands, as it was judged last; nothing: it was not.
std::optional<Replica> replicaOf(const Memory& memory, const api::ObjectKey& unikernel);

/// How the unikernel stands, as it was judged last, for those that wait for it.
Dependency standingOf(const Memory& memory, const api::ObjectKey& unikernel);

/// How many of all that runs or should, by namespace and state.
using Counts = std::map<std::pair<std::string, UnikernelState>, std::size_t>;

struct Plan {
  std::vector<Step> steps;  // in the order in which they are to be taken
  std::vector<Step> later;  // to follow once something else has been done: what moved is there, for one
  std::vector<Unpruned> unpruned;
  std::map<api::ObjectKey, ObjectState> objects;
  Counts counts;
  std::vector<Error> errors;  // about what has no object any more: the prune guard, an unreadable source
  std::vector<api::ObjectKey> ended;         // unikernels that are first seen to have ended by themselves
  std::vector<api::ObjectKey> rolledBack;    // unikernels of which an update is first seen to have failed
  std::map<api::ObjectKey, Error> removals;  // why one that is not declared any more is still there
  std::map<api::ObjectKey, LoadEnd> loads;   // of volumes with a VolumeLoad, those that have ended
  std::size_t drift = 0;                     // see Round::drift
  std::optional<SystemTime> wakeAt;          // the world should be looked at again then, at the latest
  /// How what was judged stands by itself, for decideAgain().
  struct Rest {
    /// What is said of one object hangs on nothing that is said of another, nor on what is done about it.
    bool each = false;
    /// Unikernels of which something is to be done or awaited. Of the others nothing is: what is said of them
    /// stands until `until`, as long as the same is wanted and seen of them.
    std::set<api::ObjectKey> restless = {};
    std::optional<SystemTime> until = {};
  };
  Rest rest;
  Memory memory;
};

/// How the credential stands for commands in its own domain and one below it (Credential::canIssue).
struct Authority {
  Result<void> ownDomain;
  Result<void> subDomain;
  friend bool operator==(const Authority&, const Authority&) = default;
};

/// The time, by the two clocks that there are.
struct Now {
  SystemTime time;  // what waits, waits by this one, which nobody sets (reconcile/clock.h)
  SystemTime wall;  // the machine's: what people mean who say when something may be done

  Now(SystemTime both) : Now(both, both) {}  // NOLINT(google-explicit-constructor): they agree, mostly
  Now(SystemTime waiting, SystemTime machines) : time(waiting), wall(machines) {}
};

/// Decides. `observed` must be from the server that `memory.inventory` is of.
Plan decide(const Desired& desired, const Observed& observed, Memory memory, const Authority& authority,
            Now now);

/// What decide() would say, where Plan::Rest::each held of the last plan and only these unikernels are wanted
/// or seen otherwise since, or were restless: nothing was added, taken away, or seen that is not declared,
/// the policies are the same, and Plan::Rest::until has not come. `counts`: of that plan. `memory` has, of
/// all others, what that plan left. In the result, `objects` has only these, and the policies; `rest` and
/// `wakeAt` are about these.
Plan decideAgain(const Desired& desired, const std::set<api::ObjectKey>& changed, const Observed& observed,
                 Memory memory, Counts counts, const Authority& authority, Now now);

/// What is remembered of an object that another controller, or this one before, has reported this status of.
ObjectMemory recall(const api::Status& status);

/// What is to be remembered, on the disk, before `step` is sent.
Memory sending(Memory memory, const Step& step, const Desired& desired, const Observed& observed,
               SystemTime now);

/// An image is complete: from here on the server may carry out the step.
Memory committing(Memory memory, const Step& step);

/// What a step's end says. `bytes`: of the image, sent.
Memory answered(Memory memory, const Step& step, const Desired& desired, const albatross::CallResult& result,
                std::uint64_t bytes, SystemTime sentAt, SystemTime now);

/// Whether an answer to `verb` means that it was done: "created unikernel" and nothing else for what starts
/// one; gone is gone for destroy, whatever the words. The error otherwise.
std::optional<albatross::CallError> failureOf(Verb verb, const albatross::CallResult& result);

/// Whether what it is done to has another life afterwards.
bool startsUnikernel(Verb verb);

/// What runPolicy Once remembers: one run of this spec with this image.
std::string runOf(const DesiredUnikernel& unikernel, const std::string& digest);
/// Whether that is what is remembered, by this version or by a former one.
bool hasRun(const Entry& entry, const DesiredUnikernel& unikernel, const std::string& digest);

/// Delay before attempt number `attempts` + 1 of something that failed or ended: 1 s · 2ⁿ up to backoffLimit,
/// ±20 % by `salt`, so that many do not come back at once.
std::chrono::milliseconds backoff(unsigned attempts, std::string_view salt);

/// Takes what could not be written down (of unikernels or of volumes, by name on the wire) out of what is to
/// be done, and says so on the object that each is of. All else goes on.
void withhold(Plan& plan, const std::map<albatross::Name, Error>& unwritten, SystemTime now,
              api::Kind kind = api::Kind::Unikernel);

inline constexpr std::chrono::minutes backoffLimit{5};
inline constexpr std::chrono::minutes backoffReset{10};
inline constexpr std::chrono::seconds doubtInterval{2};
/// So many restarts within so long that nobody here asked for are a crash loop, until it has been up for a
/// while.
inline constexpr std::size_t restartsOfALoop = 4;
inline constexpr std::chrono::minutes loopWindow{10};
inline constexpr std::chrono::minutes loopCalm{1};
/// What nobody has taken back for so long is not contended any more: longer than two who take turns wait.
inline constexpr std::chrono::minutes contentionReset{30};
/// Who has not looked for so long has not seen what others did meanwhile.
inline constexpr std::chrono::minutes watchGap{10};

}  // namespace rookery::plan

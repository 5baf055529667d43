#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "albatross/client.h"
#include "api/status.h"
#include "reconcile/compare.h"
#include "reconcile/desired.h"
#include "reconcile/inventory.h"
#include "reconcile/listener.h"
#include "reconcile/observed.h"
#include "reconcile/verb.h"

/// The heart of the controller, and pure: it does no I/O, reads no clock and rolls no dice. Everything that
/// is decided about a unikernel or a policy on one instance is decided here: what differs, which verb repairs
/// it most cheaply, what must wait, what is refused and why. `run`, `apply` and `plan` all call it.
namespace rookery::reconcile {

/// What a unikernel is to be, as far as a server can see: how plan tells whether it tried just this before.
struct Wanted {
  albatross::Arguments arguments;
  std::string digest;  // raw
  friend bool operator==(const Wanted&, const Wanted&) = default;
};

/// What plan remembers of an object between rounds. Lost with the process, and then found out again.
struct ObjectMemory {
  // Crash loops and retries
  std::optional<SystemTime> missingSince;  // it should run, ran before, and was not there
  unsigned attempts = 0;                   // since it was last up for resetAfter
  SystemTime nextAttempt;
  std::optional<Error> lastError;  // of the last step; about `tried`
  // What it is to be and what was done to make it so
  std::optional<Wanted> tried;                   // by the last step
  std::optional<albatross::Policy> triedPolicy;  // the same for a UnikernelPolicy
  std::vector<FieldChange> triedFields;          // what the last step was to change
  std::optional<Verb> succeeded;                 // the verb that was answered with success for `tried`
  std::optional<Wanted> inSync;                  // it was seen to be just this
  // Its life, as the server tells it
  std::optional<albatross::Time> started;
  SystemTime upSince;  // by our clock
  std::int64_t restarts = 0;
  bool startExpected = false;          // we caused the next change of `started`
  std::optional<SystemTime> recalled;  // `started` as another controller told it, in whole seconds
  std::optional<api::LastAction> lastAction;
};

struct Memory {
  Inventory inventory;  // persistent: what changes here must be on the disk before the step that it is about
                        // is sent
  std::optional<bool> restartChangesMemory;  // persistent; absent: not known yet
  std::map<api::ObjectKey, ObjectMemory> objects;
};

/// One thing to do. Taken one at a time: after each the world is looked at again.
struct Step {
  Verb verb = Verb::Create;
  api::ObjectKey object;
  albatross::Name name;  // on the wire; of the domain for ApplyPolicy
  Reason reason = Reason::Absent;
  std::string message;  // a sentence: why
  std::vector<FieldChange> fields;
  SystemTime notBefore;  // not due until then (back-off); max(): until something else changes
  std::vector<albatross::Domain> domains;  // the chain, each with the policy that it is to carry
  std::optional<Wanted> wanted;            // Create, ForceCreate, Restart, Adopt
  std::optional<image::Image> image;       // Create, ForceCreate
};

/// What is said of an object in its status and metrics.
struct ObjectState {
  api::Status status;
  UnikernelState state = UnikernelState::Progressing;
  bool settled = false;  // Ready, or it will not become Ready unless somebody changes something
};

struct Plan {
  std::vector<Step> steps;  // in the order in which they are to be taken
  std::map<api::ObjectKey, ObjectState> objects;
  std::map<std::pair<std::string, UnikernelState>, std::size_t>
      counts;                 // of all that runs or should, by namespace
  std::vector<Error> errors;  // about what has no object any more: the prune guard, an unreadable source
  std::size_t drift = 0;      // see Round::drift
  std::optional<SystemTime> wakeAt;  // the world should be looked at again then, at the latest
  Memory memory;
};

/// How the credential stands for commands in its own domain and one below it (Credential::canIssue).
struct Authority {
  Result<void> ownDomain;
  Result<void> subDomain;
};

/// Decides. `observed` must be from the server that `memory.inventory` is of.
Plan plan(const Desired& desired, const Observed& observed, Memory memory, const Authority& authority,
          SystemTime now);

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

/// Delay before attempt number `attempts` + 1 of something that failed or ended: 1 s · 2ⁿ up to backoffLimit,
/// ±20 % by `salt`, so that many do not come back at once.
std::chrono::milliseconds backoff(unsigned attempts, std::string_view salt);

inline constexpr std::chrono::minutes backoffLimit{5};
inline constexpr std::chrono::minutes backoffReset{10};
inline constexpr std::chrono::seconds doubtInterval{2};

}  // namespace rookery::reconcile

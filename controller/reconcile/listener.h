#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/object.h"
#include "error.h"
#include "image/pull/puller.h"
#include "plan/policy_use.h"
#include "plan/unikernel_state.h"
#include "plan/verb.h"
#include "source/source.h"

namespace rookery::reconcile {

using api::SystemTime;

/// How an instance stands after a round of looking, planning and taking what is due.
struct Round {
  bool unchanged = false;  // all that follows is as it was told last, but for the duration
  bool partly = false;     // `restarts` and `ready` have only those that were judged: the rest is as it was
  std::optional<Error> error;  // of the observation; absent: it succeeded
  std::chrono::nanoseconds duration{0};
  std::size_t queued = 0;  // steps that are due but were not taken in this round
  std::size_t drift = 0;   // running unikernels of ours that were first found to differ in this round
  std::map<std::pair<std::string, plan::UnikernelState>, std::size_t>
      unikernels;                                        // by namespace and state; if observed
  std::map<api::ObjectKey, std::int64_t> restarts = {};  // of each declared unikernel, so far; if observed
  std::map<api::ObjectKey, bool> ready = {};  // of each that is declared and not suspended; if observed
  std::map<std::string, plan::PolicyUse> policies = {};  // by namespace; if observed
  std::size_t withheld = 0;                              // unikernels that the prune guard withholds
  std::string traceId = {};                              // empty: it is not traced
};

/// One command to a server and how it ended.
struct CommandResult {
  std::string_view verb;  // a Verb's word, or "info", "policyInfo", "blockInfo"
  std::optional<Error> error;
  std::chrono::nanoseconds duration{0};
  std::uint64_t bytes = 0;   // of the image, sent
  std::string name = {};     // of what it is about, at the server; empty: of all
  std::string traceId = {};  // empty: it is not traced
};

/// What happens in the reconciler, for whoever shows it: metrics, logs, apply's progress. Called from several
/// threads at once; must not block and must not throw. Nothing that is passed holds a secret. The defaults
/// ignore it.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual void scanned(const source::Snapshot& /*snapshot*/) {}
  virtual void roundEnded(const std::string& /*instance*/, const Round& /*round*/) {}
  virtual void commandEnded(const std::string& /*instance*/, const CommandResult& /*result*/) {}
  /// Before a step is taken: a plain sentence says why.
  virtual void stepStarted(const std::string& /*instance*/, const api::ObjectKey& /*object*/,
                           plan::Verb /*verb*/, Reason /*reason*/, const std::string& /*message*/) {}
  virtual void stepEnded(const std::string& /*instance*/, const api::ObjectKey& /*object*/,
                         plan::Verb /*verb*/, const CommandResult& /*result*/) {}
  /// A unikernel has ended that nobody here told to: the last line of its console, with nothing secret in it.
  virtual void ended(const std::string& /*instance*/, const api::ObjectKey& /*object*/,
                     const std::string& /*lastLine*/) {}
  /// A health check of a unikernel has succeeded, or not.
  virtual void healthChecked(const std::string& /*instance*/, const api::ObjectKey& /*object*/,
                             bool /*healthy*/) {}
  /// An update of a unikernel has failed, and what ran before is put back.
  virtual void rolledBack(const std::string& /*instance*/, const api::ObjectKey& /*object*/) {}
  /// While an image is streamed, about every 64 KiB.
  virtual void imageSent(const std::string& /*instance*/, const api::ObjectKey& /*object*/,
                         std::uint64_t /*bytes*/, std::uint64_t /*total*/) {}
  /// An attempt to pull an image by its URL has ended.
  virtual void imagePulled(const image::Puller::Attempt& /*attempt*/) {}
  virtual void credentialLoaded(const std::string& /*instance*/, SystemTime /*notAfter*/) {}
  /// The server has shown a certificate that ends then; told in each round.
  virtual void serverCertificateSeen(const std::string& /*instance*/, SystemTime /*notAfter*/) {}
  /// The Ready condition of an object changed its status or reason.
  virtual void readyChanged(const api::ObjectKey& /*object*/, bool /*ready*/, Reason /*reason*/,
                            const std::string& /*message*/) {}
  virtual void warned(const std::string& /*instance*/, Reason /*reason*/, const std::string& /*message*/) {}
  /// All that a manifest root declares of an instance was seen to be as it is declared at that commit.
  virtual void revisionApplied(const std::string& /*instance*/, const std::string& /*root*/,
                               const source::Revision& /*revision*/) {}
  /// A volume is on `instance` from now on, and what it had before is left on another, as the sentence says;
  /// told once of each.
  virtual void volumeMoved(const std::string& /*instance*/, const api::ObjectKey& /*volume*/,
                           const std::string& /*message*/) {}
  /// The instance is not declared any more: what is known of it can be forgotten.
  virtual void instanceForgotten(const std::string& /*instance*/) {}
  /// Nobody declares the object any more, and nothing of it is left.
  virtual void objectForgotten(const api::ObjectKey& /*object*/) {}
};

/// Passes on what happens to several others, in their order. They must outlive it.
class Listeners : public Listener {
 public:
  explicit Listeners(std::vector<Listener*> others) : others_(std::move(others)) {}

  void scanned(const source::Snapshot& snapshot) override { tell(&Listener::scanned, snapshot); }
  void roundEnded(const std::string& instance, const Round& round) override {
    tell(&Listener::roundEnded, instance, round);
  }
  void commandEnded(const std::string& instance, const CommandResult& result) override {
    tell(&Listener::commandEnded, instance, result);
  }
  void stepStarted(const std::string& instance, const api::ObjectKey& object, plan::Verb verb, Reason reason,
                   const std::string& message) override {
    tell(&Listener::stepStarted, instance, object, verb, reason, message);
  }
  void stepEnded(const std::string& instance, const api::ObjectKey& object, plan::Verb verb,
                 const CommandResult& result) override {
    tell(&Listener::stepEnded, instance, object, verb, result);
  }
  void ended(const std::string& instance, const api::ObjectKey& object,
             const std::string& lastLine) override {
    tell(&Listener::ended, instance, object, lastLine);
  }
  void healthChecked(const std::string& instance, const api::ObjectKey& object, bool healthy) override {
    tell(&Listener::healthChecked, instance, object, healthy);
  }
  void rolledBack(const std::string& instance, const api::ObjectKey& object) override {
    tell(&Listener::rolledBack, instance, object);
  }
  void imageSent(const std::string& instance, const api::ObjectKey& object, std::uint64_t bytes,
                 std::uint64_t total) override {
    tell(&Listener::imageSent, instance, object, bytes, total);
  }
  void imagePulled(const image::Puller::Attempt& attempt) override { tell(&Listener::imagePulled, attempt); }
  void credentialLoaded(const std::string& instance, SystemTime notAfter) override {
    tell(&Listener::credentialLoaded, instance, notAfter);
  }
  void serverCertificateSeen(const std::string& instance, SystemTime notAfter) override {
    tell(&Listener::serverCertificateSeen, instance, notAfter);
  }
  void readyChanged(const api::ObjectKey& object, bool ready, Reason reason,
                    const std::string& message) override {
    tell(&Listener::readyChanged, object, ready, reason, message);
  }
  void warned(const std::string& instance, Reason reason, const std::string& message) override {
    tell(&Listener::warned, instance, reason, message);
  }
  void revisionApplied(const std::string& instance, const std::string& root,
                       const source::Revision& revision) override {
    tell(&Listener::revisionApplied, instance, root, revision);
  }
  void volumeMoved(const std::string& instance, const api::ObjectKey& volume,
                   const std::string& message) override {
    tell(&Listener::volumeMoved, instance, volume, message);
  }
  void instanceForgotten(const std::string& instance) override {
    tell(&Listener::instanceForgotten, instance);
  }
  void objectForgotten(const api::ObjectKey& object) override { tell(&Listener::objectForgotten, object); }

 private:
  /// Every event goes to each of them.
  template <class... Parameters, class... Arguments>
  void tell(void (Listener::*event)(Parameters...), const Arguments&... arguments) {
    for (Listener* other : others_) (other->*event)(arguments...);
  }

  std::vector<Listener*> others_;
};

}  // namespace rookery::reconcile

#include "reconcile/listener.h"

namespace rookery::reconcile {

void Listeners::scanned(const source::Snapshot& snapshot) {
  for (Listener* other : others_) other->scanned(snapshot);
}

void Listeners::roundEnded(const std::string& instance, const Round& round) {
  for (Listener* other : others_) other->roundEnded(instance, round);
}

void Listeners::commandEnded(const std::string& instance, const CommandResult& result) {
  for (Listener* other : others_) other->commandEnded(instance, result);
}

void Listeners::stepStarted(const std::string& instance, const api::ObjectKey& object, plan::Verb verb,
                            Reason reason, const std::string& message) {
  for (Listener* other : others_) other->stepStarted(instance, object, verb, reason, message);
}

void Listeners::stepEnded(const std::string& instance, const api::ObjectKey& object, plan::Verb verb,
                          const CommandResult& result) {
  for (Listener* other : others_) other->stepEnded(instance, object, verb, result);
}

void Listeners::imageSent(const std::string& instance, const api::ObjectKey& object, std::uint64_t bytes,
                          std::uint64_t total) {
  for (Listener* other : others_) other->imageSent(instance, object, bytes, total);
}

void Listeners::imagePulled(const image::Puller::Attempt& attempt) {
  for (Listener* other : others_) other->imagePulled(attempt);
}

void Listeners::credentialLoaded(const std::string& instance, SystemTime notAfter) {
  for (Listener* other : others_) other->credentialLoaded(instance, notAfter);
}

void Listeners::readyChanged(const api::ObjectKey& object, bool ready, Reason reason,
                             const std::string& message) {
  for (Listener* other : others_) other->readyChanged(object, ready, reason, message);
}

void Listeners::warned(const std::string& instance, Reason reason, const std::string& message) {
  for (Listener* other : others_) other->warned(instance, reason, message);
}

void Listeners::instanceForgotten(const std::string& instance) {
  for (Listener* other : others_) other->instanceForgotten(instance);
}

}  // namespace rookery::reconcile

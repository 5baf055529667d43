#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "albatross/name.h"
#include "plan/desired.h"

namespace rookery::reconcile {

/// Tells of objects on several instances that are one thing on the wire: two instances may name one server,
/// with other domains of their own or other root namespaces, which is known once both have been seen.
/// Thread-safe.
class Rivals {
 public:
  /// What is desired of all instances now.
  void declare(std::map<std::string, plan::DesiredPtr> instances);

  /// The instance is that server, where its credential has that domain. True: that is news.
  bool seen(const std::string& instance, const std::string& serverKey, const albatross::Name& base);

  /// Of an instance's unikernels and policies those that are another's, too. An object is not its own
  /// rival.
  std::map<api::ObjectKey, Error> clashesOf(const plan::Desired& desired) const;

 private:
  struct Place {
    std::string serverKey;
    albatross::Name base;
    friend bool operator==(const Place&, const Place&) = default;
  };
  /// Of what is desired of an instance, by name on the wire.
  static std::map<albatross::Name, api::ObjectKey> namesOf(const plan::Desired& desired,
                                                           const albatross::Name& base);

  mutable std::mutex mutex_;
  std::map<std::string, plan::DesiredPtr> instances_;
  std::map<std::string, Place> places_;  // by instance
};

}  // namespace rookery::reconcile

#pragma once

#include <cstddef>
#include <iosfwd>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "api/object.h"
#include "error.h"

namespace rookery::cli {

/// What went wrong in the end, so that each thing is said once: what is wrong with several objects in the
/// same way is one line, and a sentence that another one quotes is not said again.
class Failures {
 public:
  /// Something about no object, or in a file: a whole line.
  void add(std::string message) { sentences_.push_back(std::move(message)); }
  /// The same, of which others have said what it is.
  void countSaid() { ++said_; }
  /// An object that is not Ready.
  void add(const api::ObjectKey& object, Reason reason, std::string message);

  /// How many there are.
  std::size_t count() const { return sentences_.size() + said_ + objects_; }

  /// One line each, beginning with "error: ".
  void tell(std::ostream& out) const;

 private:
  struct Group {
    api::Kind kind;
    Reason reason;
    std::string message;  // the first one's
    std::vector<api::ObjectKey> objects;
  };

  std::string lineOf(const Group& group) const;

  std::vector<std::string> sentences_;
  std::vector<Group> groups_;
  std::map<std::tuple<api::Kind, Reason, std::string>, std::size_t> groupOf_;  // what they have in common
  std::size_t said_ = 0, objects_ = 0;
};

/// "1,488"
std::string withSeparators(std::size_t number);

}  // namespace rookery::cli

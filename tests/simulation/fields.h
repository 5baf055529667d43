#pragma once

#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "api/object.h"

namespace rookery::simulation {

/// A field of a kind, as the schema of its manifests has it.
struct Field {
  api::Kind kind = api::Kind::Unikernel;
  std::string path;  // "spec.networkInterfaces[].mac"; of a mapping of any names "spec.labels{}"
  const nlohmann::json* schema = nullptr;
  bool required = false;
  friend std::ostream& operator<<(std::ostream& out, const Field& field) {
    return out << api::toString(field.kind) << " " << field.path;
  }
  /// As a message calls it: without the places in lists.
  std::string name() const;
};

/// All fields of all kinds, but for those that make an object another one.
const std::vector<Field>& everyField();

/// What a field can be set to, in a small fleet.
class FieldCases {
 public:
  explicit FieldCases(const Field& field);

  std::vector<nlohmann::json> values;  // that can be had; none: the schema does not say enough to make some
  std::vector<nlohmann::json> edges;   // valid, and perhaps not to be had
  std::vector<nlohmann::json> vain;    // valid, and not to be had
  std::vector<nlohmann::json> wrong;   // mistakes
  std::string told;     // of what somebody may be told in place of the field; empty: of nothing else
  bool pulled = false;  // from where nobody can pull it here: it is not to be had
  bool quiet = false;   // nothing on a server shows it, and nothing is sent for it
  bool leaves = false;  // what there was before it was changed may stay

  /// The whole fleet, without the field or with that value.
  std::vector<nlohmann::json> without() const;
  std::vector<nlohmann::json> with(const nlohmann::json& value) const;
  /// What has the field.
  api::ObjectKey subject() const;

 private:
  std::vector<nlohmann::json> fleet(const nlohmann::json& document) const;

  const Field& field_;
  nlohmann::json document_;  // what can have the field
};

}  // namespace rookery::simulation

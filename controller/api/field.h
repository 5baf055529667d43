#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "api/findings.h"
#include "yaml/yaml.h"

namespace rookery::api {

/// A value in a manifest that has been through validate(), with its path and place for what is to be said of
/// it. May be absent. Views: what it was made from must outlive it.
class Field {
 public:
  Field(const nlohmann::json& value, const yaml::Places& places, Findings& findings);

  bool present() const { return value_ != nullptr && !value_->is_null(); }
  /// Whether the manifest has it: a default does not count.
  bool written() const { return present() && places_ != nullptr; }
  /// Whether what the manifest has there is a mistake, or in a part of it: that is told already.
  bool mistaken() const { return findings_->tells(path_); }
  bool given() const { return present() || mistaken(); }
  Field operator[](const std::string& member) const;
  std::vector<Field> items() const;
  /// The members of a mapping with their names.
  std::vector<std::pair<std::string, Field>> members() const;

  std::optional<std::string> text() const;
  std::optional<std::int64_t> number() const;
  bool flag(bool absent) const;

  const std::string& path() const { return path_; }
  void problem(std::string message) const;
  /// The same at the member's name rather than at its value.
  void problemWithName(std::string message) const;

 private:
  Field() = default;

  const nlohmann::json* value_ = nullptr;
  const yaml::Places* places_ = nullptr;  // none: not in the file
  yaml::Place around_;                    // of the nearest that is
  std::string path_;
  Findings* findings_ = nullptr;
};

}  // namespace rookery::api

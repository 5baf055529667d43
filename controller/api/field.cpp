#include "api/field.h"

#include <utility>

namespace rookery::api {

using nlohmann::json;

Field::Field(const json& value, const yaml::Places& places, Findings& findings)
    : value_(&value), places_(&places), around_(places.key), findings_(&findings) {}

Field Field::operator[](const std::string& member) const {
  Field field;
  field.path_ = yaml::memberPath(path_, member);
  field.findings_ = findings_;
  field.around_ = around_;
  if (value_ != nullptr && value_->is_object()) {
    if (const auto found = value_->find(member); found != value_->end()) field.value_ = &*found;
  }
  if (places_ != nullptr) {
    if (const auto found = places_->members.find(member); found != places_->members.end()) {
      field.places_ = &found->second;
      field.around_ = found->second.key;
    }
  }
  return field;
}

std::vector<Field> Field::items() const {
  std::vector<Field> items;
  if (value_ == nullptr || !value_->is_array()) return items;
  for (std::size_t i = 0; i < value_->size(); ++i) {
    Field& field = items.emplace_back(Field());
    field.value_ = &(*value_)[i];
    field.path_ = yaml::itemPath(path_, i);
    field.findings_ = findings_;
    field.around_ = around_;
    if (places_ == nullptr || i >= places_->items.size()) continue;
    field.places_ = &places_->items[i];
    field.around_ = field.places_->key;
  }
  return items;
}

std::vector<std::pair<std::string, Field>> Field::members() const {
  std::vector<std::pair<std::string, Field>> members;
  if (value_ == nullptr || !value_->is_object()) return members;
  for (const auto& [name, value] : value_->items()) members.emplace_back(name, (*this)[name]);
  return members;
}

std::optional<std::string> Field::text() const {
  if (value_ == nullptr || !value_->is_string()) return std::nullopt;
  return value_->get<std::string>();
}

std::optional<std::int64_t> Field::number() const {
  if (value_ == nullptr || !value_->is_number_integer()) return std::nullopt;
  return value_->get<std::int64_t>();
}

bool Field::flag(bool absent) const {
  return value_ != nullptr && value_->is_boolean() ? value_->get<bool>() : absent;
}

void Field::problem(std::string message) const {
  findings_->add(path_, places_ == nullptr ? around_ : places_->value, std::move(message));
}

void Field::problemWithName(std::string message) const { findings_->add(path_, around_, std::move(message)); }

}  // namespace rookery::api

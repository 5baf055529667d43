#pragma once

#include <compare>
#include <concepts>
#include <filesystem>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace rookery::file {

/// A path that never changes and that its copies share, as text: of what says where it comes from there are
/// many, and a std::filesystem::path takes some hundred bytes.
class SharedPath {
 public:
  SharedPath() = default;
  template <class T>
    requires(!std::same_as<std::remove_cvref_t<T>, SharedPath> &&
             std::convertible_to<T, std::filesystem::path>)
  SharedPath(T&& path)  // NOLINT(google-explicit-constructor): it is a path
      : SharedPath(std::filesystem::path(std::forward<T>(path)), 0) {}

  std::filesystem::path get() const { return native(); }
  operator std::filesystem::path() const { return get(); }  // NOLINT(google-explicit-constructor)

  bool empty() const { return path_ == nullptr; }
  std::string string() const { return native(); }
  const std::string& native() const { return path_ == nullptr ? nowhere() : *path_; }

  friend bool operator==(const SharedPath& one, const SharedPath& other) {
    return one.path_ == other.path_ || one.native() == other.native();
  }
  template <class T>
    requires(!std::same_as<T, SharedPath> && std::convertible_to<const T&, std::filesystem::path>)
  friend bool operator==(const SharedPath& one, const T& other) {
    return one.get() == std::filesystem::path(other);
  }
  friend std::strong_ordering operator<=>(const SharedPath& one, const SharedPath& other) {
    return one.path_ == other.path_ ? std::strong_ordering::equal : one.native() <=> other.native();
  }
  friend std::filesystem::path operator/(const SharedPath& folder, const std::filesystem::path& below) {
    return folder.get() / below;
  }

 private:
  SharedPath(const std::filesystem::path& path, int /*made*/)
      : path_(path.empty() ? nullptr : std::make_shared<const std::string>(path.native())) {}
  static const std::string& nowhere() {
    static const std::string none;
    return none;
  }

  std::shared_ptr<const std::string> path_;  // null: it is empty
};

}  // namespace rookery::file

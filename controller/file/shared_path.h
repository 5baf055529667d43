#pragma once

#include <compare>
#include <concepts>
#include <filesystem>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace rookery::file {

/// A path that never changes and that its copies share: of what says where it comes from there are many, and
/// a std::filesystem::path takes some hundred bytes.
class SharedPath {
 public:
  SharedPath() = default;
  template <class T>
    requires(!std::same_as<std::remove_cvref_t<T>, SharedPath> &&
             std::convertible_to<T, std::filesystem::path>)
  SharedPath(T&& path)  // NOLINT(google-explicit-constructor): it is a path
      : SharedPath(std::filesystem::path(std::forward<T>(path)), 0) {}

  const std::filesystem::path& get() const { return path_ == nullptr ? nowhere() : *path_; }
  operator const std::filesystem::path&() const { return get(); }  // NOLINT(google-explicit-constructor)
  const std::filesystem::path* operator->() const { return &get(); }

  bool empty() const { return path_ == nullptr; }
  std::string string() const { return get().string(); }
  const std::string& native() const { return get().native(); }

  friend bool operator==(const SharedPath& one, const SharedPath& other) {
    return one.path_ == other.path_ || one.get() == other.get();
  }
  template <class T>
    requires(!std::same_as<T, SharedPath> && std::convertible_to<const T&, std::filesystem::path>)
  friend bool operator==(const SharedPath& one, const T& other) {
    return one.get() == std::filesystem::path(other);
  }
  friend std::strong_ordering operator<=>(const SharedPath& one, const SharedPath& other) {
    return one.path_ == other.path_ ? std::strong_ordering::equal : one.get() <=> other.get();
  }
  friend std::filesystem::path operator/(const SharedPath& folder, const std::filesystem::path& below) {
    return folder.get() / below;
  }

 private:
  SharedPath(std::filesystem::path path, int /*made*/)
      : path_(path.empty() ? nullptr : std::make_shared<const std::filesystem::path>(std::move(path))) {}
  static const std::filesystem::path& nowhere() {
    static const std::filesystem::path none;
    return none;
  }

  std::shared_ptr<const std::filesystem::path> path_;  // null: it is empty
};

}  // namespace rookery::file

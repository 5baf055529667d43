#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/object.h"

namespace rookery::api {

/// Collects the mistakes of one file, document by document. There is one per field: the first that is told.
class Findings {
 public:
  explicit Findings(Origin file) : file_(std::move(file)) {}

  /// From now on, findings are about this object (none: what it is cannot be made out).
  void beginDocument(std::optional<ObjectKey> object);
  /// Whether nothing was found since beginDocument.
  bool clean() const { return told_.empty(); }

  /// Whether something was found in that field, or in a part of it, since beginDocument.
  bool tells(const std::string& field) const;
  /// Whether what is added from now on is counted only: its message need not be worked out.
  bool full() const;
  void add(std::string field, yaml::Place place, std::string message,
           Reason reason = Reason::InvalidManifest);

  /// All of them in the order of the file. Past mostProblems they are counted, not listed.
  std::vector<Problem> take();
  static constexpr std::size_t mostProblems = 1'000;

  /// Brings those of one file into its order.
  static void sort(std::vector<Problem>& problems);

 private:
  Origin file_;
  std::optional<ObjectKey> object_;
  std::set<std::string> told_;  // fields of this document
  std::vector<Problem> problems_;
  std::size_t omitted_ = 0;
};

/// The word of `known` that `word` was probably meant to be: equal but for case, or a few letters off.
std::optional<std::string_view> didYouMean(std::string_view word, std::span<const std::string_view> known);

}  // namespace rookery::api

#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "error.h"

/// Selectors in the text form of a list's parameters, with the grammar and the error messages of
/// Kubernetes (k8s.io/apimachinery/pkg/labels and /fields). One that is longer than `longestSelector` or has
/// more requirements than `mostRequirements` is an error, too.
namespace rookery::api {

inline constexpr std::size_t longestSelector = std::size_t{64} << 10;  // bytes
inline constexpr std::size_t mostRequirements = 1000;

using Labels = std::map<std::string, std::string>;

/// What `labelSelector` selects: objects whose labels meet every requirement.
class LabelSelector {
 public:
  /// What a label must be.
  struct Requirement {
    enum class Operator { In, NotIn, Exists, DoesNotExist, GreaterThan, LessThan };  // a=b is In {b}
    std::string key;
    Operator op = Operator::Exists;
    std::set<std::string, std::less<>> values;  // of In and NotIn: one at least
    std::int64_t bound = 0;                     // of GreaterThan and LessThan

    bool matches(const Labels& labels) const;
    friend bool operator==(const Requirement&, const Requirement&) = default;
  };

  /// Reads `a=b`, `a==b`, `a!=b`, `a in (x,y)`, `a notin (x)`, `a>1`, `a<1`, `a`, `!a`, joined by commas; an
  /// empty one selects everything. Error: UsageError, in the words of Kubernetes' API server.
  static Result<LabelSelector> parse(std::string_view text);

  /// One that selects everything.
  LabelSelector() = default;
  /// What a selector's matchLabels and matchExpressions say. Their syntax has been seen to.
  explicit LabelSelector(std::vector<Requirement> requirements) : requirements_(std::move(requirements)) {}

  bool matches(const Labels& labels) const;
  /// As parse() reads it, for a message.
  std::string toString() const;
  bool empty() const { return requirements_.empty(); }
  const std::vector<Requirement>& requirements() const { return requirements_; }

 private:
  std::vector<Requirement> requirements_;
};

/// The labels of some objects, by their names, for a message: "eu-1 (region=eu); eu-2 (none)". Not more than
/// fit in one.
std::string listLabels(const std::map<std::string, Labels>& objects);

/// What `fieldSelector` selects: objects whose fields meet every requirement.
class FieldSelector {
 public:
  struct Requirement {
    std::string field;  // "metadata.name"
    bool equal = true;  // false: !=
    std::string value;
    friend bool operator==(const Requirement&, const Requirement&) = default;
  };

  /// Reads `metadata.name=x,metadata.namespace!=y` (also `==`; in values, `\`, `,` and `=` stand behind a
  /// backslash); an empty one selects everything. `supported` are the fields that the kind can be selected
  /// by. Error: UsageError, in the words of Kubernetes' API server.
  static Result<FieldSelector> parse(std::string_view text,
                                     const std::set<std::string, std::less<>>& supported);

  /// `valueOf` gives the value of a field that is supported: empty where the object has none.
  bool matches(const std::function<std::string(std::string_view field)>& valueOf) const;
  bool empty() const { return requirements_.empty(); }
  const std::vector<Requirement>& requirements() const { return requirements_; }
  /// The value that the field must have; nothing: any of several may do. So a list of one object need not
  /// look at the others.
  std::optional<std::string> requiredValue(std::string_view field) const;

 private:
  std::vector<Requirement> requirements_;
};

}  // namespace rookery::api

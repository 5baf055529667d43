#include "api/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <tuple>
#include <utility>

namespace rookery::api {

namespace {

constexpr std::size_t longestWord = 64;

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

/// Levenshtein's distance, case ignored.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

void Findings::beginDocument(std::optional<ObjectKey> object) {
  object_ = std::move(object);
  told_.clear();
}

bool Findings::tells(const std::string& field) const {
  return std::ranges::any_of(std::array{"", ".", "["}, [&](const char* part) {
    const auto found = told_.lower_bound(field + part);
    return found != told_.end() && (*part == '\0' ? *found == field : found->starts_with(field + part));
  });
}

bool Findings::full() const { return problems_.size() == mostProblems; }

void Findings::add(std::string field, yaml::Place place, std::string message, Reason reason) {
  if (full()) {
    told_.insert("");
    ++omitted_;
    return;
  }
  if (!told_.insert(field).second) return;
  Origin origin = file_;
  origin.line = place.line;
  origin.column = place.column;
  problems_.push_back({reason, std::move(origin), object_, std::move(field), std::move(message)});
}

std::vector<Problem> Findings::take() {
  sort(problems_);
  if (omitted_ > 0) {
    problems_.push_back(
        {Reason::InvalidManifest, file_, {}, "", fmt::format("there are {} more mistakes", omitted_)});
  }
  return std::exchange(problems_, {});
}

void Findings::sort(std::vector<Problem>& problems) {
  std::ranges::sort(problems, {}, [](const Problem& problem) {
    return std::tie(problem.origin.line, problem.origin.column, problem.field);
  });
}

std::optional<std::string_view> didYouMean(std::string_view word, std::span<const std::string_view> known) {
  if (word.size() > longestWord) return std::nullopt;
  std::optional<std::string_view> nearest;
  std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string_view candidate : known) {
    const std::size_t off = distance(word, candidate);
    if (off < least) {
      least = off;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace rookery::api

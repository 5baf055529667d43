#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "cli/plan_report.h"

namespace rookery::cli {

/// What GitHub takes as a comment, with room for what a job puts before and after it. GitLab takes more.
inline constexpr std::size_t longestMarkdown = 60'000;

/// Writes the form that a comment under a change can hold: tables of GitHub's and GitLab's Markdown, long
/// ones folded, of `longest` bytes at most; what is left out is counted. Whatever comes from manifests and
/// servers is text in it, and neither markup, nor a link, nor a mention of somebody.
std::string toMarkdown(const PlanReport& report, std::size_t longest = longestMarkdown);

/// `foreign` as text in a cell of a table, as if in code; no more than its first `longest` bytes.
std::string markdownText(std::string_view foreign, std::size_t longest);

}  // namespace rookery::cli

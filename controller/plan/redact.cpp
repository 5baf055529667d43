#include "plan/redact.h"

#include <algorithm>
#include <utility>

#include "plan/compare.h"

namespace rookery::plan {

namespace {

/// From, to: in bytes.
using Places = std::vector<std::pair<std::size_t, std::size_t>>;

void findSecret(std::string_view text, std::string_view secret, Places& places) {
  if (secret.size() < shortestSecret) return;
  for (std::size_t at = text.find(secret); at != std::string_view::npos;
       at = text.find(secret, at + secret.size()))
    places.emplace_back(at, at + secret.size());
}

}  // namespace

std::string withoutSecrets(std::string_view text, const std::vector<std::string>& secrets,
                           std::size_t longest) {
  constexpr std::string_view ends = "\r\n";
  std::size_t longestSecret = 0;
  for (const std::string& secret : secrets) longestSecret = std::max(longestSecret, secret.size());
  text = text.substr(0, longest + longestSecret);  // what begins in what is shown ends in it
  Places places;
  for (const std::string_view secret : secrets) {
    findSecret(text, secret, places);
    for (std::size_t at = 0; secret.find_first_of(ends) != std::string_view::npos && at < secret.size();) {
      const std::size_t end = std::min(secret.find_first_of(ends, at), secret.size());
      findSecret(text, secret.substr(at, end - at), places);
      at = end + 1;
    }
  }
  std::ranges::sort(places);
  text = text.substr(0, longest);
  std::string shown;
  std::size_t told = 0, hidden = 0;  // up to where
  for (const auto& [from, to] : places) {
    if (from >= text.size()) break;
    if (from >= hidden) shown.append(text.substr(told, from - told)).append(redacted);
    hidden = std::max(hidden, to);
    told = std::min(hidden, text.size());
  }
  return shown.append(text.substr(told));
}

}  // namespace rookery::plan

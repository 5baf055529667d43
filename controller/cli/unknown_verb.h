#pragma once

#include <string>
#include <vector>

namespace rookery::cli {

/// What to do instead of a verb that there is not: a sentence, for those who come from other programs or
/// have mistyped one of `verbs`. Empty: nobody can tell what was meant.
std::string adviceFor(const std::string& word, const std::vector<std::string>& verbs);
/// The same of an option, among `options` of the verb.
std::string adviceForOption(const std::string& word, const std::vector<std::string>& options);

}  // namespace rookery::cli

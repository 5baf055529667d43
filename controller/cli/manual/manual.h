#pragma once

#include <string>
#include <vector>

#include "cli/manual/parser_description.h"

namespace rookery::cli {

/// A page for man(7) about a verb, section 1. `version`: of the program.
std::string manPage(const VerbDescription& verb, const std::string& version);
/// The page about the program, with all verbs; `summary` and `notes` as --help has them.
std::string manPage(const std::vector<VerbDescription>& verbs, const std::string& summary,
                    const std::string& notes, const std::string& version);
/// A document in Markdown about all verbs.
std::string commandReference(const std::vector<VerbDescription>& verbs);
/// A document in Markdown about all kinds of objects and their fields.
std::string kindReference();

}  // namespace rookery::cli

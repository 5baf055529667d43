#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace rookery::cli {

/// Rows, the headings first, as kubectl prints them: columns aligned to the left, three spaces apart, nothing
/// after the last one. A line break or another control character in a cell becomes a space.
void printTable(std::ostream& out, const std::vector<std::vector<std::string>>& rows);

}  // namespace rookery::cli

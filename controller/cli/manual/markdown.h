#pragma once

#include <string>
#include <string_view>

namespace rookery::cli {

/// Text for a cell of a table in Markdown: on one line, and not taken for the end of the cell.
std::string cell(std::string_view text);

}  // namespace rookery::cli

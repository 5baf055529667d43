#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <vector>

namespace rookery::cli {

/// Prints rows as kubectl does, those of several calls below each other: a column is never narrower than it
/// was in the rows before.
class TablePrinter {
 public:
  explicit TablePrinter(std::ostream& out) : out_(out) {}
  void print(std::vector<std::vector<std::string>> rows);

 private:
  std::ostream& out_;
  std::vector<std::size_t> widths_;
};

/// Rows, the headings first, as kubectl prints them: columns aligned to the left, three spaces apart, nothing
/// after the last one. Cells are shown as visible() shows them: each row is one line.
void printTable(std::ostream& out, std::vector<std::vector<std::string>> rows);

}  // namespace rookery::cli

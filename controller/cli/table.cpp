#include "cli/table.h"

#include <algorithm>
#include <cstddef>
#include <ostream>
#include <utility>

#include "text.h"

namespace rookery::cli {

namespace {

constexpr std::size_t gap = 3;

/// Columns on a terminal: one for each code point of UTF-8.
std::size_t widthOf(const std::string& text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

void TablePrinter::print(std::vector<std::vector<std::string>> rows) {
  for (auto& row : rows) {
    for (std::string& cell : row) cell = visible(cell);
    widths_.resize(std::max(widths_.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths_[i] = std::max(widths_[i], widthOf(row[i]));
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      line.append(widths_[i] - widthOf(row[i]) + gap, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out_ << line << '\n';
  }
}

void printTable(std::ostream& out, std::vector<std::vector<std::string>> rows) {
  TablePrinter(out).print(std::move(rows));
}

}  // namespace rookery::cli

#include "cli/table.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

namespace rookery::cli {
namespace {

std::string printed(const std::vector<std::vector<std::string>>& rows) {
  std::ostringstream out;
  printTable(out, rows);
  return out.str();
}

TEST(PrintTable, AlignsColumnsThreeSpacesApart) {
  EXPECT_EQ(printed({{"NAME", "READY", "AGE"}, {"web", "True", "5m"}, {"database", "False", "3h12m"}}),
            "NAME       READY   AGE\n"
            "web        True    5m\n"
            "database   False   3h12m\n");
}

TEST(PrintTable, CountsCharactersNotBytes) {
  EXPECT_EQ(printed({{"NAME", "A"}, {"zürich", "b"}, {"berlin", "c"}}),
            "NAME     A\n"
            "zürich   b\n"
            "berlin   c\n");
}

TEST(PrintTable, LeavesNothingAtTheEndOfALine) {
  EXPECT_EQ(printed({{"A", "B"}, {"1", ""}, {"2"}, {"3", "4"}}), "A   B\n1\n2\n3   4\n");
  EXPECT_EQ(printed({}), "");
}

TEST(PrintTable, ACellStaysInItsRow) {
  EXPECT_EQ(printed({{"MESSAGE", "X"}, {"two\nlines\t\x1b[31m", "y"}}),
            "MESSAGE                  X\n"
            "two\\nlines\\t\\u001b[31m   y\n");
}

TEST(TablePrinter, KeepsItsColumns) {
  std::ostringstream out;
  TablePrinter printer(out);
  printer.print({{"NAME", "READY"}, {"web", "True"}});
  printer.print({{"a", "True"}});
  printer.print({{"longer", "True"}});
  printer.print({{"b", "False"}});
  EXPECT_EQ(out.str(),
            "NAME   READY\n"
            "web    True\n"
            "a      True\n"
            "longer   True\n"
            "b        False\n");
}

}  // namespace
}  // namespace rookery::cli

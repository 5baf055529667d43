#include "cli/plan_markdown.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <vector>

#include "text.h"
#include "yaml/writer.h"

namespace rookery::cli {

using nlohmann::json;

namespace {

/// What is shown unfolded of a table.
constexpr std::size_t mostUnfolded = 30;
constexpr std::size_t longestCell = 400;
/// The room for saying how much is left out.
constexpr std::size_t ofTheRest = 200;

std::string foreignCell(std::string_view foreign) {
  return fmt::format("<code>{}</code>", markdownText(foreign, longestCell));
}

std::string valueCell(const json& value) { return value.is_null() ? "" : foreignCell(yaml::dump(value)); }

std::string tableRow(const std::vector<std::string>& cells) {
  return fmt::format("| {} |\n", fmt::join(cells, " | "));
}

struct MarkdownTable {
  std::string title;
  std::vector<std::string> headings;
  std::vector<std::vector<std::string>> rows;
  bool folded = false;  // whatever its length
};

MarkdownTable tableOfErrors(const PlanReport& report) {
  MarkdownTable table{"Errors", {"Where", "What"}, {}};
  for (const auto& error : report.errors)
    table.rows.push_back({foreignCell(placeOf(error)), foreignCell(error.message)});
  return table;
}

MarkdownTable tableOfChanges(const PlanReport& report) {
  MarkdownTable table{"Changes", {"", "Change", "Object", "On", "Why"}, {}};
  for (const auto& change : report.changes) {
    table.rows.push_back({foreignCell(markOf(change.verb)), std::string(toString(change.verb)),
                          foreignCell(change.object.toString()), foreignCell(change.instance),
                          fmt::format("{}{}", toString(change.reason),
                                      change.notBefore ? ": " + foreignCell(change.message) : "")});
  }
  return table;
}

MarkdownTable tableOfFields(const PlanReport& report) {
  MarkdownTable table{"Fields", {"Object", "Field", "Now", "Then"}, {}, true};
  for (const auto& change : report.changes) {
    if (change.verb == plan::Verb::Adopt)
      table.rows.push_back({foreignCell(change.object.toString()), "", foreignCell(change.message), ""});
    for (const auto& field : change.fields)
      table.rows.push_back({foreignCell(change.object.toString()), foreignCell(field.path),
                            valueCell(field.oldValue), valueCell(field.newValue)});
  }
  return table;
}

MarkdownTable tableOfUnpruned(const PlanReport& report) {
  MarkdownTable table{"Not pruned", {"Object", "On", "Why"}, {}, true};
  for (const auto& left : report.unpruned)
    table.rows.push_back(
        {foreignCell(left.object.toString()), foreignCell(left.instance), foreignCell(left.message)});
  return table;
}

/// The first rows, as far as there is room for them; `room` is what is left then.
std::string tableRows(const MarkdownTable& table, std::size_t first, std::size_t last, std::size_t& room,
                      std::size_t& left) {
  std::string text =
      tableRow(table.headings) + tableRow(std::vector<std::string>(table.headings.size(), "---"));
  if (text.size() > room) text.clear();
  for (std::size_t i = first; i < last; ++i) {
    const std::string line = tableRow(table.rows[i]);
    if (text.empty() || text.size() + line.size() > room) {
      left = table.rows.size() - i;
      break;
    }
    text += line;
  }
  room -= text.size();
  return text;
}

std::string foldedPart(const std::string& summary, const std::string& text) {
  return fmt::format("<details><summary>{}</summary>\n\n{}\n</details>\n\n", summary, text);
}

void appendTable(const MarkdownTable& table, std::string& text, std::size_t longest) {
  if (table.rows.empty()) return;
  const std::size_t count = table.rows.size();
  const std::string title = fmt::format("{} ({})", table.title, count);
  const std::size_t needed = text.size() + ofTheRest + 2 * title.size();
  std::size_t room = longest > needed ? longest - needed : 0, left = 0;
  const std::size_t shown = table.folded ? 0 : std::min(count, mostUnfolded);
  if (shown > 0) text += fmt::format("**{}**\n\n{}\n", title, tableRows(table, 0, shown, room, left));
  if (left == 0 && shown < count) {
    const std::string rest = tableRows(table, shown, count, room, left);
    if (!rest.empty())
      text += foldedPart(shown == 0 ? title : fmt::format("{} more of {}", count - shown, title), rest);
  }
  if (left > 0) text += fmt::format("… and {} more, for which there is no room here.\n\n", left);
}

}  // namespace

std::string markdownText(std::string_view foreign, std::size_t longest) {
  constexpr std::string_view plain = " -/=,()%+;";
  const std::string text = visible(foreign, longest);
  std::string escaped;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    // A dot may begin what is taken for a link ("www.").
    const bool isPlain = c >= 0x80 || std::isalnum(c) != 0 || plain.contains(text[i]) ||
                         (c == '.' && (i == 0 || (text[i - 1] | 0x20) != 'w'));
    if (isPlain) {
      escaped += text[i];
    } else {
      escaped += fmt::format("&#{};", c);
    }
  }
  return escaped;
}

std::string toMarkdown(const PlanReport& report, std::size_t longest) {
  std::string text = fmt::format("**rookery plan**: {}\n\n", markdownText(summaryOf(report), 1'000));
  for (const MarkdownTable& table :
       {tableOfErrors(report), tableOfChanges(report), tableOfFields(report), tableOfUnpruned(report)})
    appendTable(table, text, longest);
  return text;
}

}  // namespace rookery::cli

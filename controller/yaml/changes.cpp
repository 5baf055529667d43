#include "yaml/changes.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <span>
#include <utility>

namespace rookery::yaml {

using nlohmann::json;
using Style = Node::Style;

namespace {

/// What an item of a list is known by.
const std::string* identityOf(const json& item) {
  for (const char* key : {"name", "type"}) {
    if (!item.is_object()) break;
    const auto found = item.find(key);
    if (found != item.end() && found->is_string()) return found->get_ptr<const json::string_t*>();
  }
  return nullptr;
}

/// Whether each item has an identity of its own.
bool haveIdentities(const json& list) {
  std::set<std::string_view> seen;
  return std::ranges::all_of(list, [&](const json& item) {
    const std::string* identity = identityOf(item);
    return identity != nullptr && seen.insert(*identity).second;
  });
}

/// An item before and the one that it is afterwards.
using Pair = std::pair<std::size_t, std::size_t>;

/// Which items of a list are still there: in order, as many as there can be.
class Alignment {
 public:
  Alignment(const json& before, const json& after)
      : before_(before), after_(after), named_(haveIdentities(before) && haveIdentities(after)) {}

  std::vector<Pair> pairs() {
    std::size_t first = 0;
    std::size_t beforeEnd = before_.size(), afterEnd = after_.size();
    for (; first < std::min(beforeEnd, afterEnd) && same(first, first); ++first)
      pairs_.emplace_back(first, first);
    std::vector<Pair> last;
    for (; beforeEnd > first && afterEnd > first && same(beforeEnd - 1, afterEnd - 1);
         --beforeEnd, --afterEnd) {
      last.emplace_back(beforeEnd - 1, afterEnd - 1);
    }
    align(first, beforeEnd, afterEnd);
    pairs_.insert(pairs_.end(), last.rbegin(), last.rend());
    return std::move(pairs_);
  }

 private:
  /// The table has a cell for each pair; lists beyond this are aligned at their ends only.
  static constexpr std::size_t largestTable = 1u << 20;

  bool same(std::size_t i, std::size_t j) const {
    return named_ ? *identityOf(before_[i]) == *identityOf(after_[j]) : before_[i] == after_[j];
  }

  /// The longest common subsequence of what lies between equal ends.
  void align(std::size_t first, std::size_t beforeEnd, std::size_t afterEnd) {
    const std::size_t rows = beforeEnd - first, columns = afterEnd - first;
    if (columns > 0 && rows > largestTable / columns) return pairUp(first, beforeEnd, first, afterEnd);
    std::vector<std::vector<std::size_t>> longest(rows + 1, std::vector<std::size_t>(columns + 1));
    for (std::size_t i = rows; i-- > 0;) {
      for (std::size_t j = columns; j-- > 0;) {
        longest[i][j] = same(first + i, first + j) ? longest[i + 1][j + 1] + 1
                                                   : std::max(longest[i + 1][j], longest[i][j + 1]);
      }
    }
    std::size_t i = 0, j = 0, pairedI = 0, pairedJ = 0;
    while (i < rows && j < columns) {
      if (same(first + i, first + j)) {
        pairUp(first + pairedI, first + i, first + pairedJ, first + j);
        pairs_.emplace_back(first + i++, first + j++);
        pairedI = i;
        pairedJ = j;
      } else if (longest[i + 1][j] >= longest[i][j + 1]) {
        ++i;
      } else {
        ++j;
      }
    }
    pairUp(first + pairedI, beforeEnd, first + pairedJ, afterEnd);
  }

  /// Items without an identity that stand for one another: the one was changed into the other.
  void pairUp(std::size_t before, std::size_t beforeEnd, std::size_t after, std::size_t afterEnd) {
    if (named_) return;
    while (before < beforeEnd && after < afterEnd) pairs_.emplace_back(before++, after++);
  }

  const json& before_;
  const json& after_;
  bool named_;
  std::vector<Pair> pairs_;
};

Quotes quotesOf(const Node& node) {
  if (node.style == Style::SingleQuoted) return Quotes::Single;
  return node.style == Style::DoubleQuoted ? Quotes::Double : Quotes::AsNeeded;
}

/// Lays out what is new as the document lays out what is there: by the first of each kind.
class StyleGuess {
 public:
  explicit StyleGuess(KeyOrder order) : order_(order) {}

  BlockStyle of(const Node& root) {
    visit(root);
    return {.mappingIndent = mapping_.value_or(2),
            .sequenceIndent = sequence_.value_or(mapping_.value_or(2)),
            .order = order_};
  }

 private:
  void visit(const Node& node) {
    if (node.style != Style::Block) return;
    for (const Entry& entry : node.entries) {
      const Node& value = entry.value;
      if (!node.sequence && value.style == Style::Block && value.column >= node.column) {
        auto& indent = value.sequence ? sequence_ : mapping_;
        if (!indent) indent = value.column - node.column;
      }
      visit(value);
    }
  }

  const KeyOrder order_;
  std::optional<std::size_t> mapping_, sequence_;
};

/// Works out the edits that turn one value into another, down to a limit of depth: what differs deeper is
/// written anew.
class Comparison {
 public:
  Comparison(std::string_view text, const Node& root, KeyOrder order, std::size_t limit)
      : text_(text), style_(StyleGuess(order).of(root)), limit_(limit) {}

  /// False: the node has to be written anew.
  bool change(const Node& node, const json& before, const json& after, std::size_t depth = 0) {
    const bool collections =
        (before.is_object() && after.is_object()) || (before.is_array() && after.is_array());
    const bool written = node.style == Style::Flow || node.style == Style::Block;
    if (!collections || !written || before.empty() || after.empty() || depth >= limit_) return false;
    const bool changed = before.is_object() ? changeMapping(node, before, after, depth)
                                            : changeSequence(node, before, after, depth);
    if (changed) changes_.deepest = std::max(changes_.deepest, depth);
    return changed;
  }

  Changes take() { return std::move(changes_); }

 private:
  /// What comes before the entry of that index; the last: at the end.
  using Additions = std::vector<std::vector<std::string>>;

  bool changeMapping(const Node& node, const json& before, const json& after, std::size_t depth) {
    std::vector<bool> kept;
    kept.reserve(node.entries.size());
    for (const Entry& entry : node.entries) kept.push_back(after.contains(entry.key));
    if (std::ranges::find(kept, true) == kept.end()) return false;
    for (const Entry& entry : node.entries) {
      const auto value = after.find(entry.key);
      if (value != after.end()) update(node, entry, before.at(entry.key), *value, depth);
    }
    Additions additions(node.entries.size() + 1);
    for (const std::string& key : keysOf(after, style_.order)) {
      if (before.contains(key)) continue;
      additions.back().push_back(node.style == Style::Flow
                                     ? writeFlowMember(key, after.at(key), style_.order)
                                     : writeMember(key, after.at(key), node.column, style_));
    }
    splice(node, kept, additions);
    return true;
  }

  bool changeSequence(const Node& node, const json& before, const json& after, std::size_t depth) {
    const std::vector<Pair> pairs = Alignment(before, after).pairs();
    if (pairs.empty()) return false;
    std::vector<bool> kept(before.size(), false);
    Additions additions(before.size() + 1);
    std::size_t next = 0;
    for (const auto& [from, to] : pairs) {
      kept[from] = true;
      for (; next < to; ++next) additions[from].push_back(writeNew(node, after[next]));
      ++next;
    }
    for (; next < after.size(); ++next) additions.back().push_back(writeNew(node, after[next]));
    // Nothing can come before an item that shares its line with the dash of another.
    const bool blockedAtFront = node.style == Style::Block && !beginsLine(node.entries.front()) &&
                                !additions[pairs.front().first].empty();
    if (blockedAtFront) return false;
    for (const auto& [from, to] : pairs) update(node, node.entries[from], before[from], after[to], depth);
    splice(node, kept, additions);
    return true;
  }

  std::string writeNew(const Node& sequence, const json& item) const {
    return sequence.style == Style::Flow ? writeFlow(item, style_.order)
                                         : writeItem(item, sequence.column, style_);
  }

  void splice(const Node& node, const std::vector<bool>& kept, const Additions& additions) {
    if (node.style == Style::Flow) {
      spliceFlow(node, kept, additions);
    } else {
      removeLines(node, kept);
      insertLines(node, kept, additions);
    }
  }

  void update(const Node& holder, const Entry& entry, const json& before, const json& after,
              std::size_t depth) {
    if (before == after || change(entry.value, before, after, depth + 1)) return;
    const Node& old = entry.value;
    const bool staysFlow = old.style == Style::Flow && !old.entries.empty() && after.is_structured();
    if (holder.style == Style::Flow || staysFlow) return replaceInFlow(old, after);
    const bool collections = old.style == Style::Block || (after.is_structured() && !after.empty());
    if (holder.sequence && collections) {
      // With all that stands behind the dash.
      const std::string item = writeItem(after, holder.column, style_);
      return add(entry.separator, tailOf(text_, entry), item.substr(holder.column + 1));
    }
    replaceInBlock(holder, entry, after);
  }

  void replaceInFlow(const Node& old, const json& after) {
    const std::string space = old.style == Style::Empty ? " " : "";
    add(old.begin, old.end, space + writeFlow(after, style_.order, quotesOf(old)));
  }

  /// What stands beside the key and what stands below it are replaced one by one, as a comment may be
  /// between.
  void replaceInBlock(const Node& holder, const Entry& entry, const json& after) {
    const Node& old = entry.value;
    const Block block = writeBlock(after, holder.column, style_, quotesOf(old));
    const bool below = old.begin >= lineEnd(text_, entry.separator);
    if ((old.style == Style::Block) != below) {
      const std::string space = block.head.empty() ? "" : " ";
      return add(entry.separator, tailOf(text_, entry), space + block.head + '\n' + block.body);
    }
    std::size_t headBegin = old.begin, headEnd = old.end;
    if (old.style == Style::Block) headBegin = headEnd = entry.separator;
    if (old.style == Style::BlockScalar) headEnd = old.headEnd;
    if (block.head.empty()) {
      add(entry.separator, headEnd, "");
    } else {
      add(headBegin, headEnd, (headBegin == entry.separator ? " " : "") + block.head);
    }
    add(lineEnd(text_, headEnd), tailOf(text_, entry), block.body);
  }

  /// Within brackets: entries go from the beginning of one to the beginning of the next.
  void spliceFlow(const Node& node, const std::vector<bool>& kept, const Additions& additions) {
    const std::vector<Entry>& entries = node.entries;
    const std::string comma = entries.size() > 1 && beginsLine(entries.back())
                                  ? ",\n" + std::string(columnOf(entries.back().begin), ' ')
                                  : ", ";
    std::size_t from = 0;  // the first entry behind the last one that is kept
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (!kept[i]) continue;
      std::string added;
      for (const std::string& addition : additions[i]) added += addition + comma;
      if (from < i || !added.empty()) add(entries[from].begin, entries[i].begin, std::move(added));
      from = i + 1;
    }
    std::string added;
    for (const std::string& addition : additions.back()) added += comma + addition;
    add(entries[from - 1].value.end, entries.back().value.end, std::move(added));
  }

  void removeLines(const Node& node, const std::vector<bool>& kept) {
    for (std::size_t i = 0; i < kept.size(); ++i) {
      if (kept[i]) continue;
      std::size_t next = i + 1;
      while (next < kept.size() && !kept[next]) ++next;
      if (beginsLine(node.entries[i])) {
        const std::size_t begin = leadOf(node, i);
        add(begin, skipDoubledBlankLines(begin, tailOf(text_, node.entries[next - 1])), "");
      } else {
        // What is kept moves up, beside the dash.
        add(node.entries[i].begin, skipSpaces(text_, leadOf(node, next)), "");
      }
      i = next;
    }
  }

  void insertLines(const Node& node, const std::vector<bool>& kept, const Additions& additions) {
    std::size_t place = leadOf(node, 0);
    for (std::size_t i = 0; i < additions.size(); ++i) {
      if (i == kept.size()) place = tailOf(text_, node.entries.back());
      std::string lines;
      for (const std::string& addition : additions[i]) lines += addition;
      if (!lines.empty()) add(place, place, std::move(lines));
      if (i < kept.size() && kept[i]) place = tailOf(text_, node.entries[i]);
    }
  }

  bool beginsLine(const Entry& entry) const {
    return skipSpaces(text_, lineBegin(text_, entry.begin)) == entry.begin;
  }

  std::size_t columnOf(std::size_t at) const { return at - lineBegin(text_, at); }

  /// Where the lines of an entry begin: with the comments directly above it, in its column.
  std::size_t leadOf(const Node& node, std::size_t index) const {
    const std::size_t floor = index > 0 ? tailOf(text_, node.entries[index - 1]) : 0;
    const std::size_t column = columnOf(node.entries[index].begin);
    std::size_t lead = lineBegin(text_, node.entries[index].begin);
    while (lead > floor) {
      const std::size_t above = lineBegin(text_, lead - 1);
      const std::size_t first = skipSpaces(text_, above);
      if (text_[first] != '#' || first - above != column) break;
      lead = above;
    }
    return lead;
  }

  /// From `end` on: blank lines would be two in a row where those above `begin` remain.
  std::size_t skipDoubledBlankLines(std::size_t begin, std::size_t end) const {
    if (begin > 0 && !isBlankFrom(text_, lineBegin(text_, begin - 1))) return end;
    while (end < text_.size() && isBlankFrom(text_, end)) end = lineEnd(text_, end);
    return end;
  }

  void add(std::size_t begin, std::size_t end, std::string replacement) {
    if (begin < end || !replacement.empty()) changes_.edits.push_back({begin, end, std::move(replacement)});
  }

  std::string_view text_;
  BlockStyle style_;
  std::size_t limit_;
  Changes changes_;
};

}  // namespace

std::string apply(std::string_view text, std::vector<Edit> edits) {
  const std::size_t lineFeed = text.find('\n');
  const bool carriageReturns =
      lineFeed != std::string_view::npos && lineFeed > 0 && text[lineFeed - 1] == '\r';
  std::ranges::stable_sort(edits, {}, &Edit::begin);
  std::string result;
  std::size_t copied = 0;
  for (const Edit& edit : edits) {
    if (edit.begin > copied) result += text.substr(copied, edit.begin - copied);
    for (const char c : edit.replacement) {
      if (c == '\n' && carriageReturns) result += '\r';
      result += c;
    }
    copied = std::max({copied, edit.begin, edit.end});
  }
  return result += text.substr(copied);
}

std::optional<Changes> changesOf(std::string_view text, const Node& root, const json& before,
                                 const json& after, KeyOrder order, std::size_t limit) {
  Comparison comparison(text, root, order, limit);
  if (!comparison.change(root, before, after)) return std::nullopt;
  return comparison.take();
}

}  // namespace rookery::yaml

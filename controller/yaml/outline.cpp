#include "yaml/outline.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "yaml/tree.h"

namespace rookery::yaml {

namespace {

/// Thrown where yaml-cpp finds that the text is not YAML, and reads no further.
struct Malformed {};

class Outliner {
 public:
  Outliner(std::string_view text, std::size_t mostValues) : text_(text), mostValues_(mostValues) {}

  Outline outline() {
    try {
      while (nextToken()) continue;
    } catch (const Malformed&) {
      // Without a refusal: yaml-cpp's own is better.
    }
    if (!outline_.refusal) outline_.length = text_.size();
    return std::move(outline_);
  }

 private:
  /// A block collection that is open, or the mapping that would begin with what may be a key.
  struct Indent {
    std::ptrdiff_t column;
    bool isList;
    enum { Valid, Unknown, Invalid } status;
  };

  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool atEnd(std::size_t ahead = 0) const { return at_ + ahead >= text_.size(); }
  std::ptrdiff_t column() const { return static_cast<std::ptrdiff_t>(at_ - lineBegin_); }
  bool isOneOf(std::string_view characters, std::size_t ahead = 0) const {
    return !atEnd(ahead) && characters.contains(peek(ahead));
  }
  bool isBreak(std::size_t ahead = 0) const {
    return peek(ahead) == '\n' || (peek(ahead) == '\r' && peek(ahead + 1) == '\n');
  }
  bool isBlank(std::size_t ahead = 0) const { return isOneOf(" \t", ahead); }
  bool isBlankOrBreak(std::size_t ahead = 0) const { return isBlank(ahead) || isBreak(ahead); }
  bool endsWord(std::size_t ahead) const { return isBlankOrBreak(ahead) || atEnd(ahead); }
  bool inFlow() const { return flowDepth_ > 0; }
  std::ptrdiff_t topColumn() const { return indents_.empty() ? -1 : indents_.back().column; }

  bool isDocumentMark() const {
    const std::string_view rest = text_.substr(at_);
    return column() == 0 && (beginsWithMark(rest, "---") || beginsWithMark(rest, "..."));
  }

  void takeBreak() {
    at_ += peek() == '\r' ? 2U : 1U;
    lineBegin_ = at_;
  }

  void takeLine() {
    while (!atEnd() && !isBreak()) ++at_;
  }

  /// Whether there may be more of them to look at.
  bool nextToken() {
    skipToToken();
    popIndents();
    if (!inFlow() && !mayBeKey_ && !stuck_) held_ = 0;
    if (atEnd()) return false;
    if (column() == 0 && peek() == '%') {
      popAll();
      takeLine();
      return true;
    }
    if (isDocumentMark()) {
      popAll();
      at_ += 3;
      return true;
    }
    switch (peek()) {
      case '[':
      case '{':
        return openFlow();
      case ']':
      case '}':
        closeFlow();
        return true;
      case ',':
        keyAllowed_ = true;
        mayBeJson_ = false;
        return hold();
      case '-':
        if (endsWord(1)) return takeListItem();
        break;
      case '?':
        if (isBlankOrBreak(1)) return takeKey();
        break;
      case ':':
        if (isValue()) return takeValue();
        break;
      case '*':
      case '&':
        return takeName();
      case '!':
        return takeTag();
      case '|':
      case '>':
        if (!inFlow()) return takeBlock();
        break;
      case '\'':
      case '"':
        return takeQuoted();
      default:
        break;
    }
    return takePlain();
  }

  void skipToToken() {
    while (true) {
      while (isBlank()) {
        if (!inFlow() && peek() == '\t') keyAllowed_ = false;
        ++at_;
      }
      if (peek() == '#') takeLine();
      if (!isBreak()) return;
      takeBreak();
      if (inFlow()) continue;
      forgetKey();
      keyAllowed_ = true;
    }
  }

  /// What might have been a key of the block is none.
  void forgetKey() {
    if (mayBeKey_ && keyIndent_) indents_[*keyIndent_].status = Indent::Invalid;
    mayBeKey_ = false;
  }

  void popIndent() {
    const bool isValid = indents_.back().status == Indent::Valid;
    if (!isValid) forgetKey();
    indents_.pop_back();
  }

  void popIndents() {
    if (inFlow()) return;
    while (!indents_.empty()) {
      const Indent& top = indents_.back();
      const bool endsList = top.isList && (peek() != '-' || !endsWord(1));
      if (top.column < column() || (top.column == column() && !endsList)) break;
      popIndent();
    }
    while (!indents_.empty() && indents_.back().status == Indent::Invalid) popIndent();
  }

  /// At the end of a document, yaml-cpp forgets what may be a key and never decides about it.
  void popAll() {
    while (!inFlow() && !indents_.empty()) popIndent();
    stuck_ = stuck_ || inFlow() || mayBeKey_;
    mayBeKey_ = false;
    keyAllowed_ = mayBeJson_ = false;
  }

  /// Where one is to begin here. Returns false where the text is refused, as all do that return a bool.
  bool pushIndent(std::ptrdiff_t column, bool isList, bool isKey) {
    const bool isDeeper =
        column > topColumn() || (column == topColumn() && isList && !indents_.back().isList);
    if (inFlow() || !isDeeper) return true;
    indents_.push_back({column, isList, isKey ? Indent::Unknown : Indent::Valid});
    if (isKey) keyIndent_ = indents_.size() - 1;
    // One more than are open may be unknown.
    return indents_.size() <= maxDepth + 1 || refuseDepth();
  }

  bool insertKey() {
    if (inFlow() || !keyAllowed_ || mayBeKey_) return true;
    mayBeKey_ = true;
    keyBegin_ = at_;
    keyLine_ = lineBegin_;
    keyIndent_.reset();
    return pushIndent(column(), false, true);
  }

  /// Whether what might have been a key is one, now that a colon stands here.
  bool verifyKey() {
    if (!std::exchange(mayBeKey_, false)) return false;
    const bool isKey = keyLine_ == lineBegin_ && at_ - keyBegin_ <= 1024;
    if (keyIndent_) indents_[*keyIndent_].status = isKey ? Indent::Valid : Indent::Invalid;
    return isKey;
  }

  bool openFlow() {
    if (!insertKey()) return false;
    if (flowDepth_ == maxDepth) return refuseDepth();
    ++flowDepth_;
    keyAllowed_ = true;
    mayBeJson_ = false;
    return hold();
  }

  void closeFlow() {
    if (!inFlow()) throw Malformed();
    --flowDepth_;
    keyAllowed_ = false;
    mayBeJson_ = true;
    ++at_;
  }

  bool takeListItem() {
    if (inFlow() || !keyAllowed_) throw Malformed();
    if (!pushIndent(column(), true, false)) return false;
    mayBeJson_ = false;
    ++at_;
    return true;
  }

  bool takeKey() {
    if (!inFlow() && !keyAllowed_) throw Malformed();
    if (!pushIndent(column(), false, false)) return false;
    keyAllowed_ = !inFlow();
    ++at_;
    return true;
  }

  bool isValue() const {
    return inFlow() ? mayBeJson_ || isBlankOrBreak(1) || isOneOf(",]}", 1) : endsWord(1);
  }

  bool takeValue() {
    mayBeJson_ = false;
    if (!inFlow()) {
      if (verifyKey()) {
        keyAllowed_ = false;
      } else {
        if (!keyAllowed_) throw Malformed();
        if (!pushIndent(column(), false, false)) return false;
        keyAllowed_ = true;
      }
    }
    ++at_;
    return true;
  }

  bool takeName() {
    if (!insertKey()) return false;
    keyAllowed_ = mayBeJson_ = false;
    ++at_;
    const std::size_t begin = at_;
    while (!atEnd() && !isOneOf("[]{},") && !isBlankOrBreak()) ++at_;
    if (at_ == begin || isOneOf("[{")) throw Malformed();
    return true;
  }

  static bool isWord(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  }
  bool isHex(std::size_t ahead) const { return isOneOf("0123456789abcdefABCDEF", ahead); }

  /// Returns whether it is all letters, digits and hyphens.
  bool takeTagCharacters() {
    bool isHandle = true;
    while (!atEnd()) {
      if (isWord(peek())) {
        ++at_;
      } else if (isOneOf("#;/?:@&=+$_.~*'()")) {
        isHandle = false;
        ++at_;
      } else if (peek() == '%' && isHex(1) && isHex(2)) {
        isHandle = false;
        at_ += 3;
      } else {
        break;
      }
    }
    return isHandle;
  }

  bool takeTag() {
    if (!insertKey()) return false;
    keyAllowed_ = mayBeJson_ = false;
    ++at_;
    if (peek() == '<') {
      while (!atEnd() && peek() != '>') {
        if (isBlankOrBreak()) throw Malformed();
        ++at_;
      }
      if (atEnd()) throw Malformed();
      ++at_;
      return true;
    }
    const bool isHandle = takeTagCharacters();
    if (peek() != '!') return true;
    if (!isHandle) throw Malformed();
    ++at_;
    takeTagCharacters();
    return true;
  }

  bool takeQuoted() {
    if (!insertKey()) return false;
    keyAllowed_ = false;
    mayBeJson_ = true;
    const std::size_t begin = at_;
    const char quote = text_[at_++];
    while (!atEnd()) {
      if (isDocumentMark()) throw Malformed();
      if (isBreak()) {
        takeBreak();
      } else if (quote == '"' && peek() == '\\') {
        ++at_;
        if (!isBreak()) ++at_;
      } else if (quote == '\'' && peek() == '\'' && peek(1) == '\'') {
        at_ += 2;
      } else if (text_[at_++] == quote) {
        return true;
      }
    }
    at_ = text_.size();
    return refuse({PlaceFinder(text_).at(begin), "the quotation mark here is never closed"});
  }

  bool endsPlain() const {
    if (isBlankOrBreak() && peek(peek() == '\r' ? 2 : 1) == '#') return true;
    if (peek() == ':' && (endsWord(1) || (inFlow() && isOneOf(",]}", 1)))) return true;
    return inFlow() && isOneOf(",?[]{}");
  }

  bool takePlain() {
    if (isOneOf(inFlow() ? "?,[]{}#&*!|>'\"%@`" : ",[]{}#&*!|>'\"%@`")) throw Malformed();
    const bool isLone = inFlow() ? isOneOf("-:") && (isBlank(1) || atEnd(1)) : isOneOf("-?:") && endsWord(1);
    if (isLone) throw Malformed();
    const std::ptrdiff_t indent = inFlow() ? 0 : topColumn() + 1;
    if (!insertKey()) return false;
    keyAllowed_ = mayBeJson_ = false;
    while (!atEnd()) {
      while (!atEnd() && !endsPlain() && !isBreak() && !isDocumentMark()) ++at_;
      if (atEnd() || isDocumentMark() || endsPlain()) return true;
      takeBreak();
      while (isBlank() && !endsPlain()) {
        if (peek() == '\t' && column() < indent) throw Malformed();
        ++at_;
      }
      if (!isBreak() && column() < indent) {
        keyAllowed_ = !inFlow();
        return true;
      }
    }
    return true;
  }

  bool takeBlock() {
    ++at_;
    std::optional<std::ptrdiff_t> digit;
    const auto takeIndicator = [&](bool isDigit) {
      if (!isOneOf(isDigit ? "0123456789" : "+-")) return false;
      if (isDigit) digit = peek() - '0';
      ++at_;
      return true;
    };
    if (takeIndicator(false)) {
      takeIndicator(true);
    } else if (takeIndicator(true)) {
      takeIndicator(false);
    }
    if (digit == 0) throw Malformed();
    while (isBlank()) ++at_;
    if (peek() == '#') takeLine();
    if (!atEnd() && !isBreak()) throw Malformed();
    std::ptrdiff_t indent = digit.value_or(1) + std::max<std::ptrdiff_t>(topColumn(), 0);
    bool isFound = digit.has_value();  // how far it is indented
    while (!atEnd()) {
      takeLine();
      if (atEnd()) break;
      takeBreak();
      while (peek() == ' ' && (column() < indent || !isFound)) ++at_;
      if (!isFound) indent = std::max(indent, column());
      if (peek() == '\t' && column() < indent) throw Malformed();
      if (isBreak()) continue;
      if (column() < indent) break;
      isFound = true;
    }
    keyAllowed_ = true;
    mayBeJson_ = false;
    return true;
  }

  /// Counts a bracket or a comma here: of those, a list or mapping has at most two for each of its values,
  /// and all other tokens but what comes of these take two characters or more.
  bool hold() {
    if (++held_ > 2 * mostValues_) return refuse(tooManyValues(place(), mostValues_));
    ++at_;
    return true;
  }

  bool refuseDepth() { return refuse(tooDeep(place())); }

  bool refuse(Refusal refusal) {
    outline_.refusal = std::move(refusal);
    outline_.length = at_;
    return false;
  }

  Place place() const { return PlaceFinder(text_).at(at_); }

  std::string_view text_;
  const std::size_t mostValues_;
  Outline outline_;
  std::size_t at_ = 0, lineBegin_ = 0;
  std::size_t held_ = 0;  // brackets and commas since yaml-cpp could last hand out everything
  std::size_t flowDepth_ = 0;
  std::vector<Indent> indents_;
  bool keyAllowed_ = true;
  bool mayBeJson_ = false;                // a colon right here ends a key
  bool stuck_ = false;                    // yaml-cpp holds everything from here on
  bool mayBeKey_ = false;                 // of a block: what began at keyBegin_
  std::optional<std::size_t> keyIndent_;  // the place in indents_ of the mapping that it would begin
  std::size_t keyBegin_ = 0, keyLine_ = 0;
};

}  // namespace

Outline outlineOf(std::string_view text, std::size_t mostValues) {
  return Outliner(text, mostValues).outline();
}

}  // namespace rookery::yaml

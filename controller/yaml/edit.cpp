#include "yaml/edit.h"

#include <fmt/format.h>

#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "yaml/changes.h"
#include "yaml/tree.h"
#include "yaml/writer.h"

namespace rookery::yaml {

using nlohmann::json;
using Documents = std::vector<Document>;

namespace {

/// A text, and one of its documents that is to be another.
class Editor {
 public:
  Editor(std::string_view text, Notation notation, const Documents& documents, std::size_t document)
      : text_(text), notation_(notation), documents_(documents), document_(document) {
    const std::size_t root = rootBegin();
    for (const Segment& segment : splitSegments(text)) {
      if (segment.begin <= root) segment_ = segment;
    }
  }

  /// None: no way of writing it reads as `after`.
  std::optional<std::string> edit(const json& after, KeyOrder order) const {
    if (notation_ == Notation::Yaml) {
      if (auto edited = editInPlace(after, order)) return edited;
    }
    for (const bool keepingComments : {true, false}) {
      std::string rewritten = rewrite(after, order, keepingComments);
      if (says(rewritten, &after)) return rewritten;
    }
    return std::nullopt;
  }

  std::optional<std::string> erase() const {
    std::string rest(text_.substr(0, segment_.begin));
    if (segment_.begin == 0 && !beginsWithMarker()) rest = header();
    std::size_t end = segment_.end;
    // The "..." that ended this document would end nothing.
    if (text_.substr(end).starts_with("...")) end = lineEnd(text_, end);
    rest += text_.substr(end);
    if (says(rest, nullptr)) return rest;
    return std::nullopt;
  }

 private:
  std::size_t rootBegin() const { return offsetOf(text_, documents_[document_].places.value); }
  bool beginsWithMarker() const { return beginsWithMark(text_.substr(segment_.begin), "---"); }

  /// Whether `candidate` says what the text says but for this document, which is `after` or gone (null).
  bool says(std::string_view candidate, const json* after) const {
    const auto documents = parse(candidate, notation_);
    if (!documents || documents->size() + (after == nullptr ? 1 : 0) != documents_.size()) return false;
    for (std::size_t i = 0, old = 0; i < documents->size(); ++i, ++old) {
      if (after == nullptr && old == document_) ++old;
      const Document& document = (*documents)[i];
      const bool edited = after != nullptr && i == document_;
      if (edited ? !document.duplicates.empty()
                 : document.duplicates.size() != documents_[old].duplicates.size())
        return false;
      if (document.value != (edited ? *after : documents_[old].value)) return false;
    }
    return true;
  }

  std::optional<std::string> editInPlace(const json& after, KeyOrder order) const {
    const Document& document = documents_[document_];
    const std::optional<Node> root = layOut(text_, document);
    if (!root) return std::nullopt;
    // What turns out not to say `after` is tried again with more of it written anew.
    for (std::size_t limit = std::numeric_limits<std::size_t>::max(); limit > 0;) {
      auto changes = changesOf(text_, *root, document.value, after, order, limit);
      if (!changes) return std::nullopt;
      std::string edited = apply(text_, std::move(changes->edits));
      if (says(edited, &after)) return edited;
      limit = changes->deepest;
    }
    return std::nullopt;
  }

  /// The text with the whole document written anew.
  std::string rewrite(const json& after, KeyOrder order, bool keepingComments) const {
    const std::size_t line = lineBegin(text_, rootBegin());
    const bool ownLine = line > segment_.begin || !beginsWithMarker();
    const std::string written = notation_ == Notation::Json ? toJson(after, order) : toYaml(after, order);
    if (keepingComments && ownLine) return apply(text_, {{line, segment_.end, written}});
    return apply(text_, {{segment_.begin, segment_.end, (beginsWithMarker() ? "---\n" : "") + written}});
  }

  /// The comment at the top of the file, if a blank line sets it apart from the document.
  std::string header() const {
    std::size_t end = lineBegin(text_, rootBegin());
    while (end > 0 && !isBlankFrom(text_, lineBegin(text_, end - 1))) end = lineBegin(text_, end - 1);
    const std::string_view above = text_.substr(0, end);
    return above.contains('#') ? std::string(above) : "";
  }

  std::string_view text_;
  Notation notation_;
  const Documents& documents_;
  std::size_t document_;
  Segment segment_;
};

std::unexpected<Error> refuse(std::string message) {
  return fail(Reason::InvalidManifest, std::move(message));
}

std::unexpected<Error> refuseValue() {
  return refuse("the value cannot be written so that it reads the same; is all of it UTF-8?");
}

Result<void> checkWritable(const json& value) {
  if (value.is_null()) return refuse("a document cannot be nothing; remove it instead");
  if (isTooDeep(value)) {
    return refuse(fmt::format("the value is nested more than {} levels deep", maxDepth));
  }
  return {};
}

Result<Documents> documentsOf(std::string_view text, std::size_t document, Notation notation) {
  auto documents = parse(text, notation);
  if (!documents) {
    const Problem& problem = documents.error();
    return refuse(fmt::format("line {}: {}", problem.place.line, problem.message));
  }
  if (document >= documents->size()) {
    return refuse(
        fmt::format("the text has {} documents, none of them is number {}", documents->size(), document + 1));
  }
  return std::move(*documents);
}

/// Has `work` done on the text without its byte order mark.
template <class Work>
Result<std::string> withoutMark(std::string_view text, Work work) {
  const bool marked = text.starts_with(byteOrderMark);
  if (marked) text.remove_prefix(byteOrderMark.size());
  Result<std::string> result = work(text);
  if (result && marked) result->insert(0, byteOrderMark);
  return result;
}

}  // namespace

Result<std::string> create(const json& value, KeyOrder order) {
  if (auto possible = checkWritable(value); !possible) return std::unexpected(possible.error());
  std::string text = toYaml(value, order);
  const auto documents = parse(text);
  if (!documents || documents->size() != 1 || documents->front().value != value) return refuseValue();
  return text;
}

Result<std::string> edit(std::string_view text, std::size_t document, const json& after, Notation notation,
                         KeyOrder order) {
  if (auto possible = checkWritable(after); !possible) return std::unexpected(possible.error());
  return withoutMark(text, [&](std::string_view bare) -> Result<std::string> {
    const Result<Documents> documents = documentsOf(bare, document, notation);
    if (!documents) return std::unexpected(documents.error());
    if ((*documents)[document].value == after) return std::string(bare);
    const bool last = document + 1 == documents->size();
    const bool open = !bare.empty() && !bare.ends_with('\n');
    // Lines are added below lines that end.
    const std::string closed = std::string(bare) + (last && open ? "\n" : "");
    auto edited = Editor(closed, notation, *documents, document).edit(after, order);
    if (!edited) return refuseValue();
    return std::move(*edited);
  });
}

Result<std::string> erase(std::string_view text, std::size_t document, Notation notation) {
  return withoutMark(text, [&](std::string_view bare) -> Result<std::string> {
    const Result<Documents> documents = documentsOf(bare, document, notation);
    if (!documents) return std::unexpected(documents.error());
    auto rest = Editor(bare, notation, *documents, document).erase();
    if (!rest) return refuse("the document cannot be told from the others; remove it by hand");
    return std::move(*rest);
  });
}

}  // namespace rookery::yaml

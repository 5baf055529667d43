#include "api/document_cache.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "api/findings.h"
#include "yaml/pieces.h"

namespace rookery::api {

namespace {

/// One document, or what stands above the first, as it was read.
struct ReadPiece {
  yaml::Piece piece;
  std::size_t values = 0, bytes = 0;  // see yaml::Part
  std::shared_ptr<const Manifest> manifest;
};

/// An object that stands that many lines further down, or up.
ObjectPtr moved(const Object& object, std::size_t lines) {
  auto copy = std::make_shared<Object>(object);
  copy->origin.line += lines;
  copy->places.move(lines);
  return copy;
}

/// The same elsewhere in its file; nothing: mistakes may tell of lines.
std::optional<ReadPiece> moved(const ReadPiece& old, const yaml::Piece& to) {
  ReadPiece read = old;
  read.piece = to;
  if (to.line == old.piece.line) return read;
  if (!old.manifest->problems.empty()) return std::nullopt;
  auto manifest = std::make_shared<Manifest>(*old.manifest);
  // Unsigned numbers wrap around, and back.
  for (ObjectPtr& object : manifest->objects) object = moved(*object, to.line - old.piece.line);
  read.manifest = std::move(manifest);
  return read;
}

}  // namespace

struct DocumentCache::File {
  std::filesystem::path root;
  bool namesGroup = false;
  std::string text;
  std::vector<ReadPiece> pieces;

  std::string_view textOf(const ReadPiece& read) const {
    return std::string_view(text).substr(read.piece.begin, read.piece.end - read.piece.begin);
  }
  bool isLast(const ReadPiece& read) const { return read.piece.end == text.size(); }
};

namespace {

/// Finds pieces of the text that a file held before. Most stand where they stood, or all as far from the end.
template <class File>
class KnownPieces {
 public:
  KnownPieces(const File* file, std::size_t count) : file_(file), count_(count) {}

  /// What reads the same at the end of a text as in the midst of it need not; so the last is the last.
  const ReadPiece* find(std::string_view text, std::size_t index, bool isLast) {
    if (file_ == nullptr) return nullptr;
    const std::vector<ReadPiece>& pieces = file_->pieces;
    const auto same = [&](std::size_t at) {
      return at < pieces.size() && file_->isLast(pieces[at]) == isLast && file_->textOf(pieces[at]) == text;
    };
    if (same(index)) return &pieces[index];
    const std::size_t fromEnd = index + pieces.size() - count_;  // wraps around to none
    if (same(fromEnd)) return &pieces[fromEnd];
    if (byText_.empty()) {
      for (const ReadPiece& piece : pieces) byText_.emplace(file_->textOf(piece), &piece - pieces.data());
    }
    const auto found = byText_.find(text);
    return found != byText_.end() && same(found->second) ? &pieces[found->second] : nullptr;
  }

 private:
  const File* file_;
  const std::size_t count_;
  std::unordered_map<std::string_view, std::size_t> byText_;
};

/// Nothing: they have more mistakes than are told, and which are depends on all of them.
std::optional<Manifest> join(const std::vector<ReadPiece>& pieces) {
  Manifest joined;
  for (const ReadPiece& read : pieces) {
    const Manifest& part = *read.manifest;
    joined.objects.insert(joined.objects.end(), part.objects.begin(), part.objects.end());
    joined.problems.insert(joined.problems.end(), part.problems.begin(), part.problems.end());
    joined.invalid.insert(part.invalid.begin(), part.invalid.end());
    joined.parsed = joined.parsed && part.parsed;
    joined.foreign += part.foreign;
  }
  if (joined.problems.size() >= Findings::mostProblems) return std::nullopt;
  if (!joined.parsed) joined.objects.clear();
  Findings::sort(joined.problems);
  return joined;
}

}  // namespace

DocumentCache::DocumentCache() = default;
DocumentCache::~DocumentCache() = default;

std::shared_ptr<const DocumentCache::File> DocumentCache::known(const Origin& file, bool namesGroup) const {
  const std::lock_guard lock(mutex_);
  const auto found = files_.find(file.file);
  if (found == files_.end()) return nullptr;
  const bool same = found->second->root == file.root && found->second->namesGroup == namesGroup;
  return same ? found->second : nullptr;
}

std::optional<Manifest> DocumentCache::parse(std::string_view text, const Origin& file, bool namesGroup,
                                             const Read& read) {
  if (text.starts_with(yaml::byteOrderMark)) text.remove_prefix(yaml::byteOrderMark.size());
  const std::vector<yaml::Piece> pieces = yaml::cut(text);
  if (pieces.size() < 2) return std::nullopt;
  const std::shared_ptr<const File> before = known(file, namesGroup);
  KnownPieces<File> knownPieces(before.get(), pieces.size());
  auto now = std::make_shared<File>(
      File{.root = file.root, .namesGroup = namesGroup, .text = std::string(text), .pieces = {}});
  now->pieces.reserve(pieces.size());
  std::size_t values = 0, bytes = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const yaml::Piece& piece = pieces[i];
    std::optional<ReadPiece> done;
    const ReadPiece* same =
        knownPieces.find(text.substr(piece.begin, piece.end - piece.begin), i, piece.end == text.size());
    if (same != nullptr) done = moved(*same, piece);
    if (!done) {
      auto part = yaml::readPiece(text, piece);
      if (!part) return std::nullopt;
      done = ReadPiece{piece, part->values, part->bytes,
                       std::make_shared<const Manifest>(read(std::move(part->documents)))};
    }
    values += done->values;
    bytes += done->bytes;
    if (!yaml::fits(text.size(), values, bytes)) return std::nullopt;
    now->pieces.push_back(*std::move(done));
  }
  auto manifest = join(now->pieces);
  if (!manifest) return std::nullopt;
  const std::lock_guard lock(mutex_);
  files_[file.file] = std::move(now);
  return manifest;
}

void DocumentCache::keepOnly(const std::function<bool(const std::filesystem::path& file)>& wanted) {
  const std::lock_guard lock(mutex_);
  std::erase_if(files_, [&](const auto& item) { return !wanted(item.first); });
}

}  // namespace rookery::api

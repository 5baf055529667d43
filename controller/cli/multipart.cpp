#include "cli/multipart.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

namespace rookery::cli {
namespace {

constexpr std::size_t pieceSize = std::size_t{256} << 10;
constexpr std::string_view lineEnd = "\r\n";

/// What no file holds by chance: 128 random bits.
std::string makeBoundary() {
  std::random_device random;
  return fmt::format("rookery-{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

/// In quotation marks, as browsers write it (RFC 7578, section 2).
std::string inQuotes(std::string_view name) {
  std::string text = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\r' || c == '\n') {
      text += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      text += c;
    }
  }
  return text + '"';
}

}  // namespace

MultipartForm::MultipartForm(const Fields& fields) : boundary_(makeBoundary()) {
  for (const auto& [name, text] : fields) {
    head_ += fmt::format("{}{}{}{}{}{}", partHead(), inQuotes(name), lineEnd, lineEnd, text, lineEnd);
  }
  tail_ = fmt::format("--{}--{}", boundary_, lineEnd);
}

MultipartForm::MultipartForm(const Fields& fields, const std::string& fileField, const std::string& fileName,
                             const image::File& file)
    : MultipartForm(fields) {
  file_ = &file;
  head_ += fmt::format("{}{}; filename={}{}Content-Type: application/octet-stream{}{}", partHead(),
                       inQuotes(fileField), inQuotes(fileName), lineEnd, lineEnd, lineEnd);
  tail_.insert(0, lineEnd);
}

std::string MultipartForm::partHead() const {
  return fmt::format("--{}{}Content-Disposition: form-data; name=", boundary_, lineEnd);
}

std::string MultipartForm::contentType() const { return "multipart/form-data; boundary=" + boundary_; }

Result<std::string_view> MultipartForm::read(std::uint64_t offset) {
  if (offset < head_.size()) return std::string_view(head_).substr(offset);
  offset -= head_.size();
  if (offset >= fileSize()) {
    // What was sent is one state of the file, or the form never ends.
    if (file_ != nullptr && !file_->unchanged()) return file_->changed();
    return std::string_view(tail_).substr(offset - fileSize());
  }
  piece_.resize(std::min<std::uint64_t>(pieceSize, fileSize() - offset));
  if (auto filled = file_->readInto(offset, piece_); !filled) return std::unexpected(filled.error());
  return piece_;
}

}  // namespace rookery::cli

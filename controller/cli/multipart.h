#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cli/api_client.h"
#include "image/file.h"

namespace rookery::cli {

/// A form (multipart/form-data, RFC 7578): text fields first, and a file last if there is one. The file is
/// read while the form is sent, piece by piece.
class MultipartForm : public BodySource {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;  // name and text, in this order

  explicit MultipartForm(const Fields& fields);
  /// `file` must outlive the form; the server is told that it is called `fileName`.
  MultipartForm(const Fields& fields, const std::string& fileField, const std::string& fileName,
                const image::File& file);

  std::string contentType() const override;
  std::uint64_t size() const override { return head_.size() + fileSize() + tail_.size(); }
  std::uint64_t headSize() const override { return head_.size(); }
  /// Errors: ImageUnreadable, ImageChanged.
  Result<std::string_view> read(std::uint64_t offset) override;

 private:
  std::string partHead() const;
  std::uint64_t fileSize() const { return file_ == nullptr ? 0 : file_->size(); }

  std::string boundary_;
  std::string head_;  // the fields, and the headers of the file
  const image::File* file_ = nullptr;
  std::string tail_;
  std::string piece_;  // of the file
};

}  // namespace rookery::cli

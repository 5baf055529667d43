#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cli/api_client.h"
#include "image/file.h"

namespace rookery::cli {

/// A form with a file (multipart/form-data, RFC 7578): text fields first, the file last. The file is read
/// while the form is sent, piece by piece.
class MultipartForm : public BodySource {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;  // name and text, in this order

  /// `file` must outlive the form; the server is told that it is called `fileName`.
  MultipartForm(const Fields& fields, const std::string& fileField, const std::string& fileName,
                const image::File& file);

  std::string contentType() const override;
  std::uint64_t size() const override { return head_.size() + file_.size() + tail_.size(); }
  std::uint64_t headSize() const override { return head_.size(); }
  /// Errors: ImageUnreadable, ImageChanged.
  Result<std::string_view> read(std::uint64_t offset) override;

 private:
  std::string boundary_;
  std::string head_;  // the fields, and the headers of the file
  const image::File& file_;
  std::string tail_;
  std::string piece_;  // of the file
};

}  // namespace rookery::cli

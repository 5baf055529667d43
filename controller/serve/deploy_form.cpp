#include "serve/deploy_form.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <utility>

#include "api/mention.h"
#include "api/syntax.h"
#include "text.h"
#include "yaml/yaml.h"

namespace rookery::serve {

using nlohmann::json;

namespace {

constexpr std::size_t maxTextBytes = 1 << 10;  // longer than any name
constexpr std::size_t sha256Bytes = 32;

std::string_view afterFolders(std::string_view path) {
  const std::size_t slash = path.find_last_of("/\\");
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

/// The spec that a client wrote as JSON or YAML, nothing where it wrote none; the error says what is wrong.
std::expected<std::optional<json>, std::string> parseConfig(std::string_view text,
                                                            const http::PartHead& head) {
  if (api::isBlank(text)) return std::nullopt;
  const bool isJson =
      toLower(head.contentType).starts_with(http::jsonType) || text[text.find_first_not_of(" \t\r\n")] == '{';
  auto documents = yaml::parse(text, isJson ? yaml::Notation::Json : yaml::Notation::Yaml);
  const auto at = [](const yaml::Problem& problem) {
    return fmt::format("line {}, column {}: {}", problem.place.line, problem.place.column, problem.message);
  };
  if (!documents) return std::unexpected(at(documents.error()));
  if (documents->empty()) return std::nullopt;
  if (documents->size() > 1) return std::unexpected("it must be one document");
  yaml::Document& document = documents->front();
  if (!document.duplicates.empty()) return std::unexpected(at(document.duplicates.front()));
  if (document.value.is_null()) return std::nullopt;
  if (!document.value.is_object()) return std::unexpected("it must be the spec of a Unikernel: a mapping");
  if (document.value.contains("image"))
    return std::unexpected("it must not have an image: that is what the field binary is");
  return std::move(document.value);
}

/// Reads one form.
class FormReader {
 public:
  using Refusal = std::function<std::optional<http::Response>(const std::string& nameSpace)>;

  FormReader(http::MultipartReader& reader, image::ImageStore& images, ImagePart image,
             const Refusal& refusal)
      : reader_(reader), images_(images), image_(image), refusal_(refusal) {}

  std::expected<DeployForm, http::Response> read() {
    while (true) {
      const auto head = reader_.nextPart();
      if (!head) return std::unexpected(failure(head.error()));
      if (!*head) break;
      if (auto refused = readPart(**head)) return std::unexpected(*std::move(refused));
    }
    if (name_.empty()) {
      return std::unexpected(invalidDeployment(name_, "name", fieldValueRequired,
                                               "give the unikernel a name in the field name"));
    }
    if (auto refused = refusal_(nameSpace_)) return std::unexpected(*std::move(refused));
    if (auto trouble = settleImage()) return std::unexpected(*std::move(trouble));
    return DeployForm{.instance = std::move(instance_),
                      .nameSpace = std::move(nameSpace_),
                      .name = std::move(name_),
                      .config = std::move(config_),
                      .forceCreate = forceCreate_,
                      .imageName = std::move(imageName_),
                      .sha256 = std::move(sha256_),
                      .size = size_,
                      .binary = std::move(binary_)};
  }

 private:
  using Trouble = std::optional<http::Response>;

  Trouble readPart(const http::PartHead& head) {
    static constexpr std::pair<std::string_view, Trouble (FormReader::*)(const http::PartHead&)> fields[] = {
        {"binary", &FormReader::readBinary},      {"config", &FormReader::readConfig},
        {"force_create", &FormReader::readForce}, {"instance", &FormReader::readInstance},
        {"name", &FormReader::readName},          {"namespace", &FormReader::readNamespace},
        {"sha256", &FormReader::readSha256},      {"size", &FormReader::readSize},
    };
    const auto field = std::ranges::find(fields, head.name, [](const auto& entry) { return entry.first; });
    if (field == std::end(fields)) {
      return failure(400, fmt::format("the form has a field {}, which no deployment has; there is instance, "
                                      "namespace, name, config, force_create, sha256, size and binary",
                                      quote(head.name)));
    }
    if (!seen_.insert(head.name).second)
      return failure(400, fmt::format("the form has the field {} twice", head.name));
    return (this->*field->second)(head);
  }

  Trouble readText(const http::PartHead& head, std::string& text, std::size_t limit = maxTextBytes) {
    auto read = reader_.readField(head.name, limit);
    if (!read) return failure(read.error());
    if (!read->empty()) text = *std::move(read);
    return std::nullopt;
  }

  Trouble readInstance(const http::PartHead& head) { return readText(head, instance_); }
  Trouble readName(const http::PartHead& head) { return readText(head, name_); }

  Trouble readNamespace(const http::PartHead& head) {
    if (auto trouble = readText(head, nameSpace_)) return trouble;
    return refusal_(nameSpace_);
  }

  Trouble readForce(const http::PartHead& head) {
    std::string text = "false";
    if (auto trouble = readText(head, text)) return trouble;
    if (text != "true" && text != "false") {
      return invalidDeployment(name_, head.name, fieldValueInvalid,
                               fmt::format("it is true or false, not {}", quote(text)));
    }
    forceCreate_ = text == "true";
    return std::nullopt;
  }

  Trouble readSha256(const http::PartHead& head) {
    if (auto trouble = readText(head, sha256_)) return trouble;
    sha256_ = toLower(sha256_);
    if (sha256_.empty() || image::fromHex(sha256_).size() == sha256Bytes) return std::nullopt;
    return invalidDeployment(name_, head.name, fieldValueInvalid,
                             "it is the SHA-256 of the image, in 64 hexadecimal digits");
  }

  Trouble readSize(const http::PartHead& head) {
    std::string text = "0";
    if (auto trouble = readText(head, text)) return trouble;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size_);
    if (error == std::errc() && end == text.data() + text.size()) return std::nullopt;
    return invalidDeployment(name_, head.name, fieldValueInvalid,
                             fmt::format("it is the size of the image in bytes, not {}", quote(text)));
  }

  Trouble readConfig(const http::PartHead& head) {
    std::string text;
    if (auto trouble = readText(head, text, maxObjectBytes)) return trouble;
    auto config = parseConfig(text, head);
    if (!config) return invalidDeployment(name_, head.name, fieldValueInvalid, config.error());
    config_ = *std::move(config);
    return std::nullopt;
  }

  Trouble readBinary(const http::PartHead& head) {
    if (head.filename && !afterFolders(*head.filename).empty()) imageName_ = afterFolders(*head.filename);
    auto incoming = images_.begin();
    if (!incoming) return failure(incoming.error());
    while (true) {
      const auto piece = reader_.next();
      if (!piece) return failure(piece.error());
      if (piece->empty()) break;
      if (const auto written = incoming->write(*piece); !written) return failure(written.error());
    }
    binary_ = *std::move(incoming);
    return std::nullopt;
  }

  /// The image is there, and the one that is meant; or it is known which it will be.
  Trouble settleImage() {
    if (!binary_) {
      if (image_ == ImagePart::Required)
        return invalidDeployment(name_, "binary", fieldValueRequired, "send the image in the field binary");
      if (!sha256_.empty()) return std::nullopt;
      return invalidDeployment(
          name_, "sha256", fieldValueRequired,
          "say which image it will be in the field sha256, or send it in the field binary");
    }
    const std::string found = binary_->sha256();
    if (!sha256_.empty() && sha256_ != found) {
      return invalidDeployment(
          name_, "sha256", fieldValueInvalid,
          fmt::format("the image that came has the digest {}: it is another, or was changed on its way",
                      found));
    }
    if (size_ != 0 && size_ != binary_->size()) {
      return invalidDeployment(name_, "size", fieldValueInvalid,
                               fmt::format("{} bytes came of the image", binary_->size()));
    }
    sha256_ = found;
    size_ = binary_->size();
    return std::nullopt;
  }

  http::MultipartReader& reader_;
  image::ImageStore& images_;
  const ImagePart image_;
  const Refusal& refusal_;
  std::set<std::string> seen_;
  std::string instance_, nameSpace_ = "default", name_, imageName_ = "binary", sha256_;
  std::uint64_t size_ = 0;
  std::optional<json> config_;
  bool forceCreate_ = false;
  std::optional<image::ImageStore::Incoming> binary_;
};

}  // namespace

std::expected<DeployForm, http::Response> readDeployForm(
    http::MultipartReader& reader, image::ImageStore& images, ImagePart image,
    const std::function<std::optional<http::Response>(const std::string& nameSpace)>& refusal) {
  return FormReader(reader, images, image, refusal).read();
}

http::Response invalidDeployment(const std::string& name, std::string_view field, std::string_view reason,
                                 const std::string& message) {
  return failure(422, fmt::format("the deployment of {} is invalid: {}: {}", quote(name), field, message),
                 {.name = name,
                  .group = "rookery.dev",
                  .kind = "Unikernel",
                  .causes = {{std::string(reason), message, std::string(field)}}});
}

}  // namespace rookery::serve

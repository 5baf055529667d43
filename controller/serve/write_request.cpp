#include "serve/write_request.h"

#include <fmt/format.h>

#include <chrono>

#include "api/json_path.h"
#include "serve/access.h"
#include "serve/failure.h"
#include "text.h"
#include "yaml/writer.h"
#include "yaml/yaml.h"

namespace rookery::serve {
namespace {

using nlohmann::json;

/// "All" anywhere: DeleteOptions carry it in the body, everything else in the query.
std::expected<bool, http::Response> readDryRun(const json& value) {
  const bool blank = value.is_string() && value.get_ref<const std::string&>().empty();
  if (blank || value.is_null() || (value.is_array() && value.empty())) return false;
  if (value == "All" || value == json::array({"All"})) return true;
  return std::unexpected(failure(
      422, fmt::format("dryRun: Unsupported value: {}: supported values: \"All\"", yaml::dump(value))));
}

std::expected<FieldValidation, http::Response> readValidation(const std::string& text) {
  if (text.empty() || text == "Strict") return FieldValidation::Strict;
  if (text == "Warn") return FieldValidation::Warn;
  if (text == "Ignore") return FieldValidation::Ignore;
  return std::unexpected(failure(
      422, fmt::format("fieldValidation: Unsupported value: {}: supported values: \"Ignore\", \"Strict\", "
                       "\"Warn\"",
                       quote(text))));
}

/// Of a patch, patchOf() judges the type.
bool isReadable(std::string_view type) {
  return type.empty() || type == "application/json" || type == "application/yaml";
}

std::unexpected<http::Response> unreadable(const yaml::Problem& problem) {
  if (!problem.field.empty()) {
    return std::unexpected(
        failure(400, fmt::format("strict decoding error: duplicate field \"{}\"", problem.field)));
  }
  return std::unexpected(
      failure(400, fmt::format("the body cannot be read: line {}, column {}: {}", problem.place.line,
                               problem.place.column, problem.message)));
}

std::expected<json, http::Response> parseYamlBody(std::string_view text) {
  auto documents = yaml::parse(text);
  if (!documents) return unreadable(documents.error());
  if (documents->size() != 1) return std::unexpected(failure(400, "the body must be one document"));
  if (!documents->front().duplicates.empty()) return unreadable(documents->front().duplicates.front());
  return std::move(documents->front().value);
}

/// What a page or kubectl asks many of at once, as whether somebody may do something: JSON that needs no
/// place, as it takes no more than what it was read into.
constexpr std::size_t smallBytes = 4 << 10;

/// Leaves `read` with a place in `parsing` where there is something to parse that may take much.
std::expected<json, http::Response> readBody(const Request& request, std::string_view verb,
                                             Admission& parsing, WriteRequest& read) {
  if (request.body == nullptr) return json();
  const std::string_view type =
      std::string_view(request.contentType).substr(0, request.contentType.find(';'));
  if (verb != "patch" && !isReadable(type)) {
    return std::unexpected(
        failure(415,
                "the body of the request was in an unknown format - accepted media types include: "
                "application/json, application/yaml"));
  }
  // A slow client holds up nobody: it has its place only once all is there.
  const auto text = http::readAll(*request.body, maxObjectBytes);
  if (!text) return std::unexpected(failure(text.error()));
  if (text->empty()) return json();
  const bool isYaml = type == "application/yaml" || type == "application/apply-patch+yaml";
  if (isYaml || text->size() > smallBytes) {
    read.place = parsing.enter(accountOf(request.caller, request.peer));
    if (!read.place) {
      return std::unexpected(
          tooManyRequests("too many changes at the same time: try again", std::chrono::seconds(1)));
    }
  }
  if (isYaml) return parseYamlBody(*text);
  auto value = yaml::parseJson(*text);
  if (!value) return unreadable(value.error());
  return *std::move(value);
}

}  // namespace

std::expected<bool, http::Response> dryRunOf(const http::Target& target) {
  return readDryRun(http::parameterOf(target.query, "dryRun"));
}

std::expected<WriteRequest, http::Response> readWriteRequest(const Request& request,
                                                             const http::Target& target,
                                                             std::string_view verb, Admission& parsing) {
  WriteRequest read;
  auto body = readBody(request, verb, parsing, read);
  if (!body) return std::unexpected(std::move(body.error()));
  read.body = *std::move(body);
  const auto validation = readValidation(http::parameterOf(target.query, "fieldValidation"));
  if (!validation) return std::unexpected(validation.error());
  read.options.validation = *validation;
  json dryRun = http::parameterOf(target.query, "dryRun");
  if (verb == "delete" && read.body.is_object()) {
    if (const json inBody = read.body.value("dryRun", json()); !inBody.is_null()) dryRun = inBody;
    const json& conditions = api::memberOf(read.body, "preconditions");
    read.preconditions = {api::textAt(conditions, "uid"), api::textAt(conditions, "resourceVersion")};
  } else if (read.body.is_null() && verb != "delete") {
    return std::unexpected(failure(400, "the request has no body"));
  }
  const auto wanted = readDryRun(dryRun);
  if (!wanted) return std::unexpected(wanted.error());
  read.options.dryRun = *wanted;
  return read;
}

}  // namespace rookery::serve

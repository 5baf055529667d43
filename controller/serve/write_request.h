#pragma once

#include <expected>
#include <nlohmann/json.hpp>
#include <string_view>

#include "http/message.h"
#include "http/target.h"
#include "serve/admission.h"
#include "serve/object_writer.h"
#include "serve/request.h"

namespace rookery::serve {

/// What a request to change something says: its parameters, and its body as JSON.
struct WriteRequest {
  Admission::Pass place =
      nullptr;  // among those whose bodies are held in memory; null where there is none, or a small one
  WriteOptions options;
  Preconditions preconditions;  // of a delete
  nlohmann::json body;          // null: none was sent
};

/// What the parameter dryRun says: All, or nothing. Failure: 422.
std::expected<bool, http::Response> dryRunOf(const http::Target& target);

/// Reads the body (JSON, or YAML where the content type says so) and the parameters dryRun and
/// fieldValidation. `verb` is one of create, update, patch, delete. Failures: 400, 413, 415; 429 when there
/// is no place in `parsing`, which must outlive what is read: a body of n bytes takes up to 16 MiB + 96 n
/// once it is parsed.
std::expected<WriteRequest, http::Response> readWriteRequest(const Request& request,
                                                             const http::Target& target,
                                                             std::string_view verb, Admission& parsing);

}  // namespace rookery::serve

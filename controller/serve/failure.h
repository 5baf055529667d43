#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "error.h"
#include "http/message.h"
#include "yaml/writer.h"

namespace rookery::serve {

/// One of the mistakes that a failure is made of: metav1.StatusCause.
struct FailureCause {
  std::string reason;  // FieldValueInvalid, …
  std::string message;
  std::string field;
};

/// Which object or kind a failure is about: `details` of a Kubernetes Status. What is empty is left out.
struct FailureDetails {
  std::string name = {};
  std::string group = {};
  std::string kind = {};  // plural, as Kubernetes fills it
  std::vector<FailureCause> causes = {};
};

/// A failure as Kubernetes answers it: a `Status` object (meta/v1) with the reason that belongs to the HTTP
/// status `code`.
http::Response failure(int code, const std::string& message, const FailureDetails& details = {});
/// The same with another reason than the usual one: AlreadyExists.
http::Response failure(int code, std::string_view reason, const std::string& message,
                       const FailureDetails& details);

/// An Error as its reason calls for: RequestEntityTooLarge and ImageTooLarge are 413, RequestTimeout 408,
/// BadRequest and ConnectionFailed 400, anything else 500. For what reading a body can end with.
http::Response failure(const Error& error);

/// Says with a success what is to be looked at all the same: headers Warning, as kubectl shows them. What is
/// beyond 4 KiB, kube-apiserver's own limit, is left out.
void warn(http::Response& response, const std::vector<std::string>& warnings);

/// 429, with the header Retry-After.
http::Response tooManyRequests(const std::string& message, std::chrono::seconds retryAfter);

/// 503, with the header Retry-After: nobody can say yet what is declared.
http::Response notSynced();

/// 406: of resources and discovery there is JSON only.
http::Response notAcceptable();

/// 405, with the header Allow: everything that is served so far is read-only.
http::Response methodNotAllowed(std::string_view method, const FailureDetails& details = {});

}  // namespace rookery::serve

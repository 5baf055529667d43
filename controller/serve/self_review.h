#pragma once

#include <expected>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "http/message.h"
#include "serve/request.h"
#include "serve/request_info.h"
#include "serve/resource.h"

/// What the API tells a caller of itself, as `kubectl auth can-i` and `kubectl auth whoami` ask: reviews that
/// are posted and answered, and kept nowhere. Whoever is let in may ask, as in Kubernetes.
namespace rookery::serve {

/// Whether that is a SelfSubjectAccessReview or a SelfSubjectReview that is posted: it changes nothing.
bool isSelfReview(const RequestInfo& attempted);

/// What discovery says of the two.
std::vector<std::unique_ptr<Resource>> selfReviewResources();

/// Answers a review whose body is `review`: 201 with its status. Where the API writes nothing (`writable`
/// false), nobody may change anything, and the reason says why. Who is asked about in a SelfSubjectReview
/// learns the namespaces of its grant as the extra "rookery.dev/namespaces". Failures: 400 (malformed).
http::Response reviewSelf(const Request& request, const RequestInfo& info, const nlohmann::json& review,
                          bool writable);

}  // namespace rookery::serve

#pragma once

#include "http/message.h"
#include "http/target.h"
#include "serve/request.h"

/// The web page: files that are the same for everybody. They show nothing of the fleet; what they show in a
/// browser they ask the API for, as whoever sits there.
namespace rookery::serve {

/// Whether a path is the page's: "/", or below "/web".
bool isPage(const http::Target& target);

/// A file of the page; 404 for one that there is not. "/" names its files by their version, so that a browser
/// keeps them for good and never mixes two pages.
http::Response page(const Request& request, const http::Target& target);

}  // namespace rookery::serve

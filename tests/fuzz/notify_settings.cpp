// Files of --notifications.

#include "fuzz/target.h"
#include "notify/request.h"
#include "notify/settings.h"

namespace rookery::fuzz {
namespace {

const Target notifySettings("notify_settings", [](std::string_view input) {
  const auto settings = notify::parseSettings(
      input, "/etc/notifications.yaml",
      [](const std::filesystem::path&) -> Result<std::string> { return "https://example.org/secret"; });
  if (!settings) return check(!settings.error().message.empty(), "an error says what is wrong");
  for (const notify::Receiver& receiver : settings->receivers) {
    const notify::Notification lost{.id = "1",
                                    .time = {},
                                    .type = notify::Type::ReadyLost,
                                    .object = api::ObjectKey{api::Kind::Unikernel, "shop", "web"},
                                    .message = "It ended.\r\n.\r\n"};
    receiver.wants(lost);
    const notify::Request request = notify::requestFor(receiver, {lost});
    check(request.url.find_first_of("\r\n") == std::string::npos, "a URL is one line");
    for (const std::string& header : request.headers)
      check(header.find_first_of("\r\n") == std::string::npos, "a header is one line");
  }
});

}  // namespace
}  // namespace rookery::fuzz

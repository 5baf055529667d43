#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace rookery::api {

/// An age as kubectl shows it: "42s", "5m2s", "3h12m", "3d4h", "2y10d": never more than two units, the
/// coarser the older. A time in the future is "0s" within the clock skew of two seconds that kubectl
/// forgives, else "<invalid>".
std::string formatAge(std::chrono::nanoseconds age);

/// The same for the time since `timestamp`, as parseRfc3339() reads it; "<invalid>" when it is none.
std::string formatAgeSince(std::string_view timestamp, std::chrono::system_clock::time_point now);

/// The instant that `text` names by RFC 3339, such as "2027-01-31T12:00:00Z" or "2027-01-31T14:00:00+02:00";
/// a fraction of a second does not count. What lies before 1970 or after 2260 counts as the first or the last
/// second of these years: the clock's nanoseconds reach no further, nor from one time to another. Nothing: it
/// names none, or leaves the offset from UTC open.
std::optional<std::chrono::system_clock::time_point> parseRfc3339(std::string_view text);

}  // namespace rookery::api

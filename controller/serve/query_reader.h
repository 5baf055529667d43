#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"

namespace rookery::serve {

/// Reads the parameters of a query one by one, as the API server does; the first that cannot be read is kept
/// as the failure (400) to answer with. The query must outlive it.
class QueryReader {
 public:
  explicit QueryReader(const std::map<std::string, std::string>& query) : query_(query) {}

  /// Not given, or empty: false.
  void read(const char* name, bool& value);
  /// A number that is not negative; nothing where none is given.
  void read(const char* name, std::optional<std::uint64_t>& value);

  void refuse(const char* name, std::string_view why);
  void refuse(const std::string& message);

  const std::optional<http::Response>& failed() const { return failed_; }

 private:
  const std::map<std::string, std::string>& query_;
  std::optional<http::Response> failed_;
};

}  // namespace rookery::serve

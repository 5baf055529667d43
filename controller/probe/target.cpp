#include "probe/target.h"

#include <fmt/format.h>

namespace rookery::probe {

namespace {

struct Name {
  std::string operator()(const Http& http) const { return http.url.substr(0, http.url.find('?')); }
  std::string operator()(const Tcp& tcp) const { return tcp.address; }
  std::string operator()(const Dns& dns) const {
    return fmt::format("{} {} at {}", dns.type, dns.name, dns.server);
  }
};

}  // namespace

std::string toString(const Target& target) { return std::visit(Name(), target); }

}  // namespace rookery::probe

#include "probe/query.h"

#include <arpa/nameser.h>
#include <fmt/format.h>
#include <netdb.h>

#include <algorithm>
#include <array>

namespace rookery::probe {

namespace {

/// How an answer of some type is read: ARES_SUCCESS where there is at least one record of it.
using Parse = int (*)(const unsigned char* answer, int size);

template <auto parse, class Record>
int parseList(const unsigned char* answer, int size) {
  Record* records = nullptr;
  const int status = parse(answer, size, &records);
  if (records != nullptr) ::ares_free_data(records);
  return status;
}

template <auto parse>
int parseHost(const unsigned char* answer, int size) {
  hostent* host = nullptr;
  const int status = parse(answer, size, &host);
  if (host != nullptr) ::ares_free_hostent(host);
  return status;
}

/// Of an alias alone, these functions of c-ares make a host without addresses.
template <auto parse>
int parseAddresses(const unsigned char* answer, int size) {
  hostent* host = nullptr;
  const int status = parse(answer, size, &host, nullptr, nullptr);
  const bool some = host != nullptr && host->h_addr_list != nullptr && host->h_addr_list[0] != nullptr;
  if (host != nullptr) ::ares_free_hostent(host);
  return status == ARES_SUCCESS && !some ? ARES_ENODATA : status;
}

int parsePointer(const unsigned char* answer, int size) {
  hostent* host = nullptr;
  const int status = ::ares_parse_ptr_reply(answer, size, nullptr, 0, AF_INET, &host);
  if (host != nullptr) ::ares_free_hostent(host);
  return status;
}

struct RecordType {
  std::string_view name;
  int number;
  Parse parse;
};

constexpr std::array<RecordType, 8> recordTypes = {
    {{"A", ns_t_a, parseAddresses<::ares_parse_a_reply>},
     {"AAAA", ns_t_aaaa, parseAddresses<::ares_parse_aaaa_reply>},
     {"MX", ns_t_mx, parseList<::ares_parse_mx_reply, ares_mx_reply>},
     {"NS", ns_t_ns, parseHost<::ares_parse_ns_reply>},
     {"PTR", ns_t_ptr, parsePointer},
     {"SOA", ns_t_soa, parseList<::ares_parse_soa_reply, ares_soa_reply>},
     {"SRV", ns_t_srv, parseList<::ares_parse_srv_reply, ares_srv_reply>},
     {"TXT", ns_t_txt, parseList<::ares_parse_txt_reply, ares_txt_reply>}}};

const RecordType* recordType(std::string_view name) {
  const auto* found = std::ranges::find(recordTypes, name, &RecordType::name);
  return found == recordTypes.end() ? nullptr : found;
}

}  // namespace

void initializeAres() {
  static const int status = ::ares_library_init(ARES_LIB_INIT_ALL);
  check(status == ARES_SUCCESS, "c-ares can be initialized");
}

Query::Query(const Dns& dns, std::chrono::milliseconds patience) : dns_(dns), patience_(patience) {
  const RecordType* type = recordType(dns_.type);
  if (type == nullptr) {
    outcome_ = failed(fmt::format("{} is no type of records that can be asked for", dns_.type));
    return;
  }
  ares_options options{};
  // The name is asked for as it stands, and what the server refuses is an answer.
  options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP;
  options.timeout = std::max(1, static_cast<int>(patience_.count() / 3));  // c-ares waits twice that again
  options.tries = 2;
  std::string lookups = "b";
  options.lookups = lookups.data();
  ares_channel channel = nullptr;
  const int made = ::ares_init_options(
      &channel, &options, ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS);
  check(made == ARES_SUCCESS, "c-ares has memory for a channel");
  channel_.reset(channel);
  if (::ares_set_servers_ports_csv(channel, dns_.server.c_str()) != ARES_SUCCESS) {
    outcome_ = failed("the server is not an IP address with a port or without");
    return;
  }
  const ares_callback callback = [](void* self, int status, int, unsigned char* answer, int size) {
    static_cast<Query*>(self)->answered(status, {answer, static_cast<std::size_t>(std::max(size, 0))});
  };
  ::ares_query(channel, dns_.name.c_str(), ns_c_in, type->number, callback, this);
}

Query::~Query() = default;

std::chrono::milliseconds Query::await(std::vector<curl_waitfd>& sockets) const {
  std::array<ares_socket_t, ARES_GETSOCK_MAXNUM> open{};
  const auto wanted = static_cast<unsigned>(::ares_getsock(channel_.get(), open.data(), open.size()));
  for (std::size_t i = 0; i < open.size(); ++i) {
    const bool reads = ARES_GETSOCK_READABLE(wanted, i) != 0;
    const bool writes = ARES_GETSOCK_WRITABLE(wanted, i) != 0;
    if (!reads && !writes) continue;
    sockets.push_back(
        {.fd = open.at(i),
         .events = static_cast<short>((reads ? CURL_WAIT_POLLIN : 0) | (writes ? CURL_WAIT_POLLOUT : 0)),
         .revents = 0});
  }
  timeval left{};
  if (::ares_timeout(channel_.get(), nullptr, &left) == nullptr) return patience_;
  const auto rest = std::chrono::seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec);
  return std::chrono::ceil<std::chrono::milliseconds>(rest);
}

void Query::go() {
  if (outcome_) return;
  std::array<ares_socket_t, ARES_GETSOCK_MAXNUM> open{};
  const auto wanted = static_cast<unsigned>(::ares_getsock(channel_.get(), open.data(), open.size()));
  // Its sockets do not block: one on which nothing has come is looked at in vain.
  for (std::size_t i = 0; i < open.size() && !outcome_; ++i) {
    const ares_socket_t none = ARES_SOCKET_BAD;
    const ares_socket_t in = ARES_GETSOCK_READABLE(wanted, i) != 0 ? open.at(i) : none;
    const ares_socket_t out = ARES_GETSOCK_WRITABLE(wanted, i) != 0 ? open.at(i) : none;
    if (in != none || out != none) ::ares_process_fd(channel_.get(), in, out);
  }
  if (!outcome_) ::ares_process_fd(channel_.get(), ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

Result<void> Query::late() const { return failed(fmt::format("no answer within {} ms", patience_.count())); }

void Query::answered(int status, std::span<unsigned char> answer) {
  if (status == ARES_EDESTRUCTION) return;
  if (status == ARES_SUCCESS)
    status = recordType(dns_.type)->parse(answer.data(), static_cast<int>(answer.size()));
  switch (status) {
    case ARES_SUCCESS:
      outcome_.emplace();
      return;
    case ARES_ENODATA:
      outcome_ = failed(fmt::format("there is no record of type {}", dns_.type));
      return;
    case ARES_ENOTFOUND:
      outcome_ = failed("there is no such name");
      return;
    case ARES_ETIMEOUT:
      outcome_ = late();
      return;
    default:
      outcome_ = failed(::ares_strerror(status));
  }
}

Result<void> Query::failed(std::string_view what) const {
  return fail(Reason::Unhealthy, fmt::format("{}: {}.", toString(dns_), what));
}

}  // namespace rookery::probe

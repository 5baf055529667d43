#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "error.h"

namespace rookery::benchmark {

/// What goes over a plain stream.
struct RawStream {
  std::uint64_t bytes = 0;
  std::size_t record = 0;                           // bytes of one of TLS
  std::optional<std::filesystem::path> from, into;  // files; absent: memory
};

/// The least that it takes to move bytes from one program to another whatever they are: TLS 1.3 with
/// certificates on both sides, over the loopback address, by blocking calls, with nothing framed, decoded,
/// kept or checked. Seconds without those of the handshake. Needs SIGPIPE to be ignored.
Result<double> streamPlainly(const RawStream& stream);

}  // namespace rookery::benchmark

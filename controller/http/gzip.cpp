#include "http/gzip.h"

#include <zlib.h>

#include <array>
#include <new>

#include "error.h"

namespace rookery::http {
namespace {

constexpr int gzipFormat = 15 + 16;  // deflateInit2: the largest window, with a gzip header
constexpr int memoryLevel = 8;       // zlib's default

}  // namespace

struct Gzip::State {
  z_stream stream{};
};

Gzip::Gzip() : state_(std::make_unique<State>()) {
  if (::deflateInit2(&state_->stream, Z_BEST_SPEED, Z_DEFLATED, gzipFormat, memoryLevel,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::bad_alloc();
  }
}

Gzip::~Gzip() { ::deflateEnd(&state_->stream); }

std::string Gzip::add(std::string_view bytes) {
  std::string out;
  constexpr std::size_t most = std::size_t{1} << 30;  // zlib counts in 32 bits
  for (; !bytes.empty(); bytes.remove_prefix(std::min(bytes.size(), most))) {
    out += run(bytes.substr(0, most), Z_NO_FLUSH);
  }
  return out;
}

std::string Gzip::finish() { return run({}, Z_FINISH); }

std::string Gzip::run(std::string_view bytes, int flush) {
  z_stream& stream = state_->stream;
  stream.next_in = reinterpret_cast<z_const Bytef*>(const_cast<char*>(bytes.data()));  // only read
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  std::array<Bytef, 16 << 10> room;
  do {
    stream.next_out = room.data();
    stream.avail_out = static_cast<uInt>(room.size());
    const int result = ::deflate(&stream, flush);
    check(result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR, "deflate takes any bytes");
    out.append(reinterpret_cast<const char*>(room.data()), room.size() - stream.avail_out);
  } while (stream.avail_out == 0);
  return out;
}

}  // namespace rookery::http

#include "image/compressed.h"

#include <zlib.h>

#include <new>
#include <utility>
#include <vector>

namespace rookery::image {

namespace {

constexpr std::size_t roomSize = 1U << 16U;

}  // namespace

struct Compressed::State {
  State(Reader from, int level) : reader(std::move(from)), room(roomSize) {
    if (::deflateInit(&stream, level) != Z_OK) throw std::bad_alloc();
  }
  ~State() { ::deflateEnd(&stream); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  Reader reader;
  z_stream stream{};
  std::vector<std::byte> room;
  bool read = false;   // all of it
  bool ended = false;  // and all of that was given
};

Compressed::Compressed(Reader reader, int level)
    : state_(std::make_unique<State>(std::move(reader), level)) {}
Compressed::Compressed(Compressed&&) noexcept = default;
Compressed& Compressed::operator=(Compressed&&) noexcept = default;
Compressed::~Compressed() = default;

Result<std::span<const std::byte>> Compressed::next() {
  State& state = *state_;
  z_stream& stream = state.stream;
  stream.next_out = reinterpret_cast<Bytef*>(state.room.data());
  stream.avail_out = static_cast<uInt>(state.room.size());
  while (stream.avail_out > 0 && !state.ended) {
    if (stream.avail_in == 0 && !state.read) {
      const auto bytes = state.reader.next();
      if (!bytes) return bytes;
      state.read = bytes->empty();
      // Valid until the reader is asked again, which is when all of it was taken. Only read.
      stream.next_in = reinterpret_cast<z_const Bytef*>(const_cast<std::byte*>(bytes->data()));
      stream.avail_in = static_cast<uInt>(bytes->size());
    }
    const int result = ::deflate(&stream, state.read ? Z_FINISH : Z_NO_FLUSH);
    check(result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR, "deflate takes any bytes");
    state.ended = result == Z_STREAM_END;
  }
  return std::span<const std::byte>(state.room).first(state.room.size() - stream.avail_out);
}

}  // namespace rookery::image

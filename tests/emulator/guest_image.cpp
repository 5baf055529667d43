#include "emulator/guest_image.h"

#include <fmt/format.h>
#define ZLIB_CONST  // or its input would have to be writable
#include <zlib.h>

#include <array>

#include "emulator/resources.h"
#include "image/digest.h"
#include "image/solo5.h"

namespace rookery::emulator {

using albatross::Failure;

namespace {

constexpr std::uint32_t tenderAbi = 2;  // of the solo5-hvt and solo5-spt that the emulated machine has

/// The server's word for what zlib calls by several.
std::string describe(const z_stream& stream, int code) {
  const std::string_view message = stream.msg == nullptr ? "" : stream.msg;
  if (message == "incorrect header check" || message == "unknown compression method" ||
      message == "invalid window size") {
    return "Invalid Zlib header";
  }
  return message.empty() || code == Z_BUF_ERROR ? "Unexpected end of input" : std::string(message);
}

}  // namespace

std::string sha256(std::string_view bytes) {
  image::Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

std::expected<std::string, Failure> uncompress(const std::string& bytes) {
  z_stream stream{};
  if (::inflateInit(&stream) != Z_OK) return refuse("failed to uncompress: out of memory");
  std::string result;
  std::array<Bytef, 1U << 16U> chunk{};
  std::size_t offset = 0;
  int code = Z_OK;
  while (code == Z_OK) {
    if (stream.avail_in == 0 && offset < bytes.size()) {
      const std::size_t length = std::min<std::size_t>(bytes.size() - offset, 1U << 20U);
      stream.next_in = reinterpret_cast<const Bytef*>(bytes.data() + offset);
      stream.avail_in = static_cast<uInt>(length);
      offset += length;
    }
    stream.next_out = chunk.data();
    stream.avail_out = static_cast<uInt>(chunk.size());
    code = ::inflate(&stream, Z_NO_FLUSH);
    result.append(reinterpret_cast<const char*>(chunk.data()), chunk.size() - stream.avail_out);
  }
  const std::string trouble = describe(stream, code);
  ::inflateEnd(&stream);
  if (code != Z_STREAM_END) return refuse(fmt::format("failed to uncompress: {}", trouble));
  return result;
}

std::string compress(const std::string& bytes, int level) {
  uLongf length = ::compressBound(static_cast<uLong>(bytes.size()));
  std::string result(length, '\0');
  check(::compress2(reinterpret_cast<Bytef*>(result.data()), &length,
                    reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uLong>(bytes.size()),
                    level) == Z_OK,
        "an image can be compressed");
  result.resize(length);
  return result;
}

std::expected<GuestImage::Inspection, Failure> GuestImage::inspect() {
  if (inspection_) return *inspection_;
  std::string uncompressed;
  if (compressed_) {
    auto result = uncompress(bytes_);
    if (!result) return std::unexpected(result.error());
    uncompressed = *std::move(result);
  }
  const std::string& image = compressed_ ? uncompressed : bytes_;
  auto manifest = image::parseImage(image);
  if (!manifest) return refuse("error during ELF parsing");
  if (manifest->target != image::Target::Hvt && manifest->target != image::Target::Spt) {
    return refuse(fmt::format("unsupported solo5 target {}", image::toString(manifest->target)));
  }
  if (manifest->abiVersion != tenderAbi) {
    return refuse(
        fmt::format("unexpected solo5 tender --version output, expected one line with 'ABI version {}', "
                    "got ABI version {}",
                    manifest->abiVersion, tenderAbi));
  }
  inspection_ = Inspection{sha256(image), *std::move(manifest)};
  return *inspection_;
}

const std::string& GuestImage::storageName() {
  if (storageName_.empty()) storageName_ = image::toHex(sha256(bytes_));
  return storageName_;
}

}  // namespace rookery::emulator

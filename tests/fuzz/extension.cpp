// The extension of a certificate that carries a command.

#include "albatross/wire.h"
#include "fuzz/target.h"

namespace rookery::fuzz {
namespace {

const Target extension("extension", [](std::string_view input) {
  const auto command = albatross::decodeExtension(input);
  if (!command) return;
  // Elements of a SET may have come in any order, and leave in one.
  const std::string encoded = albatross::encodeExtension(*command);
  const auto again = albatross::decodeExtension(encoded);
  check(again && albatross::encodeExtension(*again) == encoded, "a command survives encoding");
});

}  // namespace
}  // namespace rookery::fuzz

// Messages of Albatross: what a server may send.

#include "albatross/wire.h"

#include "fuzz/target.h"

namespace rookery::fuzz {
namespace {

const Target wire("wire", [](std::string_view input) {
  const auto message = albatross::decodeWire(input);
  if (!message) return;
  // Elements of a SET may have come in any order, and leave in one.
  const std::string encoded = albatross::encode(*message);
  const auto again = albatross::decodeWire(encoded);
  check(again && albatross::encode(*again) == encoded, "a message survives encoding");
  const std::string name = message->header.name.toString();
  check(albatross::Name::parse(name) == message->header.name, "a name survives encoding");
});

}  // namespace
}  // namespace rookery::fuzz

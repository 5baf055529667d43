// libFuzzer's way into the one target that this program is linked with.

#include <cstddef>
#include <cstdint>

#include "fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  rookery::fuzz::targets().front().run({reinterpret_cast<const char*>(data), size});
  return 0;
}

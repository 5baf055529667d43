#include "emulator/files.h"

#include <fmt/format.h>

#include <fstream>
#include <iterator>

namespace rookery::emulator {

Result<std::string> readFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in.is_open() || in.bad()) {
    return fail(Reason::SourceUnreadable, fmt::format("{} cannot be read.", path.string()));
  }
  return content;
}

}  // namespace rookery::emulator

// Runs targets without libFuzzer: over the inputs that are kept, as a test.

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "file/content.h"
#include "fuzz/target.h"

namespace rookery::fuzz {
namespace {

/// Replays an input from memory that ends where it does, so that the sanitizer sees who reads beyond.
bool replay(const Target& target, const std::filesystem::path& file) {
  std::cerr << file.string() << '\n' << std::flush;  // the last one named is the one that aborted
  const auto content = file::read(file, std::size_t{1} << 30);
  if (!content) {
    std::cerr << content.error().why << '\n';
    return false;
  }
  const auto bytes = std::make_unique<char[]>(content->bytes.size());
  std::ranges::copy(content->bytes, bytes.get());
  target.run({bytes.get(), content->bytes.size()});
  return true;
}

int run(std::string_view name, const std::vector<std::filesystem::path>& paths) {
  const auto target = std::ranges::find(targets(), name, &Target::name);
  std::size_t replayed = 0;
  for (const std::filesystem::path& path : paths) {
    std::vector<std::filesystem::path> files{path};
    if (std::filesystem::is_directory(path)) {
      const std::filesystem::directory_iterator folder(path);
      files.assign(begin(folder), end(folder));
    }
    for (const auto& file : files) {
      if (target == targets().end() || !replay(*target, file)) return 1;
      ++replayed;
    }
  }
  std::cerr << replayed << " inputs\n";
  return replayed == 0 ? 1 : 0;
}

}  // namespace
}  // namespace rookery::fuzz

/// Arguments: the target, then files or folders of them.
int main(int count, char** arguments) {
  if (count < 3) return 2;
  return rookery::fuzz::run(arguments[1], {arguments + 2, arguments + count});
}

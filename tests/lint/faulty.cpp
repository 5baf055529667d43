#include "faulty.h"

#include <fmt/format.h>

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

namespace rookery {

int copied(std::string text) {
  std::string other = text;
  if (other.size() == 0) {
    return 1;
  } else {
    return 2;
  }
}

std::size_t moved(std::vector<int> numbers) {
  const auto gone = std::move(numbers);
  numbers.push_back(1);
  return gone.size();
}

static int unused(int a, int b) { return a; }

std::size_t counted(const std::vector<std::string>& texts) {
  std::size_t size = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) size += texts[i].size();
  for (const std::string text : texts) size += text.size();
  return size + static_cast<std::size_t>(unused(1, 2) + (int)2.5 + sizeOf(std::vector<int>{1}));
}

}  // namespace rookery

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace rookery::plan {

/// A value of fewer bytes is not looked for: it stands in too much else.
inline constexpr std::size_t shortestSecret = 4;

/// The first `longest` bytes of `text`, in which `redacted` stands for whatever of the secrets, or of their
/// lines, is there, wholly or as far as it comes.
std::string withoutSecrets(std::string_view text, const std::vector<std::string>& secrets,
                           std::size_t longest);

}  // namespace rookery::plan

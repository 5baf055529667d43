#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "albatross/wire.h"
#include "fixtures/pki.h"

/// What simulated worlds are made of: the same in each, and made once.
namespace rookery::simulation {

/// When a world begins.
inline constexpr std::chrono::sys_days epoch{std::chrono::year(2026) / 1 / 1};
/// Only others have it.
inline constexpr char strangersImage = 'z';

/// By name: of each there is one with a device for a volume.
const std::map<std::string, std::string>& images();
/// The digest of one of them.
const std::string& digestOfImage(const std::string& name);
inline const std::string& digestOfImage(char image) { return digestOfImage(std::string(1, image)); }
/// What is on a volume.
std::string contentOf(char volume);

/// A credential that anybody could have made once; with others it does not work.
struct Credentials {
  fixtures::Identity good, expired;
};
const Credentials& credentials();

/// What somebody's unikernel has, and a namespace.
albatross::Arguments argumentsOf(std::int64_t memory);
albatross::Policy policyOf(std::int64_t memory);

/// As editors and git do: who reads it sees the old file or the new one.
void writeWhole(const std::filesystem::path& path, std::string_view text);

}  // namespace rookery::simulation

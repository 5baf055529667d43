#include "emulator/state_dir.h"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <ranges>
#include <set>

#include "emulator/files.h"
#include "image/image.h"

namespace rookery::emulator {

namespace fs = std::filesystem;
using albatross::Name;
using nlohmann::json;

namespace {

Result<void> replace(const fs::path& path, std::string_view content) {
  const fs::path part = path.string() + ".part";
  std::ofstream out(part, std::ios::binary | std::ios::trunc);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  out.close();
  std::error_code error;
  if (out) fs::rename(part, path, error);
  if (!out || error) {
    return fail(Reason::StateUnwritable,
                fmt::format("The emulator's state {} cannot be written.", path.string()));
  }
  return {};
}

/// A file too many does no harm.
void keepOnly(const fs::path& folder, const std::set<std::string>& used) {
  std::error_code ignored;
  for (const auto& file : fs::directory_iterator(folder, ignored)) {
    if (!used.contains(file.path().filename().string())) fs::remove(file.path(), ignored);
  }
}

/// The files are this program's own: whatever is wrong in one is said in one way.
template <class Parse>
Result<void> parseFile(const fs::path& path, const Parse& parse) {
  if (!fs::exists(path)) return {};
  const auto text = readFile(path);
  if (!text) return std::unexpected(text.error());
  try {
    if (parse(json::parse(*text))) return {};
  } catch (const json::exception&) {
    // Said below, together with what JSON alone does not find.
  }
  return fail(Reason::ProtocolError,
              fmt::format("{} is not a state that the emulator wrote; remove it to start "
                          "without.",
                          path.string()));
}

/// A command as hex of its certificate extension: the codec is there already.
std::string toText(const albatross::Command& command) {
  return image::toHex(albatross::encodeExtension(command));
}

template <class Group, class Alternative>
std::optional<Alternative> fromText(const json& text) {
  const auto command = albatross::decodeExtension(image::fromHex(text.get<std::string>()));
  if (!command) return std::nullopt;
  const auto* group = std::get_if<Group>(&*command);
  const auto* alternative = group == nullptr ? nullptr : std::get_if<Alternative>(group);
  return alternative == nullptr ? std::nullopt : std::optional(*alternative);
}

bool parsePolicies(const json& document, State& state) {
  for (const auto& entry : document.at("policies")) {
    const auto name = Name::parse(entry.at("name").get<std::string>());
    const auto add = fromText<albatross::PolicyCommand, albatross::policy::Add>(entry.at("policy"));
    if (!name || !add) return false;
    state.policies.emplace_back(name->path, add->policy);
  }
  return true;
}

bool parseUnikernels(const json& document, const fs::path& images, State& state) {
  for (const auto& entry : document.at("unikernels")) {
    const auto name = Name::parse(entry.at("name").get<std::string>());
    const auto create =
        fromText<albatross::UnikernelCommand, albatross::unikernel::Create>(entry.at("create"));
    auto bytes = readFile(images / entry.at("image").get<std::string>());
    if (!name || !create || !bytes) return false;
    const auto& config = create->config;
    state.unikernels.emplace_back(
        *name, Configuration{config.type, config.arguments,
                             std::make_shared<GuestImage>(*std::move(bytes), config.compressed)});
  }
  return true;
}

bool parseBlocks(const json& document, const fs::path& contents, State& state) {
  for (const auto& entry : document.at("blocks")) {
    const auto name = Name::parse(entry.at("name").get<std::string>());
    if (!name) return false;
    state.blocks.emplace_back(*name, entry.at("size").get<std::int64_t>());
    if (!entry.contains("content")) continue;
    auto bytes = readFile(contents / entry.at("content").get<std::string>());
    if (!bytes) return false;
    state.contents.emplace_back(*name, *std::move(bytes));
  }
  return true;
}

}  // namespace

Result<StateDir> StateDir::open(fs::path path) {
  std::error_code error;
  fs::create_directories(path / "images", error);
  if (!error) fs::create_directories(path / "contents", error);
  if (!error) fs::permissions(path, fs::perms::owner_all, error);
  if (error) {
    return fail(Reason::StateUnwritable,
                fmt::format("The state directory {} cannot be made: {}.", path.string(), error.message()));
  }
  return StateDir(std::move(path));
}

Result<State> StateDir::load() const {
  State state;
  auto parsed = parseFile(path_ / "state.json", [&](const json& document) {
    return parsePolicies(document, state) && parseUnikernels(document, path_ / "images", state);
  });
  if (parsed) {
    parsed = parseFile(path_ / "blocks.json", [&](const json& document) {
      return parseBlocks(document, path_ / "contents", state);
    });
  }
  if (!parsed) return std::unexpected(parsed.error());
  return state;
}

Result<void> StateDir::save(const Resources& resources) const {
  json policies = json::array();
  for (const auto& policy : resources.policies().all()) {
    if (policy.name.path.empty()) continue;  // the machine's own
    policies.push_back({{"name", policy.name.toString()},
                        {"policy", toText(albatross::PolicyCommand(albatross::policy::Add{*policy.value}))}});
  }
  json unikernels = json::array();
  std::set<std::string> used;
  for (const auto& unikernel : resources.unikernels().all() | std::views::reverse) {
    const Configuration& configuration = unikernel.value->configuration;
    const albatross::Config config{configuration.type, configuration.image->compressed(), "",
                                   configuration.arguments};
    const std::string digest = configuration.image->storageName();
    const fs::path file = path_ / "images" / digest;
    if (used.insert(digest).second && !fs::exists(file)) {
      if (auto written = replace(file, configuration.image->bytes()); !written) return written;
    }
    unikernels.push_back(
        {{"name", unikernel.name.toString()},
         {"create", toText(albatross::UnikernelCommand(albatross::unikernel::Create{config}))},
         {"image", digest}});
  }
  if (auto written =
          replace(path_ / "state.json", json{{"policies", policies}, {"unikernels", unikernels}}.dump(1));
      !written) {
    return written;
  }
  keepOnly(path_ / "images", used);
  return {};
}

Result<void> StateDir::saveBlocks(const Resources& resources) const {
  json blocks = json::array();
  std::set<std::string> used;
  for (const auto& block : resources.blocks().all()) {
    json entry = {{"name", block.name.toString()}, {"size", block.value->size}};
    if (const ContentPtr content = resources.content(block.name)) {
      const std::string digest = image::toHex(content->digest());
      const fs::path file = path_ / "contents" / digest;
      if (used.insert(digest).second && !fs::exists(file)) {
        if (auto written = replace(file, content->bytes); !written) return written;
      }
      entry["content"] = digest;
    }
    blocks.push_back(std::move(entry));
  }
  if (auto written = replace(path_ / "blocks.json", json{{"blocks", blocks}}.dump(1)); !written)
    return written;
  keepOnly(path_ / "contents", used);
  return {};
}

}  // namespace rookery::emulator

#include "simulation/materials.h"

#include <chrono>
#include <fstream>

#include "image/digest.h"
#include "images/image_maker.h"
#include "simulation/fleet.h"

namespace rookery::simulation {

const std::map<std::string, std::string>& images() {
  static const std::map<std::string, std::string> made = [] {
    std::map<std::string, std::string> all;
    for (const char content : {'a', 'b', 'c', 'd', Fleet::badImage, strangersImage}) {
      images::ImageSpec spec;
      spec.networks = {"service"};
      spec.content = content;
      all[{content}] = images::makeImage(spec);
      spec.blocks = {"storage"};
      all[std::string(1, content) + "-with-storage"] = images::makeImage(spec);
    }
    return all;
  }();
  return made;
}

const std::string& digestOfImage(const std::string& name) {
  static const std::map<std::string, std::string> made = [] {
    std::map<std::string, std::string> all;
    for (const auto& [image, bytes] : images()) {
      image::Sha256 digest;
      digest.update(bytes);
      all[image] = digest.finish();
    }
    return all;
  }();
  return made.at(name);
}

std::string contentOf(char volume) { return std::string(4'096, volume); }

const Credentials& credentials() {
  static const Credentials made = [] {
    fixtures::CertificateSpec spec;
    spec.notBefore = epoch - std::chrono::hours(24 * 3'650);
    spec.notAfter = epoch + std::chrono::hours(24 * 3'650);
    Credentials all{.good = fixtures::makeIdentity(spec), .expired = {}};
    spec.notAfter = epoch - std::chrono::hours(24 * 365);
    all.expired = fixtures::makeIdentity(spec);
    return all;
  }();
  return made;
}

albatross::Arguments argumentsOf(std::int64_t memory) {
  albatross::Arguments arguments;
  arguments.memory = memory;
  arguments.bridges = {{"service", "br0", std::nullopt}};
  return arguments;
}

albatross::Policy policyOf(std::int64_t memory) { return {{0, 1}, 8, memory, 64, {"br0"}}; }

void writeWhole(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::create_directories(path.parent_path());
  const std::filesystem::path draft = path.string() + ".new";
  std::ofstream(draft, std::ios::binary) << text;
  std::filesystem::rename(draft, path);
}

}  // namespace rookery::simulation

#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "api/manifest.h"

namespace rookery::api {

/// All that a manifest says, places included.
inline std::string describeAll(const Manifest& manifest) {
  std::string text = fmt::format("parsed {} secretsOnly {} foreign {} blank {} cut {}\n", manifest.parsed,
                                 manifest.secretsOnly, manifest.foreign, manifest.blank, manifest.cut);
  for (const ObjectPtr& object : manifest.objects) {
    text += fmt::format("{} {} {} {}\n", object->key().toString(), object->origin.toString(),
                        object->specDigest, object->manifest.unpack().dump());
    object->places.forEach([&](std::string_view field, yaml::Place place) {
      text += fmt::format(" {}={}:{}", field, place.line, place.column);
    });
    text += '\n';
  }
  for (const Problem& problem : manifest.problems)
    text += fmt::format("{} {}\n", problem.object ? problem.object->toString() : "", problem.toString());
  for (const ObjectKey& key : manifest.invalid) text += key.toString() + " is invalid\n";
  return text;
}

}  // namespace rookery::api

#pragma once

#include <string_view>

namespace rookery::plan {

/// What a step does to an object. The words are the ones of `plan -o json` and of the metrics' label `verb`.
enum class Verb {
  Create,
  ForceCreate,
  Restart,
  Destroy,
  Adopt,
  ApplyPolicy,
  CreateVolume,
  SetVolume,
  DestroyVolume
};

/// Whether what runs is stopped by it, to run as something else or anew.
inline bool stopsWhatRuns(Verb verb) { return verb == Verb::ForceCreate || verb == Verb::Restart; }

/// "create", "forceCreate", "restart", "destroy", "adopt", "applyPolicy", "createVolume", "setVolume",
/// "destroyVolume"
std::string_view toString(Verb verb);

}  // namespace rookery::plan

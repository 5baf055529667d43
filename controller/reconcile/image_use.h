#pragma once

#include <optional>
#include <set>
#include <string>

#include "reconcile/object_store.h"
#include "state/state.h"

namespace rookery::reconcile {

/// The images that must not go, by their SHA-256 in lower-case hex: those that manifests name, and those that
/// run, or may. Nothing: that is not known yet, as not every instance has been observed. For
/// image::ImageStore::Options::inUse.
std::optional<std::set<std::string>> imagesInUse(const ObjectStore& objects, const state::State& state);

}  // namespace rookery::reconcile

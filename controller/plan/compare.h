#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "albatross/name.h"
#include "albatross/wire.h"
#include "api/object.h"

namespace rookery::plan {

/// One field that is to change, as `plan` shows it: redacted where it is not literally in the manifest.
struct FieldChange {
  std::string path;  // "spec.memory"
  nlohmann::json oldValue;
  nlohmann::json newValue;
  friend bool operator==(const FieldChange&, const FieldChange&) = default;
};

inline constexpr std::string_view redacted = "‹redacted›";

struct Difference {
  bool image = false;      // only a force-create mends it
  bool memory = false;     // a restart may mend it: depends on the server's release
  bool arguments = false;  // anything else: a restart mends it
  std::vector<FieldChange> fields;

  bool any() const { return image || memory || arguments; }
};

/// What differs between what is wanted (`digest`: of the image, raw; empty when it is not known) and what a
/// server says it runs under `name`. Knows what the server does not show, derives or defaults, so that what
/// is the same is never taken for different. `written`: the manifest's arguments before expansion; only they
/// are shown.
Difference compare(const albatross::Arguments& wanted, const std::string& digest,
                   const albatross::UnikernelInfo& running, const albatross::Name& name,
                   const std::vector<std::string>& written);

Difference compare(const albatross::Policy& wanted, const albatross::Policy& present);

/// What a unikernel is to be that does not run yet, field by field: all that is not a default.
std::vector<FieldChange> fieldsOf(const albatross::Arguments& wanted, const std::string& digest,
                                  const albatross::Name& name, const std::vector<std::string>& written);
/// The same of a policy that is not set yet.
std::vector<FieldChange> fieldsOf(const albatross::Policy& wanted);

/// Stands for all that a unikernel of that name was started with, but for its image and its memory, which
/// some servers do not change when they are told to. The same for what is sent and for what a server says it
/// runs of that. Arguments may be secret, and others may read what is remembered: so few bits tell that
/// somebody started something else, but not, by trying, what it was.
using Fingerprint = std::uint16_t;
Fingerprint fingerprintOf(const albatross::Arguments& sent, const albatross::Name& name);
Fingerprint fingerprintOf(const albatross::UnikernelInfo& running, const albatross::Name& name);

}  // namespace rookery::plan

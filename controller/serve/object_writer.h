#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "http/message.h"
#include "reconcile/object_store.h"
#include "serve/admission.h"
#include "serve/resource.h"
#include "source/manifest_store.h"
#include "state/state_dir.h"

namespace rookery::serve {

/// What is to become of fields that the schema does not know: the parameter fieldValidation.
enum class FieldValidation { Ignore, Warn, Strict };

struct WriteOptions {
  bool dryRun = false;  // check everything and change nothing
  FieldValidation validation = FieldValidation::Strict;
  std::string caller = {};  // on whose share of the writers it counts
};

/// Conditions of a change: metav1.Preconditions. What is empty does not matter.
struct Preconditions {
  std::string uid = {};
  std::string resourceVersion = {};
};

/// Changes objects for clients of the API. Each change is written to a manifest file of the store, which is
/// the only truth: the answer comes once the controller has read it there. An object that is being deleted
/// stands in no file any more: what it says of its own deletion is kept with the state. Failures are what the
/// API server would answer. Thread-safe: one change is written at a time, and a few are prepared or wait for
/// it; 429 for more, of all or of one caller, as each of them keeps a thread of the server from others.
class ObjectWriter {
 public:
  struct Written {
    nlohmann::json object;  // as it is now; when deleted, as it was, or is while something of it is left
    bool gone = false;      // deleted, and nothing of it is left
    std::vector<std::string> warnings = {};
  };
  using Answer = std::expected<Written, http::Response>;
  /// What a patch makes of an object; an error is an answer, too. Called again when somebody else changes the
  /// object meanwhile.
  using Patch = std::function<std::expected<nlohmann::json, http::Response>(nlohmann::json object)>;

  /// Lets the controller look at the store's files at once, from which `removed` may have been taken.
  using Wake = std::function<void(const std::optional<api::ObjectKey>& removed)>;

  /// All must outlive the writer.
  ObjectWriter(reconcile::ObjectStore& objects, state::StateDir& state, source::ManifestStore& store,
               Wake wake)
      : objects_(objects), state_(state), store_(store), wake_(std::move(wake)) {}

  /// `object` is as the client sent it, of the resource's kind; `nameSpace` is the one in the path, empty for
  /// cluster-scoped kinds.
  Answer create(const Resource& resource, const std::string& nameSpace, nlohmann::json object,
                const WriteOptions& options);
  /// The object must say which version it is made of; a Secret need not.
  Answer update(const Resource& resource, const api::ObjectKey& key, nlohmann::json object,
                const WriteOptions& options);
  Answer patch(const Resource& resource, const api::ObjectKey& key, const Patch& patch,
               const WriteOptions& options);
  Answer remove(const Resource& resource, const api::ObjectKey& key, const Preconditions& preconditions,
                const WriteOptions& options);

  /// Whether it stands in a file that is written here. Another must be edited where it is.
  bool writes(const api::Object& object) const { return store_.holds(object.origin); }

  /// How long the controller may take to read what was written.
  static constexpr std::chrono::seconds patience{10};
  /// How many may be at it at the same time.
  static constexpr std::size_t mostWriters = 4;
  static constexpr std::size_t writersOfOne = 2;  // caller

 private:
  struct Checked {
    nlohmann::json manifest;  // to be written
    api::ObjectPtr object;    // what will be read from it
    std::vector<std::string> warnings;
  };

  /// A change of an object as it was when this was made.
  struct Draft {
    Checked change;
    bool changes = true;  // anything that stands in a manifest
  };

  std::expected<Checked, http::Response> checked(const ResourceType& type, nlohmann::json manifest,
                                                 const api::Origin& origin, FieldValidation validation) const;
  std::expected<reconcile::ObjectViewPtr, http::Response> writable(const ResourceType& type,
                                                                   const api::ObjectKey& key) const;
  std::expected<Draft, http::Response> draft(const ResourceType& type, const reconcile::ObjectView& view,
                                             nlohmann::json object, const WriteOptions& options) const;
  Answer alter(const ResourceType& type, const api::ObjectKey& key, const Patch& wanted,
               const WriteOptions& options);
  Answer commit(const ResourceType& type, Checked change, const reconcile::ObjectViewPtr& existing,
                const WriteOptions& options);
  Answer amendDeleted(const ResourceType& type, Checked change, const reconcile::ObjectView& existing);
  Result<void> requestDeletion(const api::Object& object) const;
  Result<void> erase(const api::Object& object) const;
  Answer awaitRemoval(const ResourceType& type, const reconcile::ObjectViewPtr& view) const;
  bool await(const std::function<bool()>& done) const;
  Answer admitted(const WriteOptions& options, const std::function<Answer()>& change);

  reconcile::ObjectStore& objects_;
  state::StateDir& state_;
  source::ManifestStore& store_;
  const Wake wake_;
  Admission admission_{mostWriters, writersOfOne};
  std::mutex writing_;
};

}  // namespace rookery::serve

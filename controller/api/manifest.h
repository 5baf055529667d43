#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/object.h"
#include "file/settling.h"

namespace rookery::api {

class DocumentCache;

/// What one manifest file holds.
struct Manifest {
  std::vector<ObjectPtr> objects;  // the valid ones
  std::vector<Problem> problems;   // every mistake, in the order of the file
  std::set<ObjectKey> invalid;     // objects that are declared but have a mistake
  // False: not YAML (or JSON) at all, too large, not UTF-8, or a document in it whose kind and name cannot be
  // made out: what the file declares is not known. Then there are no objects, only problems.
  bool parsed = true;
  bool secretsOnly = false;  // not parsed, and nothing but Secrets can be in it
  std::size_t foreign = 0;   // documents of other programs; a text that cannot be ours is one
  /// It is being written: when to look again, should nobody tell before. Not parsed then.
  std::optional<std::chrono::milliseconds> lookAgainIn = {};
  bool blank = false;  // nothing but white space, as a full disk or a power cut leaves a file
  bool cut = false;    // it ends within a line or with `---`: nothing says that it has not lost its end

  /// Whether it says of some object that it is declared.
  bool declares() const { return !objects.empty() || !invalid.empty(); }
};

/// The order in which the keys of a manifest are written; the others follow by the alphabet.
inline constexpr std::array<std::string_view, 6> keyOrder = {"apiVersion", "kind",      "metadata",
                                                             "name",       "namespace", "spec"};

/// Which object a document declares, valid or not: none where kind and name cannot be made out.
std::optional<ObjectKey> keyOf(const nlohmann::json& document);

/// Parses and validates a file of YAML documents or JSON: schema (the CRDs compiled in), defaults, and what a
/// schema cannot say. A List (v1, or of one of the kinds: UnikernelList) stands for its items, as if each
/// were a document of its own; problems name the fields of the item. A document of a kind that is none of
/// ours is a problem, and hides no object. Relative paths are resolved against `folder`; empty: the file's
/// own. Never throws.
Manifest parseManifest(std::string_view text, const Origin& file, const std::filesystem::path& folder = {});

/// The same of one document that is JSON already: there are no places in it, and `folder` is what relative
/// paths are resolved against; empty: the file's own. Nothing limits its size here: who has it has paid for
/// it.
Manifest readDocument(nlohmann::json document, const Origin& file, const std::filesystem::path& folder = {});

/// The same of a text that stands in a file among those of other programs: documents that are not ours are
/// passed over and counted, whether rookery could parse them or not. A text is another program's when it
/// names neither `rookery.dev/` nor one of our kinds, and one that does not parse when it names neither
/// `rookery.dev/` nor has `kind: Secret`, or a `kind` without a word, in it; never one with NUL bytes, which
/// is damaged. `held`: objects of ours came from the file before, so that what does not parse is a mistake.
/// `cache`: what it knows of the file is not parsed again; null: there is none.
Manifest parseManifestFile(std::string_view text, const Origin& file, bool held = false,
                           DocumentCache* cache = nullptr);

/// The text of a manifest file. Errors: SourceUnreadable (missing, unreadable, no regular file),
/// InvalidManifest (over yaml::maxBytes; then unread). Their messages leave it to the caller to name the
/// file.
Result<std::string> readText(const std::filesystem::path& file);

/// Reads, and parses as parseManifestFile does. A file that is missing, unreadable or no regular file is a
/// problem with parsed = false; so is one over yaml::maxBytes, unless what is ours is not named up to
/// there.
Manifest readManifest(const std::filesystem::path& root, const std::filesystem::path& file);
/// The same of a file that somebody may be writing: until it is whole that is a problem (BeingWritten) with
/// parsed = false and lookAgainIn. What is parsed was there at one time.
Manifest readManifest(const std::filesystem::path& root, const std::filesystem::path& file,
                      file::Settling& settling, bool held = false, DocumentCache* cache = nullptr);

/// Checks that need the whole set: an object declared twice (DuplicateObject, a problem for each place).
/// Returns the keys concerned.
std::set<ObjectKey> findDuplicates(const std::vector<ObjectPtr>& objects, std::vector<Problem>& problems);

/// References between objects, which need no server: instances named and there (or the only one) and open to
/// the namespace, Secrets and their keys, policies that cannot be set or that contradict each other; exactly
/// as the controller will resolve them. What files hold (images, credentials) is for those to check who read
/// them.
/// `broken`: what is declared as well, with a mistake that is told elsewhere: no reference to it is wrong.
void checkReferences(const std::vector<ObjectPtr>& objects, std::vector<Problem>& problems,
                     const std::set<ObjectKey>& broken = {});

/// A Secret of a unikernel's namespace, by its name; null: there is none, or it is not known.
using SecretLookup = std::function<const Secret*(const std::string& name)>;

/// What a Unikernel's arguments say and is hardly meant, although it is valid: a $(NAME) that nothing
/// defines, and that is handed over as it stands; an entry of argumentsFrom that no argument uses; a Secret's
/// value that ends in a line break. At most twenty of them; they hold nothing of a Secret's value.
std::vector<Problem> doubtsAbout(const Object& unikernel, const SecretLookup& secretOf);
/// The same of all the Unikernels of a set, which has the Secrets, too.
std::vector<Problem> doubtsAbout(const std::vector<ObjectPtr>& objects);

}  // namespace rookery::api

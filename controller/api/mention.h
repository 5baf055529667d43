#pragma once

#include <string_view>

namespace rookery::api {

/// What a text names that can make it one of ours: found without parsing it, so that what rookery cannot
/// parse can be told from what it need not.
struct Mentions {
  bool group = false;    // `rookery.dev/`, also as JSON may write it
  bool secret = false;   // `kind: Secret`, in block or flow style or in JSON
  bool unsaid = false;   // a `kind` without a word for it, as a slip of the pen leaves one
  bool word = false;     // the name of one of our kinds, anywhere
  bool damaged = false;  // a NUL byte, as in UTF-16 and in what a power cut leaves: the text says nothing

  /// Whether something in the text can be ours.
  bool any() const { return makesOurs() || word; }
  /// Whether that is so although the text does not parse.
  bool makesOurs() const { return group || secret || unsaid || damaged; }
};

/// In time linear in the text.
Mentions mentionsIn(std::string_view text);

/// Whether there is nothing but white space, after a byte order mark perhaps.
bool isBlank(std::string_view text);

/// Whether YAML ends within a line, or with a `---` that nothing follows.
bool endsWithin(std::string_view text);

}  // namespace rookery::api

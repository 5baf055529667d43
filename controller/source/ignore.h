#pragma once

#include <bitset>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "error.h"

namespace rookery::source {

/// The file that says, in any folder of a root, what below it holds no manifests.
inline constexpr std::string_view ignoreFileName = ".rookeryignore";

/// Rules of one such file: gitignore(5) to the letter. Later ones win; `!` takes back; `/` within a pattern
/// anchors it to the file's folder; one at its end asks for a folder; `**` spans folders.
class IgnoreRules {
 public:
  /// Limits on what a file may ask for. Longer ones are refused.
  static constexpr std::size_t maxBytes = 64u << 10;

  /// The rules in `text`. Patterns with a range that does not end match nothing, as for git.
  static IgnoreRules parse(std::string_view text);
  /// Those in a file. Errors: SourceUnreadable, InvalidManifest (over maxBytes); their messages leave it to
  /// the caller to name the file.
  static Result<IgnoreRules> read(const std::filesystem::path& file);

  struct Verdict {
    bool ignored = false;  // false: taken back by `!`
    std::size_t line = 0;  // of the rule, from 1
  };
  /// What the last rule says that matches `path`, which is relative to the folder of the file and has `/`
  /// between its parts; none where no rule does. Folders above it are the caller's to ask about: what lies in
  /// an ignored folder cannot be taken back.
  std::optional<Verdict> match(std::string_view path, bool isFolder) const;

 private:
  /// A part of a pattern: what takes one character, or any number of them.
  struct Element {
    enum class Kind {
      One,
      Star,     // within a part of a path
      Folders,  // `**/`
      Rest      // `**` at the end
    };
    Kind kind = Kind::One;
    std::bitset<256> letters = {};  // that One matches
  };
  using Pattern = std::vector<Element>;
  static std::optional<Pattern> compile(std::string_view pattern);
  static bool matches(const Pattern& pattern, std::string_view text);

  struct Rule {
    Pattern pattern;
    bool negated = false;
    bool folderOnly = false;
    bool anchored = false;
    std::size_t line = 0;
  };
  std::vector<Rule> rules_;
};

}  // namespace rookery::source

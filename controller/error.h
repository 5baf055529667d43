#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace rookery {

/// Why something is as it is or was decided as it was: one CamelCase word (reasons.def), the same in
/// conditions, errors, metrics, logs and `plan -o json`.
enum class Reason {
#define ROOKERY_REASON(word) word,
#include "reasons.def"
#undef ROOKERY_REASON
};

/// The word itself, e.g. "NotOwned". The view lives as long as the program.
std::string_view toString(Reason reason);
/// The reason that is this word, if there is one.
std::optional<Reason> reasonNamed(std::string_view word);

/// A failure of the environment: expected, handled and shown. `message` is a whole sentence that names the
/// object, the field or the file, and what to do; it never holds a secret. Broken invariants of the program
/// are not errors: they abort (see check()).
struct Error {
  Reason reason;
  std::string message;

  friend bool operator==(const Error&, const Error&) = default;
};

template <class T>
using Result = std::expected<T, Error>;

/// Shorthand for returning an Error from a function that returns a Result.
inline std::unexpected<Error> fail(Reason reason, std::string message) {
  return std::unexpected(Error{reason, std::move(message)});
}

/// Aborts with `invariant` on standard error when it does not hold. For what only a bug of this program can
/// break.
void check(bool holds, std::string_view invariant);

}  // namespace rookery

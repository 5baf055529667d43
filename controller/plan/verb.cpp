#include "plan/verb.h"

#include "error.h"

namespace rookery::plan {

std::string_view toString(Verb verb) {
  switch (verb) {
    case Verb::Create:
      return "create";
    case Verb::ForceCreate:
      return "forceCreate";
    case Verb::Restart:
      return "restart";
    case Verb::Destroy:
      return "destroy";
    case Verb::Adopt:
      return "adopt";
    case Verb::ApplyPolicy:
      return "applyPolicy";
  }
  check(false, "every Verb has a word");
  return {};
}

}  // namespace rookery::plan

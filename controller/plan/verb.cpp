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
    case Verb::CreateVolume:
      return "createVolume";
    case Verb::SetVolume:
      return "setVolume";
    case Verb::DestroyVolume:
      return "destroyVolume";
  }
  check(false, "every Verb has a word");
  return {};
}

}  // namespace rookery::plan

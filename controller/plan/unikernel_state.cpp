#include "plan/unikernel_state.h"

namespace rookery::plan {

std::string_view toString(UnikernelState state) {
  switch (state) {
    case UnikernelState::Ready:
      return "ready";
    case UnikernelState::Progressing:
      return "progressing";
    case UnikernelState::Failed:
      return "failed";
    case UnikernelState::Suspended:
      return "suspended";
    case UnikernelState::Unmanaged:
      return "unmanaged";
  }
  check(false, "every UnikernelState has a word");
  return {};
}

bool isProgress(Reason reason) {
  return reason == Reason::Reconciling || reason == Reason::ImagePulling ||
         reason == Reason::DependencyNotReady;
}

}  // namespace rookery::plan

#include "reconcile/listener.h"

#include "error.h"

namespace rookery::reconcile {

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

bool isProgress(Reason reason) { return reason == Reason::Reconciling || reason == Reason::ImagePulling; }

}  // namespace rookery::reconcile

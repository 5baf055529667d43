#include "albatross/client/request.h"

#include <variant>

#include "albatross/client/frame.h"

namespace rookery::albatross {

bool isStreamed(const Command& command) {
  if (const auto* blockCommand = std::get_if<BlockCommand>(&command))
    return std::holds_alternative<block::Set>(*blockCommand);
  const auto* unikernelCommand = std::get_if<UnikernelCommand>(&command);
  if (unikernelCommand == nullptr) return false;
  const auto* create = std::get_if<unikernel::Create>(unikernelCommand);
  const auto* forceCreate = std::get_if<unikernel::ForceCreate>(unikernelCommand);
  return (create != nullptr && create->config.image.empty()) ||
         (forceCreate != nullptr && forceCreate->config.image.empty());
}

bool getsImage(const Command& command) {
  const auto* unikernelCommand = std::get_if<UnikernelCommand>(&command);
  return unikernelCommand != nullptr && std::holds_alternative<unikernel::Get>(*unikernelCommand);
}

std::size_t longestReplyTo(const Request& request) {
  return getsImage(request.command) ? longestReply + request.largestImage : longestReply;
}

bool mutates(const Request& request) {
  if (const auto* command = std::get_if<UnikernelCommand>(&request.command)) {
    return !std::holds_alternative<unikernel::Info>(*command) &&
           !std::holds_alternative<unikernel::Get>(*command);
  }
  if (const auto* command = std::get_if<BlockCommand>(&request.command)) {
    return !std::holds_alternative<block::Info>(*command) && !std::holds_alternative<block::Dump>(*command) &&
           !std::holds_alternative<block::OldDump>(*command);
  }
  return std::holds_alternative<PolicyCommand>(request.command) && !request.domains.empty();
}

}  // namespace rookery::albatross

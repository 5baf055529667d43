#include "serve/openapi/subresources.h"

#include <map>

namespace rookery::serve {
namespace {

using Subresources = std::vector<Subresource>;

/// Read only: it is the controller's to say.
Subresource status(std::string_view answer) {
  return {.name = "status",
          .word = "Status",
          .what = "the status of ",
          .answer = answer,
          .query = {{"resourceVersion", "string", "The version that the answer must have at least."}}};
}

Subresource source() {
  return {.name = "source",
          .word = "Source",
          .what = "the place of the manifest of ",
          .answer = "dev.rookery.v1alpha1.ManifestSource"};
}

Subresource log() {
  return {.name = "log",
          .word = "Log",
          .what = "what was printed by ",
          .answer = "",
          .type = "text/plain",
          .query = {
              {"allLives", "boolean", "Whether what was printed before its present life is there, too."},
              {"follow", "boolean", "Whether what it prints from now on comes as it does."},
              {"instance", "string", "On which AlbatrossInstance. On the first by name when absent."},
              {"limitBytes", "integer", "How many bytes are answered at most."},
              {"previous", "boolean", "What was printed before its present life, and not in it."},
              {"sinceSeconds", "integer", "Only what was printed in the last so many seconds."},
              {"sinceTime", "string", "Only what was printed since then, a time of RFC 3339."},
              {"tailLines", "integer", "How many lines, the last ones, of what was printed already."},
              {"timestamps", "boolean", "Whether each line begins with the time at which it was printed."}}};
}

Subresource plan(std::string_view answer) {
  return {.name = "plan", .word = "Plan", .what = "what is about to be done about ", .answer = answer};
}

/// Its word is not that of the kind UnikernelUsage.
Subresource usage() {
  return {.name = "usage",
          .word = "CurrentUsage",
          .what = "what is used by ",
          .answer = "dev.rookery.v1alpha1.UnikernelUsage"};
}

Subresource content() {
  return {.name = "content",
          .word = "Content",
          .what = "what is on the block device of ",
          .answer = "",
          .type = "application/octet-stream",
          .writing = {{"force", "boolean",
                       "Whether a unikernel that uses it is stopped for it, and started again."}}};
}

}  // namespace

const Subresources& subresourcesOf(std::string_view kind) {
  static const std::map<std::string_view, Subresources> all = {
      {"AlbatrossInstance",
       {plan("dev.rookery.v1alpha1.InstancePlan"), source(),
        status("dev.rookery.v1alpha1.AlbatrossInstance")}},
      {"Unikernel",
       {log(), plan("dev.rookery.v1alpha1.UnikernelPlan"), source(), status("dev.rookery.v1alpha1.Unikernel"),
        usage()}},
      {"UnikernelPolicy", {source(), status("dev.rookery.v1alpha1.UnikernelPolicy")}},
      {"UnikernelVolume", {content(), source(), status("dev.rookery.v1alpha1.UnikernelVolume")}}};
  static const Subresources none;
  const auto found = all.find(kind);
  return found == all.end() ? none : found->second;
}

}  // namespace rookery::serve

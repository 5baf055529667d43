#pragma once

#include <string_view>
#include <vector>

/// What can be asked of one object beside the object itself: unikernels/NAME/log.
namespace rookery::serve {

/// A parameter of a query.
struct OpenApiParameter {
  std::string_view name;
  std::string_view type;  // string, integer or boolean
  std::string_view description;
};

struct Subresource {
  std::string_view name;    // "log"
  std::string_view word;    // for it in the ids of operations: "Log"
  std::string_view what;    // that it is, before "the specified Unikernel": "what was printed by "
  std::string_view answer;  // the definition that is answered; empty: what `type` says, as it is
  std::string_view type = "application/json";
  std::vector<OpenApiParameter> query = {};
  std::vector<OpenApiParameter> writing = {};  // of a PUT with a body of `type`; none: it can only be read
};

/// Those of a kind by its name, such as "Unikernel". They live as long as the program.
const std::vector<Subresource>& subresourcesOf(std::string_view kind);

}  // namespace rookery::serve

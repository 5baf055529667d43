#include "cli/resource_arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "api/schema.h"
#include "api/syntax.h"
#include "text.h"
#include "yaml/yaml.h"

namespace rookery::cli {

namespace {

/// The entry of a kind, made where there is none yet.
ResourceArgument& entryOf(ApiResource resource, std::vector<ResourceArgument>& wanted) {
  const auto known =
      std::ranges::find(wanted, resource.kind, [](const auto& each) { return each.resource.kind; });
  if (known != wanted.end()) return *known;
  return wanted.emplace_back(ResourceArgument{.resource = std::move(resource)});
}

Result<void> addKind(const std::string& word, std::vector<ResourceArgument>& wanted) {
  std::vector<std::string> words = {word};
  if (toLower(word) == "all") {
    words.clear();
    for (const api::Kind kind : api::customKinds()) words.emplace_back(api::toString(kind));
  }
  for (const std::string& each : words) {
    auto resource = ApiResource::named(each);
    if (!resource) return std::unexpected(resource.error());
    entryOf(*std::move(resource), wanted);
  }
  return {};
}

std::unexpected<Error> mixed(const std::string& word) {
  return fail(
      Reason::UsageError,
      fmt::format("{} does not go with the others: write KIND NAME… or KIND/NAME…, not both.", quote(word)));
}

Result<std::vector<ResourceArgument>> pairsNamed(const std::vector<std::string>& arguments) {
  std::vector<ResourceArgument> wanted;
  for (const std::string& argument : arguments) {
    const std::size_t slash = argument.find('/');
    if (slash == std::string::npos) return mixed(argument);
    auto resource = ApiResource::named(argument.substr(0, slash));
    if (!resource) return std::unexpected(resource.error());
    const std::string name = argument.substr(slash + 1);
    if (name.empty() || name.contains('/')) {
      return fail(Reason::UsageError, fmt::format("{} does not name one object: write KIND/NAME, such as "
                                                  "uk/web.",
                                                  quote(argument)));
    }
    entryOf(*std::move(resource), wanted).names.push_back(name);
  }
  return wanted;
}

}  // namespace

Result<std::vector<ResourceArgument>> resourcesNamed(const std::vector<std::string>& arguments) {
  if (arguments.empty()) return fail(Reason::UsageError, "Name a kind, such as uk.");
  if (arguments.front().contains('/')) return pairsNamed(arguments);
  std::vector<ResourceArgument> wanted;
  std::istringstream words(arguments.front());
  for (std::string word; std::getline(words, word, ',');) {
    if (auto added = addKind(word, wanted); !added) return std::unexpected(added.error());
  }
  if (wanted.empty()) return fail(Reason::UsageError, "Name a kind, such as uk.");
  for (auto name = arguments.begin() + 1; name != arguments.end(); ++name) {
    for (ResourceArgument& each : wanted) each.names.push_back(*name);
  }
  return wanted;
}

Result<std::vector<ResourceArgument>> objectsNamed(const std::vector<std::string>& arguments) {
  auto wanted = resourcesNamed(arguments);
  if (wanted && wanted->front().names.empty())
    return fail(Reason::UsageError, "NAME is required: write KIND NAME… or KIND/NAME…, such as uk/web.");
  return wanted;
}

CLI::Validator nameOfA(api::Kind kind) {
  const auto take = [kind](std::string& argument) -> std::string {
    if (!argument.contains('/')) return {};
    const auto named = resourcesNamed({argument});
    if (!named) return named.error().message;
    if (named->front().resource.kind != api::toString(kind))
      return fmt::format("{} is no {}", quote(argument), api::toString(kind));
    argument = named->front().names.front();
    return {};
  };
  return CLI::Validator(take, "");
}

}  // namespace rookery::cli

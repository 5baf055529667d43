#include "serve/list.h"

#include <algorithm>
#include <memory>

#include "serve/failure.h"

namespace rookery::serve {
namespace {

constexpr std::size_t pieceSize = 64 << 10;  // bytes; a piece ends with the object that exceeds it

/// A list on its way. Used by one thread at a time.
class Lister {
 public:
  Lister(std::vector<Item> items, std::string begin, const Representation& representation)
      : items_(std::move(items)), piece_(std::move(begin)), representation_(representation) {}

  std::optional<std::string> next() {
    if (over_) return std::nullopt;
    const auto now = std::chrono::system_clock::now();
    while (sent_ < items_.size() && piece_.size() < pieceSize) {
      if (sent_ > 0) piece_ += ',';
      piece_ += representation_.listItem(items_[sent_++], now);
    }
    if (sent_ == items_.size()) {
      piece_ += Representation::listEnd;
      over_ = true;
    }
    return std::exchange(piece_, {});
  }

 private:
  const std::vector<Item> items_;
  std::string piece_;
  const Representation representation_;
  std::size_t sent_ = 0;
  bool over_ = false;
};

std::optional<http::Response> refuseVersion(const Resource& resource, const ListOptions& options,
                                            std::uint64_t present) {
  const std::uint64_t wanted =
      options.from ? options.from->resourceVersion : options.resourceVersion.value_or(0);
  if (wanted > present) return failure(504, "Too large resource version");
  if (options.exact && wanted != present)
    return failure(410, "The provided resource version is not available.");
  if (options.from && !resource.after(wanted, {})) {
    return failure(410,
                   "The provided continue parameter is too old to display a consistent list result. You must "
                   "start a new list without the continue parameter.");
  }
  return std::nullopt;
}

void skipSent(std::vector<Item>& items, const ListOptions::Continue& from) {
  const auto first = std::ranges::upper_bound(items, from.after, {}, [](const Item& item) {
    return std::pair(std::string(item.nameSpace), std::string(item.name));
  });
  items.erase(items.begin(), first);
}

}  // namespace

http::Response list(const Resource& resource, const std::optional<std::string>& nameSpace,
                    const ListOptions& options, const Representation& representation) {
  Resource::Listing listing = resource.list(nameSpace);
  if (auto refused = refuseVersion(resource, options, listing.resourceVersion)) return *std::move(refused);
  std::vector<Item>& items = listing.items;
  if (options.from) skipSent(items, *options.from);
  std::erase_if(items, [&](const Item& item) { return !selects(options, item); });

  const std::uint64_t version = options.from ? options.from->resourceVersion : listing.resourceVersion;
  ListMeta meta{.resourceVersion = std::to_string(version), .continueToken = {}, .remainingItemCount = {}};
  if (options.limit > 0 && items.size() > options.limit) {
    const Item& last = items[options.limit - 1];
    meta.continueToken = toToken({version, {std::string(last.nameSpace), std::string(last.name)}});
    if (options.labels.empty() && options.fields.empty())
      meta.remainingItemCount = static_cast<std::int64_t>(items.size() - options.limit);
    items.resize(options.limit);
  }
  const auto lister =
      std::make_shared<Lister>(std::move(items), representation.listBegin(meta), representation);
  return {
      .status = 200, .contentType = std::string(http::jsonType), .next = [lister] { return lister->next(); }};
}

}  // namespace rookery::serve

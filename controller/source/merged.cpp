#include "source/merged.h"

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "api/manifest.h"
#include "source/compose.h"

namespace rookery::source {

namespace {

/// What two snapshots say of objects that they do not share.
std::shared_ptr<Snapshot> join(const Snapshot& first, const Snapshot& second) {
  auto joined = std::make_shared<Snapshot>(first);
  joined->objects.clear();
  std::ranges::copy(second.deleted, std::back_inserter(joined->deleted));
  std::ranges::copy(second.problems, std::back_inserter(joined->problems));
  std::ranges::copy(second.roots, std::back_inserter(joined->roots));
  std::set<api::ObjectKey> declared(first.declared.begin(), first.declared.end());
  declared.insert(second.declared.begin(), second.declared.end());
  joined->declared = api::KeySet(std::move(declared));
  std::ranges::copy(second.warnings, std::back_inserter(joined->warnings));
  joined->outdated.insert(second.outdated.begin(), second.outdated.end());
  joined->silent.insert(second.silent.begin(), second.silent.end());
  joined->ignored.insert(second.ignored.begin(), second.ignored.end());
  std::ranges::copy(second.passedOver, std::back_inserter(joined->passedOver));
  joined->statuses.insert(second.statuses.begin(), second.statuses.end());
  joined->unreadable.insert(second.unreadable.begin(), second.unreadable.end());
  joined->released.insert(second.released.begin(), second.released.end());
  joined->synced = first.synced && second.synced;
  joined->files += second.files;
  joined->scannedAt = std::max(first.scannedAt, second.scannedAt);
  joined->begun = std::max(first.begun, second.begun);
  return joined;
}

}  // namespace

SnapshotPtr MergedSource::scan() { return merge(first_.scan(), second_.scan()); }

asio::awaitable<SnapshotPtr> MergedSource::next() {
  using asio::experimental::awaitable_operators::operator||;
  if (last_ == nullptr) co_return scan();
  const auto either = co_await (first_.next() || second_.next());
  const SnapshotPtr& news = either.index() == 0 ? std::get<0>(either) : std::get<1>(either);
  if (news == nullptr) co_return nullptr;
  // The other was broken off in its waiting, perhaps for a change that it had just seen.
  co_return either.index() == 0 ? merge(news, second_.scan()) : merge(first_.scan(), news);
}

SnapshotPtr MergedSource::merge(const SnapshotPtr& first, const SnapshotPtr& second) {
  auto merged = join(*first, *second);
  std::vector<api::ObjectPtr> all = first->objects;
  std::ranges::copy(second->objects, std::back_inserter(all));
  const std::set<api::ObjectKey> duplicates = api::findDuplicates(all, merged->problems);
  std::map<api::ObjectKey, api::ObjectPtr> objects;
  for (const api::ObjectPtr& object : all) {
    if (!duplicates.contains(object->key())) objects.emplace(object->key(), object);
  }
  if (last_ != nullptr) {
    for (const api::ObjectPtr& object : last_->objects) {
      if (duplicates.contains(object->key())) objects.emplace(object->key(), object);
    }
  }
  for (auto& [key, object] : objects) merged->objects.push_back(std::move(object));
  silenceDanglingReferences(*merged, nullptr);
  last_ = std::move(merged);
  return last_;
}

}  // namespace rookery::source

#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fixtures/temp_dir.h"
#include "state/database.h"
#include "state/state_dir.h"
#include "unit/plan/scene.h"

namespace rookery::state {

/// With everything in it that an entry can hold.
inline plan::Entry writtenEntry() {
  plan::Entry entry;
  entry.serverKey = "5f";
  entry.name = {{"shop"}, "web"};
  entry.instance = "eu-1";
  entry.object = plan::keyOf("shop/web");
  entry.root = "/manifests";
  entry.file = "/manifests/ümläut.yaml";
  entry.digests = {plan::digestOf('b'), std::string("\0\xff", 2) + std::string(30, 'a')};
  entry.confirmed = true;
  entry.prune = false;
  entry.suspend = true;
  entry.ranSpec = "spec:1";
  entry.pending = plan::Pending{plan::Verb::ForceCreate,
                                true,
                                api::SystemTime(std::chrono::hours(1)),
                                plan::digestOf('a'),
                                albatross::Time(std::chrono::milliseconds(12'345)),
                                plan::digestOf('b'),
                                plan::Fingerprint{0xffff}};
  entry.since = api::SystemTime(std::chrono::minutes(30));
  entry.fingerprints = {0, 0x1234};
  entry.started = albatross::Time(std::chrono::milliseconds(11'111));
  entry.destroyedAt = api::SystemTime(std::chrono::hours(2));
  return entry;
}

/// A volume that has the name of the unikernel in writtenEntry().
inline plan::Entry writtenVolume() {
  plan::Entry entry;
  entry.serverKey = "5f";
  entry.name = writtenEntry().name;
  entry.instance = "eu-1";
  entry.object = {api::Kind::UnikernelVolume, "shop", "web"};
  entry.digests = {plan::digestOf('c')};
  entry.confirmed = true;
  entry.size = 4;
  return entry;
}

/// An entry like others, but for its name.
inline plan::Entry entryNamed(const std::string& label) {
  plan::Entry entry;
  entry.serverKey = "5f";
  entry.name = {{"shop"}, label};
  entry.object = plan::keyOf("shop/" + label);
  return entry;
}

/// What a coroutine returns, which runs to its end here.
template <class T>
T await(boost::asio::awaitable<T> work) {
  boost::asio::io_context context;
  std::optional<T> result;
  boost::asio::co_spawn(context, std::move(work), [&](const std::exception_ptr& failure, T value) {
    EXPECT_FALSE(failure);
    result.emplace(std::move(value));
  });
  context.run();
  return *std::move(result);
}

class StateFiles : public testing::Test {
 protected:
  std::unique_ptr<StateDir> open() {
    auto state = StateDir::open(path());
    EXPECT_TRUE(state) << state.error().message;
    return state ? std::move(*state) : nullptr;
  }
  /// As another process finds it.
  std::unique_ptr<StateDir> read() {
    auto state = StateDir::read(path());
    EXPECT_TRUE(state) << state.error().message;
    return state ? std::move(*state) : nullptr;
  }
  std::filesystem::path path() const { return folder_.path() / "state"; }
  std::filesystem::path database() const { return path() / "state.db"; }

  /// Changes the database, which nobody else has open.
  void execute(std::string_view sql) {
    auto database = Database::open(this->database());
    ASSERT_TRUE(database);
    const auto done = database->run(sql);
    EXPECT_TRUE(done) << done.error().message;
  }
  /// The first column of what is found there.
  std::vector<std::string> rowsOf(std::string_view sql) {
    std::vector<std::string> rows;
    auto database = Database::open(this->database());
    EXPECT_TRUE(database && database->run(sql, [&](const Row& row) { rows.push_back(row.text(0)); }));
    return rows;
  }
  static std::vector<std::string> namesIn(const std::filesystem::path& folder) {
    std::vector<std::string> names;
    for (const auto& item : std::filesystem::directory_iterator(folder))
      names.push_back(item.path().filename());
    return names;
  }

  fixtures::TempDir folder_;
};

}  // namespace rookery::state

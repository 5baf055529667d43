#include "image/pull/puller.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "fixtures/pki.h"
#include "fixtures/temp_dir.h"
#include "image/inspector.h"
#include "images/image_maker.h"
#include "images/image_server.h"
#include "images/sha256.h"

namespace rookery::image {
namespace {

using images::ImageServer;
using images::sha256Of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string imageWith(const std::string& content) { return images::makeImage({.content = content}); }

/// A variable of the environment, for a test.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) { ::setenv(name, value.c_str(), 1); }
  ~Variable() { ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

class Pull : public testing::Test {
 protected:
  struct Limits {
    std::uint64_t largest = 1 << 20;
    std::uint64_t capacity = 1 << 30;
    std::size_t parallel = 8;
    std::chrono::seconds stall{60};
    std::chrono::milliseconds firstRetry{1}, longestRetry{20};
    std::optional<Hosts> hosts = {};
  };
  Pull() { open({}); }

  void open(const Limits& limits) {
    puller_.reset();
    store_.reset();
    auto store =
        ImageStore::open(dir_.path() / "images",
                         {.capacity = limits.capacity, .largestImage = limits.largest, .inUse = [this] {
                            const std::lock_guard lock(mutex_);
                            return std::optional(inUse_);
                          }});
    ASSERT_TRUE(store) << store.error().message;
    store_ = *std::move(store);
    Puller::Options options;
    options.changed = [this] {
      const std::lock_guard lock(mutex_);
      ++changes_;
      news_.notify_all();
    };
    options.ended = [this](const Puller::Attempt& attempt) {
      const std::lock_guard lock(mutex_);
      attempts_.push_back(attempt);
      news_.notify_all();
    };
    options.firstRetry = limits.firstRetry;
    options.longestRetry = limits.longestRetry;
    options.patience.stall = limits.stall;
    options.parallel = limits.parallel;
    options.hosts = limits.hosts;
    puller_ = std::make_unique<Puller>(*store_, inspector_, options);
  }

  Remote remote(const std::string& path, std::string_view bytes) const {
    return {server_.url(path), sha256Of(bytes)};
  }

  /// Waits until the image is there, or it is said for good why it is not.
  std::expected<Image, Missing> outcome(const Remote& remote) {
    return outcome(remote, [](const Missing& missing) { return missing.lasting; });
  }
  template <class Enough>
  std::expected<Image, Missing> outcome(const Remote& remote, Enough enough) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    for (;;) {
      std::unique_lock lock(mutex_);
      const unsigned seen = changes_;
      lock.unlock();
      auto found = puller_->find(remote);
      if (found || enough(found.error())) return found;
      lock.lock();
      if (!news_.wait_until(lock, deadline, [&] { return changes_ != seen; })) return found;
    }
  }
  void expectImage(const Remote& remote, std::string_view bytes) {
    const auto found = outcome(remote);
    ASSERT_TRUE(found) << found.error().error.message;
    EXPECT_EQ(fixtures::readFile(found->path), bytes);
    EXPECT_EQ(toHex(found->digest), remote.sha256);
  }
  void expectRefusal(const Remote& remote, Reason reason, const std::string& words) {
    const auto found = outcome(remote);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().error.reason, reason) << found.error().error.message;
    EXPECT_THAT(found.error().error.message, HasSubstr(words));
    EXPECT_THAT(files(), IsEmpty()) << "what is not the image does not come into the store";
  }
  bool waitForAttempts(std::size_t count) {
    std::unique_lock lock(mutex_);
    return news_.wait_for(lock, std::chrono::minutes(1), [&] { return attempts_.size() >= count; });
  }

  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(dir_.path() / "images")) {
      if (entry.path().extension() == ".img") names.push_back(entry.path().filename());
    }
    return names;
  }
  std::size_t partials() const {
    const auto isPartial = [](const std::filesystem::directory_entry& entry) {
      return entry.path().filename().string().starts_with(".incoming-");
    };
    return static_cast<std::size_t>(
        std::ranges::count_if(std::filesystem::directory_iterator(dir_.path() / "images"), isPartial));
  }
  void setInUse(std::set<std::string> digests) {
    const std::lock_guard lock(mutex_);
    inUse_ = std::move(digests);
  }

  fixtures::TempDir dir_;
  ImageServer server_;
  Inspector inspector_;
  std::mutex mutex_;
  std::condition_variable news_;
  unsigned changes_ = 0;
  std::vector<Puller::Attempt> attempts_;
  std::set<std::string> inUse_;
  std::unique_ptr<ImageStore> store_;
  std::unique_ptr<Puller> puller_;
};

TEST_F(Pull, BringsWhatIsWanted) {
  const std::string web = imageWith("web"), db = imageWith("db");
  server_.put("/web.hvt", {.bytes = web});
  server_.put("/db.hvt", {.bytes = db});
  const Remote first = remote("/web.hvt", web), second = remote("/db.hvt", db);
  const auto before = puller_->find(first);
  ASSERT_FALSE(before);
  EXPECT_EQ(before.error().error.reason, Reason::ImagePulling);
  puller_->want({first, second});
  expectImage(first, web);
  expectImage(second, db);
  puller_->stop();
  ASSERT_EQ(attempts_.size(), 2);
  EXPECT_EQ(attempts_[0].bytes, web.size());
  EXPECT_FALSE(attempts_[0].error);
}

TEST_F(Pull, AsksForAContentOnce) {
  const std::string web = imageWith("web");
  server_.put("/web.hvt", {.bytes = web});
  server_.put("/mirror.hvt", {.bytes = web});
  const Remote one = remote("/web.hvt", web), other = remote("/mirror.hvt", web);
  puller_->want({one, other});
  expectImage(one, web);
  expectImage(other, web);
  puller_->want({one, other});
  open({});
  puller_->want({one});
  expectImage(one, web);
  EXPECT_EQ(server_.asked().size(), 1) << "the other URL and the next process find it in the store";
}

TEST_F(Pull, TakesTheOtherUrlWhereOneFails) {
  const std::string web = imageWith("web");
  server_.put("/b.hvt", {.bytes = web});
  const Remote missing = remote("/a.hvt", web), there = remote("/b.hvt", web);
  puller_->want({missing, there});
  EXPECT_TRUE(outcome(missing, [](const Missing&) { return false; }));
}

TEST_F(Pull, GoesOnWhereItWasCutOff) {
  const std::string web = images::makeImage({.size = 300'000, .content = "web"});
  server_.put("/web.hvt", {.bytes = web, .etag = "\"v1\"", .cutAfter = 100'000, .piece = 10'000});
  puller_->want({remote("/web.hvt", web)});
  expectImage(remote("/web.hvt", web), web);
  const auto asked = server_.asked();
  ASSERT_GE(asked.size(), 3);
  EXPECT_EQ(asked[0].range, "");
  EXPECT_EQ(asked[1].range, "bytes=100000-");
  EXPECT_EQ(asked[1].ifRange, "\"v1\"");
  EXPECT_EQ(asked[2].range, "bytes=200000-");
}

TEST_F(Pull, BeginsAnewWhereAServerHasNoParts) {
  const std::string web = images::makeImage({.size = 300'000, .content = "web"});
  server_.put("/web.hvt", {.bytes = web, .cutAfter = 100'000, .ranges = false});
  const Remote wanted = remote("/web.hvt", web);
  puller_->want({wanted});
  ASSERT_TRUE(waitForAttempts(2));
  EXPECT_EQ(puller_->find(wanted).error().error.reason, Reason::ImagePullBackOff);
  server_.put("/web.hvt", {.bytes = web, .ranges = false});
  expectImage(wanted, web);
}

TEST_F(Pull, BeginsAnewWhereTheFileChangedInTheMiddle) {
  const std::string old = images::makeImage({.size = 300'000, .content = "old"});
  const std::string web = images::makeImage({.size = 300'000, .content = "web"});
  for (const std::string etag : {"\"v1\"", ""}) {
    SCOPED_TRACE(etag);
    const std::string path = fmt::format("/{}.hvt", etag.size());
    server_.put(path, {.bytes = old, .etag = etag, .cutAfter = 100'000});
    const Remote wanted = remote(path, web);
    puller_->want({wanted});
    ASSERT_TRUE(server_.waitForRequests(path, 1));
    server_.put(path, {.bytes = web, .etag = etag.empty() ? "" : "\"v2\""});
    expectImage(wanted, web);
    store_->discard(wanted.sha256);
  }
}

TEST_F(Pull, WaitsForAServerThatIsDown) {
  const std::string web = imageWith("web");
  server_.put("/web.hvt", {.bytes = web});
  const Remote wanted = remote("/web.hvt", web);
  server_.stop();
  puller_->want({wanted});
  ASSERT_TRUE(waitForAttempts(3));
  const auto found = puller_->find(wanted);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().error.reason, Reason::ImagePullBackOff);
  EXPECT_FALSE(found.error().lasting);
  EXPECT_THAT(found.error().error.message, HasSubstr("Couldn't connect"));
  server_.listen();
  expectImage(wanted, web);
}

TEST_F(Pull, TellsAFailureOnce) {
  server_.put("/web.hvt", {.status = 503});
  puller_->want({remote("/web.hvt", "web")});
  ASSERT_TRUE(waitForAttempts(5));
  puller_->stop();
  EXPECT_EQ(changes_, 1) << "nobody looks again for the same";
}

TEST_F(Pull, WaitsAsLongAsTheServerAsks) {
  server_.put("/web.hvt", {.status = 429, .retryAfter = "3600"});
  Puller::Options options;
  options.firstRetry = std::chrono::milliseconds(1);
  options.ended = [this](const Puller::Attempt& attempt) {
    const std::lock_guard lock(mutex_);
    attempts_.push_back(attempt);
    news_.notify_all();
  };
  Puller patient(*store_, inspector_, options);
  patient.want({remote("/web.hvt", "web")});
  ASSERT_TRUE(waitForAttempts(1));
  const std::string db = imageWith("db");
  server_.put("/db.hvt", {.bytes = db});
  patient.want({remote("/web.hvt", "web"), remote("/db.hvt", db)});
  ASSERT_TRUE(waitForAttempts(2));
  EXPECT_EQ(server_.countOf("/web.hvt"), 1);
}

TEST_F(Pull, RefusesWhatIsNotTheImage) {
  const std::string web = imageWith("web");
  struct Case {
    std::string path;
    ImageServer::File file;
    Reason reason;
    std::string words;
  };
  const std::vector<Case> cases = {
      {"/other", {.bytes = imageWith("other")}, Reason::DigestMismatch, sha256Of(imageWith("other"))},
      {"/cut-short", {.bytes = web.substr(0, web.size() - 1)}, Reason::DigestMismatch, "/cut-short"},
      {"/longer", {.bytes = web + "x"}, Reason::DigestMismatch, "/longer"},
      {"/empty", {.bytes = ""}, Reason::DigestMismatch, "/empty"},
      {"/page", {.bytes = "<html>Log in</html>"}, Reason::DigestMismatch, "/page"},
      {"/gone", {.status = 404}, Reason::ImageNotFound, "answers 404"},
      {"/private", {.status = 403}, Reason::ImagePullFailed, "answers 403, and rookery has no password"},
      {"/none", {.status = 204}, Reason::ImagePullFailed, "answers 204"},
      {"/large", {.bytes = std::string((1 << 20) + 1, 'x')}, Reason::ImageTooLarge, "1048577 bytes"},
      {"/vast",
       {.bytes = web, .announce = std::size_t{1} << 60},
       Reason::ImageTooLarge,
       "1152921504606846976"},
      {"/ftp",
       {.redirect = "ftp://127.0.0.1/web.hvt"},
       Reason::ImagePullFailed,
       "redirects to ftp://127.0.0.1"},
      {"/round", {.redirect = "/round"}, Reason::ImagePullFailed, "more than 10 times"},
  };
  for (const auto& [path, file, reason, words] : cases) {
    SCOPED_TRACE(path);
    server_.put(path, file);
    puller_->want({remote(path, web)});
    expectRefusal(remote(path, web), reason, words);
  }
  server_.put("/text", {.bytes = "#!/bin/sh"});
  puller_->want({remote("/text", "#!/bin/sh")});
  expectRefusal(remote("/text", "#!/bin/sh"), Reason::ImageInvalid, "/text");
}

TEST_F(Pull, NamesTheFieldThatAsksForWhatItRefuses) {
  server_.put("/disk", {.bytes = "something else"});
  server_.put("/gone", {.status = 404});
  for (const std::string path : {"/disk", "/gone"}) {
    Remote wanted = remote(path, "what is meant");
    wanted.content = Content::Any;
    puller_->want({wanted});
    const bool there = path == "/disk";
    expectRefusal(wanted, there ? Reason::DigestMismatch : Reason::ImageNotFound,
                  there ? "spec.source.sha256 asks for" : "correct spec.source.url");
  }
}

TEST_F(Pull, TriesAgainWhatWasRefused) {
  const std::string web = imageWith("web");
  const Remote wanted = remote("/web.hvt", web);
  puller_->want({wanted});
  ASSERT_EQ(outcome(wanted).error().error.reason, Reason::ImageNotFound);
  server_.put("/web.hvt", {.bytes = web});
  const auto found = outcome(wanted, [](const Missing&) { return false; });
  EXPECT_TRUE(found) << found.error().error.message;
}

TEST_F(Pull, StopsReadingWhatIsTooLarge) {
  open({.largest = 100'000});
  server_.put("/endless", {.bytes = std::string(200'000, 'x'), .held = true});
  puller_->want({remote("/endless", "x")});
  expectRefusal(remote("/endless", "x"), Reason::ImageTooLarge, "200000 bytes");
  server_.release();
}

TEST_F(Pull, FollowsRedirects) {
  const std::string web = imageWith("web");
  server_.put("/latest", {.redirect = "/build/1"});
  server_.put("/build/1", {.redirect = server_.url("/f/web.hvt?signature=secret")});
  server_.put("/f/web.hvt", {.bytes = web});
  puller_->want({remote("/latest", web)});
  expectImage(remote("/latest", web), web);
}

bool isTold(const Missing& missing) { return missing.error.reason != Reason::ImagePulling; }

// Whoever may write an object must not learn what else answers in this machine's network.
TEST_F(Pull, ReachesNothingButPublicAddressesForAnybody) {
  const std::string web = imageWith("web"), other = imageWith("other");
  server_.put("/web.hvt", {.bytes = web});
  server_.put("/gone", {.status = 404});
  puller_->want({remote("/web.hvt", web)});
  expectImage(remote("/web.hvt", web), web);  // for the operator, whose connection is not for others
  const std::string port = server_.url("").substr(server_.url("").rfind(':') + 1);
  const std::vector<std::string> urls = {server_.url("/web.hvt"),
                                         server_.url("/gone"),
                                         "http://localhost:" + port + "/web.hvt",
                                         "http://0.0.0.0:" + port + "/web.hvt",
                                         "http://[::1]:" + port + "/web.hvt",
                                         "http://[::ffff:127.0.0.1]:" + port + "/web.hvt",
                                         "http://2130706433:" + port + "/web.hvt",
                                         "http://127.0.0.1:1/web.hvt",
                                         "http://nothing.invalid/web.hvt"};
  for (const std::string& url : urls) {
    const Remote wanted{url, sha256Of(other), true};
    puller_->want({wanted});
    const auto found = outcome(wanted, isTold);
    ASSERT_FALSE(found) << url;
    EXPECT_EQ(found.error().error,
              (Error{Reason::ImagePullBackOff,
                     "Image " + url +
                         " cannot be pulled: nothing answers at its host, or images may not come "
                         "from there (--image-hosts)."}));
  }
  EXPECT_EQ(server_.asked().size(), 1);
}

TEST_F(Pull, TakesAnybodysImagesFromHostsThatAreAllowed) {
  open({.hosts = Hosts::parse({"127.0.0.0/8"}).value()});
  const std::string web = imageWith("web"), other = imageWith("other");
  server_.put("/web.hvt", {.bytes = web});
  const Remote right{server_.url("/web.hvt"), sha256Of(web), true};
  puller_->want({right});
  expectImage(right, web);
  const Remote wrong{server_.url("/web.hvt"), sha256Of(other), true};
  puller_->want({wrong});
  const auto found = outcome(wrong);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().error.reason, Reason::DigestMismatch);
  EXPECT_THAT(found.error().error.message, testing::Not(HasSubstr(sha256Of(web))))
      << "what is there is not for anybody";
}

TEST_F(Pull, UsesNoHostThatIsNotAllowedAlsoAfterARedirect) {
  open({.hosts = Hosts::parse({"localhost"}).value()});
  const std::string web = imageWith("web");
  const std::string port = server_.url("").substr(server_.url("").rfind(':') + 1);
  server_.put("/web.hvt", {.bytes = web});
  server_.put("/there", {.redirect = server_.url("/web.hvt")});
  const Remote redirected{"http://localhost:" + port + "/there", sha256Of(web)};
  puller_->want({redirected});
  expectRefusal(redirected, Reason::ImagePullFailed,
                "images may not come from the host 127.0.0.1 (--image-hosts)");
  EXPECT_EQ(server_.countOf("/web.hvt"), 0);
  const Remote named{"http://localhost:" + port + "/web.hvt", sha256Of(web)};
  puller_->want({named});
  expectImage(named, web);
}

TEST_F(Pull, TakesNoMoreAtATimeThanItMay) {
  open({.parallel = 1});
  const std::string web = imageWith("web"), db = imageWith("db");
  server_.put("/1", {.bytes = web, .held = true});
  server_.put("/2", {.bytes = db});
  puller_->want({remote("/1", web)});
  ASSERT_TRUE(server_.waitForRequests("/1", 1));
  puller_->want({remote("/1", web), remote("/2", db)});
  EXPECT_EQ(server_.countOf("/2"), 0);
  server_.release();
  expectImage(remote("/1", web), web);
  expectImage(remote("/2", db), db);
}

TEST_F(Pull, IsNotHeldUpByASlowOne) {
  const std::string web = imageWith("web"), db = imageWith("db");
  server_.put("/slow", {.bytes = web, .held = true});
  server_.put("/db", {.bytes = db});
  puller_->want({remote("/slow", web), remote("/db", db)});
  expectImage(remote("/db", db), db);
  EXPECT_EQ(puller_->find(remote("/slow", web)).error().error.reason, Reason::ImagePulling);
  server_.release();
  expectImage(remote("/slow", web), web);
}

TEST_F(Pull, LeavesAServerThatHasFallenSilent) {
  open({.stall = std::chrono::seconds(1)});
  const std::string web = imageWith("web");
  server_.put("/web", {.bytes = web, .held = true});
  puller_->want({remote("/web", web)});
  ASSERT_TRUE(waitForAttempts(1));
  EXPECT_THAT(attempts_.front().error->message, HasSubstr("Timeout was reached"));
  server_.release();
  expectImage(remote("/web", web), web);
}

TEST_F(Pull, GivesUpWhatIsWantedNoMore) {
  const std::string web = imageWith("web");
  server_.put("/web", {.bytes = web, .held = true});
  puller_->want({remote("/web", web)});
  ASSERT_TRUE(server_.waitForRequests("/web", 1));
  puller_->want({});
  puller_->stop();
  server_.release();
  EXPECT_THAT(files(), IsEmpty());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir_.path() / "images"),
                          std::filesystem::directory_iterator()),
            0)
      << "nothing half remains";
}

TEST_F(Pull, WaitsForRoomInTheStore) {
  open({.capacity = 500'000});
  const std::string old = images::makeImage({.size = 300'000, .content = "old"});
  const std::string web = images::makeImage({.size = 300'000, .content = "web"});
  server_.put("/old", {.bytes = old});
  server_.put("/web", {.bytes = web});
  setInUse({sha256Of(old)});
  puller_->want({remote("/old", old)});
  expectImage(remote("/old", old), old);
  puller_->want({remote("/web", web)});
  const auto isFull = [](const Missing& missing) { return missing.error.reason == Reason::StoreUnwritable; };
  const auto found = outcome(remote("/web", web), isFull);
  ASSERT_FALSE(found);
  EXPECT_FALSE(found.error().lasting);
  EXPECT_THAT(found.error().error.message,
              testing::AllOf(HasSubstr("images take 300000 bytes"), HasSubstr("Raise --image-store-size")));
  EXPECT_EQ(files().size(), 1);
  setInUse({sha256Of(web)});
  const auto came = outcome(remote("/web", web), [](const Missing&) { return false; });
  EXPECT_TRUE(came) << came.error().error.message;
  EXPECT_FALSE(store_->contains(sha256Of(old)));
}

TEST_F(Pull, TakesSeveralThatDoNotFitTogetherOneAfterTheOther) {
  open({.capacity = 500'000});
  std::set<Remote> wanted;
  std::vector<std::string> images;
  for (const char* name : {"/1", "/2", "/3"}) {
    images.push_back(images::makeImage({.size = 300'000, .content = name}));
    server_.put(name, {.bytes = images.back(), .piece = 10'000});
    wanted.insert(remote(name, images.back()));
  }
  puller_->want(wanted);  // none of them is in use: each goes again for the next
  const auto came = [&](const Remote& remote) {
    return std::ranges::any_of(attempts_, [&](const Puller::Attempt& attempt) {
      return attempt.remote == remote && !attempt.error;
    });
  };
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(
      news_.wait_for(lock, std::chrono::minutes(1), [&] { return std::ranges::all_of(wanted, came); }));
}

TEST_F(Pull, GivesUpWhatWaitsForItsNextAttemptWhereRoomIsNeeded) {
  open({.capacity = 500'000, .firstRetry = std::chrono::hours(1), .longestRetry = std::chrono::hours(1)});
  const std::string old = images::makeImage({.size = 300'000, .content = "old"});
  const std::string web = images::makeImage({.size = 400'000, .content = "web"});
  server_.put("/old", {.bytes = old, .cutAfter = 200'000});
  server_.put("/web", {.bytes = web});
  puller_->want({remote("/old", old)});
  ASSERT_TRUE(waitForAttempts(1));
  EXPECT_EQ(partials(), 1);
  puller_->want({remote("/old", old), remote("/web", web)});
  expectImage(remote("/web", web), web);
  EXPECT_EQ(partials(), 0);
}

TEST_F(Pull, CanGoOnAfterAStop) {
  const std::string web = imageWith("web");
  server_.put("/web", {.bytes = web});
  puller_->stop();
  puller_->want({remote("/web", web)});
  expectImage(remote("/web", web), web);
}

TEST_F(Pull, PullsAgainWhatHasBrokenInTheStore) {
  const std::string web = imageWith("web");
  server_.put("/web", {.bytes = web});
  const Remote wanted = remote("/web", web);
  puller_->want({wanted});
  expectImage(wanted, web);
  std::string broken = web;
  broken.back() ^= 1;
  for (const std::string& content : {broken, std::string("short")}) {
    dir_.write("images/" + wanted.sha256 + ".img", content);
    EXPECT_FALSE(puller_->find(wanted));
    puller_->want({wanted});
    expectImage(wanted, web);
  }
}

TEST_F(Pull, KeepsTheQueryToItself) {
  server_.stop();
  const Remote wanted{server_.url("/web.hvt?token=hunter2"), sha256Of("web")};
  EXPECT_THAT(puller_->find(wanted).error().error.message, Not(HasSubstr("hunter2")));
  puller_->want({wanted});
  ASSERT_TRUE(waitForAttempts(1));
  EXPECT_THAT(attempts_.front().error->message, Not(HasSubstr("hunter2")));
}

TEST_F(Pull, GoesThroughTheProxyOfTheEnvironment) {
  const std::string web = imageWith("web");
  const Remote far{"http://builds.example.org/web.hvt", sha256Of(web)};
  server_.put(far.url, {.bytes = web});  // a proxy is asked for a whole URL
  for (const char* name : {"http_proxy", "HTTP_PROXY", "all_proxy"}) {
    SCOPED_TRACE(name);
    const Variable proxy(name, server_.url(""));
    puller_->want({far});
    expectImage(far, web);
    puller_->stop();
    store_->discard(far.sha256);
  }
  server_.put("/web.hvt", {.bytes = web});
  const Variable proxy("http_proxy", "http://127.0.0.1:1"), except("no_proxy", "127.0.0.1");
  puller_->want({remote("/web.hvt", web)});
  expectImage(remote("/web.hvt", web), web);
  puller_->stop();
}

/// A server with TLS, and a CA that is trusted where the environment names it.
class SecurePull : public Pull {
 protected:
  SecurePull() {
    const auto ca = fixtures::makeIdentity({.keyType = fixtures::KeyType::P256});
    const auto leaf = fixtures::makeIdentity(
        {.commonName = "builds", .keyType = fixtures::KeyType::P256, .ca = false, .ipAddress = "127.0.0.1"},
        &ca);
    dir_.write("ca.pem", ca.certificate);
    dir_.write("leaf.pem", leaf.certificate);
    dir_.write("leaf.key", leaf.privateKey);
    secure_ = std::make_unique<ImageServer>(dir_.path() / "leaf.pem", dir_.path() / "leaf.key");
  }
  std::string ca() const { return (dir_.path() / "ca.pem").string(); }

  std::unique_ptr<ImageServer> secure_;
};

TEST_F(SecurePull, TrustsTheCAOfTheEnvironment) {
  const std::string web = imageWith("web");
  secure_->put("/web.hvt", {.bytes = web});
  const Remote wanted{secure_->url("/web.hvt"), sha256Of(web)};
  puller_->want({wanted});
  expectRefusal(wanted, Reason::ImagePullFailed, "SSL_CERT_FILE");
  EXPECT_THAT(secure_->asked(), IsEmpty());
  puller_->stop();
  const Variable trust("SSL_CERT_FILE", ca());
  puller_->want({wanted});
  const auto found = outcome(wanted, [](const Missing&) { return false; });
  EXPECT_TRUE(found) << found.error().error.message;
  puller_->stop();
}

TEST_F(SecurePull, NeverFallsFromHttpsToHttp) {
  const Variable trust("SSL_CERT_FILE", ca());
  const std::string web = imageWith("web");
  server_.put("/web.hvt", {.bytes = web});
  server_.put("/up", {.redirect = secure_->url("/web.hvt")});
  secure_->put("/web.hvt", {.bytes = web});
  secure_->put("/down", {.redirect = server_.url("/web.hvt?token=hunter2")});
  const Remote down{secure_->url("/down"), sha256Of(web)};
  puller_->want({down});
  expectRefusal(down, Reason::ImagePullFailed, "from https only https may follow");
  EXPECT_THAT(puller_->find(down).error().error.message, Not(HasSubstr("hunter2")));
  EXPECT_THAT(server_.asked(), IsEmpty());
  puller_->want({remote("/up", web)});
  expectImage(remote("/up", web), web);
  puller_->stop();
}

}  // namespace
}  // namespace rookery::image

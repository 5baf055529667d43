#include "source/manifest_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "api/manifest.h"
#include "fixtures/limits.h"
#include "fixtures/temp_dir.h"
#include "source/directory.h"
#include "yaml/yaml.h"

namespace rookery::source {
namespace {

namespace fs = std::filesystem;
using fixtures::readFile;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

json unikernelJson(const std::string& name, const std::string& memory = "32Mi") {
  return {{"apiVersion", "rookery.dev/v1alpha1"},
          {"kind", "Unikernel"},
          {"metadata", {{"name", name}, {"namespace", "shop"}}},
          {"spec", {{"image", {{"path", "images/web.hvt"}}}, {"memory", memory}}}};
}

constexpr const char* web = R"(# The shop.

apiVersion: rookery.dev/v1alpha1
kind: Unikernel
metadata: {name: web, namespace: shop}
spec:
  image: {path: web.hvt}   # built by CI
  # measured
  memory: 64Mi
)";

constexpr const char* secret = R"(apiVersion: v1
kind: Secret
metadata: {name: db, namespace: shop}
stringData:
  password: hunter2   # change me
)";

mode_t modeOf(const fs::path& file) {
  struct stat status{};
  EXPECT_EQ(::stat(file.c_str(), &status), 0) << file;
  return status.st_mode & 07777u;
}

/// `text` with its only `from` as `to`.
std::string with(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

class ManifestStoreTest : public testing::Test {
 protected:
  fs::path folder() const { return dir_.path() / "store"; }

  ManifestStore open() const {
    auto store = ManifestStore::open(folder());
    check(store.has_value(), "the test's store opens");
    return std::move(*store);
  }

  /// The object of that name, as a scan finds it.
  api::ObjectPtr find(const std::string& name) const {
    const SnapshotPtr snapshot = DirectorySource({.roots = {folder()}, .watch = false}).scan();
    for (const api::ObjectPtr& object : snapshot->objects) {
      if (object->metadata.name == name) return object;
    }
    ADD_FAILURE() << "no object " << name;
    return nullptr;
  }

  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder())) names.push_back(entry.path().filename());
    return names;
  }

  fixtures::TempDir dir_;
};

template <class T>
std::string messageOf(const Result<T>& result) {
  return result ? "done" : fmt::format("{}: {}", toString(result.error().reason), result.error().message);
}

TEST_F(ManifestStoreTest, MakesItsFolderForItselfAlone) {
  ASSERT_TRUE(ManifestStore::open(dir_.path() / "a/store"));
  EXPECT_EQ(modeOf(dir_.path() / "a/store"), 0700u);
  EXPECT_TRUE(fs::is_empty(dir_.path() / "a/store"));
}

TEST_F(ManifestStoreTest, SaysWhenTheFolderCannotBeWritten) {
  const fs::path file = dir_.write("file", "");
  const auto store = ManifestStore::open(file);
  EXPECT_THAT(messageOf(store),
              HasSubstr("StoreUnwritable: The folder " + file.string() + " cannot take manifests. "));
  EXPECT_THAT(messageOf(store), HasSubstr("Not a directory"));
}

TEST_F(ManifestStoreTest, WritesANewObjectThatTheSourceReads) {
  ManifestStore store = open();
  json manifest = unikernelJson("web", "64Mi");
  manifest["status"] = {{"conditions", json::array()}};
  for (const char* field : {"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields",
                            "deletionTimestamp", "selfLink"}) {
    manifest["metadata"][field] = "x";
  }
  const auto file = store.put(manifest, nullptr);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(*file, folder() / "unikernel.shop.web.yaml");
  EXPECT_EQ(readFile(*file),
            "apiVersion: rookery.dev/v1alpha1\nkind: Unikernel\nmetadata:\n  name: web\n  namespace: shop\n"
            "spec:\n  image:\n    path: images/web.hvt\n  memory: 64Mi\n");
  EXPECT_EQ(modeOf(*file), 0640u);
  EXPECT_EQ(find("web")->as<api::Unikernel>().image.path, folder() / "images/web.hvt");
  EXPECT_TRUE(store.holds(find("web")->origin));
}

TEST_F(ManifestStoreTest, ASecretIsForItsOwnerAlone) {
  ManifestStore store = open();
  const json manifest = {{"apiVersion", "v1"},
                         {"kind", "Secret"},
                         {"metadata", {{"name", "db"}, {"namespace", "shop"}}},
                         {"stringData", {{"key", "-----BEGIN\nx\n"}}}};
  const auto file = store.put(manifest, nullptr);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(modeOf(*file), 0600u);
  EXPECT_THAT(readFile(*file), HasSubstr("  key: |\n    -----BEGIN\n    x\n"));
}

TEST_F(ManifestStoreTest, AnInstanceHasNoNamespace) {
  ManifestStore store = open();
  const auto file =
      store.put({{"apiVersion", "rookery.dev/v1alpha1"},
                 {"kind", "AlbatrossInstance"},
                 {"metadata", {{"name", "eu-1.example"}}},
                 {"spec",
                  {{"endpoint", "10.0.0.1"},
                   {"credentials", {{"secretRef", {{"namespace", "rookery"}, {"name", "eu-1"}}}}}}}},
                nullptr);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->filename(), "albatrossinstance.eu-1.example.yaml");
}

TEST_F(ManifestStoreTest, RefusesWhatTheSourceWouldNotRead) {
  ManifestStore store = open();
  const auto refused = [&](const json& manifest) { return messageOf(store.put(manifest, nullptr)); };
  EXPECT_THAT(refused(unikernelJson("../web")),
              HasSubstr("InvalidManifest: Unikernel shop/../web is not written: "));
  EXPECT_THAT(refused(unikernelJson(".web")), HasSubstr("InvalidManifest"));
  EXPECT_THAT(refused(unikernelJson("a/b")), HasSubstr("InvalidManifest"));
  json elsewhere = unikernelJson("web");
  elsewhere["metadata"]["namespace"] = "../x";
  EXPECT_THAT(refused(elsewhere), HasSubstr("InvalidManifest"));
  EXPECT_EQ(refused(unikernelJson("web", "much")).substr(0, 60),
            "InvalidManifest: Unikernel shop/web is not written: spec.mem");
  EXPECT_THAT(refused({{"kind", "Pod"}}), HasSubstr("does not say which object it declares"));
  EXPECT_THAT(refused("text"), HasSubstr("does not say which object it declares"));
  json garbled = unikernelJson("web");
  garbled["metadata"]["labels"] = {{"a", "\xC3("}};
  EXPECT_THAT(refused(garbled), HasSubstr("InvalidManifest"));
  json deep = 1;
  for (int i = 0; i < 1000; ++i) deep = json::array({std::move(deep)});
  EXPECT_THAT(refused(deep), HasSubstr("nested more than 64 levels deep"));
  const json longName = {
      {"apiVersion", "v1"}, {"kind", "Secret"}, {"metadata", {{"name", std::string(253, 'a')}}}};
  EXPECT_THAT(refused(longName), HasSubstr("too long for the name of a file"));
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(ManifestStoreTest, ANewObjectTakesNobodysFile) {
  ManifestStore store = open();
  dir_.write("store/unikernel.shop.web.yaml", "# mine\n");
  EXPECT_THAT(messageOf(store.put(unikernelJson("web"), nullptr)),
              HasSubstr("Conflict: Unikernel shop/web is not written as a new object: there is a file "));
  EXPECT_EQ(readFile(folder() / "unikernel.shop.web.yaml"), "# mine\n");
}

TEST_F(ManifestStoreTest, EditsAnObjectInItsOwnFile) {
  ManifestStore store = open();
  const std::string others = "---\n# the other\n" + with(web, "name: web", "name: api") +
                             "---\napiVersion: v1\nkind: ConfigMap   # not ours\n";
  const fs::path file = dir_.write("store/sub/all.yml", std::string(web) + others);
  fs::permissions(file, fs::perms(0604));
  const api::ObjectPtr before = find("web");
  // Moved within the file since the scan: what counts is what it is, not where.
  dir_.write("store/sub/all.yml", "# moved\n\n" + std::string(web) + others);
  json manifest = before->manifest.unpack();  // with all defaults, as a client gets it
  manifest["spec"]["memory"] = "96Mi";
  manifest["spec"]["startup"] = 5;
  const auto put = store.put(manifest, before.get());
  ASSERT_TRUE(put) << put.error().message;
  EXPECT_EQ(*put, file);
  EXPECT_EQ(readFile(file), "# moved\n\n" + with(web, "64Mi\n", "96Mi\n  startup: 5\n") + others);
  EXPECT_EQ(modeOf(file), 0604u);
  EXPECT_THAT(files(), ElementsAre("sub"));
}

// Only its own document is read again and edited: the result is that of an edit of the whole text.
TEST_F(ManifestStoreTest, EditsOneOfManyDocumentsAsIfItHadReadThemAll) {
  const std::string dns = with(with(web, "name: web", "name: dns"), "64Mi", "32Mi");
  const std::string ntp = with(dns, "name: dns", "name: ntp");
  const std::string texts[] = {
      web + ("---\n" + dns) + "---\n" + ntp,
      dns + ("---\n" + std::string(web)) + "---\n" + ntp,
      dns + ("---\n" + ntp) + "---\n" + web,
      dns + ("---\n" + ntp) + "---\n" + web + "  # the end",
      std::string(yaml::byteOrderMark) + "---\n" + web + "---\n" + dns,
      std::string(yaml::byteOrderMark) + dns + "---\n" + web,
      "---\n# nothing\n---\n" + dns + "...\n---   # and\n" + web + "...\n---\n" + ntp,
      "%YAML 1.2\n---\n" + dns + "---\n" + web,
  };
  for (const std::string& text : texts) {
    ManifestStore store = open();
    const fs::path file = dir_.write("store/shop.yaml", text);
    const api::ObjectPtr existing = find("web");
    ASSERT_NE(existing, nullptr) << text;
    json wanted = existing->manifest.unpack();
    wanted["spec"]["memory"] = "96Mi";
    ASSERT_EQ(messageOf(store.put(wanted, existing.get())), "done") << text;
    EXPECT_EQ(readFile(file), with(text, "64Mi", "96Mi") + (text.ends_with('\n') ? "" : "\n"));
    fs::remove(file);
  }
}

TEST_F(ManifestStoreTest, AChangeOfNothingWritesNothing) {
  ManifestStore store = open();
  const fs::path file = dir_.write("store/web.yaml", with(web, ", namespace: shop", ""));
  const auto stamp = fs::last_write_time(file);
  ASSERT_TRUE(store.put(find("web")->manifest.unpack(), find("web").get()));
  EXPECT_EQ(readFile(file), with(web, ", namespace: shop", ""));
  EXPECT_EQ(fs::last_write_time(file), stamp);
}

TEST_F(ManifestStoreTest, JsonStaysJson) {
  ManifestStore store = open();
  const fs::path file = dir_.write("store/web.json", unikernelJson("web").dump());
  json manifest = unikernelJson("web", "96Mi");
  const auto put = store.put(manifest, find("web").get());
  ASSERT_TRUE(put) << put.error().message;
  EXPECT_EQ(json::parse(readFile(file)), manifest);
  ASSERT_TRUE(store.erase(*find("web")));
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(ManifestStoreTest, AFileThatGetsASecretIsClosedToOthers) {
  ManifestStore store = open();
  const fs::path file = dir_.write("store/db.yaml", secret);
  fs::permissions(file, fs::perms(0644));
  const auto put = store.put({{"apiVersion", "v1"},
                              {"kind", "Secret"},
                              {"metadata", {{"name", "db"}, {"namespace", "shop"}}},
                              {"stringData", {{"password", "correct horse"}}}},
                             find("db").get());
  ASSERT_TRUE(put) << put.error().message;
  EXPECT_EQ(readFile(file), with(secret, "hunter2", "correct horse"));
  EXPECT_EQ(modeOf(file), 0600u);
}

TEST_F(ManifestStoreTest, WhatWasEditedByHandIsNotOverwritten) {
  ManifestStore store = open();
  const fs::path file = dir_.write("store/web.yaml", web);
  const api::ObjectPtr seen = find("web");
  const auto attempts = [&](const std::string& text, const std::string& message) {
    dir_.write("store/web.yaml", text);
    EXPECT_THAT(messageOf(store.put(unikernelJson("web"), seen.get())), HasSubstr(message));
    EXPECT_THAT(messageOf(store.erase(*seen)), HasSubstr(message));
    EXPECT_EQ(readFile(file), text);
    EXPECT_THAT(files(), ElementsAre("web.yaml"));
  };
  attempts(with(web, "64Mi", "65Mi"), "Conflict: Unikernel shop/web was changed by somebody else in ");
  attempts(with(web, "name: web", "name: api"), "Conflict: Unikernel shop/web is no longer declared in ");
  attempts(with(web, "64Mi", "much"),
           "Conflict: Unikernel shop/web is not declared once and without a mistake in ");
  attempts(std::string(web) + "---\n" + web, "Conflict: Unikernel shop/web is not declared once");
  attempts(with(web, "}", ""),
           "InvalidManifest: " + file.string() + " cannot be changed, as it does not parse: ");
  fs::remove(file);
  EXPECT_THAT(messageOf(store.put(unikernelJson("web"), seen.get())), HasSubstr("Conflict: "));

  dir_.write("store/db.yaml", secret);
  const api::ObjectPtr secretSeen = find("db");
  dir_.write("store/db.yaml", with(secret, "hunter2", "hunter3"));
  EXPECT_THAT(messageOf(store.erase(*secretSeen)), HasSubstr("Conflict: "));
}

TEST_F(ManifestStoreTest, AnObjectKeepsItsKey) {
  ManifestStore store = open();
  dir_.write("store/web.yaml", web);
  EXPECT_EQ(messageOf(store.put(unikernelJson("api"), find("web").get())),
            "InvalidManifest: Unikernel shop/web cannot become Unikernel shop/api; write that one as a new "
            "object.");
  EXPECT_THAT(messageOf(store.put(unikernelJson("web", "much"), find("web").get())),
              HasSubstr("InvalidManifest: "));
  EXPECT_EQ(readFile(folder() / "web.yaml"), web);
}

TEST_F(ManifestStoreTest, ErasesOneDocument) {
  ManifestStore store = open();
  const fs::path file = dir_.write("store/all.yaml", std::string(web) + "---\n" + secret);
  ASSERT_TRUE(store.erase(*find("web")));
  EXPECT_EQ(readFile(file), "# The shop.\n\n---\n" + std::string(secret));
  ASSERT_TRUE(store.erase(*find("db")));
  EXPECT_THAT(files(), IsEmpty()) << "nothing but comments was left";
}

TEST_F(ManifestStoreTest, HoldsWhatReallyLiesInTheFolder) {
  const ManifestStore store = open();
  const fs::path outside = dir_.write("outside/web.yaml", web);
  dir_.write("store/sub/in.yaml", with(web, "name: web", "name: inside"));
  fs::create_symlink(outside, folder() / "link.yaml");
  fs::create_symlink("sub/in.yaml", folder() / "alias.yaml");
  fs::create_symlink(folder(), dir_.path() / "other-name");
  const auto holds = [&](const fs::path& file) { return store.holds({.root = folder(), .file = file}); };
  EXPECT_TRUE(holds(folder() / "sub/in.yaml"));
  EXPECT_TRUE(holds(folder() / "alias.yaml"));
  EXPECT_TRUE(holds(folder() / "gone.yaml"));
  EXPECT_TRUE(holds(dir_.path() / "other-name/sub/in.yaml"));
  EXPECT_FALSE(holds(folder() / "link.yaml"));
  EXPECT_FALSE(holds(folder() / "../outside/web.yaml"));
  EXPECT_FALSE(holds(folder()));
  EXPECT_FALSE(holds(folder().string() + "-2/web.yaml"));
}

TEST_F(ManifestStoreTest, LeavesOtherFoldersAlone) {
  ManifestStore store = open();
  const fs::path outside = dir_.write("outside/web.yaml", web);
  fs::create_symlink(outside, folder() / "link.yaml");
  const api::ObjectPtr object = find("web");
  const std::string message = "OutsideStore: Unikernel shop/web comes from " +
                              (folder() / "link.yaml").string() + ", which is not in the writable folder " +
                              folder().string() + "; change it there.";
  EXPECT_EQ(messageOf(store.put(unikernelJson("web"), object.get())), message);
  EXPECT_EQ(messageOf(store.erase(*object)), message);
  EXPECT_EQ(readFile(outside), web);
}

TEST_F(ManifestStoreTest, ASymbolicLinkWithinTheFolderStaysOne) {
  ManifestStore store = open();
  dir_.write("store/.data/web.yaml", web);
  fs::create_symlink(".data/web.yaml", folder() / "web.yaml");
  ASSERT_TRUE(store.put(unikernelJson("web", "96Mi"), find("web").get()));
  EXPECT_TRUE(fs::is_symlink(folder() / "web.yaml"));
  EXPECT_EQ(find("web")->as<api::Unikernel>().memory, 96);
  ASSERT_TRUE(store.erase(*find("web")));
  EXPECT_THAT(files(), ElementsAre(".data")) << "no dangling link";
  EXPECT_TRUE(fs::is_empty(folder() / ".data"));
}

TEST_F(ManifestStoreTest, RemovesWhatAKilledProcessLeft) {
  dir_.write("store/.rookery-a1b2c3.tmp", "half");
  dir_.write("store/sub/.rookery-a1b2c4.tmp", "half");
  dir_.write("store/.git/.rookery-x.tmp", "not ours to look at");
  dir_.write("store/.rookery-notes", "kept");
  dir_.write("store/web.yaml", web);
  open();
  EXPECT_THAT(files(), UnorderedElementsAre("sub", ".git", ".rookery-notes", "web.yaml"));
  EXPECT_TRUE(fs::is_empty(folder() / "sub"));
  EXPECT_FALSE(fs::is_empty(folder() / ".git"));
}

TEST_F(ManifestStoreTest, AFailedWriteLeavesTheOldFile) {
  ManifestStore store = open();
  dir_.write("store/web.yaml", web);
  const api::ObjectPtr object = find("web");
  {
    const fixtures::FullDisk full(16);
    EXPECT_EQ(messageOf(store.put(unikernelJson("web", "96Mi"), object.get())),
              "StoreUnwritable: " + (folder() / "web.yaml").string() +
                  " cannot be written: File too large. It is as it was. Raise the limit on the size of files "
                  "(ulimit "
                  "-f), and try again.");
    EXPECT_THAT(messageOf(store.put(unikernelJson("api"), nullptr)), HasSubstr("StoreUnwritable: "));
  }
  EXPECT_EQ(readFile(folder() / "web.yaml"), web);
  EXPECT_THAT(files(), ElementsAre("web.yaml"));
}

/// On a file system of 128 KiB: 0 when a full disk, and one with nothing but the reserve left, are told and
/// do no harm.
int tryFullDisk(const fs::path& folder) {
  auto store = ManifestStore::open(folder);
  if (!store) return 2;
  if (!store->put(unikernelJson("web"), nullptr)) return 3;
  const fs::path file = folder / "unikernel.shop.web.yaml";
  const std::string before = readFile(file);
  const api::Manifest manifest = api::readManifest(folder, file);
  const api::ObjectPtr seen = manifest.objects.at(0);
  constexpr int page = 4 << 10;  // what a file of a tmpfs takes: one holds the manifest, one stays free
  for (const int filler : {30 * page, 128 << 10}) {
    std::ofstream(folder / ".filler") << std::string(static_cast<std::size_t>(filler), 'x');
    for (const api::Object* existing : {static_cast<const api::Object*>(nullptr), seen.get()}) {
      const auto put = store->put(unikernelJson(existing == nullptr ? "api" : "web", "96Mi"), existing);
      if (put || put.error().reason != Reason::StoreUnwritable) return 4;
      if (!put.error().message.contains("Make room on its file system")) return 5;
    }
    if (readFile(file) != before) return 6;
  }
  return store->erase(*seen) ? 0 : 7;
}

TEST_F(ManifestStoreTest, AFullDiskIsToldAndDoesNoHarm) {
  const auto status =
      fixtures::onSmallDisk(dir_.path(), "size=128k", [&] { return tryFullDisk(dir_.path()); });
  if (!status) GTEST_SKIP() << "no file system of one's own here";
  EXPECT_EQ(*status, 0);
}

TEST_F(ManifestStoreTest, AReaderFindsTheOldOrTheNew) {
  ManifestStore store = open();
  ASSERT_TRUE(store.put(unikernelJson("web", "32Mi"), nullptr));
  const fs::path file = folder() / "unikernel.shop.web.yaml";
  std::atomic<bool> done = false;
  std::atomic<int> halves = 0;
  std::thread reader([&] {
    while (!done) halves += api::readManifest(folder(), file).objects.size() == 1 ? 0 : 1;
  });
  for (int i = 0; i < 50; ++i) {
    const api::Manifest manifest = api::readManifest(folder(), file);
    const auto put =
        store.put(unikernelJson("web", fmt::format("{}Mi", 33 + i)), manifest.objects.at(0).get());
    EXPECT_TRUE(put) << put.error().message;
  }
  done = true;
  reader.join();
  EXPECT_EQ(halves, 0);
}

}  // namespace
}  // namespace rookery::source

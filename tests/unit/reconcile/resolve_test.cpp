#include "reconcile/resolve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "fixtures/temp_dir.h"
#include "image/inspector.h"
#include "image/store.h"
#include "images/image_maker.h"
#include "plan/desired.h"
#include "reconcile/image_places.h"
#include "unit/plan/scene.h"

namespace rookery::reconcile {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A snapshot of manifests, with an image and PEM files that they can name.
class Resolve : public testing::Test {
 protected:
  Resolve() {
    EXPECT_TRUE(images::writeImage({}, folder_.path() / "web.hvt"));
    for (const char* name : {"ca.pem", "cert.pem", "key.pem"}) folder_.write(name, name);
  }

  void add(api::ObjectPtr object) {
    auto here = std::make_shared<api::Object>(*object);
    here->origin.root = folder_.path();
    here->origin.file = folder_.path() / "all.yaml";
    snapshot_.declared.insert(here->key());
    snapshot_.objects.push_back(std::move(here));
  }

  api::AlbatrossInstance instance() const {
    api::AlbatrossInstance spec;
    spec.endpoint = "127.0.0.1:1025";
    spec.credentials = api::AlbatrossInstance::Files{folder_.path() / "ca.pem", folder_.path() / "cert.pem",
                                                     folder_.path() / "key.pem"};
    return spec;
  }

  api::Unikernel unikernel(std::optional<std::string> on = std::nullopt) const {
    api::Unikernel spec;
    spec.instance = std::move(on);
    spec.image.path = folder_.path() / "web.hvt";
    return spec;
  }

  Resolution resolved() { return Resolver(credentials_).resolve(input()); }
  ResolveInput input() const {
    return {.snapshot = std::make_shared<source::Snapshot>(snapshot_),
            .inventories = plan::inventoriesOf(entries_),
            .images = places_,
            .identify = [](const api::ObjectKey&, const std::string&) {
              return api::Identity{"", {}, std::nullopt, 3};
            }};
  }

  api::UnikernelVolume volume(std::optional<std::string> on = std::nullopt) {
    api::UnikernelVolume spec;
    spec.instance = std::move(on);
    spec.size = 1;
    spec.source = api::Unikernel::Image{.path = folder_.write("data.img", "content")};
    return spec;
  }
  /// One that has shop/data as its device.
  api::Unikernel user(std::optional<std::string> on = std::nullopt) const {
    api::Unikernel spec = unikernel(std::move(on));
    spec.blockDevices = {{.name = "disk", .volumeName = "data", .sectorSize = {}}};
    return spec;
  }
  const api::ObjectKey data_{api::Kind::UnikernelVolume, "shop", "data"};

  /// The only unikernel of a fleet with one instance.
  plan::DesiredUnikernel resolveOnly(const api::Unikernel& spec) {
    add(plan::makeObject("", "eu-1", instance()));
    add(plan::makeObject("shop", "web", spec));
    return resolved().instances.at("eu-1")->unikernels.at(plan::keyOf("shop/web"));
  }

  fixtures::TempDir folder_;
  image::Inspector inspector_;
  ImagePlaces places_{.inspector = inspector_};
  file::Settling settling_;
  CredentialFiles credentials_{settling_};
  source::Snapshot snapshot_;
  std::vector<plan::Entry> entries_;
};

TEST_F(Resolve, PutsAnObjectThatNamesNoneOnTheOnlyInstance) {
  const plan::DesiredUnikernel web = resolveOnly(unikernel());
  EXPECT_EQ(web.identity.generation, 3);
  ASSERT_TRUE(web.image) << web.image.error().message;
  EXPECT_EQ(web.image->path, folder_.path() / "web.hvt");
  EXPECT_FALSE(web.error);
  EXPECT_FALSE(web.notice);
}

TEST_F(Resolve, AVolumeHasAnyContent) {
  add(plan::makeObject("", "eu-1", instance()));
  add(plan::makeObject("shop", "data", volume()));
  const plan::DesiredVolume data = resolved().instances.at("eu-1")->volumes.at(data_);
  ASSERT_TRUE(data.content && *data.content) << (*data.content).error().message;
  EXPECT_EQ((*data.content)->size, 7u);
  EXPECT_FALSE(data.missing);
}

TEST_F(Resolve, AVolumeFindsItsContentBesideTheLoop) {
  image::Lookout lookout(std::make_shared<image::Inspector>(), std::make_shared<file::Settling>(), {});
  places_.lookout = &lookout;
  add(plan::makeObject("", "eu-1", instance()));
  add(plan::makeObject("shop", "data", volume()));
  Resolver resolver(credentials_);
  const auto settledContent = [&] {
    const plan::DesiredVolume data = resolver.resolve(input()).instances.at("eu-1")->volumes.at(data_);
    return data.unsettled() ? std::nullopt : data.content;
  };
  std::optional<Result<image::Image>> content;
  for (int i = 0; i < 1000 && !content; ++i) content = settledContent();
  ASSERT_TRUE(content && *content);
  EXPECT_EQ((*content)->size, 7u);
}

TEST_F(Resolve, RefusesContentThatDoesNotFitOrIsNotTheOneThatIsPinned) {
  add(plan::makeObject("", "eu-1", instance()));
  api::UnikernelVolume large = volume();
  large.source->path = folder_.write("large.img", std::string((1 << 20) + 1, 'x'));
  add(plan::makeObject("shop", "data", large));
  api::UnikernelVolume pinned = volume();
  pinned.source->sha256 = std::string(64, '0');
  add(plan::makeObject("shop", "pinned", pinned));
  const auto volumes = resolved().instances.at("eu-1")->volumes;
  EXPECT_EQ(volumes.at(data_).content->error().reason, Reason::VolumeTooSmall);
  EXPECT_EQ(volumes.at({api::Kind::UnikernelVolume, "shop", "pinned"}).content->error().reason,
            Reason::DigestMismatch);
}

TEST_F(Resolve, AUnikernelIsWhereItsVolumeIs) {
  for (const char* name : {"eu-1", "eu-2"}) add(plan::makeObject("", name, instance()));
  add(plan::makeObject("shop", "data", volume("eu-2")));
  add(plan::makeObject("shop", "web", user()));
  EXPECT_TRUE(resolved().instances.at("eu-2")->unikernels.contains(plan::keyOf("shop/web")));
}

TEST_F(Resolve, AVolumeStaysWhereItWasMade) {
  for (const char* name : {"eu-1", "eu-2"}) add(plan::makeObject("", name, instance()));
  add(plan::makeObject("shop", "data", volume()));
  EXPECT_EQ(resolved().unplaced.at(data_).reason, Reason::InstanceAmbiguous);
  plan::Entry entry;
  entry.serverKey = "key";
  entry.name = {{"shop"}, "data"};
  entry.instance = "eu-2";
  entry.object = data_;
  ResolveInput placed = input();
  placed.volumes["key"].set(entry.name, entry);
  EXPECT_TRUE(Resolver(credentials_).resolve(placed).instances.at("eu-2")->volumes.contains(data_));
}

TEST_F(Resolve, TellsOfDependenciesOnOtherInstances) {
  for (const char* name : {"eu-1", "eu-2"}) add(plan::makeObject("", name, instance()));
  api::Unikernel web = unikernel("eu-1");
  web.dependsOn = {"db", "dns", "lost"};
  add(plan::makeObject("shop", "web", web));
  add(plan::makeObject("shop", "db", unikernel("eu-1")));
  add(plan::makeObject("shop", "dns", unikernel("eu-2")));
  ResolveInput asked = input();
  asked.standingOf = [](const std::string& on, const api::ObjectKey& key) {
    return plan::Dependency{.ready = on == "eu-2" && key == plan::keyOf("shop/dns")};
  };
  const Resolution resolution = Resolver(credentials_).resolve(asked);
  const plan::Desired& eu = *resolution.instances.at("eu-1");
  EXPECT_THAT(eu.dependencies, testing::SizeIs(2)) << "what is here needs no word";
  EXPECT_TRUE(eu.dependencies.at(plan::keyOf("shop/dns")).ready);
  EXPECT_EQ(eu.dependencies.at(plan::keyOf("shop/lost")).absence, "which is not declared");
  EXPECT_THAT(resolution.instances.at("eu-2")->awaited, ElementsAre(plan::keyOf("shop/dns")));
}

TEST_F(Resolve, RefusesThoseThatDependOnThemselves) {
  for (const char* name : {"eu-1", "eu-2"}) add(plan::makeObject("", name, instance()));
  Resolver resolver(credentials_);
  const auto declareWeb = [&](std::vector<std::string> dependsOn) {
    api::Unikernel web = unikernel("eu-1");
    web.dependsOn = std::move(dependsOn);
    add(plan::makeObject("shop", "web", web));
  };
  const auto errorOf = [&](const char* on, const char* path) {
    return resolver.resolve(input()).instances.at(on)->unikernels.at(plan::keyOf(path)).error;
  };
  api::Unikernel db = unikernel("eu-2");
  db.dependsOn = {"web"};
  add(plan::makeObject("shop", "db", db));
  declareWeb({"db"});
  EXPECT_EQ(errorOf("eu-2", "shop/db")->reason, Reason::DependencyCycle);
  EXPECT_THAT(errorOf("eu-1", "shop/web")->message, HasSubstr("db → web → db"));
  snapshot_.objects.pop_back();
  declareWeb({});
  EXPECT_FALSE(errorOf("eu-2", "shop/db"));
}

/// Instances with labels, and objects that select them.
class Selecting : public Resolve {
 protected:
  void addInstance(const std::string& name, const std::string& region,
                   std::optional<std::set<std::string>> allowed = std::nullopt) {
    api::AlbatrossInstance spec = instance();
    spec.allowedNamespaces = std::move(allowed);
    auto object = std::make_shared<api::Object>(*plan::makeObject("", name, spec));
    object->metadata.labels = {{"region", region}};
    add(object);
  }
  static api::LabelSelector region(const std::string& value) {
    return *api::LabelSelector::parse("region=" + value);
  }
  api::Unikernel selecting(const std::string& value) const {
    api::Unikernel spec = unikernel();
    spec.instanceSelector = region(value);
    return spec;
  }
  plan::Entry& place(const api::ObjectKey& key, const std::string& on) {
    plan::Entry& entry = entries_.emplace_back();
    entry.serverKey = "key-of-" + on;
    entry.name = {{key.nameSpace}, key.name};
    entry.instance = on;
    entry.object = key;
    return entry;
  }
  std::string placeOf(const Resolution& resolution, const api::ObjectKey& key) const {
    for (const auto& [name, desired] : resolution.instances) {
      const bool here = key.kind == api::Kind::Unikernel         ? desired->unikernels.contains(key)
                        : key.kind == api::Kind::UnikernelVolume ? desired->volumes.contains(key)
                                                                 : desired->policies.contains(key.nameSpace);
      if (here) return name;
    }
    return "";
  }

  const api::ObjectKey web_ = plan::keyOf("shop/web");
};

TEST_F(Selecting, ChoosesByNameWhereNothingElseSpeaks) {
  addInstance("us-1", "us");
  addInstance("eu-2", "eu");
  addInstance("eu-1", "eu");
  add(plan::makeObject("shop", "web", selecting("eu")));
  EXPECT_EQ(placeOf(resolved(), web_), "eu-1");
}

TEST_F(Selecting, SaysWhichLabelsThereAreWhenNoneIsSelected) {
  addInstance("us-1", "us");
  add(plan::makeObject("shop", "web", selecting("eu")));
  const Resolution resolution = resolved();
  EXPECT_EQ(resolution.unplaced.at(web_).reason, Reason::InstanceNotFound);
  EXPECT_THAT(resolution.unplaced.at(web_).message,
              HasSubstr("(region=eu) selects no AlbatrossInstance. Their "
                        "labels: us-1 (region=us)"));
}

TEST_F(Selecting, PassesOverWhatIsNotOpenToTheNamespace) {
  addInstance("eu-1", "eu", std::set<std::string>{"db"});
  addInstance("eu-2", "eu");
  add(plan::makeObject("shop", "web", selecting("eu")));
  EXPECT_EQ(placeOf(resolved(), web_), "eu-2");
}

TEST_F(Selecting, StaysWhereItIs) {
  for (const char* name : {"eu-1", "eu-2"}) addInstance(name, "eu");
  add(plan::makeObject("shop", "web", selecting("eu")));
  place(web_, "eu-2");
  EXPECT_EQ(placeOf(resolved(), web_), "eu-2");
}

TEST_F(Selecting, MovesOnceItsSelectorAllowsItNoMoreAndAnotherIsThere) {
  addInstance("us-1", "us");
  add(plan::makeObject("shop", "web", selecting("eu")));
  place(web_, "us-1");
  const Resolution before = resolved();
  EXPECT_EQ(placeOf(before, web_), "us-1") << "there is no other";
  EXPECT_THAT(*before.instances.at("us-1")->unikernels.at(web_).notice,
              HasSubstr("although spec.instanceSelector does not select"));
  addInstance("eu-1", "eu");
  EXPECT_EQ(placeOf(resolved(), web_), "eu-1");
}

TEST_F(Selecting, AVolumeNeverMovesByItself) {
  addInstance("us-1", "us");
  addInstance("eu-1", "eu");
  api::UnikernelVolume spec = volume();
  spec.instanceSelector = region("eu");
  add(plan::makeObject("shop", "data", spec));
  EXPECT_EQ(placeOf(resolved(), data_), "eu-1");
  ResolveInput placed = input();
  plan::Entry entry = place(data_, "us-1");
  entries_.clear();
  placed.volumes["key"].set(entry.name, entry);
  EXPECT_EQ(placeOf(Resolver(credentials_).resolve(placed), data_), "us-1");
}

TEST_F(Selecting, GoesWhereItsVolumesAre) {
  for (const char* name : {"eu-1", "eu-2"}) addInstance(name, "eu");
  add(plan::makeObject("shop", "data", volume("eu-2")));
  api::Unikernel spec = user();
  spec.instanceSelector = region("eu");
  add(plan::makeObject("shop", "web", spec));
  EXPECT_EQ(placeOf(resolved(), web_), "eu-2");
}

TEST_F(Selecting, GoesWhereItsNamespaceHasItsPolicy) {
  for (const char* name : {"eu-1", "eu-2"}) addInstance(name, "eu");
  api::UnikernelPolicy limits;
  limits.instance = "eu-2";
  add(plan::makeObject("shop", "limits", limits));
  add(plan::makeObject("shop", "web", selecting("eu")));
  EXPECT_EQ(placeOf(resolved(), web_), "eu-2");
}

TEST_F(Selecting, APolicyGoesWhereItsNamespaceIs) {
  for (const char* name : {"eu-1", "eu-2"}) addInstance(name, "eu");
  api::UnikernelPolicy limits;
  limits.instanceSelector = region("eu");
  add(plan::makeObject("shop", "limits", limits));
  const api::ObjectKey key{api::Kind::UnikernelPolicy, "shop", "limits"};
  EXPECT_EQ(placeOf(resolved(), key), "eu-1");
  place(web_, "eu-2");
  EXPECT_EQ(placeOf(resolved(), key), "eu-2");
}

TEST_F(Selecting, SpreadsBySpaceWhereThatIsKnownAndThenStays) {
  for (const char* name : {"eu-1", "eu-2"}) addInstance(name, "eu");
  api::Unikernel large = selecting("eu");
  large.memory = 64;
  for (const char* name : {"a", "b", "c"}) add(plan::makeObject("shop", name, large));
  ResolveInput asked = input();
  const auto machine = [](std::int64_t free) {
    plan::PolicyUse use;
    use.limit.memory = free;
    return std::map<std::string, plan::PolicyUse>{{"", use}};
  };
  asked.uses = {{"eu-1", machine(100)}, {"eu-2", machine(150)}};
  Resolver resolver(credentials_);
  const auto places = [&] {
    const Resolution resolution = resolver.resolve(asked);
    std::string all;
    for (const char* name : {"shop/a", "shop/b", "shop/c"})
      all += placeOf(resolution, plan::keyOf(name)) + " ";
    return all;
  };
  EXPECT_EQ(places(), "eu-2 eu-1 eu-2 ");
  asked.uses = {{"eu-1", machine(1000)}, {"eu-2", machine(0)}};
  EXPECT_EQ(places(), "eu-2 eu-1 eu-2 ") << "before anything of it has come about";
}

TEST_F(Resolve, AVolumeIsForOneUnikernelOnItsInstance) {
  for (const char* name : {"eu-1", "eu-2"}) add(plan::makeObject("", name, instance()));
  add(plan::makeObject("shop", "data", volume("eu-2")));
  add(plan::makeObject("shop", "web", user("eu-1")));
  Resolver resolver(credentials_);
  const auto errorOf = [&](const std::string& on, const std::string& path) {
    return resolver.resolve(input()).instances.at(on)->unikernels.at(plan::keyOf(path)).error;
  };
  EXPECT_THAT(errorOf("eu-1", "shop/web")->message, HasSubstr("UnikernelVolume shop/data is on eu-2"));
  add(plan::makeObject("shop", "www", user("eu-2")));
  EXPECT_EQ(errorOf("eu-2", "shop/www")->reason, Reason::VolumeConflict);
  EXPECT_THAT(errorOf("eu-1", "shop/web")->message, HasSubstr("Unikernel shop/web and Unikernel shop/www"));
  snapshot_.objects.pop_back();
  snapshot_.objects.pop_back();
  add(plan::makeObject("shop", "www", user("eu-2")));
  EXPECT_FALSE(errorOf("eu-2", "shop/www"));
}

TEST_F(Resolve, KnowsNothingOfAnImageThatIsBeingWritten) {
  file::Settling settling;
  places_.settling = &settling;
  std::ofstream writer(folder_.path() / "web.hvt", std::ios::binary | std::ios::app);
  const plan::DesiredUnikernel web = resolveOnly(unikernel());
  EXPECT_TRUE(web.imageUnsettled());
  EXPECT_EQ(web.missing->error.reason, Reason::BeingWritten);
  EXPECT_EQ(web.digest(), "");
}

// A tebibyte, which would be read for an hour.
TEST_F(Resolve, WaitsForNoImageThatTakesLongToRead) {
  const auto inspector = std::make_shared<image::Inspector>(image::Inspector::Options{.largest = UINT64_MAX});
  image::Lookout lookout(inspector, std::make_shared<file::Settling>(), {});
  places_.lookout = &lookout;
  ASSERT_TRUE(images::writeImage({}, folder_.path() / "huge.hvt"));
  std::filesystem::resize_file(folder_.path() / "huge.hvt", std::uintmax_t{1} << 40);
  api::Unikernel huge = unikernel();
  huge.image.path = folder_.path() / "huge.hvt";
  add(plan::makeObject("shop", "huge", huge));
  const plan::DesiredUnikernel web = resolveOnly(unikernel());
  EXPECT_TRUE(web.image || web.imageUnsettled()) << web.image.error().message;
  const plan::DesiredUnikernel slow =
      resolved().instances.at("eu-1")->unikernels.at(plan::keyOf("shop/huge"));
  EXPECT_TRUE(slow.imageUnsettled());
  EXPECT_EQ(slow.missing->error.reason, Reason::ImageBeingRead);
}

TEST_F(Resolve, ReadsNoCredentialFileForWhoeverMayWriteObjects) {
  places_.apiStore = folder_.path();
  add(plan::makeObject("", "eu-1", instance()));
  const auto desired = resolved().instances.at("eu-1");
  ASSERT_FALSE(desired->credentials);
  EXPECT_EQ(desired->credentials.error().reason, Reason::CredentialInvalid);
  EXPECT_THAT(desired->credentials.error().message, HasSubstr("name that in spec.credentials.secretRef"));
}

TEST_F(Resolve, ReadsTheCredentialFilesThatStandardInputNames) {
  places_.apiStore = folder_.path();
  auto given = std::make_shared<api::Object>(*plan::makeObject("", "eu-1", instance()));
  given->origin.root = given->origin.file = "-";
  snapshot_.declared.insert(given->key());
  snapshot_.objects.push_back(std::move(given));
  const auto desired = resolved().instances.at("eu-1");
  EXPECT_TRUE(desired->credentials) << desired->credentials.error().message;
}

TEST_F(Resolve, GivesTheSameForTheSame) {
  add(plan::makeObject("", "eu-1", instance()));
  add(plan::makeObject("shop", "web", unikernel()));
  const auto before = resolved().instances.at("eu-1");
  EXPECT_EQ(*before, *resolved().instances.at("eu-1"));
  images::writeImage({.content = "another"}, folder_.path() / "web.hvt").value();
  EXPECT_NE(*before, *resolved().instances.at("eu-1"));
}

TEST_F(Resolve, LooksForAnImageWithAUrlInTheStore) {
  const auto store = image::ImageStore::open(folder_.path() / "images", {});
  ASSERT_TRUE(store);
  image::Puller puller(**store, inspector_, {});
  places_.puller = &puller;
  const std::string bytes = images::makeImage({.networks = {"service"}});
  auto incoming = (*store)->begin();
  ASSERT_TRUE(incoming && incoming->write(bytes));
  const std::string sha256 = incoming->sha256();
  api::Unikernel spec = unikernel();
  spec.image = {.path = {}, .url = "https://builds.example.org/web.hvt?token=hunter2", .sha256 = sha256};
  add(plan::makeObject("", "eu-1", instance()));
  add(plan::makeObject("shop", "web", spec));
  const auto web = [&] { return resolved().instances.at("eu-1")->unikernels.at(plan::keyOf("shop/web")); };

  const plan::DesiredUnikernel before = web();
  ASSERT_TRUE(before.missing);
  EXPECT_EQ(before.missing->error.reason, Reason::ImagePulling);
  EXPECT_EQ(image::toHex(before.digest()), sha256) << "known without it";

  auto stored = incoming->commit();
  ASSERT_TRUE(stored);
  const plan::DesiredUnikernel misfit = web();
  EXPECT_FALSE(misfit.missing);
  ASSERT_FALSE(misfit.image);
  EXPECT_EQ(misfit.image.error().reason, Reason::DeviceMismatch);
  EXPECT_THAT(misfit.image.error().message, HasSubstr("https://builds.example.org/web.hvt was built"));

  spec.networkInterfaces = {{"service", std::nullopt, std::nullopt}};
  snapshot_.objects.pop_back();
  add(plan::makeObject("shop", "web", spec));
  const plan::DesiredUnikernel fit = web();
  ASSERT_TRUE(fit.image) << fit.image.error().message;
  EXPECT_EQ(fit.image->path, stored->path());
}

TEST_F(Resolve, LooksForAnImageThatIsNamedByItsDigestInTheStore) {
  const auto store = image::ImageStore::open(folder_.path() / "images", {});
  ASSERT_TRUE(store);
  auto incoming = (*store)->begin();
  ASSERT_TRUE(incoming && incoming->write(images::makeImage({})));
  const std::string sha256 = incoming->sha256();
  api::Unikernel spec = unikernel();
  spec.image = {.sha256 = sha256};
  add(plan::makeObject("", "eu-1", instance()));
  add(plan::makeObject("shop", "web", spec));
  spec.image = {.sha256 = std::string(64, 'a')};
  add(plan::makeObject("shop", "other", spec));
  const auto lookedFor = [&](const std::string& path) {
    return resolved().instances.at("eu-1")->unikernels.at(plan::keyOf(path));
  };
  const auto expectMissing = [&](const plan::DesiredUnikernel& unikernel) {
    ASSERT_TRUE(unikernel.missing);
    EXPECT_TRUE(unikernel.missing->lasting);
    EXPECT_EQ(unikernel.missing->error.reason, Reason::ImageNotFound);
    EXPECT_THAT(unikernel.missing->error.message,
                AllOf(HasSubstr("is not in the image store"), HasSubstr("rookery deploy"), HasSubstr("url")));
    EXPECT_EQ(image::toHex(unikernel.digest()), *unikernel.spec().image.sha256) << "known without it";
  };
  expectMissing(lookedFor("shop/web"));  // of a process that has no store
  places_.store = store->get();
  expectMissing(lookedFor("shop/web"));

  const auto stored = incoming->commit();
  ASSERT_TRUE(stored);
  image::Lookout lookout(std::make_shared<image::Inspector>(), std::make_shared<file::Settling>(), {});
  for (image::Lookout* each : {static_cast<image::Lookout*>(nullptr), &lookout}) {
    places_.lookout = each;
    const plan::DesiredUnikernel web = lookedFor("shop/web");
    ASSERT_TRUE(web.image) << web.image.error().message;
    EXPECT_EQ(web.image->path, stored->path());
    EXPECT_FALSE(web.missing);
    expectMissing(lookedFor("shop/other"));
  }
}

TEST_F(Resolve, ListsTheInstancesWhereSeveralCouldBeMeant) {
  add(plan::makeObject("", "eu-1", instance()));
  add(plan::makeObject("", "us-1", instance()));
  add(plan::makeObject("shop", "web", unikernel()));
  const Resolution resolution = resolved();
  const Error& error = resolution.unplaced.at(plan::keyOf("shop/web"));
  EXPECT_EQ(error.reason, Reason::InstanceAmbiguous);
  EXPECT_THAT(error.message, HasSubstr("eu-1, us-1"));
  EXPECT_THAT(resolution.instances.at("eu-1")->unikernels, IsEmpty());
}

TEST_F(Resolve, CountsAnInstanceWhoseManifestIsBroken) {
  add(plan::makeObject("", "eu-1", instance()));
  add(plan::makeObject("shop", "web", unikernel()));
  add(plan::makeObject("shop", "cart", unikernel("us-1")));
  snapshot_.declared.insert({api::Kind::AlbatrossInstance, "", "us-1"});
  const Resolution resolution = resolved();
  EXPECT_EQ(resolution.unplaced.at(plan::keyOf("shop/web")).reason, Reason::InstanceAmbiguous);
  EXPECT_EQ(resolution.unplaced.at(plan::keyOf("shop/cart")).reason, Reason::InstanceNotFound);
  EXPECT_THAT(resolution.unplaced.at(plan::keyOf("shop/cart")).message, HasSubstr("has an error"));
}

TEST_F(Resolve, SaysWhichInstanceIsMissing) {
  add(plan::makeObject("", "eu-1", instance()));
  add(plan::makeObject("shop", "web", unikernel("eu-2")));
  const Resolution resolution = resolved();
  const Error& error = resolution.unplaced.at(plan::keyOf("shop/web"));
  EXPECT_EQ(error.reason, Reason::InstanceNotFound);
  EXPECT_THAT(error.message, testing::AllOf(HasSubstr("eu-2"), HasSubstr("eu-1")));
}

TEST_F(Resolve, PlacementIsSticky) {
  add(plan::makeObject("", "eu-1", instance()));
  add(plan::makeObject("", "us-1", instance()));
  add(plan::makeObject("shop", "web", unikernel()));
  plan::Entry entry;
  entry.serverKey = "key";
  entry.name = plan::Scene::name("shop/web");
  entry.object = plan::keyOf("shop/web");
  entry.instance = "us-1";
  entries_ = {entry};
  EXPECT_TRUE(resolved().instances.at("us-1")->unikernels.at(plan::keyOf("shop/web")).notice);

  entries_[0].instance = "gone-1";
  EXPECT_EQ(resolved().unplaced.at(plan::keyOf("shop/web")).reason, Reason::InstanceNotFound);

  entries_[0].destroyedAt = api::SystemTime{};
  EXPECT_EQ(resolved().unplaced.at(plan::keyOf("shop/web")).reason, Reason::InstanceAmbiguous)
      << "a tombstone holds no place";
}

TEST_F(Resolve, WhatNamesItsInstanceGoesThere) {
  add(plan::makeObject("", "eu-1", instance()));
  add(plan::makeObject("", "us-1", instance()));
  add(plan::makeObject("shop", "web", unikernel("eu-1")));
  plan::Entry entry;
  entry.object = plan::keyOf("shop/web");
  entry.instance = "us-1";
  entries_ = {entry};
  EXPECT_TRUE(resolved().instances.at("eu-1")->unikernels.contains(plan::keyOf("shop/web")));
}

TEST_F(Resolve, HasTwoPoliciesOfANamespaceClash) {
  add(plan::makeObject("", "eu-1", instance()));
  api::UnikernelPolicy policy;
  policy.memory = 64;
  add(plan::makeObject("shop", "a", policy));
  add(plan::makeObject("shop", "b", policy));
  add(plan::makeObject("db", "a", policy));
  const Resolution resolution = resolved();
  EXPECT_EQ(resolution.unplaced.at({api::Kind::UnikernelPolicy, "shop", "a"}).reason,
            Reason::DuplicateObject);
  EXPECT_EQ(resolution.unplaced.at({api::Kind::UnikernelPolicy, "shop", "b"}).reason,
            Reason::DuplicateObject);
  EXPECT_FALSE(resolution.instances.at("eu-1")->policies.contains("shop"));
  EXPECT_EQ(resolution.instances.at("eu-1")->policies.at("db").policy.memory, 64);
}

TEST_F(Resolve, KeepsOtherNamespacesOut) {
  api::AlbatrossInstance closed = instance();
  closed.allowedNamespaces = {"db"};
  add(plan::makeObject("", "eu-1", closed));
  add(plan::makeObject("shop", "web", unikernel()));
  add(plan::makeObject("shop", "limits", api::UnikernelPolicy{}));
  const Resolution resolution = resolved();
  const auto& web = resolution.instances.at("eu-1")->unikernels.at(plan::keyOf("shop/web"));
  ASSERT_TRUE(web.error);
  EXPECT_EQ(web.error->reason, Reason::NamespaceNotAllowed);
  EXPECT_EQ(resolution.unplaced.at({api::Kind::UnikernelPolicy, "shop", "limits"}).reason,
            Reason::NamespaceNotAllowed);
}

TEST_F(Resolve, ExpandsArgumentsFromSecretsOfTheOwnNamespace) {
  api::Secret secret;
  secret.data = {{"password", "hunter2"}};
  add(plan::makeObject("shop", "db", secret));
  api::Unikernel spec = unikernel();
  spec.arguments = {"--password=$(PASSWORD)", "--literal=$$(PASSWORD)", "--other=$(OTHER)"};
  spec.argumentsFrom = {{"PASSWORD", {"db", "password"}}};

  const plan::DesiredUnikernel web = resolveOnly(spec);

  EXPECT_THAT(*web.arguments.arguments,
              ElementsAre("--password=hunter2", "--literal=$(PASSWORD)", "--other=$(OTHER)"));
}

TEST_F(Resolve, KnowsWhatASecretWasBefore) {
  api::Unikernel spec = unikernel();
  spec.arguments = {"--password=$(PASSWORD)"};
  spec.argumentsFrom = {{"PASSWORD", {"db", "password"}}};
  Resolver resolver(credentials_);
  const auto resolveWith = [&](const std::string& password) {
    snapshot_.objects.clear();
    api::Secret secret;
    secret.data["password"] = password;
    add(plan::makeObject("shop", "db", secret));
    add(plan::makeObject("", "eu-1", instance()));
    add(plan::makeObject("shop", "web", spec));
    return resolver.resolve(input()).instances.at("eu-1")->unikernels.at(plan::keyOf("shop/web"));
  };
  EXPECT_THAT(resolveWith("hunter2").formerSecrets.values, testing::IsEmpty());
  EXPECT_THAT(resolveWith("correct horse").formerSecrets.values, ElementsAre("hunter2"));
}

TEST_F(Resolve, HasAWordOnArgumentsThatAreHardlyMeant) {
  api::Secret secret;
  secret.data["password"] = "hunter2\n";
  add(plan::makeObject("shop", "db", secret));
  api::Unikernel spec = unikernel();
  spec.arguments = {"--password=$(DB)", "$(A)", "$(B)", "$(C)"};
  spec.argumentsFrom = {{"DB", {"db", "password"}}};
  const plan::DesiredUnikernel web = resolveOnly(spec);
  EXPECT_FALSE(web.error);
  ASSERT_TRUE(web.notice);
  EXPECT_THAT(*web.notice,
              testing::StartsWith("But look at its arguments: spec.arguments[1]: nothing defines \"$(A)\""));
  EXPECT_THAT(*web.notice, testing::EndsWith("; and 1 more."));
  EXPECT_THAT(*web.notice, testing::Not(HasSubstr("hunter2")));
}

TEST_F(Resolve, SaysWhichSecretIsMissing) {
  api::Secret secret;
  secret.data = {{"password", "hunter2"}};
  add(plan::makeObject("elsewhere", "db", secret));
  api::Unikernel spec = unikernel();
  spec.argumentsFrom = {{"PASSWORD", {"db", "password"}}};

  const plan::DesiredUnikernel web = resolveOnly(spec);

  ASSERT_TRUE(web.error);
  EXPECT_EQ(web.error->reason, Reason::ReferenceNotFound);
  EXPECT_THAT(web.error->message, HasSubstr("Secret shop/db"));
}

TEST_F(Resolve, TurnsASpecIntoArguments) {
  api::Unikernel spec = unikernel();
  spec.restart = true;
  spec.exitCodes = {2};
  spec.startup = 40;
  spec.addName = false;
  spec.cpuIDs = {1};
  spec.memory = 64;
  spec.networkInterfaces = {{"service", "br0", "02:00:00:00:00:01"}, {"admin", std::nullopt, std::nullopt}};
  spec.blockDevices = {{"storage", "data", 4'096}};

  const albatross::Arguments made = resolveOnly(spec).arguments;

  albatross::Arguments expected;
  expected.failBehaviour = {true, {2}};
  expected.startup = 40;
  expected.addName = false;
  expected.cpuIDs = {1};
  expected.memory = 64;
  expected.bridges = {{"service", "br0", albatross::Mac{2, 0, 0, 0, 0, 1}},
                      {"admin", std::nullopt, std::nullopt}};
  expected.blocks = {{"storage", "data", 4'096}};
  EXPECT_EQ(made, expected);
}

TEST_F(Resolve, TellsAnImageThatIsNoGood) {
  api::Unikernel spec = unikernel();
  spec.image.path = folder_.path() / "missing.hvt";
  EXPECT_EQ(resolveOnly(spec).image.error().reason, Reason::ImageNotFound);
}

TEST_F(Resolve, ReadsCredentialsFromFiles) {
  add(plan::makeObject("", "eu-1", instance()));
  const auto pem = resolved().instances.at("eu-1")->credentials;
  ASSERT_TRUE(pem);
  EXPECT_EQ(pem->ca, "ca.pem");
  EXPECT_EQ(pem->certificate, "cert.pem");
  EXPECT_EQ(pem->privateKey, "key.pem");
}

TEST_F(Resolve, SaysWhichCredentialFileIsMissingOrTooLarge) {
  std::filesystem::remove(folder_.path() / "cert.pem");
  add(plan::makeObject("", "eu-1", instance()));
  auto pem = resolved().instances.at("eu-1")->credentials;
  ASSERT_FALSE(pem);
  EXPECT_EQ(pem.error().reason, Reason::CredentialInvalid);
  EXPECT_THAT(pem.error().message, testing::AllOf(HasSubstr("certificate"), HasSubstr("cert.pem")));

  folder_.write("cert.pem", std::string(2u << 20, 'x'));
  pem = resolved().instances.at("eu-1")->credentials;
  ASSERT_FALSE(pem);
  EXPECT_THAT(pem.error().message, HasSubstr("too large"));
}

TEST_F(Resolve, ReadsCredentialsFromASecret) {
  api::AlbatrossInstance spec = instance();
  spec.credentials = api::AlbatrossInstance::SecretRef{"rookery", "eu-1"};
  add(plan::makeObject("", "eu-1", spec));
  EXPECT_EQ(resolved().instances.at("eu-1")->credentials.error().reason, Reason::ReferenceNotFound);
  snapshot_.unreadable[{api::Kind::Secret, "rookery", "eu-1"}] = "which cannot be read: no right. Grant it.";
  EXPECT_THAT(resolved().instances.at("eu-1")->credentials.error().message,
              testing::EndsWith("which cannot be read: no right. Grant it."));

  api::Secret secret;
  secret.data = {{"ca.crt", "1"}, {"tls.crt", "2"}};
  add(plan::makeObject("rookery", "eu-1", secret));
  EXPECT_THAT(resolved().instances.at("eu-1")->credentials.error().message, HasSubstr("tls.key"));

  snapshot_.objects.pop_back();
  secret.data["tls.key"] = "3";
  add(plan::makeObject("rookery", "eu-1", secret));
  const auto pem = resolved().instances.at("eu-1")->credentials;
  ASSERT_TRUE(pem);
  EXPECT_EQ(pem->privateKey, "3");
}

// -- One snapshot after the other
// ------------------------------------------------------------------------------------

/// shop/web on some of eu-1, eu-2, eu-3 and us-1.
class Placed : public Resolve {
 protected:
  Placed() {
    for (const char* name : {"eu-1", "eu-2", "eu-3", "us-1"}) addInstance(name);
    spec_ = unikernel();
    spec_.placement = api::Unikernel::Placement{};
  }

  void addInstance(const std::string& name, std::map<std::string, std::string> labels = {}) {
    auto object = std::make_shared<api::Object>(*plan::makeObject("", name, instance()));
    labels.emplace("region", name.substr(0, 2));
    object->metadata.labels = std::move(labels);
    remove(object->key());
    add(object);
  }
  void remove(const api::ObjectKey& key) {
    std::erase_if(snapshot_.objects, [&](const api::ObjectPtr& object) { return object->key() == key; });
  }
  void addEntry(const std::string& on, int since) {
    plan::Entry entry;
    entry.serverKey = on;
    entry.object = web_;
    entry.name = plan::Scene::nameOf(entry.object);
    entry.instance = on;
    entry.since = api::SystemTime(std::chrono::seconds(since));
    entries_.push_back(entry);
  }
  Resolution resolve(std::map<std::string, std::chrono::milliseconds> outOfReach = {}) {
    remove(web_);
    add(plan::makeObject("shop", "web", spec_));
    ResolveInput made = input();
    made.outOfReach = std::move(outOfReach);
    return resolver_.resolve(made);
  }
  /// Where it is to run.
  std::vector<std::string> places(std::map<std::string, std::chrono::milliseconds> outOfReach = {}) {
    std::vector<std::string> names;
    for (const auto& [name, desired] : resolve(std::move(outOfReach)).instances) {
      if (desired->unikernels.contains(web_)) names.push_back(name);
    }
    return names;
  }

  Resolver resolver_{credentials_};
  api::Unikernel spec_;
  const api::ObjectKey web_ = plan::keyOf("shop/web");
};

TEST_F(Placed, IsOnAsManyAsAreWantedOrOnAll) {
  spec_.placement->replicas = 2;
  EXPECT_THAT(places(), ElementsAre("eu-1", "eu-2"));
  spec_.placement->replicas = std::nullopt;
  EXPECT_THAT(places(), ElementsAre("eu-1", "eu-2", "eu-3", "us-1"));
}

TEST_F(Placed, IsSpreadOverTheTopology) {
  spec_.placement->replicas = 2;
  spec_.placement->topologyKey = "region";
  EXPECT_THAT(places(), ElementsAre("eu-1", "us-1"));
}

TEST_F(Placed, StaysWhereItRuns) {
  spec_.placement->replicas = 2;
  addEntry("eu-3", 1);
  EXPECT_THAT(places(), ElementsAre("eu-1", "eu-3"));
}

TEST_F(Placed, LeavesTheNewestFirstAndTwoOfOneRegionBeforeThat) {
  spec_.placement->replicas = 2;
  addEntry("us-1", 3);
  addEntry("eu-2", 1);
  addEntry("eu-3", 2);
  spec_.placement->topologyKey = "region";
  EXPECT_THAT(places(), ElementsAre("eu-2", "us-1"));
}

TEST_F(Placed, LeavesTheNewestFirst) {
  spec_.placement->replicas = 2;
  addEntry("us-1", 3);
  addEntry("eu-2", 1);
  addEntry("eu-3", 2);
  EXPECT_THAT(places(), ElementsAre("eu-2", "eu-3"));
}

TEST_F(Placed, IsOnThoseThereAreAndSaysSo) {
  spec_.placement->replicas = 9;
  const Resolution resolution = resolve();
  const auto& replicas = resolution.instances.at("eu-1")->unikernels.at(web_).replicas;
  ASSERT_TRUE(replicas);
  EXPECT_EQ(replicas->wanted, 9);
  EXPECT_EQ(replicas->instances.size(), 4u);
  EXPECT_THAT(resolution.instances.at("eu-1")->replicated, ElementsAre(web_));
}

TEST_F(Placed, OnNoInstanceIsAnError) {
  spec_.placement->instanceSelector =
      api::LabelSelector({{.key = "region",
                           .op = api::LabelSelector::Requirement::Operator::In,
                           .values = {"asia"},
                           .bound = 0}});
  EXPECT_THAT(resolve().unplaced.at(web_).message, HasSubstr("spec.placement.instanceSelector of"));
}

/// Who begins while there is a mistake in a file does not know what that declared before.
TEST_F(Placed, LeavesNoInstanceThatMayOnlyBeHidden) {
  spec_.placement->replicas = 2;
  addEntry("eu-0", 1);
  EXPECT_THAT(places(), ElementsAre("eu-1", "eu-2")) << "eu-0 is not declared any more";
  source::Root root;
  root.path = "/m";
  snapshot_.roots.push_back(root);
  EXPECT_THAT(places(), ElementsAre("eu-1", "eu-2"));
  snapshot_.silent.emplace("/m/instances.yaml", api::Silence{.reason = Reason::InvalidManifest, .path = {}});
  const Resolution resolution = resolve();
  ASSERT_TRUE(resolution.instances.at("eu-1")->unikernels.contains(web_));
  EXPECT_FALSE(resolution.instances.at("eu-2")->unikernels.contains(web_));
  EXPECT_TRUE(resolution.instances.at("eu-1")->unikernels.at(web_).replicas->unusable.contains("eu-0"));
}

TEST_F(Placed, HasAnotherInPlaceOfOneThatIsOutOfReachForTooLong) {
  using namespace std::chrono_literals;
  spec_.placement->replicas = 2;
  EXPECT_THAT(places({{"eu-1", 1h}}), ElementsAre("eu-1", "eu-2")) << "never, by default";
  spec_.placement->failoverAfter = 10min;
  EXPECT_THAT(places({{"eu-1", 9min}}), ElementsAre("eu-1", "eu-2"));
  EXPECT_EQ(resolve({{"eu-1", 9min}}).lookAgainIn, 1min);
  EXPECT_THAT(places({{"eu-1", 10min}}), ElementsAre("eu-2", "eu-3"));
  addEntry("eu-1", 1);
  addEntry("eu-2", 2);
  addEntry("eu-3", 3);
  EXPECT_THAT(places(), ElementsAre("eu-2", "eu-3")) << "what took its place stays when it comes back";
}

TEST_F(Placed, StaysOnWhatIsOutOfReachWhereThereIsNoOther) {
  using namespace std::chrono_literals;
  spec_.placement->failoverAfter = 10min;
  spec_.placement->replicas = std::nullopt;
  addEntry("eu-1", 1);
  EXPECT_THAT(places({{"eu-1", 1h}}), ElementsAre("eu-1", "eu-2", "eu-3", "us-1"));
}

TEST_F(Placed, IsNotMovedAwayFromItsVolumes) {
  using namespace std::chrono_literals;
  spec_.placement->failoverAfter = 10min;
  spec_.blockDevices = {{.name = "disk", .volumeName = "data", .sectorSize = {}}};
  EXPECT_THAT(places({{"eu-1", 1h}}), ElementsAre("eu-1"));
}

TEST_F(Placed, NeedsItsVolumeOnEachInstance) {
  spec_.placement->replicas = 2;
  spec_.blockDevices = {{.name = "disk", .volumeName = "data", .sectorSize = {}}};
  add(plan::makeObject("shop", "data", volume("eu-2")));
  const Resolution resolution = resolve();
  EXPECT_FALSE(resolution.instances.at("eu-2")->unikernels.at(web_).error);
  const auto& error = resolution.instances.at("eu-1")->unikernels.at(web_).error;
  ASSERT_TRUE(error);
  EXPECT_EQ(error->reason, Reason::VolumeConflict);
  EXPECT_THAT(error->message, HasSubstr("Each instance needs a volume of that name"));
}

TEST_F(Placed, HasArgumentsOfItsOwnOnEachInstance) {
  spec_.placement->replicas = 2;
  spec_.arguments = {"--on=$(INSTANCE_NAME)", "--in=$(INSTANCE_LABEL_example_org_zone)"};
  spec_.argumentsByInstance = {{"eu-2", {"--second"}}, {"nowhere", {}}};
  addInstance("eu-1", {{"example.org/zone", "a"}});
  addInstance("eu-2", {{"example.org/zone", "b"}});
  const Resolution resolution = resolve();
  const auto& first = resolution.instances.at("eu-1")->unikernels.at(web_);
  EXPECT_THAT(*first.arguments.arguments, ElementsAre("--on=eu-1", "--in=a"));
  EXPECT_EQ(first.literalArguments(), *first.arguments.arguments) << "none of it is secret";
  EXPECT_THAT(first.notice.value_or(""), HasSubstr("names instances that are not declared: nowhere"));
  EXPECT_THAT(*resolution.instances.at("eu-2")->unikernels.at(web_).arguments.arguments,
              ElementsAre("--on=eu-2", "--in=b", "--second"));
}

TEST_F(Placed, IsNotStartedWithoutALabelThatItsArgumentsName) {
  spec_.arguments = {"$(INSTANCE_LABEL_zone)"};
  const auto error = resolve().instances.at("eu-1")->unikernels.at(web_).error;
  ASSERT_TRUE(error);
  EXPECT_THAT(error->message, HasSubstr("AlbatrossInstance eu-1 has no such label"));
}

TEST_F(Placed, KeepsTheSecretsOutOfWhatIsShown) {
  spec_.arguments = {"--a=$(INSTANCE_NAME):$(PASSWORD)", "--b=$(INSTANCE_NAME)"};
  spec_.argumentsFrom = {{"PASSWORD", {"db", "password"}}};
  api::Secret secret;
  secret.data["password"] = "hunter2";
  add(plan::makeObject("shop", "db", secret));
  const plan::DesiredUnikernel web = resolve().instances.at("eu-1")->unikernels.at(web_);
  EXPECT_THAT(*web.arguments.arguments, ElementsAre("--a=eu-1:hunter2", "--b=eu-1"));
  EXPECT_THAT(web.literalArguments(), ElementsAre("--a=eu-1:$(PASSWORD)", "--b=eu-1"));
}

TEST_F(Placed, HasTheSameRevisionEverywhereAndAnotherOfAnotherImage) {
  spec_.placement->replicas = 2;
  const auto revision = [&] {
    return resolve().instances.at("eu-1")->unikernels.at(web_).replicas->revision;
  };
  const std::string before = revision();
  EXPECT_EQ(before, resolve().instances.at("eu-2")->unikernels.at(web_).replicas->revision);
  images::writeImage({.content = "another"}, folder_.path() / "other.hvt").value();
  spec_.image.path = folder_.path() / "other.hvt";
  EXPECT_NE(revision(), before);
}

// ------------------------------------------------------------------------------------

/// People who edit manifests, secrets and images, and what runs.
class Edited : public Resolve {
 protected:
  Edited() {
    const auto inspector = std::make_shared<image::Inspector>(image::Inspector::Options{});
    lookout_.emplace(inspector, std::make_shared<file::Settling>(), image::Lookout::Options{});
    places_.lookout = &*lookout_;
    places_.patience = std::chrono::minutes(5);  // both that are compared have all answers
  }

  void put(const std::string& nameSpace, const std::string& name, decltype(api::Object::spec) spec) {
    auto object = std::make_shared<api::Object>(*plan::makeObject(nameSpace, name, std::move(spec)));
    object->origin.root = folder_.path();
    object->origin.file = folder_.path() / "all.yaml";
    object->specDigest = std::to_string(++edits_);
    objects_[object->key()] = std::move(object);
  }
  bool chance(unsigned outOf) { return random_() % outOf == 0; }
  std::string oneOf(const std::vector<std::string>& those) { return those[random_() % those.size()]; }

  void putUnikernel(const std::string& nameSpace, const std::string& name) {
    api::Unikernel spec =
        unikernel(chance(3) ? std::nullopt : std::optional(oneOf({"eu-1", "us-1", "nowhere"})));
    spec.image.path = folder_.path() / oneOf({"web.hvt", "other.hvt"});
    if (chance(6)) spec.image = {.path = {}, .url = "https://example.org/x", .sha256 = std::string(64, 'a')};
    spec.arguments = {oneOf({"--a", "--b=$(PASSWORD)"})};
    if (chance(3)) spec.argumentsFrom = {{"PASSWORD", {"db", "password"}}};
    if (chance(4)) {
      spec.instance.reset();
      spec.placement = api::Unikernel::Placement{.instanceSelector = {}, .replicas = std::nullopt};
      spec.argumentsByInstance = {{oneOf({"eu-1", "nowhere"}), {"--on=$(INSTANCE_NAME)"}}};
    }
    put(nameSpace, name, spec);
  }

  void edit() {
    const std::string name = oneOf({"a", "b", "c"}), nameSpace = oneOf({"shop", "db"});
    switch (random_() % 12) {
      case 0:
        return void(objects_.erase({api::Kind::Unikernel, nameSpace, name}));
      case 1: {
        api::AlbatrossInstance spec = instance();
        if (chance(3)) spec.allowedNamespaces = {{"shop"}};
        return put("", oneOf({"eu-1", "us-1"}), spec);
      }
      case 2:
        if (chance(2)) objects_.erase({api::Kind::AlbatrossInstance, "", oneOf({"eu-1", "us-1"})});
        return;
      case 3: {
        api::Secret secret;
        secret.data[oneOf({"password", "other"})] = oneOf({"1", "2"});
        return put(nameSpace, "db", secret);
      }
      case 4: {
        api::UnikernelPolicy policy;
        policy.instance = oneOf({"eu-1", "us-1"});
        return put(nameSpace, oneOf({"limits", "more"}), policy);
      }
      case 5:
        return void(objects_.erase({api::Kind::UnikernelPolicy, nameSpace, oneOf({"limits", "more"})}));
      case 6: {
        plan::Entry entry;
        entry.object = {api::Kind::Unikernel, nameSpace, name};
        entry.name = plan::Scene::nameOf(entry.object);
        entry.instance = oneOf({"eu-1", "us-1"});
        if (chance(3)) entry.destroyedAt = api::SystemTime();
        return void(entries_ = {entry});
      }
      case 7:
        images::writeImage({.content = std::to_string(++edits_)}, folder_.path() / "other.hvt").value();
        return;
      case 8:
        snapshot_.unreadable.clear();
        if (chance(2)) snapshot_.unreadable[{api::Kind::Secret, nameSpace, "db"}] = "which is out of reach.";
        return;
      default:
        return putUnikernel(nameSpace, name);
    }
  }

  ResolveInput inputNow() {
    snapshot_.objects.clear();
    snapshot_.declared.clear();
    for (const auto& [key, object] : objects_) {
      snapshot_.declared.insert(key);
      snapshot_.objects.push_back(object);
    }
    if (broken_) snapshot_.declared.insert({api::Kind::AlbatrossInstance, "", "broken"});
    ResolveInput now = input();
    now.identify = [this](const api::ObjectKey&, const std::string& digest) {
      return api::Identity{digest, {}, std::nullopt, identities_};
    };
    if (identities_ % 3 > 0) now.identityChanges = static_cast<std::uint64_t>(identities_);
    return now;
  }

  std::mt19937 random_{1};
  int edits_ = 0;
  bool broken_ = false;
  std::int64_t identities_ = 1;  // another number: identities are others, whatever became of the objects
  std::map<api::ObjectKey, api::ObjectPtr> objects_;
  std::optional<image::Lookout> lookout_;
};

TEST_F(Edited, ResolvesToWhatItWouldIfItWereSeenForTheFirstTime) {
  images::writeImage({.content = "other"}, folder_.path() / "other.hvt").value();
  put("", "eu-1", instance());
  Resolver resolver(credentials_);
  for (int step = 0; step < 600 && !HasFailure(); ++step) {
    SCOPED_TRACE(step);
    edit();
    if (chance(10)) broken_ = !broken_;
    if (chance(10)) ++identities_;
    const Resolution again = resolver.resolve(inputNow());
    CredentialFiles fresh(settling_);
    const Resolution anew = Resolver(fresh).resolve(inputNow());

    EXPECT_EQ(again.declarations, anew.declarations);
    EXPECT_EQ(again.unplaced, anew.unplaced);
    ASSERT_EQ(again.instances.size(), anew.instances.size());
    for (const auto& [name, desired] : anew.instances) EXPECT_EQ(*again.instances.at(name), *desired) << name;
  }
}

TEST_F(Edited, SharesWhatIsAsItWas) {
  put("", "eu-1", instance());
  for (const char* name : {"a", "b"}) put("shop", name, unikernel("eu-1"));
  Resolver resolver(credentials_);
  const auto before = resolver.resolve(inputNow()).instances.at("eu-1")->unikernels;

  put("shop", "b", unikernel("eu-1"));
  const auto after = resolver.resolve(inputNow()).instances.at("eu-1")->unikernels;
  EXPECT_EQ(after.item(plan::keyOf("shop/a")), before.item(plan::keyOf("shop/a")));
  EXPECT_NE(after.item(plan::keyOf("shop/b")), before.item(plan::keyOf("shop/b")));

  put("", "eu-1", instance());
  const auto all = resolver.resolve(inputNow()).instances.at("eu-1")->unikernels;
  EXPECT_EQ(all.item(plan::keyOf("shop/a")), after.item(plan::keyOf("shop/a"))) << "it came out the same";
}

}  // namespace
}  // namespace rookery::reconcile

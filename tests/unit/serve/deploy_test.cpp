#include "serve/deploy.h"

#include <gmock/gmock.h>

#include <fstream>
#include <thread>

#include "api/manifest.h"
#include "fixtures/temp_dir.h"
#include "images/image_maker.h"
#include "serve/patch.h"
#include "serve/router.h"
#include "source/manifest_store.h"
#include "state/state_dir.h"
#include "unit/http/bodies.h"
#include "unit/serve/views.h"

namespace rookery::serve {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string field(const std::string& name, const std::string& content) {
  return "--XX\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + content + "\r\n";
}
std::string binary(const std::string& content) {
  return "--XX\r\nContent-Disposition: form-data; name=\"binary\"; filename=\"web.hvt\"\r\n"
         "Content-Type: application/octet-stream\r\n\r\n" +
         content + "\r\n";
}
const std::string lastBoundary = "--XX--\r\n";

/// A deployer with all that it works on, and a controller that reads what is written.
class Deploy : public testing::Test {
 protected:
  Deploy() {
    publish(objects_, instanceView("eu-1", "10.0.42.15:1025"));
    objects_.setSynced();
  }

  static std::unique_ptr<image::ImageStore> openImages(const fs::path& folder) {
    auto images = image::ImageStore::open(folder, {.largestImage = std::uint64_t{300} << 20});
    EXPECT_TRUE(images) << images.error().message;
    return *std::move(images);
  }

  void readManifests() {
    for (const auto& entry : fs::directory_iterator(store_.folder())) {
      if (entry.path().extension() != ".yaml") continue;
      for (const auto& object : api::readManifest(store_.folder(), entry.path()).objects)
        objects_.declare(object, state_->identify(object->key(), object->specDigest, {}), {});
    }
  }

  Request requestWith(http::Body& body) const {
    Request request;
    request.method = "POST";
    request.target = "/deploy";
    request.contentType = "multipart/form-data; boundary=XX";
    request.host = "rookery.example";
    request.body = &body;
    request.caller = {.name = "ci",
                      .authenticated = true,
                      .verbs = {"deploy"},
                      .namespaces = {"shop", "default"},
                      .resources = {"unikernels"}};
    return request;
  }
  http::Response send(http::Body& body, const std::string& target = "/deploy") {
    return deployer_.handle(requestWith(body), *http::parseTarget(target));
  }
  http::Response send(const std::string& form, const std::string& target = "/deploy") {
    http::TextBody body(form, 100);
    return send(body, target);
  }
  http::Response deploy(const std::string& more = "", const images::ImageSpec& image = {},
                        const std::string& target = "/deploy") {
    return send(field("namespace", "shop") + field("name", "web") + more + binary(images::makeImage(image)) +
                    lastBoundary,
                target);
  }

  static json parse(const http::Response& response) { return json::parse(response.body); }
  static std::string messageOf(const http::Response& response) { return parse(response)["message"]; }
  /// The field that the first cause is about; empty: there is none.
  static std::string fieldOf(const http::Response& response) {
    const json causes = parse(response)["details"].value("causes", json::array());
    return causes.empty() ? "" : causes[0].value("field", "");
  }

  json specOf(const std::string& nameSpace, const std::string& name) const {
    const auto view = objects_.find({api::Kind::Unikernel, nameSpace, name});
    return view ? view->object->manifest.unpack()["spec"] : json();
  }

  bool isForced(const std::string& name) const {
    using api::Unikernel;
    const auto unikernel = objects_.find({api::Kind::Unikernel, "shop", name})->object->as<Unikernel>();
    return unikernel.adopt == Unikernel::Adopt::Always &&
           unikernel.updateStrategy == Unikernel::UpdateStrategy::ForceCreate;
  }

  std::vector<std::string> remains() const {
    std::vector<std::string> names;
    for (const fs::path& folder : {images_->folder(), store_.folder()}) {
      for (const auto& entry : fs::directory_iterator(folder))
        names.push_back(entry.path().filename().string());
    }
    return names;
  }

  /// What the controller says of shop/web now.
  void report(std::optional<api::Condition::Type> type, Reason reason, bool ready) {
    const api::ObjectKey key{api::Kind::Unikernel, "shop", "web"};
    using Condition = api::Condition;
    api::Status status;
    status.observedGeneration = objects_.find(key)->identity.generation;
    status.conditions.push_back({Condition::Type::Ready,
                                 ready ? Condition::Status::True : Condition::Status::False,
                                 reason,
                                 "It is as it is.",
                                 {}});
    if (type) status.conditions.push_back({*type, Condition::Status::True, reason, "It is as it is.", {}});
    reconcile::Listener nobody;
    objects_.report(key, status, nobody);
  }

  fixtures::TempDir dir_;
  reconcile::ObjectStore objects_;
  std::unique_ptr<state::StateDir> state_ = *state::StateDir::open(dir_.path() / "state");
  source::ManifestStore store_ = *source::ManifestStore::open(dir_.path() / "store");
  std::unique_ptr<image::ImageStore> images_ = openImages(dir_.path() / "state/images");
  ObjectWriter writer_{objects_, *state_, store_, [this](const auto&) { readManifests(); }};
  std::optional<Error> cannotRun_;
  std::string askedOf_;  // the instance
  Deployer deployer_{objects_, writer_, *images_, [this](const std::string& instance, const api::ObjectPtr&) {
                       askedOf_ = instance;
                       return cannotRun_;
                     }};
};

TEST_F(Deploy, DeclaresTheImage) {
  const std::string config = R"({"memory": "64Mi", "arguments": ["--hello=\ud83d\udc4b"]})";
  const http::Response response = deploy(field("config", config));
  ASSERT_EQ(response.status, 202) << response.body;
  const json answer = parse(response);
  const std::string path = "/apis/rookery.dev/v1alpha1/namespaces/shop/unikernels/web";
  EXPECT_EQ(answer["namespace"], "shop");
  EXPECT_EQ(answer["name"], "web");
  EXPECT_EQ(answer["size"], images::makeImage({}).size());
  EXPECT_EQ(answer["statusUrl"], path);
  EXPECT_EQ(response.headers.at("Location"), path);
  EXPECT_FALSE(response.later);

  const json spec = specOf("shop", "web");
  EXPECT_EQ(spec["instance"], "eu-1") << "written down, so that it stays when there is another";
  EXPECT_EQ(spec["memory"], "64Mi");
  EXPECT_EQ(spec["arguments"], json::array({"--hello=\xf0\x9f\x91\x8b"}));
  EXPECT_EQ(spec["image"], (json{{"sha256", answer["sha256"]}})) << "no path of this machine";
  EXPECT_EQ(fixtures::readFile(images_->path(answer["sha256"].get<std::string>())), images::makeImage({}));
}

TEST_F(Deploy, TakesTheFieldsInAnyOrder) {
  const http::Response response =
      send(binary(images::makeImage({.networks = {"service"}})) + field("force_create", "") +
           field("config", "networkInterfaces:\n- name: service\n") + field("instance", "eu-1") +
           field("name", "web") + lastBoundary);
  ASSERT_EQ(response.status, 202) << response.body;
  EXPECT_EQ(specOf("default", "web")["networkInterfaces"][0]["name"], "service");
}

TEST_F(Deploy, ReplacesOnlyWhenForced) {
  ASSERT_EQ(deploy(field("config", "memory: 64Mi")).status, 202);
  const std::string old = specOf("shop", "web")["image"]["sha256"];
  const http::Response refused = deploy("", {.content = "other"});
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(parse(refused)["reason"], "AlreadyExists");
  EXPECT_EQ(remains().size(), 3) << "the first image with its time, and its manifest";

  const http::Response replaced = deploy(
      field("force_create", "true") + field("config", "update: {strategy: OnDelete}"), {.content = "other"});
  ASSERT_EQ(replaced.status, 202) << replaced.body;
  const json spec = specOf("shop", "web");
  EXPECT_NE(spec["image"]["sha256"], old);
  EXPECT_EQ(spec["update"]["strategy"], "OnDelete") << "as the form says, for all that comes later";
  EXPECT_NE(spec.value("memory", ""), "64Mi") << "a spec in the form replaces the old one";
  EXPECT_TRUE(isForced("web"));

  const api::ObjectKey key{api::Kind::Unikernel, "shop", "web"};
  const auto unikernels = objectResource(objects_, api::Kind::Unikernel);
  const auto merge =
      patchOf(api::Kind::Unikernel, "application/merge-patch+json", {{"spec", {{"memory", "64Mi"}}}});
  ASSERT_TRUE(writer_.patch(*unikernels, key, *merge, {}));
  EXPECT_FALSE(isForced("web")) << "this deploy is over";
}

TEST_F(Deploy, KeepsWhatTheFormDoesNotCarry) {
  const std::string config =
      "memory: 128Mi\narguments: [--hello]\nfailBehaviour: {restart: true}\nstartup: 7\n";
  ASSERT_EQ(deploy(field("config", config)).status, 202);
  json before = specOf("shop", "web");
  publish(objects_, instanceView("us-1", "10.0.42.16:1025"));
  const auto changed = [](json old, const json& now) {
    old["image"] = now["image"];
    return old;
  };
  // With the defaults.
  const auto whole = [](const json& spec) {
    const json manifest = {{"apiVersion", api::groupVersion},
                           {"kind", "Unikernel"},
                           {"metadata", {{"name", "web"}, {"namespace", "shop"}}},
                           {"spec", spec}};
    return api::readDocument(manifest, {}).objects.at(0)->manifest.unpack().at("spec");
  };

  const std::string force = field("force_create", "true");
  ASSERT_EQ(deploy(force, {.content = "second"}).status, 202) << "where it runs need not be said again";
  json now = specOf("shop", "web");
  EXPECT_NE(now["image"], before["image"]);
  EXPECT_EQ(now, changed(before, now));
  EXPECT_TRUE(isForced("web"));

  ASSERT_EQ(deploy(force + field("config", " \n") + field("instance", ""), {.content = "third"}).status, 202)
      << "a field that is empty is left out";
  now = specOf("shop", "web");
  EXPECT_EQ(now, changed(before, now));

  ASSERT_EQ(deploy(force + field("instance", "us-1"), {.content = "third"}).status, 202);
  before["instance"] = "us-1";
  now = specOf("shop", "web");
  EXPECT_EQ(now, changed(before, now));

  ASSERT_EQ(deploy(force + field("config", "memory: 64Mi"), {.content = "third"}).status, 202);
  now = specOf("shop", "web");
  EXPECT_EQ(now, whole(changed({{"memory", "64Mi"}, {"instance", "us-1"}}, now)))
      << "a config is the whole spec";
  ASSERT_EQ(deploy(force + field("config", "{}"), {.content = "third"}).status, 202);
  now = specOf("shop", "web");
  EXPECT_EQ(now, whole(changed({{"instance", "us-1"}}, now)));
}

TEST_F(Deploy, KeepsHowItIsPlaced) {
  const std::string pinned(64, 'a');
  const std::string force = field("force_create", "true");
  dir_.replace("store/unikernel.shop.web.yaml",
               "apiVersion: rookery.dev/v1alpha1\nkind: Unikernel\nmetadata: {name: web, namespace: shop}\n"
               "spec: {memory: 48Mi, image: {url: 'https://builds.example.org/web.hvt', sha256: " +
                   pinned + "}}\n");
  readManifests();
  ASSERT_EQ(specOf("shop", "web")["image"]["sha256"], pinned);
  const http::Response kept = deploy(force);
  ASSERT_EQ(kept.status, 202) << kept.body;
  const std::string sha256 = parse(kept)["sha256"];
  json spec = specOf("shop", "web");
  EXPECT_FALSE(spec.contains("instance")) << "only a new one has it written down";
  EXPECT_EQ(spec["memory"], "48Mi");
  EXPECT_EQ(spec["image"], (json{{"sha256", sha256}})) << "it is another one now, and has no URL";

  const http::Response moved = deploy(force + field("instance", "eu-1"));
  ASSERT_EQ(moved.status, 202) << moved.body;
  EXPECT_EQ(specOf("shop", "web")["instance"], "eu-1");

  publish(objects_, instanceView("us-1", "10.0.42.16:1025"));
  const http::Response stays = deploy(force + field("config", "memory: 64Mi"), {.content = "x"});
  ASSERT_EQ(stays.status, 202) << stays.body;
  EXPECT_EQ(specOf("shop", "web")["instance"], "eu-1") << "a config that says nothing of it moves nothing";

  const http::Response placed = deploy(force + field("config", "instance: us-1"), {.content = "x"});
  ASSERT_EQ(placed.status, 202) << placed.body;
  EXPECT_EQ(specOf("shop", "web")["instance"], "us-1");
}

TEST_F(Deploy, ForcingWhatIsNotThereCreatesIt) {
  ASSERT_EQ(deploy(field("force_create", "true")).status, 202);
  EXPECT_TRUE(isForced("web"));
  EXPECT_EQ(specOf("shop", "web")["adopt"], "IfIdentical");
}

TEST_F(Deploy, ReplacingKeepsLabels) {
  ASSERT_EQ(deploy().status, 202);
  const fs::path file = store_.folder() / "unikernel.shop.web.yaml";
  std::string text = fixtures::readFile(file);
  text.replace(text.find("metadata:\n"), 10, "metadata:\n  labels: {team: a}\n");
  dir_.replace("store/unikernel.shop.web.yaml", text);
  readManifests();
  const http::Response replaced = deploy(field("force_create", "true"), {.content = "other"});
  ASSERT_EQ(replaced.status, 202) << replaced.body;
  EXPECT_EQ(objects_.find({api::Kind::Unikernel, "shop", "web"})->object->metadata.labels.at("team"), "a");
}

TEST_F(Deploy, ListsTheInstancesWhereSeveralCouldBeMeant) {
  publish(objects_, instanceView("us-1", "10.0.42.16:1025"));
  const http::Response ambiguous = deploy();
  EXPECT_EQ(ambiguous.status, 422);
  EXPECT_THAT(messageOf(ambiguous), HasSubstr("eu-1, us-1"));
  EXPECT_EQ(fieldOf(ambiguous), "instance");
  const http::Response unknown = deploy(field("instance", "ap-1"));
  EXPECT_EQ(unknown.status, 422);
  EXPECT_THAT(messageOf(unknown), HasSubstr("no AlbatrossInstance ap-1; there is eu-1, us-1"));
  EXPECT_EQ(deploy(field("instance", "us-1") + field("config", "instance: eu-1")).status, 422);
  EXPECT_THAT(remains(), IsEmpty());
  EXPECT_EQ(deploy(field("config", "instance: us-1")).status, 202);
  EXPECT_EQ(specOf("shop", "web")["instance"], "us-1");
}

TEST_F(Deploy, RefusesMistakesAndKeepsNothing) {
  struct Case {
    std::string form;
    int status;
    const char* field;
    const char* message;
  };
  const std::string image = binary(images::makeImage({}));
  const std::string name = field("namespace", "shop") + field("name", "web");
  const Case cases[] = {
      {name + lastBoundary, 422, "binary", "send the image"},
      {image + lastBoundary, 422, "name", "give the unikernel a name"},
      {name + binary("no image") + lastBoundary, 422, "binary", "image web.hvt"},
      {name + binary(images::makeImage({.target = 3})) + lastBoundary, 422, "binary", "virtio"},
      {name + binary(images::makeImage({.networks = {"service"}})) + lastBoundary, 422, "config",
       "spec.networkInterfaces lacks service"},
      {name + image + field("config", "blockDevices: [{name: data}]") + lastBoundary, 422, "config",
       "spec.blockDevices has data"},
      {name + image + field("config", "memory: 32") + lastBoundary, 422, "spec.memory", "32Mi"},
      {name + image + field("config", "update: yes") + lastBoundary, 422, "spec.update", "spec.update"},
      {name + image + field("config", "image: {path: /etc/passwd}") + lastBoundary, 422, "config",
       "must not have an image"},
      {name + image + field("config", "- a") + lastBoundary, 422, "config", "a mapping"},
      {name + image + field("config", "{a: 1, a: 2}") + lastBoundary, 422, "config", "line 1"},
      {name + image + field("config", "a: [") + lastBoundary, 422, "config", "line "},
      {name + image + field("config", "a: 1\n---\nb: 2\n") + lastBoundary, 422, "config", "one document"},
      {name + image + field("force_create", "yes") + lastBoundary, 422, "force_create", "true or false"},
      {field("name", "Web_") + image + lastBoundary, 422, "metadata.name", "metadata.name"},
      {name + image + field("config", "memmory: 32Mi") + lastBoundary, 400, "", "spec.memmory"},
      {name + image + field("force", "true") + lastBoundary, 400, "", "\"force\""},
      {name + image + field("name", "web") + lastBoundary, 400, "", "the field name twice"},
      {name + image + image + lastBoundary, 400, "", "the field binary twice"},
      {name + image, 400, "", "last boundary"},
      {name + image + field("sha256", "abc") + lastBoundary, 422, "sha256", "64 hexadecimal digits"},
      {name + image + field("sha256", std::string(64, 'a')) + lastBoundary, 422, "sha256",
       "the image that came has the digest"},
      {name + image + field("size", "1k") + lastBoundary, 422, "size", "in bytes"},
      {name + image + field("size", "1") + lastBoundary, 422, "size", "4096 bytes came"},
      {name + field("instance", std::string(2000, 'x')) + image + lastBoundary, 413, "", "larger than"},
  };
  for (const Case& each : cases) {
    const http::Response response = send(each.form);
    const std::string shown = each.message;
    EXPECT_EQ(response.status, each.status) << shown << ": " << response.body;
    EXPECT_THAT(messageOf(response), HasSubstr(shown));
    EXPECT_EQ(fieldOf(response), each.field) << response.body;
    EXPECT_THAT(remains(), IsEmpty()) << shown;
  }
}

TEST_F(Deploy, RefusesWhoMayNotDeployThere) {
  const std::string image = binary(images::makeImage({.size = 100'000}));
  http::TextBody early(field("namespace", "db") + field("name", "web") + image + lastBoundary, 100);
  EXPECT_EQ(send(early).status, 403);
  EXPECT_LT(early.read(), 1000) << "the image is not even read";
  http::TextBody late(field("name", "web") + image + field("namespace", "db") + lastBoundary, 100);
  const http::Response response = send(late);
  EXPECT_EQ(response.status, 403);
  EXPECT_THAT(messageOf(response), testing::AllOf(HasSubstr("cannot deploy"), HasSubstr("\"db\"")));
  EXPECT_THAT(remains(), IsEmpty());

  http::TextBody implied(field("name", "web") + image + lastBoundary, 100);
  Request request = requestWith(implied);
  request.caller.namespaces = {"shop"};
  EXPECT_EQ(deployer_.handle(request, *http::parseTarget("/deploy")).status, 403)
      << "of the default namespace";
}

TEST_F(Deploy, TellsWhatItWouldBeAndChangesNothing) {
  const std::string sha256(64, 'a');
  const std::string form =
      field("namespace", "shop") + field("name", "web") + field("config", "memory: 64Mi");
  const http::Response told = send(form + field("sha256", sha256) + lastBoundary, "/deploy?dryRun=All");
  ASSERT_EQ(told.status, 200) << told.body;
  const json spec = parse(told)["spec"];
  EXPECT_EQ(parse(told)["kind"], "Unikernel");
  EXPECT_EQ(spec["memory"], "64Mi");
  EXPECT_EQ(spec["instance"], "eu-1");
  EXPECT_EQ(spec["image"]["sha256"], sha256);
  EXPECT_EQ(askedOf_, "eu-1");
  const http::Response whole =
      send(form + binary(images::makeImage({})) + lastBoundary, "/deploy?dryRun=All&wait=1m");
  EXPECT_EQ(whole.status, 200) << whole.body;
  EXPECT_FALSE(whole.later);
  EXPECT_THAT(remains(), IsEmpty());
  EXPECT_TRUE(specOf("shop", "web").is_null());

  ASSERT_EQ(deploy(field("config", "memory: 48Mi\nstartup: 7\n")).status, 202);
  const json before = specOf("shop", "web");
  const http::Response replaced = send(
      form + field("force_create", "true") + field("sha256", sha256) + lastBoundary, "/deploy?dryRun=All");
  ASSERT_EQ(replaced.status, 200) << replaced.body;
  EXPECT_EQ(parse(replaced)["spec"]["memory"], "64Mi");
  EXPECT_FALSE(parse(replaced)["spec"].contains("startup"));
  EXPECT_EQ(specOf("shop", "web"), before);
}

TEST_F(Deploy, RefusesBeforeTheImageWhatItRefusesWithIt) {
  ASSERT_EQ(
      send(field("namespace", "shop") + field("name", "there") + binary(images::makeImage({})) + lastBoundary)
          .status,
      202);
  struct Case {
    std::string fields;
    int status;
    const char* reason;
    const char* message;
  };
  const Case cases[] = {
      {field("namespace", "db") + field("name", "web"), 403, "Forbidden",
       "cannot deploy resource \"unikernels\" in API group \"rookery.dev\" in the namespace \"db\""},
      {field("namespace", "shop") + field("name", "there"), 409, "AlreadyExists", "--force"},
      {field("name", "web") + field("instance", "ap-1"), 422, "Invalid", "there is eu-1"},
      {field("name", "web") + field("config", "memory: 32"), 422, "Invalid", "32Mi"},
      {field("name", "web") + field("config", "memmory: 32Mi"), 400, "BadRequest", "spec.memmory"},
  };
  const std::size_t before = remains().size();
  for (const Case& each : cases) {
    const http::Response dry =
        send(each.fields + field("sha256", std::string(64, 'a')) + lastBoundary, "/deploy?dryRun=All");
    const http::Response real = send(each.fields + binary(images::makeImage({})) + lastBoundary);
    for (const http::Response& response : {dry, real}) {
      EXPECT_EQ(response.status, each.status) << response.body;
      EXPECT_EQ(parse(response)["reason"], each.reason);
      EXPECT_THAT(messageOf(response), HasSubstr(each.message));
    }
  }
  EXPECT_EQ(remains().size(), before);
}

TEST_F(Deploy, RefusesWhatCouldNotRun) {
  cannotRun_ = Error{Reason::NoPolicy, "Namespace shop has no policy on eu-1."};
  const std::string form = field("namespace", "shop") + field("name", "web");
  for (const http::Response& response :
       {send(form + field("sha256", std::string(64, 'a')) + lastBoundary, "/deploy?dryRun=All"), deploy()}) {
    EXPECT_EQ(response.status, 422);
    EXPECT_EQ(parse(response)["reason"], "NoPolicy");
    EXPECT_EQ(messageOf(response), "Namespace shop has no policy on eu-1.");
  }
  EXPECT_THAT(remains(), IsEmpty());
}

TEST_F(Deploy, TellsWhetherThereIsRoomForTheImage) {
  const std::string form = field("name", "web") + field("sha256", std::string(64, 'a'));
  const auto sized = [&](const std::string& size) {
    return send(form + field("size", size) + lastBoundary, "/deploy?dryRun=All");
  };
  EXPECT_EQ(sized("1000").status, 200);
  const http::Response refused = sized(std::to_string(std::uint64_t{301} << 20));
  EXPECT_EQ(refused.status, 413);
  EXPECT_THAT(messageOf(refused), HasSubstr("the image is larger than"));
}

TEST_F(Deploy, NeedsToKnowWhichImageItWouldBe) {
  const http::Response unknown = send(field("name", "web") + lastBoundary, "/deploy?dryRun=All");
  EXPECT_EQ(unknown.status, 422);
  EXPECT_EQ(fieldOf(unknown), "sha256");
  EXPECT_EQ(send(field("name", "web") + field("sha256", std::string(64, 'a')) + lastBoundary).status, 422)
      << "the digest is no image";
  EXPECT_EQ(send(lastBoundary, "/deploy?dryRun=Some").status, 422);
}

TEST_F(Deploy, RespectsWhomTheInstanceIsOpenTo) {
  auto object = std::make_shared<api::Object>(*instanceView("eu-1", "10.0.42.15:1025")->object);
  std::get<api::AlbatrossInstance>(object->spec).allowedNamespaces = std::set<std::string>{"db"};
  objects_.declare(object, {}, {});
  const http::Response response = deploy();
  EXPECT_EQ(response.status, 422);
  EXPECT_THAT(messageOf(response), HasSubstr("not open to the namespace shop"));
}

TEST_F(Deploy, NothingRemainsWhenTheClientGoesAway) {
  const std::string form = field("name", "web") + binary(images::makeImage({})) + lastBoundary;
  for (std::size_t at = 0; at < form.size(); at += 97) {
    http::TextBody body(form, 97);
    body.failAt(at);
    EXPECT_EQ(send(body).status, 400);
    ASSERT_THAT(remains(), IsEmpty()) << "gone at " << at;
  }
}

TEST_F(Deploy, KeepsNoImageWithoutAManifest) {
  fs::create_directory(store_.folder() / "unikernel.shop.web.yaml");  // in the way
  EXPECT_EQ(deploy().status, 409);
  EXPECT_THAT(remains(), ElementsAre("unikernel.shop.web.yaml"));
}

/// While it is read, another form comes, and so on; then all are broken off.
class Nested : public http::Body {
 public:
  using Send = std::function<int(http::Body& body)>;  // returns the status
  Nested(Send send, std::size_t others) : send_(std::move(send)), others_(others) {}

  Result<std::string_view> next() override {
    if (others_ > 0) {
      Nested inner(send_, std::exchange(others_, 0) - 1);
      last_ = send_(inner);
      last_ = inner.last_.value_or(*last_);
    }
    return fail(Reason::BadRequest, "It is broken off.");
  }
  std::optional<std::uint64_t> announcedSize() const override { return std::nullopt; }
  /// The status of the innermost.
  std::optional<int> last() const { return last_; }

 private:
  const Send send_;
  std::size_t others_;
  std::optional<int> last_;
};

TEST_F(Deploy, TakesOnlySoManyAtATime) {
  int callers = 0;
  const auto sendOne = [&](http::Body& body) {
    Request request = requestWith(body);
    request.caller.name = "caller-" + std::to_string(++callers);
    return deployer_.handle(request, *http::parseTarget("/deploy")).status;
  };
  Nested few(sendOne, Deployer::mostUploads - 1);
  EXPECT_EQ(sendOne(few), 400);
  EXPECT_EQ(few.last(), 400);
  Nested many(sendOne, Deployer::mostUploads);
  EXPECT_EQ(sendOne(many), 400);
  EXPECT_EQ(many.last(), 429);
  EXPECT_EQ(deploy().status, 202) << "they have gone";
}

TEST_F(Deploy, OneCallerDoesNotTakeAllPlaces) {
  const auto ofOne = [&](http::Body& body) { return send(body).status; };
  Nested share(ofOne, Deployer::uploadsOfOne - 1);
  EXPECT_EQ(ofOne(share), 400);
  EXPECT_EQ(share.last(), 400);
  Nested more(ofOne, Deployer::uploadsOfOne);
  EXPECT_EQ(ofOne(more), 400);
  EXPECT_EQ(more.last(), 429);
  // The last of these is somebody else's.
  std::size_t sent = 0;
  const auto withAnother = [&](http::Body& body) {
    Request request = requestWith(body);
    if (++sent > Deployer::uploadsOfOne) request.caller.name = "another";
    return deployer_.handle(request, *http::parseTarget("/deploy")).status;
  };
  Nested another(withAnother, Deployer::uploadsOfOne);
  EXPECT_EQ(withAnother(another), 400);
  EXPECT_EQ(another.last(), 400);
}

TEST_F(Deploy, TakesFormsOnly) {
  http::TextBody body(lastBoundary);
  Request request = requestWith(body);
  const auto statusOf = [&] { return deployer_.handle(request, *http::parseTarget("/deploy")).status; };
  request.method = "GET";
  EXPECT_EQ(statusOf(), 405);
  request.method = "POST";
  request.contentType = "application/json";
  EXPECT_EQ(statusOf(), 415);
  request.contentType = "multipart/form-data";
  EXPECT_EQ(statusOf(), 400);
  request.contentType = "multipart/form-data; boundary=XX";
  request.body = nullptr;
  EXPECT_EQ(statusOf(), 400);
  for (const char* wait : {"/deploy?wait=x", "/deploy?wait=11m", "/deploy?wait=-1s"})
    EXPECT_EQ(send(lastBoundary, wait).status, 400) << wait;
}

TEST_F(Deploy, RefusesWhatIsTooLargeBeforeItComes) {
  http::TextBody body(lastBoundary);
  body.announced = std::uint64_t{400} << 20;
  EXPECT_EQ(send(body).status, 413);
  EXPECT_EQ(body.read(), 0);
}

TEST_F(Deploy, RefusesAnImageOverTheLimit) {
  const auto small = *image::ImageStore::open(dir_.path() / "small", {.largestImage = 1000});
  Deployer deployer(objects_, writer_, *small, [](const auto&, const auto&) { return std::nullopt; });
  http::TextBody body(field("name", "web") + binary(images::makeImage({})) + lastBoundary, 100);
  const http::Response response = deployer.handle(requestWith(body), *http::parseTarget("/deploy"));
  EXPECT_EQ(response.status, 413);
  EXPECT_THAT(messageOf(response), HasSubstr("larger than 1000 bytes"));
  EXPECT_TRUE(fs::is_empty(small->folder()));
}

TEST_F(Deploy, WaitsForTheRollOut) {
  const http::Response waiting = deploy("", {}, "/deploy?wait=1m");
  ASSERT_EQ(waiting.status, 202) << waiting.body;
  ASSERT_TRUE(waiting.later);
  report(api::Condition::Type::Reconciling, Reason::Reconciling, false);
  {
    const std::jthread later([this] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      report(std::nullopt, Reason::Running, true);
    });
    EXPECT_FALSE(waiting.later()) << "it looks again when it is asked again";
  }
  const auto ready = waiting.later();
  ASSERT_TRUE(ready);
  EXPECT_EQ(ready->status, 200);
  EXPECT_EQ(parse(*ready)["metadata"]["name"], "web");
  EXPECT_EQ(parse(*ready)["status"]["conditions"][0]["status"], "True");

  report(api::Condition::Type::Stalled, Reason::NoPolicy, false);
  const auto stalled = waiting.later();
  ASSERT_TRUE(stalled);
  EXPECT_EQ(stalled->status, 422);
  EXPECT_EQ(parse(*stalled)["reason"], "NoPolicy");
  EXPECT_EQ(messageOf(*stalled), "It is as it is.");
}

TEST_F(Deploy, WaitsForNothingButItsOwnRollOut) {
  ASSERT_EQ(deploy().status, 202);
  report(std::nullopt, Reason::Running, true);
  const http::Response waiting =
      deploy(field("force_create", "true"), {.content = "other"}, "/deploy?wait=50ms");
  ASSERT_TRUE(waiting.later) << waiting.body;
  EXPECT_FALSE(waiting.later()) << "that the image before runs is not what was asked for";
  const auto over = waiting.later();
  ASSERT_TRUE(over);
  EXPECT_EQ(over->status, 202);
  EXPECT_EQ(over->body, waiting.body);

  const http::Response superseded = deploy(field("force_create", "true"), {}, "/deploy?wait=1m");
  ASSERT_EQ(deploy(field("force_create", "true"), {.content = "third"}).status, 202);
  const auto conflict = superseded.later();
  ASSERT_TRUE(conflict);
  EXPECT_EQ(conflict->status, 409);
}

/// A form with an image of zeros, which is never there as a whole.
class HugeBody : public http::Body {
 public:
  HugeBody(std::string before, std::uint64_t zeros, std::string after)
      : before_(std::move(before)), after_(std::move(after)), left_(zeros), zeros_(64 << 10, '\0') {}
  Result<std::string_view> next() override {
    if (!std::exchange(begun_, true)) return std::string_view(before_);
    if (left_ == 0) return std::exchange(ended_, true) ? std::string_view() : std::string_view(after_);
    const auto size = std::min<std::uint64_t>(left_, zeros_.size());
    left_ -= size;
    return std::string_view(zeros_).substr(0, size);
  }
  std::optional<std::uint64_t> announcedSize() const override { return std::nullopt; }

 private:
  const std::string before_, after_;
  std::uint64_t left_;
  const std::string zeros_;
  bool begun_ = false, ended_ = false;
};

/// The most memory that this process has had resident since the peak was reset, in KiB.
std::uint64_t peakKiB() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6));
  }
  return 0;
}

TEST_F(Deploy, MemoryDoesNotGrowWithTheImage) {
  std::ofstream("/proc/self/clear_refs") << "5";
  const std::uint64_t before = peakKiB();
  const std::string image = binary("");
  HugeBody body(field("name", "web") + image.substr(0, image.size() - 2), std::uint64_t{256} << 20,
                "\r\n" + field("force_create", "x") + lastBoundary);
  EXPECT_EQ(send(body).status, 422);
  EXPECT_LT(peakKiB() - before, 16 << 10);
  EXPECT_THAT(remains(), IsEmpty());
}

TEST_F(Deploy, IsRoutedToWhereThereIsAStore) {
  // printf %s correct-horse | sha256sum
  const fs::path tokenFile = dir_.write("access.yaml", R"(tokens:
- name: ci
  sha256: "13c8a6e8cb1e1c9e5a3ab61b7b0d53e5dd9ec2a6c4ba6f3b4ee1bc7d6f8a9012"
  verbs: [deploy]
  namespaces: [shop]
certificates:
- commonName: ci
  verbs: [deploy]
  namespaces: [shop]
)");
  const auto access = Access::load({.tokenFile = tokenFile});
  ASSERT_TRUE(access) << access.error().message;
  reconcile::EventRecorder events(objects_);
  const ResourceApi api(objects_, events.events(), &writer_);
  const Metrics metrics(BuildInfo{"1", "r"});
  const auto sendTo = [&](const Router& router, const std::optional<std::string>& commonName) {
    http::TextBody body(
        field("namespace", "shop") + field("name", "web") + binary(images::makeImage({})) + lastBoundary,
        100);
    Request request = requestWith(body);
    request.peer = {.address = "10.0.0.1", .tls = true, .commonName = commonName};
    return router.handle(request);
  };
  const Router without(objects_, api, metrics, **access);
  const http::Response none = sendTo(without, "ci");
  EXPECT_EQ(none.status, 405);
  EXPECT_THAT(messageOf(none), HasSubstr("--api-store"));
  const Router with(objects_, api, metrics, **access, &deployer_);
  EXPECT_EQ(sendTo(with, "somebody").status, 403);
  EXPECT_EQ(sendTo(with, std::nullopt).status, 401);
  EXPECT_EQ(sendTo(with, "ci").status, 202);
}

}  // namespace
}  // namespace rookery::serve

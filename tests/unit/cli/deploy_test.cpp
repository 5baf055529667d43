#include <gmock/gmock.h>
#include <httplib.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "fixtures/temp_dir.h"
#include "image/digest.h"
#include "image/image.h"
#include "images/image_maker.h"
#include "unit/cli/invoke.h"

namespace rookery::cli {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

std::string digestOf(const std::string& image) {
  image::Sha256 hash;
  hash.update(image);
  return image::toHex(hash.finish());
}

constexpr const char* accepted = R"({"namespace": "shop", "name": "web", "sha256": "aa11", "size": 4})";

/// Takes deployments as a controller does, and answers as it is told.
class DeployServer {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  DeployServer(int status, std::string body) {
    server_.Post("/deploy", [this, status, body = std::move(body)](const httplib::Request& request,
                                                                   httplib::Response& response,
                                                                   const httplib::ContentReader& read) {
      const bool dry = request.get_param_value("dryRun") == "All";
      if (dry) {
        rehearsed = takeForm(read);
        response.status = rehearsal.first;
        response.set_content(rehearsal.second, "application/json");
        return;
      }
      ++requests;
      target = request.target;
      length = request.get_header_value("Content-Length");
      if (takesForms) fields = takeForm(read);
      response.status = status;
      response.set_content(body, "application/json");
    });
    server_.Get("/apis/.*", [this](const httplib::Request& request, httplib::Response& response) {
      looked = request.target;
      response.status = present.empty() ? 404 : 200;
      if (!present.empty()) response.set_content(present, "application/json");
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::jthread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~DeployServer() { server_.stop(); }
  DeployServer(const DeployServer&) = delete;
  DeployServer& operator=(const DeployServer&) = delete;

  Invocation deploy(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "deploy");
    arguments.insert(arguments.end(), {"--server", "http://127.0.0.1:" + std::to_string(port_)});
    return invoke(arguments);
  }

  bool takesForms = true;  // false: answers before it has read them
  /// What is answered to the form without the image.
  std::pair<int, std::string> rehearsal = {200, R"({"spec": {"image": {"path": "/web.hvt"}}})"};
  // To be read between requests.
  std::string present;  // the object that is there already, as JSON
  int requests = 0;     // with an image
  std::string looked;
  std::string target, length, fileName;
  Fields fields, rehearsed;

 private:
  Fields takeForm(const httplib::ContentReader& read) {
    Fields taken;
    read(
        [&](const httplib::MultipartFormData& part) {
          taken.emplace_back(part.name, "");
          fileName = part.filename;
          return true;
        },
        [&](const char* data, std::size_t size) {
          taken.back().second.append(data, size);
          return true;
        });
    return taken;
  }

  httplib::Server server_;
  int port_ = 0;
  std::jthread thread_;
};

TEST(Deploy, SendsTheImageAfterAllElse) {
  const fixtures::TempDir dir;
  const std::string image = images::makeImage({.size = 3'000'000});
  const auto path = dir.write("a \"b\".hvt", image);
  const auto config = dir.write("spec.yaml", "memory: 64Mi\narguments: [--x]\n");
  DeployServer server(202, accepted);
  const Invocation outcome = server.deploy(
      {"web", path.string(), "--instance", "eu-1", "-n", "shop", "-f", config.string(), "--force"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(server.target, "/deploy");
  DeployServer::Fields expected = {
      {"instance", "eu-1"},     {"namespace", "shop"},
      {"name", "web"},          {"config", R"({"arguments":["--x"],"memory":"64Mi"})"},
      {"force_create", "true"}, {"sha256", digestOf(image)},
      {"size", "3000000"}};
  EXPECT_EQ(server.rehearsed, expected) << "all but the image is sent before it";
  expected.emplace_back("binary", image);
  EXPECT_EQ(server.fields, expected);
  EXPECT_EQ(server.fileName, "a %22b%22.hvt");
  EXPECT_GT(std::stoul(server.length), image.size());
  EXPECT_EQ(
      outcome.out,
      "Unikernel shop/web is accepted with the image aa11; `rookery get uk web -n shop -w` shows how it "
      "gets on.\n");
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("eu-1: Unikernel shop/web: "), HasSubstr(" of 2.9 MiB sent\n"),
                                 HasSubstr("2.9 MiB sent in ")));
}

TEST(Deploy, SendsNoFieldThatIsNotGiven) {
  const fixtures::TempDir dir;
  DeployServer server(202, accepted);
  const std::string image = images::makeImage({});
  const Invocation outcome = server.deploy({"web", dir.write("web.hvt", image).string()});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(server.fields,
              ElementsAre(Pair("namespace", "default"), Pair("name", "web"), Pair("sha256", digestOf(image)),
                          Pair("size", "4096"), Pair("binary", image)));
}

TEST(Deploy, ShowsWhatChangesBeforeItIsSent) {
  const fixtures::TempDir dir;
  const std::string image = dir.write("web.hvt", images::makeImage({})).string();
  DeployServer server(202, accepted);
  server.present =
      R"({"spec": {"instance": "eu-1", "memory": "128Mi", "arguments": ["--x"], "image": {"sha256": "aa"}}})";
  server.rehearsal.second =
      R"({"spec": {"instance": "us-1", "memory": "64Mi", "startup": 7, "image": {"path": "/b.img"}}})";
  const Invocation outcome = server.deploy({"web", image, "-n", "shop", "--force"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(server.looked, "/apis/rookery.dev/v1alpha1/namespaces/shop/unikernels/web");
  EXPECT_THAT(outcome.err, testing::StartsWith("Unikernel shop/web is there already. What changes:\n"
                                               "  image: {\"sha256\":\"aa\"} → " +
                                               image +
                                               "\n"
                                               "  arguments: [\"--x\"] → unset\n"
                                               "  instance: \"eu-1\" → \"us-1\"\n"
                                               "  memory: \"128Mi\" → \"64Mi\"\n"
                                               "  startup: unset → 7\nhttp"));
}

TEST(Deploy, SendsNoImageThatWouldBeRefused) {
  const fixtures::TempDir dir;
  const std::string image =
      dir.write("web.hvt", images::makeImage({.networks = {"service"}, .blocks = {"data"}})).string();
  const auto refusal = [](const std::string& reason, const std::string& message) {
    return json{{"kind", "Status"}, {"reason", reason}, {"message", message}}.dump();
  };
  const std::tuple<int, std::string, std::string> cases[] = {
      {403, refusal("Forbidden", "User \"ci\" cannot deploy"),
       "Error from server (Forbidden): User \"ci\" cannot deploy"},
      {409, refusal("AlreadyExists", "it is there"), "Error from server (AlreadyExists): it is there"},
      {422, refusal("NoPolicy", "no policy"), "Error from server (NoPolicy): no policy"},
      {200, R"({"spec": {"image": {"path": "/a"}, "networkInterfaces": [{"name": "service"}]}})",
       "web.hvt was built for other devices. spec.blockDevices lacks data"},
      {200, R"({"spec": {"image": {"path": "/a"}, "blockDevices": [{"name": "data"}]}})",
       "spec.networkInterfaces lacks service"},
      {200, R"({"namespace": "shop"})", "does not say what the deployment would come to"},
  };
  for (const auto& [status, body, message] : cases) {
    DeployServer server(202, accepted);
    server.rehearsal = {status, body};
    const Invocation outcome = server.deploy({"web", image, "-n", "shop"});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_THAT(outcome.err, HasSubstr(message));
    EXPECT_EQ(server.requests, 0) << message;
  }
  DeployServer server(202, accepted);
  const std::string virtio = dir.write("virtio", images::makeImage({.target = 3})).string();
  EXPECT_THAT(server.deploy({"web", virtio}).err, HasSubstr("linked for the target virtio"));
  EXPECT_EQ(server.requests, 0);
}

TEST(Deploy, WaitsUntilItIsReady) {
  const std::tuple<int, std::string, int, std::string> cases[] = {
      {200, R"({"kind": "Unikernel"})", 0, "Unikernel default/web: Ready\n"},
      {202, accepted, 1,
       "error: Unikernel default/web is accepted, but not Ready after 1m30s; `rookery get uk web -n default "
       "-w` shows how it gets on.\n"},
      {422, R"({"kind": "Status", "reason": "NotConverging", "message": "It does not."})", 1,
       "Error from server (NotConverging): It does not.\n"}};
  const fixtures::TempDir dir;
  const auto image = dir.write("web.hvt", images::makeImage({}));
  for (const auto& [code, body, status, said] : cases) {
    DeployServer server(code, body);
    const Invocation outcome = server.deploy({"web", image.string(), "--wait", "1m30s"});
    EXPECT_EQ(outcome.status, status);
    EXPECT_THAT(outcome.out + outcome.err, HasSubstr(said));
    EXPECT_EQ(server.target, "/deploy?wait=1m30s");
  }
}

TEST(Deploy, ARefusalBeforeTheImageIsThereIsTold) {
  const fixtures::TempDir dir;
  const auto image = dir.path() / "web.hvt";
  ASSERT_TRUE(images::writeImage({.size = std::uint64_t{32} << 20}, image));  // more than sockets hold
  DeployServer server(403, R"({"kind": "Status", "reason": "Forbidden", "message": "not here"})");
  server.takesForms = false;
  const Invocation outcome = server.deploy({"web", image.string()});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, HasSubstr("Error from server (Forbidden): not here\n"));
  EXPECT_EQ(outcome.out, "");
}

TEST(Deploy, MistakesAreFoundBeforeAnythingIsSent) {
  const fixtures::TempDir dir;
  const std::string image = dir.write("web.hvt", images::makeImage({})).string();
  const auto config = [&](const std::string& text) { return dir.write("spec.yaml", text).string(); };
  DeployServer server(202, accepted);
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"web", (dir.path() / "none.hvt").string()}, "none.hvt"},
      {{"web", dir.write("text.hvt", "text").string()}, "text.hvt"},
      {{"web", image, "--wait", "soon"}, "--wait: "},
      {{"web", image, "-f", (dir.path() / "none.yaml").string()}, "none.yaml"},
      {{"web", image, "-f", config("a: b: c")}, "spec.yaml: 1:5: this is not valid YAML"},
  };
  for (const auto& [arguments, message] : cases) {
    const Invocation outcome = server.deploy(arguments);
    EXPECT_EQ(outcome.status, 1);
    EXPECT_THAT(outcome.err, AllOf(testing::StartsWith("error: "), HasSubstr(message)));
  }
  EXPECT_THAT(server.deploy({"web", image, "-f", config("[1]")}).err, HasSubstr("the spec of a Unikernel"));
  EXPECT_THAT(server.deploy({"web", image, "-f", config("a: 1\na: 2\n")}).err, HasSubstr("2:1: a: this key"));
  EXPECT_EQ(server.requests, 0);
  EXPECT_THAT(server.rehearsed, IsEmpty());
}

TEST(Deploy, SendsNoImageThatIsStillWritten) {
  const fixtures::TempDir dir;
  DeployServer server(202, accepted);
  std::ofstream writer(dir.path() / "web.hvt");
  writer << "half" << std::flush;
  const Invocation outcome = server.deploy({"web", (dir.path() / "web.hvt").string()});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, HasSubstr("is being written"));
  EXPECT_EQ(server.requests, 0);
}

}  // namespace
}  // namespace rookery::cli

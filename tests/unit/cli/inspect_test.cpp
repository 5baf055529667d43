#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "fixtures/temp_dir.h"
#include "image/image.h"
#include "image/inspector.h"
#include "images/image_maker.h"
#include "unit/cli/invoke.h"

namespace rookery::cli {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class Inspect : public testing::Test {
 protected:
  void SetUp() override {
    images::ImageSpec spec;
    spec.target = 2;
    spec.networks = {"service", "admin"};
    ASSERT_TRUE(images::writeImage(spec, path_));
  }

  fixtures::TempDir folder_;
  std::string path_ = (folder_.path() / "web.spt").string();
};

TEST_F(Inspect, ShowsWhatADeployerHasToKnow) {
  const Invocation shown = invoke({"inspect", path_});
  EXPECT_EQ(shown.status, 0);
  EXPECT_THAT(shown.err, IsEmpty());
  const std::string digest = image::toHex(image::Inspector().inspect(path_)->digest);
  EXPECT_EQ(shown.out, path_ +
                           "\n"
                           "  target               spt\n"
                           "  ABI version          2\n"
                           "  network interfaces   admin, service\n"
                           "  block devices        none\n"
                           "  size                 4096 bytes\n"
                           "  SHA-256              " +
                           digest + "\n");
}

TEST_F(Inspect, ShowsAListAsJson) {
  const Invocation shown = invoke({"inspect", "-o", "json", path_, path_});
  EXPECT_EQ(shown.status, 0);
  const auto documents = nlohmann::json::parse(shown.out);
  ASSERT_EQ(documents.size(), 2u);
  EXPECT_EQ(documents[0].at("target"), "spt");
  EXPECT_EQ(documents[0].at("networkInterfaces"), nlohmann::json({"admin", "service"}));
  EXPECT_EQ(documents[0].at("sha256").get<std::string>().size(), 64u);
}

TEST_F(Inspect, AFailureDoesNotHideTheOthers) {
  const std::string broken = folder_.write("broken.hvt", "#!/bin/sh\n");
  const Invocation shown = invoke({"inspect", broken, path_});
  EXPECT_EQ(shown.status, 1);
  EXPECT_THAT(shown.err, HasSubstr(broken));
  EXPECT_THAT(shown.out, HasSubstr(path_));
}

}  // namespace
}  // namespace rookery::cli

#include "api/key_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rookery::api {
namespace {

using testing::ElementsAre;

TEST(KeySet, IsSharedByItsCopiesUntilOneChanges) {
  const ObjectKey a{Kind::Unikernel, "shop", "a"}, b{Kind::Unikernel, "shop", "b"};
  const KeySet keys{b, a};
  EXPECT_THAT(keys, ElementsAre(a, b));
  KeySet copy = keys;
  EXPECT_TRUE(copy.isSharedWith(keys));

  copy.erase(a);

  EXPECT_FALSE(copy.isSharedWith(keys));
  EXPECT_THAT(copy, ElementsAre(b));
  EXPECT_TRUE(keys.contains(a));
  EXPECT_NE(copy, keys);
  copy.insert(a);
  EXPECT_FALSE(copy.isSharedWith(keys));
  EXPECT_EQ(copy, keys) << "it has the same again";
  EXPECT_EQ(*keys.firstFrom({Kind::Unikernel, "shop", "aa"}), b);
  copy.clear();
  EXPECT_TRUE(copy.empty());
}

}  // namespace
}  // namespace rookery::api

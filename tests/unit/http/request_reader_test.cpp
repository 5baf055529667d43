#include "http/request_reader.h"

#include <gtest/gtest.h>

#include <string>

#include "unit/http/given_stream.h"

namespace rookery::http {
namespace {

TEST(RequestReader, ReadsChunksHoweverTheyAreCut) {
  const std::string head = "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::pair<std::string, std::string> bodies[] = {{"0\r\n\r\n", ""},
                                                        {"0\r\nT: v\r\n\r\n", ""},
                                                        {"1\r\na\r\n0\r\n\r\n", "a"},
                                                        {"2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "hello"}};
  for (const auto& [chunks, body] : bodies) {
    for (std::size_t piece = 1; piece <= head.size() + chunks.size(); ++piece) {
      const std::string sent = head + chunks;
      GivenStream stream(sent, piece);
      RequestReader reader(stream);
      ASSERT_TRUE(reader.readHead());
      const auto read = readAll(reader, 100);
      ASSERT_TRUE(read) << read.error().message;
      EXPECT_EQ(*read, body);
      EXPECT_TRUE(reader.exhausted());
    }
  }
}

TEST(RequestReader, RefusesABodyThatEndsWithinItsLastChunk) {
  for (const char* chunks : {"", "0", "0\r\n", "0\r\n\r", "1\r\na\r\n0\r\n"}) {
    const std::string sent =
        std::string("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n") + chunks;
    GivenStream stream(sent, 1);
    RequestReader reader(stream);
    ASSERT_TRUE(reader.readHead());
    EXPECT_EQ(readAll(reader, 100).error().message, "the request ended within its body") << chunks;
  }
}

}  // namespace
}  // namespace rookery::http

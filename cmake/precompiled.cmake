# What nearly every file includes, parsed once for all that include it. Only where the build asks for it (see
# CMakePresets.json): without, each file shows that it includes what it uses, and clang-tidy reads it that way.
set(standard <algorithm> <array> <charconv> <chrono> <cstdint> <expected> <filesystem> <fstream> <functional> <map>
  <memory> <mutex> <optional> <set> <span> <sstream> <string> <string_view> <thread> <unordered_map> <utility> <variant>
  <vector> <fmt/format.h> <fmt/ranges.h> <nlohmann/json.hpp>)
set(network <boost/asio/as_tuple.hpp> <boost/asio/awaitable.hpp> <boost/asio/bind_cancellation_slot.hpp>
  <boost/asio/co_spawn.hpp> <boost/asio/experimental/awaitable_operators.hpp> <boost/asio/io_context.hpp>
  <boost/asio/ip/tcp.hpp> <boost/asio/post.hpp> <boost/asio/ssl.hpp> <boost/asio/steady_timer.hpp>
  <boost/asio/strand.hpp> <boost/asio/this_coro.hpp> <boost/asio/use_awaitable.hpp>)

# precompiled(NAME LIBRARIES … HEADERS …): a target whose precompiled header others may use.
function(precompiled name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LIBRARIES;HEADERS")
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/precompiled/${name}.cpp CONTENT "")
  add_library(precompiled-${name} STATIC EXCLUDE_FROM_ALL ${CMAKE_BINARY_DIR}/precompiled/${name}.cpp)
  target_link_libraries(precompiled-${name} PRIVATE options ${arg_LIBRARIES})
  target_precompile_headers(precompiled-${name} PRIVATE ${arg_HEADERS})
endfunction()

# use_precompiled(TARGET NAME): TARGET's files need not parse what NAME holds.
function(use_precompiled target name)
  if(ROOKERY_PRECOMPILE)
    target_precompile_headers(${target} REUSE_FROM precompiled-${name})
  endif()
endfunction()

if(ROOKERY_PRECOMPILE)
  precompiled(standard LIBRARIES fmt::fmt nlohmann_json::nlohmann_json HEADERS ${standard})
  precompiled(network LIBRARIES fmt::fmt nlohmann_json::nlohmann_json asio HEADERS ${standard} ${network})
endif()

find_package(Threads REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(prometheus-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(CURL 7.88 REQUIRED)
find_package(SQLite3 3.40 REQUIRED)
find_package(date REQUIRED)  # time zones, which libstdc++ 12 has none of

find_package(PkgConfig REQUIRED)
pkg_check_modules(HTTPLIB REQUIRED IMPORTED_TARGET cpp-httplib)
add_library(httplib ALIAS PkgConfig::HTTPLIB)
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares)
add_library(cares ALIAS PkgConfig::CARES)

# Boost.Asio is header-only by default; compiling its body once keeps every other translation unit small.
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/asio.cpp CONTENT
  "#include <boost/asio/impl/src.hpp>\n#include <boost/asio/ssl/impl/src.hpp>\n")
add_library(asio STATIC ${CMAKE_BINARY_DIR}/asio.cpp)
target_compile_definitions(asio PUBLIC BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED)
target_link_libraries(asio PUBLIC Boost::headers OpenSSL::SSL Threads::Threads)
if(ROOKERY_SANITIZE)
  target_compile_options(asio PRIVATE -fsanitize=${ROOKERY_SANITIZE})
endif()
if(ROOKERY_SANITIZE MATCHES thread)
  # ThreadSanitizer does not know fences; the mutexes of the scheduler order the same things.
  target_compile_definitions(asio PUBLIC BOOST_ASIO_DISABLE_FENCED_BLOCK)
endif()

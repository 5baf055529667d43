add_library(options INTERFACE)
target_compile_options(options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wnon-virtual-dtor -Wold-style-cast
  -Woverloaded-virtual -Wcast-align -Wcast-qual -Wformat=2 -Wimplicit-fallthrough -Wundef -Werror
  -fstack-protector-strong)
# Many test programs link the same rooms: the linker's time is theirs.
find_program(MOLD mold)
if(MOLD)
  target_link_options(options INTERFACE -fuse-ld=mold)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # One translation unit needs some hundred MB however often the compiler collects its garbage: let it begin late.
  target_compile_options(options INTERFACE --param=ggc-min-heapsize=524288)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # std::stable_sort of libstdc++ 12 uses what that library deprecates.
  target_compile_options(options INTERFACE -Wno-deprecated-declarations)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  target_compile_options(options INTERFACE -g1)  # lines for backtraces: a tenth of the compiler's time less than all
  target_compile_options(options INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -D_GLIBCXX_ASSERTIONS)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # When it optimises, g++ 12 takes the frames of coroutines for what they are not.
    target_compile_options(options INTERFACE -Wno-maybe-uninitialized -Wno-mismatched-new-delete)
  endif()
  target_link_options(options INTERFACE -Wl,-z,relro,-z,now)
endif()
if(ROOKERY_SANITIZE)
  target_compile_options(options INTERFACE -fsanitize=${ROOKERY_SANITIZE} -fno-sanitize-recover=all
    -fno-omit-frame-pointer -g1)
  target_link_options(options INTERFACE -fsanitize=${ROOKERY_SANITIZE})
  if(ROOKERY_SANITIZE MATCHES undefined)
    # A fifth of the compiler's time, to say before each access what AddressSanitizer says of those that go wrong.
    target_compile_options(options INTERFACE -fno-sanitize=null,alignment,vptr)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Sanitizers instrument code in ways that trip the flow-based warnings of g++ 12.
    target_compile_options(options INTERFACE -Wno-maybe-uninitialized)
    if(ROOKERY_SANITIZE MATCHES thread)
      target_compile_options(options INTERFACE -Wno-tsan)  # of the fences in Asio's reference counts
    endif()
  endif()
endif()
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # All files of a room may be one translation unit then; what is anonymous stays so.
  target_compile_options(options INTERFACE -Wno-subobject-linkage)
endif()

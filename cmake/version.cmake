# What `rookery version` and the metrics say of a build: the project's version, and the revision of the work tree when
# CMake was last run; a commit makes it run again.
set(ROOKERY_REVISION unknown)
find_package(Git QUIET)
if(GIT_FOUND)
  execute_process(COMMAND ${GIT_EXECUTABLE} rev-parse --short=12 HEAD WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
    OUTPUT_VARIABLE revision ERROR_QUIET RESULT_VARIABLE failed OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT failed)
    set(ROOKERY_REVISION ${revision})
  endif()
  if(EXISTS ${CMAKE_SOURCE_DIR}/.git/logs/HEAD)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/.git/logs/HEAD)
  endif()
endif()
set_source_files_properties(controller/cli/version.cpp PROPERTIES COMPILE_DEFINITIONS
  "ROOKERY_VERSION=\"${PROJECT_VERSION}\";ROOKERY_REVISION=\"${ROOKERY_REVISION}\"")

# What Debian wants in a package and CMake does not make: run by CPack on the folder that becomes the package.
set(doc "${CPACK_TEMPORARY_DIRECTORY}/usr/share/doc/rookery")
execute_process(COMMAND date --utc --rfc-email OUTPUT_VARIABLE date OUTPUT_STRIP_TRAILING_WHITESPACE)
file(WRITE "${doc}/changelog.Debian"
"rookery (${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}) stable; urgency=medium

  * Version ${CPACK_PACKAGE_VERSION}.

 -- ${CPACK_PACKAGE_CONTACT}  ${date}
")
execute_process(COMMAND gzip --best --no-name --force "${doc}/changelog.Debian" COMMAND_ERROR_IS_FATAL ANY)

set(overrides "${CPACK_TEMPORARY_DIRECTORY}/usr/share/lintian/overrides")
file(MAKE_DIRECTORY "${overrides}")
file(COPY_FILE "${CMAKE_CURRENT_LIST_DIR}/lintian-overrides" "${overrides}/rookery")

# `make install`: the program, its unit for systemd, the schema and the example. Configuration is installed only where
# there is none.
include(GNUInstallDirs)
install(TARGETS rookery RUNTIME COMPONENT rookery)
install(TARGETS albatross-emulator RUNTIME COMPONENT emulator EXCLUDE_FROM_ALL)  # cmake --install DIR --component emulator

install(FILES README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT rookery)
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT rookery FILES_MATCHING PATTERN "*.md")
install(DIRECTORY crds manifests DESTINATION ${CMAKE_INSTALL_DATADIR}/rookery COMPONENT rookery
  FILES_MATCHING PATTERN "*.yaml")
install(DIRECTORY manifests/ci DESTINATION ${CMAKE_INSTALL_DATADIR}/rookery/manifests COMPONENT rookery
  USE_SOURCE_PERMISSIONS)

# Man pages and completion, by the program itself.
install(CODE "
  set(share \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/share\")
  execute_process(COMMAND \"$<TARGET_FILE:rookery>\" __reference man \"\${share}/man/man1\"
    COMMAND_ERROR_IS_FATAL ANY)
  file(GLOB pages \"\${share}/man/man1/rookery*.1\")
  execute_process(COMMAND gzip --best --no-name --force \${pages} COMMAND_ERROR_IS_FATAL ANY)
  file(MAKE_DIRECTORY \"\${share}/bash-completion/completions\" \"\${share}/zsh/vendor-completions\"
    \"\${share}/fish/vendor_completions.d\")
  foreach(completion bash:bash-completion/completions/rookery zsh:zsh/vendor-completions/_rookery
      fish:fish/vendor_completions.d/rookery.fish)
    string(REPLACE \":\" \";\" completion \${completion})
    list(POP_FRONT completion shell file)
    execute_process(COMMAND \"$<TARGET_FILE:rookery>\" completion \${shell} OUTPUT_FILE \"\${share}/\${file}\"
      COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
" COMPONENT rookery)

# For Prometheus' rule_files, and for Grafana.
install(FILES helm/rookery/rules/rookery.yaml DESTINATION ${CMAKE_INSTALL_DATADIR}/rookery/prometheus COMPONENT rookery)
install(DIRECTORY helm/rookery/dashboards DESTINATION ${CMAKE_INSTALL_DATADIR}/rookery/grafana COMPONENT rookery)

# Not LIBDIR: systemd looks into lib, whatever the architecture.
install(FILES packaging/systemd/rookery.sysusers DESTINATION lib/sysusers.d RENAME rookery.conf COMPONENT rookery)
install(FILES packaging/systemd/rookery.service DESTINATION lib/systemd/system COMPONENT rookery)
install(CODE [[
  if(NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
    set(unit "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/lib/systemd/system/rookery.service")
    file(READ "${unit}" text)
    string(REPLACE "/usr/bin/rookery" "${CMAKE_INSTALL_PREFIX}/bin/rookery" text "${text}")
    string(REPLACE "/usr/share/doc" "${CMAKE_INSTALL_PREFIX}/share/doc" text "${text}")
    file(WRITE "${unit}" "${text}")
    set(rules "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/share/rookery/prometheus/rookery.yaml")
    file(READ "${rules}" text)
    string(REPLACE "/usr/share/doc" "${CMAKE_INSTALL_PREFIX}/share/doc" text "${text}")
    file(WRITE "${rules}" "${text}")
  endif()
]] COMPONENT rookery)

# The unit names these, so that they do not move with the prefix.
install(DIRECTORY DESTINATION /etc/rookery/manifests COMPONENT rookery)
install(DIRECTORY packaging/example DESTINATION /etc/rookery COMPONENT rookery)
install(DIRECTORY DESTINATION /etc/rookery/keys DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE
  COMPONENT rookery)
install(CODE "
  if(NOT EXISTS \"\$ENV{DESTDIR}/etc/default/rookery\")
    file(INSTALL \"${CMAKE_SOURCE_DIR}/packaging/rookery.default\" DESTINATION /etc/default RENAME rookery)
  endif()
" COMPONENT rookery)

include(cmake/package.cmake)

# SPDX-License-Identifier: Apache-2.0
#
# What is installed beside the program, and the Debian package made of it:
#
#   cmake --build build --target package     -> build/starling_0.1.0-1_amd64.deb
set(PACKAGING ${PROJECT_SOURCE_DIR}/deploy/debian)

install(FILES deploy/systemd/starling.service DESTINATION lib/systemd/system)
install(FILES ${PACKAGING}/starling.sysusers RENAME starling.conf
    DESTINATION lib/sysusers.d)
install(FILES README.md docs/ARCHITECTURE.md docs/CLUSTER.md docs/OPERATIONS.md
    docs/PROTOCOLS.md docs/SECURITY.md ${PACKAGING}/copyright
    DESTINATION ${CMAKE_INSTALL_DOCDIR})

find_program(GZIP gzip)
if(GZIP)
    add_custom_command(OUTPUT changelog.Debian.gz
        COMMAND ${GZIP} -9nc ${PACKAGING}/changelog > changelog.Debian.gz
        DEPENDS ${PACKAGING}/changelog VERBATIM)
    add_custom_target(changelog ALL DEPENDS changelog.Debian.gz)
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/changelog.Debian.gz
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
endif()

# Where it is installed by hand the configuration is the operator's own.
install(FILES ${PACKAGING}/starling.yaml DESTINATION /etc/starling COMPONENT etc
    EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_COMPONENTS_ALL Unspecified etc)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_NAME starling)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_VENDOR Starling)
set(CPACK_PACKAGE_CONTACT "Starling <starling@lists.example.org>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "clustered broker for realtime topics")
set(CPACK_PACKAGE_DESCRIPTION
    "A client connects to any node with what it already speaks (HTTP, SSE,
WebSocket, gRPC, RESP); what is published on one node reaches every current
subscriber on every node of every region. Nobody declares a topic, a route or
a partition. Scaling out is starting one more node with one seed address.")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# Who makes its user.
set(CPACK_DEBIAN_PACKAGE_DEPENDS
    "systemd | systemd-standalone-sysusers")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "ca-certificates")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${PACKAGING}/conffiles
    ${PACKAGING}/postinst ${PACKAGING}/prerm ${PACKAGING}/postrm)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)

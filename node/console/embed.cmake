# SPDX-License-Identifier: Apache-2.0
#
# cmake -P embed.cmake OUT FILE...: writes a C file with the bytes of each FILE
# and the table `console_files`, so that the program is one file. Of the page's
# own scripts and styles indents and lines of comment are left out (the numbers of
# lines stay): a page has to be small. starling.js is for reading, too.
set(out ${CMAKE_ARGV3})
set(text "/* made by node/console/embed.cmake */\n#include \"node/console/files.h\"\n\n")
set(table "")
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE 4 ${last})
    set(file ${CMAKE_ARGV${i}})
    get_filename_component(name ${file} NAME)
    string(MAKE_C_IDENTIFIER ${name} id)
    file(READ ${file} hex HEX)
    if(name MATCHES "\\.(js|css)$" AND NOT name STREQUAL "starling.js")
        file(READ ${file} bare)
        string(REGEX REPLACE "\n +" "\n" bare "\n${bare}")
        string(REGEX REPLACE "\n//[^\n]*" "\n" bare "${bare}")
        string(SUBSTRING "${bare}" 1 -1 bare)
        string(HEX "${bare}" hex)
    endif()
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n" bytes "${bytes}")
    string(APPEND text "static const unsigned char ${id}[] = {\n${bytes}};\n\n")
    string(APPEND table "    {\"${name}\", ${id}, sizeof ${id}},\n")
endforeach()
string(APPEND text "const struct console_file console_files[] = {\n${table}    {0, 0, 0},\n};\n")
file(WRITE ${out} "${text}")

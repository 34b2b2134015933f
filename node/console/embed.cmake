# SPDX-License-Identifier: Apache-2.0
#
# cmake -P embed.cmake OUT FILE...: writes a C file with the bytes of each FILE
# and the table `console_files`, so that the program is one file.
set(out ${CMAKE_ARGV3})
set(text "/* made by node/console/embed.cmake */\n#include \"node/console/files.h\"\n\n")
set(table "")
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE 4 ${last})
    set(file ${CMAKE_ARGV${i}})
    get_filename_component(name ${file} NAME)
    string(MAKE_C_IDENTIFIER ${name} id)
    file(READ ${file} hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n" bytes "${bytes}")
    string(APPEND text "static const unsigned char ${id}[] = {\n${bytes}};\n\n")
    string(APPEND table "    {\"${name}\", ${id}, sizeof ${id}},\n")
endforeach()
string(APPEND text "const struct console_file console_files[] = {\n${table}    {0, 0, 0},\n};\n")
file(WRITE ${out} "${text}")

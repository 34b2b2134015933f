/* SPDX-License-Identifier: Apache-2.0
 *
 * The doorway to libyaml: a small file as a flat list of scalars, each with its
 * true place. Enough for configuration and key files, and nothing more:
 *
 *   name: n1                 section ""      index 0  key "name"
 *   join: [a:1, b:2]         section "join"  index 0, 1  key ""
 *   limits: {item_len: 2m}   section "limits" index 0  key "item_len"
 *   keys: [{kid: k1}]        section "keys"  index 0  key "kid"
 */
#ifndef NODE_YAML_H
#define NODE_YAML_H

#include <stddef.h>

enum {
    YAML_FILE_LEN_MAX = 1 << 20
};

struct yaml_entry {
    const char *section;
    size_t index;
    const char *key;
    const char *value;
    size_t line;   /* from 1, of the key, or of the value where there is none */
    size_t column; /* from 1 */
};

/* Calls `visit` for each scalar, in the order of the file, until it returns
 * non-zero; that is then the result. Entries are borrowed for the call. An
 * empty file visits nothing. Errors: ERR_IO (cannot read), ERR_CONFIG (not
 * YAML, a key twice, deeper than above); `why` holds "file:line:column: ..." */
int yaml_read(const char *path,
              int (*visit)(void *data, const struct yaml_entry *entry),
              void *data, char *why, size_t why_len);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * Changes the cluster keys of a key file as a rotation changes those of the
 * running nodes: a key is added behind the others, put first, or removed.
 *
 * Only the lines of those keys change; order, comments and everything else
 * stay. The new text is written beside the file, read back and compared with
 * what was meant, then takes the file's place at once, with its owner and
 * rights. Until then the old file is untouched. A symbolic link stays one.
 *
 * What is done already is no change. Errors, each with `why`: those of
 * keyfile_read(); ERR_CONFIG also when the keys are not one a line; ERR_LIMIT;
 * ERR_NOT_FOUND; ERR_CONFLICT (it is the only one); ERR_IO.
 */
#ifndef NODE_KEYFILE_EDIT_H
#define NODE_KEYFILE_EDIT_H

#include "node/config/keyfile.h"

struct keyfile_why {
    char *text;
    size_t len;
};

int keyfile_add(const char *path, const uint8_t secret[SEAL_KEY_LEN],
                struct keyfile_why why);
int keyfile_put_first(const char *path, uint64_t print, struct keyfile_why why);
int keyfile_remove(const char *path, uint64_t print, struct keyfile_why why);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * Key files: with all keys, and with one cluster key and nothing else. An error
 * has a sentence and changes nothing; each key that is taken has a print of
 * its own.
 */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/config/keyfile.h"
#include "proto/err.h"

enum {
    WHY_LEN = 256,
    PATH_LEN = 64
};

/* A private file without a place on a disk; its name goes to `path`. */
static int file_of(struct bytes in, char path[PATH_LEN])
{
    int fd = memfd_create("fuzz.keys", MFD_CLOEXEC);

    assert(fd >= 0 && fchmod(fd, 0600) == 0);
    assert(write(fd, in.p, in.len) == (ssize_t)in.len);
    (void)snprintf(path, PATH_LEN, "/proc/self/fd/%d", fd);
    return fd;
}

static void check_keys(const struct keyfile *keys)
{
    assert(keys->ring.keys_len >= 1 && keys->ring.keys_len <= SEAL_KEYS_MAX);
    assert(keys->token_keys.len >= 1);
    for (size_t i = 0; i < keys->ring.keys_len; i++) {
        /* Two keys of one print: nobody could say which is meant. */
        assert(seal_ring_find(&keys->ring, keys->ring.keys[i].print) ==
               (ptrdiff_t)i);
    }
}

static void read_keys(const char *path)
{
    static struct keyfile keys;
    static struct keyfile before;
    char why[WHY_LEN] = "";

    memset(&keys, 0x5a, sizeof keys);
    before = keys;
    int rc = keyfile_read(path, &keys, why, sizeof why);
    assert(memchr(why, 0, sizeof why) != NULL);
    if (rc == 0) {
        check_keys(&keys);
    } else {
        assert(rc == ERR_CONFIG && why[0] != 0);
        assert(memcmp(&keys, &before, sizeof keys) == 0);
    }
}

static void read_secret(const char *path)
{
    uint8_t secret[SEAL_KEY_LEN] = {0};
    char why[WHY_LEN] = "";
    int rc = keyfile_read_secret(path, secret, why, sizeof why);

    assert(memchr(why, 0, sizeof why) != NULL);
    assert(rc == 0 || (rc == ERR_CONFIG && why[0] != 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char path[PATH_LEN];
    int fd = file_of(bytes_of(data, len), path);

    read_keys(path);
    read_secret(path);
    (void)close(fd);
    return 0;
}

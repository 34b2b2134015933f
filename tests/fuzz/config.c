/* SPDX-License-Identifier: Apache-2.0
 *
 * Configuration files. An error has a sentence and changes nothing.
 */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "node/config/config.h"
#include "proto/err.h"

/* A file without a place on a disk; its name goes to `path`. */
static int file_of(struct bytes in, char path[64])
{
    int fd = memfd_create("fuzz.yaml", MFD_CLOEXEC);

    assert(fd >= 0);
    assert(write(fd, in.p, in.len) == (ssize_t)in.len);
    (void)snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct config config;
    static struct config before;
    char why[CONFIG_WHY_MAX] = "";
    char path[64];
    int fd = file_of(bytes_of(data, len), path);

    config_default(&config);
    before = config;
    int rc = config_read_file(&config, path, why);
    assert(memchr(why, 0, sizeof why) != NULL);
    if (rc == 0) {
        (void)config_check(&config, why);
        assert(memchr(why, 0, sizeof why) != NULL);
    } else {
        assert(why[0] != 0);
        assert(memcmp(&config, &before, sizeof config) == 0);
    }
    (void)close(fd);
    return 0;
}

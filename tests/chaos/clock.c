/* SPDX-License-Identifier: Apache-2.0
 *
 * A wall clock that can be set: preloaded (LD_PRELOAD) into a node, it adds the
 * number in the file CHAOS_CLOCK (8 bytes, seconds, may change at any time) to
 * the real time. Monotonic clocks are left alone, as the kernel leaves them
 * when the time is set.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset;

__attribute__((constructor)) static void set_up(void)
{
    const char *path = getenv("CHAOS_CLOCK");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        void *p = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, fd, 0);
        offset = p == MAP_FAILED ? NULL : p;
        close(fd);
    }
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
    int rc = (int)syscall(SYS_clock_gettime, clock, t);

    if (rc == 0 && offset != NULL &&
        (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        t->tv_sec += *offset;
    }
    return rc;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    struct timespec now;
    int rc = clock_gettime(CLOCK_REALTIME, &now);

    (void)zone;
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return rc;
}

time_t time(time_t *to)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (to != NULL) {
        *to = now.tv_sec;
    }
    return now.tv_sec;
}

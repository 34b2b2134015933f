/* SPDX-License-Identifier: Apache-2.0
 *
 * The jobs of a subscription: a bounded number at once, a bounded number that
 * wait, each tried once and ended after its time. What comes while the queue is
 * full is dropped. Nothing here holds the subscription up; what failed, was
 * ended and was dropped is counted and said on standard error, once a second.
 *
 *   add --> waiting --> running --> ended
 *     '- full: dropped     '- late: killed, with its process group
 *
 * While it is there, SIGINT and SIGTERM arrive at jobs_wait() instead of ending
 * the process.
 */
#ifndef NODE_CLI_JOBS_H
#define NODE_CLI_JOBS_H

#include "node/cli/job.h"

enum {
    JOBS_AT_ONCE = 4, /* defaults and limits */
    JOBS_AT_ONCE_MAX = 256,
    JOBS_WAITING = 1000,
    JOBS_WAITING_MAX = 100000,
    JOBS_WAITING_LEN_MAX = 64 << 20, /* bytes of values */
    JOBS_SECONDS = 5,
    JOBS_SECONDS_MAX = 3600
};

struct jobs_bounds {
    size_t at_once;
    size_t waiting;
    uint64_t seconds; /* for each */
};

struct job {
    pid_t pid; /* 0: none */
    json_t *item;
    uint64_t end_ms;
    bool late; /* and killed */
};

struct jobs {
    const struct job_to *to;
    struct jobs_bounds bounds;
    int signals; /* signalfd: SIGCHLD, SIGINT, SIGTERM */
    bool stopped;

    struct job *running; /* bounds.at_once of them */
    size_t running_len;
    struct job_answer *answers; /* one for each, shared with its process */

    json_t **waiting; /* a circle of bounds.waiting */
    size_t waiting_at;
    size_t waiting_len;
    size_t waiting_bytes;

    uint64_t done; /* well */
    uint64_t failed;
    uint64_t late;
    uint64_t dropped;
    uint64_t say_ms; /* not before */
    bool unsaid;
    char why[256]; /* of the last that failed */
};

/* Errors: ERR_NOMEM, ERR_IO; there is nothing to end then. */
int jobs_init(struct jobs *jobs, const struct job_to *to,
              const struct jobs_bounds *bounds);

/* Takes a reference of its own, or drops the item. */
void jobs_add(struct jobs *jobs, json_t *item);

/* Looks after the jobs until fd (-1: none) can be read. 0; ERR_TIMEOUT after
 * wait_ms; ERR_CLOSING after SIGINT or SIGTERM. */
int jobs_wait(struct jobs *jobs, int fd, unsigned wait_ms);

/* Waits for those that run and, unless stopped, those that wait; says what came
 * of all of them. Returns whether all were done. */
bool jobs_end(struct jobs *jobs);

#endif

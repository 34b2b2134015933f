/* SPDX-License-Identifier: Apache-2.0
 *
 * What `starling sub` does with one item instead of printing it: runs a command
 * (--exec) or posts it (--post). Each is a process of its own, so a name that
 * resolves slowly, a server that dribbles and a command that hangs wait for
 * nobody else and end by the same signal. The command reads the value from a
 * file in memory, so nobody has to feed it.
 *
 * The attributes, as environment variables and as headers (percent-encoded
 * beyond the visible ASCII): docs/OPERATIONS.md.
 */
#ifndef NODE_CLI_JOB_H
#define NODE_CLI_JOB_H

#include <jansson.h>
#include <sys/types.h>

#include "node/cli/link.h"

/* Where items go: a command, or a URL. */
struct job_to {
    const char *command; /* for /bin/sh; NULL: it is a URL */
    struct link_url url;
    const char *target;  /* path and query, as they stand in the URL */
    bool json;           /* the item as an object, not its bare value */
    struct bytes secret; /* signs what is posted; empty: nothing is signed */
};

/* What became of a post, in memory that its process shares. */
struct job_answer {
    int code;     /* the status, or the error (< 0); 0: no word of it */
    char why[96]; /* more about the error; "" for none */
};

/* Reads a URL with a path. Errors: ERR_ARGUMENT. to->target is borrowed. */
int job_to_url(struct job_to *to, const char *text);

/* Starts the process, leader of its own group. It exits with 0 when the command
 * did, or when the answer to the post was 2xx. Errors: ERR_IO, ERR_NOMEM,
 * ERR_SYNTAX (no such item). */
int job_start(const struct job_to *to, const json_t *item,
              struct job_answer *answer, pid_t *pid);

#endif

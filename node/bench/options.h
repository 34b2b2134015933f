/* SPDX-License-Identifier: Apache-2.0
 *
 * What `starling bench` is asked to do. The token is STARLING_TOKEN only,
 * because argv is public.
 */
#ifndef NODE_BENCH_OPTIONS_H
#define NODE_BENCH_OPTIONS_H

#include "node/bench/door.h"
#include "node/cli/command.h"

enum {
    BENCH_PIDS_MAX = 128,
    BENCH_SIZE_MAX = 16 << 20,
    BENCH_CONNS_MAX = 1000000,
    BENCH_TOPICS_MAX = 4000000
};

enum bench_mode {
    BENCH_FANOUT,
    BENCH_FANIN,
    BENCH_PAIRS,
    BENCH_TOPICS,
    BENCH_CONNECTIONS,
    BENCH_LATENCY,
    BENCH_CLUSTER,
    BENCH_CHURN,
};

/* Where to: http[s]:// is a node of ours, redis[s]:// and nats:// the others.
 */
struct bench_place {
    const char *text; /* as it was given */
    struct link_url url;
    bool ours;
};

struct bench_options {
    enum bench_mode mode;
    const char *mode_name;
    struct bench_place at;         /* subscribers */
    struct bench_place publish_at; /* publishers */
    const struct bench_door *door;
    const char *token; /* NULL = none */

    /* 0: the mode has none of them. */
    uint32_t pubs;
    uint32_t subs;
    uint32_t topics;
    uint32_t conns;
    uint32_t size;
    uint32_t window; /* of each publisher; 0: as the mode has it */
    uint32_t rate;   /* a second, of all; 0: a closed loop */
    uint64_t run_ns;
    uint64_t warmup_ns;
    unsigned pids[BENCH_PIDS_MAX]; /* processes whose cost is measured */
    size_t pids_len;
    bool json;
};

/* What the command's row says (node/cli/command.h): its modes, its options and
 * what they mean. */
extern const char bench_modes[];
extern const char bench_more[];
extern const struct command_option bench_rows[];

/* 0, or the exit code after a sentence on standard error. */
int bench_options_read(struct bench_options *options,
                       const struct command *command, int argc, char **argv);

#endif

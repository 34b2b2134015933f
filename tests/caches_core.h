/* SPDX-License-Identifier: Apache-2.0
 *
 * A core that stands alone, with a real cluster machine: for tests of caches
 * and of the doors to them. Include after tests/test.h.
 */
#ifndef TESTS_CACHES_CORE_H
#define TESTS_CACHES_CORE_H

#include "proto/token.h"
#include "tests/ask.h"
#include "tests/grpc_talk.h"

static const struct token_keys keys = {
    .len = 1,
    .keys = {{.alg = TOKEN_HS256,
              .kid = "k1",
              .can_sign = true,
              .secret = {1, 2, 3}}},
};

static struct log quiet;
static struct core core;

/* Up to which version all other nodes have this node's log. */
static uint64_t held;

static inline uint64_t others_hold(void *data, enum cluster_scope scope)
{
    (void)data;
    (void)scope;
    return held;
}

static inline void open_core(bool only_known, bool keyed)
{
    struct core_options options = fake_core_options();
    struct cluster_options machine = {
        .self = {.id = options.id,
                 .cluster = {.ip = {[15] = 1}, .port = 7401},
                 .data_port = 7402,
                 .name = BYTES("n1"),
                 .region = BYTES("eu"),
                 .version = BYTES("0.1.0")},
        .seed = 1,
    };

    held = UINT64_MAX;
    options.outside.held = others_hold;
    options.log = &quiet;
    options.token_keys = keyed ? &keys : NULL;
    options.only_known_caches = only_known;
    options.cluster = cluster_new(&machine, 1000);
    assert_non_null(options.cluster);
    assert_int_equal(core_init(&core, &options), 0);
    core_turn(&core, 1000, 1795305600000);
    core.ready = true;
}

static inline void close_core(void)
{
    struct cluster *cluster = core.cluster;

    while (core.clients != NULL) {
        fake_conn_free((struct fake_conn *)core.clients->conn);
    }
    core_fini(&core);
    cluster_free(cluster);
}

/* The end of a turn, as node/effects.c has it. */
static inline void end_turn(void)
{
    struct cluster_effect effect;

    cluster_flush(core.cluster, core.now_ms);
    while (cluster_next(core.cluster, &effect)) {
        if (effect.type == CLUSTER_REGISTER) {
            caches_changed(&core, effect.reg);
        }
    }
    fake_wait(&core, 1);
}

static inline int setup(void **state)
{
    (void)state;
    open_core(true, false);
    return 0;
}

static inline int setup_auto(void **state)
{
    (void)state;
    open_core(false, false);
    return 0;
}

static inline int setup_keyed(void **state)
{
    (void)state;
    open_core(true, true);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    close_core();
    return 0;
}

static inline void create(const char *name)
{
    assert_int_equal(caches_create(&core, bytes_str(name), core.auth.anonymous),
                     0);
    end_turn();
}

static inline void del(const char *name)
{
    assert_int_equal(caches_delete(&core, bytes_str(name), core.auth.anonymous),
                     0);
    end_turn();
}

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * The words that tests of hub and client are written in: a core and a few
 * clients, cache "c" everywhere. Include after tests/test.h.
 */
#ifndef TESTS_FAKE_WORLD_H
#define TESTS_FAKE_WORLD_H

#include "tests/fake_conn.h"
#include "tests/fake_door.h"

enum {
    WORLD_CONNS = 8
};

struct world {
    struct core core;
    struct fake_conn *conns[WORLD_CONNS];
};

static inline void world_init(struct world *w)
{
    *w = (struct world){0};
    fake_core_init(&w->core);
    fake_door_seen = (struct fake_door_seen){0};
}

static inline void world_check(const struct world *w)
{
    hub_check(w->core.hub);
    for (const struct client *c = w->core.clients; c != NULL; c = c->next) {
        client_check(c);
    }
}

static inline void world_fini(struct world *w)
{
    world_check(w);
    for (size_t i = 0; i < WORLD_CONNS; i++) {
        if (w->conns[i] != NULL) {
            fake_conn_free(w->conns[i]);
        }
    }
    hub_check(w->core.hub);
    core_fini(&w->core);
}

/* Client i, behind that door. */
static inline struct client *world_open(struct world *w, size_t i,
                                        const struct door *door)
{
    w->conns[i] = fake_conn_new(&w->core);
    int rc = door->shape == DOOR_MESSAGE
                 ? fake_conn_open_ws(w->conns[i], door, NULL, 0)
                 : fake_conn_open(w->conns[i], door, NULL);
    assert_int_equal(rc, 0);
    return w->conns[i]->conn.client;
}

static inline void world_leave(struct world *w, size_t i)
{
    fake_conn_free(w->conns[i]);
    w->conns[i] = NULL;
}

static inline struct hub_want want_topic(const char *topic)
{
    return (struct hub_want){.cache = BYTES("c"), .topic = bytes_str(topic)};
}

static inline struct hub_want want_glob(const char *pattern)
{
    return (struct hub_want){
        .cache = BYTES("c"),
        .topic = bytes_str(pattern),
        .dialect = TOPIC_GLOB,
    };
}

static inline struct sub *subscribe(struct client *client, struct hub_want want)
{
    struct hub_position position;
    struct sub *sub = NULL;

    assert_int_equal(client_subscribe(client, &want, &sub, &position), 0);
    assert_non_null(sub);
    return sub;
}

/* Returns how many subscriptions it went to. */
static inline uint64_t publish(struct client *client, const char *topic,
                               const char *value)
{
    const struct client_item item = {
        .cache = BYTES("c"),
        .topic = bytes_str(topic),
        .value = bytes_str(value),
    };
    struct hub_receipt receipt;

    assert_int_equal(client_publish(client, &item, &receipt), 0);
    return receipt.subs;
}

/* Flushes, compares what client i got since the last time, forgets it. */
#define expect(world, i, text)                                \
    do {                                                      \
        fake_flush(&(world)->core);                           \
        world_check(world);                                   \
        assert_bytes(fake_conn_out((world)->conns[i]), text); \
        fake_conn_reset((world)->conns[i]);                   \
    } while (0)

#endif

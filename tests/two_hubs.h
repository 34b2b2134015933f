/* SPDX-License-Identifier: Apache-2.0
 *
 * Resume on another node: two hubs, the old one and the new one, that ask each
 * other; the test says which items reach which and when a question does.
 * Include after tests/test.h.
 */
#ifndef TESTS_TWO_HUBS_H
#define TESTS_TWO_HUBS_H

#include "tests/fake_world.h"

enum {
    SETTLED_MS = 300, /* more than the barrier, settling and quiet need */
    TICK_MS = 25,
};

static struct both {
    struct world old;
    struct world new;
    struct buf questions; /* encoded, one after another */
    uint64_t held;        /* what the new one's peers hold */
    bool gone;            /* the old one is not linked */
    int asked;
    uint64_t page; /* of the old one */
} both;

static inline bool on_ask(void *data, const struct peer_message *question)
{
    (void)data;
    assert_int_equal(question->page & HUB_PAGE_NODE_MASK,
                     both.old.core.node_u64 & HUB_PAGE_NODE_MASK);
    if (both.gone) {
        return false;
    }
    both.asked++;
    peer_message_write(question, &both.questions);
    return true;
}

static inline uint64_t on_held(void *data, enum cluster_scope scope)
{
    (void)data;
    assert_int_equal(scope, CLUSTER_SCOPE_ALL);
    return both.held;
}

static inline uint64_t on_want(void *data, uint64_t hash, bool wanted)
{
    (void)data;
    (void)hash;
    (void)wanted;
    return 7;
}

static inline void open_world(struct world *w, uint8_t id,
                              const struct hub_outside *outside)
{
    struct core_options options = fake_core_options();

    *w = (struct world){0};
    options.id.b[7] = id;
    options.outside = *outside;
    assert_int_equal(core_init(&w->core, &options), 0);
    core_turn(&w->core, 1000, 1795305600000);
    w->core.ready = true;
}

static inline void publish_to(struct world *w, uint64_t origin, uint64_t count,
                              const char *value)
{
    struct item item = {
        .cache = BYTES("c"),
        .topic = BYTES("t"),
        .value = bytes_str(value),
        .hash = hash_topic(&w->core.hash_key, BYTES("c"), BYTES("t")),
        .origin = origin,
        .count = count,
    };
    struct hub_receipt receipt;

    hub_publish(w->core.hub, &item, HUB_FROM_PEER, &receipt);
    hub_check(w->core.hub);
}

static inline void both_open(void)
{
    const struct hub_outside lone = {0};
    const struct hub_outside asks = {
        .want = on_want, .held = on_held, .ask = on_ask};
    struct hub_position position;

    both.held = 7;
    both.gone = false;
    both.asked = 0;
    open_world(&both.old, 1, &lone);
    open_world(&both.new, 2, &asks);
    struct client *client = world_open(&both.old, 0, &door_lines);
    subscribe(client, want_topic("t"));
    assert_true(
        hub_position(both.old.core.hub, BYTES("c"), BYTES("t"), &position));
    both.page = position.page;
}

static inline void both_close(void)
{
    world_fini(&both.old);
    world_fini(&both.new);
    buf_fini(&both.questions);
    both.questions = (struct buf){0};
}

/* The questions on their way arrive, and their answers come back, encoded as
 * between nodes. */
static inline void exchange(void)
{
    struct buf questions = both.questions;
    struct bytes in = buf_bytes(&questions);
    struct buf memory = {0};
    struct buf wire = {0};
    struct peer_message m;
    ptrdiff_t n;

    both.questions = (struct buf){0};
    while ((n = peer_message_read(in, &m)) > 0) {
        struct peer_message answer;
        in = bytes_skip(in, (size_t)n);
        hub_answer(both.old.core.hub, &m, &answer, &memory);
        buf_reset(&wire);
        peer_message_write(&answer, &wire);
        assert_true(peer_message_read(buf_bytes(&wire), &answer) > 0);
        hub_take_answer(both.new.core.hub, &answer);
        hub_check(both.new.core.hub);
    }
    buf_fini(&questions);
    buf_fini(&memory);
    buf_fini(&wire);
}

static inline void wait_both(uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i += TICK_MS) {
        exchange();
        fake_wait(&both.old.core, TICK_MS);
        fake_wait(&both.new.core, TICK_MS);
        world_check(&both.new);
    }
    exchange();
}

/* Client i of the new node comes with that position of the old one. */
static inline struct hub_position move(size_t i, uint64_t page, uint64_t seq)
{
    struct client *client = world_open(&both.new, i, &door_lines);
    struct hub_want want = want_topic("t");
    struct hub_position position;
    struct sub *sub;

    want.resume = true;
    want.page = page;
    want.seq = seq;
    assert_int_equal(client_subscribe(client, &want, &sub, &position), 0);
    client_write(client, BYTES("ack\n"));
    hub_replay(both.new.core.hub, sub, &want, &position);
    hub_check(both.new.core.hub);
    return position;
}

static inline void told(size_t i, const char *text)
{
    expect(&both.new, i, text);
}

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * Up to four connections to a lone core with a real hub and the real doors,
 * from the first byte on. What they are told is well formed. The input is a
 * script:
 *
 *   FF 0..3   what follows is said on that connection (opened when it is not)
 *   FF .      what follows is said byte by byte; again: at once
 *   FF /      what was said so far is one read of the socket
 *   FF t, T   a second, a minute passes
 *   FF w      the socket of this connection takes 100 bytes a turn; again: all
 *   FF r      the gate shuts; again: opens
 *   FF c      the peer hangs up
 *   FF S      in front: the core asks for tokens
 *   FF FF     the byte FF
 */
#include "tests/test.h"

#include "tests/carry.h"
#include "tests/fuzz/answers.h"
#include "tests/fuzz/fuzz.h"

enum {
    CONNS = 4,
    WINDOW_SMALL = 100
};

struct world {
    struct core core;
    struct fake_conn *conns[CONNS];
    size_t now; /* whose turn it is to speak */
    bool bytewise;
    struct buf said;
};

static void hang_up(struct world *world, size_t i)
{
    struct fake_conn *fake = world->conns[i];

    if (fake->conn.carrier == &carrier_byte) {
        fuzz_check_resp(buf_bytes(&fake->out));
    } else if (fake->conn.carrier == &carrier_ws) {
        fuzz_check_ws(buf_bytes(&fake->out));
    }
    world->conns[i] = NULL;
    carry_free(fake);
}

static struct fake_conn *conn_of(struct world *world, size_t i)
{
    if (world->conns[i] == NULL) {
        struct fake_conn *fake = calloc(1, sizeof *fake);
        assert(fake != NULL);
        fake->conn.core = &world->core;
        fake->conn.loopback = true;
        fake->conn.opened_ms = world->core.now_ms;
        fake->conn.heard_ms = world->core.now_ms;
        fake->window = SIZE_MAX;
        sniff_begin(&fake->conn);
        world->conns[i] = fake;
    }
    return world->conns[i];
}

/* As node/conn/conn.c at the end of a turn: who is done is freed, who was
 * answered late is offered what waits. */
static void settle(struct world *world)
{
    fake_flush(&world->core);
    for (size_t i = 0; i < CONNS; i++) {
        struct fake_conn *fake = world->conns[i];
        if (fake == NULL) {
            continue;
        }
        if (fake->finishing && fake->conn.client == NULL) {
            fake->closed = true;
        }
        if (fake->closed) {
            hang_up(world, i);
        } else if (fake->in.len > 0 && !fake->conn.paused &&
                   !fake->conn.closing) {
            carry_say(fake, (struct bytes){0});
        }
    }
    for (struct client *c = world->core.clients; c != NULL; c = c->next) {
        client_check(c);
    }
    hub_check(world->core.hub);
}

static void say(struct world *world)
{
    struct bytes left = buf_bytes(&world->said);

    while (left.len > 0) {
        struct fake_conn *fake = conn_of(world, world->now);
        size_t n = world->bytewise ? 1 : left.len;
        carry_say(fake, bytes_of(left.p, n));
        left = bytes_skip(left, n);
        if (fake->closed || left.len == 0) {
            settle(world);
            break;
        }
    }
    buf_reset(&world->said);
}

static void act(struct world *world, uint8_t verb)
{
    struct fake_conn *fake = conn_of(world, world->now);

    switch (verb) {
    case '.':
        world->bytewise = !world->bytewise;
        break;
    case 't':
        fake_wait(&world->core, 1000);
        break;
    case 'T':
        fake_wait(&world->core, 60000);
        break;
    case 'w':
        fake->window = fake->window == SIZE_MAX ? WINDOW_SMALL : SIZE_MAX;
        break;
    case 'r':
        world->core.ready = !world->core.ready;
        break;
    case 'c':
        hang_up(world, world->now);
        break;
    default:
        if (verb >= '0' && verb < '0' + CONNS) {
            world->now = (size_t)(verb - '0');
        }
        break;
    }
    settle(world);
}

static void play(struct world *world, struct bytes script)
{
    for (size_t i = 0; i < script.len; i++) {
        if (script.p[i] != 0xff || i + 1 == script.len) {
            buf_add_u8(&world->said, script.p[i]);
        } else if (script.p[++i] == 0xff) {
            buf_add_u8(&world->said, 0xff);
        } else {
            say(world);
            act(world, script.p[i]);
        }
    }
    say(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct world world;
    struct bytes script = bytes_of(data, len);

    memset(&world, 0, sizeof world);
    fake_core_init(&world.core);
    if (bytes_starts(script, BYTES("\xffS"))) {
        fake_core_ask_tokens(&world.core);
        script = bytes_skip(script, 2);
    }
    play(&world, script);
    fake_wait(&world.core, 1000);
    for (size_t i = 0; i < CONNS; i++) {
        if (world.conns[i] != NULL) {
            hang_up(&world, i);
        }
    }
    buf_fini(&world.said);
    assert(world.core.clients == NULL);
    core_fini(&world.core);
    return 0;
}

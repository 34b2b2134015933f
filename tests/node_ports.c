/* SPDX-License-Identifier: Apache-2.0
 *
 * The ports of several nodes: all of them or none.
 */
#include "tests/test.h"

#include "node/conn/conns.h"
#include "node/ports.h"
#include "node/worker.h"
#include "proto/err.h"
#include "tests/loop.h"

enum {
    LEN = 3,
    CONTROL = 0, /* of the ports of a worker, from its cluster port on */
    DATA = 1,
    ADMIN = 2,
};

static struct node workers[LEN];
static struct node *nodes[LEN];
static uv_loop_t loop;
static int in_the_way;

static struct addr at(struct addr addr, int beyond)
{
    addr.port = (uint16_t)(addr.port + beyond);
    return addr;
}

static bool all_can_bind(struct addr base)
{
    for (int i = 0; i <= LEN * WORKER_PORTS; i++) {
        struct addr addr = at(base, i);
        if (!loop_can_bind(&addr, SOCK_STREAM) ||
            !loop_can_bind(&addr, SOCK_DGRAM)) {
            return false;
        }
    }
    return true;
}

/* The first of a row of free ports, at an address of loopback that no other
 * test has. */
static struct addr free_row(void)
{
    struct addr base = loop_free_addr();

    assert_int_equal(uv_random(NULL, NULL, base.ip + 13, 3, 0, NULL), 0);
    base.ip[15] |= 2; /* 127.0.0.1 is everybody's */
    base.ip[15] &= 0xfe;
    assert_true(all_can_bind(base));
    return base;
}

static void prepare(struct addr listen, bool named)
{
    struct config all;

    config_default(&all);
    strcpy(all.name, "n");
    all.listen = listen;
    all.cluster = listen;
    all.cluster.port = 0;
    all.listen_named = named;
    all.workers = LEN;
    all.log_level = LOG_ERROR;
    assert_int_equal(uv_loop_init(&loop), 0);
    for (unsigned i = 0; i < LEN; i++) {
        struct config own;
        worker_config(&all, i, &own);
        assert_int_equal(node_prepare(&workers[i], &loop, &own, NULL), 0);
        workers[i].log.to = NULL;
        nodes[i] = &workers[i];
    }
}

static void end(void)
{
    for (size_t i = 0; i < LEN; i++) {
        node_drop(&workers[i]);
    }
    loop_end(&loop);
}

static void occupy(struct addr addr, int type)
{
    struct sockaddr_storage where;

    in_the_way = socket(AF_INET, type, 0);
    assert_true(in_the_way >= 0);
    sockaddr_write(&addr, &where);
    assert_int_equal(
        bind(in_the_way, (struct sockaddr *)&where, sizeof(struct sockaddr_in)),
        0);
    if (type == SOCK_STREAM) {
        assert_int_equal(listen(in_the_way, 1), 0);
    }
}

static void all_share_one_port_and_have_their_own(void **state)
{
    struct addr base = free_row();
    (void)state;

    prepare(base, true);
    assert_int_equal(ports_bind(nodes, LEN), 0);
    for (int i = 0; i < LEN; i++) {
        int first = 1 + i * WORKER_PORTS;
        assert_int_equal(workers[i].client_addr.port, base.port);
        assert_true((workers[i].listener == NULL) == (i > 0));
        assert_int_equal(ports_share(&workers[i]), 0);
        assert_int_equal(listener_addr(workers[i].listener).port, base.port);
        assert_int_equal(workers[i].cluster_addr.port, base.port + first);
        assert_int_equal(listener_addr(workers[i].admin).port,
                         base.port + first + ADMIN);
        ports_unbind(&workers[i]);
    }
    end();
    assert_true(all_can_bind(base));
}

static const struct {
    int type;
    int beyond; /* the client port */
} places[] = {
    {SOCK_STREAM, 0},
    {SOCK_DGRAM, 1 + CONTROL},
    {SOCK_STREAM, 1 + 2 * WORKER_PORTS + CONTROL},
    {SOCK_STREAM, 1 + 1 * WORKER_PORTS + DATA},
    {SOCK_STREAM, 1 + 2 * WORKER_PORTS + ADMIN},
};

static void without_one_of_them_there_are_none(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        struct addr base = free_row();
        occupy(at(base, places[i].beyond), places[i].type);
        prepare(base, true);
        assert_int_equal(ports_bind(nodes, LEN), ERR_CONFLICT);
        for (size_t n = 0; n < LEN; n++) {
            assert_int_equal(workers[n].exit_code, 73);
            assert_null(workers[n].listener);
        }
        end();
        close(in_the_way);
        assert_true(all_can_bind(base));
    }
}

static void default_ports_step_together(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        struct addr base = free_row();
        occupy(at(base, places[i].beyond), places[i].type);
        prepare(base, false);
        assert_int_equal(ports_bind(nodes, LEN), 0);
        for (size_t n = 0; n < LEN; n++) {
            assert_int_equal(workers[n].client_addr.port,
                             base.port + CONFIG_PORT_STEP);
            ports_unbind(&workers[n]);
        }
        end();
        close(in_the_way);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_share_one_port_and_have_their_own),
        cmocka_unit_test(without_one_of_them_there_are_none),
        cmocka_unit_test(default_ports_step_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

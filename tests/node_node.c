/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/client/client.h"
#include "node/conn/conns.h"
#include "node/node.h"
#include "proto/err.h"
#include "tests/loop.h"

static struct node nodes[2];
static uv_loop_t loop;

static struct config config_at(const char *name, struct addr listen)
{
    struct config config;

    config_default(&config);
    strcpy(config.name, name);
    config.listen = listen;
    config.listen_named = true;
    config.cluster = loop_free_addr();
    config.cluster_named = true;
    config.log_level = LOG_ERROR;
    config.limits.drain_ms = 3000;
    return config;
}

static struct addr any_port(void)
{
    struct addr addr = loop_free_addr();

    addr.port = 0;
    return addr;
}

static int connect_to(const struct node *node)
{
    struct addr addr = listener_addr(node->listener);
    struct sockaddr_storage where;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    sockaddr_write(&addr, &where);
    assert_int_equal(
        connect(fd, (struct sockaddr *)&where, sizeof(struct sockaddr_in)), 0);
    return fd;
}

static bool all_are_ready(void *data)
{
    (void)data;
    return nodes[0].core.ready && nodes[1].core.ready;
}

static bool one_was_answered(void *data)
{
    const int *fd = data;
    char text[16];

    return recv(*fd, text, sizeof text, MSG_DONTWAIT | MSG_PEEK) >= 13;
}

/* Nothing is global: two nodes share a loop, answer, and end without leaving a
 * handle behind. */
static void nodes_open_answer_and_stop(void **state)
{
    static const char request[] = "GET /livez HTTP/1.1\r\n"
                                  "Origin: https://app.example\r\n"
                                  "Host: localhost\r\n\r\n";
    int exit_code = -1;
    (void)state;

    assert_int_equal(uv_loop_init(&loop), 0);
    for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
        struct config config = config_at(i == 0 ? "n1" : "n2", any_port());
        strcpy(config.origins[0], "https://app.example");
        config.origins_len = 1;
        assert_int_equal(node_open(&nodes[i], &loop, &config, &exit_code), 0);
    }
    assert_memory_not_equal(&nodes[0].id, &nodes[1].id, sizeof nodes[0].id);
    loop_until(&loop, all_are_ready, NULL, NULL);
    for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
        char text[16] = "";
        int fd = connect_to(&nodes[i]);
        assert_int_equal(send(fd, request, sizeof request - 1, 0),
                         sizeof request - 1);
        loop_until(&loop, one_was_answered, NULL, &fd);
        assert_int_equal(recv(fd, text, 12, 0), 12);
        assert_string_equal(text, "HTTP/1.1 200");
        close(fd);
    }
    for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
        node_stop(&nodes[i]);
    }
    loop_end(&loop);
    for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
        assert_int_equal(nodes[i].exit_code, 0);
        node_fini(&nodes[i]);
    }
}

static void gap(void *data)
{
    struct node *node = data;

    conns_enter(node->conns);
    hub_gap(node->core.hub, bytes_of(NULL, 0));
}

static bool has_item(void *data)
{
    const int *fd = data;
    static char text[4096];
    ssize_t n = recv(*fd, text, sizeof text, MSG_DONTWAIT | MSG_PEEK);

    return n > 0 && memmem(text, (size_t)n, "discontinuity", 13) != NULL;
}

static void assert_all_is_written(uv_prepare_t *prepare)
{
    const struct node *node = prepare->data;

    assert_null(node->core.dirty);
}

static bool nothing_is_due(void *data)
{
    const struct node *node = data;

    return node->core.stats.gaps == 2;
}

/* The second one comes too soon, so the hub tells it when its time has come:
 * before the loop waits again, not with what wakes it next. */
static void what_the_hub_tells_late_leaves_at_once(void **state)
{
    static const char request[] = "GET /topics/demo/a HTTP/1.1\r\n"
                                  "Accept: text/event-stream\r\n"
                                  "Host: localhost\r\n\r\n";
    struct config config = config_at("n1", any_port());
    struct node *node = &nodes[0];
    uv_prepare_t last;
    int exit_code;
    (void)state;

    assert_int_equal(uv_loop_init(&loop), 0);
    uv_prepare_init(&loop, &last); /* started first, it runs last */
    last.data = node;
    uv_prepare_start(&last, assert_all_is_written);
    *node = (struct node){0};
    assert_int_equal(node_open(node, &loop, &config, &exit_code), 0);
    int fd = connect_to(node);
    assert_int_equal(send(fd, request, sizeof request - 1, 0),
                     sizeof request - 1);
    loop_until(&loop, one_was_answered, NULL, &fd);
    gap(node);
    loop_until(&loop, has_item, NULL, &fd);
    struct client *client = node->core.clients;
    const struct client_item item = {
        .cache = BYTES("demo"), .topic = BYTES("a"), .value = BYTES("x")};
    struct hub_receipt receipt;
    assert_int_equal(client_publish(client, &item, &receipt), 0);
    gap(node);
    assert_int_equal(node->core.stats.gaps, 1);
    loop_until(&loop, nothing_is_due, NULL, node);
    uv_close((uv_handle_t *)&last, NULL);
    close(fd);
    node_stop(node);
    loop_end(&loop);
    node_fini(node);
}

/* A client that never goes holds a stop up to the drain's end, no longer. */
static void a_second_stop_hurries(void **state)
{
    struct config config = config_at("n1", any_port());
    int exit_code;
    (void)state;

    config.limits.drain_ms = 600000;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(node_open(&nodes[0], &loop, &config, &exit_code), 0);
    int fd = connect_to(&nodes[0]);
    node_stop(&nodes[0]);
    node_stop(&nodes[0]);
    loop_end(&loop);
    node_fini(&nodes[0]);
    close(fd);
}

static void a_taken_port_that_was_named_is_73(void **state)
{
    struct config config = config_at("n1", any_port());
    int exit_code = -1;
    (void)state;

    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(node_open(&nodes[0], &loop, &config, &exit_code), 0);
    config.listen = listener_addr(nodes[0].listener);
    config.cluster = loop_free_addr();
    config.log_level = LOG_ERROR;
    assert_int_equal(node_open(&nodes[1], &loop, &config, &exit_code),
                     ERR_CONFLICT);
    assert_int_equal(exit_code, 73);

    config.listen_named = false; /* nobody named it: the next one will do */
    assert_int_equal(node_open(&nodes[1], &loop, &config, &exit_code), 0);
    int steps = listener_addr(nodes[1].listener).port - config.listen.port;
    assert_true(steps > 0);
    assert_int_equal(steps % CONFIG_PORT_STEP, 0);
    node_stop(&nodes[0]);
    node_stop(&nodes[1]);
    loop_end(&loop);
    node_fini(&nodes[0]);
    node_fini(&nodes[1]);
}

static void missing_keys_are_78(void **state)
{
    struct config config = config_at("n1", any_port());
    int exit_code = -1;
    (void)state;

    strcpy(config.keys, "/nonexistent/keys");
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_true(node_open(&nodes[0], &loop, &config, &exit_code) < 0);
    assert_int_equal(exit_code, 78);
    loop_end(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_open_answer_and_stop),
        cmocka_unit_test(what_the_hub_tells_late_leaves_at_once),
        cmocka_unit_test(a_second_stop_hurries),
        cmocka_unit_test(a_taken_port_that_was_named_is_73),
        cmocka_unit_test(missing_keys_are_78),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/dev: where there is one, for whom, and what becomes of a wish.
 */
#include "tests/test.h"

#include "node/dev.h"
#include "tests/ask.h"

/* --- stands in for node/dev.c: a parent that answers when it is told to --- */

struct dev {
    struct dev_ask *asked;
    char wish[DEV_WISH_MAX + 1];
};

struct bytes dev_state(const struct dev *dev)
{
    (void)dev;
    return BYTES("{\"nodes\":[],\"wan_ms\":80,\"cut\":[]}\n");
}

int dev_ask(struct dev *dev, struct bytes wish, struct dev_ask *ask)
{
    if (wish.len > DEV_WISH_MAX) {
        return ERR_TOO_BIG;
    }
    if (dev->asked != NULL) {
        return ERR_LIMIT;
    }
    memcpy(dev->wish, wish.p, wish.len);
    dev->wish[wish.len] = '\0';
    ask->id = 1;
    dev->asked = ask;
    return 0;
}

void dev_forget(struct dev *dev, struct dev_ask *ask)
{
    assert_ptr_equal(dev->asked, ask);
    dev->asked = NULL;
    ask->id = 0;
}

static struct core core;
static struct dev dev;

static void answer(int err, const char *message)
{
    struct dev_ask *ask = dev.asked;

    dev_forget(&dev, ask);
    ask->on_answer(ask->data, err, bytes_str(message));
    fake_flush(&core);
}

static int setup(void **state)
{
    (void)state;
    fake_core_init(&core);
    dev = (struct dev){0};
    core.dev = &dev;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    core_fini(&core);
    return 0;
}

static struct fake_conn *ask(const struct ask *asked)
{
    struct http_request request = ask_request(asked);
    struct fake_conn *fake = fake_conn_new(&core);
    int err = request_admit(fake->conn.client, &request);

    if (err < 0) {
        request_error(fake->conn.client, &request, err);
    } else {
        ask_door_of(fake, &request);
    }
    fake_flush(&core);
    return fake;
}

static unsigned status_of(const char *method, const char *header,
                          const char *header2)
{
    struct fake_conn *fake = ask(
        &(struct ask){method, "/v1/dev", header, header2, "{}"});

    if (dev.asked != NULL) {
        answer(0, "");
    }
    unsigned status = fake->status;
    fake_conn_free(fake);
    return status;
}

static void an_ordinary_node_has_no_such_thing(void **state)
{
    (void)state;
    core.dev = NULL;
    assert_int_equal(status_of("GET", NULL, NULL), 404);
    assert_int_equal(status_of("POST", NULL, NULL), 404);
}

static void it_shows_how_things_are(void **state)
{
    (void)state;
    struct fake_conn *fake = ask(&(struct ask){.target = "/v1/dev"});

    assert_int_equal(fake->status, 200);
    assert_true(ask_head_has(fake, "content-type: application/json\n"));
    assert_bytes(fake_conn_out(fake),
                 "{\"nodes\":[],\"wan_ms\":80,\"cut\":[]}\n");
    fake_conn_free(fake);
    assert_int_equal(status_of("PUT", NULL, NULL), 405);
}

static void a_wish_is_answered_when_the_parent_has_answered(void **state)
{
    static const struct ask wish = {"POST", "/v1/dev", NULL, NULL,
                                    "{\"do\":\"heal\"}"};
    (void)state;

    struct fake_conn *fake = ask(&wish);
    assert_int_equal(fake->status, 0);
    assert_string_equal(dev.wish, "{\"do\":\"heal\"}");
    answer(0, "healed");
    assert_int_equal(fake->status, 200);
    assert_true(ask_out_has(fake, "\"wan_ms\":80"));
    fake_conn_free(fake);

    fake = ask(&wish);
    answer(ERR_NOT_FOUND, "no node 'n9'");
    assert_int_equal(fake->status, 404);
    assert_true(ask_out_has(fake, "\"message\":\"no node 'n9'\""));
    fake_conn_free(fake);
}

static void a_parent_that_is_silent_is_waited_for_so_long(void **state)
{
    (void)state;
    struct fake_conn *fake = ask(
        &(struct ask){"POST", "/v1/dev", NULL, NULL, "{}"});

    fake_wait(&core, DEV_ANSWER_MS - 1);
    assert_int_equal(fake->status, 0);
    fake_wait(&core, 1);
    assert_int_equal(fake->status, 408);
    assert_null(dev.asked);
    fake_conn_free(fake);
}

static void who_goes_meanwhile_is_forgotten(void **state)
{
    (void)state;
    struct fake_conn *fake = ask(
        &(struct ask){"POST", "/v1/dev", NULL, NULL, "{}"});

    assert_non_null(dev.asked);
    fake_conn_free(fake);
    assert_null(dev.asked);

    fake = ask(&(struct ask){"POST", "/v1/dev", NULL, NULL, "{}"});
    client_close(fake->conn.client, ERR_CLOSING);
    fake_flush(&core);
    assert_null(dev.asked);
    assert_int_equal(fake->status, 503);
    fake_conn_free(fake);
}

static void wishes_are_bounded(void **state)
{
    static char text[DEV_WISH_MAX + 2];
    (void)state;

    memset(text, 'x', sizeof text - 1);
    struct fake_conn *fake = ask(
        &(struct ask){"POST", "/v1/dev", NULL, NULL, text});
    assert_int_equal(fake->status, 413);
    fake_conn_free(fake);

    fake = ask(&(struct ask){"POST", "/v1/dev", NULL, NULL, "{}"});
    struct fake_conn *other = ask(
        &(struct ask){"POST", "/v1/dev", NULL, NULL, "{}"});
    assert_int_equal(other->status, 429);
    fake_conn_free(other);
    fake_conn_free(fake);
}

/* Not even pages that may publish here. */
static void only_a_page_of_this_origin_may_ask(void **state)
{
    static struct bytes everyone[] = {BYTES("*")};
    static const struct {
        const char *origin;
        unsigned status;
    } cases[] = {
        {"Origin: http://127.0.0.1:7400", 200},
        {"Origin: HTTP://127.0.0.1:7400", 200},
        {"Origin: http://127.0.0.1:7410", 403},
        {"Origin: http://localhost:7400", 403},
        {"Origin: http://127.0.0.1", 403},
        {"Origin: https://evil.example", 403},
        {"Origin: null", 403},
        {"Origin: http://", 403},
        {"Origin: /", 403},
        {"Origin:", 403},
    };
    (void)state;

    core.origins = everyone;
    core.origins_len = 1;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *origin = cases[i].origin;
        assert_int_equal(status_of("POST", origin, NULL), cases[i].status);
        assert_int_equal(status_of("GET", origin, NULL), cases[i].status);
    }
    assert_int_equal(status_of("POST", "Origin: http://127.0.0.1:7400",
                               "Origin: http://127.0.0.1:7400"),
                     400);
}

static void with_keys_it_needs_scopes(void **state)
{
    static const struct {
        const char *scope;
        unsigned get;
        unsigned post;
    } cases[] = {
        {NULL, 403, 403},
        {"admin:read", 200, 403},
        {"admin:write", 403, 200},
        {"admin:*", 200, 200},
    };
    (void)state;

    fake_core_ask_tokens(&core);
    assert_int_equal(status_of("GET", NULL, NULL), 401);
    assert_int_equal(status_of("POST", NULL, NULL), 401);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct token token = {.subject = BYTES("ops"),
                              .expires_at = 2000000000,
                              .scopes_len = cases[i].scope != NULL};
        struct buf header = {0};
        if (cases[i].scope != NULL) {
            token.scopes[0] = bytes_str(cases[i].scope);
        }
        buf_add_str(&header, "Authorization: ");
        assert_int_equal(token_write(&core.auth.keys, &token, &header), 0);
        buf_add_u8(&header, '\0');
        const char *text = (const char *)header.p;
        assert_int_equal(status_of("GET", text, NULL), cases[i].get);
        assert_int_equal(status_of("POST", text, NULL), cases[i].post);
        buf_fini(&header);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(an_ordinary_node_has_no_such_thing),
        T(it_shows_how_things_are),
        T(a_wish_is_answered_when_the_parent_has_answered),
        T(a_parent_that_is_silent_is_waited_for_so_long),
        T(who_goes_meanwhile_is_forgotten),
        T(wishes_are_bounded),
        T(only_a_page_of_this_origin_may_ask),
        T(with_keys_it_needs_scopes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

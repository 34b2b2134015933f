/* SPDX-License-Identifier: Apache-2.0
 *
 * Four nodes whose admin pages are asked at the first. Include after
 * tests/test.h.
 */
#ifndef TESTS_ADMIN_ENDS_H
#define TESTS_ADMIN_ENDS_H

#include <stdio.h>

#include "tests/ask.h"
#include "tests/ends.h"

static struct ends ends;
static struct core *core;

static inline void admin_ends_init(void (*serve)(struct core *core))
{
    ends_init(&ends);
    core = &ends.at[0].core;
    for (size_t i = 0; i < ENDS; i++) {
        struct core *one = &ends.at[i].core;
        (void)snprintf(one->name, sizeof one->name, "n%zu", i);
        one->id = end_id(i);
        one->node_u64 = node_id_u64(&one->id);
        serve(one);
    }
}

static inline void admin_finish(struct fake_conn *fake)
{
    for (int i = 0; i < 400 && fake->status == 0; i++) {
        for (size_t end = 0; end < ENDS; end++) {
            fake_wait(&ends.at[end].core, 5);
        }
        ends_settle(&ends);
        fake_flush(core);
    }
    assert_int_not_equal(fake->status, 0);
}

static inline struct fake_conn *admin_ask_it(const struct ask *ask)
{
    struct fake_conn *fake = ask_new(core, ask);

    admin_finish(fake);
    return fake;
}

static inline struct fake_conn *admin_get(const char *target)
{
    return admin_ask_it(&(struct ask){.target = target});
}

static inline unsigned admin_status(const char *method, const char *target)
{
    struct fake_conn *fake = admin_ask_it(
        &(struct ask){.method = method, .target = target});
    unsigned status = fake->status;

    fake_conn_free(fake);
    return status;
}

/* The document of a GET that is answered. */
static inline json_t *admin_json(const char *target)
{
    struct fake_conn *fake = admin_get(target);

    assert_int_equal(fake->status, 200);
    json_t *root = ask_json(fake);
    fake_conn_free(fake);
    return root;
}

static inline const char *admin_text(const json_t *row, const char *name)
{
    const char *text = json_string_value(json_object_get(row, name));

    assert_non_null(text);
    return text;
}

static inline long long admin_number(const json_t *row, const char *name)
{
    const json_t *number = json_object_get(row, name);

    assert_true(json_is_integer(number));
    return json_integer_value(number);
}

/* With keys: the status for a token with this scope; NULL: without a token. */
static inline unsigned admin_status_with(const struct ask *ask,
                                         const char *scope)
{
    struct token token = {
        .subject = BYTES("ops"),
        .expires_at = core->wall_ms / 1000 + 60,
        .scopes_len = 1,
        .scopes = {bytes_str(scope == NULL ? "" : scope)},
    };
    struct fake_conn *fake = fake_conn_new(core);
    struct buf text = {0};
    struct ask asked = *ask;

    if (scope != NULL) {
        buf_add_str(&text, "Authorization: Bearer ");
        assert_int_equal(token_write(&core->auth.keys, &token, &text), 0);
        buf_add_u8(&text, '\0');
        asked.header2 = (const char *)text.p;
    }
    struct http_request request = ask_request(&asked);
    assert_int_equal(request_admit(fake->conn.client, &request), 0);
    ask_door_of(fake, &request);
    fake_flush(core);
    admin_finish(fake);
    unsigned status = fake->status;
    fake_conn_free(fake);
    buf_fini(&text);
    return status;
}

#endif

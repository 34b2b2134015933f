/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking request doors without a carrier: a request from a few strings, the
 * choice of the door among those of HTTP, and the error answer that a carrier
 * would give. Include after tests/test.h.
 */
#ifndef TESTS_ASK_H
#define TESTS_ASK_H

#include <jansson.h>
#include <string.h>

#include "node/client/request.h"
#include "tests/fake_conn.h"

struct ask {
    const char *method; /* NULL: GET */
    const char *target; /* path and query */
    const char *header; /* "Name: value"; two are enough */
    const char *header2;
    const char *body;
};

static inline void ask_header(struct http_request *request, const char *line)
{
    if (line == NULL) {
        return;
    }
    struct bytes text = bytes_str(line);
    ptrdiff_t colon = bytes_find(text, ':');
    assert_true(colon > 0);
    request->headers[request->headers_len++] = (struct http_header){
        .name = bytes_of(text.p, (size_t)colon),
        .value = bytes_trim(bytes_skip(text, (size_t)colon + 1)),
    };
}

static inline struct http_request ask_request(const struct ask *ask)
{
    struct bytes target = bytes_str(ask->target);
    ptrdiff_t mark = bytes_find(target, '?');
    struct http_request request = {
        .method = bytes_str(ask->method == NULL ? "GET" : ask->method),
        .path = target,
        .body = bytes_str(ask->body == NULL ? "" : ask->body),
        .major = 1,
        .minor = 1,
        .keep_alive = true,
    };
    if (mark >= 0) {
        request.path.len = (size_t)mark;
        request.query = bytes_skip(target, (size_t)mark + 1);
    }
    ask_header(&request, "Host: 127.0.0.1:7400");
    ask_header(&request, ask->header);
    ask_header(&request, ask->header2);
    return request;
}

/* Asks on a conn that may have asked before, as a carrier does. */
static inline void ask_door_of(struct fake_conn *fake,
                               const struct http_request *request)
{
    struct client *client = fake->conn.client;

    if (client->door != NULL) {
        client_leave_door(client);
    }
    request_serve(client, request);
}

/* The same, and ends the turn. */
static inline void ask_again(struct fake_conn *fake, const struct ask *ask)
{
    struct http_request request = ask_request(ask);

    fake_conn_reset(fake);
    ask_door_of(fake, &request);
    fake_flush(fake->conn.core);
}

static inline struct fake_conn *ask_new(struct core *core,
                                        const struct ask *ask)
{
    struct fake_conn *fake = fake_conn_new(core);
    ask_again(fake, ask);
    return fake;
}

/* Publishes and answers with the status. */
static inline unsigned ask_publish(struct core *core, const struct ask *ask)
{
    struct fake_conn *fake = ask_new(core, ask);
    unsigned status = fake->status;
    fake_conn_free(fake);
    return status;
}

static inline void ask_say(struct core *core, const char *target,
                           const char *value)
{
    const struct ask ask = {"POST", target, NULL, NULL, value};
    assert_int_equal(ask_publish(core, &ask), 204);
}

static inline bool ask_head_has(const struct fake_conn *fake, const char *line)
{
    return fake->head.len > 0 &&
           memmem(fake->head.p, fake->head.len, line, strlen(line)) != NULL;
}

static inline bool ask_out_has(const struct fake_conn *fake, const char *text)
{
    struct bytes out = fake_conn_out(fake);
    return out.len > 0 && memmem(out.p, out.len, text, strlen(text)) != NULL;
}

static inline json_t *ask_json(const struct fake_conn *fake)
{
    struct bytes out = fake_conn_out(fake);
    json_t *root = json_loadb((const char *)out.p, out.len,
                              JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    return root;
}

/* Other nodes that do not know of any topic yet: version 7 is awaited. */
struct ask_others {
    uint64_t held[2]; /* by scope */
};

static inline uint64_t ask_others_want(void *data, uint64_t hash, bool wanted)
{
    (void)data;
    (void)hash;
    (void)wanted;
    return 7;
}

static inline uint64_t ask_others_held(void *data, enum cluster_scope scope)
{
    const struct ask_others *others = data;
    return others->held[scope];
}

static inline void ask_core_among(struct core *core, struct ask_others *others)
{
    struct core_options options = fake_core_options();
    options.outside.data = others;
    options.outside.want = ask_others_want;
    options.outside.held = ask_others_held;
    assert_int_equal(core_init(core, &options), 0);
    core_turn(core, 1000, 1795305600000);
    core->ready = true;
}

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * What all nodes say of themselves, asked of any: GET /v1/admin/report.
 * Specified in docs/PROTOCOLS.md.
 *
 *   request --CALL_REPORT--> waits for all nodes --> answered
 */
#include <jansson.h>

#include "node/client/auth.h"
#include "node/door/door.h"
#include "node/door/web.h"
#include "node/mesh/calls.h"
#include "node/mesh/member.h"
#include "node/watch/watch.h"
#include "proto/json.h"
#include "proto/topic.h"

enum {
    WAIT_MS = 1500
};

struct asking {
    uint64_t call; /* 0: nothing is under way */
    struct web_headers headers;
};

static int on_request(struct client *client,
                      const struct http_request *request);
static void on_answers(void *data, const struct call_answer *answers,
                       size_t len);
static void respond(struct client *client, unsigned status, struct buf *body);
static void stop(struct client *client);
static void say_error(struct client *client, int err);
static void on_close(struct client *client);

static const struct route_answer reported[] = {
    {200, "what each node says of itself, and who is silent",
     "application/json"},
    {0}};

static const struct route routes[] = {
    {.method = "GET",
     .path = "/v1/admin/report",
     .scope = "admin:read",
     .summary = "What all nodes did in their last second",
     .answers = reported},
    {0},
};

const struct door door_report = {
    .name = "report",
    .shape = DOOR_REQUEST,
    .state_len = sizeof(struct asking),
    .routes = routes,
    .on_request = on_request,
    .say_error = say_error,
    .on_close = on_close,
};

static int on_request(struct client *client, const struct http_request *request)
{
    struct asking *asking = client->state;
    struct core *core = client->core;

    int err = client_may_admin(client, "admin:read");
    if (err == 0 && core->watch == NULL) {
        err = ERR_NOT_READY;
    }
    if (err == 0) {
        err = web_headers_init(&asking->headers, client, request);
    }
    if (err == 0) {
        const struct call call = {
            .kind = CALL_REPORT,
            .wait_ms = WAIT_MS,
            .on_done = on_answers,
            .data = client,
        };
        err = calls_ask(core->calls, &call, &asking->call);
    }
    return err;
}

/* --- the answer --- */

/* Whether a peer said one object: anything may be in it, and it shall not
 * spoil those of the others. */
static bool is_object(const struct call_answer *answer)
{
    struct bytes body = answer->body;

    if (answer->outcome != CALL_ANSWERED) {
        return false;
    }
    json_t *root = json_loadb((const char *)body.p, body.len, 0, NULL);
    bool is = json_is_object(root);
    json_decref(root);
    return is;
}

static bool has_said(const struct call_answer *answers, size_t len,
                     const struct node_id *id)
{
    for (size_t i = 0; i < len; i++) {
        if (node_id_eq(&answers[i].id, id)) {
            return is_object(&answers[i]);
        }
    }
    return false;
}

/* Who may run and said nothing, whether there is a link or not. */
static void add_silent(struct buf *out, const struct core *core,
                       const struct call_answer *answers, size_t len)
{
    struct cluster_member member;
    char name[MEMBER_NAME_MAX];
    bool comma = false;

    buf_add_str(out, "],\"silent\":[");
    for (size_t i = 0;
         core->cluster != NULL && cluster_member_at(core->cluster, i, &member);
         i++) {
        if (member.self || !member_may_run(core->cluster, &member) ||
            has_said(answers, len, &member.node.id)) {
            continue;
        }
        member_name(&member, name);
        buf_add_str(out, comma ? "," : "");
        json_add_string(out, topic_text_is_valid(bytes_str(name))
                                 ? bytes_str(name)
                                 : BYTES("?"));
        comma = true;
    }
    buf_add_str(out, "]}\n");
}

static void on_answers(void *data, const struct call_answer *answers,
                       size_t len)
{
    struct client *client = data;
    struct asking *asking = client->state;
    struct buf body = {0};

    asking->call = 0;
    buf_add_str(&body, "{\"nodes\":[");
    watch_report(client->core->watch, &body);
    for (size_t i = 0; i < len; i++) {
        if (is_object(&answers[i])) {
            buf_add_u8(&body, ',');
            buf_add_bytes(&body, answers[i].body);
        }
    }
    add_silent(&body, client->core, answers, len);
    respond(client, 200, &body);
}

static void respond(struct client *client, unsigned status, struct buf *body)
{
    const struct asking *asking = client->state;

    web_answer(client, &asking->headers, status, "application/json", body);
}

/* --- the end --- */

static void stop(struct client *client)
{
    struct asking *asking = client->state;

    if (asking->call != 0) {
        calls_forget(client->core->calls, asking->call);
        asking->call = 0;
    }
}

static void say_error(struct client *client, int err)
{
    const struct asking *asking = client->state;
    struct buf body = {0};

    if (asking->call != 0) {
        stop(client);
        client->core->stats.refused++;
        request_add_error(client, &body, err);
        respond(client, err_status(err), &body);
    }
}

static void on_close(struct client *client)
{
    struct asking *asking = client->state;

    stop(client);
    web_headers_fini(&asking->headers);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/dev_form.h"

#include <jansson.h>
#include <stdio.h>
#include <time.h>

#include "node/cli/cli.h"
#include "node/cli/fetch.h"
#include "node/cli/session.h"
#include "proto/err.h"

enum {
    FORM_MS = 20000,   /* for the cluster to stand */
    CROSS_TRIES = 100, /* a region far away hears late who subscribes */
    CROSS_WAIT_MS = 100,
};

/* How many of the others each node has a link with. */
static uint64_t links_of_each(const struct dev_nodes *nodes)
{
    return nodes->len * nodes->workers - 1;
}

static bool node_is_whole(const struct dev_nodes *nodes, size_t i,
                          const char *token)
{
    const struct link_url *url = &nodes->node[i].url;
    const struct bytes nothing = {0};
    struct buf body = {0};
    bool whole = false;

    if (fetch(url, "GET", "/readyz", NULL, nothing, &body) == 200 &&
        fetch(url, "GET", "/v1/cluster", token, nothing, &body) == 200) {
        json_t *root = json_loadb((char *)body.p, body.len, 0, NULL);
        json_t *links = json_object_get(root, "links");
        whole = session_number(links, "up") == links_of_each(nodes);
        json_decref(root);
    }
    buf_fini(&body);
    return whole;
}

int dev_form(struct dev_nodes *nodes, const char *token)
{
    uint64_t until_ms = link_now_ms() + FORM_MS;
    size_t whole = 0;

    while (whole < nodes->len) {
        int signal = dev_nodes_signal(nodes, 20);
        if (signal == SIGINT || signal == SIGTERM) {
            return CLI_REFUSED;
        }
        if (dev_nodes_reap(nodes) < nodes->len) {
            fputs("starling dev: a node ended at its start\n", stderr);
            return CLI_REFUSED;
        }
        if (link_now_ms() > until_ms) {
            fputs("starling dev: the cluster did not form in time\n", stderr);
            return CLI_UNREACHABLE;
        }
        whole += node_is_whole(nodes, whole, token);
    }
    return CLI_OK;
}

/* --- an item crosses --- */

/* Reads until a message of that op, or nothing more comes in time: NULL. */
static json_t *await_op(struct session *s, const char *op, unsigned wait_ms)
{
    uint64_t until_ms = link_now_ms() + wait_ms;
    int rc = 0;

    while (rc == 0 && link_now_ms() < until_ms) {
        json_t *message = session_next(s, wait_ms, &rc);
        if (message != NULL && session_is(message, op)) {
            return message;
        }
        json_decref(message);
    }
    return NULL;
}

/* Each item says when it was published. */
static bool cross(struct session *in, struct session *out, uint64_t *us)
{
    char publish[128];
    json_t *item = NULL;

    for (int i = 0; item == NULL && i < CROSS_TRIES; i++) {
        int len = snprintf(publish, sizeof publish,
                           "{\"op\":\"publish\",\"cache\":\"demo\",\"topic\":"
                           "\"hello\",\"text\":\"%llu\"}",
                           (unsigned long long)link_now_us());
        if (session_send(in, bytes_of(publish, (size_t)len)) != 0) {
            return false;
        }
        item = await_op(out, "item", CROSS_WAIT_MS);
    }
    uint64_t since_us = 0;
    const char *text = item == NULL ? NULL : session_text(item, "text");
    bool is_ours = text != NULL && bytes_u64(bytes_str(text), &since_us) == 0;
    *us = link_now_us() - since_us;
    json_decref(item);
    return is_ours;
}

int dev_cross(const struct dev_nodes *nodes, const char *token,
              struct dev_crossing *crossing)
{
    struct session in;
    struct session out;

    *crossing = (struct dev_crossing){.to = nodes->len > 1 ? 1 : 0};
    if (session_open(&out, &nodes->node[crossing->to].url, token) != 0) {
        return ERR_TIMEOUT;
    }
    if (session_open(&in, &nodes->node[crossing->from].url, token) != 0) {
        session_close(&out);
        return ERR_TIMEOUT;
    }
    (void)session_send(&out, BYTES("{\"op\":\"subscribe\",\"id\":1,\"cache\":"
                                   "\"demo\",\"topic\":\"hello\","
                                   "\"barrier\":\"all\"}"));
    json_t *subscribed = await_op(&out, "subscribed", LINK_WAIT_MS);
    bool ok = subscribed != NULL && cross(&in, &out, &crossing->us);
    json_decref(subscribed);
    session_close(&in);
    session_close(&out);
    return ok ? 0 : ERR_TIMEOUT;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * The clients of the cluster: GET /v1/admin/clients, and POST
 * /v1/admin/clients/{client}/kick. What nodes say is in node/watch/roster.h.
 */
#include "node/door/admin.h"
#include "node/door/door.h"
#include "node/watch/roster.h"

static int ask_list(struct client *client, const struct http_request *request,
                    struct bytes segment, struct gather_ask *ask,
                    struct buf *what);
static int ask_kick(struct client *client, const struct http_request *request,
                    struct bytes segment, struct gather_ask *ask,
                    struct buf *what);
static void answer_kick(struct client *client, struct gathered *all);

const struct admin_page admin_clients = {
    .kind = CALL_CLIENTS,
    .ask = ask_list,
    .rows = "clients",
};

const struct admin_page admin_kick = {
    .kind = CALL_KICK,
    .ask = ask_kick,
    .answer = answer_kick,
};

/* --- the list --- */

static int read_sort(const struct http_request *request, enum roster_sort *sort)
{
    static const char *const names[ROSTER_SORTS] = {
        [ROSTER_BY_QUEUE] = "queue",
        [ROSTER_BY_ID] = "id",
        [ROSTER_BY_SUBS] = "subs",
    };
    struct buf text = {0};
    int err = http_query(request->query, "sort", &text);

    *sort = ROSTER_BY_QUEUE;
    if (err > 0) {
        err = ERR_ARGUMENT;
        for (unsigned i = 0; i < ROSTER_SORTS; i++) {
            if (bytes_eq(buf_bytes(&text), bytes_str(names[i]))) {
                *sort = (enum roster_sort)i;
                err = 0;
            }
        }
    }
    buf_fini(&text);
    return err;
}

static int ask_list(struct client *client, const struct http_request *request,
                    struct bytes segment, struct gather_ask *ask,
                    struct buf *what)
{
    struct buf node = {0};
    enum roster_sort sort = ROSTER_BY_QUEUE;
    int err = admin_read_page(client, request, ask);

    (void)segment;
    if (err == 0) {
        err = read_sort(request, &sort);
    }
    if (err == 0) {
        err = http_query(request->query, "node", &node);
    }
    if (err > 0) {
        err = node.len == 0 || topic_cache_is_valid(buf_bytes(&node))
                  ? 0
                  : ERR_ARGUMENT;
    }
    if (err == 0) {
        roster_ask_write(sort, buf_bytes(&node), what);
    }
    buf_fini(&node);
    return err;
}

/* --- kick --- */

static int ask_kick(struct client *client, const struct http_request *request,
                    struct bytes segment, struct gather_ask *ask,
                    struct buf *what)
{
    struct admin *admin = client->state;
    struct roster_client meant;
    int err = roster_client_read(segment, &meant);

    (void)request;
    (void)ask;
    if (err == 0) {
        admin->owner = meant.node;
        roster_kick_write(&meant, client->who->token.subject, what);
    }
    return err;
}

/* A client of a node that says nothing may be there or not. */
static void answer_kick(struct client *client, struct gathered *all)
{
    const struct admin *admin = client->state;
    const struct call_answer *silent;
    struct gathered_row row;
    struct buf none = {0};

    if (gathered_next(all, &row)) {
        admin_respond(client, 204, &none);
        return;
    }
    for (size_t i = 0; (silent = gathered_silent(all, i)) != NULL; i++) {
        if (node_id_u64(&silent->id) == admin->owner) {
            admin_refuse(client, ERR_IO, "the node of that client is silent");
            return;
        }
    }
    admin_refuse(client, ERR_NOT_FOUND, NULL);
}

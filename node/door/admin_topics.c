/* SPDX-License-Identifier: Apache-2.0
 *
 * The topics of the cluster and who is subscribed where: GET /v1/admin/topics.
 * What nodes say is in node/watch/topics.h.
 */
#include "node/door/admin.h"
#include "node/door/door.h"
#include "node/watch/topics.h"
#include "proto/json.h"

/* The parameters in memory of their own; zero is empty. */
struct names {
    struct buf cache;
    struct buf topic;
    struct buf prefix;
};

static void names_fini(struct names *names)
{
    buf_fini(&names->cache);
    buf_fini(&names->topic);
    buf_fini(&names->prefix);
}

/* Either a topic of a cache, or topics by cache and prefix, each or none. */
static int read_names(const struct http_request *request, struct names *names,
                      struct topics_ask *ask)
{
    int has_cache = http_query(request->query, "cache", &names->cache);
    int has_topic = http_query(request->query, "topic", &names->topic);
    int has_prefix = http_query(request->query, "prefix", &names->prefix);

    if (has_cache < 0 || has_topic < 0 || has_prefix < 0) {
        return ERR_SYNTAX;
    }
    ask->exact = has_topic > 0;
    ask->cache = buf_bytes(&names->cache);
    ask->name = ask->exact ? buf_bytes(&names->topic)
                           : buf_bytes(&names->prefix);
    if (ask->exact && (has_cache == 0 || has_prefix > 0)) {
        return ERR_ARGUMENT;
    }
    if ((has_cache > 0 && !topic_cache_is_valid(ask->cache)) ||
        ((ask->exact || ask->name.len > 0) && !topic_is_valid(ask->name))) {
        return ERR_NAME;
    }
    return 0;
}

static int ask(struct client *client, const struct http_request *request,
               struct bytes segment, struct gather_ask *gather,
               struct buf *what)
{
    struct names names = {0};
    struct topics_ask ask = {0};
    int err = admin_read_page(client, request, gather);

    (void)segment;
    if (err == 0) {
        err = read_names(request, &names, &ask);
    }
    if (err == 0) {
        topics_ask_write(&ask, what);
    }
    names_fini(&names);
    return err;
}

/* One topic: what each node says of it comes one after another. */
static void add_topic(struct buf *out, struct gathered *all)
{
    struct gathered_row row;
    struct gathered_row next;
    struct buf nodes = {0};
    uint64_t subs = 0;
    bool more = gathered_next(all, &row);

    buf_add_u8(out, '{');
    buf_add_bytes(out, row.text);
    while (more) {
        struct bytes name = bytes_str(row.node);
        buf_add_str(&nodes, subs == 0 ? "{" : ",{");
        json_add_name(&nodes, false, "name");
        json_add_string(&nodes, topic_text_is_valid(name) ? name : BYTES("?"));
        json_add_name(&nodes, true, "subs");
        buf_add_u64(&nodes, row.place.id);
        buf_add_u8(&nodes, '}');
        subs += row.place.id;
        more = gathered_peek(all, &next) && bytes_eq(next.text, row.text) &&
               gathered_next(all, &row);
    }
    json_add_name(out, true, "subs");
    buf_add_u64(out, subs);
    json_add_name(out, true, "nodes");
    buf_add_u8(out, '[');
    buf_add_bytes(out, buf_bytes(&nodes));
    buf_add_str(out, "]}");
    out->failed = out->failed || nodes.failed;
    buf_fini(&nodes);
}

static void answer(struct client *client, struct gathered *all)
{
    const struct admin *admin = client->state;
    struct gathered_row row;
    struct buf body = {0};

    buf_add_str(&body, "{\"topics\":[");
    for (uint64_t i = 0; i < admin->limit && body.len < ADMIN_BODY_LEN &&
                         gathered_peek(all, &row);
         i++) {
        buf_add_str(&body, i == 0 ? "" : ",");
        add_topic(&body, all);
    }
    buf_add_u8(&body, ']');
    admin_add_rest(all, &body);
    buf_add_str(&body, "}\n");
    admin_respond(client, 200, &body);
}

const struct admin_page admin_topics = {
    .kind = CALL_TOPICS,
    .ask = ask,
    .answer = answer,
};

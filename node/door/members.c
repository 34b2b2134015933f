/* SPDX-License-Identifier: Apache-2.0 */
#include "node/door/members.h"

#include "proto/json.h"
#include "proto/topic.h"

enum {
    ID_SHOWN = 8
}; /* bytes of an id that people are shown, in hex */

static bool member_at(const struct core *core, size_t index,
                      struct cluster_member *member);
static void member_of_core(const struct core *core,
                           struct cluster_member *member);
static bool is_living(const struct cluster_member *member);
static void add_workers(struct buf *out, const struct view *views, size_t len);
static void add_numbers(struct buf *out, const struct view *view);
static void add_member(struct buf *out, const struct cluster_member *member);
static void add_name(struct buf *out, const struct cluster_member *member);
static const char *state_name(enum cluster_state state);
static bool is_first_of_region(const struct core *core, size_t index,
                               struct bytes region);
static void add_region(struct buf *out, const struct core *core,
                       struct bytes region);
static void add_endpoints(struct buf *out, const struct core *core,
                          struct bytes region);
static bool lists_endpoint(const struct cluster_member *member,
                           struct bytes region);
static bool is_first_at_endpoint(const struct core *core, size_t index,
                                 const struct cluster_member *member);
static void add_text(struct buf *out, bool comma, const char *name,
                     struct bytes text);
static void add_number(struct buf *out, const char *name, uint64_t value);
static void add_bool(struct buf *out, const char *name, bool value);
static void add_id(struct buf *out, const char *name, const struct node_id *id);
static void add_addr(struct buf *out, const char *name,
                     const struct addr *addr);

void members_add_cluster(struct buf *out, const struct core *core,
                         const struct view *views, size_t len)
{
    struct cluster_member member;
    struct node_id self = {{0}};
    struct view sum;

    view_sum(views, len, len > 1 ? core->worker : 0, &sum);
    bytes_put_u64be(self.b, core->node_u64);
    buf_add_u8(out, '{');
    add_text(out, false, "name", bytes_str(core->name));
    add_id(out, "self", &self);
    add_text(out, true, "region", bytes_str(core->region));
    add_text(out, true, "version", BYTES(STARLING_VERSION));
    add_bool(out, "insecure", core->auth.insecure);
    add_bool(out, "dev", core->dev != NULL);
    add_bool(out, "ready", sum.ready);
    add_bool(out, "alone", sum.alone);
    add_bool(out, "draining", sum.draining);
    add_number(out, "uptime_ms", sum.uptime_ms);
    add_numbers(out, &sum);
    buf_add_str(out, ",\"links\":{\"up\":");
    buf_add_u64(out, sum.links_up);
    add_number(out, "of", sum.links_of);
    buf_add_u8(out, '}');
    if (len > 1) {
        add_workers(out, views, len);
    }
    buf_add_str(out, ",\"members\":[");
    for (size_t i = 0; member_at(core, i, &member); i++) {
        buf_add_str(out, i == 0 ? "" : ",");
        add_member(out, &member);
    }
    buf_add_str(out, "]}");
}

static void add_numbers(struct buf *out, const struct view *view)
{
    add_number(out, "clients", view->stats.conns);
    add_number(out, "topics", view->stats.topics);
    add_number(out, "subscriptions", view->stats.subs);
}

static void add_workers(struct buf *out, const struct view *views, size_t len)
{
    buf_add_str(out, ",\"workers\":[");
    for (size_t i = 0; i < len; i++) {
        struct node_id id = {{0}};
        bytes_put_u64be(id.b, views[i].node_u64);
        buf_add_str(out, i == 0 ? "{" : ",{");
        add_text(out, false, "name", bytes_str(views[i].name));
        add_id(out, "id", &id);
        add_bool(out, "ready", views[i].ready && !views[i].silent);
        add_numbers(out, &views[i]);
        buf_add_u8(out, '}');
    }
    buf_add_u8(out, ']');
}

void members_add_regions(struct buf *out, const struct core *core)
{
    struct cluster_member member;
    bool comma = false;

    buf_add_u8(out, '{');
    add_text(out, false, "node", bytes_str(core->name));
    add_bool(out, "ready", core->ready);
    add_text(out, true, "self", bytes_str(core->region));
    buf_add_str(out, ",\"regions\":[");
    for (size_t i = 0; member_at(core, i, &member); i++) {
        struct bytes region = member.node.region;
        if (is_living(&member) && is_first_of_region(core, i, region)) {
            buf_add_str(out, comma ? "," : "");
            add_region(out, core, region);
            comma = true;
        }
    }
    buf_add_str(out, "]}");
}

static bool member_at(const struct core *core, size_t index,
                      struct cluster_member *member)
{
    if (core->cluster != NULL) {
        return cluster_member_at(core->cluster, index, member);
    }
    if (index == 0) {
        member_of_core(core, member);
    }
    return index == 0;
}

static void member_of_core(const struct core *core,
                           struct cluster_member *member)
{
    *member = (struct cluster_member){
        .node.name = bytes_str(core->name),
        .node.region = bytes_str(core->region),
        .node.endpoint = bytes_str(core->endpoint),
        .node.version = BYTES(STARLING_VERSION),
        .state = CLUSTER_ALIVE,
        .self = true,
        .ready = core->ready,
        .draining = core->draining,
        .slot = CLUSTER_SLOT_NONE,
        .interests = core->stats.topics,
    };
    bytes_put_u64be(member->node.id.b, core->node_u64);
}

static bool is_living(const struct cluster_member *member)
{
    return member->state == CLUSTER_ALIVE || member->state == CLUSTER_SUSPECTED;
}

static void add_member(struct buf *out, const struct cluster_member *member)
{
    const struct peer_node *node = &member->node;
    buf_add_u8(out, '{');
    add_name(out, member);
    add_id(out, "id", &node->id);
    add_bool(out, "self", member->self);
    add_text(out, true, "region", node->region);
    add_text(out, true, "state", bytes_str(state_name(member->state)));
    add_bool(out, "ready", member->ready);
    add_bool(out, "draining", member->draining);
    add_bool(out, "linked", member->linked);
    add_addr(out, "address", &node->cluster);
    add_number(out, "data_port", node->data_port);
    add_text(out, true, "endpoint", node->endpoint);
    add_text(out, true, "version", node->version);
    add_number(out, "rtt_us", member->rtt_us);
    add_number(out, "topics", member->interests);
    add_number(out, "patterns", member->patterns);
    buf_add_u8(out, '}');
}

/* Of two living nodes with one name both are shown with what tells them apart:
 * the first four digits of their ids. */
static void add_name(struct buf *out, const struct cluster_member *member)
{
    struct buf name = {0};
    buf_add_bytes(&name, member->node.name);
    if (member->duplicate) {
        buf_add_u8(&name, '#');
        buf_add_hex(&name, member->node.id.b, 2);
    }
    add_text(out, false, "name", buf_bytes(&name));
    out->failed = out->failed || name.failed;
    buf_fini(&name);
}

static const char *state_name(enum cluster_state state)
{
    switch (state) {
    case CLUSTER_ALIVE:
        return "alive";
    case CLUSTER_SUSPECTED:
        return "suspect";
    case CLUSTER_STATE_DEAD:
        return "dead";
    case CLUSTER_STATE_LEFT:
        return "left";
    }
    return "unknown";
}

static bool is_first_of_region(const struct core *core, size_t index,
                               struct bytes region)
{
    struct cluster_member member;
    for (size_t i = 0; i < index && member_at(core, i, &member); i++) {
        if (is_living(&member) && bytes_eq(member.node.region, region)) {
            return false;
        }
    }
    return true;
}

static void add_region(struct buf *out, const struct core *core,
                       struct bytes region)
{
    struct cluster_member member;
    uint64_t nodes = 0;
    for (size_t i = 0; member_at(core, i, &member); i++) {
        nodes += is_living(&member) && bytes_eq(member.node.region, region);
    }
    buf_add_u8(out, '{');
    add_text(out, false, "name", region);
    add_bool(out, "self", bytes_eq(region, bytes_str(core->region)));
    add_number(out, "nodes", nodes);
    add_endpoints(out, core, region);
    buf_add_u8(out, '}');
}

/* Of nodes that take clients; the workers of a process have one in common. */
static void add_endpoints(struct buf *out, const struct core *core,
                          struct bytes region)
{
    struct cluster_member member;
    bool comma = false;
    json_add_name(out, true, "endpoints");
    buf_add_u8(out, '[');
    for (size_t i = 0; member_at(core, i, &member); i++) {
        if (lists_endpoint(&member, region) &&
            is_first_at_endpoint(core, i, &member)) {
            buf_add_str(out, comma ? "," : "");
            json_add_string(out, member.node.endpoint);
            comma = true;
        }
    }
    buf_add_u8(out, ']');
}

/* A draining one sends clients away. */
static bool lists_endpoint(const struct cluster_member *member,
                           struct bytes region)
{
    return is_living(member) && !member->draining &&
           member->node.endpoint.len > 0 &&
           bytes_eq(member->node.region, region) &&
           topic_text_is_valid(member->node.endpoint);
}

static bool is_first_at_endpoint(const struct core *core, size_t index,
                                 const struct cluster_member *member)
{
    struct cluster_member other;

    for (size_t i = 0; i < index && member_at(core, i, &other); i++) {
        if (lists_endpoint(&other, member->node.region) &&
            bytes_eq(other.node.endpoint, member->node.endpoint)) {
            return false;
        }
    }
    return true;
}

/* Other nodes' words were checked when they came in; text is checked again,
 * since what is no UTF-8 would spoil the whole answer. */
static void add_text(struct buf *out, bool comma, const char *name,
                     struct bytes text)
{
    json_add_name(out, comma, name);
    json_add_string(out, topic_text_is_valid(text) ? text : BYTES("?"));
}

static void add_number(struct buf *out, const char *name, uint64_t value)
{
    json_add_name(out, true, name);
    buf_add_u64(out, value);
}

static void add_bool(struct buf *out, const char *name, bool value)
{
    json_add_name(out, true, name);
    buf_add_str(out, value ? "true" : "false");
}

static void add_id(struct buf *out, const char *name, const struct node_id *id)
{
    json_add_name(out, true, name);
    buf_add_u8(out, '"');
    buf_add_hex(out, id->b, ID_SHOWN);
    buf_add_u8(out, '"');
}

/* "" when it is not known: a lone core has none. */
static void add_addr(struct buf *out, const char *name, const struct addr *addr)
{
    char text[ADDR_TEXT_MAX] = "";
    if (!addr_is_none(addr)) {
        addr_text(addr, text);
    }
    add_text(out, true, name, bytes_str(text));
}

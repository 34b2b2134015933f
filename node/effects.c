/* SPDX-License-Identifier: Apache-2.0
 *
 * What the cluster wants done, carried out; and what the hub asks of it.
 */
#include <assert.h>

#include "node/client/client.h"
#include "node/client/revoked.h"
#include "node/conn/conns.h"
#include "node/dev.h"
#include "node/mesh/calls.h"
#include "node/mesh/membership.h"
#include "node/mesh/question.h"
#include "proto/err.h"
#include "proto/gossip.h"

enum {
    GAP_LOG_MS = 1000
};

static void carry_out(struct node *node, const struct cluster_effect *effect);

void node_tell_cluster(struct node *node, const struct cluster_news *news)
{
    conns_enter(node->conns); /* effects reach the hub: in this turn's time */
    cluster_clock(node->cluster, node->core.wall_ms);
    cluster_step(node->cluster, news, uv_now(node->loop));
    node_drain_effects(node);
}

/* An effect may make news (a link that breaks while it is written to), which
 * then only adds to the effects that the outer call takes. */
void node_drain_effects(struct node *node)
{
    struct cluster_effect effect;

    if (node->draining_effects) {
        return;
    }
    node->draining_effects = true;
    while (cluster_next(node->cluster, &effect)) {
        carry_out(node, &effect);
    }
    node->draining_effects = false;
}

/* --- events --- */

/* One that is no member. */
static void log_refused(struct node *node, const struct cluster_effect *effect)
{
    char addr[ADDR_TEXT_MAX];

    addr_text(&effect->to, addr);
    if (effect->speaks == 0) {
        log_line(&node->log, LOG_WARN, "peer-refused", "address=%s why=\"%s\"",
                 addr, effect->text);
        return;
    }
    log_line(&node->log, LOG_WARN, "peer-refused",
             "address=%s why=\"it speaks versions %u to %u of the cluster "
             "protocol, this node %d to %d\"",
             addr, effect->speaks_least, effect->speaks, GOSSIP_VERSION_MIN,
             GOSSIP_VERSION);
}

static void log_event(struct node *node, const struct cluster_effect *effect)
{
    static const struct {
        const char *name;
        enum log_level level;
    } events[] = {
        [CLUSTER_JOINED] = {"member-joined", LOG_INFO},
        [CLUSTER_SUSPECT] = {"member-suspect", LOG_INFO},
        [CLUSTER_REFUTED] = {"member-refuted", LOG_INFO},
        [CLUSTER_DEAD] = {"member-dead", LOG_WARN},
        [CLUSTER_LEFT] = {"member-left", LOG_INFO},
        [CLUSTER_LINKED] = {"link-up", LOG_INFO},
        [CLUSTER_UNLINKED] = {"link-down", LOG_INFO},
        [CLUSTER_DUPLICATE] = {"name-duplicate", LOG_WARN},
        [CLUSTER_REFUSED] = {"peer-refused", LOG_WARN},
        [CLUSTER_DIVERGED] = {"log-diverged", LOG_ERROR},
        [CLUSTER_LATE] = {"member-unlinked", LOG_WARN},
    };
    const struct peer_node *peer = effect->peer;
    const char *text = effect->text != NULL ? effect->text : "";
    char addr[ADDR_TEXT_MAX];

    if (effect->event == CLUSTER_SEED_SILENT) {
        log_line(&node->log, LOG_WARN, "seeds-silent", "key=%016llx why=%s",
                 (unsigned long long)node->keyring.ring.keys[0].print,
                 "none of the addresses to join answers: nobody is there, or "
                 "they have another cluster name or not this key");
        return;
    }
    assert((size_t)effect->event < ARRAY_LEN(events));
    if (effect->event == CLUSTER_REFUSED && peer == NULL) {
        log_refused(node, effect);
        return;
    }
    if (peer == NULL) {
        log_line(&node->log, events[effect->event].level,
                 events[effect->event].name, "why=%s", text);
        return;
    }
    log_line(
        &node->log, events[effect->event].level, events[effect->event].name,
        "peer=%.*s id=%016llx region=%.*s address=%s why=%s",
        (int)peer->name.len, (const char *)peer->name.p,
        (unsigned long long)node_id_u64(&peer->id), (int)peer->region.len,
        (const char *)peer->region.p, addr_text(&peer->cluster, addr), text);
}

/* Gauges that follow the members. */
static void count_members(struct node *node)
{
    node->core.stats.peers = cluster_living(node->cluster);
    node->core.stats.links = cluster_links(node->cluster);
}

static void become_ready(struct node *node, bool alone)
{
    struct core *core = &node->core;

    if (!core->ready) {
        core->ready = true;
        core->stats.ready = 1;
        log_line(&node->log, LOG_INFO, "node-ready", "alone=%d ms=%llu", alone,
                 (unsigned long long)(core->now_ms - core->boot_ms));
        caches_known(core);
        dev_ready(core->dev);
    }
}

static void open_peer(struct node *node, const struct cluster_effect *effect)
{
    int rc = mesh_peer_open(node->mesh, effect->slot, effect->peer);

    if (rc != 0) {
        log_line(&node->log, LOG_WARN, "link-cannot-open", "peer=%.*s error=%s",
                 (int)effect->peer->name.len,
                 (const char *)effect->peer->name.p, err_name(rc));
    }
}

/* Subscribers are told; the operator once a second at most. */
static void tell_gap(struct node *node, struct bytes hashes)
{
    uint64_t now_ms = uv_now(node->loop);

    hub_gap(node->core.hub, hashes);
    node->gaps_unlogged++;
    if (now_ms < node->gap_log_ms) {
        return;
    }
    log_line(&node->log, LOG_INFO, "items-lost", "topics=%s times=%u",
             hashes.len == 0 ? "all" : "some", node->gaps_unlogged);
    node->gaps_unlogged = 0;
    node->gap_log_ms = now_ms + GAP_LOG_MS;
}

static void take_register(struct node *node, const struct cluster_register *reg)
{
    if (reg->kind == CLUSTER_REGISTER_CACHE) {
        caches_changed(&node->core, reg);
    } else if (reg->kind == CLUSTER_REGISTER_REVOKED) {
        revoked_arrived(&node->core);
    }
}

static void carry_out(struct node *node, const struct cluster_effect *effect)
{
    switch (effect->type) {
    case CLUSTER_SEND:
        gossip_send(node->gossip, &effect->to, &effect->dst, effect->bytes);
        break;
    case CLUSTER_TELL:
        mesh_tell(node->mesh, effect->slot, effect->bytes);
        break;
    case CLUSTER_PEER_OPEN:
        open_peer(node, effect);
        break;
    case CLUSTER_PEER_CLOSE:
        calls_peer_down(node->calls, effect->slot);
        mesh_peer_close(node->mesh, effect->slot);
        break;
    case CLUSTER_EVENT:
        log_event(node, effect);
        count_members(node);
        break;
    case CLUSTER_BARRIER:
        clients_release(&node->core, effect->scope, effect->version,
                        effect->partial);
        break;
    case CLUSTER_READY:
        become_ready(node, effect->alone);
        break;
    case CLUSTER_GAP:
        tell_gap(node, effect->bytes);
        break;
    case CLUSTER_REGISTER:
        take_register(node, effect->reg);
        break;
    case CLUSTER_MARK:
    case CLUSTER_FENCE:
    case CLUSTER_HOLD:
    case CLUSTER_FREE:
    case CLUSTER_END:
    case CLUSTER_PROBE:
    case CLUSTER_REDIAL:
        mesh_carry_out(node->mesh, effect);
        break;
    }
}

/* --- what the hub asks --- */

static uint64_t outside_want(void *data, uint64_t hash, bool wanted)
{
    struct node *node = data;
    return cluster_want(node->cluster, hash, wanted);
}

static uint64_t outside_want_pattern(void *data, struct bytes cache,
                                     struct bytes pattern,
                                     enum topic_dialect dialect, bool wanted)
{
    struct node *node = data;
    struct buf name = {.max = 2 + CACHE_LEN_MAX + PATTERN_LEN_MAX};
    struct peer_record record = {
        .type = PEER_PATTERN,
        .removed = !wanted,
        .dialect = (uint8_t)dialect,
        .cache = cache,
        .pattern = pattern,
    };

    /* Lengths keep ("a", "bc") and ("ab", "c") apart. */
    buf_add_u8(&name, (uint8_t)dialect);
    buf_add_u8(&name, (uint8_t)cache.len);
    buf_add_bytes(&name, cache);
    buf_add_bytes(&name, pattern);
    if (name.failed) {
        buf_fini(&name);
        return 0;
    }
    record.hash = hash_bytes(&node->core.hash_key, buf_bytes(&name));
    buf_fini(&name);
    return cluster_want_pattern(node->cluster, &record);
}

/* The wire form is made once, however many peers get it. */
static void send_to(struct node *node, const struct cluster_target *targets,
                    size_t len, const struct item *item)
{
    if (len == 0) {
        return;
    }
    struct item encoded = *item;
    if (len > 1 && item->wire.len == 0) {
        buf_reset(&node->wire);
        item_write(item, &node->wire);
        if (!node->wire.failed) {
            encoded.wire = buf_bytes(&node->wire);
        }
    }
    for (size_t i = 0; i < len; i++) {
        mesh_send(node->mesh, targets[i].slot, (enum peer_hop)targets[i].hop,
                  &encoded);
    }
}

/* Whether any node of the member's region can be reached from here. */
static bool reaches_region(const struct node *node,
                           const struct cluster_member *of)
{
    struct cluster_member member;

    for (size_t i = 0; cluster_member_at(node->cluster, i, &member); i++) {
        if (member.linked && bytes_eq(member.node.region, of->node.region)) {
            return true;
        }
    }
    return false;
}

/* Notes who wants a traced item and has no link that it could take: of this
 * region, or, where it goes there, of one of which nobody has. */
static void note_unreached(struct node *node, const struct item *item,
                           bool everywhere)
{
    struct bytes region = bytes_str(node->core.region);
    struct cluster_member member;

    for (size_t i = 0; cluster_member_at(node->cluster, i, &member); i++) {
        bool near = bytes_eq(member.node.region, region);
        if (!member.self && !member.linked &&
            cluster_wants(node->cluster, member.slot, item) &&
            (near || (everywhere && !reaches_region(node, &member)))) {
            trace_send(&node->core.trace, item, node_id_u64(&member.node.id), 0,
                       TRACED_WHY_NO_LINK);
        }
    }
}

static unsigned outside_forward(void *data, const struct item *item,
                                bool *partial)
{
    struct cluster_target targets[CLUSTER_PEERS_MAX];
    struct node *node = data;
    size_t len = cluster_route(node->cluster, item, targets, ARRAY_LEN(targets),
                               partial);

    if ((item->flags & ITEM_TRACE) != 0) {
        note_unreached(node, item, true);
    }
    send_to(node, targets, len, item);
    return (unsigned)len;
}

static unsigned outside_relay(void *data, const struct item *item,
                              enum peer_hop hop)
{
    struct cluster_target targets[CLUSTER_PEERS_MAX];
    struct node *node = data;
    size_t len = cluster_relay(node->cluster, item, hop, targets,
                               ARRAY_LEN(targets));

    if ((item->flags & ITEM_TRACE) != 0 && hop == PEER_HOP_INGRESS) {
        note_unreached(node, item, false);
    }
    send_to(node, targets, len, item);
    return (unsigned)len;
}

static uint64_t outside_held(void *data, enum cluster_scope scope)
{
    struct node *node = data;
    return cluster_held(node->cluster, scope);
}

static bool outside_lacks(void *data)
{
    const struct node *node = data;
    return cluster_late(node->cluster) > 0;
}

struct hub_outside membership_outside(struct node *node)
{
    return (struct hub_outside){
        .data = node,
        .want = outside_want,
        .want_pattern = outside_want_pattern,
        .forward = outside_forward,
        .relay = outside_relay,
        .held = outside_held,
        .lacks = outside_lacks,
        .ask = question_ask,
    };
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "node/mesh/membership.h"

#include <assert.h>
#include <stdio.h>

#include "node/conn/conns.h"
#include "node/conn/sockaddr.h"
#include "node/mesh/calls.h"
#include "node/mesh/question.h"
#include "node/mesh/seeds.h"
#include "node/worker.h"
#include "proto/err.h"

static void on_packet(void *data, const struct addr *from, struct bytes plain,
                      bool sealed_for_me);
static void on_news(void *data, const struct cluster_news *news);
static void on_item(void *data, uint16_t slot, struct item *item,
                    enum peer_hop hop);
static void on_seeds(void *data, const struct addr *found, size_t len);

/* --- opening --- */

static int bind_gossip(struct node *node)
{
    struct gossip_options options = {
        .loop = node->loop,
        .ring = &node->keyring.ring,
        .stats = &node->core.stats,
        .log = &node->log,
        .self = node->id,
        .listen = node->cluster_addr,
        .loopback_only = node->core.auth.insecure,
        .fault = node->fault,
        .data = node,
        .on_packet = on_packet,
    };
    memcpy(options.life, node->life, sizeof options.life);
    return gossip_open(&node->gossip, &options);
}

static int bind_mesh(struct node *node)
{
    struct mesh_options options = {
        .loop = node->loop,
        .ring = &node->keyring.ring,
        .limits = &node->core.limits,
        .stats = &node->core.stats,
        .log = &node->log,
        .trace = &node->core.trace,
        .self = node->id,
        .listen = node->cluster_addr,
        .data_port = (uint16_t)(node->cluster_addr.port + 1),
        .fault = node->fault,
        .data = node,
        .on_news = on_news,
        .on_item = on_item,
    };
    memcpy(options.life, node->life, sizeof options.life);
    return mesh_open(&node->mesh, &options);
}

int membership_bind(struct node *node)
{
    int rc = bind_gossip(node);
    if (rc != 0) {
        return rc;
    }
    rc = bind_mesh(node);
    if (rc != 0) {
        gossip_close(node->gossip);
        node->gossip = NULL;
    }
    return rc;
}

/* The first address of this machine that others might reach. */
static bool outward_addr(struct addr *addr)
{
    uv_interface_address_t *all;
    int len;
    bool found = false;

    if (uv_interface_addresses(&all, &len) != 0) {
        return false;
    }
    for (int i = 0; i < len && !found; i++) {
        struct addr a = sockaddr_read((struct sockaddr *)&all[i].address);
        found = !all[i].is_internal && addr_is_ip4(&a);
        if (found) {
            memcpy(addr->ip, a.ip, sizeof addr->ip);
        }
    }
    uv_free_interface_addresses(all, len);
    return found;
}

/* Resolves --advertise HOST[:PORT] once, at the start. */
static bool resolve(struct node *node, const char *text, struct addr *addr)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
    char host[CONFIG_TEXT_MAX];
    const char *colon = strrchr(text, ':');
    uint64_t port = addr->port;
    uv_getaddrinfo_t request;

    if (addr_read(bytes_str(text), addr->port, addr) == 0) {
        return true;
    }
    size_t len = colon == NULL ? strlen(text) : (size_t)(colon - text);
    if (colon != NULL && (bytes_u64(bytes_str(colon + 1), &port) != 0 ||
                          port == 0 || port > UINT16_MAX)) {
        return false;
    }
    memcpy(host, text, len);
    host[len] = '\0';
    if (uv_getaddrinfo(node->loop, &request, NULL, host, NULL, &hints) != 0) {
        return false;
    }
    *addr = sockaddr_read(request.addrinfo->ai_addr);
    addr->port = (uint16_t)port;
    uv_freeaddrinfo(request.addrinfo);
    return true;
}

/* Under which address the others reach this node. What is named is that of the
 * first worker. */
static int advertised(struct node *node, struct addr *addr)
{
    const char *named = node->config.advertise;
    unsigned beyond = node->config.worker * WORKER_PORTS;

    *addr = node->cluster_addr;
    if (named[0] != '\0') {
        addr->port = (uint16_t)(addr->port - beyond);
        if (resolve(node, named, addr) && addr->port + beyond <= UINT16_MAX) {
            addr->port = (uint16_t)(addr->port + beyond);
            return 0;
        }
    }
    if (named[0] == '\0' && (!addr_is_any(addr) || outward_addr(addr))) {
        return 0;
    }
    log_line(&node->log, LOG_ERROR, "node-cannot-advertise", "advertise=%s",
             named[0] != '\0' ? named : "none");
    return ERR_CONFIG;
}

int membership_start(struct node *node)
{
    uint64_t seed; /* secret, so not of the id, which everybody knows */

    if (uv_random(NULL, NULL, &seed, sizeof seed, 0, NULL) != 0) {
        log_line(&node->log, LOG_ERROR, "node-no-randomness", " ");
        return ERR_IO;
    }
    struct cluster_options options = {
        .self = {.id = node->id,
                 .data_port = (uint16_t)(node->cluster_addr.port + 1),
                 .name = bytes_str(node->config.name),
                 .region = bytes_str(node->config.region),
                 .endpoint = bytes_str(node->core.endpoint),
                 .version = BYTES(STARLING_VERSION)},
        .host = {.id = node->host,
                 .worker = (uint8_t)node->config.worker,
                 .workers = (uint8_t)node->config.workers},
        .seed = seed,
        .hash_key_print = hash_key_print(&node->core.hash_key),
        .seeded = node->config.join_len > 0,
    };
    int rc = advertised(node, &options.self.cluster);

    if (rc != 0) {
        return rc;
    }
    node->cluster = cluster_new(&options, uv_now(node->loop));
    if (node->cluster == NULL) {
        return ERR_NOMEM;
    }
    node->core.cluster = node->cluster;
    rc = seeds_open(&node->seeds, node->loop, &node->config, &node->log,
                    on_seeds, node);
    if (rc == 0) {
        node_tell_cluster(node, &(struct cluster_news){.type = CLUSTER_TICK});
    }
    return rc;
}

/* --- closing --- */

static void say_going(struct node *node, enum cluster_news_type type)
{
    if (node->cluster != NULL) {
        node_tell_cluster(node, &(struct cluster_news){.type = type});
        mesh_flush(node->mesh, uv_now(node->loop));
    }
}

void membership_drain(struct node *node)
{
    say_going(node, CLUSTER_DRAIN);
}

void membership_drained(struct node *node)
{
    say_going(node, CLUSTER_DRAINED);
}

bool membership_has_parted(const struct node *node)
{
    return node->cluster == NULL || cluster_has_parted(node->cluster);
}

void membership_leave(struct node *node)
{
    say_going(node, CLUSTER_LEAVE);
}

void membership_close(struct node *node)
{
    seeds_close(node->seeds);
    node->seeds = NULL;
    if (node->gossip != NULL) {
        gossip_close(node->gossip);
        node->gossip = NULL;
    }
    if (node->mesh != NULL) {
        mesh_close(node->mesh);
        node->mesh = NULL;
    }
}

/* --- news --- */

static void on_packet(void *data, const struct addr *from, struct bytes plain,
                      bool sealed_for_me)
{
    node_tell_cluster(data, &(struct cluster_news){
                                .type = CLUSTER_PACKET,
                                .from = *from,
                                .bytes = plain,
                                .sealed_for_me = sealed_for_me,
                            });
}

static void on_news(void *data, const struct cluster_news *news)
{
    struct node *node = data;

    if (news->type == CLUSTER_CONTROL) {
        conns_enter(node->conns);
        question_take(node, news->slot, news->bytes);
    } else if (news->type == CLUSTER_PIPE_DOWN) {
        calls_peer_down(node->calls, news->slot);
    }
    node_tell_cluster(node, news);
}

static void on_item(void *data, uint16_t slot, struct item *item,
                    enum peer_hop hop)
{
    static const enum hub_source sources[] = {
        [PEER_HOP_LAST] = HUB_FROM_PEER,
        [PEER_HOP_INGRESS] = HUB_FROM_INGRESS,
        [PEER_HOP_HOST] = HUB_FROM_HOST,
    };
    struct node *node = data;
    struct hub_receipt receipt;

    bool late = !cluster_take(node->cluster, slot, item);
    if ((item->flags & ITEM_TRACE) != 0) {
        conns_enter(node->conns);
        trace_arrived(&node->core.trace, item, slot, hop, late);
    }
    if (late) {
        node->core.stats.link_late++;
        return;
    }
    conns_enter(node->conns);
    hub_publish(node->core.hub, item, sources[hop], &receipt);
}

static void on_seeds(void *data, const struct addr *found, size_t len)
{
    node_tell_cluster(data, &(struct cluster_news){.type = CLUSTER_SEEDS,
                                                   .seeds = found,
                                                   .seeds_len = len});
}

/* --- the turn --- */

/* Counted by the cluster itself, which knows no stats, and by the mesh's
 * threads. */
static void count_refused(struct node *node)
{
    struct stats *stats = &node->core.stats;
    struct cluster_refused refused;

    cluster_refused(node->cluster, &refused);
    stats->gossip_malformed = refused.malformed;
    stats->gossip_version = refused.version;
    stats->gossip_unknown = refused.unknown;
    stats->gossip_join = refused.join;
    stats->link_control = refused.control;
    stats->registers_dropped = refused.registers;
    mesh_count(node->mesh);
}

void membership_end_turn(struct node *node)
{
    uint64_t now_ms = uv_now(node->loop);

    if (node->cluster == NULL || node->mesh == NULL) {
        return;
    }
    keyring_expire(&node->keyring, now_ms);
    cluster_flush(node->cluster, now_ms);
    node_drain_effects(node);
    mesh_flush(node->mesh, now_ms);
}

uint64_t membership_wake_ms(const struct node *node)
{
    return node->cluster == NULL ? UINT64_MAX : cluster_wake_ms(node->cluster);
}

void membership_run(struct node *node)
{
    if (uv_now(node->loop) >= membership_wake_ms(node)) {
        node_tell_cluster(node, &(struct cluster_news){.type = CLUSTER_TICK});
        count_refused(node);
    }
}

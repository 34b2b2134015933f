/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/route.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/err.h"
#include "proto/hash.h"

static struct route_region *region_new(struct bytes name);
static int region_index(struct route *route, struct bytes name);
static void put(uint64_t *bitmap, uint16_t slot, bool on);
static bool has(const uint64_t *bitmap, uint16_t slot);
static bool wants(const struct route_want *want, const uint64_t *bitmap);
static size_t near_hosts(struct route *route, const struct route_want *want,
                         struct cluster_target *targets, size_t max,
                         bool *partial);
static bool may_move(struct route *route, const struct route_region *region,
                     size_t bucket, uint64_t now_ms);
static uint16_t ingress(struct route *route, struct route_region *region,
                        uint64_t hash, uint64_t now_ms);
static uint16_t best(const struct route *route,
                     const struct route_region *region, size_t bucket);
static uint16_t highest(const struct route *route, const uint64_t *choice,
                        size_t bucket);

int route_init(struct route *route, struct bytes own_region)
{
    *route = (struct route){0};
    memset(route->region_of, ROUTE_REGION_NONE, sizeof route->region_of);
    route->regions[0] = region_new(own_region);
    return route->regions[0] == NULL ? ERR_NOMEM : 0;
}

void route_fini(struct route *route)
{
    for (size_t i = 0; i < CLUSTER_REGIONS_MAX; i++) {
        free(route->regions[i]);
        route->regions[i] = NULL;
    }
    hosts_fini(&route->hosts);
}

int route_open(struct route *route, uint16_t slot, const struct peer_node *node)
{
    int index = region_index(route, node->region);

    assert(slot < CLUSTER_PEERS_MAX);
    assert(route->region_of[slot] == ROUTE_REGION_NONE);
    if (index < 0) {
        return index;
    }
    route->region_of[slot] = (uint8_t)index;
    route->weight_of[slot] = hash_mix(node_id_u64(&node->id));
    route->settled_ms[slot] = 0;
    put(route->regions[index]->members, slot, true);
    route->regions[index]->members_len++;
    put(route->direct, slot, index == 0);
    return 0;
}

int route_join(struct route *route, uint16_t slot, const struct peer_host *of,
               bool own)
{
    if (route->region_of[slot] != 0) {
        return 0;
    }
    if (own) {
        put(route->siblings, slot, true);
        return 0;
    }
    int rc = hosts_join(&route->hosts, slot, of);
    if (rc < 0) {
        return rc;
    }
    put(route->direct, slot, route->hosts.of[slot] == NULL);
    if (rc > 0) {
        put(route->regions[0]->missed, slot, true);
    }
    return 0;
}

bool route_host_missed(const struct route *route)
{
    bool missed = false;

    for (size_t i = 0; route->hosts.len > 0 && i < CLUSTER_PEERS_MAX; i++) {
        const struct host *host = route->hosts.of[i];
        missed = missed || (host != NULL && host->missed != 0);
    }
    return missed;
}

uint8_t route_hop(const struct route *route, uint16_t slot)
{
    return route->region_of[slot] != 0       ? PEER_HOP_INGRESS
           : route_host(route, slot) != NULL ? PEER_HOP_HOST
                                             : PEER_HOP_LAST;
}

void route_close(struct route *route, uint16_t slot)
{
    uint8_t index = route->region_of[slot];

    assert(index != ROUTE_REGION_NONE);
    struct route_region *region = route->regions[index];
    route_mark(route, slot, false, false);
    put(region->members, slot, false);
    put(region->missed, slot, false);
    put(region->lacking, slot, false);
    put(route->direct, slot, false);
    put(route->siblings, slot, false);
    hosts_leave(&route->hosts, slot);
    route->region_of[slot] = ROUTE_REGION_NONE;
    if (--region->members_len == 0 && index != 0) {
        route->fence = region->fence > route->fence ? region->fence
                                                    : route->fence;
        free(region);
        route->regions[index] = NULL;
    }
}

void route_mark(struct route *route, uint16_t slot, bool linked, bool able)
{
    assert(route->region_of[slot] != ROUTE_REGION_NONE);
    struct route_region *region = route->regions[route->region_of[slot]];

    put(region->linked, slot, linked);
    put(region->able, slot, linked && able);
    if (linked) {
        return;
    }
    put(region->leave, slot, false);
    put(route->asks, slot, false);
    for (size_t i = 0; i < ROUTE_BUCKETS; i++) {
        if (region->ingress[i] == slot) { /* slots are used again */
            region->ingress[i] = CLUSTER_SLOT_NONE;
        }
    }
}

void route_mark_lacking(struct route *route, uint16_t slot, bool lacking)
{
    put(route->regions[route->region_of[slot]]->lacking, slot, lacking);
}

bool route_is_same(const struct route *route, uint16_t a, uint16_t b)
{
    return route->region_of[a] == route->region_of[b];
}

bool route_has_better(const struct route *route, uint16_t slot)
{
    const struct route_region *region = route->regions[route->region_of[slot]];
    uint64_t able = 0;
    uint64_t whole = 0;

    for (size_t i = 0; i < ROUTE_WORDS; i++) {
        able |= region->able[i];
        whole |= region->able[i] & ~region->lacking[i];
    }
    return has(region->able, slot) ? has(region->lacking, slot) && whole != 0
                                   : able != 0;
}

void route_settle(struct route *route, uint16_t slot, uint64_t ms)
{
    route->settled_ms[slot] = ms;
}

bool route_is_unsettled(const struct route *route, uint16_t slot)
{
    const struct route_region *region = route->regions[route->region_of[slot]];
    bool found = false;

    for (size_t i = 0; i < ROUTE_BUCKETS; i++) {
        found = found || (region->ingress[i] == slot &&
                          region->used_ms[i] >= route->settled_ms[slot]);
    }
    return found;
}

bool route_take_ask(struct route *route, uint16_t *slot)
{
    for (size_t i = 0; route->asking && i < ROUTE_WORDS; i++) {
        if (route->asks[i] != 0) {
            *slot = (uint16_t)(i * 64 +
                               (size_t)__builtin_ctzll(route->asks[i]));
            put(route->asks, *slot, false);
            return true;
        }
    }
    route->asking = false;
    return false;
}

void route_leave(struct route *route, uint16_t slot)
{
    put(route->regions[route->region_of[slot]]->leave, slot, true);
}

void route_stay(struct route *route, uint16_t slot)
{
    put(route->regions[route->region_of[slot]]->leave, slot, false);
}

bool route_leaves(const struct route *route, uint16_t slot)
{
    return has(route->regions[route->region_of[slot]]->leave, slot);
}

uint64_t route_fence(const struct route *route, uint16_t slot)
{
    return route->regions[route->region_of[slot]]->fence;
}

void route_raise_fence(struct route *route, uint16_t slot, uint64_t count)
{
    struct route_region *region = route->regions[route->region_of[slot]];

    region->fence = count > region->fence ? count : region->fence;
}

void route_miss(struct route *route, uint16_t slot)
{
    struct route_region *region = route->regions[route->region_of[slot]];

    if (route->region_of[slot] == 0) {
        put(region->missed, slot, true);
    } else {
        region->missed_all = true;
    }
}

bool route_take_missed(struct route *route, uint16_t slot)
{
    struct route_region *region = route->regions[route->region_of[slot]];
    bool missed = region->missed_all || has(region->missed, slot);

    put(region->missed, slot, false);
    region->missed_all = false;
    return missed;
}

size_t route_targets(struct route *route, const struct route_want *want,
                     uint64_t now_ms, struct cluster_target *targets,
                     size_t max, bool *partial)
{
    size_t len = route_near(route, want, targets, max, partial);

    for (size_t i = 1; i < CLUSTER_REGIONS_MAX; i++) {
        struct route_region *region = route->regions[i];
        if (region == NULL || !wants(want, region->members)) {
            continue;
        }
        uint16_t slot = ingress(route, region, want->hash, now_ms);
        if (slot == CLUSTER_SLOT_NONE || len == max) {
            *partial = true;
            region->missed_all = true;
            continue;
        }
        targets[len++] = (struct cluster_target){slot, PEER_HOP_INGRESS};
    }
    return len;
}

/* Inline: every item comes by. */
static inline size_t near_among(struct route *route,
                                const struct route_want *want,
                                const uint64_t *among,
                                struct cluster_target *targets, size_t max,
                                bool *partial)
{
    struct route_region *own = route->regions[0];
    size_t len = 0;

    *partial = false;
    for (size_t i = 0; want->slots != NULL && i < want->words; i++) {
        uint64_t near = want->slots[i] & among[i];
        uint64_t reach = near & own->linked[i];
        *partial = *partial || reach != near;
        own->missed[i] |= near & ~reach;
        for (; reach != 0; reach &= reach - 1) {
            if (len == max) {
                *partial = true;
                return len;
            }
            uint16_t slot = (uint16_t)(i * 64 + (size_t)__builtin_ctzll(reach));
            targets[len++] = (struct cluster_target){slot, PEER_HOP_LAST};
        }
    }
    return len;
}

size_t route_near(struct route *route, const struct route_want *want,
                  struct cluster_target *targets, size_t max, bool *partial)
{
    size_t len = near_among(route, want, route->direct, targets, max, partial);

    return route->hosts.len == 0 ? len
                                 : len + near_hosts(route, want, targets + len,
                                                    max - len, partial);
}

size_t route_siblings(struct route *route, const struct route_want *want,
                      struct cluster_target *targets, size_t max)
{
    bool partial;

    return near_among(route, want, route->siblings, targets, max, &partial);
}

/* The worker that receives for its process what some of it want. Where it has
 * no link, that is noted, and nobody else receives it. */
static uint16_t receiver(struct route *route, struct host *host, uint64_t hash)
{
    size_t worker = host_worker(host, hash);
    uint16_t slot = host->slots[worker];

    if (slot == CLUSTER_SLOT_NONE) {
        host->missed |= 1ull << worker;
    } else if (!has(route->regions[0]->linked, slot)) {
        put(route->regions[0]->missed, slot, true);
        slot = CLUSTER_SLOT_NONE;
    }
    return slot;
}

static size_t near_hosts(struct route *route, const struct route_want *want,
                         struct cluster_target *targets, size_t max,
                         bool *partial)
{
    const uint64_t *members = route->regions[0]->members;
    uint64_t turn = ++route->hosts.turn;
    size_t len = 0;

    for (size_t i = 0; want->slots != NULL && i < want->words; i++) {
        uint64_t bits = want->slots[i] & members[i] & ~route->direct[i];
        for (; bits != 0; bits &= bits - 1) {
            size_t of = i * 64 + (size_t)__builtin_ctzll(bits);
            struct host *host = route->hosts.of[of];
            if (host->turn == turn) {
                continue;
            }
            host->turn = turn;
            uint16_t slot = receiver(route, host, want->hash);
            if (slot == CLUSTER_SLOT_NONE || len == max) {
                *partial = true;
                continue;
            }
            targets[len++] = (struct cluster_target){slot, PEER_HOP_HOST};
        }
    }
    return len;
}

void route_check(const struct route *route)
{
    size_t members[CLUSTER_REGIONS_MAX] = {0};

    assert(route->regions[0] != NULL);
    hosts_check(&route->hosts);
    for (uint16_t slot = 0; slot < CLUSTER_PEERS_MAX; slot++) {
        uint8_t index = route->region_of[slot];
        if (index != ROUTE_REGION_NONE) {
            members[index]++;
            assert(has(route->regions[index]->members, slot));
        }
        assert(has(route->direct, slot) ==
               (index == 0 && route_host(route, slot) == NULL));
        assert(!route_is_sibling(route, slot) || has(route->direct, slot));
    }
    for (size_t i = 0; i < CLUSTER_REGIONS_MAX; i++) {
        const struct route_region *region = route->regions[i];
        size_t len = 0;
        for (size_t w = 0; region != NULL && w < ROUTE_WORDS; w++) {
            len += (size_t)__builtin_popcountll(region->members[w]);
            assert((region->linked[w] & ~region->members[w]) == 0);
            assert((region->able[w] & ~region->linked[w]) == 0);
            assert((region->lacking[w] & ~region->members[w]) == 0);
            assert((region->leave[w] & ~region->linked[w]) == 0);
        }
        assert(len == members[i]);
        assert(region == NULL || (len == region->members_len));
        assert(region == NULL || len > 0 || i == 0);
        for (size_t b = 0; region != NULL && b < ROUTE_BUCKETS; b++) {
            uint16_t slot = region->ingress[b];
            assert(slot == CLUSTER_SLOT_NONE || has(region->linked, slot));
        }
    }
}

static struct route_region *region_new(struct bytes name)
{
    struct route_region *region = calloc(1, sizeof *region);

    assert(name.len <= REGION_LEN_MAX);
    if (region == NULL) {
        return NULL;
    }
    if (name.len > 0) {
        memcpy(region->name, name.p, name.len);
    }
    region->name_len = name.len;
    memset(region->ingress, 0xff, sizeof region->ingress);
    return region;
}

/* The region of this name, made when it is new. Errors: ERR_LIMIT, ERR_NOMEM.
 */
static int region_index(struct route *route, struct bytes name)
{
    int room = ERR_LIMIT;

    for (int i = CLUSTER_REGIONS_MAX - 1; i >= 0; i--) {
        struct route_region *region = route->regions[i];
        if (region == NULL) {
            room = i;
        } else if (bytes_eq(bytes_of(region->name, region->name_len), name)) {
            return i;
        }
    }
    if (room >= 0) {
        route->regions[room] = region_new(name);
        if (route->regions[room] == NULL) {
            return ERR_NOMEM;
        }
        route->regions[room]->fence = route->fence; /* it may be back */
        return room;
    }
    return room;
}

static void put(uint64_t *bitmap, uint16_t slot, bool on)
{
    uint64_t bit = 1ull << slot % 64;

    bitmap[slot / 64] = on ? bitmap[slot / 64] | bit : bitmap[slot / 64] & ~bit;
}

static bool has(const uint64_t *bitmap, uint16_t slot)
{
    return bitmap[slot / 64] >> slot % 64 & 1;
}

static bool wants(const struct route_want *want, const uint64_t *bitmap)
{
    uint64_t any = 0;

    for (size_t i = 0; want->slots != NULL && i < want->words; i++) {
        any |= want->slots[i] & bitmap[i];
    }
    return any != 0;
}

/* In use it keeps its way, as long as that stands. */
static bool may_move(struct route *route, const struct route_region *region,
                     size_t bucket, uint64_t now_ms)
{
    uint16_t slot = region->ingress[bucket];

    if (slot == CLUSTER_SLOT_NONE || has(region->leave, slot)) {
        return true;
    }
    if (now_ms - region->used_ms[bucket] < ROUTE_IDLE_MS ||
        best(route, region, bucket) == slot) {
        return false;
    }
    if (region->used_ms[bucket] < route->settled_ms[slot]) {
        return true;
    }
    put(route->asks, slot, true);
    route->asking = true;
    return false;
}

static uint16_t ingress(struct route *route, struct route_region *region,
                        uint64_t hash, uint64_t now_ms)
{
    size_t bucket = (size_t)(hash % ROUTE_BUCKETS);

    if (may_move(route, region, bucket, now_ms)) {
        uint16_t slot = best(route, region, bucket);
        region->ingress[bucket] = slot;
        if (slot != CLUSTER_SLOT_NONE) {
            put(region->leave, slot, false); /* there is no other */
        }
    }
    region->used_ms[bucket] = now_ms;
    return region->ingress[bucket];
}

static uint16_t best(const struct route *route,
                     const struct route_region *region, size_t bucket)
{
    uint64_t whole[ROUTE_WORDS];
    uint64_t stays[ROUTE_WORDS];
    const uint64_t *const in_turn[] = {whole, region->able, stays,
                                       region->linked};
    uint16_t found = CLUSTER_SLOT_NONE;

    for (size_t i = 0; i < ROUTE_WORDS; i++) {
        whole[i] = region->able[i] & ~region->lacking[i];
        stays[i] = region->linked[i] & ~region->leave[i];
    }
    for (size_t i = 0; i < ARRAY_LEN(in_turn) && found == CLUSTER_SLOT_NONE;
         i++) {
        found = highest(route, in_turn[i], bucket);
    }
    return found;
}

static uint16_t highest(const struct route *route, const uint64_t *choice,
                        size_t bucket)
{
    uint16_t found = CLUSTER_SLOT_NONE;
    uint64_t weight = 0;

    for (size_t i = 0; i < ROUTE_WORDS; i++) {
        for (uint64_t bits = choice[i]; bits != 0; bits &= bits - 1) {
            uint16_t slot = (uint16_t)(i * 64 + (size_t)__builtin_ctzll(bits));
            uint64_t its = hash_mix(route->weight_of[slot] + bucket);
            if (found == CLUSTER_SLOT_NONE || its > weight) {
                found = slot;
                weight = its;
            }
        }
    }
    return found;
}

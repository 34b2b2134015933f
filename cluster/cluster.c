/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/cluster.h"

#include <assert.h>
#include <stdlib.h>

#include "cluster/inside.h"
#include "cluster/rng.h"
#include "proto/err.h"

static void copy_self(struct cluster *cluster, const struct peer_node *from);
static struct swim *make_swim(const struct cluster_options *options,
                              uint64_t now_ms);
static void take_packet(struct cluster *cluster,
                        const struct cluster_news *news);
static void take_control(struct cluster *cluster,
                         const struct cluster_news *news);
static void take_message(struct cluster *cluster, uint16_t slot,
                         const struct peer_message *m);
static void take_link_news(struct cluster *cluster,
                           const struct cluster_news *news);
static void drain(struct cluster *cluster);
static void step_swim(struct cluster *cluster, const struct swim_news *news);
static void take_swim(struct cluster *cluster, const struct swim_out *out);
static void end_step(struct cluster *cluster);
static void tick(struct cluster *cluster);
static struct route_want want_of(const struct cluster *cluster,
                                 const struct item *item, uint64_t *slots);

struct cluster *cluster_new(const struct cluster_options *options,
                            uint64_t now_ms)
{
    struct cluster *cluster = calloc(1, sizeof *cluster);

    assert(options->seeds_len <= CLUSTER_SEEDS_MAX);
    if (cluster == NULL) {
        return NULL;
    }
    cluster->now_ms = now_ms;
    cluster->tick_ms = now_ms + TICK_MS;
    cluster->visit_ms = now_ms;
    cluster->hash_key_print = options->hash_key_print;
    cluster->host = options->host;
    cluster->host_whole = options->host.workers < 2;
    cluster->end_slot = CLUSTER_SLOT_NONE;
    copy_self(cluster, &options->self);
    cluster->known_sum = weight_of(&cluster->self.id);
    cluster->counted_sum = cluster->known_sum;
    memset(cluster->slot_of_row, 0xff, sizeof cluster->slot_of_row);
    replog_init(&cluster->log, options->interests_max);
    registers_init(&cluster->registers, &cluster->log, options->hash_key_print);
    outbox_init(&cluster->outbox);
    cluster->swim = make_swim(options, now_ms);
    if (cluster->swim == NULL ||
        interest_init(&cluster->interest, 0, options->seed) != 0 ||
        route_init(&cluster->route, cluster->self.region) != 0 ||
        gate_init(&cluster->gate, options->seeded || options->seeds_len > 0,
                  now_ms) != 0) {
        cluster_free(cluster);
        return NULL;
    }
    cluster->interest.registers = &cluster->registers;
    end_step(cluster);
    return cluster;
}

void cluster_free(struct cluster *cluster)
{
    if (cluster == NULL) {
        return;
    }
    for (size_t slot = 0; slot < cluster->slots; slot++) {
        free(cluster->peers[slot]);
    }
    swim_free(cluster->swim);
    registers_fini(&cluster->registers);
    replog_fini(&cluster->log);
    interest_fini(&cluster->interest);
    route_fini(&cluster->route);
    fences_fini(&cluster->fences);
    gate_fini(&cluster->gate);
    outbox_fini(&cluster->outbox);
    buf_fini(&cluster->scratch);
    free(cluster);
}

void cluster_step(struct cluster *cluster, const struct cluster_news *news,
                  uint64_t now_ms)
{
    assert(now_ms >= cluster->now_ms);
    cluster->now_ms = now_ms;
    switch (news->type) {
    case CLUSTER_TICK:
        break;
    case CLUSTER_PACKET:
        take_packet(cluster, news);
        break;
    case CLUSTER_CONTROL:
        take_control(cluster, news);
        break;
    case CLUSTER_PIPE_UP:
    case CLUSTER_PIPE_DOWN:
    case CLUSTER_LOST:
    case CLUSTER_FENCED:
    case CLUSTER_NUMBERS:
        take_link_news(cluster, news);
        break;
    case CLUSTER_LAG:
        step_swim(cluster,
                  &(struct swim_news){.type = SWIM_LAG, .ms = news->ms});
        break;
    case CLUSTER_SEEDS:
        step_swim(cluster, &(struct swim_news){.type = SWIM_SEEDS,
                                               .seeds = news->seeds,
                                               .seeds_len = news->seeds_len});
        break;
    case CLUSTER_DRAIN:
        drain(cluster);
        break;
    case CLUSTER_DRAINED:
        drain(cluster);
        loss_end_all(cluster);
        break;
    case CLUSTER_LEAVE:
        drain(cluster);
        step_swim(cluster, &(struct swim_news){.type = SWIM_LEAVE});
        break;
    }
    end_step(cluster);
}

uint64_t cluster_wake_ms(const struct cluster *cluster)
{
    uint64_t wake_ms = swim_wake_ms(cluster->swim);
    uint64_t barrier_ms = barrier_wake_ms(&cluster->barrier);

    if (cluster->tick_ms < wake_ms) {
        wake_ms = cluster->tick_ms;
    }
    if (barrier_ms < wake_ms) {
        wake_ms = barrier_ms;
    }
    if (cluster->walk_more && cluster->now_ms + 1 < wake_ms) {
        wake_ms = cluster->now_ms + 1;
    }
    return wake_ms;
}

bool cluster_next(struct cluster *cluster, struct cluster_effect *effect)
{
    if (slots_next(cluster, effect) || outbox_next(&cluster->outbox, effect)) {
        return true;
    }
    if (cluster->gate.due) {
        cluster->gate.due = false;
        *effect = (struct cluster_effect){.type = CLUSTER_READY,
                                          .alone = cluster->gate.alone};
        return true;
    }
    if (loss_next(cluster, effect)) {
        return true;
    }
    *effect = (struct cluster_effect){
        .type = CLUSTER_REGISTER, .reg = registers_next(&cluster->registers)};
    if (effect->reg != NULL) {
        return true;
    }
    if (!barrier_next(&cluster->barrier, effect)) {
        return false;
    }
    effect->partial = effect->partial || cluster_late(cluster) > 0;
    return true;
}

uint64_t cluster_want(struct cluster *cluster, uint64_t hash, bool wanted)
{
    uint64_t version = replog_want(&cluster->log, hash, wanted);

    cluster_flush_if_long(cluster);
    return version;
}

uint64_t cluster_want_pattern(struct cluster *cluster,
                              const struct peer_record *record)
{
    uint64_t version = replog_want_record(&cluster->log, record);

    cluster_flush_if_long(cluster);
    return version;
}

void cluster_flush(struct cluster *cluster, uint64_t now_ms)
{
    assert(now_ms >= cluster->now_ms);
    cluster->now_ms = now_ms;
    sync_flush(cluster);
    if (cluster->hold_due) {
        sync_hold(cluster);
    }
}

uint64_t cluster_version(const struct cluster *cluster)
{
    return cluster->log.version;
}

uint64_t cluster_held(const struct cluster *cluster, enum cluster_scope scope)
{
    bool nobody = scope == CLUSTER_SCOPE_REGION ? cluster->near_linked_len == 0
                                                : cluster->linked_len == 0;

    if (is_in_place(cluster) && nobody) {
        return cluster->log.version;
    }
    return cluster->barrier.scopes[scope].held;
}

size_t cluster_route(struct cluster *cluster, const struct item *item,
                     struct cluster_target *targets, size_t max, bool *partial)
{
    uint64_t slots[PATTERNS_WORDS];
    struct route_want want = want_of(cluster, item, slots);

    *partial = cluster_late(cluster) > 0;
    if (want.slots == NULL) {
        return 0; /* nobody wants it */
    }
    bool missed;
    size_t len = route_targets(&cluster->route, &want, cluster->now_ms, targets,
                               max, &missed);
    *partial = *partial || missed;
    cluster->count = item->count;
    if (cluster->route.asking) {
        moves_ask(cluster);
    }
    return len;
}

size_t cluster_relay(struct cluster *cluster, const struct item *item,
                     enum peer_hop hop, struct cluster_target *targets,
                     size_t max)
{
    uint64_t slots[PATTERNS_WORDS];
    struct route_want want = want_of(cluster, item, slots);
    bool partial;

    if (hop == PEER_HOP_HOST) {
        cluster->rounds[ROUND_HOST].relays++;
        return route_siblings(&cluster->route, &want, targets, max);
    }
    cluster->rounds[ROUND_REGION].relays++;
    return route_near(&cluster->route, &want, targets, max, &partial);
}

size_t cluster_living(const struct cluster *cluster)
{
    return swim_living(cluster->swim);
}

size_t cluster_links(const struct cluster *cluster)
{
    return cluster->linked_len;
}

size_t cluster_late(const struct cluster *cluster)
{
    return cluster->late_len + cluster->host_late;
}

bool cluster_is_ready(const struct cluster *cluster)
{
    return cluster->gate.ready;
}

bool cluster_is_alone(const struct cluster *cluster)
{
    return cluster->gate.alone;
}

const char *cluster_why_not_ready(const struct cluster *cluster)
{
    return cluster->gate.ready ? "" : cluster->why;
}

size_t cluster_interest_bytes(const struct cluster *cluster)
{
    return interest_bytes(&cluster->interest);
}

bool cluster_tell(struct cluster *cluster, uint16_t slot,
                  const struct peer_message *message)
{
    struct cluster_effect effect = {.type = CLUSTER_TELL, .slot = slot};
    struct outbox_span span;

    return outbox_message(&cluster->outbox, message, &span) &&
           outbox_put(&cluster->outbox, &effect, span);
}

void cluster_say(struct cluster *cluster, enum cluster_event event,
                 const struct peer *peer, const char *text)
{
    const struct member *member = swim_find(cluster->swim, &peer->id);
    struct cluster_effect effect = {
        .type = CLUSTER_EVENT,
        .event = event,
        .peer = member != NULL ? &member->node : NULL,
        .text = text,
    };

    (void)outbox_put(&cluster->outbox, &effect, (struct outbox_span){0});
}

void cluster_wrong(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    cluster->wrong++;
    if (!peer->wrong) {
        peer->wrong = true;
        cluster_say(cluster, CLUSTER_REFUSED, peer,
                    "sent control messages that make no sense");
    }
}

void cluster_check(const struct cluster *cluster)
{
    swim_check(cluster->swim);
    replog_check(&cluster->log);
    registers_check(&cluster->registers);
    interest_check(&cluster->interest);
    route_check(&cluster->route);
    barrier_check(&cluster->barrier);
    slots_check(cluster);
    assert(cluster->flushed <= cluster->log.version);
    assert(cluster->gate.ready || !cluster->gate.alone);
}

void cluster_flush_if_long(struct cluster *cluster)
{
    if (cluster->log.version - cluster->flushed >= REPLOG_RING_MAX / 2) {
        sync_flush(cluster);
    }
}

static void copy_text(struct bytes *text, uint8_t **to)
{
    if (text->len > 0) {
        memcpy(*to, text->p, text->len);
    }
    text->p = *to;
    *to += text->len;
}

static void copy_self(struct cluster *cluster, const struct peer_node *from)
{
    struct peer_node *self = &cluster->self;
    uint8_t *to = cluster->self_text;

    assert(from->name.len <= NODE_NAME_LEN_MAX);
    assert(from->region.len <= REGION_LEN_MAX);
    assert(from->endpoint.len <= ENDPOINT_LEN_MAX);
    assert(from->version.len <= GOSSIP_VERSION_LEN_MAX);
    *self = *from;
    copy_text(&self->name, &to);
    copy_text(&self->region, &to);
    copy_text(&self->endpoint, &to);
    copy_text(&self->version, &to);
}

/* The seed is of this life and known to nobody else, so the cookie key may
 * come from it. */
static struct swim *make_swim(const struct cluster_options *options,
                              uint64_t now_ms)
{
    struct swim_options swim = {
        .self = options->self,
        .hash_key_print = options->hash_key_print,
        .peers_max = CLUSTER_PEERS_MAX,
        .seeds_len = options->seeds_len,
    };
    struct rng rng;

    static_assert((int)CLUSTER_SEEDS_MAX == (int)SWIM_SEEDS_MAX, "the same");
    rng_init(&rng, options->seed);
    swim.seed = rng_u64(&rng);
    bytes_put_u64be(swim.cookie_key.b, rng_u64(&rng));
    bytes_put_u64be(swim.cookie_key.b + 8, rng_u64(&rng));
    memcpy(swim.seeds, options->seeds, sizeof swim.seeds);
    return swim_new(&swim, now_ms);
}

static void take_packet(struct cluster *cluster,
                        const struct cluster_news *news)
{
    step_swim(cluster, &(struct swim_news){
                           .type = SWIM_PACKET,
                           .from = news->from,
                           .bytes = news->bytes,
                           .sealed_for_me = news->sealed_for_me,
                       });
}

static void take_control(struct cluster *cluster,
                         const struct cluster_news *news)
{
    struct bytes in = news->bytes;

    if (peer_at(cluster, news->slot) == NULL ||
        !link_heard(cluster, news->slot, news->epoch)) {
        return;
    }
    cluster->end_slot = news->slot;
    while (in.len > 0) {
        struct peer_message m;
        ptrdiff_t len = peer_message_read(in, &m);
        if (len <= 0) {
            cluster_wrong(cluster, news->slot);
            return;
        }
        take_message(cluster, news->slot, &m);
        in = bytes_skip(in, (size_t)len);
    }
}

static void take_message(struct cluster *cluster, uint16_t slot,
                         const struct peer_message *m)
{
    switch (m->type) {
    case PEER_HELLO:
        link_hello(cluster, slot, m);
        sync_hello(cluster, slot, m);
        break;
    case PEER_DELTA:
        sync_delta(cluster, slot, m);
        break;
    case PEER_SNAPSHOT:
        sync_snapshot(cluster, slot, m);
        break;
    case PEER_PULL:
        sync_pull(cluster, slot, m);
        break;
    case PEER_HAVE:
        sync_have(cluster, slot, m->version);
        break;
    case PEER_BYE:
        link_bye(cluster, slot);
        break;
    default: /* of a newer version, or for the hub: ask, answer */
        break;
    }
}

/* A slot that was closed meanwhile is no news. */
static void take_link_news(struct cluster *cluster,
                           const struct cluster_news *news)
{
    const struct peer *peer = peer_at(cluster, news->slot);

    if (peer == NULL) {
        return;
    }
    cluster->end_slot = news->slot;
    if (news->type == CLUSTER_PIPE_UP) {
        link_pipe_up(cluster, news->slot, news->epoch);
    } else if (news->type == CLUSTER_PIPE_DOWN) {
        struct swim_news down = {.type = SWIM_LINK_DOWN, .member = peer->id};
        link_pipe_down(cluster, news->slot);
        step_swim(cluster, &down);
    } else if (news->type == CLUSTER_LOST) {
        loss_lost(cluster, news->slot, news->bytes);
    } else if (news->type == CLUSTER_FENCED) {
        moves_fenced(cluster, news->slot, news->bytes);
    } else {
        loss_numbers(cluster, news->slot, news);
    }
}

static void drain(struct cluster *cluster)
{
    struct peer_message bye = {.type = PEER_BYE};

    if (cluster->draining) {
        return;
    }
    cluster->draining = true;
    for (size_t slot = 0; slot < cluster->slots; slot++) {
        const struct peer *peer = peer_at(cluster, slot);
        if (peer != NULL && peer->pipe) {
            (void)cluster_tell(cluster, (uint16_t)slot, &bye);
        }
    }
}

static void step_swim(struct cluster *cluster, const struct swim_news *news)
{
    struct swim_out out;

    swim_step(cluster->swim, news, cluster->now_ms);
    while (swim_next(cluster->swim, &out)) {
        take_swim(cluster, &out);
    }
}

static void take_swim(struct cluster *cluster, const struct swim_out *out)
{
    static const enum cluster_event event_of[] = {
        [SWIM_JOINED] = CLUSTER_JOINED,
        [SWIM_SUSPECT] = CLUSTER_SUSPECT,
        [SWIM_REFUTED] = CLUSTER_REFUTED,
        [SWIM_DEAD] = CLUSTER_DEAD,
        [SWIM_SAID_LEFT] = CLUSTER_LEFT,
        [SWIM_DUPLICATE] = CLUSTER_DUPLICATE,
        [SWIM_REFUSED] = CLUSTER_REFUSED,
        [SWIM_SEED_SILENT] = CLUSTER_SEED_SILENT,
    };
    struct cluster_effect effect = {.to = out->to,
                                    .dst = out->dst,
                                    .text = out->text,
                                    .speaks = out->version,
                                    .speaks_least = out->least};
    struct outbox_span span = {0};

    if (out->type == SWIM_HEARD) {
        return; /* the hello on the link says it too, in order */
    }
    if (out->type == SWIM_SEND) {
        effect.type = CLUSTER_SEND;
        if (!outbox_bytes(&cluster->outbox, out->bytes, &span)) {
            return;
        }
    } else {
        effect.type = CLUSTER_EVENT;
        effect.event = event_of[out->type];
        effect.peer = out->member != NULL ? &out->member->node : NULL;
    }
    (void)outbox_put(&cluster->outbox, &effect, span);
    if (out->type == SWIM_JOINED) {
        slots_open(cluster, out->member);
    } else if (out->type == SWIM_DEAD || out->type == SWIM_SAID_LEFT) {
        slots_close(cluster, out->member);
    }
}

static void end_step(struct cluster *cluster)
{
    if (cluster->now_ms >= swim_wake_ms(cluster->swim)) {
        step_swim(cluster, &(struct swim_news){.type = SWIM_TICK});
    }
    if (cluster->now_ms >= cluster->tick_ms) {
        tick(cluster);
    }
    if (cluster->registers.moved) { /* what was learned is passed on */
        cluster->registers.moved = false;
        sync_flush(cluster);
    }
    cluster->walk_more = sync_walk(cluster);
    if (!cluster->gate.ready) {
        opening_try(cluster);
    }
    size_t slot = cluster->end_due ? 0 : cluster->end_slot;
    size_t until = cluster->end_due ? cluster->slots : slot + 1;
    for (; slot < until; slot++) {
        if (peer_at(cluster, slot) != NULL) {
            sync_end_step(cluster, (uint16_t)slot);
            link_end_step(cluster, (uint16_t)slot);
        }
    }
    cluster->end_due = false;
    cluster->end_slot = CLUSTER_SLOT_NONE;
    if (cluster->hold_due) {
        sync_hold(cluster);
    }
    barrier_tick(&cluster->barrier, cluster->now_ms);
}

static void tick(struct cluster *cluster)
{
    cluster->tick_ms = cluster->now_ms + TICK_MS;
    if (cluster->starved) {
        slots_retry(cluster);
    }
    link_tick(cluster);
    registers_forget(&cluster->registers, FORGET_MAX);
    moves_tick(cluster);
    through_tick(cluster);
    process_tick(cluster);
}

static struct route_want want_of(const struct cluster *cluster,
                                 const struct item *item, uint64_t *slots)
{
    static_assert((int)PATTERNS_SLOTS_MAX == (int)CLUSTER_PEERS_MAX, "all");
    return (struct route_want){
        .slots = interest_match(&cluster->interest, item, slots),
        .words = interest_words(&cluster->interest),
        .hash = item->hash,
    };
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/swim_world.h"

#include "proto/hash.h"

struct world *world_new(uint64_t seed)
{
    struct world *w = calloc(1, sizeof *w);

    assert_non_null(w);
    w->now_ms = 1000;
    w->delay_ms = 1;
    w->far_delay_ms = 40;
    w->check = true;
    w->peers_max = WORLD_NODES_MAX;
    w->print = 7;
    rng_init(&w->rng, seed);
    return w;
}

void world_free(struct world *w)
{
    for (size_t i = 0; i < w->nodes_len; i++) {
        struct world_node *n = &w->nodes[i];
        swim_free(n->swim);
        for (size_t j = 0; j < n->waiting_len; j++) {
            free(n->waiting[j]);
        }
        free(n->waiting);
    }
    for (size_t i = 0; i < WORLD_PACKET_MS; i++) {
        for (size_t j = 0; j < w->packets[i].len; j++) {
            free(w->packets[i].list[j]);
        }
        free(w->packets[i].list);
    }
    for (size_t i = 0; i < WORLD_WAKE_MS; i++) {
        free(w->wakes[i].nodes);
    }
    free(w);
}

struct addr world_addr(uint16_t place)
{
    struct addr a = {.port = 7401};

    a.ip[10] = a.ip[11] = 0xff;
    a.ip[12] = 10;
    a.ip[14] = (uint8_t)(place >> 8);
    a.ip[15] = (uint8_t)place;
    return a;
}

/* --- the network
 * --------------------------------------------------------------- */

static struct world_packets *packets_at(struct world *w, uint64_t ms)
{
    return &w->packets[ms % WORLD_PACKET_MS];
}

static struct world_wakes *wakes_at(struct world *w, uint64_t ms)
{
    return &w->wakes[ms % WORLD_WAKE_MS];
}

static void packet_add(struct world_packets *packets, struct world_packet *p)
{
    if (packets->len == packets->cap) {
        packets->cap = packets->cap == 0 ? 16 : 2 * packets->cap;
        packets->list = realloc(packets->list,
                                packets->cap * sizeof *packets->list);
        assert_non_null(packets->list);
    }
    packets->list[packets->len++] = p;
}

static void wake_add(struct world *w, size_t node, uint64_t at_ms)
{
    struct world_wakes *wakes = wakes_at(w, at_ms);

    if (wakes->len == wakes->cap) {
        wakes->cap = wakes->cap == 0 ? 16 : 2 * wakes->cap;
        wakes->nodes = realloc(wakes->nodes, wakes->cap * sizeof *wakes->nodes);
        assert_non_null(wakes->nodes);
    }
    wakes->nodes[wakes->len++] = (uint16_t)node;
    w->nodes[node].wake_at_ms = at_ms;
}

/* When its step is due, or a little before: then it is only looked at. */
static void schedule(struct world *w, size_t node)
{
    struct world_node *n = &w->nodes[node];
    uint64_t at_ms = swim_wake_ms(n->swim);

    if (at_ms <= w->now_ms) {
        at_ms = w->now_ms + 1;
    } else if (at_ms >= w->now_ms + WORLD_WAKE_MS) {
        at_ms = w->now_ms + WORLD_WAKE_MS - 1;
    }
    if (n->wake_at_ms == 0 || at_ms < n->wake_at_ms) {
        wake_add(w, node, at_ms);
    }
}

size_t world_index(const struct world *w, const struct addr *addr)
{
    return w->at_place[addr->ip[14] << 8 | addr->ip[15]] - (size_t)1;
}

static bool is_torn(const struct world *w, size_t a, size_t b)
{
    return (a == w->torn[0] && b == w->torn[1]) ||
           (a == w->torn[1] && b == w->torn[0]);
}

static void trace(struct world *w, struct bytes bytes)
{
    w->digest = hash_mix(w->digest ^ w->now_ms);
    for (size_t i = 0; i < bytes.len; i++) {
        w->digest = hash_mix(w->digest ^ bytes.p[i]);
    }
}

static void send_out(struct world *w, struct world_node *from,
                     const struct swim_out *out)
{
    size_t to = world_index(w, &out->to);

    from->bytes_out += out->bytes.len + WORLD_SEAL_LEN;
    from->packets_out++;
    if (w->check) {
        trace(w, out->bytes);
    }
    if (to >= w->nodes_len || !w->nodes[to].running ||
        w->nodes[to].side != from->side ||
        is_torn(w, (size_t)(from - w->nodes), to) ||
        (w->loss_percent > 0 && rng_below(&w->rng, 100) < w->loss_percent)) {
        return;
    }
    uint32_t delay = strcmp(from->region, w->nodes[to].region) == 0
                         ? w->delay_ms
                         : w->far_delay_ms;
    struct world_packet *p = malloc(sizeof *p + out->bytes.len);
    assert_non_null(p);
    assert_true(2 * delay < WORLD_PACKET_MS);
    p->node = to;
    p->dst = out->dst;
    p->from = from->addr;
    p->len = out->bytes.len;
    memcpy(p->bytes, out->bytes.p, out->bytes.len);
    packet_add(packets_at(w, w->now_ms + delay + rng_below(&w->rng, delay + 1)),
               p);
}

static void drain(struct world *w, struct world_node *node)
{
    struct swim_out out;

    while (swim_next(node->swim, &out)) {
        node->events[out.type]++;
        if (out.type == SWIM_SEND) {
            send_out(w, node, &out);
            continue;
        }
        if (out.text != NULL) {
            node->text = out.text;
        }
        if (w->on_event != NULL) {
            w->on_event(w->data, (size_t)(node - w->nodes), &out);
        }
    }
    if (w->check) {
        swim_check(node->swim);
    }
    schedule(w, (size_t)(node - w->nodes));
}

void world_news(struct world *w, size_t node, const struct swim_news *news)
{
    swim_step(w->nodes[node].swim, news, w->now_ms);
    drain(w, &w->nodes[node]);
}

void world_inject(struct world *w, size_t node, const struct addr *from,
                  struct bytes bytes, bool sealed_for_me)
{
    struct swim_news news = {.type = SWIM_PACKET,
                             .from = *from,
                             .bytes = bytes,
                             .sealed_for_me = sealed_for_me};
    world_news(w, node, &news);
}

static void deliver(struct world *w, struct world_packet *p)
{
    static const struct node_id nobody;
    struct world_node *node = &w->nodes[p->node];
    bool for_all = node_id_eq(&p->dst, &nobody);

    if (!node->running || (!for_all && !node_id_eq(&p->dst, &node->id))) {
        free(p);
        return;
    }
    if (node->paused) {
        if (node->waiting_len < WORLD_SOCKET_LEN) {
            node->waiting[node->waiting_len++] = p;
        } else {
            free(p);
        }
        return;
    }
    world_inject(w, p->node, &p->from, bytes_of(p->bytes, p->len), !for_all);
    free(p);
}

static void wake(struct world *w, size_t node)
{
    struct world_node *n = &w->nodes[node];

    if (n->wake_at_ms != w->now_ms) {
        return; /* it was woken before, or will be */
    }
    n->wake_at_ms = 0;
    if (!n->running || n->paused) {
        return;
    }
    if (swim_wake_ms(n->swim) <= w->now_ms) {
        world_news(w, node, &(struct swim_news){.type = SWIM_TICK});
    } else {
        schedule(w, node);
    }
}

/* Everything that is due now. */
static void run_now(struct world *w)
{
    struct world_packets *packets = packets_at(w, w->now_ms);
    struct world_wakes *wakes = wakes_at(w, w->now_ms);

    for (size_t i = 0; i < packets->len; i++) {
        deliver(w, packets->list[i]);
    }
    packets->len = 0;
    for (size_t i = 0; i < wakes->len; i++) {
        wake(w, wakes->nodes[i]);
    }
    wakes->len = 0;
}

void world_run(struct world *w, uint64_t ms)
{
    uint64_t until_ms = w->now_ms + ms;

    run_now(w);
    while (w->now_ms < until_ms) {
        w->now_ms++;
        run_now(w);
    }
}

uint64_t world_until(struct world *w, world_test test, const void *data,
                     uint64_t limit_ms)
{
    uint64_t start_ms = w->now_ms;

    while (!test(w, data)) {
        if (w->now_ms - start_ms >= limit_ms) {
            fail_msg("not within %" PRIu64 " ms", limit_ms);
        }
        world_run(w, 10 - w->now_ms % 10);
    }
    return w->now_ms - start_ms;
}

/* --- the nodes
 * ------------------------------------------------------------------ */

size_t world_start(struct world *w, uint16_t place, const char *name,
                   const char *region, uint16_t seed_place)
{
    size_t index = w->nodes_len++;
    struct world_node *n = &w->nodes[index];
    uint64_t a = rng_u64(&w->rng);
    uint64_t b = rng_u64(&w->rng);

    assert_true(index < WORLD_NODES_MAX);
    *n = (struct world_node){.addr = world_addr(place), .running = true};
    bytes_put_u64be(n->id.b, a);
    bytes_put_u64be(n->id.b + 8, b);
    strncpy(n->name, name, sizeof n->name - 1);
    strncpy(n->region, region, sizeof n->region - 1);
    struct swim_options options = {
        .self = {.id = n->id,
                 .cluster = w->says_place == 0 ? n->addr
                                               : world_addr(w->says_place),
                 .data_port = 7402,
                 .name = bytes_str(n->name),
                 .region = bytes_str(n->region),
                 .endpoint = BYTES("http://127.0.0.1:7400"),
                 .version = BYTES("0.1.0")},
        .seed = a ^ b,
        .hash_key_print = w->print,
        .peers_max = w->peers_max,
        .dead_max = w->dead_max,
        .seeds_len = seed_place == 0 ? 0 : 1,
        .seeds = {world_addr(seed_place)},
    };
    bytes_put_u64be(options.cookie_key.b, a + b);
    n->swim = swim_new(&options, w->now_ms);
    assert_non_null(n->swim);
    w->at_place[place] = (uint16_t)(index + 1);
    schedule(w, index);
    return index;
}

void world_start_many(struct world *w, size_t n, size_t regions)
{
    for (size_t i = 1; i <= n; i++) {
        char name[16] = {'n', (char)('0' + i / 1000),
                         (char)('0' + i / 100 % 10), (char)('0' + i / 10 % 10),
                         (char)('0' + i % 10)};
        char region[8] = {'r', (char)('0' + i % regions)};
        world_start(w, (uint16_t)i, name, region, 1);
    }
}

void world_kill(struct world *w, size_t node)
{
    w->nodes[node].running = false;
}

void world_reset_links(struct world *w, size_t node)
{
    for (size_t i = 0; i < w->nodes_len; i++) {
        if (w->nodes[i].running && i != node) {
            world_news(w, i,
                       &(struct swim_news){.type = SWIM_LINK_DOWN,
                                           .member = w->nodes[node].id});
        }
    }
}

void world_pause(struct world *w, size_t node, bool paused)
{
    struct world_node *n = &w->nodes[node];

    n->paused = paused;
    if (paused) {
        n->waiting = realloc(n->waiting,
                             WORLD_SOCKET_LEN * sizeof(struct world_packet *));
        assert_non_null(n->waiting);
        return;
    }
    for (size_t i = 0; i < n->waiting_len; i++) {
        packet_add(packets_at(w, w->now_ms), n->waiting[i]);
    }
    n->waiting_len = 0;
    wake_add(w, node, w->now_ms);
}

int world_state(const struct world *w, size_t at, size_t about)
{
    const struct member *m = swim_find(w->nodes[at].swim, &w->nodes[about].id);

    return m == NULL ? -1 : (int)m->state;
}

static bool holds_all_alive(const struct world *w, size_t at)
{
    for (size_t j = 0; j < w->nodes_len; j++) {
        if (j != at && w->nodes[j].running &&
            world_state(w, at, j) != GOSSIP_ALIVE) {
            return false;
        }
    }
    return true;
}

bool world_agrees(const struct world *w, const void *unused)
{
    size_t running = 0;
    (void)unused;

    for (size_t i = 0; i < w->nodes_len; i++) {
        running += w->nodes[i].running;
    }
    for (size_t i = 0; i < w->nodes_len; i++) { /* the cheap question first */
        if (w->nodes[i].running &&
            swim_living(w->nodes[i].swim) != running - 1) {
            return false;
        }
    }
    for (size_t i = 0; i < w->nodes_len; i++) {
        if (w->nodes[i].running && !holds_all_alive(w, i)) {
            return false;
        }
    }
    return true;
}

bool world_buried(const struct world *w, const void *data)
{
    size_t about = *(const size_t *)data;

    for (size_t i = 0; i < w->nodes_len; i++) {
        if (w->nodes[i].running && i != about &&
            (world_state(w, i, about) == GOSSIP_ALIVE ||
             world_state(w, i, about) == GOSSIP_SUSPECT)) {
            return false;
        }
    }
    return true;
}

unsigned world_events(const struct world *w, enum swim_out_type type)
{
    unsigned sum = 0;

    for (size_t i = 0; i < w->nodes_len; i++) {
        sum += w->nodes[i].events[type];
    }
    return sum;
}

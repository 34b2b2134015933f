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
        swim_free(w->nodes[i].swim);
    }
    for (size_t i = 0; i < w->heap_len; i++) {
        free(w->heap[i]);
    }
    free(w->heap);
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

static bool is_before(const struct world_packet *a,
                      const struct world_packet *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->number < b->number;
}

static void heap_push(struct world *w, struct world_packet *p)
{
    if (w->heap_len == w->heap_cap) {
        w->heap_cap = w->heap_cap == 0 ? 256 : 2 * w->heap_cap;
        w->heap = realloc(w->heap, w->heap_cap * sizeof *w->heap);
        assert_non_null(w->heap);
    }
    size_t i = w->heap_len++;
    while (i > 0 && is_before(p, w->heap[(i - 1) / 2])) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = p;
}

static struct world_packet *heap_pop(struct world *w)
{
    struct world_packet *first = w->heap[0];
    struct world_packet *last = w->heap[--w->heap_len];
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= w->heap_len) {
            break;
        }
        if (child + 1 < w->heap_len &&
            is_before(w->heap[child + 1], w->heap[child])) {
            child++;
        }
        if (is_before(last, w->heap[child])) {
            break;
        }
        w->heap[i] = w->heap[child];
        i = child;
    }
    if (w->heap_len > 0) {
        w->heap[i] = last;
    }
    return first;
}

static bool is_torn(const struct world *w, size_t a, size_t b)
{
    return (a == w->torn[0] && b == w->torn[1]) ||
           (a == w->torn[1] && b == w->torn[0]);
}

static void send_out(struct world *w, struct world_node *from,
                     const struct swim_out *out)
{
    size_t to = w->nodes_len;

    from->bytes_out += out->bytes.len + WORLD_SEAL_LEN;
    from->packets_out++;
    w->digest = hash_mix(w->digest ^ w->now_ms);
    for (size_t i = 0; i < out->bytes.len; i++) {
        w->digest = hash_mix(w->digest ^ out->bytes.p[i]);
    }
    for (size_t i = 0; i < w->nodes_len; i++) {
        if (w->nodes[i].running && addr_eq(&w->nodes[i].addr, &out->to)) {
            to = i;
        }
    }
    if (to == w->nodes_len || w->nodes[to].side != from->side ||
        is_torn(w, (size_t)(from - w->nodes), to) ||
        rng_below(&w->rng, 100) < w->loss_percent) {
        return;
    }
    uint32_t delay = strcmp(from->region, w->nodes[to].region) == 0
                         ? w->delay_ms
                         : w->far_delay_ms;
    struct world_packet *p = malloc(sizeof *p);
    assert_non_null(p);
    assert_true(out->bytes.len <= sizeof p->bytes);
    p->at_ms = w->now_ms + delay + rng_below(&w->rng, delay + 1);
    p->number = ++w->numbers;
    p->node = to;
    p->dst = out->dst;
    p->from = from->addr;
    p->len = (uint16_t)out->bytes.len;
    memcpy(p->bytes, out->bytes.p, out->bytes.len);
    heap_push(w, p);
}

static void drain(struct world *w, struct world_node *node)
{
    struct swim_out out;

    while (swim_next(node->swim, &out)) {
        node->events[out.type]++;
        if (out.type == SWIM_SEND) {
            send_out(w, node, &out);
        } else if (out.text != NULL) {
            node->text = out.text;
        }
    }
    if (w->check) {
        swim_check(node->swim);
    }
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
        p->at_ms = w->now_ms + 1; /* waits in the socket */
        heap_push(w, p);
        return;
    }
    world_inject(w, p->node, &p->from, bytes_of(p->bytes, p->len), !for_all);
    free(p);
}

static uint64_t next_ms(const struct world *w)
{
    uint64_t next = w->heap_len > 0 ? w->heap[0]->at_ms : UINT64_MAX;

    for (size_t i = 0; i < w->nodes_len; i++) {
        const struct world_node *n = &w->nodes[i];
        if (n->running && !n->paused && swim_wake_ms(n->swim) < next) {
            next = swim_wake_ms(n->swim);
        }
    }
    return next;
}

/* Everything that is due now, and the clock to the next thing. */
static void advance(struct world *w, uint64_t until_ms)
{
    uint64_t next = next_ms(w);

    if (next > until_ms) {
        w->now_ms = until_ms;
        return;
    }
    if (next > w->now_ms) {
        w->now_ms = next;
    }
    while (w->heap_len > 0 && w->heap[0]->at_ms <= w->now_ms) {
        deliver(w, heap_pop(w));
    }
    for (size_t i = 0; i < w->nodes_len; i++) {
        struct world_node *n = &w->nodes[i];
        if (n->running && !n->paused && swim_wake_ms(n->swim) <= w->now_ms) {
            world_news(w, i, &(struct swim_news){.type = SWIM_TICK});
        }
    }
}

void world_run(struct world *w, uint64_t ms)
{
    uint64_t until_ms = w->now_ms + ms;

    while (w->now_ms < until_ms) {
        advance(w, until_ms);
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
        advance(w, w->now_ms + 10);
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
                 .cluster = n->addr,
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
    w->nodes[node].paused = paused;
}

int world_state(const struct world *w, size_t at, size_t about)
{
    const struct member *m = swim_find(w->nodes[at].swim, &w->nodes[about].id);

    return m == NULL ? -1 : (int)m->state;
}

bool world_agrees(const struct world *w, const void *unused)
{
    size_t running = 0;
    (void)unused;

    for (size_t i = 0; i < w->nodes_len; i++) {
        running += w->nodes[i].running;
    }
    for (size_t i = 0; i < w->nodes_len; i++) {
        const struct world_node *n = &w->nodes[i];
        if (!n->running) {
            continue;
        }
        if (swim_living(n->swim) != running - 1) {
            return false;
        }
        for (size_t j = 0; j < w->nodes_len; j++) {
            if (j != i && w->nodes[j].running &&
                world_state(w, i, j) != GOSSIP_ALIVE) {
                return false;
            }
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

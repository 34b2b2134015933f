/* SPDX-License-Identifier: Apache-2.0 */
#include "node/watch/watch.h"

#include <stdlib.h>

#include "node/core.h"
#include "node/mesh/calls.h"
#include "node/mesh/clocks.h"
#include "node/mesh/member.h"
#include "node/watch/lens.h"
#include "node/watch/report.h"
#include "node/watch/slow.h"
#include "node/watch/view.h"

#define CACHE  BYTES("_sys")
#define STATS  BYTES("stats")
#define EVENTS BYTES("events")

/* What was counted in the last WATCH_MS, and where that left off. */
struct flow {
    bool known; /* `at` is of the last tick */
    struct watch_link at;
    struct watch_link last;
};

struct watch {
    struct core *core;
    struct watch_world world;
    struct deadline tick;
    uint64_t tick_ms; /* the last one */
    uint64_t every_ms;

    struct stats stats_at;
    struct stats stats;
    uint64_t closed;
    struct usage_count system_at; /* of _sys: it is not told of itself */
    struct usage_count system;
    uint64_t cpu_us;
    uint64_t cpu_permille;
    struct flow *flows; /* by slot; none while nobody looks */
    size_t flows_len;

    struct deadline event_due;
    uint64_t events_said; /* number of the newest that was, or need not be */
    uint64_t suppressed;
    unsigned events_len; /* published since the last tick */

    struct lens *lens; /* kept when it was used once; core->lens while it is */
    uint64_t look_until_ms;
    uint64_t latency[REPORT_HOPS][REPORT_BUCKETS]; /* of the last WATCH_MS */
    struct report_hot hot[REPORT_HOT_MAX];
    size_t hot_len;

    struct report_link *links; /* room for links_cap */
    size_t links_cap;
    struct report_slow slow[REPORT_SLOW_MAX];
    struct buf text;
};

static void on_tick(struct deadline *deadline, uint64_t now_ms);
static void on_event(void *data);
static void on_event_due(struct deadline *deadline, uint64_t now_ms);
static bool answer(void *data, struct bytes body, struct buf *out);
static void count(struct watch *watch, uint64_t now_ms);
static void count_links(struct watch *watch);
static void look(struct watch *watch, bool on);
static void take_items(struct watch *watch);
static bool is_wanted(const struct watch *watch, struct bytes topic);
static void write_report(struct watch *watch, struct buf *out);
static void say(struct watch *watch, struct bytes topic);
static size_t list_links(struct watch *watch);

/* --- life --- */

struct watch *watch_new(struct core *core, const struct watch_world *world)
{
    struct watch *watch = calloc(1, sizeof *watch);

    if (watch == NULL) {
        return NULL;
    }
    watch->core = core;
    watch->world = *world;
    watch->tick.on_due = on_tick;
    watch->event_due.on_due = on_event_due;
    watch->text.max = REPORT_LEN_MAX;
    watch->tick_ms = core->now_ms;
    watch->every_ms = WATCH_MS;
    if (deadline_set(&core->deadlines, &watch->tick, core->now_ms + WATCH_MS) !=
        0) {
        free(watch);
        return NULL;
    }
    core->watch = watch;
    core->events.on_event = on_event;
    core->events.data = watch;
    calls_serve(core->calls, CALL_REPORT, answer, watch);
    return watch;
}

void watch_free(struct watch *watch)
{
    if (watch == NULL) {
        return;
    }
    struct core *core = watch->core;
    (void)deadline_set(&core->deadlines, &watch->tick, DEADLINE_NEVER);
    (void)deadline_set(&core->deadlines, &watch->event_due, DEADLINE_NEVER);
    core->events.on_event = NULL;
    core->watch = NULL;
    core->lens = NULL;
    lens_free(watch->lens);
    free(watch->flows);
    free(watch->links);
    buf_fini(&watch->text);
    free(watch);
}

static struct watch *of_tick(struct deadline *deadline)
{
    return (struct watch *)(void *)((char *)deadline -
                                    offsetof(struct watch, tick));
}

static struct watch *of_event(struct deadline *deadline)
{
    return (struct watch *)(void *)((char *)deadline -
                                    offsetof(struct watch, event_due));
}

/* --- what was counted --- */

static void on_tick(struct deadline *deadline, uint64_t now_ms)
{
    struct watch *watch = of_tick(deadline);

    /* Its place in the heap was its own: this cannot fail. */
    (void)deadline_set(&watch->core->deadlines, deadline, now_ms + WATCH_MS);
    count(watch, now_ms);
    watch->events_len = 0;
    bool is_looked_at = is_wanted(watch, STATS);
    look(watch, is_looked_at || now_ms < watch->look_until_ms);
    if (is_looked_at) {
        buf_reset(&watch->text);
        write_report(watch, &watch->text);
        say(watch, STATS);
    }
}

static uint64_t grown(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

static uint64_t permille(uint64_t part_us, uint64_t of_ms)
{
    return of_ms == 0 ? 0 : part_us / of_ms;
}

static void count(struct watch *watch, uint64_t now_ms)
{
    const struct core *core = watch->core;
    const struct usage_count *system = &core->meters.system.usage.out;

    /* Before the first one the time was not known. */
    watch->every_ms = watch->tick_ms == 0 ? WATCH_MS : now_ms - watch->tick_ms;
    watch->tick_ms = now_ms;
    stats_since(&watch->stats, &core->stats, &watch->stats_at);
    watch->closed = grown(watch->stats.conns_opened + watch->stats_at.conns,
                          core->stats.conns);
    watch->stats_at = core->stats;
    watch->system.items = system->items - watch->system_at.items;
    watch->system_at = *system;
    uint64_t cpu_us = watch->world.cpu_us(watch->world.data);
    watch->cpu_permille = permille(cpu_us - watch->cpu_us, watch->every_ms);
    watch->cpu_us = cpu_us;
}

static void count_link(struct flow *flow, const struct watch_link *now)
{
    if (flow->known) {
        flow->last = (struct watch_link){
            .items = grown(now->items, flow->at.items),
            .bytes = grown(now->bytes, flow->at.bytes),
            .dropped = grown(now->dropped, flow->at.dropped),
        };
    }
    flow->at = *now;
    flow->known = true;
}

static bool has_room(struct watch *watch, size_t slot)
{
    if (slot < watch->flows_len) {
        return true;
    }
    struct flow *flows = realloc(watch->flows, (slot + 1) * sizeof *flows);
    if (flows == NULL) {
        return false;
    }
    memset(flows + watch->flows_len, 0,
           (slot + 1 - watch->flows_len) * sizeof *flows);
    watch->flows = flows;
    watch->flows_len = slot + 1;
    return true;
}

/* A slot that has another peer began at 0 again. */
static void count_links(struct watch *watch)
{
    const struct watch_world *world = &watch->world;
    struct watch_link now;

    for (uint16_t slot = 0; slot < CLUSTER_PEERS_MAX; slot++) {
        if (world->link_at(world->data, slot, &now) && has_room(watch, slot)) {
            count_link(&watch->flows[slot], &now);
        } else if (slot < watch->flows_len) {
            watch->flows[slot] = (struct flow){0};
        }
    }
}

/* --- items, while somebody looks --- */

/* Who publishes what is written here. */
static void know_origins(const struct watch *watch)
{
    const struct core *core = watch->core;
    struct cluster_member member;
    struct clocks_reading clock;

    lens_forget_origins(watch->lens);
    for (size_t i = 0;
         core->cluster != NULL && cluster_member_at(core->cluster, i, &member);
         i++) {
        uint64_t id = node_id_u64(&member.node.id);
        if (!member.self && clocks_read(core->clocks, id, &clock)) {
            lens_add_origin(watch->lens,
                            &(struct lens_origin){
                                .id = id,
                                .clock_us = clock.ahead_us,
                                .far = !bytes_eq(member.node.region,
                                                 bytes_str(core->region)),
                            });
        }
    }
}

/* Takes what was seen, and looks on or not. */
static void look(struct watch *watch, bool on)
{
    struct core *core = watch->core;

    if (on) {
        count_links(watch);
    } else {
        watch->flows_len = 0;
    }
    take_items(watch);
    if (on && watch->lens == NULL) {
        watch->lens = lens_new(); /* else another second without */
    }
    core->lens = on ? watch->lens : NULL;
    if (core->lens != NULL) {
        know_origins(watch);
    }
}

static void take_items(struct watch *watch)
{
    struct core *core = watch->core;

    memset(watch->latency, 0, sizeof watch->latency);
    watch->hot_len = 0;
    if (core->lens != NULL) {
        watch->hot_len = lens_take(core->lens, watch->latency, watch->hot,
                                   REPORT_HOT_MAX);
    }
    for (size_t i = 0; i < watch->hot_len; i++) {
        struct report_hot *hot = &watch->hot[i];
        hot->subs = hub_subscribers(core->hub,
                                    bytes_of(hot->cache, hot->cache_len),
                                    bytes_of(hot->topic, hot->topic_len));
    }
}

/* --- what is said --- */

static struct item item_of(const struct watch *watch, struct bytes topic)
{
    const struct core *core = watch->core;

    return (struct item){
        .cache = CACHE,
        .topic = topic,
        .hash = hash_topic(&core->hash_key, CACHE, topic),
        .value = buf_bytes(&watch->text),
        .at_ms = core->wall_ms,
    };
}

static bool is_wanted(const struct watch *watch, struct bytes topic)
{
    const struct watch_world *world = &watch->world;
    const struct item item = item_of(watch, topic);

    return hub_subscribers(watch->core->hub, CACHE, topic) > 0 ||
           world->wanted(world->data, &item);
}

static void say(struct watch *watch, struct bytes topic)
{
    struct item item = item_of(watch, topic);
    struct hub_receipt receipt;

    if (!watch->text.failed) {
        hub_publish(watch->core->hub, &item, HUB_FROM_CLIENT, &receipt);
    }
}

static bool answer(void *data, struct bytes body, struct buf *out)
{
    (void)body; /* of a newer node */
    watch_report(data, out);
    return true;
}

static void measure(struct watch *watch, struct report *report)
{
    const struct core *core = watch->core;

    report->now = core->stats;
    report->memory = core_memory(core);
    report->memory_limit = core->limits.memory_len;
    report->cpu_permille = watch->cpu_permille;
    report->rss = watch->world.rss(watch->world.data);
    report->links_len = list_links(watch);
    report->links = watch->links;
    report->slow_len = slow_list(core, watch->slow);
    report->slow = watch->slow;
}

bool watch_link_at(const struct watch *watch, uint16_t slot,
                   struct watch_link *link)
{
    return slot != CLUSTER_SLOT_NONE &&
           watch->world.link_at(watch->world.data, slot, link);
}

void watch_report(struct watch *watch, struct buf *out)
{
    watch->look_until_ms = watch->core->now_ms + WATCH_ASKED_MS;
    write_report(watch, out);
}

static void write_report(struct watch *watch, struct buf *out)
{
    const struct core *core = watch->core;
    const struct stats *last = &watch->stats;
    struct report report = {
        .id = core->node_u64,
        .name = core->name,
        .region = core->region,
        .endpoint = core->endpoint,
        .why = view_why_not_ready(core),
        .at_ms = core->wall_ms,
        .uptime_ms = core->now_ms - core->boot_ms,
        .ready = core->ready && !core->draining,
        .draining = core->draining,
        .every_ms = watch->every_ms,
        .last = *last,
        .closed = watch->closed,
        .in = {last->published, last->bytes_in},
        .out = {grown(last->delivered, watch->system.items), last->bytes_out},
    };

    static_assert(sizeof report.latency == sizeof watch->latency, "the same");
    memcpy(report.latency, watch->latency, sizeof report.latency);
    report.hot = watch->hot;
    report.hot_len = watch->hot_len;
    measure(watch, &report);
    report_write(&report, out);
}

/* --- links --- */

static const char *state_of(const struct cluster_member *member)
{
    switch (member->state) {
    case CLUSTER_ALIVE:
        return "alive";
    case CLUSTER_SUSPECTED:
        return "suspect";
    case CLUSTER_STATE_DEAD:
    case CLUSTER_STATE_LEFT:
        break;
    }
    return "dead";
}

static void put_text(char *to, size_t cap, struct bytes text)
{
    size_t len = text.len < cap ? text.len : cap - 1;

    if (len > 0) {
        memcpy(to, text.p, len);
    }
    to[len] = '\0';
}

static void describe_link(const struct watch *watch,
                          const struct cluster_member *member,
                          struct report_link *link)
{
    struct clocks_reading clock;
    struct watch_link now;

    *link = (struct report_link){
        .id = node_id_u64(&member->node.id),
        .state = state_of(member),
        .up = member->linked,
        .rtt_us = member->rtt_us,
        .queue_limit = watch->core->limits.link_queue_len,
    };
    if (clocks_read(watch->core->clocks, link->id, &clock)) {
        link->rtt_us = clock.rtt_us;
        link->clock_us = clock.ahead_us;
    }
    static_assert((int)REPORT_NAME_MAX >= (int)MEMBER_NAME_MAX, "it fits");
    member_name(member, link->name);
    put_text(link->region, sizeof link->region, member->node.region);
    if (watch_link_at(watch, member->slot, &now)) {
        link->queue = now.queue;
        if (member->slot < watch->flows_len) {
            const struct watch_link *last = &watch->flows[member->slot].last;
            link->out = (struct report_flow){last->items, last->bytes};
            link->dropped = last->dropped;
        }
    }
}

/* Room for one more. */
static struct report_link *link_new(struct watch *watch, size_t len)
{
    size_t cap = watch->links_cap == 0 ? 8 : watch->links_cap * 2;

    if (len < watch->links_cap) {
        return &watch->links[len];
    }
    struct report_link *links = realloc(watch->links, cap * sizeof *links);
    if (links == NULL) {
        return NULL;
    }
    watch->links = links;
    watch->links_cap = cap;
    return &links[len];
}

/* What needs somebody to look at it comes first; else the order of ids. */
static int compare_links(const void *a, const void *b)
{
    const struct report_link *one = a;
    const struct report_link *other = b;

    if (one->up != other->up) {
        return one->up ? 1 : -1;
    }
    if (one->queue != other->queue) {
        return one->queue < other->queue ? 1 : -1;
    }
    return (one->id > other->id) - (one->id < other->id);
}

static size_t list_links(struct watch *watch)
{
    const struct cluster *cluster = watch->core->cluster;
    struct cluster_member member;
    struct report_link *link;
    size_t len = 0;

    for (size_t i = 0;
         cluster != NULL && cluster_member_at(cluster, i, &member); i++) {
        if (member.self || !member_may_run(cluster, &member)) {
            continue;
        }
        link = link_new(watch, len);
        if (link == NULL) {
            break;
        }
        describe_link(watch, &member, link);
        len++;
    }
    if (len > 0) {
        qsort(watch->links, len, sizeof *watch->links, compare_links);
    }
    return len;
}

/* --- events --- */

/* In the middle of anything: said in the next turn. If memory is short, the
 * next event says it, too. */
static void on_event(void *data)
{
    struct watch *watch = data;
    struct core *core = watch->core;

    (void)deadline_set(&core->deadlines, &watch->event_due, core->now_ms);
}

static void say_event(struct watch *watch, const struct event *event)
{
    const struct core *core = watch->core;
    const struct event_frame frame = {
        .node = bytes_str(core->name),
        .id = core->node_u64,
        .suppressed = watch->suppressed,
    };

    buf_reset(&watch->text);
    event_write(event, &frame, &watch->text);
    say(watch, EVENTS);
    watch->suppressed = 0;
    watch->events_len++;
}

static void on_event_due(struct deadline *deadline, uint64_t now_ms)
{
    struct watch *watch = of_event(deadline);
    const struct events *events = &watch->core->events;
    uint64_t newest = events->made; /* what is said now may make more */

    (void)now_ms;
    if (!is_wanted(watch, EVENTS)) {
        watch->events_said = newest;
        watch->suppressed = 0;
        return;
    }
    while (watch->events_said < newest) {
        const struct event *event = events_at(events, ++watch->events_said);
        if (event == NULL || watch->events_len >= WATCH_EVENTS_MAX) {
            watch->suppressed++;
        } else {
            say_event(watch, event);
        }
    }
}

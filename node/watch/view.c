/* SPDX-License-Identifier: Apache-2.0 */
#include "node/watch/view.h"

#include <assert.h>
#include <stdio.h>

static void count_links(const struct core *core, struct view *view);
static void add(struct view *sum, const struct view *one, size_t number);
static uint64_t most(uint64_t a, uint64_t b);
static uint64_t least(uint64_t a, uint64_t b);

void view_of(const struct core *core, struct view *view)
{
    const struct cluster *cluster = core->cluster;

    *view = (struct view){
        .node_u64 = core->node_u64,
        .ready = core->ready,
        .alone = cluster != NULL && cluster_is_alone(cluster),
        .draining = core->draining,
        .unlinked = cluster != NULL ? cluster_late(cluster) : 0,
        .uptime_ms = core->now_ms - core->boot_ms,
        .stats = core->stats,
    };
    static_assert(sizeof view->name == sizeof core->name, "the same");
    memcpy(view->name, core->name, sizeof view->name);
    snprintf(view->why, sizeof view->why, "%s", view_why_not_ready(core));
    count_links(core, view);
    tally_of(&core->meters, &view->tally);
    peer_tally_of(core, &view->peers);
}

const char *view_why_not_ready(const struct core *core)
{
    if (core->draining) {
        return "shutting down";
    }
    if (core->ready) {
        return "";
    }
    const char *why = core->cluster != NULL
                          ? cluster_why_not_ready(core->cluster)
                          : "";
    return *why != '\0' ? why : "starting";
}

static void count_links(const struct core *core, struct view *view)
{
    struct cluster_member member;

    for (size_t i = 0;
         core->cluster != NULL && cluster_member_at(core->cluster, i, &member);
         i++) {
        if (!member.self && (member.state == CLUSTER_ALIVE ||
                             member.state == CLUSTER_SUSPECTED)) {
            view->links_of++;
            view->links_up += member.linked ? 1 : 0;
        }
    }
}

void view_sum(const struct view *all, size_t len, size_t self, struct view *sum)
{
    assert(self < len);
    *sum = all[self];
    if (len == 1) {
        return;
    }
    sum->stats = all[0].stats;
    sum->tally = all[0].tally;
    sum->peers = all[0].peers;
    sum->ready = true;
    sum->why[0] = '\0';
    for (size_t i = 0; i < len; i++) {
        add(sum, &all[i], i + 1);
        if (i > 0) {
            stats_add(&sum->stats, &all[i].stats);
            tally_add(&sum->tally, &all[i].tally);
            peer_tally_add(&sum->peers, &all[i].peers);
        }
    }
}

/* All but its numbers. */
static void add(struct view *sum, const struct view *one, size_t number)
{
    const char *why = one->silent ? "does not answer" : one->why;

    sum->ready = sum->ready && one->ready && !one->silent;
    sum->alone = sum->alone || one->alone;
    sum->draining = sum->draining || one->draining;
    sum->unlinked = most(sum->unlinked, one->unlinked);
    sum->uptime_ms = most(sum->uptime_ms, one->uptime_ms);
    sum->links_up = least(sum->links_up, one->links_up);
    sum->links_of = most(sum->links_of, one->links_of);
    if (sum->why[0] == '\0' && why[0] != '\0') {
        snprintf(sum->why, sizeof sum->why, "worker %zu: %.120s", number, why);
    }
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "node/watch/watching.h"

#include "node/mesh/clocks.h"
#include "node/watch/process.h"
#include "node/watch/watch.h"
#include "proto/err.h"

static bool is_wanted(void *data, const struct item *item)
{
    const struct node *node = data;

    return node->cluster != NULL && cluster_is_wanted(node->cluster, item);
}

static bool link_at(void *data, uint16_t slot, struct watch_link *link)
{
    const struct node *node = data;
    struct mesh_link now;

    if (node->mesh == NULL || !mesh_link_at(node->mesh, slot, &now)) {
        return false;
    }
    *link = (struct watch_link){
        .items = now.items_out,
        .bytes = now.bytes_out,
        .dropped = now.dropped,
        .queue = now.queued,
    };
    return true;
}

/* Of this thread alone where others of the process are other nodes. */
static uint64_t cpu_us(void *data)
{
    const struct node *node = data;

    return node->core.workers > 1 ? process_thread_cpu_us() : process_cpu_us();
}

static uint64_t rss(void *data)
{
    (void)data;
    return process_rss();
}

static uint64_t wall_us(void)
{
    uv_timeval64_t wall;

    uv_gettimeofday(&wall);
    return (uint64_t)wall.tv_sec * 1000000 + (uint64_t)wall.tv_usec;
}

int watching_open(struct node *node)
{
    const struct watch_world world = {
        .data = node,
        .wanted = is_wanted,
        .link_at = link_at,
        .cpu_us = cpu_us,
        .rss = rss,
    };

    node->clocks = clocks_new(&node->core, wall_us);
    node->watch = watch_new(&node->core, &world);
    if (node->watch == NULL || node->clocks == NULL) {
        watching_close(node);
        return ERR_NOMEM;
    }
    node->log.on_line = events_take;
    node->log.data = &node->core.events;
    return 0;
}

void watching_close(struct node *node)
{
    node->log.on_line = NULL;
    watch_free(node->watch);
    clocks_free(node->clocks);
    node->watch = NULL;
    node->clocks = NULL;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * What a node says about itself: GET /livez, /readyz, /metrics, /v1/cluster,
 * /v1/regions. Specified in docs/PROTOCOLS.md.
 *
 * The first two are for load balancers: no credentials, no inner facts, small
 * whatever the load. On a node with keys the regions are for everyone with a
 * token, because clients choose theirs by it; the others need `admin:read`.
 */
#include "node/auth.h"
#include "node/door/door.h"
#include "node/door/members.h"
#include "node/door/web.h"
#include "proto/json.h"

enum access {
    ACCESS_ALL,
    ACCESS_TOKEN, /* any that holds */
    ACCESS_ADMIN, /* scope admin:read */
};

struct page {
    const char *path;
    const char *content_type;
    enum access access;
    /* Returns the status of the answer. */
    unsigned (*write)(struct buf *out, const struct core *core);
};

static bool takes(const struct http_request *request);
static int on_request(struct client *client,
                      const struct http_request *request);
static int may_read(const struct client *client, enum access access);
static const struct page *page_of(const struct http_request *request);
static void answer(struct client *client, const struct http_request *request,
                   const struct page *page);
static unsigned write_livez(struct buf *out, const struct core *core);
static unsigned write_readyz(struct buf *out, const struct core *core);
static const char *why_not_ready(const struct core *core);
static unsigned write_metrics(struct buf *out, const struct core *core);
static unsigned write_cluster(struct buf *out, const struct core *core);
static unsigned write_regions(struct buf *out, const struct core *core);

static const struct page pages[] = {
    {"/livez", "application/json", ACCESS_ALL, write_livez},
    {"/readyz", "application/json", ACCESS_ALL, write_readyz},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", ACCESS_ADMIN,
     write_metrics},
    {"/v1/cluster", "application/json", ACCESS_ADMIN, write_cluster},
    {"/v1/regions", "application/json", ACCESS_TOKEN, write_regions},
};

const struct door door_status = {
    .name = "status",
    .shape = DOOR_REQUEST,
    .takes = takes,
    .on_request = on_request,
};

static bool takes(const struct http_request *request)
{
    return page_of(request) != NULL;
}

static int on_request(struct client *client, const struct http_request *request)
{
    const struct page *page = page_of(request);
    if (!web_is_get(request)) {
        web_refuse_method(client, request, "GET, OPTIONS");
        return 0;
    }
    int err = may_read(client, page->access);
    if (err < 0) {
        return err;
    }
    answer(client, request, page);
    return 0;
}

static int may_read(const struct client *client, enum access access)
{
    const struct auth *auth = &client->core->auth;
    uint64_t now_s = client->core->wall_ms / 1000;

    switch (access) {
    case ACCESS_ALL:
        return 0;
    case ACCESS_TOKEN:
        return auth_knows(auth, client->who, now_s);
    case ACCESS_ADMIN:
        return auth_allows_admin(auth, client->who, "admin:read", now_s);
    }
    return ERR_INTERNAL;
}

/* The bytes of the path, as sent: no spelling of a path is another one's alias.
 */
static const struct page *page_of(const struct http_request *request)
{
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        if (bytes_eq(request->path, bytes_str(pages[i].path))) {
            return &pages[i];
        }
    }
    return NULL;
}

static void answer(struct client *client, const struct http_request *request,
                   const struct page *page)
{
    struct buf body = {0};
    unsigned status = page->write(&body, client->core);
    if (body.failed) {
        request_error(client, request, ERR_NOMEM);
    } else {
        request_answer(client, request, status, page->content_type,
                       buf_bytes(&body));
    }
    buf_fini(&body);
}

/* That it is written at all says that the loop turns. */
static unsigned write_livez(struct buf *out, const struct core *core)
{
    (void)core;
    buf_add_str(out, "{\"live\":true}\n");
    return 200;
}

static unsigned write_readyz(struct buf *out, const struct core *core)
{
    const char *why = why_not_ready(core);
    bool alone = core->cluster != NULL && cluster_is_alone(core->cluster);
    bool ready = *why == '\0';
    buf_add_str(out, ready ? "{\"ready\":true" : "{\"ready\":false");
    buf_add_str(out, alone ? ",\"alone\":true" : ",\"alone\":false");
    buf_add_str(out,
                core->draining ? ",\"draining\":true" : ",\"draining\":false");
    json_add_name(out, true, "unlinked");
    buf_add_u64(out, core->cluster != NULL ? cluster_late(core->cluster) : 0);
    json_add_name(out, true, "why");
    json_add_string(out, bytes_str(why));
    buf_add_str(out, "}\n");
    return ready ? 200 : 503;
}

static const char *why_not_ready(const struct core *core)
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

static unsigned write_metrics(struct buf *out, const struct core *core)
{
    stats_write(&core->stats, out);
    buf_add_str(out, "# HELP starling_build_info What is running\n"
                     "# TYPE starling_build_info gauge\n"
                     "starling_build_info{version=\"" STARLING_VERSION "\"} 1\n"
                     "# HELP starling_uptime_seconds Since the start\n"
                     "# TYPE starling_uptime_seconds gauge\n"
                     "starling_uptime_seconds ");
    buf_add_u64(out, (core->now_ms - core->boot_ms) / 1000);
    buf_add_u8(out, '\n');
    return 200;
}

static unsigned write_cluster(struct buf *out, const struct core *core)
{
    members_add_cluster(out, core);
    buf_add_u8(out, '\n');
    return 200;
}

static unsigned write_regions(struct buf *out, const struct core *core)
{
    members_add_regions(out, core);
    buf_add_u8(out, '\n');
    return 200;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * A new configuration, over HTTP: POST /v1/admin/reload. Specified in
 * docs/PROTOCOLS.md.
 */
#include "node/config/reload.h"

#include "node/client/auth.h"
#include "node/door/door.h"
#include "node/door/web.h"
#include "proto/json.h"
#include "proto/topic.h"

static int on_request(struct client *client,
                      const struct http_request *request);
static void add_names(struct buf *out, bool comma, const char *name,
                      const char *const *names, size_t len);
static void add_refusal(struct buf *out, int err, const char *why);

static const struct route_answer answers[] = {
    {200, "what was read again, and what needs a restart", "application/json"},
    {409, "the old configuration is kept, and why", "application/json"},
    {0}};

static const struct route routes[] = {
    {.method = "POST",
     .path = "/v1/admin/reload",
     .scope = "admin:write",
     .summary = "Read the configuration of this node again",
     .answers = answers},
    {0},
};

const struct door door_reload = {
    .name = "reload",
    .shape = DOOR_REQUEST,
    .routes = routes,
    .on_request = on_request,
};

static int on_request(struct client *client, const struct http_request *request)
{
    struct core *core = client->core;
    struct reload_report report;
    struct buf body = {0};

    int err = client_may_admin(client, "admin:write");
    if (err == 0 && core->reload == NULL) {
        err = ERR_UNSUPPORTED;
    }
    if (err != 0) {
        return err;
    }
    err = reload_run(core, client->who->token.subject, &report);
    if (err != 0) {
        core->stats.refused++;
        add_refusal(&body, err, report.why);
    } else {
        add_names(&body, false, "reloaded", report.changed, report.changed_len);
        add_names(&body, true, "ignored", report.ignored, report.ignored_len);
        buf_add_str(&body, "}\n");
    }
    if (body.failed) {
        buf_fini(&body);
        return ERR_NOMEM;
    }
    request_answer(client, request, err == 0 ? 200 : err_status(ERR_CONFLICT),
                   "application/json", buf_bytes(&body));
    buf_fini(&body);
    return 0;
}

static void add_names(struct buf *out, bool comma, const char *name,
                      const char *const *names, size_t len)
{
    buf_add_str(out, comma ? "" : "{");
    json_add_name(out, comma, name);
    buf_add_u8(out, '[');
    for (size_t i = 0; i < len; i++) {
        buf_add_str(out, i == 0 ? "" : ",");
        json_add_string(out, bytes_str(names[i]));
    }
    buf_add_u8(out, ']');
}

/* Files are the operator's own, and still may hold anything. */
static void add_refusal(struct buf *out, int err, const char *why)
{
    struct bytes text = bytes_str(why);

    request_add_error_as(
        out, err, topic_text_is_valid(text) ? text : bytes_str(err_text(err)));
    buf_add_u8(out, '\n');
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * POST /v1/qr: a text as a QR code, for pages that would have a phone join.
 * Specified in docs/PROTOCOLS.md. Nothing is kept of it.
 */
#include "node/qr.h"
#include "node/auth.h"
#include "node/door/door.h"
#include "node/door/web.h"

static bool takes(const struct http_request *request)
{
    return bytes_eq(request->path, BYTES("/v1/qr"));
}

static int on_request(struct client *client, const struct http_request *request)
{
    const struct core *core = client->core;
    struct buf body = {0};

    if (!bytes_eq(request->method, BYTES("POST"))) {
        web_refuse_method(client, request, "POST, OPTIONS");
        return 0;
    }
    int err = auth_knows(&core->auth, client->who, core->wall_ms / 1000);
    if (err == 0) {
        err = qr_svg(request->body, &body);
    }
    if (err == 0) {
        request_answer(client, request, 200, "image/svg+xml", buf_bytes(&body));
    }
    buf_fini(&body);
    return err;
}

const struct door door_qr = {
    .name = "qr",
    .shape = DOOR_REQUEST,
    .takes = takes,
    .on_request = on_request,
};

/* SPDX-License-Identifier: Apache-2.0
 *
 * POST /v1/qr: a text as a QR code, for pages that would have a phone join.
 * Specified in docs/PROTOCOLS.md. Nothing is kept of it.
 */
#include "node/qr.h"
#include "node/client/auth.h"
#include "node/door/door.h"
#include "node/door/web.h"

static int on_request(struct client *client, const struct http_request *request)
{
    struct buf body = {0};

    int err = client_is_known(client);
    if (err == 0) {
        err = qr_svg(request->body, &body);
    }
    if (err == 0) {
        request_answer(client, request, 200, "image/svg+xml", buf_bytes(&body));
    }
    buf_fini(&body);
    return err;
}

static const struct route_answer answers[] = {
    {200, "a picture", "image/svg+xml"}, {0}};

static const struct route routes[] = {
    {.method = "POST",
     .path = "/v1/qr",
     .scope = "token",
     .summary = "A text of at most 1 KiB as a QR code",
     .body = "text/plain",
     .answers = answers},
    {0},
};

const struct door door_qr = {
    .name = "qr",
    .shape = DOOR_REQUEST,
    .routes = routes,
    .on_request = on_request,
};

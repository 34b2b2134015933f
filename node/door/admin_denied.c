/* SPDX-License-Identifier: Apache-2.0
 *
 * Who was refused lately, on any node: GET /v1/admin/denied. What nodes keep of
 * it is in node/watch/denied.h.
 */
#include "node/door/admin.h"
#include "node/door/door.h"

static int ask(struct client *client, const struct http_request *request,
               struct bytes segment, struct gather_ask *ask, struct buf *what)
{
    (void)segment;
    (void)what;
    return admin_read_page(client, request, ask);
}

static void answer(struct client *client, struct gathered *all)
{
    struct buf body = {0};

    buf_add_u8(&body, '{');
    admin_add_rows(client, all, "denied", &body);
    buf_add_str(&body, "}\n");
    admin_respond(client, 200, &body);
}

const struct admin_page admin_denied = {
    .kind = CALL_DENIED,
    .ask = ask,
    .answer = answer,
};

/* SPDX-License-Identifier: Apache-2.0
 *
 * THE table of doors. Order matters among request doors: the first that takes
 * a request has it.
 */
#include "node/door/door.h"

/* One a line. */
/* clang-format off */
static const struct door *const doors[] = {
    &door_resp,
    &door_native,
    &door_publish, /* first of its shape: it is asked most */
    &door_sse,
    &door_poll,
    &door_grpc,
    &door_status,
    &door_keys,
    &door_reload,
    &door_tokens,
    &door_usage,
    &door_rebalance,
    &door_dev,
    &door_qr,
    &door_console,
    &door_documents,
    &door_caches,
    &door_report,
    &door_trace,
    &door_tap,
    &door_admin,
};
/* clang-format on */

enum door_sniff door_for_bytes(struct bytes first, const struct door **door)
{
    enum door_sniff best = SNIFF_NO;

    *door = NULL;
    for (size_t i = 0; i < ARRAY_LEN(doors); i++) {
        if (doors[i]->shape != DOOR_BYTE) {
            continue;
        }
        enum door_sniff sniff = doors[i]->sniff(first);
        if (sniff == SNIFF_YES) {
            *door = doors[i];
            return SNIFF_YES;
        }
        best = sniff == SNIFF_MORE ? SNIFF_MORE : best;
    }
    return best;
}

static bool takes(const struct door *door, const struct http_request *request)
{
    if (door->routes != NULL && route_find(door->routes, request) == NULL) {
        return false;
    }
    return door->takes == NULL || door->takes(request);
}

const struct door *door_for_request(const struct http_request *request)
{
    for (size_t i = 0; i < ARRAY_LEN(doors); i++) {
        if (doors[i]->shape == DOOR_REQUEST && takes(doors[i], request)) {
            return doors[i];
        }
    }
    return NULL;
}

/* Whether a row before this one has the same method and path. */
static bool is_named(const struct http_request *request, size_t door,
                     const struct route *route)
{
    for (size_t i = 0; i <= door; i++) {
        const struct route *r = doors[i]->routes;
        for (; r != NULL && r->method != NULL && r != route; r++) {
            if (strcmp(r->method, route->method) == 0 &&
                route_has_path(r, request->path)) {
                return true;
            }
        }
    }
    return false;
}

void door_add_methods(const struct http_request *request, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(doors); i++) {
        const struct route *r = doors[i]->routes;
        for (; r != NULL && r->method != NULL; r++) {
            if (route_has_path(r, request->path) && !is_named(request, i, r)) {
                buf_add_str(out, r->method);
                buf_add_str(out, ", ");
            }
        }
    }
    buf_add_str(out, out->len > 0 ? "OPTIONS" : "");
}

const struct door *door_at(size_t i)
{
    return i < ARRAY_LEN(doors) ? doors[i] : NULL;
}

/* Takes the next offer off the front of a comma-separated list. */
static struct bytes next_offer(struct bytes *offers)
{
    ptrdiff_t comma = bytes_find(*offers, ',');
    struct bytes offer = *offers;

    if (comma < 0) {
        *offers = (struct bytes){0};
    } else {
        offer.len = (size_t)comma;
        *offers = bytes_skip(*offers, (size_t)comma + 1);
    }
    return bytes_trim(offer);
}

static ptrdiff_t version_of(const struct door *door, struct bytes offers)
{
    while (offers.len > 0) {
        struct bytes offer = next_offer(&offers);
        for (size_t i = 0; door->subprotocols[i] != NULL; i++) {
            if (bytes_eq(offer, bytes_str(door->subprotocols[i]))) {
                return (ptrdiff_t)i;
            }
        }
    }
    return -1;
}

const struct door *door_for_upgrade(const struct http_request *request,
                                    ptrdiff_t *version)
{
    struct bytes offers = http_header(request, "sec-websocket-protocol");
    const struct door *found = NULL;

    *version = -1;
    for (size_t i = 0; i < ARRAY_LEN(doors) && *version < 0; i++) {
        const struct door *door = doors[i];
        if (door->shape != DOOR_MESSAGE ||
            !bytes_eq(request->path, bytes_str(door->path))) {
            continue;
        }
        found = found == NULL ? door : found;
        *version = offers.p == NULL ? 0 : version_of(door, offers);
        found = *version >= 0 ? door : found;
    }
    return found;
}

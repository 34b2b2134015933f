/* SPDX-License-Identifier: Apache-2.0 */
#include "node/door/route.h"

#include <string.h>

static bool matches(const char *template, struct bytes path)
{
    size_t at = 0;

    while (*template != '\0') {
        if (*template != '{') {
            if (at == path.len || path.p[at++] != (uint8_t) * template ++) {
                return false;
            }
            continue;
        }
        size_t start = at;
        while (at < path.len && path.p[at] != '/') {
            at++;
        }
        const char *end = strchr(template, '}');
        if (at == start) {
            return false;
        }
        if (end[-1] == '.') {
            return true;
        }
        template = end + 1;
    }
    return at == path.len;
}

bool route_has_path(const struct route *route, struct bytes path)
{
    return route->below != NULL ? bytes_starts(path, bytes_str(route->below))
                                : matches(route->path, path);
}

struct bytes route_segment(const struct route *route, struct bytes path)
{
    struct bytes rest = bytes_skip(path, strcspn(route->path, "{"));
    ptrdiff_t slash = bytes_find(rest, '/');

    return slash < 0 ? rest : bytes_of(rest.p, (size_t)slash);
}

const struct route *route_find(const struct route *routes,
                               const struct http_request *request)
{
    for (const struct route *r = routes; r->method != NULL; r++) {
        if (bytes_eq(request->method, bytes_str(r->method)) &&
            route_has_path(r, request->path)) {
            return r;
        }
    }
    return NULL;
}

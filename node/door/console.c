/* SPDX-License-Identifier: Apache-2.0
 *
 * Static files out of the program: the console at /console, and the browser
 * client at /starling.js, which pages of any origin may import. None of them
 * holds anything secret, so they need no token; what they ask for does.
 */
#include "node/client/request.h"
#include "node/console/files.h"
#include "node/door/door.h"
#include "node/door/web.h"

/* Nothing from elsewhere, no inline script, no frame; sockets may go to the
 * other nodes of the cluster, whose addresses are not known here. */
static const char policy[] = "default-src 'self'; connect-src 'self' http: "
                             "https: ws: wss:; frame-ancestors 'none'; "
                             "base-uri 'none'; form-action 'none'";

static bool is_client(struct bytes path)
{
    return bytes_eq(path, BYTES("/starling.js")) ||
           bytes_eq(path, BYTES("/starling.d.ts"));
}

static const struct console_file *find(struct bytes path)
{
    struct bytes name = is_client(path) ? path
                                        : bytes_skip(path, strlen("/console"));

    name = name.len > 0 ? bytes_skip(name, 1) : name;
    if (name.len == 0) {
        name = BYTES("console.html");
    }
    for (size_t i = 0; console_files[i].name != NULL; i++) {
        if (bytes_eq(name, bytes_str(console_files[i].name))) {
            return &console_files[i];
        }
    }
    return NULL;
}

static struct bytes type_of(const struct console_file *file)
{
    const char *dot = strrchr(file->name, '.');

    if (strcmp(dot, ".js") == 0) {
        return BYTES("text/javascript; charset=utf-8");
    }
    if (strcmp(dot, ".css") == 0) {
        return BYTES("text/css; charset=utf-8");
    }
    if (strcmp(dot, ".ts") == 0) {
        return BYTES("application/typescript; charset=utf-8");
    }
    if (strcmp(dot, ".svg") == 0) {
        return BYTES("image/svg+xml");
    }
    return BYTES("text/html; charset=utf-8");
}

static int console_on_request(struct client *client,
                              const struct http_request *request)
{
    const struct console_file *file = find(request->path);
    const struct http_header headers[] = {
        {BYTES("Content-Security-Policy"), bytes_str(policy)},
        {BYTES("X-Content-Type-Options"), BYTES("nosniff")},
        {BYTES("Referrer-Policy"), BYTES("no-referrer")},
        {BYTES("Cache-Control"), BYTES("no-cache")},
    };
    const struct http_header shared[] = {
        {BYTES("Access-Control-Allow-Origin"), BYTES("*")},
        {BYTES("Cross-Origin-Resource-Policy"), BYTES("cross-origin")},
        {BYTES("X-Content-Type-Options"), BYTES("nosniff")},
        {BYTES("Cache-Control"), BYTES("public, max-age=300")},
    };
    bool is_shared = is_client(request->path);

    if (file == NULL) {
        return ERR_NOT_FOUND;
    }
    client_respond(client, &(struct http_response){
                               .status = 200,
                               .content_type = type_of(file),
                               .body = bytes_of(file->p, file->len),
                               .headers = is_shared ? shared : headers,
                               .headers_len = is_shared ? ARRAY_LEN(shared)
                                                        : ARRAY_LEN(headers),
                           });
    return 0;
}

static const struct route_answer page[] = {{200, "the page", "text/html"}, {0}};
static const struct route_answer module[] = {
    {200, "the module", "text/javascript"}, {0}};
static const struct route_answer types[] = {
    {200, "declarations", "application/typescript"}, {0}};
static const struct route_answer file[] = {
    {200, "a script, a style or a picture of it", "text/javascript"}, {0}};

static const struct route routes[] = {
    {.method = "GET",
     .path = "/console",
     .summary = "The console, for browsers",
     .answers = page},
    {.method = "GET",
     .path = "/starling.js",
     .summary = "The client for browsers and Node, an ES module",
     .answers = module},
    {.method = "GET",
     .path = "/starling.d.ts",
     .summary = "Its types, for TypeScript",
     .answers = types},
    {.method = "GET",
     .path = "/console/{file}",
     .below = "/console/",
     .summary = "What the console consists of",
     .answers = file},
    {0},
};

const struct door door_console = {
    .name = "console",
    .shape = DOOR_REQUEST,
    .routes = routes,
    .on_request = console_on_request,
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "node/client/request.h"

#include "node/conn/conn.h"
#include "node/core.h"
#include "node/door/door.h"
#include "node/watch/denied.h"
#include "proto/addr.h"
#include "proto/err.h"
#include "proto/json.h"
#include "proto/topic.h"

static int check_host(const struct client *client,
                      const struct http_request *request);
static int check_origin(const struct client *client,
                        const struct http_request *request);
static int login(struct client *client, const struct http_request *request);
static bool origin_is_allowed(const struct client *client,
                              const struct http_request *request);
static void respond(struct client *client, const struct http_request *request,
                    struct http_response *response, const char *extra_name,
                    const char *extra_value);
static void error_with(struct client *client,
                       const struct http_request *request, int err,
                       const char *header, const char *value);

static int note(const struct client *client, const char *verb,
                struct bytes name, int err)
{
    return denied(client, &(struct denied_what){.verb = verb, .name = name},
                  err);
}

int request_admit(struct client *client, const struct http_request *request)
{
    int rc = check_host(client, request);

    if (rc != 0) {
        return note(client, "name the host", http_header(request, "host"), rc);
    }
    rc = check_origin(client, request);
    if (rc != 0) {
        return note(client, "come from", http_header(request, "origin"), rc);
    }
    return login(client, request);
}

/* --- host -------------------------------------------------------------------
 */

/* Cuts the port off an authority; its form must be that of a host. */
static bool split_host(struct bytes authority, struct bytes *name)
{
    uint64_t port;
    size_t end = 0;

    *name = authority;
    if (authority.len > 0 && authority.p[0] == '[') {
        ptrdiff_t close = bytes_find(authority, ']');
        end = close < 0 ? authority.len : (size_t)close + 1;
    } else {
        while (end < authority.len && authority.p[end] != ':') {
            uint8_t c = authority.p[end++];
            if (!topic_cache_is_valid(bytes_of(&c, 1))) {
                return false; /* A-Za-z0-9._- */
            }
        }
    }
    name->len = end;
    if (end == 0 || end == authority.len) {
        return end > 0;
    }
    return authority.p[end] == ':' &&
           bytes_u64(bytes_skip(authority, end + 1), &port) == 0 &&
           port <= UINT16_MAX;
}

static bool is_loopback_name(struct bytes name)
{
    static const struct bytes tail = BYTES(".localhost");
    struct addr addr;

    if (name.len > 2 && name.p[0] == '[') {
        name = bytes_of(name.p + 1, name.len - 2);
    }
    if (bytes_eq_nocase(name, BYTES("localhost"))) {
        return true;
    }
    if (name.len > tail.len &&
        bytes_eq_nocase(bytes_skip(name, name.len - tail.len), tail)) {
        return true;
    }
    return addr_read(name, 1, &addr) == 0 && addr_is_loopback(&addr);
}

/* "http://host:80/x" -> "host:80"; empty when it is no URL. */
static struct bytes authority_of(struct bytes url)
{
    ptrdiff_t colon = bytes_find(url, ':');

    if (colon < 1 ||
        !bytes_starts(bytes_skip(url, (size_t)colon), BYTES("://"))) {
        return (struct bytes){0};
    }
    url = bytes_skip(url, (size_t)colon + 3);
    ptrdiff_t slash = bytes_find(url, '/');
    if (slash >= 0) {
        url.len = (size_t)slash;
    }
    return url;
}

/* The endpoint's host, or a name under it: Momento's clients put one in front
 * (cache., web.cache.). */
static bool is_own_name(const struct client *client, struct bytes name)
{
    struct bytes own;

    if (!split_host(authority_of(bytes_str(client->core->endpoint)), &own)) {
        return false;
    }
    if (name.len > own.len) {
        size_t front = name.len - own.len;
        return name.p[front - 1] == '.' &&
               bytes_eq_nocase(bytes_skip(name, front), own);
    }
    return bytes_eq_nocase(own, name);
}

/* An address: no name was made to mean it. */
static bool is_address(struct bytes name)
{
    struct addr addr;

    if (name.len > 2 && name.p[0] == '[') {
        name = bytes_of(name.p + 1, name.len - 2);
    }
    return addr_read(name, 1, &addr) == 0;
}

/* Of an origin that is on the list: a proxy may serve both by one name. */
static bool is_page_name(const struct client *client, struct bytes name)
{
    struct bytes listed;

    for (size_t i = 0; i < client->core->origins_len; i++) {
        if (split_host(authority_of(client->core->origins[i]), &listed) &&
            bytes_eq_nocase(listed, name)) {
            return true;
        }
    }
    return false;
}

/* A page of a stranger whose name was made to mean 127.0.0.1 still says that
 * name here (DNS rebinding). */
static int check_host(const struct client *client,
                      const struct http_request *request)
{
    size_t count = http_header_count(request, "host");
    struct bytes name;

    if (count == 0 && request->major == 1 && request->minor == 0) {
        return 0;
    }
    if (count != 1 || !split_host(http_header(request, "host"), &name)) {
        return ERR_SYNTAX;
    }
    if (!client->conn->loopback || is_loopback_name(name) || is_address(name)) {
        return 0;
    }
    return is_own_name(client, name) || is_page_name(client, name) ? 0
                                                                   : ERR_ORIGIN;
}

/* --- origin
 * ------------------------------------------------------------------- */

static bool changes_state(const struct http_request *request)
{
    static const char *const harmless[] = {"GET", "HEAD", "OPTIONS"};

    for (size_t i = 0; i < ARRAY_LEN(harmless); i++) {
        if (bytes_eq(request->method, bytes_str(harmless[i]))) {
            return http_header(request, "upgrade").p != NULL;
        }
    }
    return true;
}

/* What operators ask is for their own pages only, even if it only looks. */
static bool is_admin(const struct http_request *request)
{
    return bytes_starts(request->path, BYTES("/v1/admin/"));
}

/* A page elsewhere asks without saying which it is, as an image does; a link
 * that somebody followed may. */
static bool is_embedded(const struct http_request *request)
{
    return bytes_eq(http_header(request, "sec-fetch-site"),
                    BYTES("cross-site")) &&
           !bytes_eq(http_header(request, "sec-fetch-mode"), BYTES("navigate"));
}

static int check_origin(const struct client *client,
                        const struct http_request *request)
{
    size_t count = http_header_count(request, "origin");

    if (count > 1) {
        return ERR_SYNTAX;
    }
    if (count == 0) {
        return is_admin(request) && is_embedded(request) ? ERR_ORIGIN : 0;
    }
    return (changes_state(request) || is_admin(request)) &&
                   !origin_is_allowed(client, request)
               ? ERR_ORIGIN
               : 0;
}

/* Pages that a node of this cluster served may use the others, too: the console
 * does. */
static bool origin_is_member(const struct client *client, struct bytes origin)
{
    const struct cluster *cluster = client->core->cluster;
    struct cluster_member member;

    for (size_t i = 0;
         cluster != NULL && cluster_member_at(cluster, i, &member); i++) {
        if (member.state == CLUSTER_ALIVE && member.node.endpoint.len > 0 &&
            bytes_eq_nocase(member.node.endpoint, origin)) {
            return true;
        }
    }
    return false;
}

/* On a loopback listener pages of this host are at home, whatever their port:
 * the developer's own. */
static bool origin_is_allowed(const struct client *client,
                              const struct http_request *request)
{
    struct bytes origin = http_header(request, "origin");
    struct bytes authority = authority_of(origin);
    struct bytes name;

    for (size_t i = 0; i < client->core->origins_len; i++) {
        struct bytes allowed = client->core->origins[i];
        if (bytes_eq(allowed, BYTES("*")) || bytes_eq_nocase(allowed, origin)) {
            return true;
        }
    }
    if (!split_host(authority, &name)) {
        return false; /* "null" too */
    }
    return origin_is_member(client, origin) ||
           bytes_eq_nocase(authority, http_header(request, "host")) ||
           (client->conn->loopback && is_loopback_name(name));
}

size_t request_cors(const struct client *client,
                    const struct http_request *request,
                    struct http_header out[REQUEST_CORS_HEADERS_MAX])
{
    if (http_header_count(request, "origin") != 1 ||
        !origin_is_allowed(client, request)) {
        return 0;
    }
    out[0] = (struct http_header){BYTES("Access-Control-Allow-Origin"),
                                  http_header(request, "origin")};
    out[1] = (struct http_header){BYTES("Vary"), BYTES("Origin")};
    return 2;
}

/* Answers an OPTIONS preflight; false when it is none. */
static bool preflight(struct client *client, const struct http_request *request)
{
    struct http_header headers[REQUEST_CORS_HEADERS_MAX + 3];
    struct http_response response = {.status = 204, .headers = headers};

    if (!bytes_eq(request->method, BYTES("OPTIONS")) ||
        http_header(request, "access-control-request-method").p == NULL) {
        return false;
    }
    size_t len = request_cors(client, request, headers);
    if (len > 0) {
        headers[len++] = (struct http_header){
            BYTES("Access-Control-Allow-Methods"),
            BYTES("GET, POST, PUT, DELETE")};
        headers[len++] = (struct http_header){
            BYTES("Access-Control-Allow-Headers"),
            BYTES("Authorization, Content-Type, "
                  "Last-Event-ID, Starling-Event, "
                  "Starling-Id, Starling-Reply-To, "
                  "Starling-Correlation, "
                  "Agent, Runtime-Version, Cache, Read-Concern, "
                  "X-Grpc-Web, X-User-Agent, Grpc-Timeout")};
        headers[len++] = (struct http_header){BYTES("Access-Control-Max-Age"),
                                              BYTES("600")};
    }
    response.headers_len = len;
    client_respond(client, &response);
    return true;
}

/* No door has the path, or none has it with this method. */
static void refuse_route(struct client *client,
                         const struct http_request *request)
{
    struct buf methods = {0};

    door_add_methods(request, &methods);
    buf_add_u8(&methods, '\0');
    if (methods.failed) {
        error_with(client, request, ERR_NOMEM, NULL, NULL);
    } else if (methods.len > 1) {
        error_with(client, request, ERR_METHOD, "Allow", (char *)methods.p);
    } else {
        request_error(client, request, ERR_NOT_FOUND);
    }
    buf_fini(&methods);
}

void request_serve(struct client *client, const struct http_request *request)
{
    if (preflight(client, request)) {
        return;
    }
    const struct door *door = door_for_request(request);
    if (door == NULL) {
        refuse_route(client, request);
        return;
    }
    int rc = client_open(client, door, request, 0);
    if (rc == 0) {
        rc = door->on_request(client, request);
    }
    if (rc < 0) {
        request_error(client, request, rc);
    }
}

/* --- credentials
 * ----------------------------------------------------------------- */

static struct bytes strip_scheme(struct bytes value)
{
    static const struct bytes scheme = BYTES("Bearer ");

    if (value.len > scheme.len &&
        bytes_eq_nocase(bytes_of(value.p, scheme.len), scheme)) {
        return bytes_trim(bytes_skip(value, scheme.len));
    }
    return value;
}

static int login(struct client *client, const struct http_request *request)
{
    struct buf memory = {.max = HTTP_HEAD_LEN_MAX};
    size_t headers = http_header_count(request, "authorization");
    int in_query = http_query(request->query, "token", &memory);
    int rc = 0;

    if (in_query < 0 || headers + (size_t)in_query > 1) {
        rc = ERR_SYNTAX;
    } else if (headers == 1) {
        struct bytes value = http_header(request, "authorization");
        rc = client_login(client, strip_scheme(value));
    } else if (in_query == 1) {
        rc = client_login(client, buf_bytes(&memory));
    }
    buf_fini(&memory);
    return rc;
}

/* --- answers
 * ----------------------------------------------------------------------- */

/* What the client may do about it, as a header. An item does not get smaller.
 */
static const char *advice_name(int err)
{
    unsigned status = err_status(err);

    if (status == 401) {
        return "WWW-Authenticate";
    }
    return status == 503 || (status == 429 && err != ERR_QUOTA_ITEM)
               ? "Retry-After"
               : NULL;
}

void request_add_error(const struct client *client, struct buf *out, int err)
{
    struct buf text = {0};

    auth_add_text(&client->core->auth, err, &text);
    request_add_error_as(out, err, buf_bytes(&text));
    out->failed = out->failed || text.failed;
    buf_fini(&text);
}

void request_add_error_as(struct buf *out, int err, struct bytes message)
{
    buf_add_str(out, "{\"code\":");
    buf_add_u64(out, err_code(err));
    json_add_name(out, true, "error");
    json_add_string(out, bytes_str(err_name(err)));
    json_add_name(out, true, "message");
    json_add_string(out, message);
    buf_add_u8(out, '}');
}

void request_error(struct client *client, const struct http_request *request,
                   int err)
{
    const struct door *door = door_for_request(request);

    if (door != NULL && door->refuse != NULL &&
        door->refuse(client, request, err)) {
        return;
    }
    error_with(client, request, err, advice_name(err),
               err_status(err) == 401 ? "Bearer" : "1");
}

static void error_with(struct client *client,
                       const struct http_request *request, int err,
                       const char *header, const char *value)
{
    struct buf body = {0};
    struct http_response response = {
        .status = err_status(err),
        .content_type = BYTES("application/json"),
    };

    client->core->stats.refused++;
    request_add_error(client, &body, err);
    response.body = buf_bytes(&body);
    respond(client, request, &response, header, value);
    buf_fini(&body);
}

void request_answer(struct client *client, const struct http_request *request,
                    unsigned status, const char *content_type,
                    struct bytes body)
{
    struct http_response response = {
        .status = status,
        .content_type = bytes_str(content_type == NULL ? "" : content_type),
        .body = body,
    };
    respond(client, request, &response, NULL, NULL);
}

static void respond(struct client *client, const struct http_request *request,
                    struct http_response *response, const char *extra_name,
                    const char *extra_value)
{
    struct http_header headers[REQUEST_CORS_HEADERS_MAX + 2];
    size_t len = request_cors(client, request, headers);

    headers[len++] = (struct http_header){BYTES("Cache-Control"),
                                          BYTES("no-store")};
    if (extra_name != NULL) {
        headers[len++] = (struct http_header){bytes_str(extra_name),
                                              bytes_str(extra_value)};
    }
    response->headers = headers;
    response->headers_len = len;
    client_respond(client, response);
    response->headers = NULL; /* they were here */
    response->headers_len = 0;
}

/* --- names
 * -------------------------------------------------------------------------- */

int request_topic(const struct http_request *request, struct request_topic *out)
{
    return request_topic_under(request, BYTES("/topics/"), out);
}

int request_topic_under(const struct http_request *request, struct bytes prefix,
                        struct request_topic *out)
{
    if (!bytes_starts(request->path, prefix)) {
        return ERR_NAME;
    }
    struct bytes topic = bytes_skip(request->path, prefix.len);
    ptrdiff_t slash = bytes_find(topic, '/');
    if (slash < 0) {
        return ERR_NAME;
    }
    struct bytes cache = bytes_of(topic.p, (size_t)slash);
    topic = bytes_skip(topic, (size_t)slash + 1);
    /* Room at once: decoding only shortens, so the first slice stays. */
    if (buf_reserve(&out->memory, request->path.len) == NULL) {
        return ERR_NOMEM;
    }
    int rc = http_decode(cache, false, &out->memory);
    size_t cut = out->memory.len;
    if (rc == 0) {
        rc = http_decode(topic, false, &out->memory);
    }
    if (rc != 0) {
        return rc;
    }
    out->cache = bytes_of(out->memory.p, cut);
    out->topic = bytes_of(out->memory.p + cut, out->memory.len - cut);
    return topic_cache_is_valid(out->cache) && topic_is_valid(out->topic)
               ? 0
               : ERR_NAME;
}

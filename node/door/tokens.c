/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens over HTTP: POST /v1/tokens mints one (node/client/mint.h), POST
 * /v1/tokens/revoke ends one on all nodes (node/client/revoked.h). Specified in
 * docs/PROTOCOLS.md.
 */
#include "node/client/auth.h"
#include "node/client/mint.h"
#include "node/client/revoked.h"
#include "node/door/door.h"
#include "node/door/web.h"
#include "node/watch/denied.h"
#include "proto/json.h"
#include "proto/token_wish.h"
#include "proto/v1key.h"

enum {
    BODY_LEN_MAX = 16 << 10
};

static int on_request(struct client *client,
                      const struct http_request *request);
static int mint(struct client *client, const struct http_request *request,
                struct buf *body);
static int add_minted(const struct token_wish *wish, const struct mint *mint,
                      struct bytes endpoint, struct buf *body);
static int revoke(struct client *client, const struct http_request *request,
                  struct buf *body);
static int find_id(struct core *core, const struct token_revocation *what,
                   struct token *token, uint64_t *until_s);
static int refuse(struct client *client, const struct http_request *request,
                  int err);

static const struct route_answer minted[] = {
    {200, "the token, its id and until when it holds", "application/json"},
    {0}};
static const struct route_answer revoked[] = {
    {200, "its id and until when it is remembered", "application/json"}, {0}};

static const struct route routes[] = {
    {.method = "POST",
     .path = "/v1/tokens",
     .scope = "admin:tokens",
     .summary = "Mint a token that grants no more than the caller's own",
     .body = "application/json",
     .answers = minted},
    {.method = "POST",
     .path = "/v1/tokens/revoke",
     .scope = "admin:tokens",
     .summary = "End a token on all nodes before it expires",
     .body = "application/json",
     .answers = revoked},
    {0},
};

const struct door door_tokens = {
    .name = "tokens",
    .shape = DOOR_REQUEST,
    .routes = routes,
    .on_request = on_request,
};

static bool is_revoke(const struct http_request *request)
{
    return bytes_eq(request->path, BYTES("/v1/tokens/revoke"));
}

/* A node without keys says so to everyone: it is no secret. */
static int on_request(struct client *client, const struct http_request *request)
{
    struct core *core = client->core;
    struct buf body = {0};
    int err;

    if (core->auth.insecure) {
        err = ERR_STATE;
    } else {
        err = client_may_admin(client, "admin:tokens");
    }
    if (err == 0 && request->body.len > BODY_LEN_MAX) {
        err = ERR_TOO_BIG;
    }
    if (err == 0) {
        err = is_revoke(request) ? revoke(client, request, &body)
                                 : mint(client, request, &body);
    }
    if (err == 0) {
        request_answer(client, request, 200, "application/json",
                       buf_bytes(&body));
    } else if (err == ERR_STATE || err == ERR_ARGUMENT) {
        err = refuse(client, request, err);
    }
    buf_fini(&body);
    return err;
}

/* --- mint --- */

static int mint(struct client *client, const struct http_request *request,
                struct buf *body)
{
    struct core *core = client->core;
    struct token_wish wish = {0};
    struct mint mint = {0};
    struct bytes endpoint = mint_endpoint(core, http_header(request, "host"));
    int err = token_wish_read(request->body, &wish);

    if (err < 0) {
        return err;
    }
    mint.token = wish.token;
    mint.ttl_s = wish.ttl_s;
    if (wish.v1 && endpoint.len == 0) {
        err = ERR_ARGUMENT;
    }
    if (err == 0) {
        err = denied(client, &(struct denied_what){.verb = "mint a token"},
                     mint_for(core, client->who, &mint));
    }
    if (err == 0) {
        err = add_minted(&wish, &mint, endpoint, body);
    }
    mint_fini(&mint);
    return err;
}

static int add_minted(const struct token_wish *wish, const struct mint *mint,
                      struct bytes endpoint, struct buf *body)
{
    struct buf v1 = {0};
    struct bytes text = buf_bytes(&mint->text);

    if (wish->v1) {
        v1key_write(endpoint, text, &v1);
        text = buf_bytes(&v1);
    }
    buf_add_u8(body, '{');
    json_add_name(body, false, "token");
    json_add_string(body, text);
    json_add_name(body, true, "id");
    json_add_string(body, mint->token.id);
    json_add_name(body, true, "endpoint");
    json_add_string(body, endpoint);
    json_add_name(body, true, "valid_until");
    buf_add_u64(body, mint->valid_until);
    buf_add_str(body, "}\n");
    body->failed = body->failed || v1.failed;
    buf_fini(&v1);
    return body->failed ? ERR_NOMEM : 0;
}

/* --- revoke --- */

static int revoke(struct client *client, const struct http_request *request,
                  struct buf *body)
{
    struct core *core = client->core;
    struct token_revocation what;
    struct token token = {0};
    struct buf memory = {0};
    uint64_t until_s = 0;
    int err = token_revocation_read(request->body, &memory, &what);

    if (err == 0) {
        err = find_id(core, &what, &token, &until_s);
    }
    if (err == 0) {
        err = revoked_add(core, token.id, until_s);
    }
    if (err == 0) {
        struct bytes by = client->who->token.subject;
        log_line(core->log, LOG_INFO, "token-revoked", "token=%.*s by=%.*s",
                 (int)token.id.len, (const char *)token.id.p, (int)by.len,
                 (const char *)by.p);
        buf_add_str(body, "{\"id\":");
        json_add_string(body, token.id);
        json_add_name(body, true, "until");
        buf_add_u64(body, until_s);
        buf_add_str(body, "}\n");
        err = body->failed ? ERR_NOMEM : 0;
    }
    token_fini(&token);
    buf_fini(&memory);
    return err;
}

/* By itself a token says its id. One that does not hold needs no revocation,
 * and one of another issuer is not ours to judge. */
static int find_id(struct core *core, const struct token_revocation *what,
                   struct token *token, uint64_t *until_s)
{
    int err = 0;

    if (what->token.len > 0) {
        err = auth_read(&core->auth, what->token, core->wall_ms / 1000, token);
    } else {
        token->id = what->id;
    }
    if (err == ERR_UNAUTH || err == ERR_EXPIRED || err == ERR_TOO_BIG ||
        (err == 0 && token->id.len == 0)) {
        return ERR_ARGUMENT;
    }
    *until_s = token_id_until_s(token->id);
    if (*until_s == 0 && token->kind == TOKEN_PLAIN &&
        token->expires_at != TOKEN_TIME_MAX_S) {
        *until_s = token->expires_at;
    }
    return err;
}

/* --- what is wrong --- */

static const char *message_of(const struct http_request *request, int err)
{
    if (err == ERR_STATE) {
        return "this node has no keys to sign with: start it with a key file "
               "(starling keygen)";
    }
    if (is_revoke(request)) {
        return "give one of id and token; a token that does not hold needs no "
               "revocation";
    }
    return "a member is missing, unknown or not what it should be; a "
           "disposable token has no scopes and holds for 1 to 90000 s";
}

static int refuse(struct client *client, const struct http_request *request,
                  int err)
{
    struct buf body = {0};

    request_add_error_as(&body, err, bytes_str(message_of(request, err)));
    buf_add_u8(&body, '\n');
    if (!body.failed) {
        client->core->stats.refused++;
        request_answer(client, request, err == ERR_STATE ? 409 : 400,
                       "application/json", buf_bytes(&body));
        err = 0;
    }
    buf_fini(&body);
    return err;
}

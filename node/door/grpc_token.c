/* SPDX-License-Identifier: Apache-2.0
 *
 * token.Token and auth.Auth: tokens for Momento's clients, by node/client/mint.
 * The credential of who asks is in the message, so these calls log in by it.
 * What is answered is a key in Momento's first form, which is what the clients
 * take.
 *
 * Superusers are made with the key file only (starling token mint).
 */
#include "node/client/mint.h"
#include "node/door/door.h"
#include "node/door/grpc.h"
#include "node/watch/denied.h"
#include "proto/momento_grants.h"
#include "proto/momento_token.h"
#include "proto/v1key.h"

enum {
    ID_CHARS_MAX = 64
};

typedef void (*write_key)(struct buf *out, const struct momento_key *key);

static int make(struct client *client, const struct grpc_call *call,
                const struct momento_token_wish *wish, enum token_kind kind,
                write_key write);
static int read_wish(const struct momento_token_wish *wish,
                     enum token_kind kind, struct mint *mint);
static int reply(struct client *client, const struct grpc_call *call,
                 const struct mint *mint, write_key write);
static int refuse(struct client *client, int err);

int grpc_disposable_token(struct client *client, const struct grpc_call *call)
{
    struct momento_token_wish wish = {0};
    struct buf memory = {0};
    int err = momento_read_disposable(call->message, &memory, &wish);

    if (err == 0) {
        err = make(client, call, &wish, TOKEN_PLAIN, momento_write_disposable);
    }
    buf_fini(&memory);
    return refuse(client, err);
}

int grpc_api_token(struct client *client, const struct grpc_call *call)
{
    struct momento_token_wish wish = {0};
    struct buf memory = {0};
    int err = momento_read_api_token(call->message, &memory, &wish);

    if (err == 0) {
        err = make(client, call, &wish, TOKEN_API_KEY, momento_write_api_token);
    }
    buf_fini(&memory);
    return refuse(client, err);
}

int grpc_refresh_token(struct client *client, const struct grpc_call *call)
{
    struct momento_key key = {0};
    struct mint mint = {0};
    struct buf memory = {0};
    int err = momento_read_refresh(call->message, &memory, &key);

    if (err == 0) {
        err = client_login(client, key.api_key);
    }
    if (err == 0) {
        err = mint_again(client->core, key.api_key, key.refresh_token, &mint);
    }
    if (err == 0) {
        err = reply(client, call, &mint, momento_write_api_token);
    }
    mint_fini(&mint);
    buf_fini(&memory);
    return refuse(client, err);
}

/* --- */

static int make(struct client *client, const struct grpc_call *call,
                const struct momento_token_wish *wish, enum token_kind kind,
                write_key write)
{
    struct mint mint = {0};
    int err = client_login(client, wish->holder);

    if (err == 0) {
        err = read_wish(wish, kind, &mint);
    }
    if (err == ERR_DENIED) {
        grpc_fail(client, GRPC_PERMISSION_DENIED,
                  BYTES("superusers are made with the key file only"), NULL);
        return 0;
    }
    if (err == 0) {
        err = denied(client, &(struct denied_what){.verb = "mint a token"},
                     mint_for(client->core, client->who, &mint));
    }
    if (err == 0) {
        err = reply(client, call, &mint, write);
    }
    mint_fini(&mint);
    return err;
}

/* Bytes that begin a character of UTF-8. */
static size_t count_chars(struct bytes text)
{
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        len += (text.p[i] & 0xc0) != 0x80;
    }
    return len;
}

static int read_wish(const struct momento_token_wish *wish,
                     enum token_kind kind, struct mint *mint)
{
    mint->token.kind = kind;
    mint->token.subject = wish->id;
    mint->ttl_s = wish->valid_s;
    if (wish->never == wish->expires || (wish->expires && wish->valid_s == 0) ||
        count_chars(wish->id) > ID_CHARS_MAX) {
        return ERR_ARGUMENT;
    }
    return momento_grants(&wish->permissions, &mint->token);
}

static int reply(struct client *client, const struct grpc_call *call,
                 const struct mint *mint, write_key write)
{
    struct bytes authority = http_header(call->request, "host");
    struct momento_key key = {
        .refresh_token = buf_bytes(&mint->refresh),
        .endpoint = mint_endpoint(client->core, authority),
        .valid_until = mint->valid_until,
    };
    struct buf v1 = {0};
    struct buf out = {0};
    int err = 0;

    v1key_write(key.endpoint, buf_bytes(&mint->text), &v1);
    key.api_key = buf_bytes(&v1);
    write(&out, &key);
    if (v1.failed || out.failed) {
        err = ERR_NOMEM;
    } else {
        grpc_reply(client, buf_bytes(&out));
    }
    buf_fini(&v1);
    buf_fini(&out);
    return err;
}

/* A node without keys has nothing to sign with, which is no mistake of who
 * asks. */
static int refuse(struct client *client, int err)
{
    if (err != ERR_STATE) {
        return err;
    }
    grpc_fail(client, GRPC_FAILED_PRECONDITION,
              BYTES("this node has no keys to sign with: start it with a key "
                    "file (starling keygen)"),
              NULL);
    return 0;
}

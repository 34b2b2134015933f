/* SPDX-License-Identifier: Apache-2.0
 *
 * The messages of token.Token and auth.Auth, and the permissions in them
 * (proto/momento/token.proto, auth.proto, permissions.proto). Errors and memory
 * as in proto/momento_pubsub.h; further ERR_ARGUMENT: a role that does not
 * exist, or more permissions than fit.
 */
#ifndef PROTO_MOMENTO_TOKEN_H
#define PROTO_MOMENTO_TOKEN_H

#include <stdint.h>

#include "proto/bytes.h"

enum {
    MOMENTO_PERMISSIONS_MAX = 64
};

enum momento_role {
    MOMENTO_ROLE_NONE = 0,
    MOMENTO_ROLE_READ_WRITE = 1,
    MOMENTO_ROLE_READ = 2, /* of a topic: subscribe */
    MOMENTO_ROLE_WRITE = 3,
};

enum momento_kind {
    MOMENTO_KIND_NONE, /* a permission for nothing that we know */
    MOMENTO_KIND_CACHE,
    MOMENTO_KIND_TOPIC,
    MOMENTO_KIND_FUNCTION,
};

/* What a permission is for: everything, or what is named; neither when the
 * message did not say (all is false, the name is empty). */
struct momento_permission {
    enum momento_kind kind;
    enum momento_role role;
    bool all_caches;
    struct bytes cache;
    /* Topics of a topic permission, items (keys) of a cache permission. */
    bool all;
    bool prefix;
    struct bytes name;
};

struct momento_permissions {
    bool given; /* the message had some, maybe an empty list */
    bool super_user;
    size_t len;
    struct momento_permission list[MOMENTO_PERMISSIONS_MAX];
};

/* GenerateDisposableToken and GenerateApiToken. */
struct momento_token_wish {
    bool never; /* does not expire */
    bool expires;
    uint32_t valid_s;    /* from now; the client's, as it stands */
    struct bytes holder; /* the credential of who asks */
    struct bytes id;     /* becomes the publisher id */
    struct bytes description;
    struct momento_permissions permissions;
};

struct momento_key {
    struct bytes api_key;
    struct bytes refresh_token;
    struct bytes endpoint;
    uint64_t valid_until; /* seconds since 1970; 0: never expires */
};

int momento_read_disposable(struct bytes message, struct buf *memory,
                            struct momento_token_wish *wish);
int momento_read_api_token(struct bytes message, struct buf *memory,
                           struct momento_token_wish *wish);
/* RefreshApiToken: fills in api_key and refresh_token. */
int momento_read_refresh(struct bytes message, struct buf *memory,
                         struct momento_key *key);

/* A disposable token has no refresh token. */
void momento_write_disposable(struct buf *out, const struct momento_key *key);
/* The answer of GenerateApiToken and RefreshApiToken. */
void momento_write_api_token(struct buf *out, const struct momento_key *key);

#endif

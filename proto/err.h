/* SPDX-License-Identifier: Apache-2.0
 *
 * The one table of what can go wrong.
 *
 * Every function that can fail returns 0 (or a count) or one of these negative
 * codes. The table carries, for each, the number a stranger sees (`code`), the
 * HTTP status it maps to and one fixed sentence; each door derives its own
 * close code or error text from it. Texts never contain what a client sent.
 *
 * The public code is stable: `starling explain` and docs/PROTOCOLS.md list it.
 * Its first three digits are the HTTP status.
 */
#ifndef PROTO_ERR_H
#define PROTO_ERR_H

/* X(name, code, status, text) */
#define ERR_TABLE(X)                                                     \
    X(SYNTAX, 4000, 400, "malformed input")                              \
    X(NAME, 4001, 400, "invalid cache or topic name")                    \
    X(UTF8, 4002, 400, "text is not valid UTF-8")                        \
    X(ARGUMENT, 4003, 400, "invalid argument")                           \
    X(STATE, 4004, 400, "not allowed in this state")                     \
    X(KICKED, 4009, 400, "closed by an operator")                        \
    X(UNAUTH, 4010, 401, "missing or invalid credentials")               \
    X(EXPIRED, 4011, 401, "the token has expired")                       \
    X(REVOKED, 4012, 401, "the token was revoked")                       \
    X(DENIED, 4030, 403, "the token does not grant this")                \
    X(ORIGIN, 4031, 403, "origin or host not allowed")                   \
    X(NOT_FOUND, 4040, 404, "no such thing here")                        \
    X(NO_CACHE, 4041, 404,                                               \
      "A cache with the specified name does not exist")                  \
    X(METHOD, 4050, 405, "method not allowed here")                      \
    X(TIMEOUT, 4080, 408, "took too long")                               \
    X(CONFLICT, 4090, 409, "conflicts with what exists")                 \
    X(TOO_BIG, 4130, 413, "larger than the limit")                       \
    X(MEDIA, 4150, 415, "media type not supported here")                 \
    X(VERSION, 4260, 426, "protocol version not supported")              \
    X(LIMIT, 4290, 429, "a limit of this connection or node is reached") \
    X(SLOW, 4291, 429, "the reader is too slow")                         \
    X(QUOTA_RATE, 4292, 429, "over the publish rate of this cache")      \
    X(QUOTA_ITEM, 4293, 429, "over the item size of this cache")         \
    X(QUOTA_SUBS, 4294, 429, "over the subscriptions of this cache")     \
    X(HEAD_TOO_BIG, 4310, 431, "request head larger than the limit")     \
    X(INTERNAL, 5000, 500, "internal error")                             \
    X(UNSUPPORTED, 5010, 501, "not supported here")                      \
    X(NOT_READY, 5030, 503, "this node is still joining its cluster")    \
    X(NOMEM, 5031, 503, "out of memory")                                 \
    X(CLOSING, 5032, 503, "this node is shutting down")                  \
    X(IO, 5033, 503, "input or output failed")                           \
    X(CONFIG, 5001, 500, "invalid configuration")                        \
    X(FORGED, 4032, 403, "not sealed by a member of this cluster")       \
    X(REPLAYED, 4033, 403, "seen before")                                \
    X(STALE, 4091, 409, "meant for or from an earlier life of a node")

enum err_index {
#define X(name, code, status, text) ERR_INDEX_##name,
    ERR_TABLE(X)
#undef X
    ERR_COUNT
};

enum err {
#define X(name, code, status, text) ERR_##name = -1 - ERR_INDEX_##name,
    ERR_TABLE(X)
#undef X
};

/* Each accepts any value; what is not a code of the table reads as INTERNAL. */
const char *err_name(int err);    /* "TOO_BIG" */
const char *err_text(int err);    /* the fixed sentence */
unsigned err_code(int err);       /* public number, e.g. 4130 */
unsigned err_status(int err);     /* HTTP status, e.g. 413 */
int err_from_code(unsigned code); /* ERR_INTERNAL for an unknown number */

#endif

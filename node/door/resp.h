/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of the Redis door, shared by its files:
 *   resp.c           the door: bytes to calls, output, errors, items
 *   resp_commands.c  THE table of commands, and COMMAND
 *   resp_session.c   who the client is: HELLO AUTH CLIENT RESET ...
 *   resp_pubsub.c    PUBLISH, the nine (un)subscribes
 *   resp_census.c    PUBSUB
 *   resp_cluster.c   CLUSTER
 *   resp_info.c      INFO, CONFIG
 *
 * A client speaks for one cache: the user name of its AUTH or HELLO, `default`
 * before. Channels are the topics of that cache. Shard channels share the
 * channels' space (a PUBLISH reaches SSUBSCRIBE and the other way round) but
 * are subscriptions of their own, counted apart, and speak of `smessage`.
 *
 * docs/PROTOCOLS.md, "RESP", is for users and lists where this differs from
 * Redis.
 */
#ifndef NODE_DOOR_RESP_H
#define NODE_DOOR_RESP_H

#include "node/door/door.h"
#include "proto/resp.h"
#include "proto/topic.h"

enum {
    RESP_NAME_LEN_MAX = 128,      /* of CLIENT SETNAME */
    RESP_HELD_LEN_MAX = 16 << 10, /* answers held back to be written at once */
    RESP_ASKS_MAX = 4, /* PUBSUB under way; then no further command is taken */
    RESP_SHARD = 0x10, /* in a variant's version: beside 2 or 3 */
};

#define RESP_VERSION "7.2.0" /* of the Redis whose commands these are */

/* The kinds of subscription, also the tag of a struct sub. */
enum resp_sub {
    RESP_CHANNELS,
    RESP_PATTERNS,
    RESP_SHARDS,
    RESP_SUBS_LEN
};

struct resp_state {
    struct buf *out; /* answers not yet written; NULL between calls */
    struct resp_reader reader;
    uint32_t subs[RESP_SUBS_LEN];
    uint8_t version; /* 2 or 3 */
    uint8_t skip;    /* CLIENT REPLY SKIP: 2 = of the next command, 1 = now */
    bool muted;      /* CLIENT REPLY OFF */
    bool quits;      /* when its asks are answered */
    uint8_t asks_len;
    uint8_t cache_len;
    char *cache;           /* NULL: `default` */
    char *name;            /* CLIENT SETNAME, or NULL */
    struct resp_ask *asks; /* PUBSUB under way */
};

struct resp_call;

enum resp_flag {
    RESP_NO_AUTH = 1 << 0, /* before login, too */
    RESP_IN_SUB = 1 << 1,  /* in the subscribed state of RESP2, too */
    RESP_UNMUTED = 1 << 2, /* answers by pushes: REPLY OFF does not hold */
    RESP_PUBSUB = 1 << 3,  /* COMMAND says so */
    RESP_KEY = 1 << 4,  /* the same: its first argument chooses the slot ... */
    RESP_KEYS = 1 << 5, /* ... or all of them do, the same */
};

struct resp_command {
    struct bytes name; /* lower case */
    int arity;         /* all words; negative: at least */
    unsigned flags;
    void (*run)(struct resp_call *call); /* NULL: only its subcommands run */
    const struct resp_command *subs; /* of a container; an empty name ends */
};

struct resp_call {
    struct client *client;
    struct resp_state *state;
    struct buf *out; /* state->out */
    const struct resp_command *command;
    const struct resp_command *parent; /* container of command, or NULL */
    struct resp_request args;          /* without the command's own words */
    bool is_muted;                     /* its answer will be thrown away */
};

/* --- resp.c --- */

static inline struct bytes resp_cache(const struct resp_state *state)
{
    return state->cache == NULL ? BYTES("default")
                                : bytes_of(state->cache, state->cache_len);
}

/* All three kinds together: the subscribed state. */
uint64_t resp_subs(const struct resp_state *state);

/* As after the connect: RESP2, cache `default`, all answers. */
void resp_begin(struct resp_state *state);
/* Answers with the error in Redis' words. */
void resp_refuse(struct resp_call *call, int err);
/* Writes the answers that were held back. */
void resp_flush(struct client *client);
/* The next argument when one must be there: the arity was checked. */
struct bytes resp_arg(struct resp_call *call);

/* --- resp_commands.c --- */

const struct resp_command *resp_find(struct bytes name);

/* Finds the command of a request and fills command, parent, args. false: it
 * answered with an error (unknown, wrong number of arguments). */
bool resp_resolve(struct resp_call *call, struct resp_request request);

void resp_refuse_arity(struct resp_call *call);
/* "client|setname" */
void resp_add_full_name(struct buf *out, const struct resp_call *call);

/* --- handlers --- */

void resp_hello(struct resp_call *call);
void resp_auth(struct resp_call *call);
void resp_ping(struct resp_call *call);
void resp_echo(struct resp_call *call);
void resp_quit(struct resp_call *call);
void resp_reset(struct resp_call *call);
void resp_select(struct resp_call *call);
void resp_ok(struct resp_call *call); /* +OK and nothing else */
extern const struct resp_command resp_client_subs[];

void resp_publish(struct resp_call *call);
void resp_subscribe(struct resp_call *call);
void resp_psubscribe(struct resp_call *call);
void resp_ssubscribe(struct resp_call *call);
void resp_unsubscribe(struct resp_call *call);
void resp_punsubscribe(struct resp_call *call);
void resp_sunsubscribe(struct resp_call *call);

extern const struct resp_command resp_pubsub_subs[];
/* The client goes: nothing is answered any more. */
void resp_forget_asks(struct client *client);

extern const struct resp_command resp_cluster_subs[];

void resp_info(struct resp_call *call);
extern const struct resp_command resp_config_subs[];

#endif

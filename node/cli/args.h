/* SPDX-License-Identifier: Apache-2.0
 *
 * The arguments of the client commands. Where to: --url URL, else STARLING_URL,
 * else http://127.0.0.1:7400; with --region NAME|nearest, an endpoint of that
 * region as this node lists them. Whom https:// trusts: --ca FILE, else
 * STARLING_CA, else the system's authorities. The token: STARLING_TOKEN only,
 * because argv is public.
 */
#ifndef NODE_CLI_ARGS_H
#define NODE_CLI_ARGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "node/cli/command.h"
#include "node/cli/link.h"

enum {
    ARGS_WORDS_MAX = 64
};

struct args {
    struct link_url url;
    const char *token; /* NULL = none */
    const char *url_text;
    const char *region;
    const char *ca;
    bool all;
    bool json;
    bool once;
    uint64_t count; /* 0 = for ever */
    uint64_t rate;  /* a second; 0 = as fast as it goes */
    uint64_t seconds;
    uint64_t topics;
    uint64_t limit; /* rows; 0 = not given */
    bool follow;
    const char *prefix;   /* of topics */
    const char *sort;     /* of clients */
    const char *node;     /* the name of one */
    uint64_t pid;         /* 0 = not given */
    const char *barrier;  /* "all" */
    const char *only;     /* "machine", "cluster" */
    const char *keys;     /* a key file */
    const char *key_file; /* a file with one key */
    bool force;
    const char *exec; /* a command for each item */
    const char *post; /* a URL for each item */
    const char *secret_file;
    uint64_t at_once; /* 0 = not given, as of the next two */
    uint64_t queue;
    uint64_t timeout; /* seconds */
    size_t words_len; /* what is not an option */
    const char *words[ARGS_WORDS_MAX];
};

/* Rows of options that args_read() puts into a struct args. */
#define ARGS_SWITCH(name, member, what)                                     \
    {                                                                       \
        name, NULL, what, NULL, COMMAND_TEXT, offsetof(struct args, member) \
    }
#define ARGS_NUMBER(name, value, member, what)                                 \
    {                                                                          \
        name, value, what, NULL, COMMAND_NUMBER, offsetof(struct args, member) \
    }
#define ARGS_TEXT(name, value, member, what)                                 \
    {                                                                        \
        name, value, what, NULL, COMMAND_TEXT, offsetof(struct args, member) \
    }
#define ARGS_FILE(name, member, what)                                         \
    {                                                                         \
        name, "FILE", what, NULL, COMMAND_FILE, offsetof(struct args, member) \
    }
#define ARGS_JSON ARGS_SWITCH("--json", json, "print JSON")

/* --url, --region, --ca: of every command that talks to a node. */
extern const struct command_option args_where[];

/* Reads what the row of the command says it takes. 0, or the exit code after a
 * sentence on standard error. */
int args_read(struct args *args, const struct command *command, int argc,
              char **argv);

/* Prints its usage on standard error, and returns the exit code for it. */
int args_usage(const struct command *command);

/* Prints "starling COMMAND: CONTEXT: text of err" and returns the exit code
 * for it: 69 unreachable, 77 not permitted, 1 otherwise. */
int args_fail(const char *command, const char *context, int err);
/* The same in the words of the node; NULL or empty: it had none. */
int args_fail_saying(const char *command, const char *context, int err,
                     const char *words);
/* The same for an answer over HTTP that is a refusal, or none: `status` (an
 * error if it is < 0), and what it says (NULL: no JSON). */
int args_refused(const char *command, const struct args *args, int status,
                 const json_t *answer);

#endif

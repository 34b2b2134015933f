/* SPDX-License-Identifier: Apache-2.0
 *
 * starling explain CODE|NAME: an error in full, without asking any node.
 */
#include "node/cli/explain.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "node/cli/args.h"
#include "node/cli/cli.h"
#include "node/cli/help.h"
#include "node/config/nearest.h"
#include "proto/err.h"
#include "proto/grpc.h"
#include "proto/resp.h"
#include "proto/ws.h"

static int run(int argc, char **argv);

static const struct command_option explain_options[] = {ARGS_JSON, {0}};

/* "SYNTAX|NAME|..." */
#define X(name, code, status, text) "|" #name
static const char names[] = ERR_TABLE(X);
#undef X

const struct command command_explain = {
    .name = "explain",
    .run = run,
    .words = "[CODE|NAME]",
    .what = "what an error means, and what to do about it",
    .options = explain_options,
    .more =
        "CODE is the number in an answer (4030), NAME its name (DENIED), or "
        "the\nstatus of HTTP (403), or the code of a WebSocket's close "
        "(1008): then all\nthat are said so. Without it all errors are "
        "listed.",
    .choices = names + 1,
    .group = COMMAND_HELPS,
    .words_max = 1,
};

static const struct explanation explanations[ERR_COUNT] = {
    [ERR_INDEX_SYNTAX] =
        {EXPLAIN_NEVER,
         "What was sent is not as the protocol has it: a head, a frame, JSON, "
         "an encoding.",
         "Look at what your client sends; docs/PROTOCOLS.md has each door."},
    [ERR_INDEX_NAME] =
        {EXPLAIN_NEVER,
         "A cache has 1 to 64 characters of A-Za-z0-9._-, a topic 1 to 512 "
         "bytes of UTF-8 without control characters. Caches that begin with "
         "an underscore belong to the nodes.",
         "Choose another name; in a URL, percent-encode the topic once."},
    [ERR_INDEX_UTF8] =
        {EXPLAIN_NEVER, "Text is UTF-8, and this is not.",
         "Send bytes as bytes: \"data\" in base64, a binary frame, or "
         "application/octet-stream."},
    [ERR_INDEX_ARGUMENT] =
        {EXPLAIN_NEVER,
         "The form is right, but a value cannot be: out of its range, unknown, "
         "or missing.",
         "The message says which; correct it."},
    [ERR_INDEX_STATE] =
        {EXPLAIN_NEVER,
         "Right at another time: before or after a login, or not of this kind "
         "of connection, cache or node.",
         "The message says what it should have been."},
    [ERR_INDEX_KICKED] = {EXPLAIN_NEVER,
                          "An operator closed this connection (starling kick).",
                          "Ask the operator before you connect again."},
    [ERR_INDEX_UNAUTH] =
        {EXPLAIN_NEVER,
         "No token, or one that these nodes did not sign, or none in time.",
         "Bring a token (starling token mint); starling token show says what "
         "is in one."},
    [ERR_INDEX_EXPIRED] =
        {EXPLAIN_NEVER, "The time of this token is over.",
         "Get a fresh one, and refresh it earlier: the same connection takes "
         "it."},
    [ERR_INDEX_REVOKED] =
        {EXPLAIN_NEVER,
         "This token was ended before its time (starling token revoke).",
         "Get another from whoever gives them out."},
    [ERR_INDEX_DENIED] =
        {EXPLAIN_NEVER,
         "The token is good, but does not grant this; the message names the "
         "grant or the scope that is missing.",
         "Get a token with it; starling denied lists what was refused of "
         "late."},
    [ERR_INDEX_ORIGIN] =
        {EXPLAIN_NEVER,
         "A browser's page of another origin, or a Host that is not this node.",
         "List the origin of the page under origins: in the configuration."},
    [ERR_INDEX_NOT_FOUND] = {EXPLAIN_NEVER,
                             "There is nothing at this path, or of this name.",
                             "/openapi.json lists the paths of a node."},
    [ERR_INDEX_NO_CACHE] =
        {EXPLAIN_NEVER,
         "The cluster takes only caches that were created, and this is none.",
         "starling cache create, caches: in the configuration, or "
         "auto_create_caches."},
    [ERR_INDEX_METHOD] =
        {EXPLAIN_NEVER, "The path is right, the method is not.",
         "The header Allow of the answer lists those that are."},
    [ERR_INDEX_TIMEOUT] =
        {EXPLAIN_LATER,
         "The rest of a request, a login or an answer of others did not come "
         "in time.",
         "Try again; if it stays, look at the network and at starling "
         "cluster."},
    [ERR_INDEX_CONFLICT] =
        {EXPLAIN_NEVER, "What is there already says otherwise.",
         "Look at what is there first; the message names it."},
    [ERR_INDEX_TOO_BIG] =
        {EXPLAIN_NEVER,
         "An item, a body or a frame above its bound (limits.item_len).",
         "Send less at once, or raise the limit on all nodes."},
    [ERR_INDEX_MEDIA] = {EXPLAIN_NEVER,
                         "A content type, or a set of them, not taken here.",
                         "Name a content type that this path takes."},
    [ERR_INDEX_VERSION] =
        {EXPLAIN_NEVER,
         "A version of a protocol, or a subprotocol, that is not spoken here.",
         "Offer one that is: docs/PROTOCOLS.md."},
    [ERR_INDEX_LIMIT] =
        {EXPLAIN_LATER,
         "A bound of this connection, this address or this node is reached: "
         "connections, streams, subscriptions.",
         "End what is not needed, connect to another node, or raise the limit "
         "(starling node --print-config)."},
    [ERR_INDEX_SLOW] =
        {EXPLAIN_LATER,
         "What waits for this reader passed its bound for too long "
         "(limits.out_soft_len, out_hard_len).",
         "Read faster or subscribe to less; starling top shows who is slow."},
    [ERR_INDEX_QUOTA_RATE] =
        {EXPLAIN_LATER, "This cache took as many items this second as it may.",
         "Publish slower, or raise publish_rate (starling cache create)."},
    [ERR_INDEX_QUOTA_ITEM] =
        {EXPLAIN_NEVER, "The item is larger than this cache takes.",
         "Send less at once, or raise item_len of the cache."},
    [ERR_INDEX_QUOTA_SUBS] = {EXPLAIN_LATER,
                              "This cache has as many subscriptions as it may.",
                              "End some, or raise subs of the cache."},
    [ERR_INDEX_HEAD_TOO_BIG] =
        {EXPLAIN_NEVER, "The head of a request is over 8 KiB or 64 fields.",
         "Send fewer or shorter headers, or a shorter topic or token."},
    [ERR_INDEX_INTERNAL] =
        {EXPLAIN_LATER, "A fault of the node.",
         "Report it, with the log of the node from that time."},
    [ERR_INDEX_UNSUPPORTED] =
        {EXPLAIN_NEVER, "The protocol knows this, Starling does not do it.",
         "docs/PROTOCOLS.md says what each door leaves out."},
    [ERR_INDEX_NOT_READY] =
        {EXPLAIN_LATER,
         "The node has just started and does not yet know all others; until "
         "then it takes no publishes.",
         "Try again in a second, or at another node; /readyz says what it "
         "waits for."},
    [ERR_INDEX_NOMEM] =
        {EXPLAIN_LATER,
         "The node has no memory for this, or has reached limits.memory_len.",
         "Try another node; starling top shows what takes it."},
    [ERR_INDEX_CLOSING] =
        {EXPLAIN_ELSEWHERE,
         "The node drains: it was told to end, and sends its clients away.",
         "Connect to another node at once, or to this one after "
         "retry_after_ms."},
    [ERR_INDEX_IO] = {EXPLAIN_LATER,
                      "A connection, a file or another node failed underneath.",
                      "Try again; the log of the node says what failed."},
    [ERR_INDEX_CONFIG] =
        {EXPLAIN_NEVER, "The configuration cannot be.",
         "The message names file, line and column; starling check FILE tries "
         "it."},
    [ERR_INDEX_FORGED] =
        {EXPLAIN_NEVER,
         "Between nodes: a message was not sealed by a key that this node has.",
         "Compare starling keys list on both, and the names of the "
         "clusters."},
    [ERR_INDEX_REPLAYED] =
        {EXPLAIN_NEVER,
         "Between nodes: the same message twice, which the network or an "
         "attacker did.",
         "Nothing: it was dropped. Many of them deserve a look at the "
         "network."},
    [ERR_INDEX_STALE] =
        {EXPLAIN_NEVER,
         "Between nodes: a message from or for a node as it was before it "
         "restarted.",
         "Nothing: it was dropped, and passes with the restart."},
};

static const char *const retries[] = {
    [EXPLAIN_NEVER] = "no",
    [EXPLAIN_LATER] = "later",
    [EXPLAIN_ELSEWHERE] = "elsewhere",
};

const struct explanation *explain_at(int index)
{
    assert(index >= 0 && index < ERR_COUNT);
    return &explanations[index];
}

static const char *grpc_name(enum grpc_status status)
{
    static const char *const texts[] = {
        [GRPC_OK] = "OK",
        [GRPC_CANCELLED] = "CANCELLED",
        [GRPC_UNKNOWN] = "UNKNOWN",
        [GRPC_INVALID_ARGUMENT] = "INVALID_ARGUMENT",
        [GRPC_DEADLINE_EXCEEDED] = "DEADLINE_EXCEEDED",
        [GRPC_NOT_FOUND] = "NOT_FOUND",
        [GRPC_ALREADY_EXISTS] = "ALREADY_EXISTS",
        [GRPC_PERMISSION_DENIED] = "PERMISSION_DENIED",
        [GRPC_RESOURCE_EXHAUSTED] = "RESOURCE_EXHAUSTED",
        [GRPC_FAILED_PRECONDITION] = "FAILED_PRECONDITION",
        [GRPC_ABORTED] = "ABORTED",
        [GRPC_UNIMPLEMENTED] = "UNIMPLEMENTED",
        [GRPC_INTERNAL] = "INTERNAL",
        [GRPC_UNAVAILABLE] = "UNAVAILABLE",
        [GRPC_UNAUTHENTICATED] = "UNAUTHENTICATED",
    };

    return texts[status];
}

/* --- one error --- */

static void print_one(int err)
{
    const struct explanation *e = explain_at(-1 - err);
    static const char *const sentences[] = {
        [EXPLAIN_NEVER] = "no: the same again is refused again",
        [EXPLAIN_LATER] = "yes, after a pause that grows",
        [EXPLAIN_ELSEWHERE] = "yes, at another node at once",
    };

    printf("%u %s: %s\n", err_code(err), err_name(err), err_text(err));
    printf("  means      ");
    help_wrapped(stdout, e->means, 13);
    printf("  retry      %s\n", sentences[e->retry]);
    printf("  do         ");
    help_wrapped(stdout, e->todo, 13);
    printf("  HTTP       %u\n"
           "  WebSocket  error %u; if it closes, %u %s\n"
           "  RESP       -%s\n"
           "  gRPC       %d %s\n",
           err_status(err), err_code(err), (unsigned)ws_code_of(err),
           err_name(err), resp_error_word(err), (int)grpc_status(err),
           grpc_name(grpc_status(err)));
}

static json_t *one_as_json(int err)
{
    const struct explanation *e = explain_at(-1 - err);

    return json_pack(
        "{s:i, s:s, s:s, s:s, s:s, s:s, s:i, s:{s:i, s:s}, s:s, s:{s:i, s:s}}",
        "code", (int)err_code(err), "name", err_name(err), "text",
        err_text(err), "means", e->means, "retry", retries[e->retry], "do",
        e->todo, "http", (int)err_status(err), "websocket", "close",
        (int)ws_code_of(err), "reason", err_name(err), "resp",
        resp_error_word(err), "grpc", "status", (int)grpc_status(err), "name",
        grpc_name(grpc_status(err)));
}

/* --- which --- */

static bool is_meant(int err, const char *word)
{
    uint64_t number;

    if (bytes_u64(bytes_str(word), &number) != 0) {
        return strcasecmp(word, err_name(err)) == 0;
    }
    return number == err_code(err) || number == err_status(err) ||
           number == ws_code_of(err);
}

static const char *name_at(size_t i)
{
    return i < ERR_COUNT ? err_name(-1 - (int)i) : NULL;
}

static int say_unknown(const char *word)
{
    const char *meant = nearest(word, name_at);

    fprintf(stderr, "starling explain: no error is called '%s'%s%s%s\n", word,
            meant != NULL ? " (did you mean '" : "", meant != NULL ? meant : "",
            meant != NULL ? "'?)" : "");
    return CLI_USAGE;
}

static void print_all(void)
{
    for (int i = 0; i < ERR_COUNT; i++) {
        int err = -1 - i;
        printf("%u  %-12s  %-9s  %s\n", err_code(err), err_name(err),
               retries[explain_at(i)->retry], err_text(err));
    }
}

static int explain_json(const char *word)
{
    json_t *list = json_array();

    for (int i = 0; i < ERR_COUNT; i++) {
        if (word == NULL || is_meant(-1 - i, word)) {
            (void)json_array_append_new(list, one_as_json(-1 - i));
        }
    }
    size_t found = json_array_size(list);
    /* One is an object; a word that means several, or none, a list. */
    const json_t *root = word != NULL && found == 1 ? json_array_get(list, 0)
                                                    : list;
    if (found > 0) {
        json_dumpf(root, stdout, JSON_COMPACT);
        puts("");
    }
    json_decref(list);
    return found > 0 ? CLI_OK : say_unknown(word);
}

static int explain_text(const char *word)
{
    size_t found = 0;

    for (int i = 0; i < ERR_COUNT; i++) {
        if (is_meant(-1 - i, word)) {
            fputs(found++ > 0 ? "\n" : "", stdout);
            print_one(-1 - i);
        }
    }
    return found > 0 ? CLI_OK : say_unknown(word);
}

static int run(int argc, char **argv)
{
    struct args args;
    int exit_code = args_read(&args, &command_explain, argc, argv);
    const char *word = args.words_len > 0 ? args.words[0] : NULL;

    if (exit_code != CLI_OK) {
        return exit_code;
    }
    if (args.json) {
        return explain_json(word);
    }
    if (word == NULL) {
        print_all();
        return CLI_OK;
    }
    return explain_text(word);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * starling clients: who is connected, to whatever node. starling kick: the end
 * of one of them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/cli/cli.h"
#include "node/cli/page.h"
#include "node/cli/show.h"
#include "proto/topic.h"

enum {
    ROWS = 50
};

static void print_client(const json_t *row)
{
    printf("%-24s %-12s %-8s %-22s %-16s %6lld %10lld %10lld %8lld\n",
           show_text(row, "client"), show_text(row, "node"),
           show_text(row, "door"), show_text(row, "address"),
           show_text(row, "who"), show_number(row, "subs"),
           show_number(row, "queue"), show_number(row, "limit"),
           show_number(row, "age_ms") / 1000);
}

static int run_clients(int argc, char **argv)
{
    char head[160];
    struct args args;
    struct buf path = {0};
    int exit_code = args_read(&args, &command_clients, argc, argv);

    if (exit_code != CLI_OK) {
        return exit_code;
    }
    (void)snprintf(head, sizeof head,
                   "%-24s %-12s %-8s %-22s %-16s %6s %10s %10s %8s\n", "CLIENT",
                   "NODE", "DOOR", "ADDRESS", "WHO", "SUBS", "QUEUE", "LIMIT",
                   "AGE_S");
    buf_add_str(&path, "/v1/admin/clients?sort=");
    buf_add_str(&path, args.sort != NULL ? args.sort : "queue");
    page_add(&path, "node", args.node);
    buf_add_u8(&path, '\0');
    if (!path.failed) {
        exit_code = page_show(&(struct page_ask){.command = &command_clients,
                                                 .args = &args,
                                                 .path = (const char *)path.p,
                                                 .member = "clients",
                                                 .limit = ROWS,
                                                 .pages = true},
                              head, print_client);
    }
    buf_fini(&path);
    return exit_code;
}

/* "NODE-N": nothing else of the command line comes into the path. */
static bool is_client(const char *word)
{
    return strlen(word) <= CACHE_LEN_MAX && strchr(word, '.') == NULL &&
           topic_cache_is_valid(bytes_str(word));
}

static int run_kick(int argc, char **argv)
{
    char path[sizeof "/v1/admin/clients//kick" + CACHE_LEN_MAX];
    struct args args;
    json_t *root;
    int exit_code = args_read(&args, &command_kick, argc, argv);

    if (exit_code != CLI_OK) {
        return exit_code;
    }
    if (!is_client(args.words[0])) {
        return args_usage(&command_kick);
    }
    (void)snprintf(path, sizeof path, "/v1/admin/clients/%s/kick",
                   args.words[0]);
    exit_code = show_fetch(command_kick.name, &args, "POST", path, &root);
    if (exit_code == CLI_OK) {
        printf("%s closed (4009)\n", args.words[0]);
        json_decref(root);
    }
    return exit_code;
}

static const struct command_option options[] = {
    {"--sort", "ORDER", "most waiting, newest or most subscriptions first",
     "queue|id|subs", COMMAND_TEXT, offsetof(struct args, sort)},
    ARGS_NUMBER("--limit", "N", limit, "at most so many (50)"),
    ARGS_TEXT("--node", "NAME", node, "of that node only"),
    ARGS_JSON,
    {0},
};

const struct command command_clients = {
    .name = "clients",
    .run = run_clients,
    .what = "who is connected, and how much waits for them",
    .options = options,
    .where = args_where,
    .group = COMMAND_LOOKS,
};

const struct command command_kick = {
    .name = "kick",
    .run = run_kick,
    .words = "CLIENT",
    .what = "close a client, as `starling clients` names it",
    .where = args_where,
    .more = "It is told in the words of its protocol (4009, closed by an "
            "operator) and may\ncome back: to keep it out, revoke its token.",
    .group = COMMAND_CHANGES,
    .words_min = 1,
    .words_max = 1,
};

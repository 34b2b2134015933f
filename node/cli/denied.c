/* SPDX-License-Identifier: Apache-2.0
 *
 * starling denied: who was refused lately, on whatever node.
 */
#include <stdio.h>

#include "node/cli/cli.h"
#include "node/cli/page.h"
#include "node/cli/show.h"

enum {
    ROWS = 50
};

static void print_denial(const json_t *row)
{
    char at[SHOW_TIME_LEN];

    printf("%s %-10s %-8s %-22s %-16s %lld %-8s %s\n", show_time(row, "at", at),
           show_text(row, "node"), show_text(row, "door"),
           show_text(row, "address"), show_text(row, "who"),
           show_number(row, "code"), show_text(row, "error"),
           show_text(row, "what"));
    if (show_number(row, "times") > 1) {
        printf("%24s the last of %lld times\n", "", show_number(row, "times"));
    }
}

static int run(int argc, char **argv)
{
    char head[160];
    struct args args;
    int exit_code = args_read(&args, &command_denied, argc, argv);

    if (exit_code != CLI_OK) {
        return exit_code;
    }
    (void)snprintf(head, sizeof head, "%-24s %-10s %-8s %-22s %-16s %s\n", "AT",
                   "NODE", "DOOR", "ADDRESS", "WHO", "WHY, AND WHAT");
    return page_show(&(struct page_ask){.command = &command_denied,
                                        .args = &args,
                                        .path = "/v1/admin/denied?",
                                        .member = "denied",
                                        .limit = ROWS,
                                        .pages = true},
                     head, print_denial);
}

static const struct command_option options[] = {
    ARGS_NUMBER("--limit", "N", limit, "at most so many (50)"),
    ARGS_JSON,
    {0},
};

const struct command command_denied = {
    .name = "denied",
    .run = run,
    .what = "who was refused lately, from where and why",
    .options = options,
    .where = args_where,
    .group = COMMAND_LOOKS,
};

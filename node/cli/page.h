/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of an admin page of a node, asked for page by page until there are
 * enough, and who was silent meanwhile (docs/PROTOCOLS.md).
 */
#ifndef NODE_CLI_PAGE_H
#define NODE_CLI_PAGE_H

#include <jansson.h>

#include "node/cli/args.h"
#include "proto/bytes.h"

struct page_ask {
    const struct command *command;
    const struct args *args;
    const char *path;   /* with its first parameter: "/v1/admin/x?a=b" */
    const char *member; /* that has the rows */
    uint64_t limit;     /* rows, if nobody said --limit */
    bool pages;         /* `next` says where it goes on */
};

/* Appends what a path may hold of it, percent-encoded. */
void page_encode(struct buf *path, const char *value);
/* Appends &name=value, percent-encoded; nothing for NULL. */
void page_add(struct buf *path, const char *name, const char *value);

/* {member: [rows], "silent": [names]}; *root is the caller's. 0 or an exit
 * code. */
int page_fetch(const struct page_ask *ask, json_t **root);
/* Fetches and prints: as JSON with --json, else the head, then each row, then
 * who was silent. Returns the exit code. */
int page_show(const struct page_ask *ask, const char *head,
              void (*print)(const json_t *row));
/* Says on standard error who was silent. */
void page_say_silent(const struct command *command, const json_t *root);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/page.h"

#include <stdio.h>
#include <string.h>

#include "node/cli/cli.h"
#include "node/cli/show.h"
#include "proto/err.h"
#include "proto/topic.h"

enum {
    PAGE_ROWS_MAX = 1000
};

void page_add(struct buf *path, const char *name, const char *value)
{
    if (value != NULL) {
        buf_add_u8(path, '&');
        buf_add_str(path, name);
        buf_add_u8(path, '=');
        page_encode(path, value);
    }
}

void page_encode(struct buf *path, const char *value)
{
    static const char digits[] = "0123456789ABCDEF";

    for (const char *c = value; *c != '\0'; c++) {
        uint8_t byte = (uint8_t)*c;
        if (topic_cache_is_valid(bytes_of(&byte, 1))) {
            buf_add_u8(path, byte);
        } else {
            buf_add_u8(path, '%');
            buf_add_u8(path, (uint8_t)digits[byte >> 4]);
            buf_add_u8(path, (uint8_t)digits[byte & 15]);
        }
    }
}

/* One page. 0 or an exit code. */
static int fetch_one(const struct page_ask *ask, uint64_t limit,
                     const char *after, json_t **root)
{
    struct buf path = {0};
    int exit_code;

    buf_add_str(&path, ask->path);
    buf_add_str(&path, "&limit=");
    buf_add_u64(&path, limit < PAGE_ROWS_MAX ? limit : PAGE_ROWS_MAX);
    if (ask->pages) {
        page_add(&path, "after", after);
    }
    buf_add_u8(&path, '\0');
    if (path.failed) {
        exit_code = args_fail(ask->command->name, ask->path, ERR_NOMEM);
    } else {
        exit_code = show_fetch(ask->command->name, ask->args, "GET",
                               (const char *)path.p, root);
    }
    buf_fini(&path);
    return exit_code;
}

/* Moves the rows of one page behind the others. */
static void gather(const struct page_ask *ask, json_t *root, const json_t *page)
{
    json_t *rows = json_object_get(root, ask->member);
    json_t *silent = json_object_get(root, "silent");

    (void)json_array_extend(rows, json_object_get(page, ask->member));
    (void)json_array_clear(silent);
    (void)json_array_extend(silent, json_object_get(page, "silent"));
}

int page_fetch(const struct page_ask *ask, json_t **root)
{
    uint64_t limit = ask->args->limit > 0 ? ask->args->limit : ask->limit;
    int exit_code = CLI_OK;
    json_t *page = NULL;
    const char *next = "";

    *root = json_pack("{s:[],s:[]}", ask->member, "silent");
    if (*root == NULL) {
        return args_fail(ask->command->name, ask->path, ERR_NOMEM);
    }
    const json_t *rows = json_object_get(*root, ask->member);
    do {
        json_t *before = page; /* `next` is in it */
        exit_code = fetch_one(ask, limit - json_array_size(rows), next, &page);
        json_decref(before);
        if (exit_code != CLI_OK) {
            json_decref(*root);
            *root = NULL;
            return exit_code;
        }
        gather(ask, *root, page);
        next = show_text(page, "next");
    } while (ask->pages && next[0] != '\0' && json_array_size(rows) < limit);
    if (next[0] != '\0') {
        (void)json_object_set_new(*root, "more", json_true());
    }
    json_decref(page);
    return CLI_OK;
}

void page_say_silent(const struct command *command, const json_t *root)
{
    size_t i;
    json_t *name;

    json_array_foreach(json_object_get(root, "silent"), i, name)
    {
        fprintf(stderr, "starling %s: %s does not answer\n", command->name,
                json_string_value(name));
    }
}

int page_show(const struct page_ask *ask, const char *head,
              void (*print)(const json_t *row))
{
    json_t *root;
    int exit_code = page_fetch(ask, &root);
    size_t i;
    json_t *row;

    if (exit_code != CLI_OK) {
        return exit_code;
    }
    if (ask->args->json) {
        json_dumpf(root, stdout, JSON_COMPACT);
        puts("");
    } else {
        fputs(head, stdout);
        json_array_foreach(json_object_get(root, ask->member), i, row)
        {
            print(row);
        }
        if (show_truth(root, "more")) {
            fputs("... and more (--limit N)\n", stderr);
        }
    }
    page_say_silent(ask->command, root);
    json_decref(root);
    return CLI_OK;
}

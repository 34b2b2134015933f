/* SPDX-License-Identifier: Apache-2.0
 *
 * starling topics: what is subscribed to, where; the hottest first.
 */
#include <stdio.h>
#include <string.h>

#include "node/cli/cli.h"
#include "node/cli/page.h"
#include "node/cli/show.h"

enum {
    ROWS = 50
};

static void print_nodes(const json_t *row)
{
    const json_t *nodes = json_object_get(row, "nodes");
    size_t i;
    json_t *node;

    json_array_foreach(nodes, i, node)
    {
        printf("%s%s %lld", i == 0 ? " (" : " ", show_text(node, "name"),
               show_number(node, "subs"));
    }
    printf("%s\n", i > 0 ? ")" : "");
}

static void print_topic(const json_t *row)
{
    printf("%-16s %-32s subs %lld", show_text(row, "cache"),
           show_text(row, "topic"), show_number(row, "subs"));
    print_nodes(row);
}

/* --- the hottest --- */

static bool is_topic(const json_t *row, const json_t *other)
{
    return strcmp(show_text(row, "cache"), show_text(other, "cache")) == 0 &&
           strcmp(show_text(row, "topic"), show_text(other, "topic")) == 0;
}

static void add_number(json_t *row, const json_t *more, const char *name)
{
    (void)json_object_set_new(
        row, name,
        json_integer(show_number(row, name) + show_number(more, name)));
}

/* Adds what one node says of a topic to what others said. */
static void add_hot(json_t *sums, const json_t *hot)
{
    size_t i;
    json_t *sum;

    json_array_foreach(sums, i, sum)
    {
        if (is_topic(sum, hot)) {
            add_number(sum, hot, "in");
            add_number(sum, hot, "out");
            return;
        }
    }
    (void)json_array_append_new(sums, json_copy((json_t *)(uintptr_t)hot));
}

static long long heat(const json_t *row)
{
    return show_number(row, "in") + show_number(row, "out");
}

/* Takes the hottest out; NULL: there is none. The caller's. */
static json_t *take_hottest(json_t *sums)
{
    json_t *most = NULL;
    size_t most_at = 0;
    size_t i;
    json_t *sum;

    json_array_foreach(sums, i, sum)
    {
        if (most == NULL || heat(sum) > heat(most)) {
            most = sum;
            most_at = i;
        }
    }
    json_incref(most);
    (void)json_array_remove(sums, most_at);
    return most;
}

/* What the nodes report of the last second, of this cache (NULL: of all). No
 * report is no error: the list is complete without. */
static void print_hot(const struct args *args, const char *cache)
{
    json_t *sums = json_array();
    json_t *root = NULL;
    json_t *node;
    json_t *hot;
    size_t i;
    size_t h;

    if (show_fetch(command_topics.name, args, "GET", "/v1/admin/report",
                   &root) == CLI_OK) {
        json_array_foreach(json_object_get(root, "nodes"), i, node)
        {
            json_array_foreach(json_object_get(node, "hot"), h, hot)
            {
                if (cache == NULL ||
                    strcmp(cache, show_text(hot, "cache")) == 0) {
                    add_hot(sums, hot);
                }
            }
        }
    }
    while ((hot = take_hottest(sums)) != NULL) {
        printf("%-16s %-32s hot: %lld in, %lld out in the last second\n",
               show_text(hot, "cache"), show_text(hot, "topic"),
               show_number(hot, "in"), show_number(hot, "out"));
        json_decref(hot);
    }
    json_decref(sums);
    json_decref(root);
}

static int run(int argc, char **argv)
{
    struct args args;
    struct buf path = {0};
    int exit_code = args_read(&args, &command_topics, argc, argv);

    if (exit_code != CLI_OK) {
        return exit_code;
    }
    const char *cache = args.words_len > 0 ? args.words[0] : NULL;
    const char *topic = args.words_len > 1 ? args.words[1] : NULL;
    buf_add_str(&path, "/v1/admin/topics?");
    page_add(&path, "cache", cache);
    page_add(&path, "topic", topic);
    page_add(&path, "prefix", args.prefix);
    buf_add_u8(&path, '\0');
    if (topic == NULL && !args.json) {
        print_hot(&args, cache);
    }
    if (!path.failed) {
        exit_code = page_show(&(struct page_ask){.command = &command_topics,
                                                 .args = &args,
                                                 .path = (const char *)path.p,
                                                 .member = "topics",
                                                 .limit = ROWS,
                                                 .pages = true},
                              "", print_topic);
    }
    buf_fini(&path);
    return exit_code;
}

static const struct command_option options[] = {
    ARGS_TEXT("--prefix", "TEXT", prefix, "only topics that begin so"),
    ARGS_NUMBER("--limit", "N", limit, "at most so many (50)"),
    ARGS_JSON,
    {0},
};

const struct command command_topics = {
    .name = "topics",
    .run = run,
    .words = "[CACHE [TOPIC]]",
    .what = "what is subscribed to, and where",
    .options = options,
    .where = args_where,
    .group = COMMAND_LOOKS,
    .words_max = 2,
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/key_report.h"

#include <stdio.h>

#include "proto/err.h"

enum {
    KEYS_SHOWN_MAX = 64, /* different ones, in the whole cluster */
    NODES_NAMED_MAX = 10,
};

enum relation {
    HAS,
    SEALS,
    MISSES
};

static const char *text(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));
    return s != NULL ? s : "";
}

static bool truth(const json_t *o, const char *name)
{
    return json_is_true(json_object_get(o, name));
}

size_t key_report_own(const json_t *report, uint64_t prints[SEAL_KEYS_MAX])
{
    size_t len = 0;
    size_t i;
    size_t k;
    json_t *node;
    json_t *key;

    json_array_foreach(json_object_get(report, "nodes"), i, node)
    {
        if (!truth(node, "self")) {
            continue;
        }
        json_array_foreach(json_object_get(node, "keys"), k, key)
        {
            const char *hex = json_string_value(key);
            if (hex != NULL && len < SEAL_KEYS_MAX &&
                keys_print_read(bytes_str(hex), &prints[len]) == 0) {
                len++;
            }
        }
    }
    return len;
}

bool key_report_is_done(const json_t *report)
{
    return strcmp(text(report, "result"), "done") == 0;
}

/* --- the list --- */

static bool is_in(const json_t *keys, const char *key)
{
    size_t i;
    json_t *k;

    json_array_foreach(keys, i, k)
    {
        if (strcmp(json_string_value(k) != NULL ? json_string_value(k) : "",
                   key) == 0) {
            return true;
        }
    }
    return false;
}

static bool holds(const json_t *node, const char *key, enum relation relation)
{
    const json_t *keys = json_object_get(node, "keys");
    const char *first = json_string_value(json_array_get(keys, 0));

    if (!truth(node, "answered")) {
        return false;
    }
    switch (relation) {
    case HAS:
        return is_in(keys, key);
    case SEALS:
        return first != NULL && strcmp(first, key) == 0;
    case MISSES:
        return !is_in(keys, key);
    }
    return false;
}

static size_t count(const json_t *nodes, const char *key,
                    enum relation relation)
{
    size_t found = 0;
    size_t i;
    json_t *node;

    json_array_foreach(nodes, i, node)
    {
        found += holds(node, key, relation);
    }
    return found;
}

/* "n1, n2, n3", "all 3 nodes", "no node". */
static void print_nodes(const json_t *nodes, const char *key,
                        enum relation relation)
{
    size_t all = json_array_size(nodes);
    size_t found = count(nodes, key, relation);
    size_t named = 0;
    size_t i;
    json_t *node;

    if (found == 0) {
        printf("no node");
        return;
    }
    if (found == all && all > 1) {
        printf("all %zu nodes", all);
        return;
    }
    json_array_foreach(nodes, i, node)
    {
        if (holds(node, key, relation) && named < NODES_NAMED_MAX) {
            printf("%s%s", named == 0 ? "" : ", ", text(node, "name"));
            named++;
        }
    }
    if (found > named) {
        printf(" and %zu more", found - named);
    }
}

static void print_key(const json_t *nodes, const char *key)
{
    printf("%s  installed on ", key);
    print_nodes(nodes, key, HAS);
    printf("; seals on ");
    print_nodes(nodes, key, SEALS);
    if (count(nodes, key, MISSES) > 0) {
        printf("; MISSING on ");
        print_nodes(nodes, key, MISSES);
    }
    puts("");
}

/* The different ones, in the order in which nodes name them. */
static size_t collect(const json_t *nodes, const char *keys[KEYS_SHOWN_MAX])
{
    size_t len = 0;
    size_t i;
    size_t k;
    json_t *node;
    json_t *key;

    json_array_foreach(nodes, i, node)
    {
        json_array_foreach(json_object_get(node, "keys"), k, key)
        {
            const char *name = json_string_value(key);
            bool known = name == NULL || len == KEYS_SHOWN_MAX;
            for (size_t j = 0; j < len && !known; j++) {
                known = strcmp(keys[j], name) == 0;
            }
            if (!known) {
                keys[len++] = name;
            }
        }
    }
    return len;
}

static void print_faults(const json_t *nodes, FILE *to)
{
    size_t i;
    json_t *node;

    json_array_foreach(nodes, i, node)
    {
        if (text(node, "fault")[0] != '\0') {
            fprintf(to, "%s (%s): %s\n", text(node, "name"),
                    text(node, "region"), text(node, "fault"));
        }
    }
}

void key_report_print_list(const json_t *report)
{
    const json_t *nodes = json_object_get(report, "nodes");
    const char *keys[KEYS_SHOWN_MAX];
    size_t len = collect(nodes, keys);

    for (size_t i = 0; i < len; i++) {
        print_key(nodes, keys[i]);
    }
    print_faults(nodes, stdout);
    puts(text(report, "why"));
}

void key_report_print_change(const json_t *report)
{
    bool done = key_report_is_done(report);

    print_faults(json_object_get(report, "nodes"), done ? stdout : stderr);
    if (done) {
        printf("%s: %s\n", text(report, "key"), text(report, "why"));
    } else {
        fprintf(stderr, "starling keys %s %s: %s: %s\n", text(report, "op"),
                text(report, "key"), text(report, "result"),
                text(report, "why"));
    }
}

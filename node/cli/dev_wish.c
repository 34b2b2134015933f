/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/dev_wish.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "node/cli/dev_talk.h"
#include "proto/err.h"

enum {
    LINE_WORDS_MAX = 4
};

/* What a verb wants behind it. */
enum wants {
    WANTS_NOTHING,
    WANTS_NODE,
    WANTS_REGIONS,
    WANTS_MS
};

static const struct verb {
    enum dev_verb verb;
    const char *key;
    const char *name;
    enum wants wants;
    bool on_terminal_only;
} verbs[] = {
    {DEV_KILL, "k", "kill", WANTS_NODE, false},
    {DEV_RESTART, "r", "restart", WANTS_NODE, false},
    {DEV_PARTITION, "p", "partition", WANTS_REGIONS, false},
    {DEV_HEAL, "h", "heal", WANTS_NOTHING, false},
    {DEV_WAN, "w", "wan", WANTS_MS, false},
    {DEV_SHOW, "s", "show", WANTS_NOTHING, true},
    {DEV_HELP, "?", "help", WANTS_NOTHING, true},
    {DEV_QUIT, "q", "quit", WANTS_NOTHING, true},
};

/* --- reading --- */

static int find_node(const struct dev_nodes *nodes, const char *text,
                     size_t *node, char words[DEV_WORDS_MAX])
{
    uint64_t number;

    if (bytes_u64(bytes_str(text[0] == 'n' ? text + 1 : text), &number) == 0 &&
        number > 0 && number <= nodes->len) {
        *node = (size_t)number - 1;
        return 0;
    }
    snprintf(words, DEV_WORDS_MAX, "no node '%.32s': they are n1 to n%zu", text,
             nodes->len);
    return ERR_NOT_FOUND;
}

static int find_region(const struct dev_nodes *nodes, const char *text,
                       size_t *region, char words[DEV_WORDS_MAX])
{
    size_t at = 0;

    for (size_t i = 0; i < nodes->regions_len; i++) {
        if (strcmp(nodes->regions[i], text) == 0) {
            *region = i;
            return 0;
        }
    }
    at = (size_t)snprintf(words, DEV_WORDS_MAX, "no region '%.32s': they are",
                          text);
    for (size_t i = 0; i < nodes->regions_len && at < DEV_WORDS_MAX; i++) {
        at += (size_t)snprintf(words + at, DEV_WORDS_MAX - at, " %.16s",
                               nodes->regions[i]);
    }
    return ERR_NOT_FOUND;
}

/* One: it and all others. None: if there are but two, those. */
static int find_regions(const struct dev_nodes *nodes,
                        const char *const texts[2], struct dev_wish *wish,
                        char words[DEV_WORDS_MAX])
{
    int rc = 0;

    wish->regions[0] = 0;
    wish->regions[1] = nodes->regions_len;
    if (texts[0] == NULL && nodes->regions_len != 2) {
        snprintf(words, DEV_WORDS_MAX, "between which regions? p A B");
        return ERR_ARGUMENT;
    }
    for (size_t i = 0; rc == 0 && i < 2 && texts[i] != NULL; i++) {
        rc = find_region(nodes, texts[i], &wish->regions[i], words);
    }
    if (rc == 0 &&
        (wish->regions[0] == wish->regions[1] || nodes->regions_len < 2)) {
        snprintf(words, DEV_WORDS_MAX,
                 "a partition is between two regions: starling dev --regions "
                 "eu,us");
        rc = ERR_ARGUMENT;
    }
    return rc;
}

static int take_ms(uint64_t ms, struct dev_wish *wish,
                   char words[DEV_WORDS_MAX])
{
    if (ms > DEV_WAN_MAX_MS) {
        snprintf(words, DEV_WORDS_MAX, "how far are regions apart? 0 to %d ms",
                 DEV_WAN_MAX_MS);
        return ERR_ARGUMENT;
    }
    wish->ms = (uint32_t)ms;
    return 0;
}

static const struct verb *verb_of(const char *word, bool on_terminal)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        const struct verb *v = &verbs[i];
        if ((on_terminal || !v->on_terminal_only) &&
            (strcmp(word, v->name) == 0 ||
             (on_terminal && strcmp(word, v->key) == 0))) {
            return v;
        }
    }
    return NULL;
}

static size_t split(char *line, char *list[LINE_WORDS_MAX])
{
    size_t len = 0;
    char *word;

    while ((word = strsep(&line, " \t\r\n")) != NULL) {
        if (word[0] != '\0' && len < LINE_WORDS_MAX) {
            list[len++] = word;
        }
    }
    return len;
}

int dev_wish_read_line(const struct dev_nodes *nodes, char *line,
                       struct dev_wish *wish, char words[DEV_WORDS_MAX])
{
    static const size_t most[] = {[WANTS_NOTHING] = 1,
                                  [WANTS_NODE] = 2,
                                  [WANTS_REGIONS] = 3,
                                  [WANTS_MS] = 2};
    char *list[LINE_WORDS_MAX] = {0};
    size_t len = split(line, list);
    uint64_t ms = UINT64_MAX;

    *wish = (struct dev_wish){.verb = DEV_NOTHING};
    if (len == 0) {
        return 0;
    }
    const struct verb *v = verb_of(list[0], true);
    if (v == NULL || len > most[v->wants]) {
        snprintf(words, DEV_WORDS_MAX, "not understood; ? lists what is");
        return ERR_ARGUMENT;
    }
    wish->verb = v->verb;
    switch (v->wants) {
    case WANTS_NOTHING:
        return 0;
    case WANTS_NODE:
        return find_node(nodes, len > 1 ? list[1] : "", &wish->node, words);
    case WANTS_REGIONS:
        return find_regions(nodes, (const char *[]){list[1], list[2]}, wish,
                            words);
    case WANTS_MS:
        (void)bytes_u64(bytes_str(len > 1 ? list[1] : ""), &ms);
        return take_ms(ms, wish, words);
    }
    return ERR_ARGUMENT;
}

static int read_object(const struct dev_nodes *nodes, const json_t *root,
                       struct dev_wish *wish, char words[DEV_WORDS_MAX])
{
    const char *name = json_string_value(json_object_get(root, "do"));
    const char *node = json_string_value(json_object_get(root, "node"));
    const json_t *regions = json_object_get(root, "regions");
    const json_t *ms = json_object_get(root, "ms");
    const struct verb *v = name == NULL ? NULL : verb_of(name, false);

    *wish = (struct dev_wish){.verb = DEV_NOTHING};
    if (v == NULL) {
        snprintf(words, DEV_WORDS_MAX,
                 "\"do\" is kill, restart, partition, heal or wan");
        return ERR_ARGUMENT;
    }
    wish->verb = v->verb;
    if (v->wants == WANTS_NODE) {
        return find_node(nodes, node == NULL ? "" : node, &wish->node, words);
    }
    if (v->wants == WANTS_REGIONS) {
        const char *texts[] = {json_string_value(json_array_get(regions, 0)),
                               json_string_value(json_array_get(regions, 1))};
        return find_regions(nodes, texts, wish, words);
    }
    if (v->wants == WANTS_MS) {
        json_int_t number = json_is_integer(ms) ? json_integer_value(ms) : -1;
        return take_ms((uint64_t)number, wish, words);
    }
    return 0;
}

int dev_wish_read_json(const struct dev_nodes *nodes, struct bytes text,
                       struct dev_wish *wish, char words[DEV_WORDS_MAX])
{
    json_t *root = json_loadb((const char *)text.p, text.len,
                              JSON_REJECT_DUPLICATES, NULL);

    if (!json_is_object(root)) {
        json_decref(root);
        snprintf(words, DEV_WORDS_MAX, "this is no JSON object");
        return ERR_SYNTAX;
    }
    int rc = read_object(nodes, root, wish, words);
    json_decref(root);
    return rc;
}

/* --- carrying out --- */

static int do_kill(struct dev_nodes *nodes, size_t i, char words[DEV_WORDS_MAX])
{
    struct dev_node *node = &nodes->node[i];
    pid_t pid = node->pid;

    if (pid == 0) {
        snprintf(words, DEV_WORDS_MAX, "%s does not run; r %zu starts it",
                 node->name, i + 1);
        return ERR_CONFLICT;
    }
    dev_nodes_kill(nodes, i);
    snprintf(words, DEV_WORDS_MAX, "%s (%s) killed: process %d is gone",
             node->name, dev_region(nodes, i), (int)pid);
    return 0;
}

static int do_restart(struct dev_nodes *nodes, size_t i,
                      char words[DEV_WORDS_MAX])
{
    struct dev_node *node = &nodes->node[i];
    pid_t pid = node->pid;
    int rc = dev_nodes_restart(nodes, i);

    if (rc != 0) {
        snprintf(words, DEV_WORDS_MAX, "%s cannot be started", node->name);
    } else if (pid == 0) {
        snprintf(words, DEV_WORDS_MAX, "%s (%s) started again: process %d",
                 node->name, dev_region(nodes, i), (int)node->pid);
    } else {
        snprintf(words, DEV_WORDS_MAX,
                 "%s (%s) killed and started again: process %d, was %d",
                 node->name, dev_region(nodes, i), (int)node->pid, (int)pid);
    }
    return rc;
}

static void do_partition(struct dev_nodes *nodes, const size_t regions[2],
                         char words[DEV_WORDS_MAX])
{
    size_t a = regions[0];
    size_t b = regions[1];

    for (size_t i = 0; i < nodes->regions_len; i++) {
        if (i != a && (i == b || b == nodes->regions_len)) {
            nodes->cut[a][i] = true;
            nodes->cut[i][a] = true;
        }
    }
    dev_talk_tell(nodes);
    snprintf(words, DEV_WORDS_MAX, "%s and %s are cut off from each other",
             nodes->regions[a],
             b < nodes->regions_len ? nodes->regions[b] : "all others");
}

static void do_heal(struct dev_nodes *nodes, char words[DEV_WORDS_MAX])
{
    bool any = false;

    for (size_t a = 0; a < nodes->regions_len; a++) {
        for (size_t b = 0; b < nodes->regions_len; b++) {
            any = any || nodes->cut[a][b];
            nodes->cut[a][b] = false;
        }
    }
    dev_talk_tell(nodes);
    snprintf(words, DEV_WORDS_MAX, "%s",
             any ? "healed: all regions reach each other" : "nothing is cut");
}

int dev_wish_do(struct dev_nodes *nodes, const struct dev_wish *wish,
                char words[DEV_WORDS_MAX])
{
    switch (wish->verb) {
    case DEV_KILL:
        return do_kill(nodes, wish->node, words);
    case DEV_RESTART:
        return do_restart(nodes, wish->node, words);
    case DEV_PARTITION:
        do_partition(nodes, wish->regions, words);
        return 0;
    case DEV_HEAL:
        do_heal(nodes, words);
        return 0;
    case DEV_WAN:
        nodes->wan_ms = wish->ms;
        dev_talk_tell(nodes);
        snprintf(words, DEV_WORDS_MAX, "regions are %" PRIu32 " ms apart",
                 wish->ms);
        return 0;
    case DEV_NOTHING:
    case DEV_SHOW:
    case DEV_HELP:
    case DEV_QUIT:
        break;
    }
    return ERR_ARGUMENT;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "node/config/yaml.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "proto/err.h"

struct reading {
    const char *path;
    yaml_document_t *document;
    int (*visit)(void *data, const struct yaml_entry *entry);
    void *data;
    char *why;
    size_t why_len;
};

static int visit_root(struct reading *r, const yaml_node_t *root);

static int refuse(struct reading *r, const yaml_mark_t *at, const char *text)
{
    snprintf(r->why, r->why_len, "%s:%zu:%zu: %s", r->path, at->line + 1,
             at->column + 1, text);
    return ERR_CONFIG;
}

static int load(FILE *file, struct reading *r)
{
    yaml_parser_t parser;
    int rc = ERR_NOMEM;

    if (!yaml_parser_initialize(&parser)) {
        return ERR_NOMEM;
    }
    yaml_parser_set_input_file(&parser, file);
    if (!yaml_parser_load(&parser, r->document)) {
        const char *problem = parser.problem != NULL ? parser.problem
                                                     : "no YAML";
        rc = refuse(r, &parser.problem_mark, problem);
    } else {
        yaml_node_t *root = yaml_document_get_root_node(r->document);
        rc = root == NULL ? 0 : visit_root(r, root);
        yaml_document_delete(r->document);
    }
    yaml_parser_delete(&parser);
    return rc;
}

int yaml_read(const char *path,
              int (*visit)(void *data, const struct yaml_entry *entry),
              void *data, char *why, size_t why_len)
{
    yaml_document_t document;
    struct reading r = {path, &document, visit, data, why, why_len};
    FILE *file = fopen(path, "re");

    if (file == NULL) {
        snprintf(why, why_len, "%s: %s", path, strerror(errno));
        return ERR_IO;
    }
    int rc = ERR_IO;
    if (fseek(file, 0, SEEK_END) != 0 || ftell(file) > YAML_FILE_LEN_MAX) {
        snprintf(why, why_len, "%s: not a file of at most 1 MiB", path);
    } else {
        rewind(file);
        rc = load(file, &r);
    }
    fclose(file);
    return rc;
}

static const yaml_node_t *node_at(const struct reading *r, int id)
{
    return yaml_document_get_node(r->document, id);
}

/* The text of a scalar without inner NUL, or NULL. */
static const char *scalar(const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE) {
        return NULL;
    }
    const char *text = (const char *)node->data.scalar.value;
    return strlen(text) == node->data.scalar.length ? text : NULL;
}

static int visit_scalar(struct reading *r, const char *section, size_t index,
                        const yaml_node_t *key, const yaml_node_t *value)
{
    const yaml_node_t *place = key != NULL ? key : value;
    struct yaml_entry entry = {
        .section = section,
        .index = index,
        .key = key != NULL ? scalar(key) : "",
        .value = scalar(value),
        .line = place->start_mark.line + 1,
        .column = place->start_mark.column + 1,
    };

    if (entry.key == NULL || entry.value == NULL) {
        return refuse(r, &place->start_mark, "expected one plain value");
    }
    return r->visit(r->data, &entry);
}

/* Whether the key of `pair` stands in the mapping before it. */
static bool is_repeated(const struct reading *r, const yaml_node_t *map,
                        const yaml_node_pair_t *pair)
{
    const char *key = scalar(node_at(r, pair->key));
    const yaml_node_pair_t *p = map->data.mapping.pairs.start;

    for (; key != NULL && p < pair; p++) {
        const char *other = scalar(node_at(r, p->key));
        if (other != NULL && strcmp(other, key) == 0) {
            return true;
        }
    }
    return false;
}

static int visit_map(struct reading *r, const char *section, size_t index,
                     const yaml_node_t *map)
{
    const yaml_node_pair_t *p = map->data.mapping.pairs.start;
    int rc = 0;

    for (; rc == 0 && p < map->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = node_at(r, p->key);
        if (is_repeated(r, map, p)) {
            return refuse(r, &key->start_mark, "the same key twice");
        }
        rc = visit_scalar(r, section, index, key, node_at(r, p->value));
    }
    return rc;
}

static int visit_sequence(struct reading *r, const char *section,
                          const yaml_node_t *list)
{
    const yaml_node_item_t *item = list->data.sequence.items.start;
    size_t index = 0;
    int rc = 0;

    for (; rc == 0 && item < list->data.sequence.items.top; item++) {
        const yaml_node_t *node = node_at(r, *item);
        rc = node->type == YAML_MAPPING_NODE
                 ? visit_map(r, section, index, node)
                 : visit_scalar(r, section, index, NULL, node);
        index++;
    }
    return rc;
}

static int visit_root(struct reading *r, const yaml_node_t *root)
{
    if (root->type != YAML_MAPPING_NODE) {
        return refuse(r, &root->start_mark, "expected `key: value` lines");
    }
    const yaml_node_pair_t *p = root->data.mapping.pairs.start;
    int rc = 0;

    for (; rc == 0 && p < root->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = node_at(r, p->key);
        const yaml_node_t *value = node_at(r, p->value);
        const char *section = scalar(key);
        if (section == NULL || is_repeated(r, root, p)) {
            return refuse(r, &key->start_mark,
                          section == NULL ? "expected a plain key"
                                          : "the same key twice");
        }
        if (value->type == YAML_MAPPING_NODE) {
            rc = visit_map(r, section, 0, value);
        } else if (value->type == YAML_SEQUENCE_NODE) {
            rc = visit_sequence(r, section, value);
        } else {
            rc = visit_scalar(r, "", 0, key, value);
        }
    }
    return rc;
}

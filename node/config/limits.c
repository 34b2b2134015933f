/* SPDX-License-Identifier: Apache-2.0 */
#include "node/config/limits.h"

#include <string.h>

#include "node/config/amount.h"
#include "proto/bytes.h"
#include "proto/err.h"

enum {
    FRAME_ROOM = 64 << 10
}; /* beside an item: names, attributes, frames */

static const struct limits_row rows[] = {
#define X(field, value, least, most, unit, what) \
    {#field,                                     \
     #field " is outside its permitted range",   \
     unit,                                       \
     what,                                       \
     offsetof(struct limits, field),             \
     value,                                      \
     least,                                      \
     most},
    LIMITS_TABLE(X)
#undef X
};

static uint64_t *at(struct limits *limits, const struct limits_row *row)
{
    return (uint64_t *)(void *)((uint8_t *)limits + row->offset);
}

struct limits limits_default(void)
{
    struct limits limits;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        *at(&limits, &rows[i]) = rows[i].value;
    }
    return limits;
}

/* The first pair of fields that contradict each other, or NULL. */
static const char *contradiction(const struct limits *l)
{
    if (l->out_soft_len > limits_out_hard(l)) {
        return "out_soft_len must not be above out_hard_len";
    }
    if (limits_out_hard(l) > l->memory_len) {
        return "memory_len must hold one out_hard_len (or item_len + 64 KiB)";
    }
    if (l->link_queue_len < l->item_len + FRAME_ROOM) {
        return "link_queue_len must be at least item_len + 64 KiB";
    }
    if (l->rings_len < l->item_len + FRAME_ROOM) {
        return "rings_len must be at least item_len + 64 KiB";
    }
    if (l->rings_len < l->ring_len) {
        return "ring_len must not be above rings_len";
    }
    if (l->rings_len > l->memory_len) {
        return "rings_len must not be above memory_len";
    }
    if (l->ping_ms >= l->idle_ms) {
        return "ping_ms must be below idle_ms";
    }
    return NULL;
}

int limits_check(const struct limits *limits, const char **why)
{
    struct limits copy = *limits;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t value = *at(&copy, &rows[i]);
        if (value < rows[i].least || value > rows[i].most) {
            *why = rows[i].outside;
            return ERR_CONFIG;
        }
    }
    const char *found = contradiction(limits);
    if (found != NULL) {
        *why = found;
        return ERR_CONFIG;
    }
    return 0;
}

int limits_set(struct limits *limits, const char *field, uint64_t value)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strcmp(rows[i].name, field) != 0) {
            continue;
        }
        if (value < rows[i].least || value > rows[i].most) {
            return ERR_ARGUMENT;
        }
        *at(limits, &rows[i]) = value;
        return 0;
    }
    return ERR_NOT_FOUND;
}

bool limits_same(const struct limits *a, const struct limits *b)
{
    struct limits one = *a;
    struct limits other = *b;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (*at(&one, &rows[i]) != *at(&other, &rows[i])) {
            return false;
        }
    }
    return true;
}

bool limits_take(struct limits *limits, const struct limits *from)
{
    uint64_t item_len = limits->item_len;

    *limits = *from;
    limits->item_len = item_len;
    return item_len == from->item_len;
}

const struct limits_row *limits_at(size_t i)
{
    return i < ARRAY_LEN(rows) ? &rows[i] : NULL;
}

uint64_t limits_get(const struct limits *limits, const struct limits_row *row)
{
    struct limits copy = *limits;

    return *at(&copy, row);
}

const char *limits_name(size_t i)
{
    return i < ARRAY_LEN(rows) ? rows[i].name : NULL;
}

uint64_t limits_out_hard(const struct limits *limits)
{
    uint64_t one_item = limits->item_len + FRAME_ROOM;

    return limits->out_hard_len > one_item ? limits->out_hard_len : one_item;
}

uint64_t limits_body(const struct limits *limits)
{
    return (limits->item_len + FRAME_ROOM + 2) / 3 * 4;
}

const char *limits_read(struct limits *limits, const char *v)
{
    char name[64];
    size_t len = strcspn(v, "=");
    uint64_t amount;

    if (v[len] != '=' || len >= sizeof name) {
        return "expected name=value, such as item_len=2m";
    }
    memcpy(name, v, len);
    name[len] = '\0';
    if (amount_read(v + len + 1, &amount) != 0) {
        return "expected a number, with k, m, g or ms, s, min";
    }
    switch (limits_set(limits, name, amount)) {
    case 0:
        return NULL;
    case ERR_NOT_FOUND:
        return "no limit of that name";
    default:
        return "outside what this limit allows";
    }
}

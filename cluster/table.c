/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"

enum {
    CAP_MIN = 16,
    TAIL = 32,        /* places behind the last home or entry */
    NEAR = 8,         /* places looked at one by one */
    CROWD = 256,      /* places from a home to the next empty one */
    CROWDED_LOAD = 5, /* homes for each entry, at most, when crowded */
    SPARSE_LOAD = 8,  /* homes for each entry: memory is given back */
};

static size_t home(const struct table *table, uint64_t key);
static uint64_t *place(const struct table *table, size_t at);
static size_t seek(const struct table *table, uint64_t key);
static bool is_below(const struct table *table, size_t at, uint64_t key);
static bool is_crowded(const struct table *table, uint64_t key, size_t end);
static int make_room(struct table *table);
static int rebuild(struct table *table, size_t cap, size_t words);
static void shrink(struct table *table);

void table_init(struct table *table, size_t words, size_t max)
{
    assert(words > 0);
    *table = (struct table){.words = words, .max = max};
}

void table_fini(struct table *table)
{
    free(table->places);
    *table = (struct table){.words = table->words, .max = table->max};
}

uint64_t *table_find(const struct table *table, uint64_t key)
{
    if (table->len == 0) {
        return NULL;
    }
    uint64_t *found = place(table, seek(table, key));
    return *found == key ? found + 1 : NULL;
}

uint64_t *table_add(struct table *table, uint64_t key)
{
    uint64_t *found = table_find(table, key);

    assert(key != 0);
    if (found != NULL) {
        return found;
    }
    if (table->len >= table->max || make_room(table) != 0) {
        return NULL;
    }
    size_t at = seek(table, key);
    size_t end = at;
    while (*place(table, end) != 0) {
        end++;
    }
    bool crowded = is_crowded(table, key, end);
    if (crowded || end + 1 == table->room) { /* or the tail is full */
        size_t cap = crowded ? table->cap / 5 * 7 : table->cap;
        if (rebuild(table, cap, table->words) != 0) {
            return NULL;
        }
        return table_add(table, key);
    }
    size_t stride = (1 + table->words) * sizeof(uint64_t);
    uint64_t *entry = place(table, at);
    memmove(place(table, at + 1), entry, (end - at) * stride);
    memset(entry, 0, stride);
    *entry = key;
    table->len++;
    return entry + 1;
}

void table_remove(struct table *table, uint64_t key)
{
    assert(table->len > 0);
    size_t at = seek(table, key);
    size_t end = at + 1;
    size_t stride = (1 + table->words) * sizeof(uint64_t);

    assert(*place(table, at) == key);
    while (*place(table, end) != 0 && home(table, *place(table, end)) < end) {
        end++;
    }
    memmove(place(table, at), place(table, at + 1), (end - at - 1) * stride);
    memset(place(table, end - 1), 0, stride);
    table->len--;
    shrink(table);
}

const uint64_t *table_from(const struct table *table, uint64_t from)
{
    if (table->len == 0) {
        return NULL;
    }
    const uint64_t *entry = place(table, seek(table, from));
    return *entry != 0 ? entry : table_after(table, entry);
}

const uint64_t *table_after(const struct table *table, const uint64_t *entry)
{
    const uint64_t *end = place(table, table->room);

    do {
        entry += 1 + table->words;
    } while (entry < end && *entry == 0);
    return entry < end ? entry : NULL;
}

/* Dropping entries lets later ones move towards their homes; once one is past
 * the range and stays where it is, so do all behind it. */
void table_sweep(struct table *table, uint64_t from, uint64_t to,
                 table_keep keep, void *data)
{
    if (table->len == 0) {
        return;
    }
    size_t stride = (1 + table->words) * sizeof(uint64_t);
    size_t next = seek(table, from);

    for (size_t at = next; at < table->room; at++) {
        uint64_t *entry = place(table, at);
        if (*entry == 0) {
            continue;
        }
        size_t best = home(table, *entry) > next ? home(table, *entry) : next;
        if (*entry > to) {
            if (best == at) {
                break;
            }
        } else if (!keep(data, *entry, entry + 1)) {
            memset(entry, 0, stride);
            table->len--;
            continue;
        }
        if (best != at) {
            memcpy(place(table, best), entry, stride);
            memset(entry, 0, stride);
        }
        next = best + 1;
    }
    shrink(table);
}

int table_widen(struct table *table, size_t words)
{
    assert(words >= table->words);
    if (table->places == NULL) {
        table->words = words;
        return 0;
    }
    return rebuild(table, table->cap, words);
}

size_t table_bytes(const struct table *table)
{
    return table->room * (1 + table->words) * sizeof(uint64_t);
}

void table_check(const struct table *table)
{
    uint64_t last = 0;
    size_t len = 0;

    assert(table->len <= table->max);
    for (size_t at = 0; at < table->room; at++) {
        uint64_t key = *place(table, at);
        if (key == 0) {
            continue;
        }
        size_t want = home(table, key);
        assert(key > last);
        assert(want <= at);
        assert(want == at || *place(table, at - 1) != 0);
        assert(at + 1 < table->room);
        last = key;
        len++;
    }
    assert(len == table->len);
}

static size_t home(const struct table *table, uint64_t key)
{
    return (size_t)((unsigned __int128)key * table->cap >> 64);
}

static uint64_t *place(const struct table *table, size_t at)
{
    return table->places + at * (1 + table->words);
}

/* Where the key is, or would be put: the first place from its home on that is
 * empty or not below it. Places before that are full and below, so after a few
 * steps it is a search by halves: a sorted snapshot makes long runs. */
static size_t seek(const struct table *table, uint64_t key)
{
    size_t low = home(table, key);
    size_t step = 1;

    for (size_t near = 0; near < NEAR; near++, low++) {
        if (!is_below(table, low, key)) {
            return low;
        }
    }
    while (low + step < table->room && is_below(table, low + step, key)) {
        low += step;
        step *= 2;
    }
    size_t high = low + step < table->room ? low + step : table->room - 1;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (is_below(table, mid, key)) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static bool is_below(const struct table *table, size_t at, uint64_t key)
{
    uint64_t other = *place(table, at);

    return other != 0 && other < key;
}

/* Keys that come crowded (a sorted snapshot begins at one end) ask for more
 * homes before the load does. */
static bool is_crowded(const struct table *table, uint64_t key, size_t end)
{
    return end - home(table, key) > CROWD &&
           table->cap < CROWDED_LOAD * table->len;
}

/* Errors: ERR_NOMEM. */
static int make_room(struct table *table)
{
    if (table->len + 1 <= table->cap / 10 * 7) {
        return 0;
    }
    size_t cap = table->cap / 5 * 7;
    return rebuild(table, cap < CAP_MIN ? CAP_MIN : cap, table->words);
}

/* Lays the entries out again. Errors: ERR_NOMEM, nothing changed. */
static int rebuild(struct table *table, size_t cap, size_t words)
{
    struct table next = {
        .cap = cap, .len = table->len, .max = table->max, .words = words};
    const uint64_t *first = table_from(table, 0);
    size_t end = 0;

    for (const uint64_t *e = first; e != NULL; e = table_after(table, e)) {
        size_t want = home(&next, *e);
        end = (want > end ? want : end) + 1;
    }
    next.room = (end > cap ? end : cap) + TAIL;
    next.places = calloc(next.room, (1 + words) * sizeof(uint64_t));
    if (next.places == NULL) {
        return ERR_NOMEM;
    }
    end = 0;
    for (const uint64_t *e = first; e != NULL; e = table_after(table, e)) {
        size_t want = home(&next, *e);
        size_t at = want > end ? want : end;
        memcpy(place(&next, at), e, (1 + table->words) * sizeof(uint64_t));
        end = at + 1;
    }
    free(table->places);
    *table = next;
    return 0;
}

/* Gives memory back; best effort. */
static void shrink(struct table *table)
{
    if (table->len == 0) {
        table_fini(table);
    } else if (table->cap > 8 * CAP_MIN &&
               table->len < table->cap / SPARSE_LOAD) {
        (void)rebuild(table, table->len / 3 * 5 + CAP_MIN, table->words);
    }
}

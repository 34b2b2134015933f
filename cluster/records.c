/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/records.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"

static bool is_below(const struct record *record, uint8_t type, uint64_t hash);

struct record *record_new(const struct peer_record *from)
{
    bool is_register = from->type == PEER_REGISTER;
    struct bytes first = is_register ? from->key : from->cache;
    struct bytes second = is_register ? from->value : from->pattern;

    assert(first.len <= UINT16_MAX);
    assert(second.len <= UINT16_MAX);
    struct record *record = malloc(sizeof *record + first.len + second.len);
    if (record == NULL) {
        return NULL;
    }
    *record = (struct record){
        .refs = 1,
        .type = from->type,
        .dialect = is_register ? from->kind : from->dialect,
        .cache_len = (uint16_t)first.len,
        .pattern_len = (uint16_t)second.len,
        .hash = from->hash,
        .stamp = from->stamp,
        .until_s = from->until_s,
    };
    if (first.len > 0) {
        memcpy(record->text, first.p, first.len);
    }
    if (second.len > 0) {
        memcpy(record->text + first.len, second.p, second.len);
    }
    return record;
}

struct record *record_ref(struct record *record)
{
    record->refs++;
    return record;
}

void record_unref(struct record *record)
{
    if (record != NULL && --record->refs == 0) {
        free(record);
    }
}

struct peer_record record_view(const struct record *record, bool removed)
{
    struct bytes first = bytes_of(record->text, record->cache_len);
    struct bytes second = bytes_of(record->text + record->cache_len,
                                   record->pattern_len);
    struct peer_record view = {
        .type = record->type, .removed = removed, .hash = record->hash};

    if (record->type == PEER_REGISTER) {
        view.kind = record->dialect;
        view.key = first;
        view.value = second;
        view.stamp = record->stamp;
        view.until_s = record->until_s;
    } else {
        view.dialect = record->dialect;
        view.cache = first;
        view.pattern = second;
    }
    return view;
}

void records_fini(struct records *records)
{
    for (size_t i = 0; i < records->len; i++) {
        record_unref(records->entries[i].record);
    }
    free(records->entries);
    *records = (struct records){0};
}

struct records_entry *records_find(const struct records *records, uint8_t type,
                                   uint64_t hash)
{
    size_t at = records_seek(records, type, hash);

    if (at == records->len) {
        return NULL;
    }
    struct records_entry *entry = &records->entries[at];
    bool same = entry->record->type == type && entry->record->hash == hash;
    return same ? entry : NULL;
}

size_t records_seek(const struct records *records, uint8_t type, uint64_t hash)
{
    size_t low = 0;
    size_t high = records->len;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (is_below(records->entries[mid].record, type, hash)) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

int records_add(struct records *records, struct record *record)
{
    size_t at = records_seek(records, record->type, record->hash);

    if (records->len == RECORDS_MAX) {
        return ERR_LIMIT;
    }
    if (records->len == records->cap) {
        size_t cap = records->cap == 0 ? 8 : records->cap * 2;
        struct records_entry *entries = realloc(records->entries,
                                                cap * sizeof *entries);
        if (entries == NULL) {
            return ERR_NOMEM;
        }
        records->entries = entries;
        records->cap = cap;
    }
    struct records_entry *entry = &records->entries[at];
    memmove(entry + 1, entry, (records->len - at) * sizeof *entry);
    *entry = (struct records_entry){.record = record, .count = 1};
    records->len++;
    return 0;
}

void records_remove(struct records *records, struct records_entry *entry)
{
    size_t at = (size_t)(entry - records->entries);

    assert(at < records->len);
    record_unref(entry->record);
    records->len--;
    memmove(entry, entry + 1, (records->len - at) * sizeof *entry);
}

static bool is_below(const struct record *record, uint8_t type, uint64_t hash)
{
    return record->type != type ? record->type < type : record->hash < hash;
}

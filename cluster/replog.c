/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/replog.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/err.h"

enum {
    INTERESTS_DEFAULT = 2 << 20,
    RING_MIN = 64,
};

static uint64_t add_record(struct replog *log, const struct peer_record *from);
static void append(struct replog *log, uint64_t hash, struct record *record,
                   bool removed);
static void grow_ring(struct replog *log);
static void forget_oldest(struct replog *log);
static const struct replog_change *change_at(const struct replog *log,
                                             uint64_t version);
static uint8_t type_of(const struct replog_change *change);
static uint64_t digest_at(const struct replog *log, uint64_t version);
static bool is_full(const struct peer_message *m, const struct buf *records);
static void walk_records(const struct replog *log, struct replog_walk *walk,
                         struct buf *records, struct peer_message *m);
static void walk_wanted(const struct replog *log, struct replog_walk *walk,
                        struct buf *records, struct peer_message *m);

void replog_init(struct replog *log, uint64_t interests_max)
{
    uint64_t max = interests_max == 0 ? INTERESTS_DEFAULT : interests_max;

    *log = (struct replog){0};
    table_init(&log->wanted, 1, (size_t)max);
}

void replog_fini(struct replog *log)
{
    while (log->ring_len > 0) {
        forget_oldest(log);
    }
    free(log->ring);
    table_fini(&log->wanted);
    records_fini(&log->records);
    *log = (struct replog){0};
}

uint64_t replog_want(struct replog *log, uint64_t hash, bool wanted)
{
    uint64_t key = table_key(hash);

    if (wanted) {
        uint64_t *count = table_add(&log->wanted, key);
        if (count == NULL) {
            return 0;
        }
        if (++*count == 1) {
            append(log, key, NULL, false);
        }
        return log->version;
    }
    uint64_t *count = table_find(&log->wanted, key);
    if (count != NULL && --*count == 0) {
        table_remove(&log->wanted, key);
        append(log, key, NULL, true);
    }
    return log->version;
}

uint64_t replog_want_record(struct replog *log,
                            const struct peer_record *record)
{
    struct records_entry *entry = records_find(&log->records, record->type,
                                               record->hash);

    assert(record->type != PEER_INTEREST);
    if (entry == NULL) {
        return record->removed ? log->version : add_record(log, record);
    }
    if (!record->removed) {
        entry->count++;
    } else if (--entry->count == 0) {
        append(log, record->hash, record_ref(entry->record), true);
        records_remove(&log->records, entry);
    }
    return log->version;
}

bool replog_has_since(const struct replog *log, uint64_t version)
{
    return version <= log->version && log->version - version <= log->ring_len;
}

int replog_delta(const struct replog *log, uint64_t from, struct buf *records,
                 struct peer_message *m)
{
    assert(from < log->version);
    assert(replog_has_since(log, from));
    buf_reset(records);
    *m = (struct peer_message){
        .type = PEER_DELTA, .from = from, .version = from};

    while (m->version < log->version && !is_full(m, records)) {
        const struct replog_change *change = change_at(log, m->version + 1);
        struct peer_record record = {
            .type = PEER_INTEREST,
            .removed = change->removed,
            .hash = change->hash,
        };
        if (change->record != NULL) {
            record = record_view(change->record, change->removed);
        }
        peer_record_write(&record, records);
        m->records_len++;
        m->version++;
    }
    m->digest = digest_at(log, m->version);
    m->records = buf_bytes(records);
    return records->failed ? ERR_NOMEM : 0;
}

int replog_snapshot(const struct replog *log, struct replog_walk *walk,
                    struct buf *records, struct peer_message *m)
{
    struct replog_walk next = *walk;

    assert(!walk->done);
    if (!next.begun) {
        next = (struct replog_walk){
            .begun = true, .version = log->version, .type = PEER_INTEREST + 1};
    }
    buf_reset(records);
    *m = (struct peer_message){.type = PEER_SNAPSHOT,
                               .version = next.version,
                               .digest = log->digest,
                               .part = next.part,
                               .parts = next.part + 2};
    if (next.type != PEER_INTEREST) {
        walk_records(log, &next, records, m);
    }
    if (next.type == PEER_INTEREST) {
        walk_wanted(log, &next, records, m);
    }
    m->records = buf_bytes(records);
    if (records->failed) {
        return ERR_NOMEM;
    }
    if (next.done) {
        m->parts = next.part + 1;
    }
    next.part++;
    *walk = next;
    return 0;
}

void replog_check(const struct replog *log)
{
    uint64_t digest = 0;
    const uint64_t *entry = table_from(&log->wanted, 0);

    table_check(&log->wanted);
    for (; entry != NULL; entry = table_after(&log->wanted, entry)) {
        assert(entry[1] > 0);
        digest += record_digest(PEER_INTEREST, entry[0]);
    }
    for (size_t i = 0; i < log->records.len; i++) {
        const struct records_entry *other = &log->records.entries[i];
        assert(other->count > 0);
        digest += record_digest(other->record->type, other->record->hash);
    }
    assert(digest == log->digest);
    assert(log->ring_len <= log->ring_cap);
    assert(log->ring_cap <= REPLOG_RING_MAX);
    assert(log->ring_len <= log->version);
}

static uint64_t add_record(struct replog *log, const struct peer_record *from)
{
    const struct records *records = &log->records;
    size_t patterns = records_seek(records, PEER_PATTERN + 1, 0) -
                      records_seek(records, PEER_PATTERN, 0);

    if (from->type == PEER_PATTERN && patterns >= REPLOG_PATTERNS_MAX) {
        return 0;
    }
    struct record *record = record_new(from);
    if (record == NULL) {
        return 0;
    }
    if (records_add(&log->records, record) != 0) {
        record_unref(record);
        return 0;
    }
    append(log, record->hash, record_ref(record), false);
    return log->version;
}

/* One version step. Without memory for the ring the past is forgotten, and
 * peers that need it take a snapshot: so this cannot fail. */
static void append(struct replog *log, uint64_t hash, struct record *record,
                   bool removed)
{
    uint8_t type = record == NULL ? PEER_INTEREST : record->type;
    uint64_t weight = record_digest(type, hash);

    if (log->ring_len == log->ring_cap) {
        grow_ring(log);
    }
    if (log->ring_len == log->ring_cap && log->ring_len > 0) {
        forget_oldest(log);
    }
    log->version++;
    log->digest += removed ? 0 - weight : weight;
    if (log->ring_cap == 0) {
        record_unref(record);
        return;
    }
    log->ring[log->version & (log->ring_cap - 1)] = (struct replog_change){
        .hash = hash, .record = record, .removed = removed};
    log->ring_len++;
}

static void grow_ring(struct replog *log)
{
    size_t cap = log->ring_cap == 0 ? RING_MIN : log->ring_cap * 2;

    if (cap > REPLOG_RING_MAX) {
        return;
    }
    struct replog_change *ring = calloc(cap, sizeof *ring);
    if (ring == NULL) {
        return;
    }
    for (size_t i = 0; i < log->ring_len; i++) {
        uint64_t version = log->version - i;
        ring[version & (cap - 1)] = *change_at(log, version);
    }
    free(log->ring);
    log->ring = ring;
    log->ring_cap = cap;
}

static void forget_oldest(struct replog *log)
{
    uint64_t oldest = log->version - log->ring_len + 1;

    record_unref(change_at(log, oldest)->record);
    log->ring_len--;
}

static const struct replog_change *change_at(const struct replog *log,
                                             uint64_t version)
{
    return &log->ring[version & (log->ring_cap - 1)];
}

static uint8_t type_of(const struct replog_change *change)
{
    return change->record == NULL ? PEER_INTEREST : change->record->type;
}

/* What the digest was, by taking back what came since. */
static uint64_t digest_at(const struct replog *log, uint64_t version)
{
    uint64_t digest = log->digest;

    for (uint64_t v = log->version; v > version; v--) {
        const struct replog_change *change = change_at(log, v);
        uint64_t weight = record_digest(type_of(change), change->hash);
        digest += change->removed ? weight : 0 - weight;
    }
    return digest;
}

static bool is_full(const struct peer_message *m, const struct buf *records)
{
    return m->records_len == PEER_RECORDS_MAX ||
           records->len >= REPLOG_PART_LEN || records->failed;
}

static void walk_records(const struct replog *log, struct replog_walk *walk,
                         struct buf *records, struct peer_message *m)
{
    size_t at = records_seek(&log->records, walk->type, walk->hash);

    for (; at < log->records.len; at++) {
        const struct record *record = log->records.entries[at].record;
        if (is_full(m, records)) {
            walk->type = record->type;
            walk->hash = record->hash;
            return;
        }
        struct peer_record view = record_view(record, false);
        peer_record_write(&view, records);
        m->records_len++;
    }
    walk->type = PEER_INTEREST;
    walk->hash = 0;
}

static void walk_wanted(const struct replog *log, struct replog_walk *walk,
                        struct buf *records, struct peer_message *m)
{
    const uint64_t *entry = table_from(&log->wanted, walk->hash);

    for (; entry != NULL; entry = table_after(&log->wanted, entry)) {
        if (is_full(m, records)) {
            walk->hash = entry[0];
            return;
        }
        struct peer_record record = {.type = PEER_INTEREST, .hash = entry[0]};
        peer_record_write(&record, records);
        m->records_len++;
    }
    walk->done = true;
}

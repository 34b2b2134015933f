/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/interest.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/err.h"

enum {
    SLOT_BITS = 64,
    CHECK_SLOTS = 1024
};

static struct interest_peer *peer_at(const struct interest *interest,
                                     uint16_t slot);
static int apply(struct interest *interest, uint16_t slot,
                 const struct peer_record *record);
static int set_bit(struct interest *interest, uint16_t slot, uint64_t key);
static void clear_bit(struct interest *interest, uint16_t slot, uint64_t key);
static int apply_other(struct interest *interest, uint16_t slot,
                       const struct peer_record *record);
static int learn(const struct interest *interest,
                 const struct peer_record *record);
static struct record *keep(const struct interest *interest,
                           const struct peer_record *record);
static void drop_other(struct interest *interest, uint16_t slot, size_t at);
static void begin_snapshot(struct interest_peer *peer,
                           const struct peer_message *m);
static ptrdiff_t read_part(struct interest *interest, uint16_t slot,
                           const struct peer_message *m);
static int take_range(struct interest *interest, uint16_t slot, size_t len,
                      bool last);
static void end_snapshot(struct interest *interest, uint16_t slot,
                         const struct peer_message *m);
static int read_record(struct bytes *in, struct peer_record *record);

int interest_init(struct interest *interest, size_t topics_max, uint64_t seed)
{
    *interest = (struct interest){0};
    table_init(&interest->wanted, 1,
               topics_max == 0 ? INTEREST_TOPICS_MAX : topics_max);
    patterns_init(&interest->patterns, seed);
    interest->part = calloc(PEER_RECORDS_MAX, sizeof *interest->part);
    return interest->part == NULL ? ERR_NOMEM : 0;
}

void interest_fini(struct interest *interest)
{
    for (size_t slot = 0; slot < interest->slots; slot++) {
        if (interest->peers[slot] != NULL) {
            records_fini(&interest->peers[slot]->records);
            free(interest->peers[slot]);
        }
    }
    free(interest->peers);
    free(interest->part);
    table_fini(&interest->wanted);
    patterns_fini(&interest->patterns);
    *interest = (struct interest){0};
}

int interest_open(struct interest *interest, uint16_t slot)
{
    size_t words = (size_t)slot / SLOT_BITS + 1;

    if (words > interest->wanted.words &&
        table_widen(&interest->wanted, words) != 0) {
        return ERR_NOMEM;
    }
    if (slot >= interest->slots) {
        size_t slots = words * SLOT_BITS;
        struct interest_peer **peers = realloc(
            interest->peers, slots * sizeof(struct interest_peer *));
        if (peers == NULL) {
            return ERR_NOMEM;
        }
        for (size_t i = interest->slots; i < slots; i++) {
            peers[i] = NULL;
        }
        interest->peers = peers;
        interest->slots = slots;
    }
    assert(interest->peers[slot] == NULL);
    struct interest_peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL) {
        return ERR_NOMEM;
    }
    peer->whole = true;
    interest->peers[slot] = peer;
    return 0;
}

/* What a sweep over the table does for one peer. */
struct sweep {
    const struct interest *interest;
    struct interest_peer *peer;
    size_t word;
    uint64_t bit;
    const uint64_t *keep; /* sorted hashes that stay */
    size_t keep_len;
};

/* Takes the peer's bit from all but `keep`; an entry nobody wants goes. */
static bool sweep_entry(void *data, uint64_t key, uint64_t *words)
{
    struct sweep *sweep = data;

    if ((words[sweep->word] & sweep->bit) != 0) {
        while (sweep->keep_len > 0 && *sweep->keep < key) {
            sweep->keep++;
            sweep->keep_len--;
        }
        if (sweep->keep_len == 0 || *sweep->keep != key) {
            words[sweep->word] &= ~sweep->bit;
            sweep->peer->count--;
            sweep->peer->digest -= record_digest(PEER_INTEREST, key);
        }
    }
    for (size_t i = 0; i < sweep->interest->wanted.words; i++) {
        if (words[i] != 0) {
            return true;
        }
    }
    return false;
}

static struct sweep sweep_of(struct interest *interest, uint16_t slot)
{
    return (struct sweep){
        .interest = interest,
        .peer = peer_at(interest, slot),
        .word = slot / SLOT_BITS,
        .bit = 1ull << slot % SLOT_BITS,
    };
}

void interest_close(struct interest *interest, uint16_t slot)
{
    struct sweep sweep = sweep_of(interest, slot);

    if (sweep.peer->count > 0) {
        table_sweep(&interest->wanted, 0, UINT64_MAX, sweep_entry, &sweep);
    }
    assert(sweep.peer->count == 0);
    while (sweep.peer->records.len > 0) { /* from the end: nothing moves */
        drop_other(interest, slot, sweep.peer->records.len - 1);
    }
    records_fini(&sweep.peer->records);
    free(sweep.peer);
    interest->peers[slot] = NULL;
}

int interest_delta(struct interest *interest, uint16_t slot,
                   const struct peer_message *m)
{
    struct interest_peer *peer = peer_at(interest, slot);
    struct bytes in = m->records;
    uint64_t version = m->from;

    if (m->version < m->from || m->version - m->from != m->records_len) {
        return ERR_SYNTAX;
    }
    if (!peer->whole || m->from > peer->version) {
        return ERR_STALE;
    }
    while (version < m->version) {
        struct peer_record record;
        int rc = read_record(&in, &record);
        if (rc == 0 && version >= peer->version) {
            rc = apply(interest, slot, &record);
            peer->version += rc == 0;
        }
        if (rc != 0) {
            return rc;
        }
        version++;
    }
    /* After a snapshot that was walked while the log went on, versions before
     * the end of the walk have a digest of their own. */
    bool same = m->digest == peer->digest;
    bool wrong = peer->exact && peer->version == m->version && !same;
    return wrong ? ERR_CONFLICT : 0;
}

int interest_snapshot(struct interest *interest, uint16_t slot,
                      const struct peer_message *m)
{
    struct interest_peer *peer = peer_at(interest, slot);
    bool last = m->part + 1 == m->parts;

    if (m->part == 0) {
        begin_snapshot(peer, m);
    } else if (peer->whole || m->part != peer->part ||
               m->version != peer->base) {
        return ERR_STALE;
    }
    ptrdiff_t len = read_part(interest, slot, m);
    int rc = len < 0 ? (int)len : take_range(interest, slot, (size_t)len, last);
    if (rc != 0) {
        interest_reset(interest, slot);
        return rc;
    }
    peer->part++;
    if (last) {
        end_snapshot(interest, slot, m);
    }
    return last;
}

int interest_compare(struct interest *interest, uint16_t slot, uint64_t version,
                     uint64_t digest)
{
    struct interest_peer *peer = peer_at(interest, slot);

    if (!peer->whole || peer->version != version) {
        return 0;
    }
    peer->exact = digest == peer->digest;
    return peer->exact ? 0 : ERR_CONFLICT;
}

void interest_reset(struct interest *interest, uint16_t slot)
{
    struct interest_peer *peer = peer_at(interest, slot);

    peer->whole = false;
    peer->exact = false;
    peer->version = 0;
    peer->part = 0;
}

const uint64_t *interest_find(const struct interest *interest, uint64_t hash)
{
    return table_find(&interest->wanted, table_key(hash));
}

const uint64_t *interest_match(const struct interest *interest,
                               const struct item *item, uint64_t *slots)
{
    const struct patterns_cache *cache = patterns_find(&interest->patterns,
                                                       item->cache);
    const uint64_t *exact = interest_find(interest, item->hash);

    if (cache == NULL) {
        return exact;
    }
    for (size_t i = 0; i < interest->wanted.words; i++) {
        slots[i] = exact != NULL ? exact[i] : 0;
    }
    patterns_match(cache, item->topic, slots, interest->wanted.words);
    return slots;
}

const struct interest_peer *interest_peer(const struct interest *interest,
                                          uint16_t slot)
{
    return slot < interest->slots ? interest->peers[slot] : NULL;
}

size_t interest_bytes(const struct interest *interest)
{
    return table_bytes(&interest->wanted) +
           patterns_bytes(&interest->patterns) +
           interest->slots * sizeof *interest->peers +
           PEER_RECORDS_MAX * sizeof *interest->part;
}

void interest_check(const struct interest *interest)
{
    uint64_t digests[CHECK_SLOTS] = {0};
    uint64_t counts[CHECK_SLOTS] = {0};
    size_t patterns_len = 0;
    const uint64_t *entry = table_from(&interest->wanted, 0);

    table_check(&interest->wanted);
    patterns_check(&interest->patterns);
    assert(interest->slots <= CHECK_SLOTS);
    for (; entry != NULL; entry = table_after(&interest->wanted, entry)) {
        uint64_t any = 0;
        for (size_t i = 0; i < interest->wanted.words; i++) {
            any |= entry[1 + i];
            for (uint64_t bits = entry[1 + i]; bits != 0; bits &= bits - 1) {
                size_t slot = i * SLOT_BITS + (size_t)__builtin_ctzll(bits);
                assert(slot < interest->slots);
                digests[slot] += record_digest(PEER_INTEREST, entry[0]);
                counts[slot]++;
            }
        }
        assert(any != 0);
    }
    for (size_t slot = 0; slot < interest->slots; slot++) {
        const struct interest_peer *peer = interest->peers[slot];
        assert(peer != NULL || counts[slot] == 0);
        if (peer == NULL) {
            continue;
        }
        for (size_t i = 0; i < peer->records.len; i++) {
            const struct record *record = peer->records.entries[i].record;
            digests[slot] += record_digest(record->type, record->hash);
            if (record->type == PEER_PATTERN) {
                assert(
                    patterns_has(&interest->patterns, (uint16_t)slot, record));
                patterns_len++;
            }
        }
        assert(digests[slot] == peer->digest);
        assert(counts[slot] == peer->count);
        assert(peer->whole || peer->version == 0);
    }
    assert(patterns_len == interest->patterns.wishes);
}

static struct interest_peer *peer_at(const struct interest *interest,
                                     uint16_t slot)
{
    assert(slot < interest->slots);
    assert(interest->peers[slot] != NULL);
    return interest->peers[slot];
}

/* Adding what is there and removing what is not changes nothing: deltas after
 * a walked snapshot do both. */
static int apply(struct interest *interest, uint16_t slot,
                 const struct peer_record *record)
{
    if (record->type != PEER_INTEREST) {
        return apply_other(interest, slot, record);
    }
    uint64_t key = table_key(record->hash);
    if (!record->removed) {
        return set_bit(interest, slot, key);
    }
    clear_bit(interest, slot, key);
    return 0;
}

static int set_bit(struct interest *interest, uint16_t slot, uint64_t key)
{
    struct interest_peer *peer = peer_at(interest, slot);
    uint64_t *words = table_add(&interest->wanted, key);
    uint64_t bit = 1ull << slot % SLOT_BITS;

    if (words == NULL) {
        bool full = interest->wanted.len == interest->wanted.max;
        return full ? ERR_LIMIT : ERR_NOMEM;
    }
    if ((words[slot / SLOT_BITS] & bit) == 0) {
        words[slot / SLOT_BITS] |= bit;
        peer->count++;
        peer->digest += record_digest(PEER_INTEREST, key);
    }
    return 0;
}

static void clear_bit(struct interest *interest, uint16_t slot, uint64_t key)
{
    struct sweep sweep = sweep_of(interest, slot);
    uint64_t *words = table_find(&interest->wanted, key);

    if (words != NULL && !sweep_entry(&sweep, key, words)) {
        table_remove(&interest->wanted, key);
    }
}

static int apply_other(struct interest *interest, uint16_t slot,
                       const struct peer_record *record)
{
    struct interest_peer *peer = peer_at(interest, slot);
    struct records_entry *entry = records_find(&peer->records, record->type,
                                               record->hash);

    if (record->removed) {
        if (entry != NULL) {
            drop_other(interest, slot, (size_t)(entry - peer->records.entries));
        }
        return 0;
    }
    if (entry != NULL) {
        entry->stale = false;
    }
    int rc = learn(interest, record);
    if (entry != NULL || rc != 0) {
        return rc;
    }
    struct record *copy = keep(interest, record);
    rc = copy == NULL ? ERR_NOMEM : records_add(&peer->records, copy);
    if (rc != 0) {
        record_unref(copy);
        return rc;
    }
    if (copy->type == PEER_PATTERN) {
        rc = patterns_add(&interest->patterns, slot, copy);
    }
    if (rc != 0) {
        records_remove(&peer->records,
                       records_find(&peer->records, copy->type, copy->hash));
        return rc;
    }
    peer->digest += record_digest(copy->type, copy->hash);
    return 0;
}

static bool is_learned(const struct interest *interest,
                       const struct peer_record *record)
{
    return record->type == PEER_REGISTER && interest->registers != NULL;
}

/* Also of what is held already: it may have been of no use by then. */
static int learn(const struct interest *interest,
                 const struct peer_record *record)
{
    return is_learned(interest, record)
               ? registers_take(interest->registers, record)
               : 0;
}

/* Of a register only type and hash are kept for each peer: its value is in the
 * registers, if it is of any use. */
static struct record *keep(const struct interest *interest,
                           const struct peer_record *record)
{
    return is_learned(interest, record)
               ? registers_share(interest->registers, record->hash)
               : record_new(record);
}

/* Whether of a pattern or of a type that this version does not know. */
static void drop_other(struct interest *interest, uint16_t slot, size_t at)
{
    struct interest_peer *peer = peer_at(interest, slot);
    struct records_entry *entry = &peer->records.entries[at];
    const struct record *record = entry->record;

    if (record->type == PEER_PATTERN) {
        patterns_remove(&interest->patterns, slot, record);
    }
    peer->digest -= record_digest(record->type, record->hash);
    records_remove(&peer->records, entry);
}

static void begin_snapshot(struct interest_peer *peer,
                           const struct peer_message *m)
{
    peer->whole = false;
    peer->exact = false;
    peer->version = 0;
    peer->base = m->version;
    peer->part = 0;
    peer->hash = 0;
    peer->swept = false;
    peer->fresh = peer->count == 0;
    for (size_t i = 0; i < peer->records.len; i++) {
        peer->records.entries[i].stale = true;
    }
}

/* Takes the records that are no hashes; the hashes, which must rise, go to
 * interest->part. Returns how many, or an error. */
static ptrdiff_t read_part(struct interest *interest, uint16_t slot,
                           const struct peer_message *m)
{
    struct interest_peer *peer = peer_at(interest, slot);
    struct bytes in = m->records;
    size_t len = 0;

    if (m->part >= m->parts || m->records_len > PEER_RECORDS_MAX) {
        return ERR_SYNTAX;
    }
    for (uint32_t i = 0; i < m->records_len; i++) {
        struct peer_record record;
        int rc = read_record(&in, &record);
        if (rc != 0) {
            return rc;
        }
        if (record.removed) {
            return ERR_SYNTAX;
        }
        if (record.type != PEER_INTEREST) {
            rc = apply_other(interest, slot, &record);
            if (rc != 0) {
                return rc;
            }
            continue;
        }
        uint64_t key = table_key(record.hash);
        bool rises = len == 0 ? key >= peer->hash && !peer->swept
                              : key > interest->part[len - 1];
        if (!rises) {
            return ERR_SYNTAX;
        }
        interest->part[len++] = key;
    }
    return (ptrdiff_t)len;
}

/* From where the snapshot stands to the last hash of the part, or the end,
 * exactly the part remains. */
static int take_range(struct interest *interest, uint16_t slot, size_t len,
                      bool last)
{
    struct sweep sweep = sweep_of(interest, slot);
    uint64_t to = last ? UINT64_MAX : len > 0 ? interest->part[len - 1] : 0;

    sweep.keep = interest->part;
    sweep.keep_len = len;
    if (!sweep.peer->fresh && !sweep.peer->swept && to >= sweep.peer->hash) {
        table_sweep(&interest->wanted, sweep.peer->hash, to, sweep_entry,
                    &sweep);
    }
    for (size_t i = 0; i < len; i++) {
        int rc = set_bit(interest, slot, interest->part[i]);
        if (rc != 0) {
            return rc;
        }
    }
    if (len > 0) {
        sweep.peer->swept = interest->part[len - 1] == UINT64_MAX;
        sweep.peer->hash = interest->part[len - 1] + 1;
    }
    return 0;
}

static void end_snapshot(struct interest *interest, uint16_t slot,
                         const struct peer_message *m)
{
    struct interest_peer *peer = peer_at(interest, slot);

    for (size_t i = peer->records.len; i > 0; i--) {
        if (peer->records.entries[i - 1].stale) {
            drop_other(interest, slot, i - 1);
        }
    }
    peer->version = peer->base;
    peer->whole = true;
    peer->exact = m->digest == peer->digest;
}

/* Inside an envelope nothing may be missing. */
static int read_record(struct bytes *in, struct peer_record *record)
{
    ptrdiff_t len = peer_record_read(*in, record);

    if (len <= 0) {
        return len == 0 ? ERR_SYNTAX : (int)len;
    }
    *in = bytes_skip(*in, (size_t)len);
    return 0;
}

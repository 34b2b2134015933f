/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/registers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/inside.h"
#include "proto/err.h"

static int check(const struct registers *registers,
                 const struct cluster_register *reg);
static int make_way(struct registers *registers, uint8_t kind);
static int put(struct registers *registers, size_t at,
               const struct peer_record *new);
static int make_room(struct registers_set *set);
static void drop(struct registers *registers, struct registers_set *set,
                 size_t at);
static void unlog(struct registers *registers, struct record *record);
static uint64_t hash_of(const struct registers *registers,
                        const struct peer_record *record);
static bool is_logged(const struct registers *registers, uint64_t hash);
static bool is_newer(const struct peer_record *a, const struct record *b);
static bool is_over(const struct registers *registers, uint64_t until_s);
static bool ranks_below(const struct peer_record *a,
                        const struct peer_record *b);
static size_t find_lowest(const struct registers_set *set);
static size_t seek(const struct registers_set *set, struct bytes key,
                   bool *found);
static struct bytes key_of(const struct record *record);
static struct bytes value_of(const struct record *record);
static void show(const struct record *record, struct cluster_register *reg);
static size_t room_of(uint8_t kind);

/* --- of the facade --- */

int cluster_set(struct cluster *cluster, const struct cluster_register *reg,
                uint64_t wall_ms)
{
    cluster_clock(cluster, wall_ms);
    int rc = registers_set(&cluster->registers, reg);

    cluster_flush_if_long(cluster);
    return rc;
}

bool cluster_get(const struct cluster *cluster, enum cluster_register_kind kind,
                 struct bytes key, struct cluster_register *reg)
{
    return registers_get(&cluster->registers, (uint8_t)kind, key, reg);
}

bool cluster_register_at(const struct cluster *cluster,
                         enum cluster_register_kind kind, size_t index,
                         struct cluster_register *reg)
{
    return registers_at(&cluster->registers, (uint8_t)kind, index, reg);
}

void cluster_clock(struct cluster *cluster, uint64_t wall_ms)
{
    if (!registers_clock(&cluster->registers, wall_ms)) {
        return;
    }
    for (size_t slot = 0; slot < cluster->slots; slot++) {
        if (peer_at(cluster, slot) != NULL) {
            sync_again(cluster, (uint16_t)slot);
        }
    }
}

/* --- */

void registers_init(struct registers *registers, struct replog *log,
                    uint64_t print)
{
    *registers = (struct registers){.log = log, .forget_s = UINT64_MAX};
    bytes_put_u64be(registers->key.b, print);
    bytes_put_u64be(registers->key.b + 8, hash_mix(print));
}

void registers_fini(struct registers *registers)
{
    for (size_t kind = 0; kind < REGISTERS_KINDS; kind++) {
        struct registers_set *set = &registers->sets[kind];
        for (size_t i = 0; i < set->len; i++) {
            record_unref(set->entries[i].record);
        }
        free(set->entries);
    }
    *registers = (struct registers){0};
}

int registers_set(struct registers *registers,
                  const struct cluster_register *reg)
{
    struct peer_record new = {.type = PEER_REGISTER,
                              .kind = reg->kind,
                              .key = reg->key,
                              .value = reg->value,
                              .stamp = registers->wall_ms,
                              .until_s = reg->until_s};
    int rc = check(registers, reg);
    bool found;

    if (rc != 0) {
        return rc;
    }
    const struct registers_set *set = &registers->sets[reg->kind - 1];
    size_t at = seek(set, reg->key, &found);
    if (found && set->entries[at].record->stamp >= new.stamp) {
        new.stamp = set->entries[at].record->stamp + 1;
    }
    if (!found) {
        rc = make_way(registers, reg->kind);
        at = seek(set, reg->key, &found);
    }
    for (new.hash = hash_of(registers, &new); is_logged(registers, new.hash);
         new.hash = hash_of(registers, &new)) {
        new.stamp++;
    }
    if (rc == 0 && new.stamp > PEER_TIME_MAX) {
        rc = ERR_LIMIT;
    }
    return rc != 0 ? rc : put(registers, at, &new);
}

int registers_take(struct registers *registers,
                   const struct peer_record *record)
{
    struct peer_record new = *record;
    bool found;

    if (record->kind > REGISTERS_KINDS) {
        return 0;
    }
    if (is_over(registers, record->until_s)) {
        registers->over_ms = registers->wall_ms;
        return 0;
    }
    struct registers_set *set = &registers->sets[record->kind - 1];
    size_t at = seek(set, record->key, &found);
    if (found && !is_newer(record, set->entries[at].record)) {
        return 0;
    }
    new.hash = hash_of(registers, &new);
    if (is_logged(registers, new.hash)) {
        return 0; /* another one of that hash: one in 2^64, or made so */
    }
    size_t lowest = SIZE_MAX;
    if (!found && set->len >= room_of(record->kind)) {
        lowest = find_lowest(set);
        struct peer_record low = record_view(set->entries[lowest].record,
                                             false);
        registers->dropped++;
        if (ranks_below(&new, &low)) {
            return 0;
        }
    }
    int rc = put(registers, at, &new);
    if (rc == 0 && lowest != SIZE_MAX) {
        drop(registers, set, lowest + (at <= lowest));
    }
    return rc;
}

struct record *registers_share(const struct registers *registers, uint64_t hash)
{
    struct records_entry *own = records_find(&registers->log->records,
                                             PEER_REGISTER, hash);

    if (own != NULL) {
        return record_ref(own->record);
    }
    return record_new(
        &(struct peer_record){.type = PEER_REGISTER, .hash = hash});
}

bool registers_get(const struct registers *registers, uint8_t kind,
                   struct bytes key, struct cluster_register *reg)
{
    assert(kind > 0 && kind <= REGISTERS_KINDS);
    const struct registers_set *set = &registers->sets[kind - 1];
    bool found;
    size_t at = seek(set, key, &found);

    if (found) {
        show(set->entries[at].record, reg);
    }
    return found;
}

bool registers_at(const struct registers *registers, uint8_t kind, size_t index,
                  struct cluster_register *reg)
{
    assert(kind > 0 && kind <= REGISTERS_KINDS);
    const struct registers_set *set = &registers->sets[kind - 1];

    if (index < set->len) {
        show(set->entries[index].record, reg);
    }
    return index < set->len;
}

bool registers_clock(struct registers *registers, uint64_t wall_ms)
{
    bool back = wall_ms + REGISTERS_BACK_MS < registers->over_ms;

    registers->wall_ms = wall_ms;
    if (back) {
        registers->over_ms = 0;
    }
    return back;
}

void registers_forget(struct registers *registers, size_t max)
{
    uint64_t next_s = UINT64_MAX;

    if (registers->wall_ms / 1000 < registers->forget_s) {
        return;
    }
    for (size_t kind = 0; kind < REGISTERS_KINDS; kind++) {
        struct registers_set *set = &registers->sets[kind];
        for (size_t i = set->len; i > 0; i--) { /* from the end: few move */
            uint64_t until_s = set->entries[i - 1].record->until_s;
            if (max > 0 && is_over(registers, until_s)) {
                registers->over_ms = registers->wall_ms;
                drop(registers, set, i - 1);
                max--;
            } else if (until_s != 0 && until_s + REGISTERS_SLACK_S < next_s) {
                next_s = until_s + REGISTERS_SLACK_S;
            }
        }
    }
    registers->forget_s = next_s;
}

const struct cluster_register *registers_next(struct registers *registers)
{
    while (registers->due_len > 0) {
        struct registers_set *set = &registers->sets[registers->due_kind];
        if (registers->due_at >= set->len) {
            registers->due_kind = (registers->due_kind + 1) % REGISTERS_KINDS;
            registers->due_at = 0;
            continue;
        }
        struct registers_entry *entry = &set->entries[registers->due_at++];
        if (entry->due) {
            entry->due = false;
            registers->due_len--;
            show(entry->record, &registers->shown);
            return &registers->shown;
        }
    }
    return NULL;
}

void registers_check(const struct registers *registers)
{
    const struct records *logged = &registers->log->records;
    size_t len = 0;
    size_t due = 0;

    for (uint8_t kind = 1; kind <= REGISTERS_KINDS; kind++) {
        const struct registers_set *set = &registers->sets[kind - 1];
        assert(set->len <= room_of(kind));
        for (size_t i = 0; i < set->len; i++) {
            struct record *record = set->entries[i].record;
            assert(record->type == PEER_REGISTER && record->dialect == kind);
            assert(record->stamp <= PEER_TIME_MAX);
            assert(i == 0 || bytes_cmp(key_of(set->entries[i - 1].record),
                                       key_of(record)) < 0);
            struct records_entry *own = records_find(logged, PEER_REGISTER,
                                                     record->hash);
            assert(own != NULL && own->record == record && own->count == 1);
            due += set->entries[i].due;
        }
        len += set->len;
    }
    assert(due == registers->due_len);
    assert(len == records_seek(logged, PEER_REGISTER + 1, 0) -
                      records_seek(logged, PEER_REGISTER, 0));
}

static int check(const struct registers *registers,
                 const struct cluster_register *reg)
{
    bool valid = reg->kind > 0 && reg->kind <= REGISTERS_KINDS &&
                 reg->key.len > 0 && reg->key.len <= PEER_KEY_LEN_MAX &&
                 reg->value.len <= PEER_VALUE_LEN_MAX &&
                 registers->wall_ms < PEER_TIME_MAX &&
                 reg->until_s <= PEER_TIME_MAX;

    return valid && !is_over(registers, reg->until_s) ? 0 : ERR_ARGUMENT;
}

/* For one more that is written here: a revocation must not end another one. */
static int make_way(struct registers *registers, uint8_t kind)
{
    struct registers_set *set = &registers->sets[kind - 1];

    if (set->len < room_of(kind)) {
        return 0;
    }
    size_t lowest = find_lowest(set);
    if (kind != CLUSTER_REGISTER_CACHE ||
        set->entries[lowest].record->until_s == 0) {
        return ERR_LIMIT;
    }
    registers->dropped++;
    drop(registers, set, lowest);
    return 0;
}

/* Takes the place of the entry there, if that has its key; else goes before it.
 * Either all is done or nothing. */
static int put(struct registers *registers, size_t at,
               const struct peer_record *new)
{
    struct registers_set *set = &registers->sets[new->kind - 1];
    bool replaces = at < set->len &&
                    bytes_eq(key_of(set->entries[at].record), new->key);

    if (!replaces && make_room(set) != 0) {
        return ERR_NOMEM;
    }
    if (replog_want_record(registers->log, new) == 0) {
        return ERR_NOMEM;
    }
    struct registers_entry *entry = &set->entries[at];
    if (replaces) {
        unlog(registers, entry->record);
    } else {
        memmove(entry + 1, entry, (set->len - at) * sizeof *entry);
        set->len++;
        entry->due = false;
    }
    entry->record = record_ref(
        records_find(&registers->log->records, PEER_REGISTER, new->hash)
            ->record);
    registers->due_len += !entry->due;
    entry->due = true;
    registers->moved = true;
    if (new->until_s != 0 &&
        new->until_s + REGISTERS_SLACK_S < registers->forget_s) {
        registers->forget_s = new->until_s + REGISTERS_SLACK_S;
    }
    return 0;
}

static int make_room(struct registers_set *set)
{
    size_t cap = set->cap == 0 ? 8 : set->cap * 2;

    if (set->len < set->cap) {
        return 0;
    }
    struct registers_entry *entries = realloc(set->entries,
                                              cap * sizeof *entries);
    if (entries == NULL) {
        return ERR_NOMEM;
    }
    set->entries = entries;
    set->cap = cap;
    return 0;
}

static void drop(struct registers *registers, struct registers_set *set,
                 size_t at)
{
    struct registers_entry *entry = &set->entries[at];

    registers->due_len -= entry->due;
    unlog(registers, entry->record);
    set->len--;
    memmove(entry, entry + 1, (set->len - at) * sizeof *entry);
    registers->moved = true;
}

/* Out of the own log; gives up the caller's reference. */
static void unlog(struct registers *registers, struct record *record)
{
    struct peer_record old = record_view(record, true);

    (void)replog_want_record(registers->log, &old);
    record_unref(record);
}

static uint64_t hash_of(const struct registers *registers,
                        const struct peer_record *record)
{
    uint8_t room[1 + 1 + PEER_KEY_LEN_MAX + 2 * sizeof(uint64_t) +
                 PEER_VALUE_LEN_MAX];
    uint8_t *to = room;

    *to++ = record->kind;
    *to++ = (uint8_t)record->key.len;
    memcpy(to, record->key.p, record->key.len);
    to += record->key.len;
    bytes_put_u64be(to, record->stamp);
    bytes_put_u64be(to + 8, record->until_s);
    to += 16;
    if (record->value.len > 0) {
        memcpy(to, record->value.p, record->value.len);
        to += record->value.len;
    }
    return hash_bytes(&registers->key, bytes_of(room, (size_t)(to - room)));
}

static bool is_logged(const struct registers *registers, uint64_t hash)
{
    return records_find(&registers->log->records, PEER_REGISTER, hash) != NULL;
}

static bool is_newer(const struct peer_record *a, const struct record *b)
{
    if (a->stamp != b->stamp) {
        return a->stamp > b->stamp;
    }
    if (a->until_s != b->until_s) {
        return a->until_s > b->until_s;
    }
    return bytes_cmp(a->value, value_of(b)) > 0;
}

static bool is_over(const struct registers *registers, uint64_t until_s)
{
    return until_s != 0 &&
           until_s + REGISTERS_SLACK_S <= registers->wall_ms / 1000;
}

/* Total, and the same on all nodes: so they keep the same ones. */
static bool ranks_below(const struct peer_record *a,
                        const struct peer_record *b)
{
    if ((a->until_s == 0) != (b->until_s == 0)) {
        return a->until_s != 0;
    }
    if (a->stamp != b->stamp) {
        return a->stamp < b->stamp;
    }
    return bytes_cmp(a->key, b->key) < 0;
}

static size_t find_lowest(const struct registers_set *set)
{
    struct peer_record low = record_view(set->entries[0].record, false);
    size_t lowest = 0;

    for (size_t i = 1; i < set->len; i++) {
        struct peer_record view = record_view(set->entries[i].record, false);
        if (ranks_below(&view, &low)) {
            low = view;
            lowest = i;
        }
    }
    return lowest;
}

/* The place of the key, or where it belongs. */
static size_t seek(const struct registers_set *set, struct bytes key,
                   bool *found)
{
    size_t low = 0;
    size_t high = set->len;

    *found = false;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = bytes_cmp(key_of(set->entries[mid].record), key);
        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static struct bytes key_of(const struct record *record)
{
    return bytes_of(record->text, record->cache_len);
}

static struct bytes value_of(const struct record *record)
{
    return bytes_of(record->text + record->cache_len, record->pattern_len);
}

static void show(const struct record *record, struct cluster_register *reg)
{
    *reg = (struct cluster_register){.kind = record->dialect,
                                     .key = key_of(record),
                                     .value = value_of(record),
                                     .stamp = record->stamp,
                                     .until_s = record->until_s};
}

static size_t room_of(uint8_t kind)
{
    return kind == CLUSTER_REGISTER_CACHE ? CLUSTER_CACHES_MAX
                                          : CLUSTER_REVOKED_MAX;
}

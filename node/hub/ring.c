/* SPDX-License-Identifier: Apache-2.0 */
#include "node/hub/ring.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/err.h"

enum {
    CAP_MIN = 4,
    SMALL_LEN = 2048,
};

static struct ring_entry *entry_at(const struct ring *ring, uint32_t i);
static uint64_t wires_len(const struct ring *ring);
static int copy_wire(const struct item *item, struct ring_entry *entry);
static int copy_large(const struct item *item, struct ring_entry *entry);
static size_t most_len(const struct item *item);
static void pop(struct ring *ring);
static int room(struct ring *ring);

void ring_fini(struct ring *ring)
{
    while (ring->len > 0) {
        pop(ring);
    }
    free(ring->entries);
    *ring = (struct ring){0};
}

int ring_add(struct ring *ring, const struct limits *limits,
             const struct item *item, uint64_t seq)
{
    struct ring_entry entry;

    assert(seq > 0);
    assert(ring->newest == 0 || seq == ring->newest + 1);
    if (copy_wire(item, &entry) != 0) {
        goto fail;
    }
    while (ring->len > 0 && (ring->len >= limits->ring_items ||
                             wires_len(ring) + entry.len > limits->ring_len)) {
        pop(ring);
    }
    if (room(ring) != 0) {
        free(entry.wire);
        goto fail;
    }
    *entry_at(ring, ring->len++) = entry;
    ring->bytes += entry.len;
    ring->newest = seq;
    return 0;
fail:
    ring_fini(ring);
    ring->newest = seq; /* who saw it may go on; who did not has lost it */
    return ERR_NOMEM;
}

bool ring_covers(const struct ring *ring, uint64_t seq)
{
    return seq <= ring->newest && ring->newest - seq <= ring->len;
}

bool ring_item(const struct ring *ring, uint64_t seq, struct item *item)
{
    if (seq > ring->newest || ring->newest - seq >= ring->len) {
        return false;
    }
    uint32_t i = ring->len - 1 - (uint32_t)(ring->newest - seq);
    const struct ring_entry *entry = entry_at(ring, i);
    return item_read(bytes_of(entry->wire, entry->len), item) > 0;
}

void ring_check(const struct ring *ring)
{
    uint64_t bytes = ring->cap * sizeof(struct ring_entry);

    assert(ring->len <= ring->cap);
    assert((ring->cap & (ring->cap - 1)) == 0);
    assert((ring->entries == NULL) == (ring->cap == 0));
    assert(ring->len <= ring->newest);
    for (uint32_t i = 0; i < ring->len; i++) {
        assert(entry_at(ring, i)->wire != NULL);
        bytes += entry_at(ring, i)->len;
    }
    assert(bytes == ring->bytes);
}

static struct ring_entry *entry_at(const struct ring *ring, uint32_t i)
{
    return &ring->entries[(ring->head + i) & (ring->cap - 1)];
}

static uint64_t wires_len(const struct ring *ring)
{
    return ring->bytes - ring->cap * sizeof(struct ring_entry);
}

/* The wire form in memory of exactly its length: a small one is written on the
 * stack, so that it takes one allocation that never grows. */
static int copy_wire(const struct item *item, struct ring_entry *entry)
{
    uint8_t small[SMALL_LEN];
    struct buf wire = {.p = small, .cap = sizeof small, .max = sizeof small};

    if (most_len(item) > sizeof small) {
        return copy_large(item, entry);
    }
    item_write(item, &wire);
    uint8_t *exact = wire.failed ? NULL : malloc(wire.len);
    if (exact == NULL) {
        return ERR_NOMEM;
    }
    memcpy(exact, small, wire.len);
    *entry = (struct ring_entry){exact, wire.len};
    return 0;
}

static int copy_large(const struct item *item, struct ring_entry *entry)
{
    struct buf wire = {0};

    if (item->wire.len > 0) {
        wire.max = item->wire.len;
    }
    item_write(item, &wire);
    uint8_t *exact = wire.failed ? NULL : realloc(wire.p, wire.len);
    if (exact == NULL) {
        buf_fini(&wire);
        return ERR_NOMEM;
    }
    *entry = (struct ring_entry){exact, wire.len};
    return 0;
}

static size_t most_len(const struct item *item)
{
    if (item->wire.len > 0) {
        return item->wire.len;
    }
    return ITEM_OVERHEAD_MAX + item->cache.len + item->topic.len +
           item->value.len + item->publisher.len + item->attrs.len;
}

static void pop(struct ring *ring)
{
    struct ring_entry *oldest = entry_at(ring, 0);

    ring->bytes -= oldest->len;
    free(oldest->wire);
    ring->head++;
    ring->len--;
}

static int room(struct ring *ring)
{
    if (ring->len < ring->cap) {
        return 0;
    }
    uint32_t cap = ring->cap == 0 ? CAP_MIN : ring->cap * 2;
    struct ring_entry *entries = malloc(cap * sizeof *entries);
    if (entries == NULL) {
        return ERR_NOMEM;
    }
    for (uint32_t i = 0; i < ring->len; i++) {
        entries[i] = *entry_at(ring, i);
    }
    free(ring->entries);
    ring->bytes += (cap - ring->cap) * sizeof *entries;
    ring->entries = entries;
    ring->head = 0;
    ring->cap = cap;
    return 0;
}

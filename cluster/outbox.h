/* SPDX-License-Identifier: Apache-2.0
 *
 * Effects on their way out, in order, with their bytes in one arena that is
 * used again once the box is empty.
 *
 * What may be lost when memory is short goes through here: packets, messages
 * and log lines, which all repeat or are repaired. What must not (open, close,
 * ready, gap, barrier) is kept as state by those who say it.
 */
#ifndef CLUSTER_OUTBOX_H
#define CLUSTER_OUTBOX_H

#include "cluster/cluster.h"
#include "proto/bytes.h"

enum {
    OUTBOX_EFFECTS_MAX = 64 << 10,
    OUTBOX_LEN_MAX = 32 << 20, /* bytes */
};

/* Bytes in the arena: several effects may share them. */
struct outbox_span {
    size_t at;
    size_t len;
};

struct outbox_entry {
    struct cluster_effect effect;
    struct outbox_span span;
};

struct outbox {
    struct outbox_entry *entries;
    size_t first;
    size_t len; /* entries in [first, len) wait */
    size_t cap;
    struct buf arena;
    uint64_t lost; /* effects that did not fit */
};

void outbox_init(struct outbox *outbox);
void outbox_fini(struct outbox *outbox);

/* Encodes or copies into the arena. false: no room, nothing changed. */
bool outbox_message(struct outbox *outbox, const struct peer_message *message,
                    struct outbox_span *span);
bool outbox_bytes(struct outbox *outbox, struct bytes bytes,
                  struct outbox_span *span);

/* Appends an effect; its bytes are those of the span. false: lost, counted. */
bool outbox_put(struct outbox *outbox, const struct cluster_effect *effect,
                struct outbox_span span);

/* Drops what waits for this slot: it may soon be another peer's. */
void outbox_forget(struct outbox *outbox, uint16_t slot);

/* The bytes are valid until the next call. */
bool outbox_next(struct outbox *outbox, struct cluster_effect *effect);

#endif

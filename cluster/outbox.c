/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/outbox.h"

#include <stdlib.h>

enum {
    ARENA_KEPT = 256 << 10,
    ENTRIES_KEPT = 1024
};

static bool end_span(struct outbox *outbox, struct outbox_span *span);
static void reset(struct outbox *outbox);

void outbox_init(struct outbox *outbox)
{
    *outbox = (struct outbox){.arena = {.max = OUTBOX_LEN_MAX}};
}

void outbox_fini(struct outbox *outbox)
{
    free(outbox->entries);
    buf_fini(&outbox->arena);
    *outbox = (struct outbox){0};
}

bool outbox_message(struct outbox *outbox, const struct peer_message *message,
                    struct outbox_span *span)
{
    span->at = outbox->arena.len;
    peer_message_write(message, &outbox->arena);
    return end_span(outbox, span);
}

bool outbox_bytes(struct outbox *outbox, struct bytes bytes,
                  struct outbox_span *span)
{
    span->at = outbox->arena.len;
    buf_add_bytes(&outbox->arena, bytes);
    return end_span(outbox, span);
}

bool outbox_put(struct outbox *outbox, const struct cluster_effect *effect,
                struct outbox_span span)
{
    if (outbox->len == outbox->cap) {
        size_t cap = outbox->cap == 0 ? 32 : outbox->cap * 2;
        struct outbox_entry *entries = cap > OUTBOX_EFFECTS_MAX
                                           ? NULL
                                           : realloc(outbox->entries,
                                                     cap * sizeof *entries);
        if (entries == NULL) {
            outbox->lost++;
            return false;
        }
        outbox->entries = entries;
        outbox->cap = cap;
    }
    outbox->entries[outbox->len++] = (struct outbox_entry){.effect = *effect,
                                                           .span = span};
    return true;
}

void outbox_forget(struct outbox *outbox, uint16_t slot)
{
    size_t kept = outbox->first;

    for (size_t i = outbox->first; i < outbox->len; i++) {
        const struct cluster_effect *effect = &outbox->entries[i].effect;
        bool is_for_peer = effect->type == CLUSTER_TELL ||
                           effect->type == CLUSTER_MARK;
        if (!is_for_peer || effect->slot != slot) {
            outbox->entries[kept++] = outbox->entries[i];
        }
    }
    outbox->len = kept;
}

bool outbox_next(struct outbox *outbox, struct cluster_effect *effect)
{
    if (outbox->first == outbox->len) {
        reset(outbox);
        return false;
    }
    const struct outbox_entry *entry = &outbox->entries[outbox->first++];
    *effect = entry->effect;
    effect->bytes = (struct bytes){0};
    if (entry->span.len > 0) {
        effect->bytes = bytes_of(outbox->arena.p + entry->span.at,
                                 entry->span.len);
    }
    return true;
}

static bool end_span(struct outbox *outbox, struct outbox_span *span)
{
    if (outbox->arena.failed) {
        outbox->arena.len = span->at;
        outbox->arena.failed = false;
        outbox->lost++;
        return false;
    }
    span->len = outbox->arena.len - span->at;
    return true;
}

static void reset(struct outbox *outbox)
{
    outbox->first = 0;
    outbox->len = 0;
    buf_reset(&outbox->arena);
    if (outbox->arena.cap > ARENA_KEPT) { /* a snapshot went through */
        buf_fini(&outbox->arena);
    }
    if (outbox->cap > ENTRIES_KEPT) {
        free(outbox->entries);
        outbox->entries = NULL;
        outbox->cap = 0;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "node/resequence.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/err.h"

static_assert((RESEQUENCE_WINDOW & (RESEQUENCE_WINDOW - 1)) == 0,
              "places are found by mask");

static struct resequence_held *place(const struct resequence *r, uint64_t seq);
static bool is_held(const struct resequence *r, uint64_t seq);
static void begin(struct resequence *r, uint64_t epoch);
static bool hold(struct resequence *r, const struct peer_batch *head,
                 struct bytes body, uint64_t now_ms);
static bool deliver(struct resequence *r, const struct peer_batch *head,
                    struct bytes body);
static bool deliver_held(struct resequence *r);
static bool give_up_to(struct resequence *r, uint64_t seq);
static uint64_t lowest(const struct resequence *r);

void resequence_init(struct resequence *r, const struct resequence_to *to)
{
    *r = (struct resequence){.to = *to, .next = 1, .fresh = true};
}

void resequence_fini(struct resequence *r)
{
    resequence_reset(r);
    free(r->held);
    r->held = NULL;
}

void resequence_reset(struct resequence *r)
{
    for (size_t i = 0; r->held_len > 0 && i < RESEQUENCE_WINDOW; i++) {
        free(r->held[i].body);
        r->held[i] = (struct resequence_held){0};
    }
    r->held_len = 0;
    r->bytes = 0;
    r->epoch = 0;
    r->next = 1;
    r->fresh = true;
    r->resets++;
}

int resequence_put(struct resequence *r, const struct peer_batch *head,
                   struct bytes body, uint64_t now_ms)
{
    if (head->epoch == 0 || head->seq == 0) {
        return ERR_SYNTAX;
    }
    if (head->epoch < r->epoch ||
        (head->epoch == r->epoch && head->seq < r->next)) {
        return ERR_STALE;
    }
    uint64_t resets = r->resets;
    if (head->epoch > r->epoch) {
        begin(r, head->epoch);
        if (r->resets != resets) {
            return 0; /* a callback forgot this peer: so do we */
        }
    }
    if (is_held(r, head->seq)) {
        return ERR_STALE;
    }
    if (r->fresh && r->held_len == 0 && head->seq > RESEQUENCE_WINDOW / 2) {
        r->next = head->seq - RESEQUENCE_WINDOW / 2; /* it may come early */
    }
    while (head->seq != r->next) {
        if (hold(r, head, body, now_ms)) {
            return 0;
        }
        /* No room: the lowest hole is given up until there is. */
        uint64_t to = r->held_len > 0 ? lowest(r) : head->seq;
        if (!give_up_to(r, to < head->seq ? to : head->seq)) {
            return 0;
        }
    }
    if (deliver(r, head, body)) {
        deliver_held(r);
    }
    return 0;
}

void resequence_tick(struct resequence *r, uint64_t now_ms)
{
    while (r->held_len > 0 && resequence_wake_ms(r) <= now_ms) {
        if (!give_up_to(r, lowest(r))) {
            return;
        }
    }
}

uint64_t resequence_wake_ms(const struct resequence *r)
{
    if (r->held_len == 0) {
        return UINT64_MAX;
    }
    return place(r, lowest(r))->at_ms - 1 + RESEQUENCE_WAIT_MS;
}

static struct resequence_held *place(const struct resequence *r, uint64_t seq)
{
    assert(r->held != NULL);
    return &r->held[seq & (RESEQUENCE_WINDOW - 1)];
}

static bool is_held(const struct resequence *r, uint64_t seq)
{
    return r->held_len > 0 && seq - r->next < RESEQUENCE_WINDOW &&
           place(r, seq)->at_ms != 0;
}

/* The lowest number held; something is. */
static uint64_t lowest(const struct resequence *r)
{
    uint64_t seq = r->next;

    assert(r->held_len > 0);
    while (place(r, seq)->at_ms == 0) {
        seq++;
    }
    return seq;
}

/* Ends the old epoch, what is held of it first. */
static void begin(struct resequence *r, uint64_t epoch)
{
    bool first = r->epoch == 0;

    while (r->held_len > 0) {
        if (!give_up_to(r, lowest(r))) {
            return;
        }
    }
    r->epoch = epoch;
    r->next = 1;
    r->fresh = first;
    if (!first) {
        r->to.on_hole(r->to.data);
    }
}

/* Keeps a copy until its turn comes; false: no room, no memory. */
static bool hold(struct resequence *r, const struct peer_batch *head,
                 struct bytes body, uint64_t now_ms)
{
    if (head->seq - r->next >= RESEQUENCE_WINDOW ||
        r->bytes + body.len > RESEQUENCE_LEN_MAX) {
        return false;
    }
    if (r->held == NULL) {
        r->held = calloc(RESEQUENCE_WINDOW, sizeof *r->held);
    }
    uint8_t *copy = body.len == 0 ? NULL : malloc(body.len);
    if (r->held == NULL || (copy == NULL && body.len > 0)) {
        free(copy);
        return false;
    }
    if (body.len > 0) {
        memcpy(copy, body.p, body.len);
    }
    *place(r, head->seq) = (struct resequence_held){
        .head = *head, .body = copy, .len = body.len, .at_ms = now_ms + 1};
    r->held_len++;
    r->bytes += body.len;
    return true;
}

/* Delivers the batch whose turn it is. false: the callback reset us. */
static bool deliver(struct resequence *r, const struct peer_batch *head,
                    struct bytes body)
{
    uint64_t resets = r->resets;

    assert(head->seq == r->next);
    r->next++;
    r->fresh = false;
    r->to.on_batch(r->to.data, head, body);
    return r->resets == resets;
}

/* Delivers what is held from `next` on without a gap. */
static bool deliver_held(struct resequence *r)
{
    while (r->held_len > 0 && place(r, r->next)->at_ms != 0) {
        struct resequence_held held = *place(r, r->next);
        *place(r, r->next) = (struct resequence_held){0};
        r->held_len--;
        r->bytes -= held.len;
        bool same = deliver(r, &held.head, bytes_of(held.body, held.len));
        free(held.body);
        if (!same) {
            return false;
        }
    }
    return true;
}

/* Nothing below seq is held: says so, and delivers what now follows. */
static bool give_up_to(struct resequence *r, uint64_t seq)
{
    uint64_t resets = r->resets;

    assert(seq > r->next);
    r->next = seq;
    if (!r->fresh) {
        r->to.on_hole(r->to.data);
    }
    return r->resets == resets && deliver_held(r);
}

void resequence_check(const struct resequence *r)
{
    uint64_t bytes = 0;
    uint32_t len = 0;

    for (uint64_t i = 0; r->held != NULL && i < RESEQUENCE_WINDOW; i++) {
        const struct resequence_held *held = place(r, r->next + i);
        if (held->at_ms == 0) {
            continue;
        }
        assert(held->head.seq == r->next + i);
        assert(held->head.epoch == r->epoch);
        bytes += held->len;
        len++;
    }
    assert(len == r->held_len && bytes == r->bytes);
    assert(len == 0 || place(r, r->next)->at_ms == 0);
    assert(r->bytes <= RESEQUENCE_LEN_MAX);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "node/mesh/clocks.h"

#include <stdlib.h>

#include "node/core.h"
#include "node/mesh/calls.h"

/* What one node said, oldest first. */
struct told {
    uint64_t id;
    uint64_t round; /* it last answered in */
    struct clocks_reading kept[CLOCKS_KEPT];
    unsigned len;
};

struct clocks {
    struct core *core;
    uint64_t (*wall_us)(void);
    struct deadline next;
    uint64_t call;     /* under way; 0: none */
    uint64_t asked_us; /* wall clock */
    uint64_t round;
    size_t links;  /* there were so many in the last round */
    unsigned soon; /* rounds that follow soon */
    uint64_t again_ms;
    struct told *told;
    size_t told_len;
};

static void on_due(struct deadline *deadline, uint64_t now_ms);
static void on_answers(void *data, const struct call_answer *answers,
                       size_t len);
static bool answer(void *data, struct bytes body, struct buf *out);

/* --- life --- */

struct clocks *clocks_new(struct core *core, uint64_t (*wall_us)(void))
{
    struct clocks *clocks = calloc(1, sizeof *clocks);

    if (clocks == NULL) {
        return NULL;
    }
    clocks->core = core;
    clocks->wall_us = wall_us;
    clocks->next.on_due = on_due;
    if (deadline_set(&core->deadlines, &clocks->next,
                     core->now_ms + CLOCKS_SOON_MS) != 0) {
        free(clocks);
        return NULL;
    }
    calls_serve(core->calls, CALL_CLOCK, answer, clocks);
    core->clocks = clocks;
    return clocks;
}

void clocks_free(struct clocks *clocks)
{
    if (clocks == NULL) {
        return;
    }
    if (clocks->call != 0) {
        calls_forget(clocks->core->calls, clocks->call);
    }
    (void)deadline_set(&clocks->core->deadlines, &clocks->next, DEADLINE_NEVER);
    clocks->core->clocks = NULL;
    free(clocks->told);
    free(clocks);
}

/* --- asking --- */

static void on_due(struct deadline *deadline, uint64_t now_ms)
{
    struct clocks *clocks = (struct clocks *)(void *)((char *)deadline -
                                                      offsetof(struct clocks,
                                                               next));
    const struct call call = {
        .kind = CALL_CLOCK,
        .wait_ms = CLOCKS_WAIT_MS,
        .is_quiet = true,
        .on_done = on_answers,
        .data = clocks,
    };
    size_t links = clocks->core->stats.links;

    if (links != clocks->links) {
        clocks->links = links;
        clocks->soon = links <= CLOCKS_SOON_LINKS ? CLOCKS_SOON : 0;
    }
    /* Its place in the heap was its own: this cannot fail. */
    (void)deadline_set(&clocks->core->deadlines, deadline,
                       now_ms + CLOCKS_SOON_MS);
    if (clocks->call != 0 || links == 0 ||
        (clocks->soon == 0 && now_ms < clocks->again_ms)) {
        return;
    }
    clocks->soon -= clocks->soon > 0;
    clocks->again_ms = now_ms + CLOCKS_EVERY_MS;
    clocks->round++;
    clocks->asked_us = clocks->wall_us();
    if (calls_ask(clocks->core->calls, &call, &clocks->call) != 0) {
        clocks->call = 0; /* the next round is soon enough */
    }
}

static bool answer(void *data, struct bytes body, struct buf *out)
{
    const struct clocks *clocks = data;
    uint8_t us[8];

    (void)body; /* of a newer node */
    bytes_put_u64be(us, clocks->wall_us());
    buf_add(out, us, sizeof us);
    return true;
}

/* --- what they said --- */

static struct told *find(const struct clocks *clocks, uint64_t id)
{
    for (size_t i = 0; i < clocks->told_len; i++) {
        if (clocks->told[i].id == id) {
            return &clocks->told[i];
        }
    }
    return NULL;
}

/* Who has not answered for as long as its answers are good for is forgotten. */
static void forget_old(struct clocks *clocks)
{
    size_t len = 0;

    for (size_t i = 0; i < clocks->told_len; i++) {
        if (clocks->told[i].round + CLOCKS_KEPT > clocks->round) {
            clocks->told[len++] = clocks->told[i];
        }
    }
    clocks->told_len = len;
}

/* NULL: memory is short. */
static struct told *get(struct clocks *clocks, uint64_t id)
{
    struct told *told = find(clocks, id);

    if (told != NULL) {
        return told;
    }
    told = realloc(clocks->told, (clocks->told_len + 1) * sizeof *told);
    if (told == NULL) {
        return NULL;
    }
    clocks->told = told;
    told += clocks->told_len++;
    *told = (struct told){.id = id};
    return told;
}

static void keep(struct told *told, const struct clocks_reading *reading)
{
    if (told->len == CLOCKS_KEPT) {
        told->len--;
        memmove(&told->kept[0], &told->kept[1],
                told->len * sizeof told->kept[0]);
    }
    told->kept[told->len++] = *reading;
}

static void on_answers(void *data, const struct call_answer *answers,
                       size_t len)
{
    struct clocks *clocks = data;

    clocks->call = 0;
    for (size_t i = 0; i < len; i++) {
        const struct call_answer *said = &answers[i];
        if (said->outcome != CALL_ANSWERED || said->body.len < 8) {
            continue;
        }
        struct told *told = get(clocks, node_id_u64(&said->id));
        if (told == NULL) {
            return;
        }
        uint64_t here_us = clocks->asked_us + said->took_us / 2;
        told->round = clocks->round;
        keep(told,
             &(struct clocks_reading){
                 .ahead_us = (int64_t)(bytes_u64be(said->body.p) - here_us),
                 .rtt_us = said->took_us,
             });
    }
    forget_old(clocks);
}

bool clocks_read(const struct clocks *clocks, uint64_t id,
                 struct clocks_reading *reading)
{
    const struct told *told = clocks == NULL ? NULL : find(clocks, id);

    if (told == NULL) {
        return false;
    }
    *reading = told->kept[0];
    for (unsigned i = 1; i < told->len; i++) {
        if (told->kept[i].rtt_us <= reading->rtt_us) {
            *reading = told->kept[i];
        }
    }
    return true;
}

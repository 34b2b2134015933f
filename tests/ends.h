/* SPDX-License-Identifier: Apache-2.0
 *
 * Four nodes with real calls; what they tell each other goes through a list
 * instead of links, and who is a member is as the test says. Stands in for
 * cluster/cluster.c at link time. Include after tests/test.h.
 */
#ifndef TESTS_ENDS_H
#define TESTS_ENDS_H

#include "cluster/cluster.h"
#include "node/mesh/calls.h"
#include "tests/fake_conn.h"
#include "tests/no_registers.h"

enum {
    ENDS = 4,
    ENDS_MEMBERS_MAX = 512,
    LETTERS_MAX = 64,
};

struct cluster {
    struct cluster_member members[ENDS_MEMBERS_MAX];
    size_t len;
};

bool cluster_member_at(const struct cluster *cluster, size_t index,
                       struct cluster_member *member)
{
    if (index >= cluster->len) {
        return false;
    }
    *member = cluster->members[index];
    return true;
}

size_t cluster_late(const struct cluster *cluster)
{
    (void)cluster;
    return 0;
}

bool cluster_is_alone(const struct cluster *cluster)
{
    return cluster->len == 1;
}

const char *cluster_why_not_ready(const struct cluster *cluster)
{
    (void)cluster;
    return "";
}

struct end {
    struct ends *all;
    uint16_t at;
    struct core core;
    struct log log;
    struct calls *calls;
    struct cluster cluster;
    bool deaf; /* what it is told waits */
};

struct letter {
    uint16_t from;
    uint16_t to;
    struct peer_message message;
    struct buf body;
};

struct ends {
    struct end at[ENDS];
    struct letter letters[LETTERS_MAX];
    size_t letters_len;
};

static inline struct node_id end_id(size_t i)
{
    return (struct node_id){.b = {0xa0, (uint8_t)i}};
}

static inline struct cluster_member end_member(size_t i)
{
    static const char *const names[] = {"n0", "n1", "n2", "n3"};
    struct cluster_member member = {
        .node = {.id = end_id(i),
                 .name = bytes_str(names[i]),
                 .region = BYTES("eu"),
                 .cluster = {.port = (uint16_t)(7000 + i)}},
        .state = CLUSTER_ALIVE,
    };
    return member;
}

static inline const struct peer_node *end_linked(void *data, uint16_t *slot)
{
    const struct end *end = data;

    for (; *slot < ENDS; (*slot)++) {
        const struct cluster_member *m = &end->cluster.members[*slot];
        if (*slot != end->at && m->state == CLUSTER_ALIVE) {
            return &m->node;
        }
    }
    return NULL;
}

static inline bool end_tell(void *data, uint16_t slot,
                            const struct peer_message *message)
{
    struct end *end = data;
    struct ends *all = end->all;

    assert_true(all->letters_len < LETTERS_MAX);
    struct letter *letter = &all->letters[all->letters_len++];
    *letter = (struct letter){.from = end->at, .to = slot, .message = *message};
    buf_add_bytes(&letter->body, message->body);
    return true;
}

/* What is on its way arrives; answers are then on theirs. */
static inline void ends_deliver(struct ends *all)
{
    size_t len = all->letters_len;

    for (size_t i = 0; i < len; i++) {
        struct letter *letter = &all->letters[i];
        if (!all->at[letter->to].deaf) {
            letter->message.body = buf_bytes(&letter->body);
            calls_take(all->at[letter->to].calls, letter->from,
                       &letter->message);
        }
        buf_fini(&letter->body);
    }
    all->letters_len -= len;
    memmove(all->letters, all->letters + len,
            all->letters_len * sizeof all->letters[0]);
}

static inline void ends_settle(struct ends *all)
{
    while (all->letters_len > 0) {
        ends_deliver(all);
    }
}

static inline void ends_init(struct ends *all)
{
    *all = (struct ends){0};
    for (uint16_t i = 0; i < ENDS; i++) {
        struct end *end = &all->at[i];
        const struct calls_world around = {
            .data = end, .linked = end_linked, .tell = end_tell};
        end->all = all;
        end->at = i;
        fake_core_init(&end->core);
        end->calls = calls_new(&end->core, &around);
        assert_non_null(end->calls);
        for (size_t j = 0; j < ENDS; j++) {
            end->cluster.members[j] = end_member(j);
            end->cluster.members[j].self = j == i;
        }
        end->cluster.len = ENDS;
        end->core.log = &end->log;
        end->core.calls = end->calls;
        end->core.cluster = &end->cluster;
    }
}

static inline void ends_fini(struct ends *all)
{
    for (size_t i = 0; i < ENDS; i++) {
        calls_free(all->at[i].calls);
        core_fini(&all->at[i].core);
    }
    for (size_t i = 0; i < all->letters_len; i++) {
        buf_fini(&all->letters[i].body); /* never arrived */
    }
}

#endif

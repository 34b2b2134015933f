/* SPDX-License-Identifier: Apache-2.0 */
#include "node/mesh/question.h"

#include "node/hub/census.h"
#include "node/mesh/calls.h"
#include "proto/err.h"

/* false: memory is short, or it is too late. */
static bool tell(struct node *node, uint16_t slot,
                 const struct peer_message *message)
{
    struct buf out = {0};

    if (node->mesh == NULL) {
        return false;
    }
    peer_message_write(message, &out);
    if (!out.failed) {
        mesh_tell(node->mesh, slot, buf_bytes(&out));
    }
    bool told = !out.failed;
    buf_fini(&out);
    return told;
}

bool question_ask(void *data, const struct peer_message *question)
{
    struct node *node = data;

    if (node->cluster == NULL) {
        return false;
    }
    uint16_t slot = cluster_slot_of_low(node->cluster, HUB_PAGE_NODE_MASK,
                                        question->page & HUB_PAGE_NODE_MASK);
    return slot != CLUSTER_SLOT_NONE && tell(node, slot, question);
}

static bool is_full(const struct node *node, uint16_t slot)
{
    struct mesh_link link;

    return mesh_link_at(node->mesh, slot, &link) &&
           link.queued > QUESTION_QUEUED_MAX;
}

static void answer(struct node *node, uint16_t slot,
                   const struct peer_message *question)
{
    struct peer_message message;
    struct buf memory = {.max = PEER_RECORDS_LEN_MAX};

    hub_answer(node->core.hub, question, &message, &memory);
    if (message.known && message.records_len > 0 && is_full(node, slot)) {
        message.records_len = 0; /* ask again */
        message.records = (struct bytes){0};
    }
    /* Lost for want of memory: the asker gives up. */
    (void)tell(node, slot, &message);
    buf_fini(&memory);
}

void question_take(struct node *node, uint16_t slot, struct bytes batch)
{
    struct peer_message message;
    ptrdiff_t n;

    while ((n = peer_message_read(batch, &message)) > 0) {
        if (message.type == PEER_ASK) {
            answer(node, slot, &message);
        } else if (message.type == PEER_ANSWER) {
            hub_take_answer(node->core.hub, &message);
        } else {
            calls_take(node->calls, slot, &message);
        }
        batch = bytes_skip(batch, (size_t)n);
    }
}

/* --- calls --- */

static const struct peer_node *calls_linked(void *data, uint16_t *slot)
{
    const struct node *node = data;

    return node->cluster == NULL ? NULL : cluster_linked(node->cluster, slot);
}

static bool calls_tell(void *data, uint16_t slot,
                       const struct peer_message *message)
{
    struct node *node = data;
    struct mesh_link link;

    return node->mesh != NULL && mesh_link_at(node->mesh, slot, &link) &&
           link.up && link.queued <= QUESTION_QUEUED_MAX &&
           tell(node, slot, message);
}

static bool take_census(void *data, struct bytes body, struct buf *out)
{
    struct node *node = data;

    return census_answer(&node->core, body, out);
}

static uint64_t clock_us(void *data)
{
    (void)data;
    return uv_hrtime() / 1000;
}

int question_open(struct node *node)
{
    const struct calls_world world = {
        .data = node,
        .linked = calls_linked,
        .tell = calls_tell,
        .clock_us = clock_us,
    };

    node->calls = calls_new(&node->core, &world);
    if (node->calls == NULL) {
        return ERR_NOMEM;
    }
    calls_serve(node->calls, CALL_PUBSUB, take_census, node);
    return 0;
}

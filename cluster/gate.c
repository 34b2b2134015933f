/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/gate.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/err.h"

const char GATE_NOT_AGREED[] =
    "a node of this region counts in others than this one knows";

static void add_name(struct gate *gate, const struct node_id *id,
                     uint64_t now_ms);

int gate_init(struct gate *gate, bool seeded, uint64_t now_ms)
{
    *gate = (struct gate){.began_ms = now_ms, .seeded = seeded};
    gate->names = calloc(PEER_MEMBERS_MAX, sizeof *gate->names);
    return gate->names == NULL ? ERR_NOMEM : 0;
}

void gate_fini(struct gate *gate)
{
    free(gate->names);
    *gate = (struct gate){0};
}

void gate_names(struct gate *gate, struct bytes ids, const struct node_id *self,
                uint64_t now_ms)
{
    if (gate->ready) {
        return;
    }
    while (ids.len >= NODE_ID_LEN) {
        struct node_id id;
        memcpy(id.b, ids.p, NODE_ID_LEN);
        ids = bytes_skip(ids, NODE_ID_LEN);
        if (!node_id_eq(&id, self)) {
            add_name(gate, &id, now_ms);
        }
    }
}

const char *gate_why_peer(const struct gate *gate, const struct gate_peer *peer,
                          uint64_t now_ms)
{
    static const char *const near[] = {
        "no link yet to a node of this region",
        "topics of a node of this region are still arriving",
        "a node of this region does not count this one in yet"};
    static const char *const far[] = {
        "no link yet to a node of another region",
        "topics of a node of another region are still arriving",
        "a node of another region does not count this one in yet"};
    const char *const *why = peer->far ? far : near;

    if (peer->far && now_ms >= gate->began_ms + GATE_FAR_MS) {
        return NULL;
    }
    if (!peer->linked) {
        return now_ms < gate->began_ms + GATE_LATE_MS ? why[0] : NULL;
    }
    if (!peer->held) {
        return why[1];
    }
    if (!peer->counts_me) {
        return why[2];
    }
    return peer->far || peer->agreed ? NULL : GATE_NOT_AGREED;
}

const char *gate_why(struct gate *gate, const struct swim *swim, size_t linked,
                     uint64_t now_ms)
{
    size_t kept = 0;

    for (size_t i = 0; i < gate->names_len; i++) {
        bool known = swim_find(swim, &gate->names[i].id) != NULL;
        if (!known && now_ms < gate->names[i].until_ms) {
            gate->names[kept++] = gate->names[i];
        }
    }
    gate->names_len = kept;
    if (kept > 0) {
        return "a node of this region that another named is not known yet";
    }
    if (swim_living(swim) == 0) {
        return gate->seeded ? "no seed has answered yet" : NULL;
    }
    return linked == 0 ? "no link yet to any node" : NULL;
}

void gate_open(struct gate *gate, bool alone)
{
    assert(!gate->ready);
    gate->ready = true;
    gate->alone = alone;
    gate->due = true;
    free(gate->names);
    gate->names = NULL;
    gate->names_len = 0;
}

bool gate_is_alone_time(const struct gate *gate, uint64_t now_ms)
{
    return gate->seeded && now_ms >= gate->began_ms + CLUSTER_ALONE_MS;
}

static void add_name(struct gate *gate, const struct node_id *id,
                     uint64_t now_ms)
{
    for (size_t i = 0; i < gate->names_len; i++) {
        if (node_id_eq(&gate->names[i].id, id)) {
            return;
        }
    }
    if (gate->names_len < PEER_MEMBERS_MAX) {
        gate->names[gate->names_len++] = (struct gate_name){
            .id = *id, .until_ms = now_ms + GATE_NAME_MS};
    }
}

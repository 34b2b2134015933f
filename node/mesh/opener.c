/* SPDX-License-Identifier: Apache-2.0 */
#include "node/mesh/opener.h"

#include "proto/err.h"

enum {
    NONCE_AT = SEAL_HEAD_LEN - SEAL_NONCE_LEN,
    LOG_AGAIN_MS = 10000,
};

static bool unseal(struct opener *opener, enum peer_lane lane,
                   struct bytes frame);
static void other_version(struct opener *opener, const struct peer_batch *head,
                          uint64_t now_ms);

void opener_fini(struct opener *opener)
{
    for (int i = 0; i < PEER_LANES; i++) {
        replay_fini(&opener->heard[i]);
    }
    buf_fini(&opener->plain);
}

bool opener_open(struct opener *opener, enum peer_lane lane, struct bytes frame,
                 uint64_t now_ms, struct peer_batch *head, struct bytes *body)
{
    if (!unseal(opener, lane, frame)) {
        return false;
    }
    ptrdiff_t n = peer_batch_read(buf_bytes(&opener->plain), head);
    if (n == ERR_VERSION) {
        other_version(opener, head, now_ms);
        return false;
    }
    if (n <= 0 || head->lane != lane ||
        !node_id_eq(&head->dst, &opener->self)) {
        opener->stats->link_malformed++;
        return false;
    }
    *body = bytes_skip(buf_bytes(&opener->plain), (size_t)n);
    return true;
}

static bool unseal(struct opener *opener, enum peer_lane lane,
                   struct bytes frame)
{
    struct stats *stats = opener->stats;
    uint64_t counter;
    int rc = seal_read(opener->ring, SEAL_LINK, &opener->self, frame,
                       &opener->plain, &counter);

    if (rc == ERR_NOMEM) {
        return false; /* the pipe goes: its sender tries again */
    }
    if (rc != 0) {
        *(rc == ERR_FORGED ? &stats->link_forged : &stats->link_garbage) += 1;
        return false;
    }
    if (!replay_accept(&opener->heard[lane], frame.p + NONCE_AT, counter)) {
        stats->link_replayed++;
        return false;
    }
    return true;
}

/* The rest of its header is not ours to read: nobody knows who it is. */
static void other_version(struct opener *opener, const struct peer_batch *head,
                          uint64_t now_ms)
{
    opener->stats->link_version++;
    if (now_ms < opener->log_ms) {
        return;
    }
    opener->log_ms = now_ms + LOG_AGAIN_MS;
    log_line(opener->log, LOG_WARN, "peer-refused",
             "why=\"a link speaks versions %u to %u of the cluster protocol, "
             "this node %d to %d\"",
             head->least, head->version, PEER_VERSION_MIN, PEER_VERSION);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "node/mesh/gossip.h"

#include <assert.h>
#include <stdlib.h>

#include "node/conn/sockaddr.h"
#include "node/hub/replay.h"
#include "proto/err.h"

enum {
    PACKET_MAX = 2048, /* a longer one is none of ours */
    /* Packets that are opened: so many at once, so many more each ms. */
    BURST = 8192,
    RATE_PER_MS = 32,
    LOG_AGAIN_MS = 10000, /* strangers do not fill the log */
    /* Where the life bytes of the nonce are (proto/seal.h). */
    NONCE_AT = SEAL_HEAD_LEN - SEAL_NONCE_LEN,
    COUNTER_AT = SEAL_HEAD_LEN - 8,
    /* What may wait for the loop, as far as the system permits. */
    RECEIVE_LEN = 4 << 20,
};

static_assert(PACKET_MAX >= CLUSTER_PACKET_LEN_MAX + SEAL_OVERHEAD,
              "a whole packet fits");
static_assert(SEAL_NONCE_LEN == REPLAY_LIFE_LEN + 8, "life | counter");

struct gossip {
    struct gossip_options options;
    uv_udp_t udp;
    uint64_t counter; /* of the last nonce */
    struct replay replay;
    struct buf sealed;
    struct buf plain;
    uint64_t allowance; /* packets that may still be looked at */
    uint64_t allowed_at_ms;
    uint64_t log_ms; /* not again before */
    uint8_t packet[PACKET_MAX];
};

static int start(struct gossip *gossip);
static void put(void *data, const struct addr *to, struct bytes packet);
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);
static void on_packet(uv_udp_t *udp, ssize_t len, const uv_buf_t *buf,
                      const struct sockaddr *from, unsigned flags);
static void count_refused(struct stats *stats, int rc);
static int open_packet(struct gossip *gossip, const struct addr *from,
                       struct bytes sealed, bool *for_me);
static void log_unknown_key(struct gossip *gossip, const struct addr *from,
                            struct bytes sealed);
static bool is_too_fast(struct gossip *gossip);
static void on_closed(uv_handle_t *handle);

int gossip_open(struct gossip **out, const struct gossip_options *options)
{
    struct gossip *gossip = calloc(1, sizeof *gossip);

    if (gossip == NULL) {
        return ERR_NOMEM;
    }
    gossip->options = *options;
    gossip->allowance = BURST;
    gossip->allowed_at_ms = uv_now(options->loop);
    if (uv_udp_init(options->loop, &gossip->udp) != 0) {
        free(gossip);
        return ERR_IO;
    }
    gossip->udp.data = gossip;
    int rc = start(gossip);
    if (rc != 0) {
        gossip_close(gossip);
        return rc;
    }
    *out = gossip;
    return 0;
}

void gossip_close(struct gossip *gossip)
{
    uv_close((uv_handle_t *)&gossip->udp, on_closed);
}

void gossip_send(struct gossip *gossip, const struct addr *to,
                 const struct node_id *dst, struct bytes plain)
{
    uint8_t nonce[SEAL_NONCE_LEN];
    struct fault *fault = gossip->options.fault;

    memcpy(nonce, gossip->options.life, REPLAY_LIFE_LEN);
    bytes_put_u64be(nonce + REPLAY_LIFE_LEN, ++gossip->counter);
    buf_reset(&gossip->sealed);
    seal_write(gossip->options.ring, SEAL_GOSSIP, dst, nonce, plain,
               &gossip->sealed);
    if (gossip->sealed.failed) {
        return; /* lost, as packets are */
    }
    struct bytes packet = buf_bytes(&gossip->sealed);
    if (fault == NULL || !fault_packet(fault, to, packet, put, gossip)) {
        put(gossip, to, packet);
    }
}

static void put(void *data, const struct addr *to, struct bytes packet)
{
    struct gossip *gossip = data;
    struct sockaddr_storage where;

    sockaddr_write(to, &where);
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)packet.p,
                               (unsigned)packet.len);
    /* No queue: what the kernel does not take now is lost. */
    if (uv_udp_try_send(&gossip->udp, &buf, 1,
                        (const struct sockaddr *)&where) > 0) {
        gossip->options.stats->gossip_out++;
    }
}

static int start(struct gossip *gossip)
{
    struct sockaddr_storage where;

    sockaddr_write(&gossip->options.listen, &where);
    int receive_len = RECEIVE_LEN;
    int rc = uv_udp_bind(&gossip->udp, (const struct sockaddr *)&where, 0);
    if (rc != 0) {
        return rc == UV_EADDRINUSE ? ERR_CONFLICT : ERR_IO;
    }
    (void)uv_recv_buffer_size((uv_handle_t *)&gossip->udp, &receive_len);
    return uv_udp_recv_start(&gossip->udp, on_alloc, on_packet) == 0 ? 0
                                                                     : ERR_IO;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct gossip *gossip = handle->data;

    (void)suggested;
    *buf = uv_buf_init((char *)gossip->packet, sizeof gossip->packet);
}

static void on_packet(uv_udp_t *udp, ssize_t len, const uv_buf_t *buf,
                      const struct sockaddr *from, unsigned flags)
{
    struct gossip *gossip = udp->data;
    bool for_me = true;

    if (len <= 0 || from == NULL) {
        return; /* nothing left, or an error of an earlier send */
    }
    struct addr addr = sockaddr_read(from);
    int rc = ERR_TOO_BIG;
    if ((flags & UV_UDP_PARTIAL) == 0) {
        rc = open_packet(gossip, &addr, bytes_of(buf->base, (size_t)len),
                         &for_me);
    }
    if (rc != 0) {
        count_refused(gossip->options.stats, rc);
        return;
    }
    gossip->options.stats->gossip_in++;
    gossip->options.on_packet(gossip->options.data, &addr,
                              buf_bytes(&gossip->plain), for_me);
}

static void count_refused(struct stats *stats, int rc)
{
    switch (rc) {
    case ERR_DENIED:
        stats->gossip_foreign++;
        break;
    case ERR_LIMIT:
        stats->gossip_flood++;
        break;
    case ERR_TOO_BIG:
        stats->gossip_oversized++;
        break;
    case ERR_FORGED:
        stats->gossip_forged++;
        break;
    case ERR_REPLAYED:
        stats->gossip_replayed++;
        break;
    case ERR_NOMEM: /* lost, as packets are */
        break;
    default:
        stats->gossip_garbage++;
    }
}

/* Into gossip->plain. Only what opened may make an entry for its sender. */
static int open_packet(struct gossip *gossip, const struct addr *from,
                       struct bytes sealed, bool *for_me)
{
    static const struct node_id nobody;
    const struct gossip_options *options = &gossip->options;
    uint64_t counter;
    uint64_t print;

    if (options->loopback_only && !addr_is_loopback(from)) {
        return ERR_DENIED;
    }
    if (seal_print(sealed, &print) &&
        seal_ring_find(options->ring, print) >= 0) {
        if (replay_has(&gossip->replay, sealed.p + NONCE_AT,
                       bytes_u64be(sealed.p + COUNTER_AT))) {
            return ERR_REPLAYED;
        }
        if (is_too_fast(gossip)) {
            return ERR_LIMIT;
        }
    }
    int rc = seal_read(options->ring, SEAL_GOSSIP, &options->self, sealed,
                       &gossip->plain, &counter);
    if (rc == ERR_FORGED) {
        *for_me = false;
        rc = seal_read(options->ring, SEAL_GOSSIP, &nobody, sealed,
                       &gossip->plain, &counter);
    }
    if (rc == ERR_FORGED) {
        log_unknown_key(gossip, from, sealed);
    }
    if (rc != 0) {
        return rc;
    }
    return replay_accept(&gossip->replay, sealed.p + NONCE_AT, counter)
               ? 0
               : ERR_REPLAYED;
}

/* A node with the key file of before or after a rotation is a stranger; all
 * that either side can know of it is the name of the key. */
static void log_unknown_key(struct gossip *gossip, const struct addr *from,
                            struct bytes sealed)
{
    uint64_t now_ms = uv_now(gossip->options.loop);
    char text[ADDR_TEXT_MAX];
    uint64_t print;

    if (now_ms < gossip->log_ms || !seal_print(sealed, &print) ||
        seal_ring_find(gossip->options.ring, print) >= 0) {
        return;
    }
    gossip->log_ms = now_ms + LOG_AGAIN_MS;
    log_line(gossip->options.log, LOG_WARN, "key-unknown",
             "from=%s key=%016llx why=%s", addr_text(from, text),
             (unsigned long long)print,
             "this node does not have the key that it is sealed with: the key "
             "file here or there is out of date, or it is another cluster");
}

/* Bounds what opening costs us. Packets that no key of ours could open, and
 * those heard before, are told by their head and are not among these: so a
 * stranger's flood takes nothing away from the members. */
static bool is_too_fast(struct gossip *gossip)
{
    uint64_t now_ms = uv_now(gossip->options.loop);
    uint64_t more = (now_ms - gossip->allowed_at_ms) * RATE_PER_MS;

    gossip->allowed_at_ms = now_ms;
    gossip->allowance += more < BURST ? more : BURST;
    if (gossip->allowance > BURST) {
        gossip->allowance = BURST;
    }
    if (gossip->allowance == 0) {
        return true;
    }
    gossip->allowance--;
    return false;
}

static void on_closed(uv_handle_t *handle)
{
    struct gossip *gossip = handle->data;

    replay_fini(&gossip->replay);
    buf_fini(&gossip->sealed);
    buf_fini(&gossip->plain);
    free(gossip);
}

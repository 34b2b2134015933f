/* SPDX-License-Identifier: Apache-2.0
 *
 * What the envelope of a link costs: one batch of items, written, sealed,
 * opened, read. One JSON line for each number of items in it; the best of
 * several runs, since whatever disturbs only adds. Not a test.
 *
 *   seal [value bytes]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "node/client/auth.h"
#include "proto/item.h"
#include "proto/peer.h"
#include "proto/seal.h"

enum {
    RUNS = 25,
    ROUNDS = 1000, /* batches of one run */
    STEPS = 4,
    VALUE_LEN_MAX = 1 << 16,
    BATCH_LEN_MAX = 1 << 20,
};

static uint8_t value[VALUE_LEN_MAX];
static struct node_id self = {.b = {1}};
static struct seal_ring ring;

static uint64_t clock_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void write_batch(struct buf *plain, size_t items, size_t value_len)
{
    struct peer_batch head = {.src = self,
                              .dst = self,
                              .epoch = 1,
                              .seq = 1,
                              .version = PEER_VERSION,
                              .lane = PEER_DATA};
    struct item item = {.cache = BYTES("default"),
                        .topic = BYTES("latency"),
                        .value = bytes_of(value, value_len),
                        .flags = ITEM_BINARY,
                        .origin = 1,
                        .count = 1};

    buf_reset(plain);
    peer_batch_write(&head, plain);
    for (size_t i = 0; i < items; i++) {
        item_write(&item, plain);
    }
}

static void read_batch(const struct buf *plain)
{
    struct peer_batch head;
    struct bytes body = buf_bytes(plain);
    struct item item;

    for (ptrdiff_t n = peer_batch_read(body, &head); body.len > 0;
         n = item_read(body, &item)) {
        if (n <= 0) {
            abort();
        }
        body = bytes_skip(body, (size_t)n);
    }
}

static void step(size_t which, size_t items, size_t value_len,
                 struct buf bufs[3])
{
    static uint8_t nonce[SEAL_NONCE_LEN];
    uint64_t counter;

    switch (which) {
    case 0:
        write_batch(&bufs[0], items, value_len);
        break;
    case 1:
        buf_reset(&bufs[1]);
        nonce[0]++;
        seal_write(&ring, SEAL_LINK, &self, nonce, buf_bytes(&bufs[0]),
                   &bufs[1]);
        break;
    case 2:
        if (seal_read(&ring, SEAL_LINK, &self, buf_bytes(&bufs[1]), &bufs[2],
                      &counter) != 0) {
            abort();
        }
        break;
    default:
        read_batch(&bufs[2]);
    }
}

static void measure(size_t items, size_t value_len)
{
    struct buf bufs[3] = {
        {.max = BATCH_LEN_MAX}, {.max = BATCH_LEN_MAX}, {.max = BATCH_LEN_MAX}};
    uint64_t best[STEPS] = {0};

    for (size_t run = 0; run < RUNS; run++) {
        for (size_t i = 0; i < STEPS; i++) {
            uint64_t start = clock_ns();
            for (size_t round = 0; round < ROUNDS; round++) {
                step(i, items, value_len, bufs);
            }
            uint64_t took = (clock_ns() - start) / ROUNDS;
            best[i] = run == 0 || took < best[i] ? took : best[i];
        }
    }
    printf("{\"mode\":\"seal\",\"items\":%zu,\"value\":%zu,\"bytes\":%zu,"
           "\"write_ns\":%lu,\"seal_ns\":%lu,\"open_ns\":%lu,"
           "\"read_ns\":%lu}\n",
           items, value_len, bufs[1].len, (unsigned long)best[0],
           (unsigned long)best[1], (unsigned long)best[2],
           (unsigned long)best[3]);
    for (size_t i = 0; i < 3; i++) {
        buf_fini(&bufs[i]);
    }
}

int main(int argc, char **argv)
{
    struct auth auth;
    size_t value_len = argc > 1 ? strtoul(argv[1], NULL, 10) : 64;

    if (value_len > VALUE_LEN_MAX) {
        return 2;
    }
    auth_init(&auth, NULL); /* as a node does: picks the fast ciphers */
    seal_key_from_name(&ring.keys[0], BYTES("bench"));
    ring.keys_len = 1;
    ring.aead = aead_new();
    measure(1, value_len);
    measure(16, value_len);
    measure(64, value_len);
    return 0;
}

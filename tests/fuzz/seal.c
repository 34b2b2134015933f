/* SPDX-License-Identifier: Apache-2.0
 *
 * Envelopes. The bytes as an envelope do not open; as a text they open as what
 * they were, and not after any change of one byte or of the length.
 */
#include "tests/fuzz/fuzz.h"

#include "proto/err.h"
#include "proto/seal.h"

static const struct node_id us = {.b = "fuzz"};
static const uint8_t nonce[SEAL_NONCE_LEN] = {1, 2, 3, [23] = 7};

static const struct seal_ring *ring(void)
{
    static struct seal_ring made;

    if (made.keys_len == 0) {
        made.cluster_name = BYTES("fuzz");
        seal_key_from_name(&made.keys[0], BYTES("fuzz"));
        seal_key_from_name(&made.keys[1], BYTES("old"));
        made.keys_len = 2;
    }
    return &made;
}

static int open_copy(enum seal_kind kind, struct bytes sealed, struct buf *out)
{
    uint64_t counter = 0;
    uint8_t *copy = fuzz_copy(sealed);
    int rc = seal_read(ring(), kind, &us, bytes_of(copy, sealed.len), out,
                       &counter);

    assert(rc == 0 || rc == ERR_SYNTAX || rc == ERR_FORGED);
    assert(rc != 0 || counter == 7);
    assert(rc == 0 || out->len == 0);
    free(copy);
    return rc;
}

static void check_sealed(enum seal_kind kind, struct bytes plain,
                         struct fuzz_dice *dice)
{
    struct buf sealed = {0};
    struct buf out = {0};
    enum seal_kind other = kind == SEAL_GOSSIP ? SEAL_LINK : SEAL_GOSSIP;

    seal_write(ring(), kind, &us, nonce, plain, &sealed);
    assert(!sealed.failed && sealed.len == plain.len + SEAL_OVERHEAD);
    assert(open_copy(kind, buf_bytes(&sealed), &out) == 0);
    assert(bytes_eq(buf_bytes(&out), plain));
    assert(open_copy(other, buf_bytes(&sealed), &out) != 0);

    size_t cut = fuzz_roll(dice, sealed.len);
    assert(open_copy(kind, bytes_of(sealed.p, cut), &out) != 0);
    size_t at = fuzz_roll(dice, sealed.len);
    sealed.p[at] = (uint8_t)(sealed.p[at] ^ (1 + fuzz_roll(dice, 255)));
    assert(open_copy(kind, buf_bytes(&sealed), &out) != 0);
    buf_fini(&sealed);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes in = bytes_of(data, len);
    struct fuzz_dice dice = fuzz_dice_of(in);
    struct buf out = {0};

    (void)open_copy(SEAL_GOSSIP, in, &out);
    (void)open_copy(SEAL_LINK, in, &out);
    (void)open_copy(SEAL_INSTALL, in, &out);
    check_sealed(SEAL_GOSSIP, in, &dice);
    check_sealed(SEAL_LINK, in, &dice);
    check_sealed(SEAL_INSTALL, in, &dice);
    buf_fini(&out);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * What is said about cluster keys: by nodes, and by operators (JSON). What is
 * read, written anew, is read as the same.
 */
#include "tests/fuzz/fuzz.h"

#include "proto/err.h"
#include "proto/keys.h"

static void check_call(struct bytes in)
{
    struct keys_call call;
    struct keys_call again;
    struct buf out = {0};
    ptrdiff_t taken = keys_call_read(in, &call);

    assert(taken == ERR_SYNTAX || (taken > 0 && (size_t)taken <= in.len));
    if (taken > 0) {
        keys_call_write(&call, &out);
        assert(bytes_eq(buf_bytes(&out), bytes_of(in.p, (size_t)taken)));
        assert(keys_call_read(buf_bytes(&out), &again) == taken);
    }
    buf_fini(&out);
}

static void check_state(struct bytes in)
{
    struct keys_state state;
    struct keys_state again;
    struct buf out = {0};
    ptrdiff_t taken = keys_state_read(in, &state);

    assert(taken == ERR_SYNTAX || (taken > 0 && (size_t)taken <= in.len));
    if (taken > 0) {
        assert(state.len <= SEAL_KEYS_MAX && state.err <= 0);
        keys_state_write(&state, &out);
        assert(out.len <= KEYS_STATE_LEN_MAX);
        assert(keys_state_read(buf_bytes(&out), &again) == taken);
        assert(again.err == state.err && again.len == state.len);
    }
    buf_fini(&out);
}

static void check_wish(struct bytes in)
{
    struct keys_wish wish;
    struct keys_wish again;
    struct buf out = {0};
    int rc = keys_wish_read(in, &wish);

    assert(rc == 0 || rc == ERR_SYNTAX || rc == ERR_ARGUMENT);
    if (rc == 0) {
        keys_wish_write(&wish, &out);
        assert(keys_wish_read(buf_bytes(&out), &again) == 0);
        assert(again.op == wish.op && again.print == wish.print &&
               again.force == wish.force &&
               again.sealed_len == wish.sealed_len &&
               memcmp(again.sealed, wish.sealed, sizeof wish.sealed) == 0);
    }
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t *copy = fuzz_copy(bytes_of(data, len));
    struct bytes in = bytes_of(copy, len);

    check_call(in);
    check_state(in);
    check_wish(in);
    free(copy);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Native commands as msgpack; and whatever the bytes are, a publish that
 * carries them is read as them.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/native.h"

#include "proto/mp.h"

static void check_carried(struct bytes value)
{
    struct buf message = {0};
    struct buf memory = {0};
    struct native_command command;

    mp_put_map(&message, 4);
    mp_put_str(&message, BYTES("op"));
    mp_put_str(&message, BYTES("publish"));
    mp_put_str(&message, BYTES("cache"));
    mp_put_str(&message, BYTES("c"));
    mp_put_str(&message, BYTES("topic"));
    mp_put_str(&message, BYTES("t"));
    mp_put_str(&message, BYTES("data"));
    mp_put_bin(&message, value);
    assert(native_read(NATIVE_MSGPACK, buf_bytes(&message), &command,
                       &memory) == 0);
    assert(command.binary && bytes_eq(command.value, value));
    buf_fini(&message);
    buf_fini(&memory);
}

/* One value of any kind is skipped within its bytes. */
static ptrdiff_t skip(struct bytes in)
{
    struct mp mp = mp_of(in);

    mp_skip(&mp);
    return mp_outcome(&mp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes in = bytes_of(data, len);

    fuzz_native(NATIVE_MSGPACK, in);
    check_carried(in);
    (void)fuzz_check_cuts(skip, in);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Native commands as JSON texts; and whatever the bytes are, a publish that
 * carries them (as text if they are text, as base64 always) is read as them.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/native.h"

#include "proto/json.h"
#include "proto/topic.h"

static void check_carried(struct bytes value, bool binary)
{
    struct buf message = {0};
    struct buf memory = {0};
    struct native_command command;

    buf_add_str(&message,
                "{\"op\":\"publish\",\"cache\":\"c\",\"topic\":\"t\"");
    json_add_name(&message, true, binary ? "data" : "text");
    if (binary) {
        json_add_base64(&message, value);
    } else {
        json_add_string(&message, value);
    }
    buf_add_u8(&message, '}');
    assert(native_read(NATIVE_JSON, buf_bytes(&message), &command, &memory) ==
           0);
    assert(command.op == NATIVE_PUBLISH && command.binary == binary);
    assert(bytes_eq(command.value, value));
    buf_fini(&message);
    buf_fini(&memory);
}

static void check_base64(struct bytes text)
{
    struct buf value = {0};
    struct buf again = {0};
    struct buf twice = {0};

    if (json_base64_read(text, &value) == 0) {
        json_base64(&again, buf_bytes(&value));
        assert(json_base64_read(buf_bytes(&again), &twice) == 0);
        assert(bytes_eq(buf_bytes(&value), buf_bytes(&twice)));
    } else {
        assert(value.len == 0);
    }
    buf_fini(&value);
    buf_fini(&again);
    buf_fini(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes in = bytes_of(data, len);

    fuzz_native(NATIVE_JSON, in);
    check_carried(in, true);
    if (topic_text_is_valid(in)) {
        check_carried(in, false);
    }
    check_base64(in);
    return 0;
}

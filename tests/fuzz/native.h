/* SPDX-License-Identifier: Apache-2.0
 *
 * What holds of a native command in either format.
 */
#ifndef TESTS_FUZZ_NATIVE_H
#define TESTS_FUZZ_NATIVE_H

#include "proto/err.h"
#include "proto/native.h"

static inline bool fuzz_native_holds(const struct native_command *command,
                                     struct bytes in, struct bytes memory)
{
    const struct bytes slices[] = {
        command->cache,
        command->topic,
        command->token,
        command->value,
        command->attrs.event,
        command->attrs.id,
        command->attrs.content_type,
        command->attrs.reply_to,
        command->attrs.correlation,
    };

    for (size_t i = 0; i < ARRAY_LEN(slices); i++) {
        if (!fuzz_inside(slices[i], in) && !fuzz_inside(slices[i], memory)) {
            return false;
        }
    }
    return command->attrs.user_len <= ITEM_USER_PROPERTIES_MAX;
}

static inline void fuzz_native(enum native_format format, struct bytes in)
{
    struct native_command command;
    struct buf memory = {0};
    struct buf out = {0};
    int rc = native_read(format, in, &command, &memory);

    assert(rc == 0 || rc == ERR_SYNTAX || rc == ERR_ARGUMENT || rc == ERR_UTF8);
    assert(!command.has_id || command.id >> NATIVE_NUMBER_MAX_BITS == 0);
    if (rc == 0) {
        assert(fuzz_native_holds(&command, in, buf_bytes(&memory)));
        assert(command.page >> NATIVE_NUMBER_MAX_BITS == 0);
        assert(command.seq >> NATIVE_NUMBER_MAX_BITS == 0);
        native_write_answer(format, "pong", &command, &out);
    } else {
        native_write_error(format, &command, rc, bytes_str(err_text(rc)), &out);
    }
    assert(!out.failed);
    buf_fini(&memory);
    buf_fini(&out);
}

#endif

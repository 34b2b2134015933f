/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/momento_wire.h"

#include "proto/err.h"

enum {
    ALIGN = 16,
    /* Of structs, for a byte of a message that is all structure: a permission
     * of 12 bytes becomes five of them and places in two lists. */
    STRUCTS_A_BYTE = 64,
    STRUCTURE_LEN_MAX = 8 << 10, /* the rest of a longer one is values */
    ROOM_LEN_LEAST = 1 << 10,
};

struct arena {
    uint8_t *p;
    size_t len;
    size_t used;
};

static void *take(void *data, size_t size)
{
    struct arena *arena = data;
    size_t rounded = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);

    if (rounded < size || rounded > arena->len - arena->used) {
        return NULL;
    }
    void *p = arena->p + arena->used;
    arena->used += rounded;
    return p;
}

static void leave(void *data, void *p)
{
    (void)data;
    (void)p;
}

static size_t room_for(size_t len)
{
    size_t structure = len < STRUCTURE_LEN_MAX ? len : STRUCTURE_LEN_MAX;

    return ROOM_LEN_LEAST + len + structure * STRUCTS_A_BYTE;
}

int momento_unpack(const ProtobufCMessageDescriptor *type, struct bytes in,
                   struct buf *memory, ProtobufCMessage **out)
{
    assert(memory->len == 0);
    struct arena arena = {.len = room_for(in.len)};
    ProtobufCAllocator allocator = {
        .alloc = take, .free = leave, .allocator_data = &arena};

    arena.p = buf_reserve(memory, arena.len);
    if (arena.p == NULL) {
        return ERR_NOMEM;
    }
    *out = protobuf_c_message_unpack(type, &allocator, in.len, in.p);
    memory->len = arena.used;
    return *out == NULL ? ERR_SYNTAX : 0;
}

void momento_pack(const ProtobufCMessage *message, struct buf *out)
{
    size_t len = protobuf_c_message_get_packed_size(message);

    if (len > 0 && buf_reserve(out, len) != NULL) {
        out->len += protobuf_c_message_pack(message, out->p + out->len);
    }
}

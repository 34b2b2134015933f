/* SPDX-License-Identifier: Apache-2.0
 *
 * The doorway to protobuf-c, for proto/momento_*.c alone: they turn generated
 * messages (proto/momento/) into plain structs of slices and back.
 *
 * What is read lives in one buffer that was reserved once: the library
 * allocates from it and frees nothing, so a message costs one allocation,
 * cannot leak, and one made of ten thousand empty fields finds the room that
 * an honest message of its length needs, and no more.
 */
#ifndef PROTO_MOMENTO_WIRE_H
#define PROTO_MOMENTO_WIRE_H

#include <protobuf-c/protobuf-c.h>

#include "proto/bytes.h"

/* Reads a message into `memory`, which must be empty: what is returned lives
 * as long. Errors: ERR_SYNTAX, ERR_NOMEM. */
int momento_unpack(const ProtobufCMessageDescriptor *type, struct bytes in,
                   struct buf *memory, ProtobufCMessage **out);

/* Appends a message; failure shows in out->failed. */
void momento_pack(const ProtobufCMessage *message, struct buf *out);

static inline struct bytes momento_slice(ProtobufCBinaryData data)
{
    return bytes_of(data.data, data.len);
}

/* The library does not write to what it packs; its type says nothing of it. */
static inline ProtobufCBinaryData momento_data(struct bytes slice)
{
    return (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)slice.p,
                                 .len = slice.len};
}

#endif

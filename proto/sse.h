/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing server-sent events (WHATWG HTML, section 9.2).
 *
 *   id: 1043297280-17        sse_add_id()      position: page-sequence
 *   event: price             sse_add_event()   only when it is not a message
 *   data: first line         sse_add_data()    one line of the value each
 *   data: second line
 *                            sse_end()         the empty line
 *
 * The stream is lines, so whatever a stranger wrote is cut at each of the three
 * line ends the standard knows (CR, LF, CRLF) and every piece gets its own
 * `data:`; names with a control character are not written at all. Nothing that
 * was published can begin a field of ours (ADVERSARIAL D13).
 *
 * Appends to a buffer; failure shows in out->failed.
 */
#ifndef PROTO_SSE_H
#define PROTO_SSE_H

#include <stdint.h>

#include "proto/bytes.h"

enum {
    SSE_ID_LEN_MAX = 41, /* two 64-bit numbers and the dash */
    SSE_EVENT_LEN_MAX = 128,
};

/* A comment, which readers skip: keeps an idle stream in use. */
#define SSE_BEAT BYTES(": beat\n\n")

void sse_add_id(struct buf *out, uint64_t page, uint64_t seq);

/* Whether a publisher may name an item so: at most SSE_EVENT_LEN_MAX bytes, no
 * control character, none of the names that this server or EventSource itself
 * uses (`discontinuity`, `partial`, `end`, `open`, `error`, `binary` and what
 * starts with `binary:`).
 */
bool sse_event_is_free(struct bytes name);

/* One of the names of this server. */
void sse_add_event(struct buf *out, struct bytes name);

/* The event name of an item: what its publisher called it if that is free;
 * `binary`, or `binary:` and that name, when its data is base64. Nothing for
 * unnamed text, which is then a "message". */
void sse_add_item_event(struct buf *out, bool binary, struct bytes name);

/* Text of any length and with any bytes; an empty one is one empty line. A CR
 * or CRLF in it reaches the reader as LF: the format cannot say otherwise. */
void sse_add_data(struct buf *out, struct bytes text);

/* How long a client waits before it connects again. */
void sse_add_retry(struct buf *out, uint64_t ms);

/* The same for bytes that are no text: base64 in one line. */
void sse_add_base64(struct buf *out, struct bytes data);

void sse_end(struct buf *out);

/* Reads what sse_add_id() wrote after "id: ". Errors: ERR_SYNTAX. */
int sse_id_read(struct bytes text, uint64_t *page, uint64_t *seq);

#endif

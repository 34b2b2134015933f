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
    SSE_ID_LEN_MAX = 41
}; /* two 64-bit numbers and the dash */

void sse_add_id(struct buf *out, uint64_t page, uint64_t seq);

/* Whether a publisher may name an item so: no control character, none of the
 * names that this server or EventSource itself uses (`discontinuity`,
 * `partial`, `end`, `open`, `error`, `binary` and what starts with `binary:`).
 */
bool sse_event_is_free(struct bytes name);

/* name is one of ours or sse_event_is_free(). */
void sse_add_event(struct buf *out, struct bytes name);

/* Text of any length and with any bytes; an empty one is one empty line. A CR
 * or CRLF in it reaches the reader as LF: the format cannot say otherwise. */
void sse_add_data(struct buf *out, struct bytes text);

/* How long a client waits before it connects again. */
void sse_add_retry(struct buf *out, uint64_t ms);

/* A line that readers skip; keeps the connection in use. `text` is ours. */
void sse_add_comment(struct buf *out, struct bytes text);

void sse_end(struct buf *out);

/* Reads what sse_add_id() wrote after "id: ". Errors: ERR_SYNTAX. */
int sse_id_read(struct bytes text, uint64_t *page, uint64_t *seq);

#endif

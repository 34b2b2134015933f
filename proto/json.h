/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing JSON into a buffer (RFC 8259). Reading is jansson's job, in the
 * modules that read. No state: the caller places commas and braces with
 * buf_add_str().
 */
#ifndef PROTO_JSON_H
#define PROTO_JSON_H

#include "proto/bytes.h"

/* A quoted string. `text` must be valid UTF-8 (topic_text_is_valid()); the two
 * characters that HTML parsers act on inside scripts, '<' and U+2028/2029, are
 * escaped too, so that a frame may be embedded anywhere. */
void json_add_string(struct buf *out, struct bytes text);

/* A quoted string of standard base64 (RFC 4648 section 4) of any bytes. */
void json_add_base64(struct buf *out, struct bytes data);

/* `"name":` with the comma before it when `comma`. The name needs no escape. */
void json_add_name(struct buf *out, bool comma, const char *name);

/* Standard base64 without quotes. */
void json_base64(struct buf *out, struct bytes data);
/* Decodes standard or URL-safe base64, with or without padding, appending to
 * out. Errors: ERR_SYNTAX, also for bits that a strict encoder leaves zero;
 * ERR_NOMEM when out cannot take it. out is then as it was. */
int json_base64_read(struct bytes text, struct buf *out);

#endif

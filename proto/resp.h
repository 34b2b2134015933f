/* SPDX-License-Identifier: Apache-2.0
 *
 * RESP 2 and 3: what Redis clients say and what they want to hear.
 *
 *   request   *2 CRLF $4 CRLF ECHO CRLF $2 CRLF hi CRLF     array of bulk
 * strings ECHO hi CRLF                                  inline (telnet) answer
 * +OK  -ERR why  :5  $2 hi  *2 ...  RESP3 also  _  %2  >3  =
 *
 * Zero copy: a request is a slice of the input whose arguments are taken one by
 * one with resp_next(); there is no table of arguments, so a request that
 * announces a million of them costs nothing. To look twice, copy the struct.
 *
 * The reader remembers how far it has understood an unfinished request, so that
 * one that comes byte by byte is not read again from its start each time.
 *
 * Stricter than Redis: each CRLF must be one. Inline words may stand in double
 * or single quotes, but whole words only and without backslash escapes.
 *
 * Source: redis.io, "Redis serialization protocol specification".
 */
#ifndef PROTO_RESP_H
#define PROTO_RESP_H

#include <stdbool.h>

#include "proto/bytes.h"

enum {
    RESP_ARGS_MAX = 1024 * 1024,
    RESP_ARGS_HELLO_MAX = 10, /* before login */
    RESP_INLINE_LEN_MAX = 64 << 10,
    RESP_OVERHEAD_MAX = 64 << 10, /* of a request, beyond its largest value */
    RESP_ECHO_LEN_MAX = 128,      /* of a client's bytes in an error text */
    RESP_SLOTS = 16384,           /* of a Redis cluster */
};

struct resp_bounds {
    uint32_t args_max;
    uint32_t len_max; /* of the whole request */
};

enum resp_fault {
    RESP_FAULT_NONE,
    RESP_FAULT_COUNT,  /* "*" with a bad or too large number */
    RESP_FAULT_BULK,   /* "$" with a bad or too large number */
    RESP_FAULT_TYPE,   /* something else in the place of the "$" */
    RESP_FAULT_INLINE, /* no line end within the bound */
    RESP_FAULT_QUOTES,
};

/* Zero is the start of a request. */
struct resp_reader {
    uint32_t seen; /* bytes of this request that are understood */
    uint32_t args; /* announced by its head */
    uint32_t left; /* of those, not yet understood */
    uint8_t fault; /* enum resp_fault */
    uint8_t got;   /* RESP_FAULT_TYPE: what was there */
};

struct resp_request {
    size_t len;        /* arguments not yet taken, the command first */
    struct bytes rest; /* borrowed from the input */
    bool is_inline;
};

/* Reads one request from the front of `in`, which must start where it started
 * at the last call. Returns the bytes it took, 0 when more are needed, or
 * ERR_SYNTAX, ERR_TOO_BIG: reader->fault says which, and the connection has to
 * end. A request without arguments (empty line, *0) wants no answer. */
ptrdiff_t resp_read(struct resp_reader *reader,
                    const struct resp_bounds *bounds, struct bytes in,
                    struct resp_request *request);

/* Takes the next argument; false when there are none. */
bool resp_next(struct resp_request *request, struct bytes *arg);

/* The slot of a key in a Redis cluster: CRC16 (XMODEM) of what stands between
 * the first { and the next }, if that is something, else of the whole key. */
uint16_t resp_slot(struct bytes key);

/* --- answers, appended --- */

void resp_write_simple(struct buf *out, const char *text); /* +text */
void resp_write_int(struct buf *out, int64_t value);
void resp_write_bulk(struct buf *out, struct bytes s);
void resp_write_array(struct buf *out, size_t len);

/* `version` is 2 or 3: what RESP2 has no type for is told in its own way. */
void resp_write_null(struct buf *out, unsigned version);
void resp_write_map(struct buf *out, unsigned version, size_t pairs);
void resp_write_push(struct buf *out, unsigned version, size_t len);
void resp_write_text(struct buf *out, unsigned version, struct bytes text);

/* An error in parts, because some contain what the client sent: begin, then
 * any of the two, then end. Echoed bytes are cut to RESP_ECHO_LEN_MAX and
 * their CR and LF become spaces: nothing that a client sends can end the line.
 */
void resp_begin_error(struct buf *out);
void resp_add_echo(struct buf *out, struct bytes s);
void resp_end_error(struct buf *out);

void resp_write_error(struct buf *out, const char *text); /* -text */
void resp_write_fault(struct buf *out, const struct resp_reader *reader);

/* What a subscriber receives. `pattern` only for RESP_PMESSAGE. */
enum resp_kind {
    RESP_MESSAGE,
    RESP_PMESSAGE,
    RESP_SMESSAGE
};

void resp_write_message(struct buf *out, unsigned version, enum resp_kind kind,
                        struct bytes pattern, struct bytes channel,
                        struct bytes value);

/* The word that an error answer begins with, which clients look at: "NOAUTH",
 * "NOPERM" ..., "ERR" for most. Any value is accepted. */
const char *resp_error_word(int err);

#endif

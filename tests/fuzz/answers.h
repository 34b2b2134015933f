/* SPDX-License-Identifier: Apache-2.0
 *
 * What a server said, as its clients read it: nothing that a stranger sent may
 * have made it anything else than well formed. The last answer may be cut.
 */
#ifndef TESTS_FUZZ_ANSWERS_H
#define TESTS_FUZZ_ANSWERS_H

#include <jansson.h>

#include "proto/ws.h"
#include "tests/fuzz/fuzz.h"

/* Takes the line at the front, without its CRLF; false when it is cut. */
static inline bool fuzz_line(struct bytes *in, struct bytes *line)
{
    ptrdiff_t end = bytes_find(*in, '\n');

    if (end < 0) {
        return false;
    }
    assert(end > 0 && in->p[end - 1] == '\r');
    *line = bytes_of(in->p, (size_t)end - 1);
    assert(bytes_find(*line, '\r') < 0);
    *in = bytes_skip(*in, (size_t)end + 1);
    return true;
}

/* How many values follow a line of RESP, instead of it; *len: of its bulk. */
static inline size_t fuzz_resp_values(struct bytes line, uint64_t *len)
{
    static const char types[] = "+-:_$=*>%";
    assert(line.len > 0 && memchr(types, line.p[0], sizeof types - 1) != NULL);
    struct bytes rest = bytes_skip(line, 1);
    uint8_t type = line.p[0];
    bool has_len = memchr("$=*>%", type, 5) != NULL;

    *len = 0;
    if (!has_len || bytes_eq(rest, BYTES("-1"))) {
        return 0;
    }
    uint64_t n = 0;
    assert(bytes_u64(rest, &n) == 0);
    if (type == '$' || type == '=') {
        *len = n + 2;
        return 0;
    }
    return (size_t)(type == '%' ? 2 * n : n);
}

static inline void fuzz_check_resp(struct bytes in)
{
    struct bytes line;
    uint64_t len;
    size_t values = 0; /* still to come of the answer that is open */

    while (fuzz_line(&in, &line)) {
        values -= values > 0;
        values += fuzz_resp_values(line, &len);
        if (len > in.len) {
            return;
        }
        in = bytes_skip(in, (size_t)len);
        assert(len == 0 || (in.p[-2] == '\r' && in.p[-1] == '\n'));
    }
}

static inline void fuzz_check_json(struct bytes text)
{
    json_t *json = json_loadb((const char *)text.p, text.len,
                              JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);

    assert(json_is_object(json));
    json_decref(json);
}

/* Frames after the head of the upgrade, which other answers may precede; a text
 * is an object of JSON. */
static inline void fuzz_check_ws(struct bytes in)
{
    static const char head[] = "HTTP/1.1 101 ";
    struct ws ws = {.from_server = true, .message_max = 1 << 20};
    struct ws_message message;
    struct bytes line = {0};
    int rc;

    const uint8_t *at = memmem(in.p, in.len, head, sizeof head - 1);
    if (at == NULL) {
        return;
    }
    in = bytes_skip(in, (size_t)(at - in.p));
    do {
        if (!fuzz_line(&in, &line)) {
            return;
        }
    } while (line.len > 0);
    ws_feed(&ws, in);
    while ((rc = ws_next(&ws, &message)) > 0) {
        if (message.opcode == WS_TEXT) {
            fuzz_check_json(message.payload);
        }
    }
    assert(rc == 0);
    ws_fini(&ws);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "node/bench/http.h"

#include "proto/err.h"

enum {
    HEAD_MAX = 16 << 10,
    STATUS_LINE_MIN = 13 /* HTTP/1.1 200 and a line end */
};

void bench_http_begin(struct buf *out, const struct bench_talk *talk,
                      const char *method, const char *path)
{
    buf_add_str(out, method);
    buf_add_u8(out, ' ');
    buf_add_str(out, path);
    buf_add_str(out, " HTTP/1.1\r\nHost: ");
    buf_add_str(out, talk->url->authority);
    if (talk->token != NULL) {
        buf_add_str(out, "\r\nAuthorization: ");
        buf_add_str(out, talk->token);
    }
    buf_add_str(out, "\r\n");
}

static int status_error(unsigned status)
{
    switch (status) {
    case 401:
        return ERR_UNAUTH;
    case 403:
        return ERR_DENIED;
    case 429:
        return ERR_LIMIT;
    case 503:
        return ERR_NOT_READY;
    default:
        return ERR_ARGUMENT;
    }
}

ptrdiff_t bench_http_take(struct bench_talk *talk, struct bytes in,
                          unsigned *status)
{
    uint64_t number;

    if (in.len < STATUS_LINE_MIN) {
        return 0;
    }
    if (!bytes_starts(in, BYTES("HTTP/1.1 ")) ||
        bytes_u64(bytes_of(in.p + 9, 3), &number) != 0) {
        return bench_refused(talk, in, ERR_SYNTAX);
    }
    *status = (unsigned)number;
    if (*status >= 400) {
        return bench_refused(talk, in, status_error(*status));
    }
    const uint8_t *end = memmem(in.p, in.len, "\r\n\r\n", 4);
    if (end == NULL) {
        return in.len < HEAD_MAX ? 0 : bench_refused(talk, in, ERR_SYNTAX);
    }
    return end + 4 - in.p;
}

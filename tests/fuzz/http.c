/* SPDX-License-Identifier: Apache-2.0
 *
 * Percent escapes, queries and header lists. What is escaped byte by byte comes
 * back as it was, also as a parameter of a query.
 */
#include "tests/fuzz/fuzz.h"

#include "proto/err.h"
#include "proto/http.h"

static void check_decode(struct bytes in, bool plus_is_space)
{
    struct buf out = {0};
    int rc = http_decode(in, plus_is_space, &out);

    assert(rc == 0 || rc == ERR_SYNTAX);
    assert(rc != 0 || out.len <= in.len);
    buf_fini(&out);
}

static void check_query(struct bytes in)
{
    struct buf out = {0};
    int rc = http_query(in, "token", &out);

    assert(rc == 0 || rc == 1 || rc == ERR_SYNTAX);
    assert(rc != 0 || out.len == 0);
    assert(out.len <= in.len);
    buf_fini(&out);
}

static void check_round_trip(struct bytes in)
{
    struct buf query = {0};
    struct buf out = {0};

    buf_add_str(&query, "a=b&token=");
    for (size_t i = 0; i < in.len; i++) {
        buf_add_u8(&query, '%');
        buf_add_hex(&query, in.p + i, 1);
    }
    assert(http_query(buf_bytes(&query), "token", &out) == 1);
    assert(bytes_eq(buf_bytes(&out), in));
    buf_reset(&out);
    assert(http_decode(bytes_skip(buf_bytes(&query), 10), true, &out) == 0);
    assert(bytes_eq(buf_bytes(&out), in));
    buf_fini(&query);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes in = bytes_of(data, len);
    struct http_request request = {
        .headers = {{BYTES("Connection"), in}, {in, BYTES("x")}},
        .headers_len = 2,
    };

    check_decode(in, true);
    check_decode(in, false);
    check_query(in);
    check_round_trip(in);
    assert(fuzz_inside(http_header(&request, "connection"), in));
    assert(http_header_count(&request, "connection") >= 1);
    (void)http_has_token(in, "upgrade");
    return 0;
}

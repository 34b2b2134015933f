/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/resp.h"

#include <assert.h>

#include "proto/err.h"

enum {
    DIGITS_MAX = 10, /* of a count or a length: more than any bound */
    HEAD_LEN_MAX = 1 + DECIMAL_LEN_MAX + 2,
};

static ptrdiff_t read_array(struct resp_reader *reader,
                            const struct resp_bounds *bounds, struct bytes in,
                            struct resp_request *request);
static ptrdiff_t read_inline(struct resp_reader *reader,
                             const struct resp_bounds *bounds, struct bytes in,
                             struct resp_request *request);
static int next_word(struct bytes *line, struct bytes *word);

/* A type byte, a decimal number and CRLF, as read from the front of some bytes.
 */
struct number {
    ptrdiff_t taken; /* bytes; 0 = need more; or ERR_SYNTAX */
    int64_t value;
};

/* What is there instead of a number with `digits` digits: bad bytes are refused
 * where they stand, so that a wrong line need not be whole to be wrong. */
static struct number read_other(struct bytes in, size_t digits);

static struct number read_number(struct bytes in)
{
    size_t most = in.len <= DIGITS_MAX ? in.len : DIGITS_MAX + 1;
    size_t i = 1;
    int64_t v = 0;

    while (i < most && (uint8_t)(in.p[i] - '0') <= 9) {
        v = v * 10 + (in.p[i++] - '0');
    }
    bool ends = in.len - i >= 2 && in.p[i] == '\r' && in.p[i + 1] == '\n';
    bool leading_zero = i > 2 && in.p[1] == '0';
    if (!ends || i == 1 || leading_zero) {
        return read_other(in, i - 1);
    }
    return (struct number){(ptrdiff_t)i + 2, v};
}

static struct number read_other(struct bytes in, size_t digits)
{
    bool leading_zero = digits > 1 && in.p[1] == '0';
    size_t end = 1 + digits;

    if (end == in.len && !leading_zero) {
        return (struct number){0, 0};
    }
    if (digits == 0 && in.p[0] != '-' && in.p[1] == '-') {
        struct number minus = read_number(bytes_skip(in, 1));
        minus.taken += minus.taken > 0;
        minus.value = -minus.value;
        return minus;
    }
    if (digits > 0 && !leading_zero && end + 1 == in.len && in.p[end] == '\r') {
        return (struct number){0, 0};
    }
    return (struct number){ERR_SYNTAX, 0};
}

/* The value of a number that has been read; not of a negative one. */
static inline size_t number_again(struct bytes *in)
{
    size_t value = 0;
    size_t i = 1;

    for (; in->p[i] != '\r'; i++) {
        value = value * 10 + (size_t)(in->p[i] - '0');
    }
    *in = bytes_skip(*in, i + 2);
    return value;
}

ptrdiff_t resp_read(struct resp_reader *reader,
                    const struct resp_bounds *bounds, struct bytes in,
                    struct resp_request *request)
{
    ptrdiff_t taken;

    assert(reader->seen <= in.len);
    assert(reader->fault == RESP_FAULT_NONE);
    if (in.len == 0) {
        return 0;
    }
    taken = in.p[0] == '*' ? read_array(reader, bounds, in, request)
                           : read_inline(reader, bounds, in, request);
    if (taken > 0) {
        *reader = (struct resp_reader){0};
    }
    return taken;
}

bool resp_next(struct resp_request *request, struct bytes *arg)
{
    if (request->len == 0) {
        return false;
    }
    request->len--;
    if (request->is_inline) {
        return next_word(&request->rest, arg) > 0;
    }

    size_t len = number_again(&request->rest);
    *arg = bytes_of(request->rest.p, len);
    request->rest = bytes_skip(request->rest, len + 2);
    return true;
}

static ptrdiff_t fault(struct resp_reader *reader, enum resp_fault what,
                       int err)
{
    reader->fault = (uint8_t)what;
    return err;
}

/* The head of an array: how many arguments. A negative count means none. */
static ptrdiff_t read_count(struct resp_reader *reader,
                            const struct resp_bounds *bounds, struct bytes in)
{
    struct number count = read_number(in);

    if (count.taken < 0) {
        return fault(reader, RESP_FAULT_COUNT, ERR_SYNTAX);
    }
    if (count.taken > 0 && count.value > (int64_t)bounds->args_max) {
        return fault(reader, RESP_FAULT_COUNT, ERR_TOO_BIG);
    }
    if (count.taken > 0) {
        reader->seen = (uint32_t)count.taken;
        reader->args = count.value > 0 ? (uint32_t)count.value : 0;
        reader->left = reader->args;
    }
    return count.taken;
}

/* One argument. Refused by its head, before it is buffered. */
static ptrdiff_t read_bulk(struct resp_reader *reader,
                           const struct resp_bounds *bounds, struct bytes in)
{
    if (in.len == 0) {
        return 0;
    }
    if (in.p[0] != '$') {
        reader->got = in.p[0];
        return fault(reader, RESP_FAULT_TYPE, ERR_SYNTAX);
    }
    struct number len = read_number(in);
    if (len.taken < 0 || len.value < 0) {
        return fault(reader, RESP_FAULT_BULK, ERR_SYNTAX);
    }
    if (len.taken == 0) {
        return 0;
    }
    size_t whole = (size_t)len.taken + (size_t)len.value + 2;
    if (reader->seen > bounds->len_max ||
        whole > bounds->len_max - reader->seen) {
        return fault(reader, RESP_FAULT_BULK, ERR_TOO_BIG);
    }
    if (in.len < whole) {
        return 0;
    }
    if (in.p[whole - 2] != '\r' || in.p[whole - 1] != '\n') {
        return fault(reader, RESP_FAULT_BULK, ERR_SYNTAX);
    }
    return (ptrdiff_t)whole;
}

static ptrdiff_t read_array(struct resp_reader *reader,
                            const struct resp_bounds *bounds, struct bytes in,
                            struct resp_request *request)
{
    if (reader->seen == 0) {
        ptrdiff_t taken = read_count(reader, bounds, in);
        if (taken <= 0) {
            return taken;
        }
    }
    while (reader->left > 0) {
        ptrdiff_t taken = read_bulk(reader, bounds,
                                    bytes_skip(in, reader->seen));
        if (taken <= 0) {
            return taken;
        }
        reader->seen += (uint32_t)taken;
        reader->left--;
    }

    request->len = reader->args;
    request->rest = bytes_of(in.p, reader->seen);
    request->is_inline = false;
    (void)number_again(&request->rest); /* the count */
    return (ptrdiff_t)reader->seen;
}

static ptrdiff_t read_inline(struct resp_reader *reader,
                             const struct resp_bounds *bounds, struct bytes in,
                             struct resp_request *request)
{
    size_t len_max = bounds->len_max < RESP_INLINE_LEN_MAX
                         ? bounds->len_max
                         : RESP_INLINE_LEN_MAX;
    ptrdiff_t found = bytes_find(bytes_skip(in, reader->seen), '\n');
    size_t line_len = found < 0 ? in.len : reader->seen + (size_t)found;

    if (line_len > len_max) {
        return fault(reader, RESP_FAULT_INLINE, ERR_TOO_BIG);
    }
    if (found < 0) {
        reader->seen = (uint32_t)in.len; /* at most len_max */
        return 0;
    }

    struct bytes line = bytes_of(in.p, line_len);
    struct bytes rest = line;
    struct bytes word;
    size_t words = 0;
    int rc;
    while ((rc = next_word(&rest, &word)) > 0) {
        words++;
    }
    if (rc < 0) {
        return fault(reader, RESP_FAULT_QUOTES, rc);
    }
    if (words > bounds->args_max) {
        return fault(reader, RESP_FAULT_INLINE, ERR_TOO_BIG);
    }
    *request = (struct resp_request){words, line, true};
    return (ptrdiff_t)line_len + 1;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

/* Takes a quoted word, whose quote is line->p[0]. A space or the end must
 * follow. */
static int next_quoted(struct bytes *line, struct bytes *word)
{
    uint8_t quote = line->p[0];
    struct bytes inner = bytes_skip(*line, 1);
    ptrdiff_t end = bytes_find(inner, quote);

    if (end < 0) {
        return ERR_SYNTAX;
    }
    *word = bytes_of(inner.p, (size_t)end);
    *line = bytes_skip(inner, (size_t)end + 1);
    if (bytes_find(*word, '\\') >= 0 ||
        (line->len > 0 && !is_space(line->p[0]))) {
        return ERR_SYNTAX;
    }
    return 1;
}

/* Takes a word from the front of a line: 1, 0 at its end, ERR_SYNTAX. */
static int next_word(struct bytes *line, struct bytes *word)
{
    size_t i = 0;

    while (line->len > 0 && is_space(line->p[0])) {
        *line = bytes_skip(*line, 1);
    }
    if (line->len == 0) {
        return 0;
    }
    if (line->p[0] == '"' || line->p[0] == '\'') {
        return next_quoted(line, word);
    }
    while (i < line->len && !is_space(line->p[i])) {
        if (line->p[i] == '"' || line->p[i] == '\'') {
            return ERR_SYNTAX;
        }
        i++;
    }
    *word = bytes_of(line->p, i);
    *line = bytes_skip(*line, i);
    return 1;
}

/* --- slots --- */

static struct bytes hash_tag(struct bytes key)
{
    ptrdiff_t open = bytes_find(key, '{');
    struct bytes rest = bytes_skip(key, open < 0 ? 0 : (size_t)open + 1);
    ptrdiff_t close = bytes_find(rest, '}');

    return open < 0 || close <= 0 ? key : bytes_of(rest.p, (size_t)close);
}

uint16_t resp_slot(struct bytes key)
{
    struct bytes tag = hash_tag(key);
    unsigned crc = 0;

    for (size_t i = 0; i < tag.len; i++) {
        crc ^= (unsigned)tag.p[i] << 8;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc << 1) ^ ((crc & 0x8000u) != 0 ? 0x1021u : 0);
        }
        crc &= 0xffffu;
    }
    return (uint16_t)(crc % RESP_SLOTS);
}

/* --- answers --- */

static void add_crlf(struct buf *out)
{
    buf_add(out, "\r\n", 2);
}

static uint8_t *put_head(uint8_t *to, char type, uint64_t n)
{
    *to++ = (uint8_t)type;
    to += bytes_put_decimal(to, n);
    *to++ = '\r';
    *to++ = '\n';
    return to;
}

static void add_head(struct buf *out, char type, uint64_t n)
{
    uint8_t *to = buf_reserve(out, HEAD_LEN_MAX);

    if (to != NULL) {
        out->len += (size_t)(put_head(to, type, n) - to);
    }
}

void resp_write_simple(struct buf *out, const char *text)
{
    buf_add_u8(out, '+');
    buf_add_str(out, text);
    add_crlf(out);
}

void resp_write_int(struct buf *out, int64_t value)
{
    if (value >= 0) {
        add_head(out, ':', (uint64_t)value);
        return;
    }
    buf_add_u8(out, ':');
    buf_add_i64(out, value);
    add_crlf(out);
}

void resp_write_bulk(struct buf *out, struct bytes s)
{
    add_head(out, '$', s.len);
    buf_add_bytes(out, s);
    add_crlf(out);
}

void resp_write_array(struct buf *out, size_t len)
{
    add_head(out, '*', len);
}

void resp_write_null(struct buf *out, unsigned version)
{
    buf_add_str(out, version == 3 ? "_\r\n" : "$-1\r\n");
}

void resp_write_map(struct buf *out, unsigned version, size_t pairs)
{
    if (version == 3) {
        add_head(out, '%', pairs);
    } else {
        add_head(out, '*', 2 * pairs);
    }
}

void resp_write_push(struct buf *out, unsigned version, size_t len)
{
    add_head(out, version == 3 ? '>' : '*', len);
}

void resp_write_text(struct buf *out, unsigned version, struct bytes text)
{
    if (version != 3) {
        resp_write_bulk(out, text);
        return;
    }
    add_head(out, '=', text.len + 4);
    buf_add_str(out, "txt:");
    buf_add_bytes(out, text);
    add_crlf(out);
}

void resp_begin_error(struct buf *out)
{
    buf_add_u8(out, '-');
}

void resp_add_echo(struct buf *out, struct bytes s)
{
    size_t len = s.len < RESP_ECHO_LEN_MAX ? s.len : RESP_ECHO_LEN_MAX;

    for (size_t i = 0; i < len; i++) {
        bool breaks = s.p[i] == '\r' || s.p[i] == '\n';
        buf_add_u8(out, breaks ? ' ' : s.p[i]);
    }
}

void resp_end_error(struct buf *out)
{
    add_crlf(out);
}

void resp_write_error(struct buf *out, const char *text)
{
    resp_begin_error(out);
    buf_add_str(out, text);
    resp_end_error(out);
}

void resp_write_fault(struct buf *out, const struct resp_reader *reader)
{
    resp_begin_error(out);
    buf_add_str(out, "ERR Protocol error: ");
    switch (reader->fault) {
    case RESP_FAULT_NONE:
    case RESP_FAULT_COUNT:
        buf_add_str(out, "invalid multibulk length");
        break;
    case RESP_FAULT_BULK:
        buf_add_str(out, "invalid bulk length");
        break;
    case RESP_FAULT_TYPE:
        buf_add_str(out, "expected '$', got '");
        resp_add_echo(out, bytes_of(&reader->got, 1));
        buf_add_str(out, "'");
        break;
    case RESP_FAULT_INLINE:
        buf_add_str(out, "too big inline request");
        break;
    case RESP_FAULT_QUOTES:
        buf_add_str(out, "unbalanced quotes in request");
        break;
    }
    resp_end_error(out);
}

static uint8_t *put(uint8_t *to, const void *p, size_t n)
{
    if (n > 0) {
        memcpy(to, p, n);
    }
    return to + n;
}

static uint8_t *put_bulk(uint8_t *to, struct bytes s)
{
    to = put_head(to, '$', s.len);
    to = put(to, s.p, s.len);
    *to++ = '\r';
    *to++ = '\n';
    return to;
}

/* The path of every delivery: room is asked for once, then only copied. */
void resp_write_message(struct buf *out, unsigned version, enum resp_kind kind,
                        struct bytes pattern, struct bytes channel,
                        struct bytes value)
{
    static const struct bytes heads[] = {
        [RESP_MESSAGE] = BYTES("*3\r\n$7\r\nmessage\r\n"),
        [RESP_PMESSAGE] = BYTES("*4\r\n$8\r\npmessage\r\n"),
        [RESP_SMESSAGE] = BYTES("*3\r\n$8\r\nsmessage\r\n"),
    };
    struct bytes head = heads[kind];
    size_t room = head.len + (size_t)3 * (HEAD_LEN_MAX + 2) + pattern.len +
                  channel.len + value.len;
    uint8_t *start = buf_reserve(out, room);

    if (start == NULL) {
        return;
    }
    uint8_t *to = put(start, head.p, head.len);
    if (version == 3) {
        *start = '>';
    }
    if (kind == RESP_PMESSAGE) {
        to = put_bulk(to, pattern);
    }
    to = put_bulk(to, channel);
    to = put_bulk(to, value);
    out->len += (size_t)(to - start);
}

const char *resp_error_word(int err)
{
    switch (err) {
    case ERR_UNAUTH:
    case ERR_EXPIRED:
    case ERR_REVOKED:
        return "NOAUTH";
    case ERR_DENIED:
        return "NOPERM";
    case ERR_NOT_READY:
        return "LOADING";
    case ERR_NOMEM:
        return "OOM";
    case ERR_QUOTA_RATE:
    case ERR_QUOTA_ITEM:
    case ERR_QUOTA_SUBS:
        return "QUOTA";
    default:
        return "ERR";
    }
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * RESP2: ours and redis-server. Each PUBLISH is answered with a number.
 */
#include "node/bench/code.h"
#include "node/bench/door.h"
#include "proto/err.h"

enum {
    WORD_MAX = 512 << 20,
    MESSAGE_WORDS = 3
};

static void add_word_len(struct buf *out, size_t len)
{
    buf_add_u8(out, '$');
    buf_add_u64(out, len);
    buf_add_str(out, "\r\n");
}

static void add_word(struct buf *out, const char *word)
{
    add_word_len(out, strlen(word));
    buf_add_str(out, word);
    buf_add_str(out, "\r\n");
}

static void add_topic(struct buf *out, uint32_t topic)
{
    add_word_len(out, BENCH_TOPIC_LEN);
    bench_add_topic(out, topic);
    buf_add_str(out, "\r\n");
}

static void greet(struct bench_talk *talk)
{
    if (talk->token == NULL) {
        talk->greeted = true;
        return;
    }
    buf_add_str(talk->out, "*2\r\n");
    add_word(talk->out, "AUTH");
    add_word(talk->out, talk->token);
}

static void subscribe(struct bench_talk *talk, uint32_t topic)
{
    buf_add_str(talk->out, "*2\r\n");
    add_word(talk->out, "SUBSCRIBE");
    add_topic(talk->out, topic);
}

static void unsubscribe(struct bench_talk *talk, uint32_t topic)
{
    buf_add_str(talk->out, "*2\r\n");
    add_word(talk->out, "UNSUBSCRIBE");
    add_topic(talk->out, topic);
}

static void publish(const struct bench_talk *talk, size_t value_len,
                    struct bench_request *request)
{
    struct buf *out = &request->bytes;

    (void)talk;
    buf_add_str(out, "*3\r\n");
    add_word(out, "PUBLISH");
    add_topic(out, 0);
    request->topic_at = out->len - 2 - BENCH_CODE_LEN;
    add_word_len(out, value_len);
    request->mark_at = out->len;
    bench_add_value(out, value_len);
    buf_add_str(out, "\r\n");
}

static void layout(size_t value_len, struct bench_layout *layout)
{
    buf_add_str(&layout->head, "*3\r\n");
    add_word(&layout->head, "message");
    add_topic(&layout->head, 0);
    layout->topic_at = layout->head.len - 2 - BENCH_CODE_LEN;
    layout->topic_len = BENCH_CODE_LEN;
    add_word_len(&layout->head, value_len);
    layout->mark_at = 0;
    bench_add_value(&layout->tail, value_len);
    buf_add_str(&layout->tail, "\r\n");
}

/* --- what is no delivery --- */

/* A line without its CR LF. Returns how long it was with it, 0: not whole. */
static size_t take_line(struct bytes in, struct bytes *line)
{
    const uint8_t *feed = memchr(in.p, '\n', in.len);

    if (feed == NULL || feed == in.p) {
        return 0;
    }
    *line = bytes_of(in.p, (size_t)(feed - in.p) - 1);
    return line->len + 2;
}

static ptrdiff_t refuse(struct bench_talk *talk, struct bytes line)
{
    static const struct {
        const char *starts;
        int err;
    } errs[] = {{"-NOAUTH", ERR_UNAUTH},
                {"-WRONGPASS", ERR_UNAUTH},
                {"-NOPERM", ERR_DENIED},
                {"-LOADING", ERR_NOT_READY}};

    for (size_t i = 0; i < ARRAY_LEN(errs); i++) {
        if (bytes_starts(line, bytes_str(errs[i].starts))) {
            return bench_refused(talk, bytes_skip(line, 1), errs[i].err);
        }
    }
    return bench_refused(talk, bytes_skip(line, 1), ERR_ARGUMENT);
}

/* One bulk string or number. > 0 taken, 0 more, < 0 wrong. */
static ptrdiff_t take_word(struct bytes in, struct bytes *word)
{
    uint64_t len;
    struct bytes line;
    size_t n = take_line(in, &line);

    *word = (struct bytes){0};
    if (n == 0) {
        return 0;
    }
    if (line.len > 0 && line.p[0] == ':') {
        return (ptrdiff_t)n;
    }
    if (line.len < 2 || line.p[0] != '$') {
        return ERR_SYNTAX;
    }
    if (bytes_eq(line, BYTES("$-1"))) {
        return (ptrdiff_t)n;
    }
    if (bytes_u64(bytes_skip(line, 1), &len) != 0 || len > WORD_MAX) {
        return ERR_SYNTAX;
    }
    if (in.len < n + len + 2) {
        return 0;
    }
    *word = bytes_of(in.p + n, len);
    return (ptrdiff_t)(n + len + 2);
}

static ptrdiff_t take_array(struct bench_talk *talk, struct bytes in, size_t at)
{
    struct bytes first = {0};
    struct bytes word;

    for (int i = 0; i < MESSAGE_WORDS; i++) {
        ptrdiff_t n = take_word(bytes_skip(in, at), &word);
        if (n <= 0) {
            return n;
        }
        first = i == 0 ? word : first;
        at += (size_t)n;
    }
    if (bytes_eq(first, BYTES("subscribe"))) {
        talk->acks++;
    } else if (!bytes_eq(first, BYTES("unsubscribe"))) {
        talk->strange++;
    }
    return (ptrdiff_t)at;
}

static ptrdiff_t take(struct bench_talk *talk, struct bytes in)
{
    struct bytes line;
    size_t n = take_line(in, &line);

    if (n == 0 || line.len == 0) {
        return n == 0 ? 0 : ERR_SYNTAX;
    }
    switch (line.p[0]) {
    case ':':
        talk->answers++;
        return (ptrdiff_t)n;
    case '+':
        talk->greeted = true;
        return (ptrdiff_t)n;
    case '-':
        return refuse(talk, line);
    case '*':
        return bytes_eq(line, BYTES("*3"))
                   ? take_array(talk, in, n)
                   : bench_refused(talk, line, ERR_SYNTAX);
    default:
        return bench_refused(talk, line, ERR_SYNTAX);
    }
}

const struct bench_door bench_door_resp = {
    .name = "resp",
    .answers = true,
    .greet = greet,
    .subscribe = subscribe,
    .unsubscribe = unsubscribe,
    .publish = publish,
    .layout = layout,
    .take = take,
};

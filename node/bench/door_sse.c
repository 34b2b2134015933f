/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP: publishes by POST, one after another on a connection and answered each,
 * subscribes by server-sent events, a connection a topic.
 */
#include "node/bench/code.h"
#include "node/bench/door.h"
#include "node/bench/http.h"
#include "proto/err.h"

enum {
    EVENT_MAX = BUF_MAX_DEFAULT
};

static const char topics[] = "/topics/default/";

static void greet(struct bench_talk *talk)
{
    talk->greeted = true;
}

/* The path of topic; 0 terminated. */
static void write_path(uint32_t topic,
                       char path[sizeof topics + BENCH_TOPIC_LEN])
{
    struct buf name = {0};

    bench_add_topic(&name, topic);
    memcpy(path, topics, sizeof topics - 1);
    if (!name.failed) {
        memcpy(path + sizeof topics - 1, name.p, BENCH_TOPIC_LEN);
    }
    path[sizeof topics - 1 + BENCH_TOPIC_LEN] = '\0';
    buf_fini(&name);
}

static void subscribe(struct bench_talk *talk, uint32_t topic)
{
    char path[sizeof topics + BENCH_TOPIC_LEN];

    write_path(topic, path);
    bench_http_begin(talk->out, talk, "GET", path);
    buf_add_str(talk->out, "Accept: text/event-stream\r\n\r\n");
}

static void publish(const struct bench_talk *talk, size_t value_len,
                    struct bench_request *request)
{
    struct buf *out = &request->bytes;
    char path[sizeof topics + BENCH_TOPIC_LEN];

    write_path(0, path);
    bench_http_begin(out, talk, "POST", path);
    request->topic_at = strlen("POST ") + strlen(path) - BENCH_CODE_LEN;
    buf_add_str(out, "Content-Length: ");
    buf_add_u64(out, value_len);
    buf_add_str(out, "\r\n\r\n");
    request->mark_at = out->len;
    bench_add_value(out, value_len);
}

/* The position differs each time; that of the topic is nowhere. */
static void layout(size_t value_len, struct bench_layout *layout)
{
    layout->gap = BENCH_GAP_LINE;
    buf_add_str(&layout->head, "id: ");
    buf_add_str(&layout->tail, "data: ");
    layout->mark_at = layout->tail.len;
    bench_add_value(&layout->tail, value_len);
    buf_add_str(&layout->tail, "\n\n");
}

/* --- what is no delivery --- */

static ptrdiff_t take_event(struct bench_talk *talk, struct bytes in)
{
    const uint8_t *end = memmem(in.p, in.len, "\n\n", 2);

    if (end == NULL) {
        return in.len < EVENT_MAX ? 0 : bench_refused(talk, in, ERR_SYNTAX);
    }
    struct bytes event = bytes_of(in.p, (size_t)(end - in.p));
    if (bytes_starts(event, BYTES("event: end"))) {
        const uint8_t *line = memchr(event.p, '\n', event.len);
        return bench_refused(
            talk,
            bytes_skip(event, line == NULL ? 0 : (size_t)(line + 1 - event.p)),
            ERR_CLOSING);
    }
    bool told = memmem(event.p, event.len, "event: ", 7) != NULL;
    bool item = memmem(event.p, event.len, "data: ", 6) != NULL;
    talk->strange += item && !told;
    return (ptrdiff_t)event.len + 2;
}

static ptrdiff_t take(struct bench_talk *talk, struct bytes in)
{
    unsigned status;

    if (talk->acks > 0) {
        return take_event(talk, in);
    }
    ptrdiff_t n = bench_http_take(talk, in, &status);
    if (n > 0 && status == 200) {
        talk->acks++;
    } else if (n > 0 && status == 204) {
        talk->answers++;
    } else if (n > 0) {
        return bench_refused(talk, in, ERR_SYNTAX);
    }
    return n;
}

const struct bench_door bench_door_sse = {
    .name = "sse",
    .topic_a_conn = true,
    .answers = true,
    .greet = greet,
    .subscribe = subscribe,
    .publish = publish,
    .layout = layout,
    .take = take,
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/fetch.h"

#include "proto/err.h"

enum {
    ROUND_TRIPS = 5
};

static void add_line(struct buf *out, const char *name, const char *value)
{
    buf_add_str(out, name);
    buf_add_str(out, value);
    buf_add_str(out, "\r\n");
}

/* Asks the node to close afterwards: the answer ends with the stream. */
static void write_request(struct buf *out, const struct link_url *url,
                          const char *method, const char *path,
                          const char *token, struct bytes content)
{
    buf_add_str(out, method);
    buf_add_u8(out, ' ');
    buf_add_str(out, path);
    add_line(out, " HTTP/1.1", "");
    add_line(out, "Host: ", url->authority);
    add_line(out, "Connection: close", "");
    if (token != NULL) {
        add_line(out, "Authorization: ", token);
    }
    buf_add_str(out, "Content-Length: ");
    buf_add_u64(out, content.len);
    buf_add_str(out, "\r\n\r\n");
    buf_add_bytes(out, content);
}

/* "HTTP/1.1 200 OK": the status, or ERR_SYNTAX. */
static int read_status(struct bytes answer)
{
    uint64_t status;

    if (answer.len < 13 || !bytes_starts(answer, BYTES("HTTP/1.1 ")) ||
        bytes_u64(bytes_of(answer.p + 9, 3), &status) != 0) {
        return ERR_SYNTAX;
    }
    return (int)status;
}

static int read_answer(struct link *link, struct buf *body)
{
    uint64_t give_up_ms = link_now_ms() + LINK_WAIT_MS;
    ptrdiff_t n;

    do {
        n = link_read(link, LINK_WAIT_MS);
        if (n == ERR_TIMEOUT || link_now_ms() > give_up_ms) {
            return ERR_TIMEOUT;
        }
    } while (n > 0);
    struct bytes answer = buf_bytes(&link->in);
    int status = read_status(answer);
    const uint8_t *end = memmem(answer.p, answer.len, "\r\n\r\n", 4);
    if (status < 0 || end == NULL) {
        return n < 0 ? (int)n : ERR_SYNTAX;
    }
    size_t head_len = (size_t)(end - answer.p) + 4;
    buf_reset(body);
    buf_add_bytes(body, bytes_skip(answer, head_len));
    return body->failed ? ERR_NOMEM : status;
}

int fetch(const struct link_url *url, const char *method, const char *path,
          const char *token, struct bytes content, struct buf *body)
{
    struct buf request = {0};
    struct link link;
    int rc = link_open(&link, url, LINK_WAIT_MS);

    if (rc != 0) {
        return rc;
    }
    write_request(&request, url, method, path, token, content);
    rc = request.failed ? ERR_NOMEM : link_write(&link, buf_bytes(&request));
    if (rc == 0) {
        rc = read_answer(&link, body);
    }
    buf_fini(&request);
    link_close(&link);
    return rc;
}

/* One small question and its whole answer, which has no body. */
static int ask_once(struct link *link, struct bytes question)
{
    int rc = link_write(link, question);

    buf_reset(&link->in);
    while (rc == 0 && (link->in.len == 0 || memmem(link->in.p, link->in.len,
                                                   "\r\n\r\n", 4) == NULL)) {
        ptrdiff_t n = link_read(link, LINK_WAIT_MS);
        rc = n > 0 ? 0 : n == 0 ? ERR_IO : (int)n;
    }
    return rc == 0 && read_status(buf_bytes(&link->in)) != 200 ? ERR_IO : rc;
}

uint64_t fetch_round_trip_us(const char *endpoint)
{
    struct link_url url;
    struct link link;
    struct buf question = {0};
    uint64_t best_us = UINT64_MAX;
    int rc = link_url_read(endpoint, &url);

    if (rc != 0 || link_open(&link, &url, LINK_WAIT_MS) != 0) {
        return UINT64_MAX;
    }
    buf_add_str(&question, "HEAD /livez HTTP/1.1\r\nHost: ");
    add_line(&question, url.authority, "\r\n");
    rc = question.failed ? ERR_NOMEM : 0;
    for (int i = 0; i < ROUND_TRIPS && rc == 0; i++) {
        uint64_t start_us = link_now_us();
        rc = ask_once(&link, buf_bytes(&question));
        uint64_t took_us = link_now_us() - start_us;
        best_us = took_us < best_us ? took_us : best_us;
    }
    buf_fini(&question);
    link_close(&link);
    return rc == 0 ? best_us : UINT64_MAX;
}

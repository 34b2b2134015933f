/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/job.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "node/cli/session.h"
#include "proto/err.h"
#include "proto/hmac.h"
#include "proto/json.h"

enum {
    NUMBER_LEN_MAX = 24,
    ANSWER_HEAD_LEN = 13,    /* "HTTP/1.1 200 " */
    ANSWER_WAIT_MS = 1 << 30 /* it is ended from outside */
};

/* What travels with the value. */
static const struct {
    const char *name; /* in the item */
    const char *variable;
    const char *header;
} attributes[] = {
    {"cache", "STARLING_CACHE", "Starling-Cache"},
    {"topic", "STARLING_TOPIC", "Starling-Topic"},
    {"page", "STARLING_PAGE", "Starling-Page"},
    {"seq", "STARLING_SEQUENCE", "Starling-Sequence"},
    {"publisher", "STARLING_PUBLISHER", "Starling-Publisher"},
    {"origin", "STARLING_ORIGIN", "Starling-Origin"},
    {"at", "STARLING_AT", "Starling-At"},
    {"event", "STARLING_EVENT", "Starling-Event"},
    {"item_id", "STARLING_ID", "Starling-Id"},
    {"content_type", "STARLING_CONTENT_TYPE", NULL}, /* Content-Type */
    {"reply_to", "STARLING_REPLY_TO", "Starling-Reply-To"},
    {"correlation", "STARLING_CORRELATION", "Starling-Correlation"},
};

int job_to_url(struct job_to *to, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~') {
            return ERR_ARGUMENT;
        }
    }
    int rc = link_url_read(text, &to->url);
    if (rc == 0) {
        const char *host = strstr(text, "://") + 3;
        to->target = host + strcspn(host, "/?#");
    }
    return rc;
}

/* The attribute as text: NULL when the item has none. */
static const char *attribute(const json_t *item, const char *name,
                             char number[NUMBER_LEN_MAX])
{
    const json_t *value = json_object_get(item, name);

    if (!json_is_integer(value)) {
        return json_string_value(value);
    }
    (void)snprintf(number, NUMBER_LEN_MAX, "%" JSON_INTEGER_FORMAT,
                   json_integer_value(value));
    return number;
}

static bool is_binary(const json_t *item)
{
    return json_object_get(item, "data") != NULL;
}

static int add_json(struct buf *body, const json_t *item)
{
    size_t len = json_dumpb(item, NULL, 0, JSON_COMPACT);
    uint8_t *to = buf_reserve(body, len + 1);

    if (to == NULL) {
        return ERR_NOMEM;
    }
    body->len += json_dumpb(item, (char *)to, len, JSON_COMPACT);
    return 0;
}

/* The bytes that the command reads, or that are posted. */
static int add_body(struct buf *body, const struct job_to *to,
                    const json_t *item)
{
    const json_t *text = json_object_get(item, "text");
    const char *data = session_text(item, "data");

    if (to->json) {
        return add_json(body, item);
    }
    if (text != NULL) {
        buf_add(body, json_string_value(text), json_string_length(text));
    } else if (data == NULL || json_base64_read(bytes_str(data), body) != 0) {
        return ERR_SYNTAX;
    }
    return body->failed ? ERR_NOMEM : 0;
}

/* --- a command --- */

static int as_file(struct bytes body)
{
    int fd = memfd_create("starling-item", 0);

    while (fd >= 0 && body.len > 0) {
        ssize_t n = write(fd, body.p, body.len);
        if (n < 0) {
            return -1;
        }
        body = bytes_skip(body, (size_t)n);
    }
    return fd >= 0 && lseek(fd, 0, SEEK_SET) == 0 ? fd : -1;
}

static void set_environment(const json_t *item)
{
    char number[NUMBER_LEN_MAX];

    for (size_t i = 0; i < ARRAY_LEN(attributes); i++) {
        const char *value = attribute(item, attributes[i].name, number);
        if (value == NULL) {
            (void)unsetenv(attributes[i].variable);
        } else {
            (void)setenv(attributes[i].variable, value, 1);
        }
    }
}

/* What the item says never comes into the command's words. */
_Noreturn static void run_command(const char *command, const json_t *item,
                                  struct bytes body)
{
    int fd = as_file(body);

    if (fd < 0 || dup2(fd, STDIN_FILENO) < 0) {
        _exit(EXIT_FAILURE);
    }
    close(fd);
    set_environment(item);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(EXIT_FAILURE);
}

/* --- a post --- */

/* A topic is any UTF-8, a header is not. */
static void add_encoded(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        uint8_t c = (uint8_t)*text;
        if (c > ' ' && c <= '~' && c != '%') {
            buf_add_u8(out, c);
        } else {
            buf_add_u8(out, '%');
            buf_add_hex(out, &c, 1);
        }
    }
}

static void add_header(struct buf *out, const char *name, const char *value)
{
    buf_add_str(out, name);
    buf_add_str(out, ": ");
    buf_add_str(out, value);
    buf_add_str(out, "\r\n");
}

static void add_attributes(struct buf *out, const json_t *item)
{
    char number[NUMBER_LEN_MAX];

    for (size_t i = 0; i < ARRAY_LEN(attributes); i++) {
        const char *value = attribute(item, attributes[i].name, number);
        if (value != NULL && attributes[i].header != NULL) {
            buf_add_str(out, attributes[i].header);
            buf_add_str(out, ": ");
            add_encoded(out, value);
            buf_add_str(out, "\r\n");
        }
    }
}

static const char *content_type(const struct job_to *to, const json_t *item)
{
    const char *own = session_text(item, "content_type");

    return to->json          ? "application/json"
           : own != NULL     ? own
           : is_binary(item) ? "application/octet-stream"
                             : "text/plain; charset=utf-8";
}

/* HMAC of "SECONDS.BODY": who keeps a copy can use it for a short time only. */
static void add_signature(struct buf *out, struct bytes secret,
                          struct bytes body)
{
    char seconds[NUMBER_LEN_MAX];
    uint8_t mac[HMAC_LEN];

    (void)snprintf(seconds, sizeof seconds, "%lld", (long long)time(NULL));
    const struct bytes parts[] = {bytes_str(seconds), BYTES("."), body};
    hmac_sha256(secret, parts, ARRAY_LEN(parts), mac);
    add_header(out, "Starling-Time", seconds);
    buf_add_str(out, "Starling-Signature: ");
    buf_add_hex(out, mac, sizeof mac);
    buf_add_str(out, "\r\n");
}

static void add_request(struct buf *out, const struct job_to *to,
                        const json_t *item, struct bytes body)
{
    size_t len = strcspn(to->target, "#");

    buf_add_str(out, to->target[0] == '/' ? "POST " : "POST /");
    buf_add(out, to->target, len);
    buf_add_str(out, " HTTP/1.1\r\n");
    add_header(out, "Host", to->url.authority);
    add_header(out, "User-Agent", "starling/" STARLING_VERSION);
    add_header(out, "Connection", "close");
    add_header(out, "Content-Type", content_type(to, item));
    add_attributes(out, item);
    if (to->secret.len > 0) {
        add_signature(out, to->secret, body);
    }
    buf_add_str(out, "Content-Length: ");
    buf_add_u64(out, body.len);
    buf_add_str(out, "\r\n\r\n");
    buf_add_bytes(out, body);
}

/* Whatever follows the status is of no use. */
static int read_status(struct link *link)
{
    while (link->in.len < ANSWER_HEAD_LEN) {
        ptrdiff_t n = link_read(link, ANSWER_WAIT_MS);
        if (n <= 0) {
            return n == 0 ? ERR_IO : (int)n;
        }
    }
    uint64_t status;
    struct bytes head = buf_bytes(&link->in);
    bool ok = bytes_starts(head, BYTES("HTTP/1.")) &&
              bytes_u64(bytes_of(head.p + 9, 3), &status) == 0;
    return ok ? (int)status : ERR_SYNTAX;
}

/* The status, or < 0. */
static int post(const struct job_to *to, const json_t *item, struct bytes body)
{
    struct buf request = {0};
    struct link link;
    int rc = link_open(&link, &to->url, LINK_WAIT_MS);

    if (rc != 0) {
        return rc;
    }
    add_request(&request, to, item, body);
    rc = request.failed ? ERR_NOMEM : link_write(&link, buf_bytes(&request));
    if (rc == 0) {
        rc = read_status(&link);
    }
    buf_fini(&request);
    link_close(&link);
    return rc;
}

/* --- its process --- */

_Noreturn static void run(const struct job_to *to, const json_t *item,
                          struct bytes body, struct job_answer *answer)
{
    sigset_t none;

    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (to->command != NULL) {
        run_command(to->command, item, body);
    }
    answer->code = post(to, item, body);
    (void)snprintf(answer->why, sizeof answer->why, "%s", link_why());
    _exit(answer->code / 100 == 2 ? EXIT_SUCCESS : EXIT_FAILURE);
}

int job_start(const struct job_to *to, const json_t *item,
              struct job_answer *answer, pid_t *pid)
{
    struct buf body = {0};
    int rc = add_body(&body, to, item);

    *answer = (struct job_answer){0};
    if (rc == 0) {
        *pid = fork();
        if (*pid == 0) {
            (void)setpgid(0, 0);
            run(to, item, buf_bytes(&body), answer);
        }
        /* By both, so that it is done for whichever looks first. */
        rc = *pid < 0 ? ERR_IO : 0;
        if (rc == 0) {
            (void)setpgid(*pid, *pid);
        }
    }
    buf_fini(&body);
    return rc;
}

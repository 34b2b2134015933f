/* SPDX-License-Identifier: Apache-2.0 */
#include "node/watch/denied.h"

#include <stdlib.h>

#include "node/client/client.h"
#include "node/conn/conn.h"
#include "node/core.h"
#include "node/door/door.h"
#include "node/mesh/calls.h"
#include "proto/err.h"
#include "proto/json.h"
#include "proto/rows.h"

enum {
    EXCERPT_CAP = 160
};

/* Text that fits, and ends in "..." where it was cut. */
struct excerpt {
    uint8_t len;
    bool full;
    uint8_t text[EXCERPT_CAP];
};

struct denial {
    uint64_t at_ms; /* wall clock, of the latest */
    uint64_t times;
    const char *door;
    const char *verb;
    struct addr from;
    int err;
    struct excerpt who;
    struct excerpt what;
    struct excerpt why; /* what is missing, of ERR_DENIED */
};

/* One event a second. */
struct pace {
    uint64_t next_ms;
    uint64_t suppressed;
};

struct denials {
    struct pace paces[2]; /* auth-denied, admin-refused */
    uint64_t made;
    struct denial ring[DENIED_MAX]; /* by number % DENIED_MAX */
};

static bool is_refusal(int err);
static void fill(struct denial *denial, const struct client *client,
                 const struct denied_what *what, int err);
static bool is_same(const struct denial *a, const struct denial *b);
static void say(struct core *core, const struct denial *denial,
                struct pace *pace, const char *event);
static bool answer(void *data, struct bytes body, struct buf *out);

int denied(const struct client *client, const struct denied_what *what, int err)
{
    struct core *core = client->core;
    struct denial denial = {.times = 1};
    struct denial *newest;

    if (!is_refusal(err)) {
        return err;
    }
    core->stats.denied += err == ERR_DENIED;
    if (core->denials == NULL) {
        core->denials = calloc(1, sizeof *core->denials);
    }
    if (core->denials == NULL) {
        return err;
    }
    fill(&denial, client, what, err);
    newest = &core->denials->ring[core->denials->made % DENIED_MAX];
    if (core->denials->made > 0 && is_same(newest, &denial)) {
        denial.times += newest->times;
    } else {
        core->denials->made++;
        newest = &core->denials->ring[core->denials->made % DENIED_MAX];
    }
    *newest = denial;
    if (what->admin && err == ERR_DENIED) {
        say(core, newest, &core->denials->paces[1], "admin-refused");
    } else {
        say(core, newest, &core->denials->paces[0], "auth-denied");
    }
    return err;
}

void denials_free(struct denials *denials)
{
    free(denials);
}

static bool is_refusal(int err)
{
    return err == ERR_UNAUTH || err == ERR_EXPIRED || err == ERR_REVOKED ||
           err == ERR_DENIED || err == ERR_ORIGIN;
}

/* --- a note --- */

static void excerpt_put(struct excerpt *to, const void *p, size_t len)
{
    if (len > 0) {
        memcpy(to->text + to->len, p, len);
        to->len = (uint8_t)(to->len + len);
    }
}

/* What is no text is not shown; where text is cut, no character is. */
static void excerpt_add(struct excerpt *to, struct bytes text)
{
    size_t room = to->full ? 0 : (size_t)(EXCERPT_CAP - to->len);
    size_t len = room > 3 ? room - 3 : 0;

    if (!topic_text_is_valid(text)) {
        text = BYTES("?");
    }
    if (text.len <= room) {
        excerpt_put(to, text.p, text.len);
        return;
    }
    while (len > 0 && (text.p[len] & 0xc0) == 0x80) {
        len--;
    }
    excerpt_put(to, text.p, len);
    excerpt_put(to, "...", room - len < 3 ? room - len : 3);
    to->full = true;
}

static void fill_what(struct excerpt *to, const struct denied_what *what)
{
    excerpt_add(to, bytes_str(what->verb));
    if (what->cache.len > 0) {
        excerpt_add(to, BYTES(" "));
        excerpt_add(to, what->cache);
    }
    if (what->name.len > 0) {
        excerpt_add(to, what->cache.len > 0 ? BYTES("/") : BYTES(" "));
        excerpt_add(to, what->name);
    }
}

static void fill(struct denial *denial, const struct client *client,
                 const struct denied_what *what, int err)
{
    const struct core *core = client->core;
    struct buf why = {0};

    denial->at_ms = core->wall_ms;
    denial->door = client->door != NULL ? client->door->name
                                        : client->conn->carrier->name;
    denial->verb = what->verb;
    denial->from = client->conn->remote;
    denial->err = err;
    excerpt_add(&denial->who, client->who->token.subject);
    fill_what(&denial->what, what);
    if (err == ERR_DENIED) {
        auth_missing(&core->auth, &why);
        excerpt_add(&denial->why, buf_bytes(&why));
        buf_fini(&why);
    }
}

static struct bytes excerpt_bytes(const struct excerpt *of)
{
    return bytes_of(of->text, of->len);
}

/* Of the same host: every try comes from another port. */
static bool is_same(const struct denial *a, const struct denial *b)
{
    return a->err == b->err && a->door == b->door &&
           memcmp(a->from.ip, b->from.ip, sizeof a->from.ip) == 0 &&
           bytes_eq(excerpt_bytes(&a->who), excerpt_bytes(&b->who)) &&
           bytes_eq(excerpt_bytes(&a->what), excerpt_bytes(&b->what));
}

static void say(struct core *core, const struct denial *denial,
                struct pace *pace, const char *event)
{
    char address[ADDR_TEXT_MAX];

    if (core->log == NULL) {
        return;
    }
    if (core->now_ms < pace->next_ms) {
        pace->suppressed++;
        return;
    }
    /* A Host or Origin is whatever a stranger wrote: not for the log. */
    struct bytes what = denial->err == ERR_ORIGIN
                            ? bytes_str(denial->verb)
                            : excerpt_bytes(&denial->what);
    log_line(core->log, LOG_INFO, event,
             "door=%s address=%s error=%s suppressed=%llu who=%.*s what=%.*s",
             denial->door, addr_text(&denial->from, address),
             err_name(denial->err), (unsigned long long)pace->suppressed,
             (int)denial->who.len, (const char *)denial->who.text,
             (int)what.len, (const char *)what.p);
    pace->suppressed = 0;
    pace->next_ms = core->now_ms + DENIED_EVENT_MS;
}

/* --- the others ask --- */

void denied_serve(struct core *core)
{
    calls_serve(core->calls, CALL_DENIED, answer, core);
}

static void add_text(struct buf *out, const char *name, struct bytes text)
{
    json_add_name(out, true, name);
    json_add_string(out, text);
}

static void write_text(const struct core *core, const struct denial *denial,
                       struct buf *out)
{
    char address[ADDR_TEXT_MAX];
    struct buf message = {0};

    buf_add_str(&message, err_text(denial->err));
    if (denial->why.len > 0) {
        buf_add_str(&message, ": ");
        buf_add_bytes(&message, excerpt_bytes(&denial->why));
    }
    buf_add_str(out, "{\"at\":");
    buf_add_u64(out, denial->at_ms);
    add_text(out, "node", bytes_str(core->name));
    add_text(out, "door", bytes_str(denial->door));
    add_text(out, "address", bytes_str(addr_text(&denial->from, address)));
    add_text(out, "who", excerpt_bytes(&denial->who));
    add_text(out, "what", excerpt_bytes(&denial->what));
    json_add_name(out, true, "code");
    buf_add_u64(out, err_code(denial->err));
    add_text(out, "error", bytes_str(err_name(denial->err)));
    add_text(out, "message", buf_bytes(&message));
    json_add_name(out, true, "times");
    buf_add_u64(out, denial->times);
    buf_add_u8(out, '}');
    out->failed = out->failed || message.failed;
    buf_fini(&message);
}

/* Newest first. */
static bool answer(void *data, struct bytes body, struct buf *out)
{
    const struct core *core = data;
    const struct denials *denials = core->denials;
    struct rows_page page = {.node = core->node_u64};
    struct buf text = {0};

    if (rows_question_read(body, &page.question) != 0) {
        return false;
    }
    uint64_t made = denials == NULL ? 0 : denials->made;
    for (uint64_t i = 0; i < made && i < DENIED_MAX; i++) {
        const struct denial *denial = &denials->ring[(made - i) % DENIED_MAX];
        struct row row = {.key = ~denial->at_ms, .id = ~(made - i)};
        if (!rows_page_wants(&page, &row)) {
            continue;
        }
        buf_reset(&text);
        write_text(core, denial, &text);
        row.text = buf_bytes(&text);
        if (text.failed || !rows_page_add(&page, &row)) {
            break;
        }
    }
    rows_page_write(&page, out);
    out->failed = out->failed || text.failed;
    rows_page_fini(&page);
    buf_fini(&text);
    return true;
}

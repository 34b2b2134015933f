/* SPDX-License-Identifier: Apache-2.0 */
#include "node/mesh/seeds.h"

#include <assert.h>
#include <stdlib.h>

#include "node/conn/sockaddr.h"
#include "proto/err.h"

enum {
    ADDRS_OF_NAME_MAX = 8
};

struct name {
    struct seeds *seeds;
    uv_getaddrinfo_t request;
    const char *text; /* HOST:PORT */
    struct addr found[ADDRS_OF_NAME_MAX];
    size_t found_len;
    size_t begin; /* with which address of the next answer */
    int told;     /* the answer in the log: 0, or libuv's error */
};

struct seeds {
    uv_timer_t timer;
    struct log *log;
    struct name names[CONFIG_JOIN_MAX];
    size_t names_len;
    size_t asked; /* names whose answer is still to come */
    void (*on_found)(void *data, const struct addr *found, size_t len);
    void *data;
    bool closing;
    bool closed; /* the timer is */
};

static void free_when_done(struct seeds *s)
{
    if (s->closed && s->asked == 0) {
        free(s);
    }
}

static void tell(struct seeds *s)
{
    struct addr all[CLUSTER_SEEDS_MAX];
    size_t len = 0;

    /* The first address of each name before the second of any. */
    for (size_t i = 0; i < ADDRS_OF_NAME_MAX; i++) {
        for (size_t n = 0; n < s->names_len; n++) {
            if (i < s->names[n].found_len && len < ARRAY_LEN(all)) {
                all[len++] = s->names[n].found[i];
            }
        }
    }
    s->on_found(s->data, all, len);
}

/* Once for each change: a name that is wrong, or a resolver that is down. */
static void log_answer(struct name *name, int status)
{
    if (status != 0 && status != name->told) {
        log_line(name->seeds->log, LOG_WARN, "seed-unresolved",
                 "seed=%s why=\"%s\"", name->text, uv_strerror(status));
    } else if (status == 0 && name->told != 0) {
        log_line(name->seeds->log, LOG_INFO, "seed-resolved", "seed=%s",
                 name->text);
    }
    name->told = status;
}

static size_t count(const struct addrinfo *answer)
{
    size_t len = 0;

    for (; answer != NULL; answer = answer->ai_next) {
        len++;
    }
    return len;
}

/* Of a name with more addresses than fit the next ones each time: a resolver
 * may name the same first ones for ever, and others to others. */
static void take_addresses(struct name *name, const struct addrinfo *answer)
{
    size_t len = count(answer);
    size_t skipped = len > ADDRS_OF_NAME_MAX ? name->begin % len : 0;
    const struct addrinfo *a = answer;

    for (size_t i = 0; i < skipped; i++) {
        a = a->ai_next;
    }
    name->found_len = 0;
    for (size_t i = 0; i < len && name->found_len < ADDRS_OF_NAME_MAX; i++) {
        struct addr addr = sockaddr_read(a->ai_addr);
        if (!addr_is_none(&addr)) {
            name->found[name->found_len++] = addr;
        }
        a = a->ai_next != NULL ? a->ai_next : answer;
    }
    name->begin = skipped + ADDRS_OF_NAME_MAX;
}

/* Nothing is known of a name: it is wanted sooner. */
static bool is_lost(const struct seeds *s)
{
    for (size_t i = 0; i < s->names_len; i++) {
        if (s->names[i].found_len == 0) {
            return true;
        }
    }
    return false;
}

static void on_answer(uv_getaddrinfo_t *request, int status,
                      struct addrinfo *answer)
{
    struct name *name = request->data;
    struct seeds *s = name->seeds;

    if (status == 0) {
        take_addresses(name, answer);
    }
    uv_freeaddrinfo(answer);
    s->asked--;
    if (s->closing) {
        free_when_done(s);
        return;
    }
    log_answer(name, status);
    if (s->asked == 0) {
        tell(s);
        uv_timer_set_repeat(&s->timer,
                            is_lost(s) ? SEEDS_SOON_MS : SEEDS_EVERY_MS);
        uv_timer_again(&s->timer);
    }
}

static void ask(struct seeds *s, struct name *name)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
    const char *colon = strrchr(name->text, ':');
    char host[CONFIG_TEXT_MAX];
    size_t len = (size_t)(colon - name->text);

    assert(colon != NULL); /* the configuration has checked it */
    bool bracketed = name->text[0] == '[' && name->text[len - 1] == ']';
    len -= bracketed ? 2 : 0;
    memcpy(host, name->text + (bracketed ? 1 : 0), len);
    host[len] = '\0';
    name->request.data = name;
    if (uv_getaddrinfo(s->timer.loop, &name->request, on_answer, host,
                       colon + 1, &hints) == 0) {
        s->asked++;
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct seeds *s = timer->data;

    if (s->asked > 0) {
        return; /* a slow resolver: ask again when it has answered */
    }
    for (size_t i = 0; i < s->names_len; i++) {
        ask(s, &s->names[i]);
    }
}

int seeds_open(struct seeds **seeds, uv_loop_t *loop,
               const struct config *config, struct log *log,
               void (*on_found)(void *data, const struct addr *found,
                                size_t len),
               void *data)
{
    *seeds = NULL;
    if (config->join_len == 0) {
        return 0;
    }
    struct seeds *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return ERR_NOMEM;
    }
    s->log = log;
    s->on_found = on_found;
    s->data = data;
    s->names_len = config->join_len;
    for (size_t i = 0; i < s->names_len; i++) {
        s->names[i].seeds = s;
        s->names[i].text = config->join[i];
    }
    uv_timer_init(loop, &s->timer);
    s->timer.data = s;
    uv_timer_start(&s->timer, on_timer, 0, SEEDS_EVERY_MS);
    *seeds = s;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct seeds *s = handle->data;

    s->closed = true;
    free_when_done(s);
}

void seeds_close(struct seeds *seeds)
{
    if (seeds == NULL) {
        return;
    }
    seeds->closing = true;
    for (size_t i = 0; i < seeds->names_len; i++) {
        (void)uv_cancel((uv_req_t *)&seeds->names[i].request);
    }
    uv_close((uv_handle_t *)&seeds->timer, on_closed);
}

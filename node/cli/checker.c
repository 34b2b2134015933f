/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/checker.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/cli/judge.h"
#include "proto/err.h"

enum {
    ENDS_MAX = CHECKER_NODES_MAX * WAYS,
    WINDOW = 16, /* unanswered items of one publisher */
    TURN_MS = 50,
    QUIET_MS = 300,    /* nothing more comes: duplicates would have */
    SETTLE_MS = 5000,  /* after `seconds`, for what is still under way */
    RETRY_MS = 250,    /* between attempts to come back */
    ASK_EVERY_MS = 50, /* between subscribes that are tried */
    ASK_WAIT_MS = 3000,
};

struct subscriber {
    struct checker *checker;
    struct way way;
    bool heard[ENDS_MAX]; /* of the warm-up */
    struct judge judges[ENDS_MAX];
    uint64_t retry_ms;
};

struct publisher {
    struct checker *checker;
    struct way way;
    uint64_t number;   /* of the newest counted item */
    uint64_t answered; /* the newest counted item with an answer */
    uint64_t warm;     /* answers of the warm-up still to come */
    struct judge_ranges excused;
    uint64_t retry_ms;
};

/* One subscribe that is tried: acknowledged on one node, published to at that
 * moment on another one. */
struct asking {
    struct way in;
    struct way out;
    char topic[64];
    uint64_t number;
    bool acknowledged; /* by all nodes of its region */
    bool accepted;     /* the publish */
    bool came;
    bool told; /* a discontinuity instead */
    uint64_t give_up_ms;
    uint64_t next_ms;
};

struct checker {
    const struct checker_options *options;
    char topic[32];
    size_t ends_len; /* publishers, and as many subscribers */
    struct subscriber subscribers[ENDS_MAX];
    struct publisher publishers[ENDS_MAX];
    struct asking asking;
    bool comes_back; /* lost connections are taken up again */
    struct checker_report *report;
};

static const struct link_url *url_of(const struct checker *c, size_t end)
{
    return &c->options->nodes[end / WAYS];
}

static enum way_kind kind_of(size_t end)
{
    return (enum way_kind)(end % WAYS);
}

/* --- subscribers --- */

static int open_subscriber(struct checker *c, size_t i)
{
    struct way *way = &c->subscribers[i].way;
    int rc = way_open(way, kind_of(i), url_of(c, i), c->options->token);

    if (rc == 0) {
        rc = way_subscribe(way, c->topic);
    }
    if (rc != 0) {
        way_close(way);
    }
    return rc;
}

/* The value is "w P N" or "c P N": warm-up or counted, publisher, number. */
static void on_value(void *data, struct bytes value)
{
    struct subscriber *s = data;
    struct bytes rest = bytes_skip(value, 2);
    ptrdiff_t space = bytes_find(rest, ' ');
    uint64_t publisher;
    uint64_t number;

    if (space < 0 ||
        bytes_u64(bytes_of(rest.p, (size_t)space), &publisher) != 0 ||
        bytes_u64(bytes_skip(rest, (size_t)space + 1), &number) != 0 ||
        publisher >= s->checker->ends_len) {
        return;
    }
    s->heard[publisher] = true;
    if (value.p[0] == 'c') {
        judge_value(&s->judges[publisher], number);
    }
}

static void on_gap(void *data)
{
    struct subscriber *s = data;

    for (size_t i = 0; i < s->checker->ends_len; i++) {
        judge_told(&s->judges[i]);
    }
}

static int take_stream(struct subscriber *s)
{
    const struct way_reader reader = {
        .data = s, .on_value = on_value, .on_gap = on_gap};

    return way_take(&s->way, &reader);
}

/* --- publishers --- */

static int publish(struct checker *c, size_t i, char kind, uint64_t number)
{
    struct buf value = {0};

    buf_add_u8(&value, (uint8_t)kind);
    buf_add_u8(&value, ' ');
    buf_add_u64(&value, i);
    buf_add_u8(&value, ' ');
    buf_add_u64(&value, number);
    int rc = value.failed ? ERR_NOMEM
                          : way_publish(&c->publishers[i].way, c->topic,
                                        buf_bytes(&value));
    buf_fini(&value);
    return rc;
}

static void on_answer(void *data, bool accepted)
{
    struct publisher *p = data;

    if (p->warm > 0) {
        p->warm--;
        return;
    }
    p->answered++;
    if (!accepted) {
        p->checker->report->refused++;
        judge_ranges_add(&p->excused, p->answered, p->answered, false);
    }
}

/* What has no answer when the connection goes may have been published or not.
 */
static void lose_publisher(struct publisher *p)
{
    way_close(&p->way);
    if (p->answered < p->number) {
        judge_ranges_add(&p->excused, p->answered + 1, p->number, false);
        p->answered = p->number;
    }
    p->warm = 0;
}

/* --- connections --- */

static int open_all(struct checker *c)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < c->ends_len; i++) {
        c->subscribers[i].checker = c;
        c->publishers[i].checker = c;
        rc = open_subscriber(c, i);
        if (rc == 0) {
            rc = way_open(&c->publishers[i].way, kind_of(i), url_of(c, i),
                          c->options->token);
        }
    }
    return rc;
}

/* Takes up what was lost, one attempt in a while for each. */
static void come_back(struct checker *c)
{
    uint64_t now_ms = link_now_ms();

    for (size_t i = 0; i < c->ends_len; i++) {
        struct subscriber *s = &c->subscribers[i];
        struct publisher *p = &c->publishers[i];
        if (!s->way.is_open && now_ms >= s->retry_ms) {
            s->retry_ms = now_ms + RETRY_MS;
            c->report->reconnects += open_subscriber(c, i) == 0;
        }
        if (!p->way.is_open && now_ms >= p->retry_ms) {
            p->retry_ms = now_ms + RETRY_MS;
            c->report->reconnects += way_open(&p->way, kind_of(i), url_of(c, i),
                                              c->options->token) == 0;
        }
    }
}

/* Waits up to wait_ms for anything, then takes all there is. Returns how many
 * ends had something, or an error when a connection is lost that must not be.
 */
static int turn(struct checker *c, unsigned wait_ms)
{
    struct pollfd fds[2 * ENDS_MAX];
    int active = 0;

    for (size_t i = 0; i < c->ends_len; i++) {
        fds[2 * i] = (struct pollfd){way_fd(&c->subscribers[i].way), POLLIN, 0};
        fds[2 * i + 1] = (struct pollfd){way_fd(&c->publishers[i].way), POLLIN,
                                         0};
    }
    if (poll(fds, 2 * c->ends_len, (int)wait_ms) < 0) {
        return 0; /* interrupted */
    }
    for (size_t i = 0; i < c->ends_len; i++) {
        struct subscriber *s = &c->subscribers[i];
        struct publisher *p = &c->publishers[i];
        int rc = 0;
        if (fds[2 * i].revents != 0 && (rc = take_stream(s)) != 0) {
            way_close(&s->way);
            on_gap(s); /* closed is told */
        }
        if (rc == 0 && fds[2 * i + 1].revents != 0 &&
            (rc = way_take_answers(&p->way, on_answer, p)) != 0) {
            lose_publisher(p);
        }
        if (rc != 0 && !c->comes_back) {
            return rc;
        }
        active += (fds[2 * i].revents | fds[2 * i + 1].revents) != 0;
    }
    return active;
}

/* --- the phases --- */

static bool all_heard(const struct checker *c)
{
    for (size_t s = 0; s < c->ends_len; s++) {
        for (size_t p = 0; p < c->ends_len; p++) {
            if (!c->subscribers[s].heard[p]) {
                return false;
            }
        }
    }
    return true;
}

static int warm_up(struct checker *c, uint64_t until_ms)
{
    uint64_t next_ms = 0;
    uint64_t n = 0;
    int rc = 0;

    while (rc >= 0 && !all_heard(c)) {
        uint64_t now_ms = link_now_ms();
        if (now_ms >= until_ms) {
            return ERR_TIMEOUT;
        }
        if (now_ms >= next_ms) {
            next_ms = now_ms + TURN_MS;
            n++;
            for (size_t i = 0; rc >= 0 && i < c->ends_len; i++) {
                rc = publish(c, i, 'w', n);
                c->publishers[i].warm++;
            }
        }
        if (rc >= 0) {
            rc = turn(c, TURN_MS);
        }
    }
    return rc < 0 ? rc : 0;
}

/* Publishes what each publisher may send now, up to number `most`. */
static int publish_up_to(struct checker *c, uint64_t most)
{
    for (size_t i = 0; i < c->ends_len; i++) {
        struct publisher *p = &c->publishers[i];
        while (p->way.is_open && p->number < most &&
               p->number - p->answered < WINDOW) {
            p->number++;
            int rc = publish(c, i, 'c', p->number);
            if (rc != 0 && !c->comes_back) {
                return rc;
            }
            if (rc != 0) {
                lose_publisher(p);
            }
        }
    }
    return 0;
}

static bool all_answered(const struct checker *c, uint64_t wanted)
{
    for (size_t i = 0; i < c->ends_len; i++) {
        const struct publisher *p = &c->publishers[i];
        if (p->answered < p->number || p->number < wanted) {
            return false;
        }
    }
    return true;
}

static int publish_items(struct checker *c, uint64_t until_ms)
{
    int rc = 0;

    while (rc >= 0 && !all_answered(c, c->options->items)) {
        rc = publish_up_to(c, c->options->items);
        if (rc >= 0) {
            rc = link_now_ms() < until_ms ? turn(c, TURN_MS) : ERR_TIMEOUT;
        }
    }
    return rc < 0 ? rc : 0;
}

/* --- whether acknowledged means subscribed --- */

static void on_asked_value(void *data, struct bytes value)
{
    struct asking *a = data;
    (void)value;
    a->came = true;
}

static void on_asked_gap(void *data)
{
    struct asking *a = data;
    a->told = true;
}

static void on_acknowledged(void *data, bool partial)
{
    struct asking *a = data;

    a->acknowledged = !partial;
    if (way_publish(&a->in, a->topic, BYTES("a 0 1")) != 0) {
        way_close(&a->in); /* not published: nothing is learned */
    }
}

/* Only what a node has accepted may be called lost. */
static void on_asked_answer(void *data, bool accepted)
{
    struct asking *a = data;

    if (accepted) {
        a->accepted = true;
        a->give_up_ms = link_now_ms() + ASK_WAIT_MS;
    } else {
        way_close(&a->in);
    }
}

static void end_asking(struct checker *c, struct asking *a, bool counts)
{
    if (counts) {
        c->report->asked++;
        c->report->lost += !a->came && !a->told;
    }
    way_close(&a->in);
    way_close(&a->out);
    a->next_ms = link_now_ms() + ASK_EVERY_MS;
}

static bool are_neighbours(const struct checker *c, size_t a, size_t b)
{
    const uint8_t *regions = c->options->regions;
    return regions == NULL || regions[a] == regions[b];
}

/* Another node of the region of `from`, another one each time; `from` itself
 * when it has no neighbour. */
static size_t neighbour_of(const struct checker *c, size_t from, uint64_t turn)
{
    size_t nodes = c->options->nodes_len;

    for (size_t i = 0; i < nodes; i++) {
        size_t to = (from + 1 + (turn + i) % nodes) % nodes;
        if (to != from && are_neighbours(c, from, to)) {
            return to;
        }
    }
    return from;
}

static void begin_asking(struct checker *c, struct asking *a)
{
    size_t nodes = c->options->nodes_len;
    size_t from = a->number % nodes;
    size_t to = neighbour_of(c, from, a->number / nodes);

    a->number++;
    a->acknowledged = false;
    a->accepted = false;
    a->came = false;
    a->told = false;
    a->give_up_ms = link_now_ms() + ASK_WAIT_MS;
    (void)snprintf(a->topic, sizeof a->topic, "%s-%llu", c->topic,
                   (unsigned long long)a->number);
    if (way_open(&a->out, WAY_WEBSOCKET, &c->options->nodes[to],
                 c->options->token) != 0 ||
        way_open(&a->in, WAY_RESP, &c->options->nodes[from],
                 c->options->token) != 0 ||
        way_subscribe(&a->out, a->topic) != 0) {
        end_asking(c, a, false);
    }
}

/* One subscribe after the other, on other nodes each time. Both nodes are of
 * one region: elsewhere the acknowledgement promises it only with barrier=all.
 */
static void ask(struct checker *c)
{
    struct asking *a = &c->asking;
    const struct way_reader reader = {.data = a,
                                      .on_value = on_asked_value,
                                      .on_gap = on_asked_gap,
                                      .on_subscribed = on_acknowledged};
    uint64_t now_ms = link_now_ms();

    if (!a->out.is_open) {
        if (now_ms >= a->next_ms) {
            begin_asking(c, a);
        }
        return;
    }
    bool lost = way_take(&a->out, &reader) != 0 || !a->in.is_open ||
                way_take_answers(&a->in, on_asked_answer, a) != 0;
    if (a->came) {
        end_asking(c, a, true);
    } else if (lost || !a->in.is_open) {
        end_asking(c, a, false);
    } else if (now_ms >= a->give_up_ms) {
        end_asking(c, a, a->acknowledged && a->accepted);
    }
}

static int publish_for_a_time(struct checker *c)
{
    uint64_t start_ms = link_now_ms();
    uint64_t until_ms = start_ms + c->options->seconds * 1000ull;
    uint64_t now_ms = start_ms;

    while (now_ms < until_ms) {
        (void)publish_up_to(c, (now_ms - start_ms) * c->options->rate / 1000);
        (void)turn(c, 5);
        come_back(c);
        ask(c);
        now_ms = link_now_ms();
    }
    while (!all_answered(c, 0) && now_ms < until_ms + SETTLE_MS) {
        (void)turn(c, TURN_MS);
        come_back(c);
        now_ms = link_now_ms();
    }
    return 0;
}

/* Until it is quiet, or time is up. */
static int collect(struct checker *c, uint64_t until_ms)
{
    int rc = 1;

    while (rc > 0 && link_now_ms() < until_ms) {
        rc = turn(c, QUIET_MS);
    }
    return rc < 0 ? rc : 0;
}

static void sum_up(struct checker *c)
{
    struct checker_report *r = c->report;

    for (size_t p = 0; p < c->ends_len; p++) {
        struct publisher *publisher = &c->publishers[p];
        r->items += publisher->number;
        for (size_t s = 0; s < c->ends_len; s++) {
            struct judge *judge = &c->subscribers[s].judges[p];
            struct checker_way *way = &r->ways[kind_of(s)];
            judge_end(judge, publisher->number, &publisher->excused, &way->told,
                      &way->untold);
            way->delivered += judge->delivered;
            r->duplicate += judge->duplicate;
            r->disordered += judge->disordered;
            judge_fini(judge);
        }
        judge_ranges_fini(&publisher->excused);
    }
    for (size_t i = 0; i < WAYS; i++) {
        r->missing += r->ways[i].told + r->ways[i].untold;
    }
}

static const char *run(struct checker *c)
{
    uint64_t until_ms = link_now_ms() + c->options->deadline_ms;

    if (open_all(c) != 0) {
        return "a node does not answer";
    }
    if (warm_up(c, until_ms) != 0) {
        return "not everyone heard everyone in time";
    }
    c->comes_back = c->options->items == 0;
    int rc = c->comes_back ? publish_for_a_time(c) : publish_items(c, until_ms);
    if (c->comes_back) {
        until_ms = link_now_ms() + SETTLE_MS;
    }
    if (rc != 0 || collect(c, until_ms) != 0) {
        return "a connection was lost, or time was up";
    }
    return NULL;
}

void checker_run(const struct checker_options *options,
                 struct checker_report *report)
{
    struct checker *c = calloc(1, sizeof *c);

    *report = (struct checker_report){0};
    if (c == NULL || options->nodes_len == 0 ||
        options->nodes_len > CHECKER_NODES_MAX) {
        report->wrong = "no nodes, too many, or no memory";
        free(c);
        return;
    }
    c->options = options;
    c->ends_len = options->nodes_len * WAYS;
    c->report = report;
    report->subscribers = report->publishers = c->ends_len;
    (void)snprintf(c->topic, sizeof c->topic, "check-%d", (int)getpid());
    report->wrong = run(c);
    sum_up(c);
    end_asking(c, &c->asking, false);
    for (size_t i = 0; i < c->ends_len; i++) {
        way_close(&c->publishers[i].way);
        way_close(&c->subscribers[i].way);
    }
    free(c);
}

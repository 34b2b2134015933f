/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/checker.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "node/cli/asking.h"
#include "node/cli/judge.h"
#include "node/cli/mark.h"
#include "proto/err.h"

enum {
    WINDOW = 16, /* unanswered items of one publisher */
    TURN_MS = 50,
    QUIET_MS = 300,   /* nothing more comes: duplicates would have */
    SETTLE_MS = 5000, /* after `seconds`, for answers under way */
    TELL_MS = 15000,  /* after that, for items, or word of their loss */
    RETRY_MS = 250    /* between attempts to come back */
};

/* An end is a place in the rows of publishers and subscribers: topic by topic,
 * node by node, way by way. */
struct subscriber {
    struct checker *checker;
    size_t end;
    struct way way;
    bool *heard;          /* of the publishers of its topic: the warm-up */
    struct judge *judges; /* of the same */
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

struct checker {
    const struct checker_options *options;
    struct link_url *nodes;
    char prefix[32];   /* of all topics */
    size_t topic_ends; /* of one topic: publishers, and as many subscribers */
    size_t ends_len;
    struct subscriber *subscribers;
    struct publisher *publishers;
    struct judge *judges; /* of all subscribers */
    bool *heard;
    struct pollfd *fds;
    struct asking asking;
    uint64_t start_us; /* ages are counted from here */
    uint64_t counting_ms;
    bool comes_back; /* lost connections are taken up again */
    struct checker_report *report;
};

static size_t node_of(const struct checker *c, size_t end)
{
    return end % c->topic_ends / WAYS;
}

static enum way_kind kind_of(size_t end)
{
    return (enum way_kind)(end % WAYS);
}

static void write_topic(const struct checker *c, size_t end, char topic[64])
{
    (void)snprintf(topic, 64, "%s/%zu", c->prefix, end / c->topic_ends);
}

/* --- subscribers --- */

static int open_subscriber(struct checker *c, size_t i)
{
    struct way *way = &c->subscribers[i].way;
    char topic[64];
    int rc = way_open(way, kind_of(i), &c->nodes[node_of(c, i)],
                      c->options->token);

    if (rc == 0) {
        write_topic(c, i, topic);
        rc = way_subscribe(way, topic);
    }
    if (rc != 0) {
        way_close(way);
    }
    return rc;
}

static void note_age(struct subscriber *s, size_t publisher, uint64_t sent_us)
{
    struct checker *c = s->checker;
    struct checker_pair *pair = c->options->pairs;
    uint64_t now = link_now_us();
    uint64_t now_ms = now / 1000 - c->counting_ms;

    if (pair == NULL) {
        return;
    }
    pair += node_of(c, publisher) * c->options->nodes_len + node_of(c, s->end);
    ages_add(&pair->ages, now - c->start_us - sent_us);
    if (now_ms - pair->last_ms > pair->silent_to_ms - pair->silent_from_ms) {
        pair->silent_from_ms = pair->last_ms;
        pair->silent_to_ms = now_ms;
    }
    pair->last_ms = now_ms;
}

static void on_value(void *data, struct bytes value)
{
    struct subscriber *s = data;
    struct checker *c = s->checker;
    struct mark m;

    if (!mark_read(value, &m) || m.publisher >= c->ends_len ||
        m.publisher / c->topic_ends != s->end / c->topic_ends) {
        c->report->strange++;
        return;
    }
    s->heard[m.publisher % c->topic_ends] = true;
    if (!m.counts) {
        return;
    }
    if (m.number == 0 || m.number > c->publishers[m.publisher].number) {
        c->report->strange++;
        return;
    }
    judge_value(&s->judges[m.publisher % c->topic_ends], m.number);
    note_age(s, m.publisher, m.sent_us);
}

static void on_gap(void *data)
{
    struct subscriber *s = data;

    for (size_t i = 0; i < s->checker->topic_ends; i++) {
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

static int publish(struct checker *c, size_t i, bool counts, uint64_t number)
{
    const struct mark mark = {.counts = counts,
                              .publisher = i,
                              .number = number,
                              .sent_us = link_now_us() - c->start_us};
    struct buf value = {0};
    char topic[64];

    mark_write(&mark, &value);
    write_topic(c, i, topic);
    int rc = value.failed
                 ? ERR_NOMEM
                 : way_publish(&c->publishers[i].way, topic, buf_bytes(&value));
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

    for (size_t i = 0; rc == 0 && i < c->options->nodes_len; i++) {
        rc = link_url_find(&c->nodes[i], LINK_WAIT_MS);
    }
    for (size_t i = 0; rc == 0 && i < c->ends_len; i++) {
        rc = open_subscriber(c, i);
        if (rc == 0) {
            rc = way_open(&c->publishers[i].way, kind_of(i),
                          &c->nodes[node_of(c, i)], c->options->token);
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
        if (s->way.state == WAY_CLOSED && now_ms >= s->retry_ms) {
            s->retry_ms = now_ms + RETRY_MS;
            c->report->reconnects += open_subscriber(c, i) == 0;
        }
        if (p->way.state == WAY_CLOSED && now_ms >= p->retry_ms) {
            p->retry_ms = now_ms + RETRY_MS;
            c->report->reconnects += way_open(&p->way, kind_of(i),
                                              &c->nodes[node_of(c, i)],
                                              c->options->token) == 0;
        }
    }
}

static int take_end(struct checker *c, size_t i, uint64_t now_ms)
{
    struct subscriber *s = &c->subscribers[i];
    struct publisher *p = &c->publishers[i];
    int rc = 0;

    if ((c->fds[2 * i].revents != 0 || way_is_late(&s->way, now_ms)) &&
        (rc = take_stream(s)) != 0) {
        way_close(&s->way);
        on_gap(s); /* closed is told */
    }
    if ((c->fds[2 * i + 1].revents != 0 || way_is_late(&p->way, now_ms)) &&
        (rc = way_take_answers(&p->way, on_answer, p)) != 0) {
        lose_publisher(p);
    }
    return rc;
}

/* Waits up to wait_ms for anything, then takes all there is. Returns how many
 * ends had something, or an error when a connection is lost that must not be.
 */
static int turn(struct checker *c, unsigned wait_ms)
{
    int active = 0;

    for (size_t i = 0; i < c->ends_len; i++) {
        c->fds[2 * i] = way_waits_for(&c->subscribers[i].way);
        c->fds[2 * i + 1] = way_waits_for(&c->publishers[i].way);
    }
    if (poll(c->fds, 2 * c->ends_len, (int)wait_ms) < 0) {
        return 0; /* interrupted */
    }
    uint64_t now_ms = link_now_ms();
    for (size_t i = 0; i < c->ends_len; i++) {
        int rc = take_end(c, i, now_ms);
        if (rc != 0 && !c->comes_back) {
            return rc;
        }
        active += (c->fds[2 * i].revents | c->fds[2 * i + 1].revents) != 0;
    }
    return active;
}

/* --- the phases --- */

static bool heard_by_all(const struct checker *c, size_t publisher)
{
    size_t at = publisher % c->topic_ends;
    size_t first = publisher - at;

    for (size_t i = 0; i < c->topic_ends; i++) {
        if (!c->subscribers[first + i].heard[at]) {
            return false;
        }
    }
    return true;
}

/* Says something on behalf of each publisher that not everyone has heard.
 * Returns how many these are, or an error. */
static ptrdiff_t warm(struct checker *c, uint64_t n)
{
    ptrdiff_t missing = 0;

    for (size_t i = 0; i < c->ends_len; i++) {
        struct publisher *p = &c->publishers[i];
        if (heard_by_all(c, i)) {
            continue;
        }
        missing++;
        if (p->way.state == WAY_READY && p->warm < WINDOW) {
            int rc = publish(c, i, false, n);
            if (rc != 0) {
                return rc;
            }
            p->warm++;
        }
    }
    return missing;
}

static int warm_up(struct checker *c, uint64_t until_ms)
{
    uint64_t next_ms = 0;
    uint64_t n = 0;
    ptrdiff_t missing = 1;
    int rc = 0;

    while (missing > 0 && rc >= 0) {
        uint64_t now_ms = link_now_ms();
        if (now_ms >= until_ms) {
            return ERR_TIMEOUT;
        }
        if (now_ms >= next_ms) {
            next_ms = now_ms + TURN_MS;
            missing = warm(c, ++n);
        }
        rc = turn(c, TURN_MS);
    }
    return missing < 0 ? (int)missing : rc < 0 ? rc : 0;
}

/* Publishes what each publisher may send now, up to number `most`. */
static int publish_up_to(struct checker *c, uint64_t most)
{
    for (size_t i = 0; i < c->ends_len; i++) {
        struct publisher *p = &c->publishers[i];
        while (p->way.state == WAY_READY && p->number < most &&
               p->number - p->answered < WINDOW) {
            p->number++;
            int rc = publish(c, i, true, p->number);
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

static int publish_for_a_time(struct checker *c)
{
    uint64_t start_ms = link_now_ms();
    uint64_t until_ms = start_ms + c->options->seconds * 1000ull;
    uint64_t now_ms = start_ms;

    while (now_ms < until_ms) {
        (void)publish_up_to(c, (now_ms - start_ms) * c->options->rate / 1000);
        (void)turn(c, 5);
        come_back(c);
        asking_step(&c->asking);
        now_ms = link_now_ms();
    }
    while (!all_answered(c, 0) && now_ms < until_ms + SETTLE_MS) {
        (void)turn(c, TURN_MS);
        come_back(c);
        now_ms = link_now_ms();
    }
    return 0;
}

/* Whether a subscriber that can be told knows nothing of the last items. */
static bool somebody_waits(const struct checker *c)
{
    for (size_t p = 0; p < c->ends_len; p++) {
        const struct publisher *publisher = &c->publishers[p];
        size_t first = p - p % c->topic_ends;
        for (size_t i = 0; i < c->topic_ends; i++) {
            const struct subscriber *s = &c->subscribers[first + i];
            if (way_can_tell(kind_of(first + i)) &&
                judge_waits(&s->judges[p % c->topic_ends], publisher->number,
                            &publisher->excused)) {
                return true;
            }
        }
    }
    return false;
}

/* Until it is quiet and all is known, or time is up. */
static int collect(struct checker *c, uint64_t until_ms)
{
    int rc = 1;

    while ((rc > 0 || (rc == 0 && somebody_waits(c))) &&
           link_now_ms() < until_ms) {
        rc = turn(c, QUIET_MS);
        if (c->comes_back) {
            come_back(c);
        }
    }
    return rc < 0 ? rc : 0;
}

static const char *run(struct checker *c)
{
    const struct checker_options *options = c->options;
    uint64_t until_ms = link_now_ms() + options->deadline_ms;

    if (open_all(c) != 0) {
        return "a node does not answer";
    }
    if (warm_up(c, until_ms) != 0) {
        return "not everyone heard everyone in time";
    }
    if (options->on_counting != NULL) {
        options->on_counting(options);
    }
    c->counting_ms = link_now_ms();
    c->comes_back = options->items == 0;
    int rc = c->comes_back ? publish_for_a_time(c) : publish_items(c, until_ms);
    if (c->comes_back) {
        until_ms = link_now_ms() + TELL_MS;
    }
    if (rc != 0 || collect(c, until_ms) != 0) {
        return "a connection was lost, or time was up";
    }
    return NULL;
}

/* --- the sum --- */

static void sum_subscription(struct checker *c, size_t publisher,
                             size_t subscriber)
{
    struct publisher *p = &c->publishers[publisher];
    struct judge *judge =
        &c->subscribers[subscriber].judges[publisher % c->topic_ends];
    struct checker_way *way = &c->report->ways[kind_of(subscriber)];
    struct checker_pair *pair = c->options->pairs;
    uint64_t told = 0;
    uint64_t untold = 0;

    judge_end(judge, p->number, &p->excused, &told, &untold);
    way->delivered += judge->delivered;
    way->told += told;
    way->untold += untold;
    c->report->missing += told + untold;
    c->report->duplicate += judge->duplicate;
    c->report->disordered += judge->disordered;
    if (pair != NULL) {
        pair += node_of(c, publisher) * c->options->nodes_len +
                node_of(c, subscriber);
        pair->delivered += judge->delivered;
        pair->missing += told + untold;
        pair->untold += way_can_tell(kind_of(subscriber)) ? untold : 0;
    }
    judge_fini(judge);
}

static void sum_up(struct checker *c)
{
    for (size_t p = 0; p < c->ends_len; p++) {
        size_t first = p - p % c->topic_ends;
        c->report->items += c->publishers[p].number;
        for (size_t s = 0; s < c->topic_ends; s++) {
            sum_subscription(c, p, first + s);
        }
        judge_ranges_fini(&c->publishers[p].excused);
    }
    c->report->asked = c->asking.asked;
    c->report->lost = c->asking.lost;
    c->report->cut = c->asking.cut;
}

/* --- the whole --- */

static void set_up_ends(struct checker *c)
{
    for (size_t i = 0; i < c->ends_len; i++) {
        c->subscribers[i] = (struct subscriber){
            .checker = c,
            .end = i,
            .heard = c->heard + i * c->topic_ends,
            .judges = c->judges + i * c->topic_ends,
        };
        c->publishers[i].checker = c;
    }
}

static bool set_up(struct checker *c)
{
    const struct checker_options *o = c->options;
    size_t topics = o->topics == 0 ? 1 : o->topics;

    if (o->nodes_len == 0 || o->nodes_len > CHECKER_NODES_MAX ||
        topics > CHECKER_TOPICS_MAX) {
        return false;
    }
    c->topic_ends = o->nodes_len * WAYS;
    c->ends_len = topics * c->topic_ends;
    c->nodes = calloc(o->nodes_len, sizeof *c->nodes);
    c->subscribers = calloc(c->ends_len, sizeof *c->subscribers);
    c->publishers = calloc(c->ends_len, sizeof *c->publishers);
    c->judges = calloc(c->ends_len * c->topic_ends, sizeof *c->judges);
    c->heard = calloc(c->ends_len * c->topic_ends, sizeof *c->heard);
    c->fds = calloc(2 * c->ends_len, sizeof *c->fds);
    if (c->nodes == NULL || c->subscribers == NULL || c->publishers == NULL ||
        c->judges == NULL || c->heard == NULL || c->fds == NULL) {
        return false;
    }
    memcpy(c->nodes, o->nodes, o->nodes_len * sizeof *c->nodes);
    set_up_ends(c);
    (void)snprintf(c->prefix, sizeof c->prefix, "check-%d", (int)getpid());
    c->start_us = link_now_us();
    c->asking = (struct asking){.nodes = c->nodes,
                                .regions = o->regions,
                                .nodes_len = o->nodes_len,
                                .token = o->token,
                                .prefix = c->prefix};
    return true;
}

static void tear_down(struct checker *c)
{
    asking_fini(&c->asking);
    for (size_t i = 0; i < c->ends_len; i++) {
        way_close(&c->publishers[i].way);
        way_close(&c->subscribers[i].way);
    }
    free(c->nodes);
    free(c->subscribers);
    free(c->publishers);
    free(c->judges);
    free(c->heard);
    free(c->fds);
}

void checker_run(const struct checker_options *options,
                 struct checker_report *report)
{
    struct checker c = {.options = options, .report = report};

    *report = (struct checker_report){0};
    if (!set_up(&c)) {
        report->wrong = "no nodes, too many, or no memory";
        c.ends_len = 0;
    } else {
        report->subscribers = report->publishers = c.ends_len;
        report->wrong = run(&c);
        sum_up(&c);
    }
    tear_down(&c);
}

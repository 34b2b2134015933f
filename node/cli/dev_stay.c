/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/dev_stay.h"

#include <poll.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/cli/cli.h"
#include "node/cli/dev_say.h"
#include "node/cli/dev_screen.h"
#include "node/cli/dev_talk.h"
#include "node/cli/dev_wish.h"
#include "proto/err.h"

enum {
    LOOK_MS = 1000, /* whether the terminal is ours */
    /* A node that is asked to end itself answers first. */
    LAST_WORDS_MS = 100,
    LINE_MAX_LEN = 256,
    FIXED = 2, /* descriptors before those of the nodes */
};

struct stay {
    struct dev_nodes *nodes;
    int signals;
    bool reads;  /* from standard input, until its end */
    bool is_tty; /* which may be in the hands of another program */
    bool quits;
    char line[LINE_MAX_LEN];
    size_t line_len;
    struct dev_wish later; /* of a node about itself */
    uint64_t later_ms;     /* 0: there is none */
};

static void open_input(struct stay *stay)
{
    struct stat st;

    stay->is_tty = isatty(STDIN_FILENO) == 1;
    stay->reads = stay->is_tty ||
                  (fstat(STDIN_FILENO, &st) == 0 &&
                   (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)));
}

/* In the background a terminal is not ours to read. */
static bool may_read(const struct stay *stay)
{
    return stay->reads &&
           (!stay->is_tty || tcgetpgrp(STDIN_FILENO) == getpgrp());
}

/* --- wishes --- */

static void do_wish(struct dev_nodes *nodes, const struct dev_wish *wish)
{
    char words[DEV_WORDS_MAX];

    (void)dev_wish_do(nodes, wish, words);
    dev_say("%s", words);
}

static void take_line(struct stay *stay)
{
    char words[DEV_WORDS_MAX];
    struct dev_wish wish;

    if (dev_wish_read_line(stay->nodes, stay->line, &wish, words) != 0) {
        dev_say("%s", words);
        return;
    }
    switch (wish.verb) {
    case DEV_NOTHING:
        break;
    case DEV_SHOW:
        dev_screen_nodes(stay->nodes);
        break;
    case DEV_HELP:
        dev_screen_keys(stay->nodes);
        break;
    case DEV_QUIT:
        stay->quits = true;
        break;
    case DEV_KILL:
    case DEV_RESTART:
    case DEV_PARTITION:
    case DEV_HEAL:
    case DEV_WAN:
        do_wish(stay->nodes, &wish);
        break;
    }
}

/* A line that is too long is one that is not understood. */
static void read_lines(struct stay *stay)
{
    char text[LINE_MAX_LEN];
    ssize_t len = read(STDIN_FILENO, text, sizeof text);

    if (len <= 0) {
        stay->reads = false;
        return;
    }
    for (ssize_t i = 0; i < len; i++) {
        if (text[i] == '\n') {
            stay->line[stay->line_len] = '\0';
            stay->line_len = 0;
            take_line(stay);
        } else if (stay->line_len + 1 < sizeof stay->line) {
            stay->line[stay->line_len++] = text[i];
        }
    }
}

/* What a node wished about itself, when it is time. */
static void mind_later(struct stay *stay, uint64_t now_ms)
{
    if (stay->later_ms != 0 && now_ms >= stay->later_ms) {
        stay->later_ms = 0;
        do_wish(stay->nodes, &stay->later);
    }
}

/* Returns the error, 0 when it is done or will be. */
static int take_wish(struct stay *stay, size_t i, struct bytes text,
                     char words[DEV_WORDS_MAX])
{
    struct dev_wish wish;
    int err = dev_wish_read_json(stay->nodes, text, &wish, words);

    if (err == 0 && (wish.verb == DEV_KILL || wish.verb == DEV_RESTART) &&
        wish.node == i) {
        mind_later(stay, UINT64_MAX); /* of another one: now */
        stay->later = wish;
        stay->later_ms = link_now_ms() + LAST_WORDS_MS;
        return 0;
    }
    if (err == 0) {
        err = dev_wish_do(stay->nodes, &wish, words);
        dev_say("%s (asked of n%zu)", words, i + 1);
    }
    return err;
}

static void hear(struct stay *stay, size_t i, unsigned worker)
{
    struct dev_node *node = &stay->nodes->node[i];
    char words[DEV_WORDS_MAX] = "";
    struct dev_heard heard;

    dev_talk_hear(node, worker, &heard);
    if (heard.what == DEV_HEARD_WISH) {
        int err = take_wish(stay, i, heard.wish, words);
        dev_talk_answer(node, worker, heard.id, err, words);
    } else if (heard.what == DEV_HEARD_READY && node->awaited > 0 &&
               --node->awaited == 0) {
        uint64_t ms = link_now_ms() - node->started_ms;
        dev_say("%s (%s) is ready after %llu.%02llu s", node->name,
                dev_region(stay->nodes, i), (unsigned long long)(ms / 1000),
                (unsigned long long)(ms % 1000 / 10));
    }
}

/* --- waiting --- */

static size_t watch(const struct stay *stay,
                    struct pollfd fds[FIXED + DEV_NODES_MAX * DEV_WORKERS_MAX])
{
    const struct dev_nodes *nodes = stay->nodes;
    size_t len = FIXED;

    fds[0] = (struct pollfd){stay->signals, POLLIN, 0};
    fds[1] = (struct pollfd){may_read(stay) ? STDIN_FILENO : -1, POLLIN, 0};
    for (size_t i = 0; i < nodes->len; i++) {
        for (unsigned worker = 0; worker < nodes->workers; worker++) {
            fds[len++] = (struct pollfd){nodes->node[i].ways[worker], POLLIN,
                                         0};
        }
    }
    return len;
}

/* The signal that came, or 0. */
static unsigned read_signal(const struct stay *stay)
{
    struct signalfd_siginfo info;

    return read(stay->signals, &info, sizeof info) == (ssize_t)sizeof info
               ? info.ssi_signo
               : 0;
}

/* Somebody wished for some of the ends: they may be started again. */
static bool all_ended(struct dev_nodes *nodes)
{
    bool any_killed = false;

    for (size_t i = 0; i < nodes->len; i++) {
        any_killed = any_killed || nodes->node[i].killed;
    }
    return dev_nodes_reap(nodes) == 0 && !any_killed;
}

/* One round. < 0: stay on; else the exit code. */
static int turn(struct stay *stay)
{
    static struct pollfd fds[FIXED + DEV_NODES_MAX * DEV_WORKERS_MAX];
    struct dev_nodes *nodes = stay->nodes;
    size_t len = watch(stay, fds);

    (void)poll(fds, len, stay->later_ms != 0 ? LAST_WORDS_MS : LOOK_MS);
    unsigned signal = fds[0].revents != 0 ? read_signal(stay) : 0;
    if (signal == SIGINT || signal == SIGTERM) {
        puts("");
        return CLI_OK;
    }
    if (all_ended(nodes)) {
        fputs("starling dev: no node is left\n", stderr);
        return CLI_REFUSED;
    }
    for (size_t i = FIXED; i < len; i++) {
        size_t node = (i - FIXED) / nodes->workers;
        unsigned worker = (unsigned)((i - FIXED) % nodes->workers);
        if (fds[i].revents != 0 &&
            nodes->node[node].ways[worker] == fds[i].fd) {
            hear(stay, node, worker);
        }
    }
    if (fds[1].revents != 0) {
        read_lines(stay);
    }
    mind_later(stay, link_now_ms());
    return stay->quits ? CLI_OK : -1;
}

int dev_stay(struct dev_nodes *nodes)
{
    struct stay stay = {.nodes = nodes};
    int exit_code = -1;

    stay.signals = signalfd(-1, &nodes->waited, SFD_CLOEXEC);
    if (stay.signals < 0) {
        return CLI_INTERNAL;
    }
    open_input(&stay);
    while (exit_code < 0) {
        exit_code = turn(&stay);
    }
    close(stay.signals);
    return exit_code;
}

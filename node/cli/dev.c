/* SPDX-License-Identifier: Apache-2.0
 *
 * starling dev: a whole cluster on this machine for a first look. Each node is
 * a real process of this program on its own ports (P, P+10, P+20 ...), bound to
 * loopback, without keys. An item crosses it, then it stays until Ctrl-C.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "node/cli/args.h"
#include "node/cli/checker.h"
#include "node/cli/cli.h"
#include "node/cli/dev_nodes.h"
#include "node/cli/fetch.h"
#include "node/cli/session.h"
#include "proto/err.h"
#include "proto/topic.h"

enum {
    FORM_MS = 20000,   /* for the cluster to stand */
    CHECK_MS = 60000,  /* for the whole of --check */
    CHECK_ITEMS = 200, /* from each publisher */
};

struct dev {
    struct dev_nodes nodes;
    char regions_text[256];
    bool port_named;
    bool check;
};

/* --- options --- */

static int run(int argc, char **argv);

static const struct command_option dev_options[] = {
    {"--nodes", "N", "how many (3)", NULL, COMMAND_NUMBER, 0},
    {"--regions", "A,B", "over which regions they are spread (eu,us)", NULL,
     COMMAND_TEXT, 0},
    {"--port", "P", "of the first; others 10 apart (7400)", NULL,
     COMMAND_NUMBER, 0},
    {"--check", NULL, "check what it promises, and end", NULL, COMMAND_TEXT, 0},
    {0},
};

const struct command command_dev = {
    .name = "dev",
    .run = run,
    .what = "a cluster on this machine, for a look",
    .options = dev_options,
    .group = COMMAND_RUNS,
};

static bool read_regions(struct dev *dev, const char *text)
{
    if (strlen(text) >= sizeof dev->regions_text) {
        return false;
    }
    strcpy(dev->regions_text, text);
    dev->nodes.regions_len = 0;
    char *rest = dev->regions_text;
    while (rest != NULL) {
        char *one = strsep(&rest, ",");
        if (!topic_cache_is_valid(bytes_str(one)) ||
            dev->nodes.regions_len == DEV_REGIONS_MAX) {
            return false;
        }
        dev->nodes.regions[dev->nodes.regions_len++] = one;
    }
    return true;
}

static bool read_option(struct dev *dev, const char *name, const char *value)
{
    uint64_t number;

    if (strcmp(name, "--regions") == 0) {
        return read_regions(dev, value);
    }
    if (bytes_u64(bytes_str(value), &number) != 0 || number == 0) {
        return false;
    }
    if (strcmp(name, "--nodes") == 0 && number <= DEV_NODES_MAX) {
        dev->nodes.len = (size_t)number;
        return true;
    }
    if (strcmp(name, "--port") == 0 &&
        number <= UINT16_MAX - DEV_NODES_MAX * CONFIG_PORT_STEP) {
        dev->nodes.port = (uint16_t)number;
        dev->port_named = true;
        return true;
    }
    return false;
}

static int read_options(struct dev *dev, int argc, char **argv)
{
    struct command_reading r = {
        .command = &command_dev, .argc = argc, .argv = argv};
    int rc;

    dev->nodes.len = 3;
    dev->nodes.port = CONFIG_PORT;
    (void)read_regions(dev, "eu,us");
    while ((rc = command_next(&r)) > 0) {
        if (r.is_word) {
            return args_usage(&command_dev);
        }
        if (r.value == NULL) {
            dev->check = true;
        } else if (!read_option(dev, r.option.name, r.value)) {
            fprintf(stderr, "starling dev: %s cannot be '%s'\n", r.option.name,
                    r.value);
            return CLI_USAGE;
        }
    }
    return rc == 0 ? CLI_OK : CLI_USAGE;
}

/* --- watching it form --- */

static bool node_is_whole(const struct dev *dev, const struct dev_node *node)
{
    struct buf body = {0};
    bool whole = false;

    if (fetch(&node->url, "GET", "/readyz", NULL, (struct bytes){0}, &body) ==
            200 &&
        fetch(&node->url, "GET", "/v1/cluster", NULL, (struct bytes){0},
              &body) == 200) {
        json_t *root = json_loadb((char *)body.p, body.len, 0, NULL);
        json_t *links = json_object_get(root, "links");
        whole = session_number(links, "up") == dev->nodes.len - 1;
        json_decref(root);
    }
    buf_fini(&body);
    return whole;
}

/* 0 when all nodes are ready and linked; else an exit code. */
static int wait_whole(struct dev *dev)
{
    uint64_t until_ms = link_now_ms() + FORM_MS;
    size_t whole = 0;

    while (whole < dev->nodes.len) {
        int signal = dev_nodes_signal(&dev->nodes, 20);
        if (signal == SIGINT || signal == SIGTERM) {
            return CLI_REFUSED;
        }
        if (dev_nodes_reap(&dev->nodes) < dev->nodes.len) {
            fputs("starling dev: a node ended at its start\n", stderr);
            return CLI_REFUSED;
        }
        if (link_now_ms() > until_ms) {
            fputs("starling dev: the cluster did not form in time\n", stderr);
            return CLI_UNREACHABLE;
        }
        whole += node_is_whole(dev, &dev->nodes.node[whole]);
    }
    return CLI_OK;
}

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Reads until a message of that op; false when it does not come. */
static bool await_op(struct session *s, const char *op)
{
    uint64_t until_ms = link_now_ms() + LINK_WAIT_MS;
    bool found = false;
    int rc = 0;

    while (!found && rc == 0 && link_now_ms() < until_ms) {
        json_t *message = session_next(s, LINK_WAIT_MS, &rc);
        found = message != NULL && session_is(message, op);
        json_decref(message);
    }
    return found;
}

/* One item from the first node to the first node of another region. */
static int show_crossing(const struct dev *dev)
{
    const struct dev_node *from = &dev->nodes.node[0];
    const struct dev_node *to = &dev->nodes.node[dev->nodes.len > 1 ? 1 : 0];
    struct session in;
    struct session out;

    if (session_open(&out, &to->url, NULL) != 0) {
        return CLI_UNREACHABLE;
    }
    if (session_open(&in, &from->url, NULL) != 0) {
        session_close(&out);
        return CLI_UNREACHABLE;
    }
    /* Regions learn of a subscription a moment after it is acknowledged, so
     * this one asks to wait for all of them. */
    (void)session_send(&out, BYTES("{\"op\":\"subscribe\",\"id\":1,\"cache\":"
                                   "\"demo\",\"topic\":\"hello\","
                                   "\"barrier\":\"all\"}"));
    bool ok = await_op(&out, "subscribed");
    uint64_t start_us = now_us();
    (void)session_send(&in, BYTES("{\"op\":\"publish\",\"cache\":\"demo\","
                                  "\"topic\":\"hello\",\"text\":\"hello\"}"));
    ok = ok && await_op(&out, "item");
    uint64_t took_us = now_us() - start_us;
    session_close(&in);
    session_close(&out);
    if (!ok) {
        fputs("starling dev: an item did not cross\n", stderr);
        return CLI_REFUSED;
    }
    printf("  an item crossed: published on %s (%s), arrived on %s (%s) after "
           "%" PRIu64 ".%02" PRIu64 " ms\n\n",
           from->name, from->region, to->name, to->region, took_us / 1000,
           took_us % 1000 / 10);
    return CLI_OK;
}

static void print_nodes(const struct dev *dev, uint64_t took_ms)
{
    printf("\n  node  region    endpoint                  process\n");
    for (size_t i = 0; i < dev->nodes.len; i++) {
        const struct dev_node *n = &dev->nodes.node[i];
        printf("  %-5s %-9s %-25s %d\n", n->name, n->region, n->url_text,
               (int)n->pid);
    }
    printf("\n  ready in %" PRIu64 ".%02" PRIu64 " s, links %zu/%zu up\n",
           took_ms / 1000, took_ms % 1000 / 10,
           dev->nodes.len * (dev->nodes.len - 1),
           dev->nodes.len * (dev->nodes.len - 1));
}

static void print_next_steps(const struct dev *dev)
{
    const struct dev_node *first = &dev->nodes.node[0];
    const struct dev_node *last = &dev->nodes.node[dev->nodes.len - 1];
    const struct dev_node *other = &dev->nodes.node[dev->nodes.len > 1 ? 1 : 0];

    printf("  try it:\n"
           "    console     %s/console\n"
           "    curl        curl -N -H 'Accept: text/event-stream' "
           "%s/topics/demo/chat\n"
           "                curl -d hello %s/topics/demo/chat\n"
           "    redis-cli   redis-cli -p %u --user demo --pass x "
           "subscribe chat\n"
           "    starling    STARLING_URL=%s %s sub demo chat\n"
           "                STARLING_URL=%s %s pub demo chat hello\n"
           "                STARLING_URL=%s %s cluster\n\n"
           "  for development: no keys, loopback only. Ctrl-C ends all of "
           "it.\n",
           first->url_text, first->url_text, other->url_text,
           (unsigned)last->port, first->url_text, program_invocation_name,
           last->url_text, program_invocation_name, first->url_text,
           program_invocation_name);
    (void)fflush(stdout);
}

static int check(struct dev *dev)
{
    struct link_url urls[DEV_NODES_MAX];
    struct checker_report r;

    for (size_t i = 0; i < dev->nodes.len; i++) {
        urls[i] = dev->nodes.node[i].url;
    }
    const struct checker_options options = {
        .nodes = urls,
        .nodes_len = dev->nodes.len,
        .items = CHECK_ITEMS,
        .deadline_ms = CHECK_MS,
    };
    checker_run(&options, &r);
    /* The result is the last line, whatever the ending nodes log. */
    dev_nodes_stop(&dev->nodes);
    if (r.wrong != NULL) {
        fprintf(stderr, "starling dev: %s\n", r.wrong);
    }
    if (r.refused > 0) {
        fprintf(stderr, "starling dev: %" PRIu64 " publishes were refused\n",
                r.refused);
    }
    printf("check: %zu subscribers, %" PRIu64 " items, %" PRIu64
           " missing, %" PRIu64 " duplicate, %" PRIu64 " out of order\n",
           r.subscribers, r.items, r.missing, r.duplicate, r.disordered);
    bool clean = r.wrong == NULL && r.refused == 0 && r.missing == 0 &&
                 r.duplicate == 0 && r.disordered == 0;
    return clean ? CLI_OK : CLI_REFUSED;
}

/* Until a signal, or until no node is left. */
static int stay(struct dev *dev)
{
    for (;;) {
        int signal = dev_nodes_signal(&dev->nodes, 1000);
        if (signal == SIGINT || signal == SIGTERM) {
            puts("");
            return CLI_OK;
        }
        if (dev_nodes_reap(&dev->nodes) == 0) {
            fputs("starling dev: no node is left\n", stderr);
            return CLI_REFUSED;
        }
    }
}

static int run(int argc, char **argv)
{
    struct dev dev = {0};
    uint64_t start_ms = link_now_ms();
    int exit_code = read_options(&dev, argc, argv);

    if (exit_code != CLI_OK) {
        return exit_code;
    }
    exit_code = CLI_REFUSED;
    if (!dev_nodes_choose_ports(&dev.nodes, dev.port_named)) {
        fprintf(stderr, "starling dev: no row of free ports from %u\n",
                (unsigned)dev.nodes.port);
        return CLI_CANNOT_BIND;
    }
    printf("starling %s: a cluster of %zu on 127.0.0.1\n", STARLING_VERSION,
           dev.nodes.len);
    if (dev_nodes_start(&dev.nodes) == 0) {
        exit_code = wait_whole(&dev);
    }
    if (exit_code == CLI_OK) {
        print_nodes(&dev, link_now_ms() - start_ms);
        exit_code = show_crossing(&dev);
    }
    if (exit_code == CLI_OK && dev.check) {
        exit_code = check(&dev);
    } else if (exit_code == CLI_OK) {
        print_next_steps(&dev);
        exit_code = stay(&dev);
    }
    (void)fflush(stdout);
    dev_nodes_stop(&dev.nodes);
    return exit_code;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * starling dev: a whole cluster on this machine for a first look. Each node is
 * a real process of this program on its own ports (P, P+10, P+20 ...), bound to
 * loopback, without keys; with --lan its client port is in this network, with
 * keys. An item crosses it, then it stays, makes the faults that it is told to
 * (node/cli/dev_wish.h), until Ctrl-C.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "node/cli/args.h"
#include "node/cli/checker.h"
#include "node/cli/cli.h"
#include "node/cli/dev_form.h"
#include "node/cli/dev_lan.h"
#include "node/cli/dev_screen.h"
#include "node/cli/dev_stay.h"
#include "proto/err.h"
#include "proto/topic.h"

enum {
    CHECK_MS = 60000,  /* for the whole of --check */
    CHECK_ITEMS = 200, /* from each publisher */
};

struct dev {
    struct dev_nodes nodes;
    struct dev_lan lan;
    bool has_lan;
    const char *address; /* of --address */
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
    {"--wan", "MS", "between regions, each way (0); w changes it", NULL,
     COMMAND_TEXT, 0},
    {"--workers", "N", "of each node, 1 to 3 (1)", NULL, COMMAND_NUMBER, 0},
    {"--lan", NULL,
     "for this network, too: with keys, a token, and a QR code to join by",
     NULL, COMMAND_TEXT, 0},
    {"--address", "A", "--lan at this address, not the one that is found", NULL,
     COMMAND_TEXT, 0},
    {"--check", NULL, "check what it promises, and end", NULL, COMMAND_TEXT, 0},
    {0},
};

static const char dev_more[] =
    "Real processes, on ports 10 apart. While it stays it reads lines:\n"
    "  k 2       kills n2, as a crash would; r 2 starts it again\n"
    "  p eu us   cuts two regions off from each other; h heals that\n"
    "  w 80      puts 80 ms between regions, each way\n"
    "  s         shows how things are; ? lists this; q ends all of it\n"
    "The console has the same as buttons.\n\n"
    "With --lan it can be reached from this network: over plain HTTP, with "
    "keys that\nlast as long as it does and tokens for an hour. Who joins by "
    "the QR code may\npublish, subscribe and look.";

const struct command command_dev = {
    .name = "dev",
    .run = run,
    .what = "a cluster on this machine, for a look",
    .options = dev_options,
    .more = dev_more,
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
    if (strcmp(name, "--address") == 0) {
        dev->address = value;
        dev->has_lan = true;
        return true;
    }
    if (bytes_u64(bytes_str(value), &number) != 0) {
        return false;
    }
    if (strcmp(name, "--wan") == 0 && number <= DEV_WAN_MAX_MS) {
        dev->nodes.wan_ms = (uint32_t)number;
        return true;
    }
    if (number == 0) {
        return false;
    }
    if (strcmp(name, "--workers") == 0 && number <= DEV_WORKERS_MAX) {
        dev->nodes.workers = (unsigned)number;
        return true;
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
    dev->nodes.workers = 1;
    dev->nodes.port = CONFIG_PORT;
    dev->nodes.host = "127.0.0.1";
    (void)read_regions(dev, "eu,us");
    while ((rc = command_next(&r)) > 0) {
        if (r.is_word) {
            return args_usage(&command_dev);
        }
        if (r.value == NULL) {
            bool lan = strcmp(r.option.name, "--lan") == 0;
            dev->has_lan = dev->has_lan || lan;
            dev->check = dev->check || !lan;
        } else if (!read_option(dev, r.option.name, r.value)) {
            fprintf(stderr, "starling dev: %s cannot be '%s'\n", r.option.name,
                    r.value);
            return CLI_USAGE;
        }
    }
    /* No region is without a node. */
    if (dev->nodes.regions_len > dev->nodes.len) {
        dev->nodes.regions_len = dev->nodes.len;
    }
    return rc == 0 ? CLI_OK : CLI_USAGE;
}

static const char *token_of(const struct dev *dev)
{
    return dev->has_lan ? (const char *)dev->lan.presenter.p : NULL;
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
        .token = token_of(dev),
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

/* What it is, and that it works. */
static int introduce(const struct dev *dev, uint64_t took_ms)
{
    struct dev_crossing crossing;

    dev_screen_nodes(&dev->nodes);
    if (dev_cross(&dev->nodes, token_of(dev), &crossing) != 0) {
        fputs("starling dev: an item did not cross\n", stderr);
        return CLI_REFUSED;
    }
    dev_screen_ready(&dev->nodes, &crossing, took_ms);
    return CLI_OK;
}

static int stay(struct dev *dev)
{
    dev_screen_try(&dev->nodes, dev->has_lan ? &dev->lan : NULL,
                   program_invocation_name);
    dev_screen_keys(&dev->nodes);
    return dev_stay(&dev->nodes);
}

/* Where clients find it, and the ports of all. */
static int settle(struct dev *dev)
{
    const char *why = NULL;

    if (dev->has_lan) {
        int rc = dev_lan_open(&dev->lan, dev->address, &why);
        if (rc != 0) {
            dev->has_lan = false;
            fprintf(stderr, "starling dev: %s\n", why);
            return rc == ERR_ARGUMENT ? CLI_USAGE : CLI_CANNOT_BIND;
        }
        dev->nodes.host = dev->lan.host;
        dev->nodes.keys = dev->lan.keys;
    }
    if (!dev_nodes_choose_ports(&dev->nodes, dev->port_named)) {
        fprintf(stderr, "starling dev: no row of free ports from %u on %s\n",
                (unsigned)dev->nodes.port, dev->nodes.host);
        return CLI_CANNOT_BIND;
    }
    return CLI_OK;
}

static int live(struct dev *dev)
{
    uint64_t start_ms = link_now_ms();
    int exit_code = CLI_REFUSED;

    printf("starling %s: a cluster of %zu on %s, for development: %s\n",
           STARLING_VERSION, dev->nodes.len, dev->nodes.host,
           dev->has_lan ? "keys of its own" : "no keys, loopback only");
    (void)fflush(stdout);
    if (dev_nodes_start(&dev->nodes) == 0) {
        exit_code = dev_form(&dev->nodes, token_of(dev));
    }
    if (exit_code == CLI_OK) {
        exit_code = introduce(dev, link_now_ms() - start_ms);
    }
    if (exit_code == CLI_OK) {
        exit_code = dev->check ? check(dev) : stay(dev);
    }
    (void)fflush(stdout);
    dev_nodes_stop(&dev->nodes);
    return exit_code;
}

static int run(int argc, char **argv)
{
    static struct dev dev; /* large; a process has one */
    int exit_code = read_options(&dev, argc, argv);

    if (exit_code == CLI_OK) {
        exit_code = settle(&dev);
    }
    if (exit_code == CLI_OK) {
        exit_code = live(&dev);
    }
    if (dev.has_lan) {
        dev_lan_close(&dev.lan);
    }
    return exit_code;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "node/bench/options.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/bench/code.h"
#include "node/cli/cli.h"
#include "node/config/nearest.h"

enum {
    NS_PER_MS = 1000000,
    SECONDS_MAX = 3600
};

/* Which numbers a mode takes. */
enum takes {
    PUBS = 1 << 0,
    SUBS = 1 << 1,
    TOPICS = 1 << 2,
    CONNS = 1 << 3,
    RATE = 1 << 4,
    ITEMS = 1 << 5, /* --size, --window */
    PUBLISH = 1 << 6,
    WARMUP = 1 << 7,
    FLOW = ITEMS | WARMUP
};

static const struct mode {
    const char *name;
    enum bench_mode mode;
    unsigned takes;
    uint32_t pubs;
    uint32_t subs;
    uint32_t topics;
    uint32_t conns;
    uint32_t rate;
} modes[] = {
    {"fanout", BENCH_FANOUT, SUBS | RATE | FLOW | PUBLISH, 1, 100, 0, 0, 0},
    {"fanin", BENCH_FANIN, PUBS | RATE | FLOW | PUBLISH, 100, 1, 0, 0, 0},
    {"pairs", BENCH_PAIRS, PUBS | RATE | FLOW | PUBLISH, 100, 0, 0, 0, 0},
    {"topics", BENCH_TOPICS, TOPICS | CONNS | RATE | FLOW | PUBLISH, 1, 0,
     10000, 100, 0},
    {"connections", BENCH_CONNECTIONS, CONNS, 0, 0, 0, 10000, 0},
    {"latency", BENCH_LATENCY, SUBS | RATE | FLOW | PUBLISH, 1, 1, 0, 0, 10000},
    {"cluster", BENCH_CLUSTER, PUBS | SUBS | RATE | FLOW | PUBLISH, 1, 1, 0, 0,
     0},
    {"churn", BENCH_CHURN, CONNS | TOPICS | RATE | WARMUP | PUBLISH, 1, 0, 0,
     64, 0},
};

const char bench_modes[] =
    "fanout|fanin|pairs|topics|connections|latency|cluster|churn";

const char bench_more[] =
    "fanout       1 topic, 1 publisher, --subs subscribers (100)\n"
    "fanin        1 topic, --pubs publishers (100), 1 subscriber\n"
    "pairs        --pubs pairs (100) of a publisher and a subscriber, a topic\n"
    "             each\n"
    "topics       --topics (10000) over --conns subscribers (100), 1 "
    "publisher\n"
    "             in turn\n"
    "connections  --conns (10000) idle connections with a subscription each\n"
    "latency      fanout at --rate items a second (10000) to --subs (1)\n"
    "cluster      publishers at --publish-url, subscribers at --url: fanout,\n"
    "             or pairs with --pubs\n"
    "churn        subscribe and, once acknowledged, publish there, on --conns\n"
    "             (64); with --topics all of them at once\n"
    "\n"
    "The token is STARLING_TOKEN; of https:// and rediss:// STARLING_CA or "
    "the\n"
    "system says whom to trust. Exit code 1 when anything was lost, came "
    "twice\n"
    "or out of order.";

const struct command_option bench_rows[] = {
    {"--url", "URL",
     "http[s]://HOST:PORT, redis[s]://... or nats://... (STARLING_URL, else "
     "http://127.0.0.1:7400)",
     NULL, COMMAND_TEXT, 0},
    {"--publish-url", "URL", "where publishers connect, if elsewhere", NULL,
     COMMAND_TEXT, 0},
    {"--door", "DOOR", "which protocol is spoken (resp)",
     "resp|ws|sse|grpc|nats", COMMAND_TEXT, 0},
    {"--pubs", "N", "publishers", NULL, COMMAND_TEXT, 0},
    {"--subs", "N", "subscribers", NULL, COMMAND_TEXT, 0},
    {"--topics", "N", "topics", NULL, COMMAND_TEXT, 0},
    {"--conns", "N", "connections", NULL, COMMAND_TEXT, 0},
    {"--size", "BYTES", "of a value, at least 16 (64)", NULL, COMMAND_TEXT, 0},
    {"--window", "N",
     "items of a publisher on their way (512; 128 to a thousand subscribers; "
     "64 with many publishers)",
     NULL, COMMAND_TEXT, 0},
    {"--rate", "N",
     "items a second of all publishers, on schedule (open loop); without it "
     "as fast as they arrive",
     NULL, COMMAND_TEXT, 0},
    {"--seconds", "S", "how long is measured (3)", NULL, COMMAND_TEXT, 0},
    {"--warmup", "S", "how long is not, before it (0.3)", NULL, COMMAND_TEXT,
     0},
    {"--pid", "P[,P...]", "processes whose CPU and memory are measured", NULL,
     COMMAND_TEXT, 0},
    {"--json", NULL, "one line of JSON", NULL, COMMAND_TEXT, 0},
    {0},
};

struct reading {
    struct bench_options *options;
    const struct mode *mode;
    const char *url;
    const char *publish_url;
    const char *door;
    bool conns_given;
};

static int wrong(const char *text, const char *what)
{
    fprintf(stderr, "starling bench: %s '%s'\n", text, what);
    return CLI_USAGE;
}

/* --- values --- */

static int read_number(const char *name, const char *text, uint64_t least,
                       uint64_t most, uint32_t *value)
{
    uint64_t number;

    if (bytes_u64(bytes_str(text), &number) != 0 || number < least ||
        number > most) {
        fprintf(stderr,
                "starling bench: %s takes a number from %lu to %lu, not "
                "'%s'\n",
                name, (unsigned long)least, (unsigned long)most, text);
        return CLI_USAGE;
    }
    *value = (uint32_t)number;
    return CLI_OK;
}

static int read_seconds(const char *name, const char *text, bool zero,
                        uint64_t *ns)
{
    char *end;
    double seconds = strtod(text, &end);

    if (end == text || *end != '\0' || !(seconds >= 0) ||
        seconds > SECONDS_MAX || (seconds < 0.001 && !zero)) {
        fprintf(stderr, "starling bench: %s takes seconds up to %d, not '%s'\n",
                name, SECONDS_MAX, text);
        return CLI_USAGE;
    }
    *ns = (uint64_t)(seconds * 1000 + 0.5) * NS_PER_MS;
    return CLI_OK;
}

static int read_pids(struct bench_options *o, const char *text)
{
    struct bytes rest = bytes_str(text);

    while (rest.len > 0) {
        ptrdiff_t comma = bytes_find(rest, ',');
        size_t len = comma < 0 ? rest.len : (size_t)comma;
        uint64_t pid;
        if (o->pids_len == BENCH_PIDS_MAX ||
            bytes_u64(bytes_of(rest.p, len), &pid) != 0 || pid == 0 ||
            pid > INT32_MAX) {
            return wrong("--pid takes process ids, not", text);
        }
        o->pids[o->pids_len++] = (unsigned)pid;
        rest = bytes_skip(rest, comma < 0 ? rest.len : len + 1);
    }
    return o->pids_len > 0 ? CLI_OK
                           : wrong("--pid takes process ids, not", text);
}

/* --- options --- */

static int read_counted(struct reading *r, const char *name, const char *value,
                        bool *known)
{
    struct bench_options *o = r->options;
    const struct {
        const char *name;
        unsigned takes;
        uint64_t least;
        uint64_t most;
        uint32_t *to;
    } numbers[] = {
        {"--pubs", PUBS, 1, BENCH_CONNS_MAX, &o->pubs},
        {"--subs", SUBS, 1, BENCH_CONNS_MAX, &o->subs},
        {"--topics", TOPICS, 1, BENCH_TOPICS_MAX, &o->topics},
        {"--conns", CONNS, 1, BENCH_CONNS_MAX, &o->conns},
        {"--rate", RATE, 1, 10000000, &o->rate},
        {"--size", ITEMS, BENCH_MARK_LEN, BENCH_SIZE_MAX, &o->size},
        {"--window", ITEMS, 1, 1 << 20, &o->window},
    };

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (strcmp(name, numbers[i].name) != 0) {
            continue;
        }
        *known = true;
        if ((r->mode->takes & numbers[i].takes) == 0) {
            fprintf(stderr, "starling bench: %s means nothing in mode '%s'\n",
                    name, r->mode->name);
            return CLI_USAGE;
        }
        r->conns_given |= numbers[i].to == &o->conns;
        return read_number(name, value, numbers[i].least, numbers[i].most,
                           numbers[i].to);
    }
    return CLI_OK;
}

static int read_valued(struct reading *r, const char *name, const char *value)
{
    bool known = false;
    int exit_code = read_counted(r, name, value, &known);

    if (known) {
        return exit_code;
    }
    if (strcmp(name, "--url") == 0) {
        r->url = value;
    } else if (strcmp(name, "--publish-url") == 0) {
        r->publish_url = value;
    } else if (strcmp(name, "--door") == 0) {
        r->door = value;
    } else if (strcmp(name, "--seconds") == 0) {
        return read_seconds(name, value, false, &r->options->run_ns);
    } else if (strcmp(name, "--warmup") == 0) {
        if ((r->mode->takes & WARMUP) == 0) {
            return wrong("--warmup means nothing in mode", r->mode->name);
        }
        return read_seconds(name, value, true, &r->options->warmup_ns);
    } else {
        return read_pids(r->options, value);
    }
    return CLI_OK;
}

/* What comes after the mode. */
static int read_all(struct reading *r, struct command_reading *words)
{
    int exit_code = CLI_OK;
    int rc = 0;

    while (exit_code == CLI_OK && (rc = command_next(words)) > 0) {
        if (words->is_word) {
            return wrong("one mode only, not also", words->value);
        }
        if (words->value == NULL) {
            r->options->json = true;
        } else {
            exit_code = read_valued(r, words->option.name, words->value);
        }
    }
    return rc < 0 ? CLI_USAGE : exit_code;
}

/* --- where to --- */

static int read_place(const char *text, struct bench_place *place,
                      const char **door)
{
    static const struct {
        const char *scheme;
        const char *as;   /* to what reads a link's URL */
        const char *door; /* the only one; NULL: a node of ours */
    } schemes[] = {
        {"http://", "http://", NULL},    {"https://", "https://", NULL},
        {"redis://", "http://", "resp"}, {"rediss://", "https://", "resp"},
        {"nats://", "http://", "nats"},
    };
    char http[LINK_HOST_MAX + 64];

    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t len = strlen(schemes[i].scheme);
        if (strncmp(text, schemes[i].scheme, len) == 0 &&
            strlen(text) < LINK_HOST_MAX) {
            (void)snprintf(http, sizeof http, "%s%s", schemes[i].as,
                           text + len);
            *door = schemes[i].door;
            *place = (struct bench_place){.text = text,
                                          .ours = schemes[i].door == NULL};
            if (link_url_read(http, &place->url) == 0) {
                return CLI_OK;
            }
        }
    }
    return wrong("expected http[s]://HOST:PORT, redis[s]://... or nats://..., "
                 "not",
                 text);
}

static int choose_door(struct reading *r, const char *only,
                       const char *publish_only)
{
    struct bench_options *o = r->options;
    const char *name = r->door != NULL ? r->door
                       : only != NULL  ? only
                                       : publish_only;

    if (name == NULL) {
        name = "resp";
    }
    o->door = bench_door_find(name);
    if (o->door == NULL) {
        return wrong("no such door:", name);
    }
    if (only != NULL && strcmp(only, name) != 0) {
        return wrong("that door is not to be had at", o->at.text);
    }
    if (publish_only != NULL && strcmp(publish_only, name) != 0) {
        return wrong("that door is not to be had at", o->publish_at.text);
    }
    return CLI_OK;
}

static int find_places(struct reading *r)
{
    struct bench_options *o = r->options;
    const char *only = NULL;
    const char *publish_only = NULL;

    if (r->url == NULL) {
        r->url = getenv("STARLING_URL");
    }
    if (r->url == NULL) {
        r->url = "http://127.0.0.1:7400";
    }
    if (r->publish_url != NULL && (r->mode->takes & PUBLISH) == 0) {
        return wrong("--publish-url means nothing in mode", r->mode->name);
    }
    if (r->publish_url == NULL && o->mode == BENCH_CLUSTER) {
        fputs("starling bench: cluster needs --publish-url URL, another node "
              "than --url\n",
              stderr);
        return CLI_USAGE;
    }
    int exit_code = read_place(r->url, &o->at, &only);
    if (exit_code == CLI_OK) {
        exit_code = read_place(r->publish_url != NULL ? r->publish_url : r->url,
                               &o->publish_at, &publish_only);
    }
    return exit_code == CLI_OK ? choose_door(r, only, publish_only) : exit_code;
}

/* --- what fits together --- */

static int settle(struct reading *r)
{
    struct bench_options *o = r->options;

    if (o->mode == BENCH_TOPICS && o->door->topic_a_conn && !r->conns_given) {
        o->conns = o->topics;
    }
    if (o->mode == BENCH_TOPICS &&
        (o->door->topic_a_conn ? o->conns != o->topics
                               : o->conns > o->topics)) {
        fprintf(stderr,
                "starling bench: %u topics cannot be spread over %u "
                "connections of %s\n",
                o->topics, o->conns, o->door->name);
        return CLI_USAGE;
    }
    if (o->mode == BENCH_CHURN && o->door->unsubscribe == NULL) {
        return wrong("churn needs a door that subscribes within a connection, "
                     "not",
                     o->door->name);
    }
    if (o->mode == BENCH_PAIRS) {
        o->subs = o->pubs;
    }
    if (o->mode == BENCH_CLUSTER && o->pubs > 1 && o->subs == 1) {
        o->subs = o->pubs;
    }
    if (o->mode == BENCH_CLUSTER && o->pubs > 1 && o->subs != o->pubs) {
        return wrong("several publishers are pairs: --subs is --pubs, not also "
                     "a number of its own in mode",
                     "cluster");
    }
    return CLI_OK;
}

static const char *mode_name(size_t i)
{
    return i < ARRAY_LEN(modes) ? modes[i].name : NULL;
}

static const struct mode *find_mode(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        if (strcmp(modes[i].name, name) == 0) {
            return &modes[i];
        }
    }
    const char *meant = nearest(name, mode_name);
    fprintf(stderr, "starling bench: unknown mode '%s'%s%s%s\n", name,
            meant != NULL ? " (did you mean '" : "", meant != NULL ? meant : "",
            meant != NULL ? "'?)" : "");
    return NULL;
}

static void begin(struct bench_options *options, const struct mode *mode)
{
    options->mode = mode->mode;
    options->mode_name = mode->name;
    options->pubs = mode->pubs;
    options->subs = mode->subs;
    options->topics = mode->topics;
    options->conns = mode->conns;
    options->rate = mode->rate;
    options->run_ns = UINT64_C(3000) * NS_PER_MS;
    options->warmup_ns = UINT64_C(300) * NS_PER_MS;
    options->size = (mode->takes & ITEMS) != 0 ? 64 : 0;
}

int bench_options_read(struct bench_options *options,
                       const struct command *command, int argc, char **argv)
{
    struct reading r = {.options = options};
    struct command_reading words = {
        .command = command, .argc = argc, .argv = argv, .at = 1};

    *options = (struct bench_options){.token = getenv("STARLING_TOKEN")};
    if (options->token != NULL && options->token[0] == '\0') {
        options->token = NULL;
    }
    if (argc == 0) {
        return wrong("a mode is needed, one of", bench_modes);
    }
    r.mode = find_mode(argv[0]);
    if (r.mode == NULL) {
        return CLI_USAGE;
    }
    begin(options, r.mode);
    int exit_code = read_all(&r, &words);
    if (exit_code == CLI_OK) {
        exit_code = find_places(&r);
    }
    return exit_code == CLI_OK ? settle(&r) : exit_code;
}

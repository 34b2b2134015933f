/* SPDX-License-Identifier: Apache-2.0 */
#include "node/bench/options.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/bench/code.h"
#include "node/cli/cli.h"
#include "node/nearest.h"

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
    const char *what;
} modes[] = {
    {"fanout", BENCH_FANOUT, SUBS | RATE | FLOW | PUBLISH, 1, 100, 0, 0, 0,
     "1 topic, 1 publisher, --subs subscribers (100)"},
    {"fanin", BENCH_FANIN, PUBS | RATE | FLOW | PUBLISH, 100, 1, 0, 0, 0,
     "1 topic, --pubs publishers (100), 1 subscriber"},
    {"pairs", BENCH_PAIRS, PUBS | RATE | FLOW | PUBLISH, 100, 0, 0, 0, 0,
     "--pubs pairs (100) of a publisher and a subscriber, a topic each"},
    {"topics", BENCH_TOPICS, TOPICS | CONNS | RATE | FLOW | PUBLISH, 1, 0,
     10000, 100, 0,
     "--topics (10000) over --conns subscribers (100), 1 publisher in turn"},
    {"connections", BENCH_CONNECTIONS, CONNS, 0, 0, 0, 10000, 0,
     "--conns (10000) idle connections with a subscription each"},
    {"latency", BENCH_LATENCY, SUBS | RATE | FLOW | PUBLISH, 1, 1, 0, 0, 10000,
     "fanout at --rate items a second (10000) to --subs subscribers (1)"},
    {"cluster", BENCH_CLUSTER, PUBS | SUBS | RATE | FLOW | PUBLISH, 1, 1, 0, 0,
     0,
     "publishers at --publish-url, subscribers at --url: fanout, or pairs "
     "with --pubs"},
    {"churn", BENCH_CHURN, CONNS | TOPICS | RATE | WARMUP | PUBLISH, 1, 0, 0,
     64, 0,
     "subscribe and, once acknowledged, publish there, on --conns (64); with "
     "--topics all of them at once"},
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

static int help(FILE *to)
{
    fputs("starling bench MODE [OPTION...]: how fast is it here?\n\n", to);
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        fprintf(to, "  %-12s %s\n", modes[i].name, modes[i].what);
    }
    fputs("\n"
          "  --url URL          http[s]://HOST:PORT, redis[s]://... or "
          "nats://...\n"
          "                     (STARLING_URL, else http://127.0.0.1:7400)\n"
          "  --publish-url URL  where publishers connect, if elsewhere\n"
          "  --door DOOR        which protocol is spoken (resp):",
          to);
    for (size_t i = 0; bench_door_name(i) != NULL; i++) {
        fprintf(to, " %s", bench_door_name(i));
    }
    fputs(
        "\n"
        "  --pubs N, --subs N, --topics N, --conns N\n"
        "                     how many, as above\n"
        "  --size BYTES       of a value, at least 16 (64)\n"
        "  --window N         items of a publisher on their way (512; 128 to "
        "a\n"
        "                     thousand subscribers; 64 with many publishers)\n"
        "  --rate N           items a second of all publishers, on schedule\n"
        "                     (open loop); without it as fast as they arrive\n"
        "  --seconds S        how long is measured (3)\n"
        "  --warmup S         how long is not, before it (0.3)\n"
        "  --pid P[,P...]     processes whose CPU and memory are measured\n"
        "  --json             one line of JSON\n\n"
        "The token is STARLING_TOKEN; of https:// and rediss:// STARLING_CA or "
        "the\nsystem says whom to trust. Exit code 1 when anything was lost, "
        "came\n"
        "twice or out of order.\n",
        to);
    return to == stdout ? CLI_OK : CLI_USAGE;
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

static bool is_valued(const char *name)
{
    static const char *const names[] = {
        "--pubs", "--subs",        "--topics", "--conns",   "--rate",
        "--size", "--window",      "--url",    "--seconds", "--warmup",
        "--door", "--publish-url", "--pid"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static int read_all(struct reading *r, int argc, char **argv)
{
    int exit_code = CLI_OK;

    for (int i = 0; i < argc && exit_code == CLI_OK; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            r->options->json = true;
        } else if (!is_valued(argv[i])) {
            return wrong(argv[i][0] == '-' ? "unknown option"
                                           : "one mode only, not also",
                         argv[i]);
        } else if (i + 1 == argc) {
            return wrong("a value is missing after", argv[i]);
        } else {
            exit_code = read_valued(r, argv[i], argv[i + 1]);
            i++;
        }
    }
    return exit_code;
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

int bench_options_read(struct bench_options *options, int argc, char **argv)
{
    struct reading r = {.options = options};

    *options = (struct bench_options){.token = getenv("STARLING_TOKEN")};
    if (options->token != NULL && options->token[0] == '\0') {
        options->token = NULL;
    }
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            options->help = true;
            return help(stdout);
        }
    }
    if (argc == 0) {
        return help(stderr);
    }
    r.mode = find_mode(argv[0]);
    if (r.mode == NULL) {
        return CLI_USAGE;
    }
    options->mode = r.mode->mode;
    options->mode_name = r.mode->name;
    options->pubs = r.mode->pubs;
    options->subs = r.mode->subs;
    options->topics = r.mode->topics;
    options->conns = r.mode->conns;
    options->rate = r.mode->rate;
    options->run_ns = UINT64_C(3000) * NS_PER_MS;
    options->warmup_ns = UINT64_C(300) * NS_PER_MS;
    options->size = (r.mode->takes & ITEMS) != 0 ? 64 : 0;
    int exit_code = read_all(&r, argc - 1, argv + 1);
    if (exit_code == CLI_OK) {
        exit_code = find_places(&r);
    }
    return exit_code == CLI_OK ? settle(&r) : exit_code;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/args.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/cli/cli.h"
#include "node/cli/fetch.h"
#include "proto/err.h"

int args_fail(const char *command, const char *context, int err)
{
    return args_fail_saying(command, context, err, NULL);
}

int args_fail_saying(const char *command, const char *context, int err,
                     const char *words)
{
    bool has_words = words != NULL && words[0] != '\0';

    fprintf(stderr, "starling %s: %s: %s (code %u)%s%s\n", command, context,
            has_words ? words : err_text(err), err_code(err),
            link_why()[0] != '\0' ? ": TLS: " : "", link_why());
    if (err == ERR_IO || err == ERR_TIMEOUT) {
        return CLI_UNREACHABLE;
    }
    if (err == ERR_UNAUTH || err == ERR_DENIED || err == ERR_EXPIRED ||
        err == ERR_REVOKED) {
        return CLI_NOT_PERMITTED;
    }
    return CLI_REFUSED;
}

int args_refused(const char *command, const struct args *args, int status,
                 const json_t *answer)
{
    const char *authority = args->url.authority;
    const char *words = json_string_value(json_object_get(answer, "message"));

    if (status < 0 || words == NULL) {
        return args_fail(command, authority, status < 0 ? status : ERR_SYNTAX);
    }
    fprintf(stderr, "starling %s: %s: %s\n", command, authority, words);
    return status == 401 || status == 403 ? CLI_NOT_PERMITTED : CLI_REFUSED;
}

/* --- regions --- */

/* The endpoint of the region called `name`, or of the nearest; borrowed from
 * `regions`. NULL when there is none. */
static const char *choose_endpoint(const json_t *regions, const char *name)
{
    bool nearest = strcmp(name, "nearest") == 0;
    const char *best = NULL;
    uint64_t best_ms = UINT64_MAX;
    size_t i;
    json_t *region;

    json_array_foreach(json_object_get(regions, "regions"), i, region)
    {
        const char *own = json_string_value(json_object_get(region, "name"));
        json_t *endpoints = json_object_get(region, "endpoints");
        if (own == NULL || (!nearest && strcmp(own, name) != 0)) {
            continue;
        }
        for (size_t e = 0; e < json_array_size(endpoints); e++) {
            const char *url = json_string_value(json_array_get(endpoints, e));
            uint64_t ms = url == NULL ? UINT64_MAX : fetch_round_trip_ms(url);
            if (ms < best_ms) {
                best_ms = ms;
                best = url;
            }
        }
    }
    return best;
}

static int use_region(struct args *args, const char *command, const char *name)
{
    struct buf body = {0};
    int status = fetch(&args->url, "GET", "/v1/regions", args->token,
                       (struct bytes){0}, &body);
    int exit_code = CLI_OK;

    if (status != 200) {
        buf_fini(&body);
        return args_fail(command, args->url.authority,
                         status < 0      ? status
                         : status == 401 ? ERR_UNAUTH
                                         : ERR_DENIED);
    }
    json_t *regions = json_loadb((char *)body.p, body.len, 0, NULL);
    const char *endpoint = choose_endpoint(regions, name);
    if (endpoint == NULL || link_url_read(endpoint, &args->url) != 0) {
        fprintf(stderr, "starling %s: no endpoint of region '%s' answers\n",
                command, name);
        exit_code = CLI_UNREACHABLE;
    }
    json_decref(regions);
    buf_fini(&body);
    return exit_code;
}

/* --- options --- */

struct reading {
    struct args *args;
    const char *command;
    unsigned takes;
    const char *url;
    const char *region;
    const char *ca;
};

static int wrong(const struct reading *r, const char *text, const char *what)
{
    fprintf(stderr, "starling %s: %s '%s'\n", r->command, text, what);
    return CLI_USAGE;
}

/* Options with a value. Returns whether `name` is one. */
static bool read_valued(struct reading *r, const char *name, const char *value,
                        int *exit_code)
{
    const struct {
        const char *name;
        unsigned takes;
        uint64_t *to;
    } numbers[] = {{"--count", ARGS_COUNT, &r->args->count},
                   {"--rate", ARGS_RATE, &r->args->rate},
                   {"--seconds", ARGS_SECONDS, &r->args->seconds},
                   {"--topics", ARGS_TOPICS, &r->args->topics},
                   {"--at-once", ARGS_JOBS, &r->args->at_once},
                   {"--queue", ARGS_JOBS, &r->args->queue},
                   {"--timeout", ARGS_JOBS, &r->args->timeout}};
    const struct {
        const char *name;
        unsigned takes;
        const char **to;
    } texts[] = {{"--url", 0, &r->url},
                 {"--region", 0, &r->region},
                 {"--ca", 0, &r->ca},
                 {"--keys", ARGS_KEYS, &r->args->keys},
                 {"--key-file", ARGS_KEYS, &r->args->key_file},
                 {"--exec", ARGS_JOBS, &r->args->exec},
                 {"--post", ARGS_JOBS, &r->args->post},
                 {"--secret-file", ARGS_JOBS, &r->args->secret_file}};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (strcmp(name, texts[i].name) == 0 &&
            (texts[i].takes == 0 || (r->takes & texts[i].takes) != 0)) {
            *texts[i].to = value;
            return true;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        uint64_t *to = numbers[i].to;
        if (strcmp(name, numbers[i].name) == 0 &&
            (r->takes & numbers[i].takes) != 0) {
            if (value != NULL && (bytes_u64(bytes_str(value), to) != 0 ||
                                  *to == 0 || *to > UINT32_MAX)) {
                *exit_code = wrong(r, "not a number:", value);
            }
            return true;
        }
    }
    return false;
}

static bool read_switch(struct reading *r, const char *name)
{
    if (strcmp(name, "--json") == 0 && (r->takes & ARGS_JSON) != 0) {
        r->args->json = true;
        return true;
    }
    if (strcmp(name, "--force") == 0 && (r->takes & ARGS_FORCE) != 0) {
        r->args->force = true;
        return true;
    }
    if (strcmp(name, "--barrier=all") == 0 && (r->takes & ARGS_BARRIER) != 0) {
        r->args->barrier_all = true;
        return true;
    }
    return false;
}

static int read_word(struct reading *r, const char *word)
{
    if (r->args->words_len == ARGS_WORDS_MAX) {
        return wrong(r, "too many arguments:", word);
    }
    r->args->words[r->args->words_len++] = word;
    return CLI_OK;
}

static int read_all(struct reading *r, int argc, char **argv)
{
    bool only_words = false;
    int exit_code = CLI_OK;

    for (int i = 0; i < argc && exit_code == CLI_OK; i++) {
        const char *arg = argv[i];
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (only_words || arg[0] != '-' || arg[1] == '\0') {
            exit_code = read_word(r, arg);
        } else if (strcmp(arg, "--") == 0) {
            only_words = true;
        } else if (read_switch(r, arg)) {
            continue;
        } else if (read_valued(r, arg, value, &exit_code)) {
            if (value == NULL) {
                return wrong(r, "a value is missing after", arg);
            }
            i++;
        } else {
            exit_code = wrong(r, "unknown option", arg);
        }
    }
    return exit_code;
}

int args_read(struct args *args, const char *command, unsigned takes, int argc,
              char **argv)
{
    struct reading r = {.args = args, .command = command, .takes = takes};

    *args = (struct args){.token = getenv("STARLING_TOKEN")};
    if (args->token != NULL && args->token[0] == '\0') {
        args->token = NULL;
    }
    int exit_code = read_all(&r, argc, argv);
    if (exit_code != CLI_OK) {
        return exit_code;
    }
    if (r.ca != NULL && setenv("STARLING_CA", r.ca, 1) != 0) {
        return args_fail(command, r.ca, ERR_NOMEM);
    }
    if (r.url == NULL) {
        r.url = getenv("STARLING_URL");
    }
    if (r.url == NULL) {
        r.url = "http://127.0.0.1:7400";
    }
    if (link_url_read(r.url, &args->url) != 0) {
        return wrong(&r, "expected http[s]://HOST:PORT, not", r.url);
    }
    return r.region == NULL ? CLI_OK : use_region(args, command, r.region);
}

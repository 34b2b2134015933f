/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/args.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/cli/cli.h"
#include "node/cli/fetch.h"
#include "node/cli/help.h"
#include "proto/err.h"

const struct command_option args_where[] = {
    ARGS_TEXT("--url", "URL", url_text,
              "a node (STARLING_URL, else http://127.0.0.1:7400)"),
    ARGS_TEXT("--region", "NAME|nearest", region,
              "an endpoint of that region, as the node lists them"),
    ARGS_FILE("--ca", ca,
              "whom https:// trusts (STARLING_CA, else the system's)"),
    {0},
};

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
    uint64_t best_us = UINT64_MAX;
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
            uint64_t us = url == NULL ? UINT64_MAX : fetch_round_trip_us(url);
            if (us < best_us) {
                best_us = us;
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

static void put(struct args *args, const struct command_reading *r)
{
    char *at = (char *)args + r->option.at;

    if (r->option.value == NULL) {
        *(bool *)at = true;
    } else if (r->option.kind == COMMAND_NUMBER) {
        (void)bytes_u64(bytes_str(r->value), (uint64_t *)(void *)at);
    } else {
        *(const char **)(void *)at = r->value;
    }
}

static int read_all(struct args *args, const struct command *command, int argc,
                    char **argv)
{
    struct command_reading r = {.command = command, .argc = argc, .argv = argv};
    int rc;

    while ((rc = command_next(&r)) > 0) {
        if (!r.is_word) {
            put(args, &r);
        } else if (args->words_len == ARGS_WORDS_MAX) {
            return args_usage(command);
        } else {
            args->words[args->words_len++] = r.value;
        }
    }
    if (rc < 0) {
        return CLI_USAGE;
    }
    return args->words_len < command->words_min ||
                   args->words_len > command->words_max
               ? args_usage(command)
               : CLI_OK;
}

static int find_node(struct args *args, const char *command)
{
    if (args->ca != NULL && setenv("STARLING_CA", args->ca, 1) != 0) {
        return args_fail(command, args->ca, ERR_NOMEM);
    }
    const char *url = args->url_text != NULL ? args->url_text
                                             : getenv("STARLING_URL");
    if (url == NULL) {
        url = "http://127.0.0.1:7400";
    }
    if (link_url_read(url, &args->url) != 0) {
        fprintf(stderr, "starling %s: expected http[s]://HOST:PORT, not '%s'\n",
                command, url);
        return CLI_USAGE;
    }
    return args->region == NULL ? CLI_OK
                                : use_region(args, command, args->region);
}

int args_read(struct args *args, const struct command *command, int argc,
              char **argv)
{
    *args = (struct args){.token = getenv("STARLING_TOKEN")};
    if (args->token != NULL && args->token[0] == '\0') {
        args->token = NULL;
    }
    int exit_code = read_all(args, command, argc, argv);
    return exit_code == CLI_OK && command->where != NULL
               ? find_node(args, command->name)
               : exit_code;
}

int args_usage(const struct command *command)
{
    help_usage(command, stderr);
    return CLI_USAGE;
}

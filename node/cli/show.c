/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/show.h"

#include <stdio.h>
#include <time.h>

#include "node/cli/args.h"
#include "node/cli/cli.h"
#include "node/cli/fetch.h"
#include "proto/err.h"

const struct command_option show_options[] = {ARGS_JSON, {0}};

int show_fetch(const char *command, const struct args *args, const char *method,
               const char *path, json_t **root)
{
    struct buf body = {0};
    int status = fetch(&args->url, method, path, args->token, (struct bytes){0},
                       &body);
    int exit_code = CLI_OK;

    *root = json_loadb((char *)body.p, body.len, 0, NULL);
    buf_fini(&body);
    if (status != 204 && (status != 200 || *root == NULL)) {
        exit_code = args_refused(command, args, status, *root);
    }
    if (exit_code != CLI_OK) {
        json_decref(*root);
        *root = NULL;
    }
    return exit_code;
}

int show(const struct command *command, const char *path,
         void (*print)(const json_t *root), int argc, char **argv)
{
    struct args args;
    json_t *root;
    int exit_code = args_read(&args, command, argc, argv);

    if (exit_code == CLI_OK) {
        exit_code = show_fetch(command->name, &args, "GET", path, &root);
    }
    if (exit_code != CLI_OK) {
        return exit_code;
    }
    if (args.json) {
        json_dumpf(root, stdout, JSON_COMPACT);
        puts("");
    } else {
        print(root);
    }
    json_decref(root);
    return CLI_OK;
}

const char *show_text(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));
    return s != NULL ? s : "";
}

long long show_number(const json_t *o, const char *name)
{
    return json_integer_value(json_object_get(o, name));
}

const char *show_time(const json_t *o, const char *name,
                      char out[SHOW_TIME_LEN])
{
    long long ms = show_number(o, name);
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    size_t len = 0;

    if (gmtime_r(&s, &tm) != NULL) {
        len = strftime(out, SHOW_TIME_LEN, "%Y-%m-%dT%H:%M:%S", &tm);
    }
    (void)snprintf(out + len, SHOW_TIME_LEN - len, ".%03uZ",
                   (unsigned)(ms % 1000));
    return out;
}

bool show_truth(const json_t *o, const char *name)
{
    return json_is_true(json_object_get(o, name));
}

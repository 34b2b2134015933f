/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/show.h"

#include <stdio.h>

#include "node/cli/args.h"
#include "node/cli/cli.h"
#include "node/cli/fetch.h"
#include "proto/err.h"

const struct command_option show_options[] = {ARGS_JSON, {0}};

/* Fetches a JSON document; *root is the caller's. 0 or an exit code. */
static int fetch_json(const char *command, const struct args *args,
                      const char *path, json_t **root)
{
    struct buf body = {0};
    int status = fetch(&args->url, "GET", path, args->token, (struct bytes){0},
                       &body);
    int exit_code = CLI_OK;

    *root = json_loadb((char *)body.p, body.len, 0, NULL);
    buf_fini(&body);
    if (status != 200 || *root == NULL) {
        exit_code = args_refused(command, args, status, *root);
    }
    if (exit_code != CLI_OK) {
        json_decref(*root);
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
        exit_code = fetch_json(command->name, &args, path, &root);
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

bool show_truth(const json_t *o, const char *name)
{
    return json_is_true(json_object_get(o, name));
}

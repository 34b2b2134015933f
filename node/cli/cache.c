/* SPDX-License-Identifier: Apache-2.0
 *
 * starling cache create|delete|list: the caches of a cluster.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "node/cli/args.h"
#include "node/cli/cli.h"
#include "node/cli/fetch.h"
#include "node/cli/show.h"
#include "node/client/quota.h"
#include "proto/err.h"
#include "proto/topic.h"

/* --- asking a node --- */

/* *root is the caller's. 0 or an exit code. */
static int ask(const char *command, const struct args *args, const char *method,
               const char *cache, struct bytes content, json_t **root)
{
    char path[sizeof "/v1/caches/" + CACHE_LEN_MAX] = "/v1/caches";
    struct buf body = {0};

    if (cache != NULL) {
        (void)snprintf(path, sizeof path, "/v1/caches/%s", cache);
    }
    int status = fetch(&args->url, method, path, args->token, content, &body);
    *root = json_loadb((char *)body.p, body.len, 0, NULL);
    buf_fini(&body);
    if (status >= 200 && status < 300) {
        return CLI_OK;
    }
    int exit_code = args_refused(command, args, status, *root);
    json_decref(*root);
    *root = NULL;
    return exit_code;
}

/* --- list --- */

static int print_list(const struct args *args, const json_t *root)
{
    size_t i;
    json_t *cache;

    if (args->json) {
        json_dumpf(root, stdout, JSON_COMPACT);
        puts("");
        return CLI_OK;
    }
    json_array_foreach(json_object_get(root, "caches"), i, cache)
    {
        const json_t *quota = json_object_get(cache, "quota");
        const char *name = json_string_value(json_object_get(cache, "name"));
        printf("%s", name != NULL ? name : "?");
        for (size_t q = 0; quota_name(q) != NULL; q++) {
            json_int_t bound = json_integer_value(
                json_object_get(quota, quota_name(q)));
            if (bound > 0) {
                printf(" %s=%lld", quota_name(q), (long long)bound);
            }
        }
        puts("");
    }
    if (json_is_true(json_object_get(root, "auto_create_caches"))) {
        fputs("any other cache may be used, too (auto_create_caches)\n",
              stderr);
    }
    return CLI_OK;
}

static int run_list(int argc, char **argv)
{
    struct args args;
    json_t *root;
    int exit_code = args_read(&args, &command_cache_list, argc, argv);

    if (exit_code == CLI_OK) {
        exit_code = ask(command_cache_list.name, &args, "GET", NULL,
                        (struct bytes){0}, &root);
    }
    if (exit_code == CLI_OK) {
        exit_code = print_list(&args, root);
        json_decref(root);
    }
    return exit_code;
}

const struct command command_cache_list = {
    .name = "cache list",
    .run = run_list,
    .what = "the caches, and what bounds them",
    .options = show_options,
    .where = args_where,
    .group = COMMAND_CHANGES,
};

/* --- create and delete --- */

/* NAME=NUMBER each; empty without any. false: one is not. */
static bool add_quota(const struct args *args, struct buf *content)
{
    for (size_t i = 1; i < args->words_len; i++) {
        const char *word = args->words[i];
        size_t len = strcspn(word, "=");
        uint64_t bound;
        if (word[len] != '=' ||
            bytes_u64(bytes_str(word + len + 1), &bound) != 0) {
            return false;
        }
        buf_add_str(content, i == 1 ? "{\"" : ",\"");
        buf_add(content, word, len);
        buf_add_str(content, "\":");
        buf_add_u64(content, bound);
    }
    buf_add_str(content, args->words_len > 1 ? "}" : "");
    return !content->failed;
}

/* Changes the cache that the first word names. */
static int change(const struct command *command, const struct args *args,
                  const char *method, struct bytes content)
{
    json_t *root = NULL;

    if (!topic_cache_is_valid(bytes_str(args->words[0]))) {
        return args_fail(command->name, args->words[0], ERR_NAME);
    }
    int exit_code = ask(command->name, args, method, args->words[0], content,
                        &root);
    json_decref(root);
    return exit_code;
}

static int run_create(int argc, char **argv)
{
    struct buf content = {0};
    struct args args;
    int exit_code = args_read(&args, &command_cache_create, argc, argv);

    if (exit_code == CLI_OK && !add_quota(&args, &content)) {
        exit_code = args_usage(&command_cache_create);
    }
    if (exit_code == CLI_OK) {
        exit_code = change(&command_cache_create, &args, "PUT",
                           buf_bytes(&content));
    }
    buf_fini(&content);
    return exit_code;
}

static int run_delete(int argc, char **argv)
{
    struct args args;
    int exit_code = args_read(&args, &command_cache_delete, argc, argv);

    return exit_code == CLI_OK ? change(&command_cache_delete, &args, "DELETE",
                                        (struct bytes){0})
                               : exit_code;
}

const struct command command_cache_create = {
    .name = "cache create",
    .run = run_create,
    .words = "CACHE [publish_rate=N] [item_len=N] [subs=N]",
    .what = "create a cache, or change what bounds it",
    .where = args_where,
    .group = COMMAND_CHANGES,
    .words_min = 1,
    .words_max = ARGS_WORDS_MAX,
};

const struct command command_cache_delete = {
    .name = "cache delete",
    .run = run_delete,
    .words = "CACHE",
    .what = "delete a cache; its subscribers are told",
    .where = args_where,
    .group = COMMAND_CHANGES,
    .words_min = 1,
    .words_max = 1,
};

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
#include "node/quota.h"
#include "proto/err.h"
#include "proto/topic.h"

static const char command[] = "cache";

static int usage(void)
{
    fputs("usage: starling cache create CACHE [publish_rate=N] [item_len=N] "
          "[subs=N]\n"
          "       starling cache delete CACHE\n"
          "       starling cache list [--json]\n",
          stderr);
    return CLI_USAGE;
}

/* --- asking a node --- */

/* *root is the caller's. 0 or an exit code. */
static int ask(const struct args *args, const char *method, const char *cache,
               struct bytes content, json_t **root)
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

/* --- the three --- */

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

static int list(const struct args *args)
{
    json_t *root;
    int exit_code = ask(args, "GET", NULL, (struct bytes){0}, &root);

    if (exit_code == CLI_OK) {
        exit_code = print_list(args, root);
        json_decref(root);
    }
    return exit_code;
}

/* NAME=NUMBER each; empty without any. false: one is not. */
static bool add_quota(const struct args *args, struct buf *content)
{
    for (size_t i = 2; i < args->words_len; i++) {
        const char *word = args->words[i];
        size_t len = strcspn(word, "=");
        uint64_t bound;
        if (word[len] != '=' ||
            bytes_u64(bytes_str(word + len + 1), &bound) != 0) {
            return false;
        }
        buf_add_str(content, i == 2 ? "{\"" : ",\"");
        buf_add(content, word, len);
        buf_add_str(content, "\":");
        buf_add_u64(content, bound);
    }
    buf_add_str(content, args->words_len > 2 ? "}" : "");
    return !content->failed;
}

static int create(const struct args *args)
{
    struct buf content = {0};
    json_t *root = NULL;
    int exit_code = CLI_USAGE;

    if (add_quota(args, &content)) {
        exit_code = ask(args, "PUT", args->words[1], buf_bytes(&content),
                        &root);
    } else {
        (void)usage();
    }
    json_decref(root);
    buf_fini(&content);
    return exit_code;
}

static int delete_(const struct args *args)
{
    json_t *root = NULL;
    int exit_code = ask(args, "DELETE", args->words[1], (struct bytes){0},
                        &root);

    json_decref(root);
    return exit_code;
}

int cli_cache(int argc, char **argv)
{
    struct args args;
    int exit_code = args_read(&args, command, ARGS_JSON, argc, argv);

    if (exit_code != CLI_OK) {
        return exit_code;
    }
    const char *what = args.words_len > 0 ? args.words[0] : "";
    if (strcmp(what, "list") == 0 && args.words_len == 1) {
        return list(&args);
    }
    if (args.words_len < 2) {
        return usage();
    }
    if (!topic_cache_is_valid(bytes_str(args.words[1]))) {
        return args_fail(command, args.words[1], ERR_NAME);
    }
    if (strcmp(what, "create") == 0) {
        return create(&args);
    }
    if (strcmp(what, "delete") == 0 && args.words_len == 2) {
        return delete_(&args);
    }
    return usage();
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * starling trace CACHE TOPIC [VALUE|-]: publishes a value and shows what became
 * of it on every node.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "node/cli/args.h"
#include "node/cli/cli.h"
#include "node/cli/fetch.h"
#include "node/cli/show.h"
#include "node/cli/trace_tree.h"
#include "proto/err.h"
#include "proto/topic.h"

enum {
    VALUE_MAX = 16 << 20,
    READ_LEN = 64 << 10,
};

static int run(int argc, char **argv);

const struct command command_trace = {
    .name = "trace",
    .run = run,
    .words = "CACHE TOPIC [VALUE|-]",
    .what = "publish a value and show what becomes of it on every node",
    .options = show_options,
    .where = args_where,
    .more =
        "With - the value is the whole standard input; without one it is "
        "empty.\nSubscribers get it as any other item. The token needs the "
        "scope admin:trace\nand the grant to publish there. Exit code 1 when "
        "something was dropped, or\na node does not say what became of it.",
    .group = COMMAND_LOOKS,
    .words_min = 2,
    .words_max = 3,
};

static int read_input(struct buf *value)
{
    ssize_t n;

    do {
        uint8_t *room = buf_reserve(value, READ_LEN);
        if (room == NULL || value->len > VALUE_MAX) {
            return room == NULL ? ERR_NOMEM : ERR_TOO_BIG;
        }
        n = read(STDIN_FILENO, room, READ_LEN);
        value->len += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    return n < 0 ? ERR_IO : 0;
}

static int read_value(const struct args *args, struct buf *value)
{
    const char *word = args->words_len > 2 ? args->words[2] : "";

    if (strcmp(word, "-") == 0) {
        return read_input(value);
    }
    buf_add_str(value, word);
    return value->failed ? ERR_NOMEM : 0;
}

/* A topic may have any characters but control ones; all but the plain ones are
 * percent-encoded. */
static void add_encoded(struct buf *out, struct bytes text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"
                                "qrstuvwxyz0123456789-._~/";

    for (size_t i = 0; i < text.len; i++) {
        if (memchr(plain, text.p[i], sizeof plain - 1) != NULL) {
            buf_add_u8(out, text.p[i]);
        } else {
            buf_add_u8(out, '%');
            buf_add_hex(out, &text.p[i], 1);
        }
    }
}

static int print(const struct args *args, const json_t *root)
{
    struct buf out = {0};

    if (args->json) {
        json_dumpf(root, stdout, JSON_COMPACT);
        puts("");
    } else {
        trace_tree(root, &out);
        if (!out.failed) {
            (void)fwrite(out.p, 1, out.len, stdout);
        }
        buf_fini(&out);
    }
    return trace_is_whole(root) ? CLI_OK : CLI_REFUSED;
}

static int ask(const struct args *args, struct bytes value)
{
    struct buf path = {0};
    struct buf body = {0};
    int status = ERR_NOMEM;
    int exit_code;

    buf_add_str(&path, "/v1/admin/trace/");
    add_encoded(&path, bytes_str(args->words[0]));
    buf_add_u8(&path, '/');
    add_encoded(&path, bytes_str(args->words[1]));
    buf_add_u8(&path, '\0');
    if (!path.failed) {
        status = fetch(&args->url, "POST", (const char *)path.p, args->token,
                       value, &body);
    }
    json_t *root = json_loadb((char *)body.p, body.len, 0, NULL);
    if (status == 200 && root != NULL) {
        exit_code = print(args, root);
    } else {
        exit_code = args_refused(command_trace.name, args, status, root);
    }
    json_decref(root);
    buf_fini(&path);
    buf_fini(&body);
    return exit_code;
}

static int run(int argc, char **argv)
{
    struct args args;
    struct buf value = {0};
    int exit_code = args_read(&args, &command_trace, argc, argv);

    if (exit_code != CLI_OK) {
        return exit_code;
    }
    for (size_t i = 0; i < 2; i++) {
        struct bytes word = bytes_str(args.words[i]);
        if (i == 0 ? !topic_cache_is_valid(word) : !topic_is_valid(word)) {
            return args_fail(command_trace.name, args.words[i], ERR_NAME);
        }
    }
    int rc = read_value(&args, &value);
    exit_code = rc != 0 ? args_fail(command_trace.name, "value", rc)
                        : ask(&args, buf_bytes(&value));
    buf_fini(&value);
    return exit_code;
}

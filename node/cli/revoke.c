/* SPDX-License-Identifier: Apache-2.0
 *
 * starling token revoke ID|TOKEN|-: ends a token on all nodes before it
 * expires. A token on the command line can be read by others of this machine,
 * which is no loss any more; "-" reads it from standard input.
 */
#include <jansson.h>
#include <stdio.h>

#include "node/cli/args.h"
#include "node/cli/cli.h"
#include "node/cli/fetch.h"
#include "node/cli/show.h"
#include "proto/err.h"
#include "proto/json.h"
#include "proto/topic.h"
#include "proto/v1key.h"

/* Two dots, or Momento's first form; ids have neither. */
static bool is_token(struct bytes word)
{
    struct buf inner = {0};
    size_t dots = 0;
    bool is_v1 = v1key_read(word, &inner) == 0;

    for (size_t i = 0; i < word.len; i++) {
        dots += word.p[i] == '.';
    }
    buf_fini(&inner);
    return is_v1 || dots == 2;
}

static int revoke(const struct args *args, struct bytes word)
{
    struct buf content = {0};
    struct buf body = {0};
    int exit_code = CLI_OK;

    buf_add_str(&content, is_token(word) ? "{\"token\":" : "{\"id\":");
    json_add_string(&content, word);
    buf_add_u8(&content, '}');
    int status = content.failed
                     ? ERR_NOMEM
                     : fetch(&args->url, "POST", "/v1/tokens/revoke",
                             args->token, buf_bytes(&content), &body);
    json_t *root = json_loadb((char *)body.p, body.len, 0, NULL);
    if (status != 200) {
        exit_code = args_refused(command_token_revoke.name, args, status, root);
    } else if (args->json) {
        json_dumpf(root, stdout, JSON_COMPACT);
        puts("");
    } else {
        printf("revoked on all nodes: %s\n",
               json_string_value(json_object_get(root, "id")));
    }
    json_decref(root);
    buf_fini(&body);
    buf_fini(&content);
    return exit_code;
}

static int run(int argc, char **argv)
{
    char line[V1KEY_LEN_MAX + 2];
    struct args args;
    int exit_code = args_read(&args, &command_token_revoke, argc, argv);

    if (exit_code != CLI_OK) {
        return exit_code;
    }
    const char *word = args.words[0];
    if (strcmp(word, "-") == 0) {
        if (fgets(line, sizeof line, stdin) == NULL) {
            return CLI_BAD_DATA;
        }
        line[strcspn(line, "\r\n")] = '\0';
        word = line;
    }
    if (!topic_text_is_valid(bytes_str(word))) {
        fputs("starling token revoke: this is no id and no token\n", stderr);
        return CLI_BAD_DATA;
    }
    return revoke(&args, bytes_str(word));
}

const struct command command_token_revoke = {
    .name = "token revoke",
    .run = run,
    .words = "ID|TOKEN|-",
    .what = "end a token on all nodes before it expires",
    .options = show_options,
    .where = args_where,
    .group = COMMAND_CHANGES,
    .words_min = 1,
    .words_max = 1,
};

/* SPDX-License-Identifier: Apache-2.0
 *
 * starling keys list|install|use|remove: the cluster keys of all running nodes.
 *
 * The nodes keep what they are told in memory. What holds after a restart is
 * in the key file, which --keys changes along, and which the operator copies to
 * every machine. A new secret leaves this process only into that file and into
 * an envelope that a key of the file seals (proto/keys.h).
 */
#include <stdio.h>

#include "node/cli/args.h"
#include "node/cli/cli.h"
#include "node/cli/fetch.h"
#include "node/cli/key_report.h"
#include "node/cli/show.h"
#include "node/config/keyfile_edit.h"
#include "proto/addr.h"
#include "proto/err.h"

static const char path[] = "/v1/admin/keys";

struct change {
    const struct command *command;
    struct args args;
    struct keys_wish wish;
    struct keyfile keys; /* with --keys; ring.keys_len is 0 without */
    struct seal_key key; /* to install; zero: the node has it already */
    bool has_key;
    char why[512];
};

static int say(const struct change *c, int exit_code, const char *text)
{
    fprintf(stderr, "starling %s: %s\n", c->command->name, text);
    return exit_code;
}

static struct keyfile_why why_of(struct change *c)
{
    return (struct keyfile_why){c->why, sizeof c->why};
}

/* --- asking a node --- */

/* *report is the caller's. 0 or an exit code. */
static int ask(const struct change *c, const char *method, struct bytes content,
               json_t **report)
{
    struct buf body = {0};
    int status = fetch(&c->args.url, method, path, c->args.token, content,
                       &body);
    json_t *root = json_loadb((char *)body.p, body.len, 0, NULL);
    int exit_code = CLI_OK;

    buf_fini(&body);
    if (status < 0 || json_object_get(root, "nodes") == NULL) {
        exit_code = args_refused(c->command->name, &c->args, status, root);
        json_decref(root);
        root = NULL;
    }
    *report = root;
    return exit_code;
}

static void print_json(const json_t *report)
{
    json_dumpf(report, stdout, JSON_COMPACT);
    puts("");
}

/* --- the key to install --- */

static int read_key_file(struct change *c, uint8_t secret[SEAL_KEY_LEN])
{
    int rc = keyfile_read_secret(c->args.key_file, secret, c->why,
                                 sizeof c->why);

    return rc == 0 ? CLI_OK : say(c, CLI_CONFIG, c->why);
}

/* A new one, or the one in a file of its own. */
static int make_key(struct change *c)
{
    uint8_t secret[SEAL_KEY_LEN];
    int exit_code = CLI_OK;

    if (c->args.keys == NULL) {
        return say(c, CLI_USAGE,
                   "give the key file with --keys FILE: nodes keep nothing on "
                   "disk,\nand a key that is in no file is lost with them");
    }
    if (c->args.key_file != NULL) {
        exit_code = read_key_file(c, secret);
    } else {
        keyfile_random(secret);
    }
    if (exit_code == CLI_OK && seal_key_init(&c->key, secret) != 0) {
        exit_code = say(c, CLI_CONFIG, "a key of zeros is no key");
    }
    explicit_bzero(secret, sizeof secret);
    c->has_key = exit_code == CLI_OK;
    c->wish.print = c->key.print;
    return exit_code;
}

/* One that is named: from the key file, if it is there; else a node has it. */
static void find_key(struct change *c)
{
    ptrdiff_t at = seal_ring_find(&c->keys.ring, c->wish.print);

    if (at >= 0) {
        c->key = c->keys.ring.keys[at];
        c->has_key = true;
    }
}

/* Seals the key for the node that is asked, with one that both have. */
static int wrap_key(struct change *c, const json_t *report)
{
    const char *name = json_string_value(json_object_get(report, "cluster"));
    uint64_t prints[SEAL_KEYS_MAX];
    size_t len = key_report_own(report, prints);
    struct seal_ring ring = {.keys_len = 1};
    uint8_t nonce[SEAL_KEY_LEN]; /* more than it needs */
    struct buf sealed = {0};
    ptrdiff_t at = -1;

    for (size_t i = 0; i < len && at < 0; i++) {
        at = seal_ring_find(&c->keys.ring, prints[i]);
    }
    if (at < 0 || name == NULL || strlen(name) > CLUSTER_NAME_LEN_MAX) {
        fprintf(stderr,
                "starling %s: %s has none of the keys of this cluster\n",
                c->command->name, c->args.keys);
        return CLI_CONFIG;
    }
    ring.keys[0] = c->keys.ring.keys[at];
    ring.cluster_name = bytes_str(name);
    keyfile_random(nonce);
    seal_write(&ring, SEAL_INSTALL, NULL, nonce,
               bytes_of(c->key.secret, SEAL_KEY_LEN), &sealed);
    bool failed = sealed.failed;
    if (!failed) {
        memcpy(c->wish.sealed, sealed.p, KEYS_SEALED_LEN);
        c->wish.sealed_len = KEYS_SEALED_LEN;
    }
    buf_fini(&sealed);
    explicit_bzero(&ring, sizeof ring);
    return failed ? CLI_INTERNAL : CLI_OK;
}

/* Looks first whether it can work: a key that the cluster does not take is
 * better not in the file. */
static int prepare_install(struct change *c)
{
    uint64_t prints[SEAL_KEYS_MAX];
    json_t *report;

    if (c->args.words_len == 0) {
        int exit_code = make_key(c);
        if (exit_code != CLI_OK) {
            return exit_code;
        }
    } else {
        find_key(c);
    }
    if (!c->has_key) {
        return CLI_OK;
    }
    int exit_code = ask(c, "GET", (struct bytes){0}, &report);
    if (exit_code != CLI_OK) {
        return exit_code;
    }
    if (key_report_own(report, prints) == SEAL_KEYS_MAX) {
        exit_code = say(c, CLI_REFUSED, "the cluster has 8 keys: remove one");
    } else {
        exit_code = wrap_key(c, report);
    }
    json_decref(report);
    if (exit_code == CLI_OK &&
        keyfile_add(c->args.keys, c->key.secret, why_of(c)) != 0) {
        exit_code = say(c, CLI_CANNOT_BIND, c->why);
    }
    return exit_code;
}

/* --- changing --- */

/* What a file must look like for nodes that start later. */
static int change_file(struct change *c)
{
    int rc = 0;

    if (c->wish.op == KEYS_USE) {
        rc = keyfile_put_first(c->args.keys, c->wish.print, why_of(c));
    } else if (c->wish.op == KEYS_REMOVE) {
        rc = keyfile_remove(c->args.keys, c->wish.print, why_of(c));
    }
    if (rc != 0) {
        fprintf(stderr,
                "starling %s: the nodes are changed, the key file is not: %s\n",
                c->command->name, c->why);
        return CLI_CANNOT_BIND;
    }
    return CLI_OK;
}

static void print_advice(const struct change *c)
{
    if (c->args.keys != NULL) {
        printf("%s is changed: copy it to every machine; a node that starts "
               "with an old one cannot join\n",
               c->args.keys);
    } else if (c->wish.op != KEYS_INSTALL) {
        puts("no key file was changed (--keys FILE): what a node finds in its "
             "own holds when it restarts");
    }
}

static void print_repeat(const struct change *c)
{
    if (c->wish.op == KEYS_INSTALL && c->args.keys != NULL) {
        fprintf(stderr,
                "%s has the key; repeat it with: starling keys install "
                "%016llx --keys %s\n",
                c->args.keys, (unsigned long long)c->wish.print, c->args.keys);
    }
}

static int change(struct change *c)
{
    struct buf content = {0};
    json_t *report = NULL;

    keys_wish_write(&c->wish, &content);
    int exit_code = content.failed
                        ? CLI_INTERNAL
                        : ask(c, "POST", buf_bytes(&content), &report);
    buf_fini(&content);
    if (exit_code != CLI_OK) {
        print_repeat(c);
        return exit_code;
    }
    bool done = key_report_is_done(report);
    if (c->args.json) {
        print_json(report);
    } else {
        key_report_print_change(report);
    }
    json_decref(report);
    if (!done) {
        print_repeat(c);
        return CLI_REFUSED;
    }
    if (c->args.keys != NULL) {
        exit_code = change_file(c);
    }
    if (exit_code == CLI_OK && !c->args.json) {
        print_advice(c);
    }
    return exit_code;
}

static bool is_loopback(const char *host)
{
    struct addr addr;

    return strcmp(host, "localhost") == 0 ||
           (addr_read(bytes_str(host), 1, &addr) == 0 &&
            addr_is_loopback(&addr));
}

static int prepare(struct change *c)
{
    const struct args *args = &c->args;
    bool named = args->words_len == 1;

    if (args->key_file != NULL && named) {
        return args_usage(c->command);
    }
    if (named &&
        keys_print_read(bytes_str(args->words[0]), &c->wish.print) != 0) {
        return say(c, CLI_USAGE,
                   "a fingerprint is 16 hex digits (starling keys list)");
    }
    if (args->keys != NULL &&
        keyfile_read(args->keys, &c->keys, c->why, sizeof c->why) != 0) {
        return say(c, CLI_CONFIG, c->why);
    }
    if (args->token != NULL && !args->url.tls && !is_loopback(args->url.host)) {
        fprintf(stderr,
                "starling %s: warning: the token travels to %s unencrypted; "
                "use https://, or run this on a machine of the cluster\n",
                c->command->name, args->url.host);
    }
    c->wish.force = args->force;
    return c->wish.op == KEYS_INSTALL ? prepare_install(c) : CLI_OK;
}

static int run(enum keys_op op, const struct command *command, int argc,
               char **argv)
{
    struct change c = {.command = command, .wish.op = op};
    int exit_code = args_read(&c.args, command, argc, argv);

    if (exit_code == CLI_OK) {
        exit_code = prepare(&c);
    }
    if (exit_code == CLI_OK) {
        exit_code = change(&c);
    }
    explicit_bzero(&c, sizeof c);
    return exit_code;
}

static int run_install(int argc, char **argv)
{
    return run(KEYS_INSTALL, &command_keys_install, argc, argv);
}

static int run_use(int argc, char **argv)
{
    return run(KEYS_USE, &command_keys_use, argc, argv);
}

static int run_remove(int argc, char **argv)
{
    return run(KEYS_REMOVE, &command_keys_remove, argc, argv);
}

static int run_list(int argc, char **argv)
{
    struct change c = {.command = &command_keys_list};
    json_t *report;
    int exit_code = args_read(&c.args, c.command, argc, argv);

    if (exit_code == CLI_OK) {
        exit_code = ask(&c, "GET", (struct bytes){0}, &report);
    }
    if (exit_code != CLI_OK) {
        return exit_code;
    }
    if (c.args.json) {
        print_json(report);
    } else {
        key_report_print_list(report);
    }
    exit_code = key_report_is_done(report) ? CLI_OK : CLI_REFUSED;
    json_decref(report);
    return exit_code;
}

/* --- the commands --- */

#define FORCE \
    ARGS_SWITCH("--force", force, "pass over nodes that do not answer")

static const struct command_option install_options[] = {
    ARGS_FILE("--keys", keys, "the key file: it gets the key, too"),
    ARGS_FILE("--key-file", key_file, "install the key in FILE, not a new one"),
    FORCE,
    ARGS_JSON,
    {0},
};

static const struct command_option options[] = {
    ARGS_FILE("--keys", keys, "the key file: changed along"),
    FORCE,
    ARGS_JSON,
    {0},
};

const struct command command_keys_list = {
    .name = "keys list",
    .run = run_list,
    .what = "the keys that each node has, by fingerprint",
    .options = show_options,
    .where = args_where,
    .group = COMMAND_CHANGES,
};

const struct command command_keys_install = {
    .name = "keys install",
    .run = run_install,
    .words = "[FINGERPRINT]",
    .what = "give a new key, or a known one, to all nodes",
    .options = install_options,
    .where = args_where,
    .group = COMMAND_CHANGES,
    .words_max = 1,
};

const struct command command_keys_use = {
    .name = "keys use",
    .run = run_use,
    .words = "FINGERPRINT",
    .what = "from now on seal with this key",
    .options = options,
    .where = args_where,
    .group = COMMAND_CHANGES,
    .words_min = 1,
    .words_max = 1,
};

const struct command command_keys_remove = {
    .name = "keys remove",
    .run = run_remove,
    .words = "FINGERPRINT",
    .what = "forget a key on all nodes",
    .options = options,
    .where = args_where,
    .group = COMMAND_CHANGES,
    .words_min = 1,
    .words_max = 1,
};

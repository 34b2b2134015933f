/* SPDX-License-Identifier: Apache-2.0
 *
 * The program: chooses the command.
 */
#include <stdio.h>
#include <string.h>

#include "node/cli/cli.h"
#include "node/nearest.h"
#include "proto/bytes.h"

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage;
    const char *what;
};

static const struct command commands[] = {
    {"dev", cli_dev, "[--nodes N] [--regions A,B]", "a cluster for a look"},
    {"node", cli_node, "[--config F] [--join HOST:PORT] ...", "run one node"},
    {"pub", cli_pub, "CACHE TOPIC [VALUE|-] [--rate N]", "publish"},
    {"sub", cli_sub, "CACHE TOPIC... [--exec CMD|--post URL]", "subscribe"},
    {"cluster", cli_cluster, "[--json]", "the nodes, as one sees them"},
    {"regions", cli_regions, "[--json]", "the regions and their endpoints"},
    {"usage", cli_usage, "[--json]", "what went through the caches"},
    {"verify", cli_verify, "[URL...] [--seconds N] [--rate N] ...",
     "check a cluster against its promises"},
    {"bench", cli_bench, "MODE [--url URL] [--json] ...",
     "how fast is it here?"},
    {"token", cli_token, "mint ... | show TOKEN | revoke ID",
     "tokens for clients"},
    {"cache", cli_cache, "create | delete | list ...",
     "the caches of a cluster"},
    {"keygen", cli_keygen, "FILE", "make the keys of a cluster"},
    {"keys", cli_keys, "list | install | use | remove ...",
     "change the keys of a running cluster"},
    {"check", cli_check, "FILE", "check a configuration file"},
};

static const char *command_name(size_t i)
{
    return i < ARRAY_LEN(commands) ? commands[i].name : NULL;
}

static int usage(FILE *to)
{
    fputs("starling " STARLING_VERSION ": a clustered broker for realtime "
          "topics\n\n",
          to);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        fprintf(to, "  starling %-8s %-38s %s\n", commands[i].name,
                commands[i].usage, commands[i].what);
    }
    fputs("  starling help | version\n\n"
          "Client commands talk to --url URL, STARLING_URL, or "
          "http://127.0.0.1:7400;\nSTARLING_TOKEN is the token; --region "
          "NAME|nearest chooses an endpoint. For https://,\n--ca FILE, "
          "STARLING_CA, or the system says which authorities are trusted.\n",
          to);
    return to == stdout ? CLI_OK : CLI_USAGE;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        return usage(stderr);
    }
    const char *name = argv[1];
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return commands[i].run(argc - 2, argv + 2);
        }
    }
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0) {
        return usage(stdout);
    }
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
        puts("starling " STARLING_VERSION);
        return CLI_OK;
    }
    const char *meant = nearest(name, command_name);
    fprintf(stderr, "starling: unknown command '%s'%s%s%s\n", name,
            meant != NULL ? " (did you mean '" : "", meant != NULL ? meant : "",
            meant != NULL ? "'?)" : "");
    return CLI_USAGE;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * What an operator decides: flags over STARLING_* over the YAML file over the
 * defaults. One table of options (node/config/option.h) feeds the three readers
 * and `starling check`.
 *
 * An error says file, line, column and, for an unknown key, the nearest name;
 * nothing is half applied. Secrets come by file only, never by argv.
 */
#ifndef NODE_CONFIG_H
#define NODE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "node/config/limits.h"
#include "node/config/quotas.h"
#include "node/log.h"
#include "proto/addr.h"

enum {
    CONFIG_TEXT_MAX = 256,
    CONFIG_SEEDS_MAX = 16,
    CONFIG_JOIN_MAX = CONFIG_SEEDS_MAX + 1, /* and the first worker */
    CONFIG_ORIGINS_MAX = 32,
    CONFIG_WHY_MAX = 512,
    CONFIG_PORT = 7400,    /* client port; cluster +1, data +2 */
    CONFIG_PORT_STEP = 10, /* a taken default port on loopback steps by this */
    CONFIG_WORKERS_MAX = 64,
};

struct config {
    char name[65];
    char region[65];
    char cluster_name[65];
    char endpoint[CONFIG_TEXT_MAX]; /* URL for clients; empty: derived */
    char keys[CONFIG_TEXT_MAX];     /* path; empty: insecure */
    char tls_cert[CONFIG_TEXT_MAX]; /* path; empty: TLS is not spoken */
    char tls_key[CONFIG_TEXT_MAX];
    struct addr listen;  /* clients */
    struct addr cluster; /* gossip and control; data is port + 1 */
    bool listen_named;   /* the user named the port: taken means exit 73 */
    bool cluster_named;
    char advertise[CONFIG_TEXT_MAX]; /* HOST[:P]; empty: cluster address */
    size_t join_len;
    char join[CONFIG_JOIN_MAX][CONFIG_TEXT_MAX]; /* HOST:P, resolved later */
    size_t origins_len;
    char origins[CONFIG_ORIGINS_MAX][CONFIG_TEXT_MAX];
    bool auto_create_caches; /* any cache may be used ... */
    bool auto_create_named;  /* ... else the default: if there are no keys */
    struct quotas quotas;    /* of the caches that are always there */
    enum log_level log_level;
    enum log_format log_format;
    bool require_tls; /* but on loopback */
    bool insecure;    /* allow a public address without keys, loudly */
    unsigned workers; /* nodes of this process, sharing the client port */
    unsigned worker;  /* which of them this is, from 0: node/worker.h */
    struct limits limits;
};

/* Where values come from; each holds over those before. */
enum config_source {
    CONFIG_DEFAULT,
    CONFIG_FILE,
    CONFIG_ENVIRONMENT,
    CONFIG_FLAGS,
    CONFIG_SOURCES
};

void config_default(struct config *config);

/* Reads `argv` (options only), the environment and the file that --config
 * names. Errors: ERR_CONFIG, ERR_ARGUMENT (usage: exit 2), ERR_IO, with a
 * sentence in why ("a.yaml:7:3: unknown key 'max_con' (did you mean
 * 'conns'?)"). *config is untouched then. */
int config_load(struct config *config, int argc, char **argv,
                char why[CONFIG_WHY_MAX]);

/* The same of the sources up to `last` only, to tell them apart. What must hold
 * together is checked when it is the last of all. */
int config_load_from(struct config *config, int argc, char **argv,
                     enum config_source last, char why[CONFIG_WHY_MAX]);

/* Only the file, for `starling check FILE`. */
int config_read_file(struct config *config, const char *path,
                     char why[CONFIG_WHY_MAX]);

/* What a running node takes of another configuration. Whether it speaks TLS and
 * has keys stays; other files of them are taken. false: not all of the limits
 * (limits_take()). */
bool config_take(struct config *config, const struct config *from);
/* auto_create_caches, or its default. */
bool config_auto_creates(const struct config *config);

/* What must hold together: limits, names, public address without keys, the
 * options of TLS. Opens no file. Errors: ERR_CONFIG. */
int config_check(const struct config *config, char why[CONFIG_WHY_MAX]);

#endif

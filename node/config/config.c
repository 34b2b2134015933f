/* SPDX-License-Identifier: Apache-2.0 */
#include "node/config/config.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/config/nearest.h"
#include "node/config/option.h"
#include "node/config/yaml.h"
#include "node/worker.h"
#include "proto/err.h"
#include "proto/topic.h"

/* Reading the command line. */
struct flags {
    struct config *config;
    int argc;
    char **argv;
    int at;
    const char *file; /* of --config */
    char *why;
    bool seen[OPTIONS_MAX];
};

/* Where a value came from, for the sentence about what is wrong with it. */
struct source {
    struct config *config;
    const char *path;
    char *why;
    size_t row; /* of `caches` that is under way, from 1; 0 none */
    size_t at;  /* where it is among the quotas */
    size_t line;
    size_t column;
};

void config_default(struct config *config)
{
    *config = (struct config){
        .log_level = LOG_INFO, .limits = limits_default(), .workers = 1};
    strcpy(config->region, "local");
    strcpy(config->cluster_name, "starling");
    (void)addr_read(BYTES("127.0.0.1"), CONFIG_PORT, &config->listen);
    config->cluster = config->listen;
    config->cluster.port = 0; /* follows the client port until named */
}

/* --- the file ----------------------------------------------------------- */

static int unknown_key(struct source *s, const struct yaml_entry *e,
                       const char *name, const char *meant)
{
    int n = snprintf(s->why, CONFIG_WHY_MAX, "%s:%zu:%zu: unknown key '%.64s'",
                     s->path, e->line, e->column, name);
    if (meant != NULL && n > 0 && n < CONFIG_WHY_MAX) {
        snprintf(s->why + n, CONFIG_WHY_MAX - (size_t)n,
                 " (did you mean '%s'?)", meant);
    }
    return ERR_CONFIG;
}

static int entry_wrong(struct source *s, const struct yaml_entry *e,
                       const char *name, const char *wrong)
{
    snprintf(s->why, CONFIG_WHY_MAX, "%s:%zu:%zu: %s: %s", s->path, e->line,
             e->column, name, wrong);
    return ERR_CONFIG;
}

static int visit_limit(struct source *s, const struct yaml_entry *e)
{
    char pair[CONFIG_TEXT_MAX];
    size_t i = 0;

    while (limits_name(i) != NULL && strcmp(limits_name(i), e->key) != 0) {
        i++;
    }
    if (limits_name(i) == NULL) {
        return unknown_key(s, e, e->key, nearest(e->key, limits_name));
    }
    snprintf(pair, sizeof pair, "%s=%s", e->key, e->value);
    const char *wrong = limits_read(&s->config->limits, pair);
    return wrong == NULL ? 0 : entry_wrong(s, e, e->key, wrong);
}

/* The row that ends here must have said of which cache it is. */
static int end_row(struct source *s)
{
    const struct quotas *quotas = &s->config->quotas;

    if (s->row == 0 || quotas->rows[s->at].name[0] != '\0') {
        return 0;
    }
    snprintf(s->why, CONFIG_WHY_MAX, "%s:%zu:%zu: caches: a cache without name",
             s->path, s->line, s->column);
    return ERR_CONFIG;
}

static int begin_row(struct source *s, const struct yaml_entry *e)
{
    int rc = end_row(s);

    if (rc != 0) {
        return rc;
    }
    const char *wrong = quotas_begin(&s->config->quotas);
    if (wrong != NULL) {
        return entry_wrong(s, e, "caches", wrong);
    }
    s->row = e->index + 1;
    s->at = s->config->quotas.len - 1;
    s->line = e->line;
    s->column = e->column;
    return 0;
}

static int visit_cache(struct source *s, const struct yaml_entry *e)
{
    size_t i = 0;

    while (quotas_field(i) != NULL && strcmp(quotas_field(i), e->key) != 0) {
        i++;
    }
    if (quotas_field(i) == NULL) {
        return unknown_key(s, e, e->key, nearest(e->key, quotas_field));
    }
    int rc = s->row == e->index + 1 ? 0 : begin_row(s, e);
    if (rc != 0) {
        return rc;
    }
    const char *wrong = quotas_set(&s->config->quotas, e->key, e->value);
    return wrong == NULL ? 0 : entry_wrong(s, e, e->key, wrong);
}

static int visit_entry(void *data, const struct yaml_entry *e)
{
    struct source *s = data;
    bool at_root = e->section[0] == '\0';
    const char *name = at_root ? e->key : e->section;
    const struct option *option = option_find(name);

    if (option == NULL) {
        return unknown_key(s, e, name, nearest(name, option_name));
    }
    if (strcmp(name, "limits") == 0 && !at_root && e->key[0] != '\0') {
        return visit_limit(s, e);
    }
    if (strcmp(name, "caches") == 0 && !at_root && e->key[0] != '\0') {
        return visit_cache(s, e);
    }
    if (!at_root && (!option->is_list || e->key[0] != '\0')) {
        return entry_wrong(s, e, name, "expected one value");
    }
    const char *wrong = option_set(s->config, option, e->value);
    return wrong == NULL ? 0 : entry_wrong(s, e, name, wrong);
}

int config_read_file(struct config *config, const char *path,
                     char why[CONFIG_WHY_MAX])
{
    struct config c = *config;
    struct source source = {.config = &c, .path = path, .why = why};
    int rc = yaml_read(path, visit_entry, &source, why, CONFIG_WHY_MAX);

    if (rc == 0) {
        rc = end_row(&source);
    }
    if (rc == 0) {
        *config = c;
    }
    return rc;
}

/* --- environment and flags --- */

static int read_environment(struct config *config, char *why)
{
    const struct option *option;

    for (size_t i = 0; (option = option_at(i)) != NULL; i++) {
        char name[64] = "STARLING_";
        size_t at = strlen(name);
        for (const char *c = option->name; *c != '\0'; c++) {
            name[at++] = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
        }
        name[at] = '\0';
        const char *value = getenv(name);
        if (value == NULL) {
            continue;
        }
        option_clear(config, option);
        const char *wrong = option_set(config, option, value);
        if (wrong != NULL) {
            snprintf(why, CONFIG_WHY_MAX, "%s: %s", name, wrong);
            return ERR_CONFIG;
        }
    }
    return 0;
}

/* Splits --some-name[=value] into some_name and value (NULL: none there). */
static bool flag_split(const char *arg, char name[64], const char **value)
{
    size_t len = strcspn(arg, "=");

    if (strncmp(arg, "--", 2) != 0 || len < 3 || len - 2 >= 64) {
        return false;
    }
    for (size_t i = 2; i < len; i++) {
        name[i - 2] = arg[i] == '-' ? '_' : arg[i];
    }
    name[len - 2] = '\0';
    *value = arg[len] == '=' ? arg + len + 1 : NULL;
    return true;
}

static int flag_unknown(const char *arg, const char *name, char *why)
{
    const char *meant = nearest(name, option_name);

    if (meant != NULL) {
        snprintf(why, CONFIG_WHY_MAX,
                 "unknown option '%.64s' (did you mean '%s'?)", arg,
                 option_find(meant)->flag);
    } else {
        snprintf(why, CONFIG_WHY_MAX, "unknown option '%.64s'", arg);
    }
    return ERR_ARGUMENT;
}

/* Reads the flag at argv[at] and moves past what it used. */
static int read_flag(struct flags *flags)
{
    const char *arg = flags->argv[flags->at++];
    const char *value;
    char name[64];

    if (!flag_split(arg, name, &value)) {
        snprintf(flags->why, CONFIG_WHY_MAX, "unexpected argument '%.64s'",
                 arg);
        return ERR_ARGUMENT;
    }
    const struct option *option = option_find(name);
    bool is_config = strcmp(name, "config") == 0;
    if (option == NULL && !is_config) {
        return flag_unknown(arg, name, flags->why);
    }
    if (value == NULL && option != NULL && option->is_flag) {
        value = "true";
    } else if (value == NULL && flags->at < flags->argc) {
        value = flags->argv[flags->at++];
    }
    if (value == NULL) {
        snprintf(flags->why, CONFIG_WHY_MAX, "%.64s needs a value", arg);
        return ERR_ARGUMENT;
    }
    if (is_config) {
        flags->file = value;
        return 0;
    }
    if (!flags->seen[option_index(option)]) {
        flags->seen[option_index(option)] = true;
        option_clear(flags->config, option);
    }
    const char *wrong = option_set(flags->config, option, value);
    if (wrong != NULL) {
        snprintf(flags->why, CONFIG_WHY_MAX, "%.64s: %s", arg, wrong);
        return ERR_ARGUMENT;
    }
    return 0;
}

static int read_flags(struct config *config, int argc, char **argv,
                      const char **file, char *why)
{
    struct flags flags = {
        .config = config, .argc = argc, .argv = argv, .why = why};
    int rc = 0;

    while (rc == 0 && flags.at < argc) {
        rc = read_flag(&flags);
    }
    if (flags.file != NULL) {
        *file = flags.file;
    }
    return rc;
}

int config_load(struct config *config, int argc, char **argv,
                char why[CONFIG_WHY_MAX])
{
    return config_load_from(config, argc, argv, CONFIG_FLAGS, why);
}

int config_load_from(struct config *config, int argc, char **argv,
                     enum config_source last, char why[CONFIG_WHY_MAX])
{
    struct config c = *config;
    struct config ignored = *config;
    const char *file = getenv("STARLING_CONFIG");

    /* Flags are read twice: first for --config and for wrong usage, then, over
     * file and environment, for good. */
    int rc = read_flags(&ignored, argc, argv, &file, why);
    if (rc == 0 && last >= CONFIG_FILE && file != NULL) {
        rc = config_read_file(&c, file, why);
    }
    if (rc == 0 && last >= CONFIG_ENVIRONMENT) {
        rc = read_environment(&c, why);
    }
    if (rc == 0 && last >= CONFIG_FLAGS) {
        rc = read_flags(&c, argc, argv, &file, why);
    }
    if (rc == 0 && last >= CONFIG_FLAGS) {
        rc = config_check(&c, why);
    }
    if (rc == 0) {
        *config = c;
    }
    return rc;
}

bool config_take(struct config *config, const struct config *from)
{
    if ((config->keys[0] == '\0') == (from->keys[0] == '\0')) {
        strcpy(config->keys, from->keys);
    }
    if ((config->tls_cert[0] == '\0') == (from->tls_cert[0] == '\0')) {
        strcpy(config->tls_cert, from->tls_cert);
        strcpy(config->tls_key, from->tls_key);
    }
    config->require_tls = from->require_tls;
    config->origins_len = from->origins_len;
    memcpy(config->origins, from->origins, sizeof config->origins);
    config->log_level = from->log_level;
    config->log_format = from->log_format;
    config->auto_create_caches = from->auto_create_caches;
    config->auto_create_named = from->auto_create_named;
    config->quotas = from->quotas;
    return limits_take(&config->limits, &from->limits);
}

bool config_auto_creates(const struct config *config)
{
    return config->auto_create_named ? config->auto_create_caches
                                     : config->keys[0] == '\0';
}

static int check_tls(const struct config *config, const char **wrong)
{
    bool has_cert = config->tls_cert[0] != '\0';
    bool has_key = config->tls_key[0] != '\0';

    if (has_cert != has_key) {
        *wrong = has_cert ? "tls_cert without tls_key: the file of its key"
                          : "tls_key without tls_cert: the file of the "
                            "certificate, and of those between it and the "
                            "authority";
        return ERR_CONFIG;
    }
    if (config->require_tls && !has_cert) {
        *wrong = "require_tls without tls_cert and tls_key: nobody could "
                 "connect";
        return ERR_CONFIG;
    }
    return 0;
}

int config_check(const struct config *config, char why[CONFIG_WHY_MAX])
{
    const char *wrong = NULL;
    int rc = limits_check(&config->limits, &wrong);

    if (rc == 0) {
        rc = worker_check(config, &wrong);
    }
    if (rc == 0 && config->keys[0] == '\0' && !config->insecure &&
        !addr_is_loopback(&config->listen)) {
        wrong = "a public address without keys: everyone could publish; give "
                "--keys FILE (starling keygen) or listen on 127.0.0.1";
        rc = ERR_CONFIG;
    }
    if (rc == 0 && config->keys[0] == '\0' && config->cluster.port != 0 &&
        !addr_is_loopback(&config->cluster)) {
        wrong = "a public cluster address without keys: anyone could join; "
                "give --keys FILE (starling keygen)";
        rc = ERR_CONFIG;
    }
    if (rc == 0) {
        rc = check_tls(config, &wrong);
    }
    if (rc != 0) {
        snprintf(why, CONFIG_WHY_MAX, "%s", wrong);
    }
    return rc;
}

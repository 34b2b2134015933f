/* SPDX-License-Identifier: Apache-2.0 */
#include "node/config.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/nearest.h"
#include "node/worker.h"
#include "node/yaml.h"
#include "proto/err.h"
#include "proto/topic.h"

/* One option for all readers: --cluster-name, STARLING_CLUSTER_NAME and
 * `cluster_name:` are the same row. A setter returns NULL or what is wrong. */
struct option {
    const char *name; /* with underscores, as in the file */
    const char *(*set)(struct config *config, const char *value);
    bool is_list; /* comma-separated in flags and environment */
    bool is_flag; /* takes no value on the command line */
};

static const char *set_name(struct config *c, const char *v);
static const char *set_region(struct config *c, const char *v);
static const char *set_cluster_name(struct config *c, const char *v);
static const char *set_listen(struct config *c, const char *v);
static const char *set_cluster(struct config *c, const char *v);
static const char *set_advertise(struct config *c, const char *v);
static const char *set_endpoint(struct config *c, const char *v);
static const char *set_keys(struct config *c, const char *v);
static const char *set_tls_cert(struct config *c, const char *v);
static const char *set_tls_key(struct config *c, const char *v);
static const char *set_require_tls(struct config *c, const char *v);
static const char *set_join(struct config *c, const char *v);
static const char *set_origin(struct config *c, const char *v);
static const char *set_log_level(struct config *c, const char *v);
static const char *set_log_format(struct config *c, const char *v);
static const char *set_insecure(struct config *c, const char *v);
static const char *set_workers(struct config *c, const char *v);
static const char *set_limit(struct config *c, const char *v);

static const struct option options[] = {
    {"name", set_name, false, false},
    {"region", set_region, false, false},
    {"listen", set_listen, false, false},
    {"cluster", set_cluster, false, false},
    {"advertise", set_advertise, false, false},
    {"endpoint", set_endpoint, false, false},
    {"cluster_name", set_cluster_name, false, false},
    {"keys", set_keys, false, false},
    {"tls_cert", set_tls_cert, false, false},
    {"tls_key", set_tls_key, false, false},
    {"require_tls", set_require_tls, false, true},
    {"join", set_join, true, false},
    {"origins", set_origin, true, false},
    {"log_level", set_log_level, false, false},
    {"log_format", set_log_format, false, false},
    {"insecure", set_insecure, false, true},
    {"workers", set_workers, false, false},
    {"limits", set_limit, true, false},
};

/* Reading the command line. */
struct flags {
    struct config *config;
    int argc;
    char **argv;
    int at;
    const char *file; /* of --config */
    char *why;
    bool seen[ARRAY_LEN(options)];
};

/* Where a value came from, for the sentence about what is wrong with it. */
struct source {
    struct config *config;
    const char *path;
    char *why;
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

static const struct option *option_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if (strcmp(options[i].name, name) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

static const char *option_name(size_t i)
{
    return i < ARRAY_LEN(options) ? options[i].name : NULL;
}

/* Applies one value, a list piece by piece. */
static const char *option_set(struct config *config,
                              const struct option *option, const char *value)
{
    char piece[CONFIG_TEXT_MAX];

    if (!option->is_list) {
        return option->set(config, value);
    }
    while (*value != '\0') {
        size_t len = strcspn(value, ",");
        if (len == 0 || len >= sizeof piece) {
            return "an empty or too long piece of the list";
        }
        memcpy(piece, value, len);
        piece[len] = '\0';
        const char *wrong = option->set(config, piece);
        if (wrong != NULL) {
            return wrong;
        }
        value += len + (value[len] == ',');
    }
    return NULL;
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
    const char *wrong = set_limit(s->config, pair);
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
    struct source source = {&c, path, why};
    int rc = yaml_read(path, visit_entry, &source, why, CONFIG_WHY_MAX);

    if (rc == 0) {
        *config = c;
    }
    return rc;
}

/* --- environment and flags -------------------------------------------------
 */

/* A list of a higher source replaces that of a lower one. */
static void option_clear(struct config *config, const struct option *option)
{
    if (option->set == set_join) {
        config->join_len = 0;
    } else if (option->set == set_origin) {
        config->origins_len = 0;
    }
}

static int read_environment(struct config *config, char *why)
{
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        char name[64] = "STARLING_";
        size_t at = strlen(name);
        for (const char *c = options[i].name; *c != '\0'; c++) {
            name[at++] = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
        }
        name[at] = '\0';
        const char *value = getenv(name);
        if (value == NULL) {
            continue;
        }
        option_clear(config, &options[i]);
        const char *wrong = option_set(config, &options[i], value);
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
    char dashed[64];
    size_t at = 0;

    for (; meant != NULL && meant[at] != '\0' && at + 1 < sizeof dashed; at++) {
        dashed[at] = meant[at] == '_' ? '-' : meant[at];
    }
    dashed[at] = '\0';
    if (at > 0) {
        snprintf(why, CONFIG_WHY_MAX,
                 "unknown option '%.64s' (did you mean '--%s'?)", arg, dashed);
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
    if (!flags->seen[option - options]) {
        flags->seen[option - options] = true;
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
    struct config c = *config;
    struct config ignored = *config;
    const char *file = getenv("STARLING_CONFIG");

    /* Flags are read twice: first for --config and for wrong usage, then, over
     * file and environment, for good. */
    int rc = read_flags(&ignored, argc, argv, &file, why);
    if (rc == 0 && file != NULL) {
        rc = config_read_file(&c, file, why);
    }
    if (rc == 0) {
        rc = read_environment(&c, why);
    }
    if (rc == 0) {
        rc = read_flags(&c, argc, argv, &file, why);
    }
    if (rc == 0) {
        rc = config_check(&c, why);
    }
    if (rc == 0) {
        *config = c;
    }
    return rc;
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

/* --- setters
 * ------------------------------------------------------------------ */

static const char *set_label(char *to, size_t cap, const char *v)
{
    if (strlen(v) >= cap || !topic_cache_is_valid(bytes_str(v))) {
        return "expected 1 to 64 characters of A-Za-z0-9._-";
    }
    strcpy(to, v);
    return NULL;
}

static const char *set_text(char to[CONFIG_TEXT_MAX], const char *v)
{
    if (v[0] == '\0' || strlen(v) >= CONFIG_TEXT_MAX ||
        !topic_is_valid(bytes_str(v))) {
        return "expected 1 to 255 characters of text";
    }
    strcpy(to, v);
    return NULL;
}

static const char *set_bool(bool *to, const char *v)
{
    if (strcmp(v, "true") != 0 && strcmp(v, "false") != 0) {
        return "expected true or false";
    }
    *to = strcmp(v, "true") == 0;
    return NULL;
}

static const char *set_name(struct config *c, const char *v)
{
    return set_label(c->name, sizeof c->name, v);
}

static const char *set_region(struct config *c, const char *v)
{
    return set_label(c->region, sizeof c->region, v);
}

static const char *set_cluster_name(struct config *c, const char *v)
{
    return set_label(c->cluster_name, sizeof c->cluster_name, v);
}

/* "7400", ":7400", "127.0.0.1" and "127.0.0.1:7400" are all addresses. */
static const char *set_addr(struct addr *addr, uint16_t port, bool *named,
                            const char *v)
{
    uint64_t number;
    const char *digits = v[0] == ':' ? v + 1 : v;
    struct addr a = *addr;

    if (bytes_u64(bytes_str(digits), &number) == 0 && number <= UINT16_MAX) {
        addr->port = (uint16_t)number;
        *named = true;
        return NULL;
    }
    if (addr_read(bytes_str(v), port, &a) != 0) {
        return "expected ADDRESS:PORT with a numeric address, such as "
               "127.0.0.1:7400 or [::1]:7400";
    }
    *named = addr_read(bytes_str(v), 0, addr) == 0;
    *addr = a;
    return NULL;
}

static const char *set_listen(struct config *c, const char *v)
{
    return set_addr(&c->listen, CONFIG_PORT, &c->listen_named, v);
}

static const char *set_cluster(struct config *c, const char *v)
{
    return set_addr(&c->cluster, CONFIG_PORT + 1, &c->cluster_named, v);
}

static const char *set_advertise(struct config *c, const char *v)
{
    return set_text(c->advertise, v);
}

static const char *set_endpoint(struct config *c, const char *v)
{
    if (strncmp(v, "http://", 7) != 0 && strncmp(v, "https://", 8) != 0) {
        return "expected a URL that starts with http:// or https://";
    }
    return set_text(c->endpoint, v);
}

static const char *set_keys(struct config *c, const char *v)
{
    return set_text(c->keys, v);
}

static const char *set_tls_cert(struct config *c, const char *v)
{
    return set_text(c->tls_cert, v);
}

static const char *set_tls_key(struct config *c, const char *v)
{
    return set_text(c->tls_key, v);
}

static const char *set_require_tls(struct config *c, const char *v)
{
    return set_bool(&c->require_tls, v);
}

static const char *set_join(struct config *c, const char *v)
{
    if (c->join_len == CONFIG_SEEDS_MAX) {
        return "more than 16 seeds";
    }
    const char *colon = strrchr(v, ':');
    uint64_t port;
    if (colon == NULL || colon == v ||
        bytes_u64(bytes_str(colon + 1), &port) != 0 || port == 0 ||
        port > UINT16_MAX) {
        return "expected HOST:PORT of another node's cluster port, such as "
               "10.0.0.1:7401";
    }
    const char *wrong = set_text(c->join[c->join_len], v);
    c->join_len += wrong == NULL;
    return wrong;
}

static const char *set_origin(struct config *c, const char *v)
{
    if (c->origins_len == CONFIG_ORIGINS_MAX) {
        return "more than 32 origins";
    }
    if (strcmp(v, "*") != 0 && strstr(v, "://") == NULL) {
        return "expected an origin such as https://app.example, or *";
    }
    const char *wrong = set_text(c->origins[c->origins_len], v);
    c->origins_len += wrong == NULL;
    return wrong;
}

static const char *set_log_level(struct config *c, const char *v)
{
    int level = log_level_read(v);

    if (level < 0) {
        return "expected error, warn, info or debug";
    }
    c->log_level = (enum log_level)level;
    return NULL;
}

static const char *set_log_format(struct config *c, const char *v)
{
    if (strcmp(v, "text") != 0 && strcmp(v, "json") != 0) {
        return "expected text or json";
    }
    c->log_json = strcmp(v, "json") == 0;
    return NULL;
}

static const char *set_insecure(struct config *c, const char *v)
{
    return set_bool(&c->insecure, v);
}

static const char *set_workers(struct config *c, const char *v)
{
    uint64_t number;

    if (bytes_u64(bytes_str(v), &number) != 0 || number == 0 ||
        number > CONFIG_WORKERS_MAX) {
        return "expected a number from 1 to 64";
    }
    c->workers = (unsigned)number;
    return NULL;
}

static const char *set_limit(struct config *c, const char *v)
{
    return limits_read(&c->limits, v);
}

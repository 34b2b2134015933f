/* SPDX-License-Identifier: Apache-2.0
 *
 * starling node --print-config: what would hold, and where each value comes
 * from. What is printed is a configuration file itself. Secrets are in files of
 * their own, of which only the names are here.
 */
#include "node/cli/print_config.h"

#include <stdio.h>
#include <string.h>

#include "node/cli/cli.h"
#include "node/config/option.h"
#include "proto/err.h"

enum {
    NOTE_COLUMN = 44
};

static const char *const sources[CONFIG_SOURCES] = {
    [CONFIG_DEFAULT] = "default",
    [CONFIG_FILE] = "file",
    [CONFIG_ENVIRONMENT] = "environment",
    [CONFIG_FLAGS] = "flag",
};

/* --- values as text --- */

static void add_bool(struct buf *out, bool truth)
{
    buf_add_str(out, truth ? "true" : "false");
}

static void add_addr(struct buf *out, const struct addr *addr, uint16_t port)
{
    struct addr at = *addr;
    char text[ADDR_TEXT_MAX];

    at.port = port;
    buf_add_str(out, addr_text(&at, text));
}

static void add_list(struct buf *out, const char (*texts)[CONFIG_TEXT_MAX],
                     size_t len)
{
    for (size_t i = 0; i < len; i++) {
        buf_add_str(out, i == 0 ? "[\"" : ", \"");
        buf_add_str(out, texts[i]);
        buf_add_str(out, i + 1 < len ? "\"" : "\"]");
    }
}

static void add_log_format(struct buf *out, enum log_format format)
{
    static const char *const names[] = {
        [LOG_TEXT] = "text", [LOG_JSON] = "json", [LOG_JOURNAL] = "journal"};

    buf_add_str(out, names[format]);
}

#define ADD(name, statement)                                          \
    static void value_##name(const struct config *c, struct buf *out) \
    {                                                                 \
        statement;                                                    \
    }
#define ADD_TEXT(name) ADD(name, buf_add_str(out, c->name))
#define ADD_BOOL(name) ADD(name, add_bool(out, c->name))

ADD_TEXT(name)
ADD_TEXT(region)
ADD(listen, add_addr(out, &c->listen, c->listen.port))
/* It follows the port of clients until it is named. */
ADD(cluster, add_addr(out, &c->cluster,
                      c->cluster.port != 0 ? c->cluster.port
                                           : (uint16_t)(c->listen.port + 1)))
ADD_TEXT(advertise)
ADD_TEXT(endpoint)
ADD_TEXT(cluster_name)
ADD_TEXT(keys)
ADD_TEXT(tls_cert)
ADD_TEXT(tls_key)
ADD_BOOL(require_tls)
ADD(join, add_list(out, c->join, c->join_len))
ADD(origins, add_list(out, c->origins, c->origins_len))
ADD(log_level, buf_add_str(out, log_level_name(c->log_level)))
ADD(log_format, add_log_format(out, c->log_format))
ADD_BOOL(insecure)
ADD(workers, buf_add_u64(out, c->workers))
ADD(auto_create_caches, add_bool(out, config_auto_creates(c)))

static const struct {
    const char *option;
    void (*add)(const struct config *c, struct buf *out);
} texts[] = {
    {"name", value_name},
    {"region", value_region},
    {"listen", value_listen},
    {"cluster", value_cluster},
    {"advertise", value_advertise},
    {"endpoint", value_endpoint},
    {"cluster_name", value_cluster_name},
    {"keys", value_keys},
    {"tls_cert", value_tls_cert},
    {"tls_key", value_tls_key},
    {"require_tls", value_require_tls},
    {"join", value_join},
    {"origins", value_origins},
    {"log_level", value_log_level},
    {"log_format", value_log_format},
    {"insecure", value_insecure},
    {"workers", value_workers},
    {"auto_create_caches", value_auto_create_caches},
};

/* --- lines --- */

/* "name: value   # source, note"; without a value it is a comment. */
static void print_line(const char *indent, const char *name, struct buf *value,
                       enum config_source source, const char *note)
{
    buf_add_u8(value, '\0');
    int len = value->failed || value->len <= 1
                  ? printf("%s# %s:", indent, name)
                  : printf("%s%s: %s", indent, name, (char *)value->p);
    printf("%*s # %s%s%s\n", len < NOTE_COLUMN ? NOTE_COLUMN - len : 0, "",
           sources[source], note[0] != '\0' ? ", " : "", note);
    buf_fini(value);
}

static enum config_source source_of(const struct config stages[CONFIG_SOURCES],
                                    const struct option *option)
{
    size_t at = CONFIG_SOURCES - 1;

    while (at > 0 && option->same(&stages[at], &stages[at - 1])) {
        at--;
    }
    return (enum config_source)at;
}

static void print_option(const struct config stages[CONFIG_SOURCES],
                         const struct option *option)
{
    struct buf value = {0};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (strcmp(texts[i].option, option->name) == 0) {
            texts[i].add(&stages[CONFIG_FLAGS], &value);
            print_line("", option->name, &value, source_of(stages, option),
                       option->is_hot ? "hot" : "");
            return;
        }
    }
}

static void print_caches(const struct config stages[CONFIG_SOURCES],
                         const struct option *option)
{
    const struct quotas *quotas = &stages[CONFIG_FLAGS].quotas;
    const char *source = sources[source_of(stages, option)];

    printf("%scaches:%*s # %s\n", quotas->len == 0 ? "# " : "",
           NOTE_COLUMN - 7 - (quotas->len == 0 ? 2 : 0), "", source);
    for (size_t i = 0; i < quotas->len; i++) {
        const struct quotas_row *row = &quotas->rows[i];
        printf("  - name: %s\n", row->name);
        printf("    publish_rate: %u\n    item_len: %u\n    subs: %u\n",
               row->quota.publish_rate, row->quota.item_len, row->quota.subs);
    }
}

static void print_limits(const struct config stages[CONFIG_SOURCES])
{
    const struct limits_row *row;

    puts("limits:");
    for (size_t i = 0; (row = limits_at(i)) != NULL; i++) {
        struct buf value = {0};
        size_t at = CONFIG_SOURCES - 1;
        while (at > 0 && limits_get(&stages[at].limits, row) ==
                             limits_get(&stages[at - 1].limits, row)) {
            at--;
        }
        buf_add_u64(&value, limits_get(&stages[CONFIG_FLAGS].limits, row));
        print_line("  ", row->name, &value, (enum config_source)at, row->unit);
    }
}

int print_config(int argc, char **argv, const char *host)
{
    static struct config stages[CONFIG_SOURCES]; /* large */
    char why[CONFIG_WHY_MAX];
    const struct option *option;

    for (size_t s = 0; s < CONFIG_SOURCES; s++) {
        config_default(&stages[s]);
        int rc = config_load_from(&stages[s], argc, argv, (enum config_source)s,
                                  why);
        if (rc != 0) {
            fprintf(stderr, "starling node: %s\n", why);
            return rc == ERR_ARGUMENT ? CLI_USAGE : CLI_CONFIG;
        }
        if (stages[s].name[0] == '\0') {
            (void)snprintf(stages[s].name, sizeof stages[s].name, "%s", host);
        }
    }
    for (size_t i = 0; (option = option_at(i)) != NULL; i++) {
        if (strcmp(option->name, "caches") == 0) {
            print_caches(stages, option);
        } else {
            print_option(stages, option);
        }
    }
    print_limits(stages);
    return CLI_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "node/config/option.h"

#include <assert.h>
#include <string.h>

#include "proto/err.h"
#include "proto/topic.h"

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
static const char *set_auto_create(struct config *c, const char *v);
static const char *set_cache(struct config *c, const char *v);
static const char *set_workers(struct config *c, const char *v);
static const char *set_limit(struct config *c, const char *v);

/* --- whether two say the same --- */

#define SAME(option, test)                                                    \
    static bool same_##option(const struct config *a, const struct config *b) \
    {                                                                         \
        return test;                                                          \
    }
#define SAME_TEXT(field)  SAME(field, strcmp(a->field, b->field) == 0)
#define SAME_VALUE(field) SAME(field, a->field == b->field)

static bool same_texts(const char (*a)[CONFIG_TEXT_MAX], size_t a_len,
                       const char (*b)[CONFIG_TEXT_MAX], size_t b_len)
{
    for (size_t i = 0; a_len == b_len && i < a_len; i++) {
        if (strcmp(a[i], b[i]) != 0) {
            return false;
        }
    }
    return a_len == b_len;
}

SAME_TEXT(name)
SAME_TEXT(region)
SAME_TEXT(cluster_name)
SAME(listen, addr_eq(&a->listen, &b->listen))
SAME(cluster, addr_eq(&a->cluster, &b->cluster))
SAME_TEXT(advertise)
SAME_TEXT(endpoint)
SAME_TEXT(keys)
SAME_TEXT(tls_cert)
SAME_TEXT(tls_key)
SAME_VALUE(require_tls)
SAME(join, same_texts(a->join, a->join_len, b->join, b->join_len))
SAME(origins,
     same_texts(a->origins, a->origins_len, b->origins, b->origins_len))
SAME_VALUE(log_level)
SAME_VALUE(log_format)
SAME_VALUE(insecure)
SAME_VALUE(workers)
SAME(auto_create_caches, a->auto_create_named == b->auto_create_named &&
                             a->auto_create_caches == b->auto_create_caches)
SAME(caches, quotas_same(&a->quotas, &b->quotas))
SAME(limits, limits_same(&a->limits, &b->limits))

static const struct option options[] = {
    {"name", "--name", set_name, "NAME", "what the node is called (its host)",
     false, false, same_name, false},
    {"region", "--region", set_region, "NAME", "the region it is in (local)",
     false, false, same_region, false},
    {"listen", "--listen", set_listen, "A:P",
     "where clients connect (127.0.0.1:7400)", false, false, same_listen,
     false},
    {"cluster", "--cluster", set_cluster, "A:P",
     "where other nodes connect (the client port + 1)", false, false,
     same_cluster, false},
    {"advertise", "--advertise", set_advertise, "HOST[:P]",
     "where others find that, if not there", false, false, same_advertise,
     false},
    {"endpoint", "--endpoint", set_endpoint, "URL",
     "where clients of other nodes are sent", false, false, same_endpoint,
     false},
    {"cluster_name", "--cluster-name", set_cluster_name, "NAME",
     "the cluster it belongs to (starling)", false, false, same_cluster_name,
     false},
    {"keys", "--keys", set_keys, "FILE",
     "the keys of the cluster (starling keygen)", false, false, same_keys,
     true},
    {"tls_cert", "--tls-cert", set_tls_cert, "FILE",
     "the certificate for clients, in PEM", false, false, same_tls_cert, true},
    {"tls_key", "--tls-key", set_tls_key, "FILE", "the key of that certificate",
     false, false, same_tls_key, true},
    {"require_tls", "--require-tls", set_require_tls, "true|false",
     "refuse clients in plain text, but on loopback", false, true,
     same_require_tls, true},
    {"join", "--join", set_join, "H:P", "cluster ports of nodes to join by",
     true, false, same_join, false},
    {"origins", "--origins", set_origin, "URL",
     "origins whose pages may connect, or *", true, false, same_origins, true},
    {"log_level", "--log-level", set_log_level, "error|warn|info|debug",
     "the least that is logged (info)", false, false, same_log_level, true},
    {"log_format", "--log-format", set_log_format, "text|json|journal",
     "how the log is written (text)", false, false, same_log_format, true},
    {"insecure", "--insecure", set_insecure, "true|false",
     "allow a public address without keys", false, true, same_insecure, false},
    {"workers", "--workers", set_workers, "N",
     "nodes in this process, one a core (1)", false, false, same_workers,
     false},
    {"auto_create_caches", "--auto-create-caches", set_auto_create,
     "true|false", "whether any cache may be used (true without keys)", false,
     false, same_auto_create_caches, true},
    {"caches", "--caches", set_cache, "NAME", "caches that are always there",
     true, false, same_caches, true},
    {"limits", "--limits", set_limit, "NAME=N",
     "bounds of what strangers can make grow", true, false, same_limits, true},
};

static_assert(ARRAY_LEN(options) <= OPTIONS_MAX, "one flag for each");

const struct option *option_at(size_t i)
{
    return i < ARRAY_LEN(options) ? &options[i] : NULL;
}

size_t option_index(const struct option *option)
{
    return (size_t)(option - options);
}

const struct option *option_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if (strcmp(options[i].name, name) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

const char *option_name(size_t i)
{
    return i < ARRAY_LEN(options) ? options[i].name : NULL;
}

const char *option_set(struct config *config, const struct option *option,
                       const char *value)
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

void option_clear(struct config *config, const struct option *option)
{
    if (option->set == set_join) {
        config->join_len = 0;
    } else if (option->set == set_origin) {
        config->origins_len = 0;
    } else if (option->set == set_cache) {
        config->quotas.len = 0;
    }
}

/* --- setters --- */

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
    int format = log_format_read(v);

    if (format < 0) {
        return "expected text, json or journal";
    }
    c->log_format = (enum log_format)format;
    return NULL;
}

static const char *set_insecure(struct config *c, const char *v)
{
    return set_bool(&c->insecure, v);
}

static const char *set_auto_create(struct config *c, const char *v)
{
    c->auto_create_named = true;
    return set_bool(&c->auto_create_caches, v);
}

static const char *set_cache(struct config *c, const char *v)
{
    return quotas_add(&c->quotas, v);
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

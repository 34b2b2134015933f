/* SPDX-License-Identifier: Apache-2.0 */
#include "node/door/resp.h"

static void config_get(struct resp_call *call);

const struct resp_command resp_config_subs[] = {
    {BYTES("get"), -3, 0, config_get, NULL},
    {{NULL, 0}, 0, 0, NULL, NULL},
};

/* What tools ask for before they do anything; none of it can be set. */
static const struct {
    struct bytes name;
    struct bytes value;
} settings[] = {
    {BYTES("appendonly"), BYTES("no")},
    {BYTES("databases"), BYTES("16")},
    {BYTES("save"), BYTES("")},
};

static bool is_asked(struct resp_request patterns, struct bytes name)
{
    struct bytes pattern;

    while (resp_next(&patterns, &pattern)) {
        if (bytes_eq_nocase(pattern, name) || topic_glob_match(pattern, name)) {
            return true;
        }
    }
    return false;
}

static void config_get(struct resp_call *call)
{
    bool asked[ARRAY_LEN(settings)];
    size_t len = 0;

    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        asked[i] = is_asked(call->args, settings[i].name);
        len += asked[i] ? 1 : 0;
    }
    resp_write_map(call->out, call->state->version, len);
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        if (asked[i]) {
            resp_write_bulk(call->out, settings[i].name);
            resp_write_bulk(call->out, settings[i].value);
        }
    }
}

/* --- INFO --- */

static void add_text(struct buf *out, const char *name, const char *value)
{
    buf_add_str(out, name);
    buf_add_u8(out, ':');
    buf_add_str(out, value);
    buf_add_str(out, "\r\n");
}

static void add_number(struct buf *out, const char *name, uint64_t value)
{
    buf_add_str(out, name);
    buf_add_u8(out, ':');
    buf_add_u64(out, value);
    buf_add_str(out, "\r\n");
}

static void add_server(const struct core *core, struct buf *out)
{
    add_text(out, "redis_version", RESP_VERSION);
    add_text(out, "redis_mode", "standalone");
    add_text(out, "starling_version", STARLING_VERSION);
    add_text(out, "starling_node", core->name);
    add_text(out, "starling_region", core->region);
    add_number(out, "uptime_in_seconds", (core->now_ms - core->boot_ms) / 1000);
}

static void add_clients(const struct core *core, struct buf *out)
{
    add_number(out, "connected_clients", core->stats.conns);
    add_number(out, "maxclients", core->limits.conns);
}

/* Clients wait with their first command while it is loading. */
static void add_persistence(const struct core *core, struct buf *out)
{
    add_number(out, "loading", core->ready ? 0 : 1);
    if (!core->ready) {
        add_number(out, "loading_eta_seconds", 1);
    }
}

static void add_stats(const struct core *core, struct buf *out)
{
    add_number(out, "total_connections_received", core->stats.conns_opened);
    add_number(out, "total_net_input_bytes", core->stats.bytes_in);
    add_number(out, "total_net_output_bytes", core->stats.bytes_out);
}

static void add_replication(const struct core *core, struct buf *out)
{
    (void)core;
    add_text(out, "role", "master");
    add_number(out, "connected_slaves", 0);
}

/* Clients of a cluster ask this one, and CLUSTER works. Plain clients look at
 * redis_mode, and some would then go by CLUSTER NODES without need: it stays
 * standalone, as in HELLO. */
static void add_cluster(const struct core *core, struct buf *out)
{
    (void)core;
    add_number(out, "cluster_enabled", 1);
}

static const struct section {
    const char *title;
    void (*add)(const struct core *core, struct buf *out);
} sections[] = {
    {"Server", add_server},           {"Clients", add_clients},
    {"Persistence", add_persistence}, {"Stats", add_stats},
    {"Replication", add_replication}, {"Cluster", add_cluster},
};

static bool section_is_asked(struct resp_request names,
                             const struct section *section)
{
    struct bytes name;

    if (names.len == 0) {
        return true;
    }
    while (resp_next(&names, &name)) {
        if (bytes_eq_nocase(name, bytes_str(section->title)) ||
            bytes_eq_nocase(name, BYTES("all")) ||
            bytes_eq_nocase(name, BYTES("default")) ||
            bytes_eq_nocase(name, BYTES("everything"))) {
            return true;
        }
    }
    return false;
}

void resp_info(struct resp_call *call)
{
    struct buf text = {0};

    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        if (!section_is_asked(call->args, &sections[i])) {
            continue;
        }
        buf_add_str(&text, text.len > 0 ? "\r\n# " : "# ");
        buf_add_str(&text, sections[i].title);
        buf_add_str(&text, "\r\n");
        sections[i].add(call->client->core, &text);
    }
    if (text.failed) {
        resp_refuse(call, ERR_NOMEM);
    } else {
        resp_write_text(call->out, call->state->version, buf_bytes(&text));
    }
    buf_fini(&text);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * CLUSTER: what the clients of a Redis cluster ask. There are no keys, so any
 * node can do everything and each says the same: one row, all slots, here. A
 * client stays with the node it chose, is never sent elsewhere (no MOVED), and
 * takes another of its own list when that one is gone.
 *
 * "Here" is the address that the client connected to; where that may be another
 * one outside (port mapping), the endpoint, if it names a port of plain HTTP.
 */
#include "node/door/resp.h"

#include "node/conn/conn.h"
#include "proto/addr.h"

enum {
    NODE_ID_HEX_LEN = 40, /* of Redis: ours is shorter, zeros follow */
};

static void run_count_keys(struct resp_call *call);
static void run_get_keys(struct resp_call *call);
static void run_info(struct resp_call *call);
static void run_keyslot(struct resp_call *call);
static void run_links(struct resp_call *call);
static void run_myid(struct resp_call *call);
static void run_nodes(struct resp_call *call);
static void run_shards(struct resp_call *call);
static void run_slots(struct resp_call *call);

const struct resp_command resp_cluster_subs[] = {
    {BYTES("slots"), 2, 0, run_slots, NULL},
    {BYTES("shards"), 2, 0, run_shards, NULL},
    {BYTES("nodes"), 2, 0, run_nodes, NULL},
    {BYTES("info"), 2, 0, run_info, NULL},
    {BYTES("myid"), 2, 0, run_myid, NULL},
    {BYTES("myshardid"), 2, 0, run_myid, NULL},
    {BYTES("keyslot"), 3, 0, run_keyslot, NULL},
    {BYTES("countkeysinslot"), 3, 0, run_count_keys, NULL},
    {BYTES("getkeysinslot"), 4, 0, run_get_keys, NULL},
    {BYTES("links"), 2, 0, run_links, NULL},
    {{NULL, 0}, 0, 0, NULL, NULL},
};

/* --- here --- */

struct here {
    char ip[ADDR_TEXT_MAX];
    struct bytes host; /* in `ip`, or in the endpoint */
    uint16_t port;
    char id[NODE_ID_HEX_LEN];
};

/* "http://host:port[/...]"; an IPv6 address stands in brackets. */
static bool read_endpoint(struct bytes url, struct here *here)
{
    static const struct bytes scheme = BYTES("http://");
    uint64_t port;

    if (url.len < scheme.len ||
        !bytes_eq_nocase(bytes_of(url.p, scheme.len), scheme)) {
        return false;
    }
    url = bytes_skip(url, scheme.len);
    ptrdiff_t slash = bytes_find(url, '/');
    url.len = slash < 0 ? url.len : (size_t)slash;
    ptrdiff_t bracket = bytes_find(url, ']');
    struct bytes tail = bytes_skip(url, bracket < 0 ? 0 : (size_t)bracket);
    ptrdiff_t colon = bytes_find(tail, ':');
    if (colon < 0 ||
        bytes_u64(bytes_skip(tail, (size_t)colon + 1), &port) != 0 ||
        port == 0 || port > UINT16_MAX) {
        return false;
    }
    here->port = (uint16_t)port;
    here->host = bytes_of(url.p, url.len - (tail.len - (size_t)colon));
    if (bracket > 0) {
        here->host = bytes_of(url.p + 1, (size_t)bracket - 1);
    }
    return here->host.len > 0;
}

static void write_id(const struct node_id *id, char hex[NODE_ID_HEX_LEN])
{
    static const char digits[] = "0123456789abcdef";

    memset(hex, '0', NODE_ID_HEX_LEN);
    for (size_t i = 0; i < NODE_ID_LEN; i++) {
        hex[2 * i] = digits[id->b[i] >> 4];
        hex[2 * i + 1] = digits[id->b[i] & 15];
    }
}

static void find_here(const struct resp_call *call, struct here *here)
{
    const struct core *core = call->client->core;
    struct addr local;

    write_id(&core->id, here->id);
    if (!read_endpoint(bytes_str(core->endpoint), here)) {
        local = conn_local(call->client->conn);
        here->host = bytes_str(addr_ip_text(&local, here->ip));
        here->port = local.port;
    }
}

static struct bytes id_of(const struct here *here)
{
    return bytes_of(here->id, sizeof here->id);
}

/* --- commands --- */

static void run_slots(struct resp_call *call)
{
    struct buf *out = call->out;
    struct here here;

    find_here(call, &here);
    resp_write_array(out, 1);
    resp_write_array(out, 3);
    resp_write_int(out, 0);
    resp_write_int(out, RESP_SLOTS - 1);
    resp_write_array(out, 4);
    resp_write_bulk(out, here.host);
    resp_write_int(out, here.port);
    resp_write_bulk(out, id_of(&here));
    resp_write_array(out, 0);
}

static void write_field(struct buf *out, const char *name, struct bytes value)
{
    resp_write_bulk(out, bytes_str(name));
    resp_write_bulk(out, value);
}

static void write_number(struct buf *out, const char *name, int64_t value)
{
    resp_write_bulk(out, bytes_str(name));
    resp_write_int(out, value);
}

static void run_shards(struct resp_call *call)
{
    unsigned version = call->state->version;
    struct buf *out = call->out;
    struct here here;

    find_here(call, &here);
    resp_write_array(out, 1);
    resp_write_map(out, version, 2);
    resp_write_bulk(out, BYTES("slots"));
    resp_write_array(out, 2);
    resp_write_int(out, 0);
    resp_write_int(out, RESP_SLOTS - 1);
    resp_write_bulk(out, BYTES("nodes"));
    resp_write_array(out, 1);
    resp_write_map(out, version, 7);
    write_field(out, "id", id_of(&here));
    write_number(out, "port", here.port);
    write_field(out, "ip", here.host);
    write_field(out, "endpoint", here.host);
    write_field(out, "role", BYTES("master"));
    write_number(out, "replication-offset", 0);
    write_field(out, "health", BYTES("online"));
}

static void write_text(struct resp_call *call, struct buf *text)
{
    if (text->failed) {
        resp_refuse(call, ERR_NOMEM);
    } else {
        resp_write_text(call->out, call->state->version, buf_bytes(text));
    }
    buf_fini(text);
}

static void run_nodes(struct resp_call *call)
{
    struct buf text = {0};
    struct here here;

    find_here(call, &here);
    buf_add_bytes(&text, id_of(&here));
    buf_add_u8(&text, ' ');
    buf_add_bytes(&text, here.host);
    buf_add_u8(&text, ':');
    buf_add_u64(&text, here.port);
    buf_add_str(&text, "@0 myself,master - 0 0 0 connected 0-");
    buf_add_u64(&text, RESP_SLOTS - 1);
    buf_add_u8(&text, '\n');
    write_text(call, &text);
}

/* Clients publish nothing while it is not "ok". */
static void run_info(struct resp_call *call)
{
    bool ready = call->client->core->ready;
    struct buf text = {0};

    buf_add_str(&text,
                ready ? "cluster_state:ok\r\n" : "cluster_state:fail\r\n");
    buf_add_str(&text, "cluster_slots_assigned:16384\r\n"
                       "cluster_slots_ok:16384\r\n"
                       "cluster_slots_pfail:0\r\n"
                       "cluster_slots_fail:0\r\n"
                       "cluster_known_nodes:1\r\n"
                       "cluster_size:1\r\n"
                       "cluster_current_epoch:0\r\n"
                       "cluster_my_epoch:0\r\n");
    write_text(call, &text);
}

static void run_myid(struct resp_call *call)
{
    struct here here;

    find_here(call, &here);
    resp_write_bulk(call->out, id_of(&here));
}

static void run_keyslot(struct resp_call *call)
{
    resp_write_int(call->out, resp_slot(resp_arg(call)));
}

static bool check_number(struct resp_call *call, uint64_t *value)
{
    if (bytes_u64(resp_arg(call), value) == 0) {
        return true;
    }
    resp_write_error(call->out, "ERR value is not an integer or out of range");
    return false;
}

static bool check_slot(struct resp_call *call)
{
    uint64_t slot;

    if (!check_number(call, &slot)) {
        return false;
    }
    if (slot >= RESP_SLOTS) {
        resp_write_error(call->out, "ERR Invalid slot");
        return false;
    }
    return true;
}

static void run_count_keys(struct resp_call *call)
{
    if (check_slot(call)) {
        resp_write_int(call->out, 0);
    }
}

static void run_get_keys(struct resp_call *call)
{
    uint64_t most;

    if (check_slot(call) && check_number(call, &most)) {
        resp_write_array(call->out, 0);
    }
}

/* Between the nodes of the one row. */
static void run_links(struct resp_call *call)
{
    resp_write_array(call->out, 0);
}

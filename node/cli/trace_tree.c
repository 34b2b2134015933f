/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/trace_tree.h"

#include <string.h>

#include "node/cli/show.h"

enum {
    DEPTH_MAX = 16, /* no way is as long; what says so is drawn apart */
    PREFIX_MAX = 3 * sizeof "│  ",
};

struct drawing {
    const json_t *root;
    const json_t *nodes;
    struct buf *out;
    struct buf prefix; /* of the lines below */
    struct buf drawn;  /* a byte each node */
};

static void draw_node(struct drawing *d, size_t at, unsigned depth);

/* --- words --- */

/* 1234 is "1.23 ms", 12345 "12.3 ms". */
static void add_ms(struct buf *out, long long us)
{
    unsigned long long n = us < 0 ? 0 : (unsigned long long)us;
    unsigned long long tenths = n < 9995 ? (n + 5) / 10 : (n + 50) / 100;
    unsigned long long parts = n < 9995 ? 100 : 10;

    buf_add_u64(out, tenths / parts);
    buf_add_u8(out, '.');
    if (parts == 100 && tenths % parts < 10) {
        buf_add_u8(out, '0');
    }
    buf_add_u64(out, tenths % parts);
}

static void add_after(struct buf *out, long long us)
{
    buf_add_str(out, "after ");
    add_ms(out, us);
    buf_add_str(out, " ms");
}

static void add_count(struct buf *out, long long count, const char *what)
{
    buf_add_u64(out, (uint64_t)count);
    buf_add_u8(out, ' ');
    buf_add_str(out, what);
    buf_add_str(out, count == 1 ? "" : "s");
}

/* --- what the answer says --- */

static size_t nodes_len(const struct drawing *d)
{
    return json_array_size(d->nodes);
}

static bool is_drawn(const struct drawing *d, size_t at)
{
    return d->drawn.p[at] != 0;
}

/* One that is not drawn yet; nodes_len() if there is none. */
static size_t find_node(const struct drawing *d, const char *name)
{
    size_t at = 0;

    while (
        at < nodes_len(d) &&
        (is_drawn(d, at) ||
         strcmp(show_text(json_array_get(d->nodes, at), "name"), name) != 0)) {
        at++;
    }
    return at;
}

/* Whether the name is in one of the lists "silent" and "older". */
static bool is_listed(const json_t *root, const char *list, const char *name)
{
    size_t i;
    json_t *listed;

    json_array_foreach(json_object_get(root, list), i, listed)
    {
        const char *text = json_string_value(listed);
        if (text != NULL && strcmp(text, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_dropped(const json_t *send)
{
    return strcmp(show_text(send, "outcome"), "dropped") == 0;
}

static long long dropped_of(const json_t *node)
{
    long long count = 0;
    size_t i;
    json_t *drop;

    json_array_foreach(json_object_get(node, "dropped"), i, drop)
    {
        count += show_number(drop, "count");
    }
    return count;
}

bool trace_is_whole(const json_t *root)
{
    size_t i;
    size_t s;
    json_t *node;
    json_t *send;

    json_array_foreach(json_object_get(root, "nodes"), i, node)
    {
        if (dropped_of(node) > 0) {
            return false;
        }
        json_array_foreach(json_object_get(node, "sent"), s, send)
        {
            if (is_dropped(send)) {
                return false;
            }
        }
    }
    return json_array_size(json_object_get(root, "silent")) == 0;
}

/* --- lines --- */

/* A branch, and what the lines below it begin with until end_branch(). */
static size_t begin_branch(struct drawing *d, bool last)
{
    size_t before = d->prefix.len;

    buf_add_bytes(d->out, buf_bytes(&d->prefix));
    buf_add_str(d->out, last ? "└─ " : "├─ ");
    buf_add_str(&d->prefix, last ? "   " : "│  ");
    return before;
}

static void end_branch(struct drawing *d, size_t before)
{
    d->prefix.len = before;
}

static void add_title(struct buf *out, const char *name, const json_t *node)
{
    buf_add_str(out, name);
    if (show_text(node, "region")[0] != '\0') {
        buf_add_str(out, " (");
        buf_add_str(out, show_text(node, "region"));
        buf_add_u8(out, ')');
    }
    buf_add_str(out, "  ");
}

/* `from`: whom the drawing does not show as its sender. */
static void add_arrival(struct buf *out, const json_t *node, const char *from)
{
    const char *hop = show_text(node, "hop");
    long long error_us = show_number(node, "error_us");

    add_title(out, show_text(node, "name"), node);
    if (strcmp(hop, "local") == 0) {
        buf_add_str(out, "published here");
    } else {
        add_after(out, show_number(node, "at_us"));
    }
    if (error_us > 0) {
        buf_add_str(out, " (±");
        add_ms(out, error_us);
        buf_add_u8(out, ')');
    }
    buf_add_str(out, strcmp(hop, "ingress") == 0 ? ", for its region"
                     : strcmp(hop, "host") == 0  ? ", for its process"
                                                 : "");
    buf_add_str(out, from[0] != '\0' ? ", from " : "");
    buf_add_str(out, from);
}

static void add_doors(struct buf *out, const json_t *node)
{
    const char *name;
    json_t *subs;
    bool comma = false;

    json_object_foreach(json_object_get(node, "doors"), name, subs)
    {
        buf_add_str(out, comma ? ", " : ": ");
        buf_add_str(out, name);
        buf_add_u8(out, ' ');
        buf_add_u64(out, (uint64_t)json_integer_value(subs));
        comma = true;
    }
}

/* Those of a door by reason; of the node itself the reason alone. */
static void add_drops(struct buf *out, const json_t *node)
{
    size_t i;
    json_t *drop;

    json_array_foreach(json_object_get(node, "dropped"), i, drop)
    {
        buf_add_str(out, "; DROPPED");
        if (show_text(drop, "door")[0] != '\0') {
            buf_add_str(out, " for ");
            buf_add_str(out, show_text(drop, "door"));
            buf_add_u8(out, ' ');
            buf_add_u64(out, (uint64_t)show_number(drop, "count"));
        }
        buf_add_str(out, ": ");
        buf_add_str(out, show_text(drop, "why"));
    }
}

static void add_readers(struct buf *out, const json_t *node)
{
    long long matched = show_number(node, "matched");
    long long waiting = show_number(node, "waiting");

    if (matched == 0) {
        buf_add_str(out, "nobody is subscribed here");
    } else {
        add_count(out, matched, "subscription");
        add_doors(out, node);
    }
    if (json_is_integer(json_object_get(node, "written_us")) &&
        matched > dropped_of(node)) {
        buf_add_str(out, "; written ");
        add_after(out, show_number(node, "written_us"));
    }
    if (waiting > 0) {
        buf_add_str(out, "; waits for ");
        add_count(out, waiting, "slow reader");
    }
    add_drops(out, node);
    if (json_is_integer(json_object_get(node, "gap_us"))) {
        buf_add_str(out, "; a discontinuity was told ");
        add_after(out, show_number(node, "gap_us"));
    }
}

static void draw_readers(struct drawing *d, const json_t *node, bool last)
{
    size_t before = begin_branch(d, last);

    add_readers(d->out, node);
    buf_add_u8(d->out, '\n');
    end_branch(d, before);
}

/* Of a node that did not get it, or did not say. */
static void add_fate(const struct drawing *d, const json_t *send)
{
    const char *name = show_text(send, "to");

    buf_add_str(d->out, name);
    buf_add_str(d->out, "  ");
    if (is_dropped(send)) {
        buf_add_str(d->out, "DROPPED ");
        add_after(d->out, show_number(send, "at_us"));
        buf_add_str(d->out, ": ");
        buf_add_str(d->out, show_text(send, "why"));
        return;
    }
    buf_add_str(d->out, show_text(send, "outcome"));
    buf_add_u8(d->out, ' ');
    add_after(d->out, show_number(send, "at_us"));
    if (is_listed(d->root, "silent", name)) {
        buf_add_str(d->out, ", SILENT: it does not say whether it has it");
    } else if (is_listed(d->root, "older", name)) {
        buf_add_str(d->out, "; its version takes no notes");
    }
}

static void draw_send(struct drawing *d, const json_t *send, bool last,
                      unsigned depth)
{
    size_t at = find_node(d, show_text(send, "to"));
    bool arrived = at < nodes_len(d) && !is_dropped(send) && depth < DEPTH_MAX;
    size_t before = begin_branch(d, last);

    if (arrived) {
        draw_node(d, at, depth + 1);
    } else {
        add_fate(d, send);
        buf_add_u8(d->out, '\n');
    }
    end_branch(d, before);
}

/* Its title stands where the caller has begun the line. */
static void draw_node(struct drawing *d, size_t at, unsigned depth)
{
    const json_t *node = json_array_get(d->nodes, at);
    const json_t *sends = json_object_get(node, "sent");
    long long more = show_number(node, "sent_more");
    size_t len = json_array_size(sends);

    d->drawn.p[at] = 1;
    add_arrival(d->out, node, depth == 0 ? show_text(node, "from") : "");
    buf_add_u8(d->out, '\n');
    draw_readers(d, node, len == 0 && more == 0);
    for (size_t i = 0; i < len; i++) {
        draw_send(d, json_array_get(sends, i), i + 1 == len && more == 0,
                  depth);
    }
    if (more > 0) {
        size_t before = begin_branch(d, true);
        add_count(d->out, more, "further node");
        buf_add_u8(d->out, '\n');
        end_branch(d, before);
    }
}

/* --- the whole --- */

static void draw_head(const struct drawing *d)
{
    const json_t *item = json_object_get(d->root, "item");

    buf_add_str(d->out, show_text(item, "cache"));
    buf_add_u8(d->out, '/');
    buf_add_str(d->out, show_text(item, "topic"));
    buf_add_str(d->out, ", ");
    add_count(d->out, show_number(item, "bytes"), "byte");
    buf_add_str(d->out, ", item ");
    buf_add_str(d->out, show_text(item, "origin"));
    buf_add_u8(d->out, '-');
    buf_add_u64(d->out, (uint64_t)show_number(item, "count"));
    buf_add_str(d->out, "\n\n");
}

static void draw_nodes(struct drawing *d)
{
    for (size_t at = 0; at < nodes_len(d); at++) {
        if (!is_drawn(d, at)) { /* the first, and whom no sender named */
            draw_node(d, at, 0);
            buf_add_u8(d->out, '\n');
        }
    }
}

/* Subscriptions and peers that did not get it, for the last line. */
static void add_lost(const struct drawing *d)
{
    size_t i;
    size_t s;
    json_t *node;
    json_t *of;
    bool comma = false;

    json_array_foreach(d->nodes, i, node)
    {
        json_array_foreach(json_object_get(node, "dropped"), s, of)
        {
            buf_add_str(d->out, comma ? ", " : "; dropped: ");
            buf_add_str(d->out, show_text(of, "why"));
            buf_add_u8(d->out, ' ');
            buf_add_u64(d->out, (uint64_t)show_number(of, "count"));
            comma = true;
        }
        json_array_foreach(json_object_get(node, "sent"), s, of)
        {
            if (is_dropped(of)) {
                buf_add_str(d->out, comma ? ", " : "; dropped: ");
                buf_add_str(d->out, show_text(of, "to"));
                comma = true;
            }
        }
    }
}

static void add_listed(const struct drawing *d, const char *list,
                       const char *title)
{
    size_t i;
    json_t *listed;

    json_array_foreach(json_object_get(d->root, list), i, listed)
    {
        const char *name = json_string_value(listed);
        buf_add_str(d->out, i == 0 ? title : ", ");
        buf_add_str(d->out, name != NULL ? name : "?");
    }
}

static void draw_summary(const struct drawing *d)
{
    long long subs = 0;
    long long waiting = 0;
    long long last_us = -1;
    size_t i;
    json_t *node;

    json_array_foreach(d->nodes, i, node)
    {
        const json_t *written = json_object_get(node, "written_us");
        long long at_us = json_integer_value(written);
        subs += show_number(node, "matched");
        waiting += show_number(node, "waiting");
        last_us = json_is_integer(written) && at_us > last_us ? at_us : last_us;
    }
    add_count(d->out, (long long)nodes_len(d), "node");
    buf_add_str(d->out, ", ");
    if (subs == 0) {
        buf_add_str(d->out, "nobody is subscribed");
    } else {
        add_count(d->out, subs, "subscription");
    }
    if (last_us >= 0) {
        buf_add_str(d->out, ", last written ");
        add_after(d->out, last_us);
    }
    if (waiting > 0) {
        buf_add_str(d->out, "; not read yet: ");
        buf_add_u64(d->out, (uint64_t)waiting);
    }
    add_lost(d);
    add_listed(d, "silent", "; silent: ");
    add_listed(d, "older", "; without notes: ");
    buf_add_u8(d->out, '\n');
}

void trace_tree(const json_t *root, struct buf *out)
{
    struct drawing d = {
        .root = root, .nodes = json_object_get(root, "nodes"), .out = out};
    uint8_t *drawn = buf_reserve(&d.drawn, nodes_len(&d) + 1);

    if (drawn != NULL && buf_reserve(&d.prefix, DEPTH_MAX * PREFIX_MAX)) {
        memset(drawn, 0, nodes_len(&d) + 1);
        draw_head(&d);
        draw_nodes(&d);
        draw_summary(&d);
    } else {
        out->failed = true;
    }
    buf_fini(&d.drawn);
    buf_fini(&d.prefix);
}

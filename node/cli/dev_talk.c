/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/dev_talk.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/dev.h"
#include "proto/err.h"
#include "proto/json.h"

static void add_document(const struct dev_nodes *nodes, struct buf *out);
static void tell(const struct dev_nodes *nodes, size_t from, size_t to);
static void say(int way, struct bytes message);

int dev_talk_open(struct dev_nodes *nodes, size_t i,
                  int theirs[DEV_WORKERS_MAX])
{
    struct dev_node *node = &nodes->node[i];

    for (unsigned worker = 0; worker < nodes->workers; worker++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
            while (worker-- > 0) {
                close(theirs[worker]);
            }
            dev_talk_close(node);
            return ERR_IO;
        }
        node->ways[worker] = pair[0];
        theirs[worker] = pair[1];
    }
    tell(nodes, i, i + 1);
    return 0;
}

void dev_talk_close(struct dev_node *node)
{
    for (unsigned worker = 0; worker < DEV_WORKERS_MAX; worker++) {
        if (node->ways[worker] >= 0) {
            close(node->ways[worker]);
            node->ways[worker] = -1;
        }
    }
}

/* --- how things are --- */

void dev_talk_tell(const struct dev_nodes *nodes)
{
    tell(nodes, 0, nodes->len);
}

static void tell(const struct dev_nodes *nodes, size_t from, size_t to)
{
    struct buf message = {.max = DEV_MESSAGE_MAX};

    buf_add_u8(&message, 'S');
    add_document(nodes, &message);
    for (size_t i = from; !message.failed && i < to; i++) {
        for (unsigned worker = 0; worker < nodes->workers; worker++) {
            say(nodes->node[i].ways[worker], buf_bytes(&message));
        }
    }
    buf_fini(&message);
}

/* A node that stands still misses it: the next one says it all again. */
static void say(int way, struct bytes message)
{
    if (way >= 0) {
        (void)send(way, message.p, message.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

static void add_text(struct buf *out, bool comma, const char *name,
                     const char *text)
{
    json_add_name(out, comma, name);
    json_add_string(out, bytes_str(text));
}

static void add_node(struct buf *out, const struct dev_nodes *nodes, size_t i)
{
    const struct dev_node *node = &nodes->node[i];
    char cluster[32];

    snprintf(cluster, sizeof cluster, "127.0.0.1:%u", node->port + 1u);
    buf_add_str(out, i > 0 ? ",{" : "{");
    add_text(out, false, "name", node->name);
    add_text(out, true, "region", dev_region(nodes, i));
    add_text(out, true, "endpoint", node->url_text);
    add_text(out, true, "cluster", cluster);
    json_add_name(out, true, "pid");
    buf_add_u64(out, (uint64_t)node->pid);
    json_add_name(out, true, "up");
    buf_add_str(out, node->pid > 0 ? "true}" : "false}");
}

static void add_document(const struct dev_nodes *nodes, struct buf *out)
{
    const char *comma = "";

    buf_add_str(out, "{\"nodes\":[");
    for (size_t i = 0; i < nodes->len; i++) {
        add_node(out, nodes, i);
    }
    buf_add_str(out, "],\"wan_ms\":");
    buf_add_u64(out, nodes->wan_ms);
    buf_add_str(out, ",\"cut\":[");
    for (size_t a = 0; a < nodes->regions_len; a++) {
        for (size_t b = a + 1; b < nodes->regions_len; b++) {
            if (nodes->cut[a][b]) {
                buf_add_str(out, comma);
                buf_add_u8(out, '[');
                json_add_string(out, bytes_str(nodes->regions[a]));
                buf_add_u8(out, ',');
                json_add_string(out, bytes_str(nodes->regions[b]));
                buf_add_u8(out, ']');
                comma = ",";
            }
        }
    }
    buf_add_str(out, "]}\n");
}

/* --- wishes --- */

void dev_talk_hear(struct dev_node *node, unsigned worker,
                   struct dev_heard *heard)
{
    ssize_t len = recv(node->ways[worker], heard->memory, sizeof heard->memory,
                       MSG_DONTWAIT);

    heard->what = DEV_HEARD_NOTHING;
    if (len == 0 || (len < 0 && errno != EAGAIN && errno != EINTR)) {
        close(node->ways[worker]); /* it is ending */
        node->ways[worker] = -1;
        return;
    }
    if (len < 1) {
        return;
    }
    struct bytes text = bytes_of(heard->memory + 1, (size_t)len - 1);
    ptrdiff_t space = bytes_find(text, ' ');
    if (heard->memory[0] == 'R') {
        heard->what = DEV_HEARD_READY;
    } else if (heard->memory[0] == 'Q' && space > 0 &&
               bytes_u64(bytes_of(text.p, (size_t)space), &heard->id) == 0) {
        heard->what = DEV_HEARD_WISH;
        heard->wish = bytes_skip(text, (size_t)space + 1);
    }
}

void dev_talk_answer(const struct dev_node *node, unsigned worker, uint64_t id,
                     int err, const char *words)
{
    struct buf message = {.max = DEV_MESSAGE_MAX};

    buf_add_u8(&message, 'A');
    buf_add_u64(&message, id);
    buf_add_u8(&message, ' ');
    buf_add_u64(&message, err == 0 ? 0 : err_code(err));
    buf_add_u8(&message, ' ');
    buf_add_str(&message, words);
    if (!message.failed) {
        say(node->ways[worker], buf_bytes(&message));
    }
    buf_fini(&message);
}

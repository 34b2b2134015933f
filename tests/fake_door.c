/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fake_door.h"

struct fake_door_seen fake_door_seen;

static void add_name(struct buf *out, struct bytes cache, struct bytes topic,
                     struct bytes pattern)
{
    if (pattern.len > 0) {
        buf_add_u8(out, '[');
        buf_add_bytes(out, pattern);
        buf_add_u8(out, ']');
    }
    buf_add_bytes(out, cache);
    buf_add_u8(out, '/');
    buf_add_bytes(out, topic);
    buf_add_u8(out, ' ');
}

static void render(const struct rendering *what, struct buf *out)
{
    add_name(out, what->item->cache, what->item->topic, what->pattern);
    buf_add_u64(out, what->seq);
    buf_add_u8(out, ' ');
    buf_add_bytes(out, what->item->value);
    buf_add_u8(out, '\n');
}

static void render_gap(const struct hub_gap *gap, struct buf *out)
{
    add_name(out, gap->cache, gap->topic, gap->pattern);
    buf_add_str(out, "gap ");
    buf_add_u64(out, gap->last);
    buf_add_u8(out, ' ');
    buf_add_u64(out, gap->next);
    buf_add_u8(out, '\n');
}

static void on_barrier(struct client *client, uint64_t tag, bool partial,
                       struct buf *ack)
{
    (void)client;
    buf_add_str(ack, "ack ");
    buf_add_u64(ack, tag);
    buf_add_str(ack, partial ? " partial\n" : "\n");
}

static void say_error(struct client *client, int err)
{
    client_write(client, BYTES("bye "));
    client_write(client, bytes_str(err_name(err)));
    client_write(client, BYTES("\n"));
}

static void on_ended(struct client *client, struct sub *sub, int err)
{
    (void)client;
    (void)sub;
    fake_door_seen.ended++;
    fake_door_seen.ended_err = err;
}

static void on_close(struct client *client)
{
    (void)client;
    fake_door_seen.closed++;
}

static void on_deadline(struct client *client)
{
    (void)client;
    fake_door_seen.due++;
}

const struct door door_lines = {
    .name = "lines",
    .shape = DOOR_BYTE,
    .tells_gaps = true,
    .resumable = true,
    .state_len = 16,
    .on_deadline = on_deadline,
    .on_barrier = on_barrier,
    .on_ended = on_ended,
    .say_error = say_error,
    .on_close = on_close,
    .render = render,
    .render_gap = render_gap,
};

const struct door door_plain = {
    .name = "plain",
    .shape = DOOR_BYTE,
    .on_ended = on_ended,
    .say_error = say_error,
    .on_close = on_close,
    .render = render,
};

const struct door door_frames = {
    .name = "frames",
    .shape = DOOR_MESSAGE,
    .tells_gaps = true,
    .resumable = true,
    .on_barrier = on_barrier,
    .on_ended = on_ended,
    .say_error = say_error,
    .on_close = on_close,
    .render = render,
    .render_gap = render_gap,
};

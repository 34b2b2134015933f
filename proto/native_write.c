/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/native.h"

#include "proto/err.h"
#include "proto/json.h"
#include "proto/mp.h"

/* One message being written: the same calls make JSON or msgpack. */
struct writer {
    enum native_format format;
    struct buf *out;
    bool comma;
};

static void put_name(struct writer *w, const char *name)
{
    if (w->format == NATIVE_JSON) {
        json_add_name(w->out, w->comma, name);
        w->comma = true;
    } else {
        mp_put_str(w->out, bytes_str(name));
    }
}

static void put_text(struct writer *w, const char *name, struct bytes text)
{
    put_name(w, name);
    if (w->format == NATIVE_JSON) {
        json_add_string(w->out, text);
    } else {
        mp_put_str(w->out, text);
    }
}

static void put_data(struct writer *w, const char *name, struct bytes data)
{
    put_name(w, name);
    if (w->format == NATIVE_JSON) {
        json_add_base64(w->out, data);
    } else {
        mp_put_bin(w->out, data);
    }
}

static void put_number(struct writer *w, const char *name, uint64_t number)
{
    put_name(w, name);
    if (w->format == NATIVE_JSON) {
        buf_add_u64(w->out, number);
    } else {
        mp_put_u64(w->out, number);
    }
}

static void put_bool(struct writer *w, const char *name, bool truth)
{
    put_name(w, name);
    if (w->format == NATIVE_JSON) {
        buf_add_str(w->out, truth ? "true" : "false");
    } else {
        mp_put_bool(w->out, truth);
    }
}

/* 64 bits as 16 hex digits: they would not fit a JSON number. */
static void put_hex(struct writer *w, const char *name, uint64_t number)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t hex[16];

    for (size_t i = 0; i < sizeof hex; i++) {
        hex[i] = (uint8_t)digits[number >> (60 - 4 * i) & 15];
    }
    put_text(w, name, bytes_of(hex, sizeof hex));
}

/* Opens a message of `fields_len` fields, the op among them. */
static struct writer begin(enum native_format format, struct buf *out,
                           size_t fields_len, const char *op)
{
    struct writer w = {.format = format, .out = out};

    if (format == NATIVE_JSON) {
        buf_add_u8(out, '{');
    } else {
        mp_put_map(out, (uint32_t)fields_len);
    }
    put_text(&w, "op", bytes_str(op));
    return w;
}

static void end(struct writer *w)
{
    if (w->format == NATIVE_JSON) {
        buf_add_u8(w->out, '}');
    }
}

void native_write_welcome(enum native_format format, struct bytes node,
                          struct bytes region, uint64_t origin, bool ready,
                          struct buf *out)
{
    struct writer w = begin(format, out, 5, "welcome");
    put_text(&w, "node", node);
    put_text(&w, "region", region);
    put_hex(&w, "origin", origin);
    put_bool(&w, "ready", ready);
    end(&w);
}

void native_write_subscribed(enum native_format format, uint64_t id,
                             const struct native_position *position,
                             struct buf *out)
{
    struct writer w = begin(format, out, 8, "subscribed");
    put_number(&w, "id", id);
    put_text(&w, "cache", position->cache);
    put_text(&w, "topic", position->topic);
    put_number(&w, "page", position->page);
    put_number(&w, "seq", position->seq);
    put_bool(&w, "resumed", position->resumed);
    put_bool(&w, "partial", position->partial);
    end(&w);
}

void native_write_unsubscribed(enum native_format format,
                               const struct native_command *command,
                               struct buf *out)
{
    struct writer w = begin(format, out, 4, "unsubscribed");
    put_number(&w, "id", command->id);
    put_text(&w, "cache", command->cache);
    put_text(&w, "topic", command->topic);
    end(&w);
}

static size_t attrs_len(const struct item_attrs *a)
{
    int len = (a->event.len > 0) + (a->id.len > 0) + (a->content_type.len > 0) +
              (a->reply_to.len > 0) + (a->correlation.len > 0) +
              (a->expiry_ms > 0) + (a->retry_ms > 0);
    return (size_t)len;
}

static void put_text_if(struct writer *w, const char *name, struct bytes text)
{
    if (text.len > 0) {
        put_text(w, name, text);
    }
}

static void put_attrs(struct writer *w, const struct item_attrs *a)
{
    put_text_if(w, "event", a->event);
    put_text_if(w, "item_id", a->id);
    put_text_if(w, "content_type", a->content_type);
    put_text_if(w, "reply_to", a->reply_to);
    put_text_if(w, "correlation", a->correlation);
    if (a->expiry_ms > 0) {
        put_number(w, "expiry_ms", a->expiry_ms);
    }
    if (a->retry_ms > 0) {
        put_number(w, "retry_ms", a->retry_ms);
    }
}

static void write_json_item(const struct item *item,
                            const struct item_attrs *attrs, uint64_t page,
                            uint64_t seq, struct buf *out)
{
    struct writer w = begin(NATIVE_JSON, out, 0, "item");

    put_text(&w, "cache", item->cache);
    put_text(&w, "topic", item->topic);
    put_number(&w, "page", page);
    put_number(&w, "seq", seq);
    put_hex(&w, "origin", item->origin);
    put_number(&w, "at", item->at_ms);
    put_text_if(&w, "publisher", item->publisher);
    put_attrs(&w, attrs);
    if ((item->flags & ITEM_BINARY) != 0) {
        put_data(&w, "data", item->value);
    } else {
        put_text(&w, "text", item->value);
    }
    end(&w);
}

static void write_msgpack_item(const struct item *item,
                               const struct item_attrs *attrs, uint64_t page,
                               uint64_t seq, struct buf *out)
{
    struct writer w = {.format = NATIVE_MSGPACK, .out = out};
    size_t len = attrs_len(attrs);
    uint8_t origin[8];

    bytes_put_u64be(origin, item->origin);
    mp_put_array(out, len > 0 ? 9 : 8);
    mp_put_str(out, item->cache);
    mp_put_str(out, item->topic);
    mp_put_u64(out, page);
    mp_put_u64(out, seq);
    mp_put_bin(out, bytes_of(origin, sizeof origin));
    mp_put_u64(out, item->at_ms);
    mp_put_str(out, item->publisher);
    if ((item->flags & ITEM_BINARY) != 0) {
        mp_put_bin(out, item->value);
    } else {
        mp_put_str(out, item->value);
    }
    if (len > 0) {
        mp_put_map(out, (uint32_t)len);
        put_attrs(&w, attrs);
    }
}

void native_write_item(enum native_format format, const struct item *item,
                       uint64_t page, uint64_t seq, struct buf *out)
{
    struct item_attrs attrs = {0};

    if (item->attrs.len > 0 && item_attrs_read(item->attrs, &attrs) != 0) {
        attrs = (struct item_attrs){0}; /* the value still counts */
    }
    if (format == NATIVE_JSON) {
        write_json_item(item, &attrs, page, seq, out);
    } else {
        write_msgpack_item(item, &attrs, page, seq, out);
    }
}

void native_write_gap(enum native_format format, struct bytes cache,
                      struct bytes topic, uint64_t page, uint64_t last,
                      uint64_t next, struct buf *out)
{
    struct writer w = begin(format, out, 6, "gap");
    put_text(&w, "cache", cache);
    put_text(&w, "topic", topic);
    put_number(&w, "page", page);
    put_number(&w, "last", last);
    put_number(&w, "next", next);
    end(&w);
}

void native_write_published(enum native_format format, uint64_t id,
                            uint64_t subscriptions, unsigned nodes,
                            bool partial, struct buf *out)
{
    struct writer w = begin(format, out, 5, "published");
    put_number(&w, "id", id);
    put_number(&w, "subscriptions", subscriptions);
    put_number(&w, "nodes", nodes);
    put_bool(&w, "partial", partial);
    end(&w);
}

void native_write_answer(enum native_format format, const char *op,
                         const struct native_command *command, struct buf *out)
{
    struct writer w = begin(format, out, command->has_id ? 2 : 1, op);
    if (command->has_id) {
        put_number(&w, "id", command->id);
    }
    end(&w);
}

static void put_error(struct writer *w, int err, struct bytes message)
{
    put_number(w, "code", err_code(err));
    put_text(w, "error", bytes_str(err_name(err)));
    put_text(w, "message", message);
    end(w);
}

void native_write_ended(enum native_format format, struct bytes cache,
                        struct bytes topic, int err, struct bytes message,
                        struct buf *out)
{
    struct writer w = begin(format, out, 6, "ended");
    put_text(&w, "cache", cache);
    put_text(&w, "topic", topic);
    put_error(&w, err, message);
}

void native_write_move(enum native_format format, struct bytes endpoint,
                       struct buf *out)
{
    struct writer w = begin(format, out, 2, "move");
    put_text(&w, "endpoint", endpoint);
    end(&w);
}

void native_write_error(enum native_format format,
                        const struct native_command *command, int err,
                        struct bytes message, struct buf *out)
{
    bool has_id = command != NULL && command->has_id;
    struct writer w = begin(format, out, has_id ? 5 : 4, "error");
    if (has_id) {
        put_number(&w, "id", command->id);
    }
    put_error(&w, err, message);
}

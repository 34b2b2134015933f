/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/native.h"

#include <jansson.h>

#include "proto/err.h"
#include "proto/json.h"
#include "proto/mp.h"
#include "proto/topic.h"

/* A field of a message, whatever its format was. */
struct value {
    enum {
        VALUE_NONE,
        VALUE_TEXT,
        VALUE_DATA,
        VALUE_NUMBER,
        VALUE_BOOL
    } type;
    struct bytes bytes;
    uint64_t number;
    bool truth;
};

static int apply(struct native_command *c, struct bytes key,
                 const struct value *v);
static int finish(struct native_command *c, struct bytes op);

/* The table of fields: where each goes and of which type it must be. */
enum field_kind {
    FIELD_TEXT,   /* struct bytes, text */
    FIELD_NUMBER, /* uint64_t */
    FIELD_MS,     /* uint32_t */
    FIELD_TRUE,   /* bool, set when true */
    FIELD_FALSE,  /* bool, set when false */
};

struct field {
    const char *name;
    size_t at;
    enum field_kind kind;
};

#define AT(member) offsetof(struct native_command, member)
static const struct field fields[] = {
    {"cache", AT(cache), FIELD_TEXT},
    {"topic", AT(topic), FIELD_TEXT},
    {"token", AT(token), FIELD_TEXT},
    {"receipt", AT(receipt), FIELD_TRUE},
    {"echo", AT(no_echo), FIELD_FALSE},
    {"page", AT(page), FIELD_NUMBER},
    {"event", AT(attrs.event), FIELD_TEXT},
    {"item_id", AT(attrs.id), FIELD_TEXT},
    {"content_type", AT(attrs.content_type), FIELD_TEXT},
    {"reply_to", AT(attrs.reply_to), FIELD_TEXT},
    {"correlation", AT(attrs.correlation), FIELD_TEXT},
    {"expiry_ms", AT(attrs.expiry_ms), FIELD_MS},
    {"retry_ms", AT(attrs.retry_ms), FIELD_MS},
};
#undef AT

static int set_field(struct native_command *c, const struct field *field,
                     const struct value *v)
{
    void *to = (char *)c + field->at;

    switch (field->kind) {
    case FIELD_TEXT:
        if (v->type != VALUE_TEXT) {
            return ERR_SYNTAX;
        }
        *(struct bytes *)to = v->bytes;
        return 0;
    case FIELD_NUMBER:
        if (v->type != VALUE_NUMBER) {
            return ERR_SYNTAX;
        }
        *(uint64_t *)to = v->number;
        return 0;
    case FIELD_MS:
        if (v->type != VALUE_NUMBER || v->number > UINT32_MAX) {
            return ERR_SYNTAX;
        }
        *(uint32_t *)to = (uint32_t)v->number;
        return 0;
    case FIELD_TRUE:
    case FIELD_FALSE:
        if (v->type != VALUE_BOOL) {
            return ERR_SYNTAX;
        }
        *(bool *)to = v->truth == (field->kind == FIELD_TRUE);
        return 0;
    }
    return ERR_SYNTAX;
}

static bool key_is(struct bytes key, const char *name)
{
    return bytes_eq(key, bytes_str(name));
}

static int set_value(struct native_command *c, const struct value *v,
                     bool binary)
{
    if (c->has_value) {
        return ERR_ARGUMENT; /* text and data */
    }
    c->has_value = true;
    c->binary = binary;
    c->value = v->bytes;
    return 0;
}

/* Takes one field of the message; `op` is kept by the caller. */
static int apply(struct native_command *c, struct bytes key,
                 const struct value *v)
{
    if (key_is(key, "id")) {
        c->has_id = v->type == VALUE_NUMBER;
        c->id = v->number;
        return c->has_id ? 0 : ERR_SYNTAX;
    }
    if (key_is(key, "seq")) {
        c->resume = v->type == VALUE_NUMBER;
        c->seq = v->number;
        return c->resume ? 0 : ERR_SYNTAX;
    }
    if (key_is(key, "barrier")) {
        c->barrier_all = v->type == VALUE_TEXT && key_is(v->bytes, "all");
        return c->barrier_all ||
                       (v->type == VALUE_TEXT && key_is(v->bytes, "region"))
                   ? 0
                   : ERR_ARGUMENT;
    }
    if (key_is(key, "text")) {
        return v->type == VALUE_TEXT ? set_value(c, v, false) : ERR_SYNTAX;
    }
    if (key_is(key, "data")) {
        return v->type == VALUE_DATA ? set_value(c, v, true) : ERR_SYNTAX;
    }
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (key_is(key, fields[i].name)) {
            return set_field(c, &fields[i], v);
        }
    }
    return 0; /* unknown: for a newer version */
}

/* Finds the op and checks that nothing it needs is missing. */
static int finish(struct native_command *c, struct bytes op)
{
    static const char *const names[] = {
        [NATIVE_SUBSCRIBE] = "subscribe", [NATIVE_UNSUBSCRIBE] = "unsubscribe",
        [NATIVE_PUBLISH] = "publish",     [NATIVE_AUTH] = "auth",
        [NATIVE_PING] = "ping",
    };
    size_t i = 0;

    while (i < ARRAY_LEN(names) && !key_is(op, names[i])) {
        i++;
    }
    if (i == ARRAY_LEN(names)) {
        return ERR_ARGUMENT;
    }
    c->op = (enum native_op)i;
    switch (c->op) {
    case NATIVE_SUBSCRIBE:
    case NATIVE_UNSUBSCRIBE:
        return c->has_id ? 0 : ERR_ARGUMENT;
    case NATIVE_PUBLISH:
        return c->has_value && (c->has_id || !c->receipt) ? 0 : ERR_ARGUMENT;
    case NATIVE_AUTH:
        return c->token.len > 0 ? 0 : ERR_ARGUMENT;
    case NATIVE_PING:
        return 0;
    }
    return ERR_ARGUMENT;
}

/* jansson recurses; nothing of ours is deeper than a few levels. */
static bool json_is_shallow(struct bytes text)
{
    size_t depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.p[i];
        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > NATIVE_DEPTH_MAX) {
                return false;
            }
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return true;
}

/* Copies into memory, which has room: decoded text is never longer. */
static struct bytes keep(struct buf *memory, struct bytes s)
{
    size_t at = memory->len;
    buf_add_bytes(memory, s);
    return bytes_of(memory->p + at, s.len);
}

static int json_value(const char *key, json_t *node, struct buf *memory,
                      struct value *v)
{
    switch (json_typeof(node)) {
    case JSON_STRING: {
        struct bytes text = bytes_of(json_string_value(node),
                                     json_string_length(node));
        if (strcmp(key, "data") != 0) {
            *v = (struct value){.type = VALUE_TEXT,
                                .bytes = keep(memory, text)};
            return 0;
        }
        size_t at = memory->len;
        if (json_base64_read(text, memory) != 0) {
            return ERR_SYNTAX;
        }
        *v = (struct value){
            .type = VALUE_DATA,
            .bytes = bytes_of(memory->p + at, memory->len - at)};
        return 0;
    }
    case JSON_INTEGER: {
        json_int_t number = json_integer_value(node);
        if (number < 0 || (uint64_t)number >> NATIVE_NUMBER_MAX_BITS != 0) {
            return ERR_SYNTAX;
        }
        *v = (struct value){.type = VALUE_NUMBER, .number = (uint64_t)number};
        return 0;
    }
    case JSON_TRUE:
    case JSON_FALSE:
        *v = (struct value){.type = VALUE_BOOL, .truth = json_is_true(node)};
        return 0;
    case JSON_OBJECT:
    case JSON_ARRAY:
    case JSON_REAL:
    case JSON_NULL:
        *v = (struct value){.type = VALUE_NONE};
        return 0;
    }
    return ERR_SYNTAX;
}

static int read_json(struct bytes message, struct native_command *c,
                     struct buf *memory)
{
    struct bytes op = {0};
    const char *key;
    json_t *node;
    int rc = 0;

    if (!json_is_shallow(message)) {
        return ERR_SYNTAX;
    }
    json_t *root = json_loadb((const char *)message.p, message.len,
                              JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    if (!json_is_object(root)) {
        json_decref(root);
        return ERR_SYNTAX;
    }
    json_object_foreach(root, key, node)
    {
        struct value v;
        int one = json_value(key, node, memory, &v);
        if (one == 0 && strcmp(key, "op") == 0) {
            op = v.bytes;
        } else if (one == 0) {
            one = apply(c, bytes_str(key), &v);
        }
        rc = rc != 0 ? rc : one; /* the first; an id may still follow */
    }
    json_decref(root);
    return rc != 0 ? rc : finish(c, op);
}

static int mp_value(struct mp *mp, struct value *v)
{
    *v = (struct value){.type = VALUE_NONE};
    switch (mp_next_type(mp)) {
    case MP_STR:
        v->type = VALUE_TEXT;
        v->bytes = mp_take_str(mp, SIZE_MAX);
        return topic_text_is_valid(v->bytes) ? 0 : ERR_UTF8;
    case MP_BIN:
        v->type = VALUE_DATA;
        v->bytes = mp_take_bin(mp, SIZE_MAX);
        return 0;
    case MP_U64:
        v->type = VALUE_NUMBER;
        v->number = mp_take_u64(mp);
        return v->number >> NATIVE_NUMBER_MAX_BITS == 0 ? 0 : ERR_SYNTAX;
    case MP_BOOL:
        v->type = VALUE_BOOL;
        v->truth = mp_take_bool(mp);
        return 0;
    case MP_OTHER:
        mp_skip(mp); /* of no use to any field */
        return 0;
    }
    return ERR_SYNTAX;
}

/* One name and its value. */
static int read_mp_field(struct mp *mp, struct native_command *c,
                         struct bytes *op)
{
    struct bytes key = mp_take_str(mp, SIZE_MAX);
    struct value v;
    int rc = mp_value(mp, &v);

    if (rc == 0 && key_is(key, "op")) {
        *op = v.bytes;
        return 0;
    }
    return rc == 0 ? apply(c, key, &v) : rc;
}

static int read_msgpack(struct bytes message, struct native_command *c)
{
    struct mp mp = mp_of(message);
    uint32_t len = mp_take_map(&mp);
    struct bytes op = {0};
    int rc = 0;

    for (uint32_t i = 0; i < len && mp.state == 0; i++) {
        int one = read_mp_field(&mp, c, &op);
        rc = rc != 0 ? rc : one; /* the first; an id may still follow */
    }
    if (mp_outcome(&mp) != (ptrdiff_t)message.len) {
        return ERR_SYNTAX; /* wrong, cut short, or more than one value */
    }
    return rc != 0 ? rc : finish(c, op);
}

int native_read(enum native_format format, struct bytes message,
                struct native_command *command, struct buf *memory)
{
    *command = (struct native_command){0};
    buf_reset(memory);
    /* Room for everything decoded, so that slices of it never move. */
    if (message.len == 0) {
        return ERR_SYNTAX;
    }
    if (buf_reserve(memory, message.len) == NULL) {
        return ERR_NOMEM;
    }
    return format == NATIVE_JSON ? read_json(message, command, memory)
                                 : read_msgpack(message, command);
}

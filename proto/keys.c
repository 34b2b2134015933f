/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/keys.h"

#include <assert.h>
#include <jansson.h>

#include "proto/err.h"
#include "proto/json.h"

static const char *const op_names[] = {
    [KEYS_LIST] = "list",
    [KEYS_INSTALL] = "install",
    [KEYS_USE] = "use",
    [KEYS_REMOVE] = "remove",
};

static int read_wish(const json_t *root, struct keys_wish *wish);
static int read_op(const json_t *value, struct keys_wish *wish);
static int read_sealed(struct bytes text, struct keys_wish *wish);

const char *keys_op_name(enum keys_op op)
{
    assert((size_t)op < ARRAY_LEN(op_names) && op_names[op] != NULL);
    return op_names[op];
}

/* --- between nodes --- */

static void add_u64(struct buf *out, uint64_t value)
{
    uint8_t be[8];

    bytes_put_u64be(be, value);
    buf_add(out, be, sizeof be);
}

void keys_call_write(const struct keys_call *call, struct buf *out)
{
    buf_add_u8(out, (uint8_t)call->op);
    add_u64(out, call->print);
    if (call->op == KEYS_INSTALL) {
        buf_add(out, call->secret, sizeof call->secret);
    }
}

ptrdiff_t keys_call_read(struct bytes in, struct keys_call *call)
{
    struct keys_call got = {0};
    size_t len = 1 + 8;

    if (in.len < len || in.p[0] < KEYS_LIST || in.p[0] > KEYS_REMOVE) {
        return ERR_SYNTAX;
    }
    got.op = (enum keys_op)in.p[0];
    got.print = bytes_u64be(in.p + 1);
    if (got.op == KEYS_INSTALL) {
        if (in.len < KEYS_CALL_LEN_MAX) {
            return ERR_SYNTAX;
        }
        memcpy(got.secret, in.p + len, sizeof got.secret);
        len = KEYS_CALL_LEN_MAX;
    }
    *call = got;
    return (ptrdiff_t)len;
}

void keys_state_write(const struct keys_state *state, struct buf *out)
{
    unsigned code = state->err == 0 ? 0 : err_code(state->err);

    assert(state->len <= SEAL_KEYS_MAX);
    buf_add_u8(out, (uint8_t)(code >> 8));
    buf_add_u8(out, (uint8_t)code);
    buf_add_u8(out, (uint8_t)state->len);
    for (size_t i = 0; i < state->len; i++) {
        add_u64(out, state->prints[i]);
    }
}

ptrdiff_t keys_state_read(struct bytes in, struct keys_state *state)
{
    struct keys_state got = {0};

    if (in.len < 3 || in.p[2] > SEAL_KEYS_MAX ||
        in.len < 3 + (size_t)in.p[2] * 8) {
        return ERR_SYNTAX;
    }
    unsigned code = bytes_u16be(in.p);
    got.err = code == 0 ? 0 : err_from_code(code);
    got.len = in.p[2];
    for (size_t i = 0; i < got.len; i++) {
        got.prints[i] = bytes_u64be(in.p + 3 + i * 8);
    }
    *state = got;
    return (ptrdiff_t)(3 + got.len * 8);
}

bool keys_state_has(const struct keys_state *state, uint64_t print)
{
    for (size_t i = 0; i < state->len; i++) {
        if (state->prints[i] == print) {
            return true;
        }
    }
    return false;
}

/* --- from an operator --- */

int keys_wish_read(struct bytes text, struct keys_wish *wish)
{
    struct keys_wish got = {0};
    json_t *root = json_loadb((const char *)text.p, text.len,
                              JSON_REJECT_DUPLICATES, NULL);
    int rc = json_is_object(root) ? read_wish(root, &got) : ERR_SYNTAX;

    json_decref(root);
    if (rc == 0) {
        *wish = got;
    }
    return rc;
}

static int read_wish(const json_t *root, struct keys_wish *wish)
{
    const char *key = json_string_value(json_object_get(root, "key"));
    json_t *force = json_object_get(root, "force");
    json_t *sealed = json_object_get(root, "sealed");
    size_t known = 2 + (size_t)(force != NULL) + (size_t)(sealed != NULL);

    if (key == NULL || json_object_size(root) != known ||
        (force != NULL && !json_is_boolean(force)) ||
        (sealed != NULL && !json_is_string(sealed)) ||
        keys_print_read(bytes_str(key), &wish->print) != 0) {
        return ERR_ARGUMENT;
    }
    wish->force = json_is_true(force);
    int rc = read_op(json_object_get(root, "op"), wish);
    if (rc == 0 && sealed != NULL) {
        rc = read_sealed(
            bytes_of(json_string_value(sealed), json_string_length(sealed)),
            wish);
    }
    return rc;
}

static int read_op(const json_t *value, struct keys_wish *wish)
{
    const char *name = json_string_value(value);

    for (size_t i = KEYS_INSTALL; name != NULL && i < ARRAY_LEN(op_names);
         i++) {
        if (strcmp(name, op_names[i]) == 0) {
            wish->op = (enum keys_op)i;
            return 0;
        }
    }
    return ERR_ARGUMENT;
}

static int read_sealed(struct bytes text, struct keys_wish *wish)
{
    struct buf bytes = {.max = 1024};
    int rc = json_base64_read(text, &bytes);

    if (rc != 0 || bytes.len != KEYS_SEALED_LEN || wish->op != KEYS_INSTALL) {
        rc = ERR_ARGUMENT;
    } else {
        memcpy(wish->sealed, bytes.p, KEYS_SEALED_LEN);
        wish->sealed_len = KEYS_SEALED_LEN;
    }
    buf_fini(&bytes);
    return rc;
}

void keys_wish_write(const struct keys_wish *wish, struct buf *out)
{
    buf_add_str(out, "{\"op\":\"");
    buf_add_str(out, keys_op_name(wish->op));
    buf_add_str(out, "\",\"key\":\"");
    keys_print_write(wish->print, out);
    buf_add_str(out, wish->force ? "\",\"force\":true" : "\"");
    if (wish->sealed_len > 0) {
        buf_add_str(out, ",\"sealed\":");
        json_add_base64(out, bytes_of(wish->sealed, wish->sealed_len));
    }
    buf_add_u8(out, '}');
}

static int digit_of(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int keys_print_read(struct bytes hex, uint64_t *print)
{
    uint64_t value = 0;

    if (hex.len != KEYS_PRINT_LEN) {
        return ERR_SYNTAX;
    }
    for (size_t i = 0; i < hex.len; i++) {
        int digit = digit_of(hex.p[i]);
        if (digit < 0) {
            return ERR_SYNTAX;
        }
        value = value << 4 | (uint64_t)digit;
    }
    *print = value;
    return 0;
}

void keys_print_write(uint64_t print, struct buf *out)
{
    uint8_t be[8];

    bytes_put_u64be(be, print);
    buf_add_hex(out, be, sizeof be);
}

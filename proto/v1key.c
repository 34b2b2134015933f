/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/v1key.h"

#include <jansson.h>

#include "proto/err.h"
#include "proto/json.h"

static int read_json(struct bytes text, struct buf *token);

struct bytes v1key_endpoint(struct bytes url)
{
    static const char marks[] = "-.:[]_";
    const uint8_t *scheme = memmem(url.p, url.len, "://", 3);

    if (scheme != NULL) {
        url = bytes_skip(url, (size_t)(scheme - url.p) + 3);
    }
    ptrdiff_t slash = bytes_find(url, '/');
    if (slash >= 0) {
        url.len = (size_t)slash;
    }
    for (size_t i = 0; i < url.len; i++) {
        uint8_t c = url.p[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (!letter && !(c >= '0' && c <= '9') &&
            memchr(marks, c, sizeof marks - 1) == NULL) {
            return (struct bytes){0};
        }
    }
    return url.len <= V1KEY_ENDPOINT_LEN_MAX ? url : (struct bytes){0};
}

void v1key_write(struct bytes endpoint, struct bytes token, struct buf *out)
{
    struct buf json = {0};

    buf_add_u8(&json, '{');
    json_add_name(&json, false, "endpoint");
    json_add_string(&json, endpoint);
    json_add_name(&json, true, "api_key");
    json_add_string(&json, token);
    buf_add_u8(&json, '}');
    json_base64(out, buf_bytes(&json));
    out->failed = out->failed || json.failed;
    buf_fini(&json);
}

int v1key_read(struct bytes text, struct buf *token)
{
    struct buf json = {.max = V1KEY_LEN_MAX};

    if (text.len > V1KEY_LEN_MAX) {
        return ERR_TOO_BIG;
    }
    int rc = json_base64_read(text, &json);
    if (rc == 0) {
        rc = read_json(buf_bytes(&json), token);
    }
    buf_fini(&json);
    return rc == ERR_SYNTAX ? ERR_UNAUTH : rc;
}

static int read_json(struct bytes text, struct buf *token)
{
    json_t *root = json_loadb((const char *)text.p, text.len,
                              JSON_REJECT_DUPLICATES, NULL);
    const json_t *key = json_object_get(root, "api_key");
    int rc = ERR_UNAUTH;

    if (json_is_string(key) && json_string_length(key) > TOKEN_LEN_MAX) {
        rc = ERR_TOO_BIG;
    } else if (json_is_string(key) && json_string_length(key) > 0) {
        buf_add(token, json_string_value(key), json_string_length(key));
        rc = token->failed ? ERR_NOMEM : 0;
    }
    json_decref(root);
    return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "node/config/quotas.h"

#include <assert.h>
#include <string.h>

#include "node/config/amount.h"
#include "proto/err.h"

const char *quotas_begin(struct quotas *quotas)
{
    if (quotas->len == QUOTAS_MAX) {
        return "more than 64 caches: create the others (starling cache)";
    }
    quotas->rows[quotas->len++] = (struct quotas_row){0};
    return NULL;
}

static const char *set_name(struct quotas *quotas, const char *value)
{
    struct quotas_row *row = &quotas->rows[quotas->len - 1];

    if (!topic_cache_is_valid(bytes_str(value))) {
        return "expected 1 to 64 characters of A-Za-z0-9._-";
    }
    if (topic_cache_is_system(bytes_str(value))) {
        return "the cluster's own, without bounds";
    }
    for (size_t i = 0; i + 1 < quotas->len; i++) {
        if (strcmp(quotas->rows[i].name, value) == 0) {
            return "the same cache twice";
        }
    }
    strcpy(row->name, value);
    return NULL;
}

const char *quotas_set(struct quotas *quotas, const char *field,
                       const char *value)
{
    uint64_t amount;

    assert(quotas->len > 0);
    if (strcmp(field, "name") == 0) {
        return set_name(quotas, value);
    }
    bool is_bytes = strcmp(field, "item_len") == 0;
    int rc = is_bytes ? amount_read(value, &amount)
                      : bytes_u64(bytes_str(value), &amount);
    if (rc != 0) {
        return is_bytes ? "expected a number of bytes, with k, m or g"
                        : "expected a number";
    }
    rc = quota_set(&quotas->rows[quotas->len - 1].quota, field, amount);
    if (rc == ERR_NOT_FOUND) {
        return "no bound of that name";
    }
    return rc == 0 ? NULL : "expected a number up to 4294967295";
}

/* Takes the next piece of NAME:bound=value:... off the front. false: it is too
 * long, or nothing follows its colon. */
static bool take_piece(const char **text, char piece[CACHE_LEN_MAX + 1])
{
    size_t len = strcspn(*text, ":");
    bool goes_on = (*text)[len] == ':';

    if (len > CACHE_LEN_MAX || (goes_on && (*text)[len + 1] == '\0')) {
        return false;
    }
    memcpy(piece, *text, len);
    piece[len] = '\0';
    *text += len + goes_on;
    return true;
}

const char *quotas_add(struct quotas *quotas, const char *text)
{
    static const char *const shape =
        "expected NAME:bound=value, such as chat:publish_rate=100:item_len=4k";
    char piece[CACHE_LEN_MAX + 1];
    const char *wrong = quotas_begin(quotas);

    if (wrong == NULL) {
        wrong = take_piece(&text, piece) ? set_name(quotas, piece) : shape;
    }
    while (wrong == NULL && *text != '\0') {
        char *equals = take_piece(&text, piece) ? strchr(piece, '=') : NULL;
        if (equals == NULL) {
            return shape;
        }
        *equals = '\0';
        wrong = strcmp(piece, "name") == 0
                    ? shape
                    : quotas_set(quotas, piece, equals + 1);
    }
    return wrong;
}

bool quotas_same(const struct quotas *a, const struct quotas *b)
{
    for (size_t i = 0; a->len == b->len && i < a->len; i++) {
        const struct quota *one = &a->rows[i].quota;
        const struct quota *other = &b->rows[i].quota;
        if (strcmp(a->rows[i].name, b->rows[i].name) != 0 ||
            one->publish_rate != other->publish_rate ||
            one->item_len != other->item_len || one->subs != other->subs) {
            return false;
        }
    }
    return a->len == b->len;
}

const char *quotas_field(size_t i)
{
    return i == 0 ? "name" : quota_name(i - 1);
}

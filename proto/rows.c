/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/rows.h"

#include "proto/err.h"
#include "proto/topic.h"

enum {
    QUESTION_FIELDS = 4,
    ANSWER_FIELDS = 2,
    ROW_FIELDS = 3,
    PLACE_FIELDS = 3,
    HEX_LEN = 16,
};

static void skip_more(struct mp *mp, uint32_t fields, uint32_t known)
{
    if (fields < known && mp->state == 0) {
        mp->state = ERR_SYNTAX;
    }
    for (uint32_t i = known; i < fields && mp->state == 0; i++) {
        mp_skip(mp);
    }
}

/* --- places --- */

bool rows_is_before(const struct rows_place *a, const struct rows_place *b)
{
    if (a->key != b->key) {
        return a->key < b->key;
    }
    return a->node != b->node ? a->node < b->node : a->id < b->id;
}

static void add_hex(uint64_t v, struct buf *out)
{
    uint8_t b[8];

    for (size_t i = 0; i < sizeof b; i++) {
        b[i] = (uint8_t)(v >> (56 - 8 * i));
    }
    buf_add_hex(out, b, sizeof b);
}

void rows_place_text(const struct rows_place *place, struct buf *out)
{
    add_hex(place->key, out);
    add_hex(place->node, out);
    add_hex(place->id, out);
}

static int read_hex(struct bytes *text, uint64_t *v)
{
    *v = 0;
    for (size_t i = 0; i < HEX_LEN; i++) {
        uint8_t c = text->p[i];
        uint8_t digit = (uint8_t)(c - '0');
        if (digit > 9) {
            digit = (uint8_t)(c - 'a' + 10);
            if (c < 'a' || c > 'f') {
                return ERR_ARGUMENT;
            }
        }
        *v = *v << 4 | digit;
    }
    *text = bytes_skip(*text, HEX_LEN);
    return 0;
}

int rows_place_read(struct bytes text, struct rows_place *place)
{
    if (text.len != ROWS_PLACE_TEXT_LEN) {
        return ERR_ARGUMENT;
    }
    int rc = read_hex(&text, &place->key);

    rc = rc == 0 ? read_hex(&text, &place->node) : rc;
    return rc == 0 ? read_hex(&text, &place->id) : rc;
}

static void put_place(const struct rows_place *place, struct buf *out)
{
    mp_put_array(out, PLACE_FIELDS);
    mp_put_u64(out, place->key);
    mp_put_u64(out, place->node);
    mp_put_u64(out, place->id);
}

static struct rows_place take_place(struct mp *mp)
{
    struct rows_place place;
    uint32_t fields = mp_take_array(mp);

    place.key = mp_take_u64(mp);
    place.node = mp_take_u64(mp);
    place.id = mp_take_u64(mp);
    skip_more(mp, fields, PLACE_FIELDS);
    return place;
}

/* --- the question --- */

void rows_question_write(const struct rows_question *question, struct buf *out)
{
    mp_put_array(out, QUESTION_FIELDS);
    mp_put_u64(out, question->rows_max);
    mp_put_u64(out, question->len_max);
    put_place(&question->after, out);
    mp_put_bin(out, question->what);
}

int rows_question_read(struct bytes in, struct rows_question *question)
{
    struct mp mp = mp_of(in);
    uint32_t fields = mp_take_array(&mp);

    question->rows_max = mp_take_u64_max(&mp, ROWS_MAX);
    question->len_max = mp_take_u64(&mp);
    question->after = take_place(&mp);
    question->what = mp_take_bin(&mp, ROWS_WHAT_LEN_MAX);
    skip_more(&mp, fields, QUESTION_FIELDS);
    return mp.state == 0 && mp.in.len == 0 && question->rows_max > 0
               ? 0
               : ERR_SYNTAX;
}

/* --- the answer --- */

void rows_answer_write(bool more, const struct rows_place *to,
                       struct bytes rows, struct buf *out)
{
    mp_put_array(out, ANSWER_FIELDS);
    mp_put_bool(out, more);
    put_place(to, out);
    buf_add_bytes(out, rows);
}

void row_write(const struct row *row, struct buf *out)
{
    mp_put_array(out, ROW_FIELDS);
    mp_put_u64(out, row->key);
    mp_put_u64(out, row->id);
    mp_put_str(out, row->text);
}

void rows_page_fini(struct rows_page *page)
{
    buf_fini(&page->rows);
}

static struct rows_place place_of(const struct rows_page *page,
                                  const struct row *row)
{
    return (struct rows_place){row->key, page->node, row->id};
}

bool rows_page_wants(const struct rows_page *page, const struct row *row)
{
    const struct rows_place place = place_of(page, row);

    return rows_is_before(&page->question.after, &place);
}

bool rows_page_add(struct rows_page *page, const struct row *row)
{
    size_t len = ROWS_HEAD_LEN + page->rows.len + ROWS_ROW_LEN + row->text.len;

    if (page->len > 0 && (page->len >= page->question.rows_max ||
                          len > page->question.len_max)) {
        page->more = true;
        return false;
    }
    row_write(row, &page->rows);
    page->last = place_of(page, row);
    page->len++;
    return true;
}

void rows_page_write(const struct rows_page *page, struct buf *out)
{
    rows_answer_write(page->more, page->more ? &page->last : &ROWS_END,
                      buf_bytes(&page->rows), out);
    out->failed = out->failed || page->rows.failed;
}

int rows_answer_read(struct bytes in, struct rows_answer *answer)
{
    struct mp mp = mp_of(in);
    uint32_t fields = mp_take_array(&mp);

    answer->more = mp_take_bool(&mp);
    answer->to = take_place(&mp);
    skip_more(&mp, fields, ANSWER_FIELDS);
    if (!answer->more) {
        answer->to = ROWS_END;
    }
    answer->rows = mp;
    return mp.state == 0 ? 0 : ERR_SYNTAX;
}

bool row_read(struct rows_answer *answer, struct row *row)
{
    struct mp *mp = &answer->rows;

    if (mp->state != 0 || mp->in.len == 0) {
        return false;
    }
    uint32_t fields = mp_take_array(mp);
    row->key = mp_take_u64(mp);
    row->id = mp_take_u64(mp);
    row->text = mp_take_str(mp, ROWS_TEXT_LEN_MAX);
    skip_more(mp, fields, ROW_FIELDS);
    if (mp->state == 0 && !topic_text_is_valid(row->text)) {
        mp->state = ERR_SYNTAX;
    }
    return mp->state == 0;
}

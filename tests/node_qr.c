/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/qr.h"
#include "proto/err.h"

enum {
    SIDE_MAX = 200
};

/* What a reader sees, without what is around it: '#' dark. */
struct picture {
    size_t side;
    char at[SIDE_MAX][SIDE_MAX];
};

/* Whether the 7 by 7 modules there are what readers find a code by. */
static bool is_finder(const struct picture *p, size_t y0, size_t x0)
{
    for (size_t y = 0; y < 7; y++) {
        for (size_t x = 0; x < 7; x++) {
            size_t ring = y < x ? y : x;
            ring = 6 - y < ring ? 6 - y : ring;
            ring = 6 - x < ring ? 6 - x : ring;
            if ((p->at[y0 + y][x0 + x] == '#') != (ring != 1)) {
                return false;
            }
        }
    }
    return true;
}

static void put(struct picture *p, long margin, size_t y, size_t x, bool dark)
{
    if ((long)y >= margin && (long)x >= margin) {
        assert_true(y < SIDE_MAX && x < SIDE_MAX);
        p->at[y - (size_t)margin][x - (size_t)margin] = dark ? '#' : ' ';
    }
}

/* Two rows a line, two light modules around it. */
static void read_blocks(struct bytes text, struct picture *p)
{
    size_t x = 0;
    size_t y = 0;

    memset(p, 0, sizeof *p);
    for (size_t i = 0; i < text.len; x++) {
        if (text.p[i] == '\n') {
            p->side = x - 4;
            y += 2;
            x = (size_t)-1;
            i++;
            continue;
        }
        bool upper = text.p[i] != ' ' && text.p[i + 2] != 0x84;
        bool lower = text.p[i] != ' ' && text.p[i + 2] != 0x80;
        put(p, 2, y, x, !upper);
        put(p, 2, y + 1, x, !lower);
        i += text.p[i] == ' ' ? 1 : 3;
    }
}

/* One run of dark modules after another: M4 7h3v1h-3z. */
static void read_svg(const char *svg, struct picture *p)
{
    const char *at = strstr(svg, "viewBox=\"0 0 ");
    char *end;

    memset(p, 0, sizeof *p);
    assert_non_null(at);
    p->side = strtoul(at + strlen("viewBox=\"0 0 "), NULL, 10) - 8;
    at = strstr(svg, "<path d=\"");
    assert_non_null(at);
    at += strlen("<path d=\"");
    while (*at == 'M') {
        size_t x = strtoul(at + 1, &end, 10);
        size_t y = strtoul(end + 1, &end, 10);
        size_t len = strtoul(end + 1, &end, 10);
        for (size_t i = 0; i < len; i++) {
            put(p, 4, y, x + i, true);
        }
        at = strchr(end, 'z') + 1;
    }
    assert_string_equal(at, "\"/></svg>\n");
}

static void both_pictures_are_of_one_code(void **state)
{
    static struct picture blocks;
    static struct picture svg;
    struct buf out = {0};
    (void)state;

    assert_int_equal(
        qr_blocks(BYTES("http://10.0.0.7:7400/console#t=a.b.c"), false, &out),
        0);
    read_blocks(buf_bytes(&out), &blocks);
    buf_reset(&out);
    assert_int_equal(
        qr_svg(BYTES("http://10.0.0.7:7400/console#t=a.b.c"), &out), 0);
    buf_add_u8(&out, '\0');
    read_svg((const char *)out.p, &svg);
    assert_true(svg.side == 25 || svg.side == 29);
    assert_int_equal(blocks.side, svg.side);
    for (size_t y = 0; y < svg.side; y++) {
        for (size_t x = 0; x < svg.side; x++) {
            assert_int_equal(blocks.at[y][x] == '#', svg.at[y][x] == '#');
        }
    }
    assert_true(is_finder(&svg, 0, 0));
    assert_true(is_finder(&svg, 0, svg.side - 7));
    assert_true(is_finder(&svg, svg.side - 7, 0));
    assert_false(is_finder(&svg, svg.side - 7, svg.side - 7));
    buf_fini(&out);
}

static void a_terminal_is_told_both_colours(void **state)
{
    struct buf out = {0};
    (void)state;

    assert_int_equal(qr_blocks(BYTES("x"), true, &out), 0);
    assert_true(bytes_starts(buf_bytes(&out), BYTES("\033[97;40m\u2588")));
    assert_memory_equal(out.p + out.len - 5, "\033[0m\n", 5);
    buf_fini(&out);
}

static void what_is_too_long_or_nothing_is_refused(void **state)
{
    static uint8_t text[QR_TEXT_MAX + 1];
    struct buf out = {0};
    (void)state;

    memset(text, 0xff, sizeof text); /* any bytes */
    buf_add_str(&out, "as it was");
    assert_int_equal(qr_svg(bytes_of(text, 0), &out), ERR_ARGUMENT);
    assert_int_equal(qr_svg(bytes_of(text, sizeof text), &out), ERR_TOO_BIG);
    assert_int_equal(qr_blocks(bytes_of(text, sizeof text), true, &out),
                     ERR_TOO_BIG);
    assert_bytes(buf_bytes(&out), "as it was");
    assert_int_equal(qr_svg(bytes_of(text, QR_TEXT_MAX), &out), 0);
    buf_fini(&out);

    struct buf small = {.max = 100};
    buf_add_str(&small, "as it was");
    assert_int_equal(qr_svg(BYTES("x"), &small), ERR_NOMEM);
    assert_bytes(buf_bytes(&small), "as it was");
    buf_fini(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_pictures_are_of_one_code),
        cmocka_unit_test(a_terminal_is_told_both_colours),
        cmocka_unit_test(what_is_too_long_or_nothing_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "node/qr.h"

#include <errno.h>
#include <qrencode.h>

#include "proto/err.h"

enum {
    SVG_MARGIN = 4,   /* light modules around it, as the standard has it */
    BLOCKS_MARGIN = 2 /* enough for phones, and lines are short */
};

static const char svg_head[] =
    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ";
static const char svg_path[] =
    "\" shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h";

/* Errors: as qr_svg(). A screen is not torn or soiled: the lowest level. */
static int encode(struct bytes text, QRcode **code)
{
    if (text.len == 0) {
        return ERR_ARGUMENT;
    }
    if (text.len > QR_TEXT_MAX) {
        return ERR_TOO_BIG;
    }
    *code = QRcode_encodeData((int)text.len, text.p, 0, QR_ECLEVEL_L);
    if (*code == NULL) {
        return errno == ENOMEM ? ERR_NOMEM : ERR_INTERNAL;
    }
    return 0;
}

/* Beyond the edges it is light. */
static bool is_dark(const QRcode *code, int x, int y)
{
    return x >= 0 && y >= 0 && x < code->width && y < code->width &&
           (code->data[y * code->width + x] & 1) != 0;
}

static int settle(struct buf *out, size_t len)
{
    if (out->failed) {
        out->len = len;
        return ERR_NOMEM;
    }
    return 0;
}

/* --- a picture --- */

/* "M4 7h3v1h-3z": one run of dark modules. */
static void add_run(struct buf *out, int x, int y, int len)
{
    buf_add_u8(out, 'M');
    buf_add_i64(out, x + SVG_MARGIN);
    buf_add_u8(out, ' ');
    buf_add_i64(out, y + SVG_MARGIN);
    buf_add_u8(out, 'h');
    buf_add_i64(out, len);
    buf_add_str(out, "v1h-");
    buf_add_i64(out, len);
    buf_add_u8(out, 'z');
}

static void add_runs(struct buf *out, const QRcode *code, int y)
{
    for (int x = 0; x < code->width; x++) {
        int from = x;
        while (is_dark(code, x, y)) {
            x++;
        }
        if (x > from) {
            add_run(out, from, y, x - from);
        }
    }
}

int qr_svg(struct bytes text, struct buf *out)
{
    size_t len = out->len;
    QRcode *code;
    int err = encode(text, &code);

    if (err != 0) {
        return err;
    }
    int side = code->width + 2 * SVG_MARGIN;
    buf_add_str(out, svg_head);
    buf_add_i64(out, side);
    buf_add_u8(out, ' ');
    buf_add_i64(out, side);
    buf_add_str(out, svg_path);
    buf_add_i64(out, side);
    buf_add_u8(out, 'v');
    buf_add_i64(out, side);
    buf_add_str(out, "H0z\"/><path d=\"");
    for (int y = 0; y < code->width; y++) {
        add_runs(out, code, y);
    }
    buf_add_str(out, "\"/></svg>\n");
    QRcode_free(code);
    return settle(out, len);
}

/* --- half blocks --- */

int qr_blocks(struct bytes text, bool coloured, struct buf *out)
{
    /* By what is light: nothing, the upper half, the lower one, both. */
    static const char *const blocks[] = {" ", "\u2580", "\u2584", "\u2588"};
    size_t len = out->len;
    QRcode *code;
    int err = encode(text, &code);

    if (err != 0) {
        return err;
    }
    int end = code->width + BLOCKS_MARGIN;
    for (int y = -BLOCKS_MARGIN; y < end; y += 2) {
        buf_add_str(out, coloured ? "\033[97;40m" : "");
        for (int x = -BLOCKS_MARGIN; x < end; x++) {
            int upper = !is_dark(code, x, y);
            int lower = y + 1 < end && !is_dark(code, x, y + 1);
            buf_add_str(out, blocks[upper + 2 * lower]);
        }
        buf_add_str(out, coloured ? "\033[0m\n" : "\n");
    }
    QRcode_free(code);
    return settle(out, len);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * QR codes of short texts: as a picture for pages, as half blocks for
 * terminals. The one file that knows libqrencode.
 */
#ifndef NODE_QR_H
#define NODE_QR_H

#include "proto/bytes.h"

enum {
    QR_TEXT_MAX = 1024, /* bytes; a phone still reads it off a screen */
};

/* Appends an SVG image, black on white whatever is around it. Errors:
 * ERR_ARGUMENT (empty), ERR_TOO_BIG, ERR_NOMEM; `out` is then as it was. */
int qr_svg(struct bytes text, struct buf *out);

/* Appends lines of U+2580 to U+2588 and spaces, two rows of the code in each,
 * for light characters on a dark ground; `coloured`: sets both colours, so that
 * it is read on any terminal. Errors: as qr_svg(). */
int qr_blocks(struct bytes text, bool coloured, struct buf *out);

#endif

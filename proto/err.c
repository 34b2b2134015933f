/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/err.h"

#include <stddef.h>

struct err_row {
    const char *name;
    const char *text;
    unsigned code;
    unsigned status;
};

static const struct err_row rows[ERR_COUNT] = {
#define X(name, code, status, text) {#name, text, code, status},
    ERR_TABLE(X)
#undef X
};

static const struct err_row *row(int err)
{
    if (err >= 0 || err < -ERR_COUNT) {
        return &rows[ERR_INDEX_INTERNAL];
    }
    return &rows[-1 - err];
}

const char *err_name(int err)
{
    return row(err)->name;
}

const char *err_text(int err)
{
    return row(err)->text;
}

unsigned err_code(int err)
{
    return row(err)->code;
}

unsigned err_status(int err)
{
    return row(err)->status;
}

int err_from_code(unsigned code)
{
    for (int i = 0; i < ERR_COUNT; i++) {
        if (rows[i].code == code) {
            return -1 - i;
        }
    }
    return ERR_INTERNAL;
}

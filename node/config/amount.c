/* SPDX-License-Identifier: Apache-2.0 */
#include "node/config/amount.h"

#include <string.h>

#include "proto/bytes.h"
#include "proto/err.h"

int amount_read(const char *text, uint64_t *amount)
{
    static const struct {
        const char *suffix;
        uint64_t factor;
    } units[] = {{"", 1},   {"k", 1 << 10}, {"m", 1 << 20},    {"g", 1 << 30},
                 {"ms", 1}, {"s", 1000},    {"min", 60 * 1000}};
    size_t digits = strspn(text, "0123456789");
    uint64_t number;

    if (bytes_u64(bytes_of(text, digits), &number) != 0) {
        return ERR_SYNTAX;
    }
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcmp(text + digits, units[i].suffix) == 0) {
            *amount = number * units[i].factor;
            return number > UINT64_MAX / units[i].factor ? ERR_SYNTAX : 0;
        }
    }
    return ERR_SYNTAX;
}

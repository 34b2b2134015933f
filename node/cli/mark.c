/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/mark.h"

void mark_write(const struct mark *mark, struct buf *out)
{
    const uint64_t numbers[] = {mark->publisher, mark->number, mark->sent_us};

    buf_add_u8(out, mark->counts ? 'c' : 'w');
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        buf_add_u8(out, ' ');
        buf_add_u64(out, numbers[i]);
    }
}

/* The next number, and the blank before it. */
static bool take_number(struct bytes *rest, uint64_t *number)
{
    if (rest->len == 0 || rest->p[0] != ' ') {
        return false;
    }
    *rest = bytes_skip(*rest, 1);
    ptrdiff_t space = bytes_find(*rest, ' ');
    size_t len = space < 0 ? rest->len : (size_t)space;
    bool good = bytes_u64(bytes_of(rest->p, len), number) == 0;
    *rest = bytes_skip(*rest, len);
    return good;
}

bool mark_read(struct bytes value, struct mark *mark)
{
    if (value.len == 0 || (value.p[0] != 'c' && value.p[0] != 'w')) {
        return false;
    }
    mark->counts = value.p[0] == 'c';
    struct bytes rest = bytes_skip(value, 1);
    return take_number(&rest, &mark->publisher) &&
           take_number(&rest, &mark->number) &&
           take_number(&rest, &mark->sent_us) && rest.len == 0;
}

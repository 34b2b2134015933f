/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "proto/ws_frame.h"

/* RFC 6455 5.2: the shortest form that holds the length, never masked. */
static void heads_have_the_shortest_length(void **state)
{
    static const struct {
        uint64_t len;
        size_t size;
        uint8_t head[WS_FRAME_HEAD_MAX];
    } cases[] = {
        {0, 2, {0x81, 0}},
        {125, 2, {0x81, 125}},
        {126, 4, {0x81, 126, 0, 126}},
        {65535, 4, {0x81, 126, 0xff, 0xff}},
        {65536, 10, {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t head[WS_FRAME_HEAD_MAX];
        assert_int_equal(ws_frame_head(head, WS_TEXT, cases[i].len),
                         cases[i].size);
        assert_memory_equal(head, cases[i].head, cases[i].size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_have_the_shortest_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

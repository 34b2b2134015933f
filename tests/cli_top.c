/* SPDX-License-Identifier: Apache-2.0
 *
 * What `starling top` draws of the reports it heard.
 */
#include "tests/test.h"

#include <stdio.h>

#include "node/cli/top_view.h"

static struct top_view view;
static struct buf out;

static int setup(void **state)
{
    (void)state;
    view = (struct top_view){0};
    out = (struct buf){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    top_view_fini(&view);
    buf_fini(&out);
    return 0;
}

static void take(const char *text, uint64_t now_ms)
{
    json_t *report = json_loads(text, 0, NULL);

    assert_non_null(report);
    top_view_take(&view, report, now_ms);
}

static const char *drawn(size_t width, size_t height, bool colours)
{
    struct sheet sheet = {
        .out = &out, .width = width, .left = height, .colours = colours};

    buf_reset(&out);
    top_view_draw(&view, &sheet);
    buf_add_u8(&out, '\0');
    assert_false(out.failed);
    return (const char *)out.p;
}

static void assert_has(const char *text, const char *what)
{
    if (strstr(text, what) == NULL) {
        fail_msg("\"%s\" is not in:\n%s", what, text);
    }
}

#define N1                                                                    \
    "{\"id\":\"01\",\"name\":\"n1\",\"region\":\"eu\",\"every_ms\":500,"      \
    "\"ready\":true,\"doors\":{\"native\":1499,\"resp\":1},\"clients\":1500," \
    "\"subscriptions\":7,\"topics\":3,"                                       \
    "\"in\":{\"items\":100,\"bytes\":1},\"out\":{\"items\":1000},"            \
    "\"dropped\":{\"slow\":0,\"link\":0},\"cpu_permille\":125,"               \
    "\"links\":[{\"id\":\"02\",\"name\":\"n2\",\"state\":\"alive\","          \
    "\"up\":true,\"rtt_us\":1500,\"items\":50},"                              \
    "{\"id\":\"03\",\"name\":\"n3\",\"state\":\"dead\",\"up\":false}],"       \
    "\"hot\":[{\"cache\":\"demo\",\"topic\":\"a\",\"in\":5,\"out\":10,"       \
    "\"subs\":2},{\"cache\":\"demo\",\"topic\":\"b\",\"in\":6,\"out\":1,"     \
    "\"subs\":1}],\"latency\":{\"local\":[98,2,0,0,0,0,0,0,0,0,0,0,0,0,0,0,"  \
    "0],\"far\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1]}}"
#define N2                                                                \
    "{\"id\":\"02\",\"name\":\"n2\",\"region\":\"us\",\"every_ms\":1000," \
    "\"ready\":true,\"in\":{\"items\":1},\"out\":{\"items\":1},"          \
    "\"hot\":[{\"cache\":\"demo\",\"topic\":\"b\",\"in\":0,\"out\":90,"   \
    "\"subs\":4}],\"slow\":[{\"client\":\"02-9\",\"door\":\"sse\","       \
    "\"queue\":2000,\"limit\":3000,\"over_ms\":1500}]}"

static void all_nodes_are_one_picture(void **state)
{
    (void)state;

    take(N2, 100);
    take(N1, 100);
    const char *text = drawn(0, SIZE_MAX, false);
    assert_has(text, "starling  2 nodes, 2 regions\n"
                     "in 201/s  out 2.0k/s  dropped 0/s  refused 0/s  "
                     "clients 1.5k  subscriptions 7\n"
                     "doors:  native 1.5k  resp 1\n");
    assert_has(text, "local 0.05/0.10  region -  far >5s/>5s\n");
    assert_has(text, "\nn1             eu       ready       1.5k       7       "
                     "3     200    2.0k  12.5");
    /* What is down comes first. */
    assert_has(text, "CLOCK_MS\nn1             n3             dead");
    assert_has(text, "\nn1             n2             up            1.5      "
                     "100");
    /* b: 12/s + 2/s on n1, 90/s on n2; a: 30/s. */
    assert_has(text, "SUBS\ndemo             b                               "
                     "               12       92        5\ndemo             a");
    assert_has(text, "\n02-9                     sse");
    assert_true(strstr(text, "n1             eu") <
                strstr(text, "n2             us"));
}

static void a_report_replaces_the_one_before(void **state)
{
    (void)state;

    take(N2, 100);
    take("{\"id\":\"02\",\"name\":\"other\"}", 1100);
    assert_int_equal(view.len, 1);
    assert_has(drawn(0, 100, false), "\nother ");
    take("{\"name\":\"without id\"}", 1200);
    take("[]", 1200);
    assert_int_equal(view.len, 1);
}

static void who_is_silent_is_shown_so_and_then_no_more(void **state)
{
    (void)state;

    take(N1, 0);
    take(N2, TOP_OLD_MS);
    top_view_pass(&view, TOP_OLD_MS);
    const char *text = drawn(0, 100, true);
    assert_has(text, "\x1b[31mn1             eu       silent");
    assert_has(text, "\x1b[0m\n");
    assert_has(text, "in 1/s  out 1/s");
    assert_null(strstr(text, "n3"));
    top_view_pass(&view, TOP_FORGET_MS);
    assert_int_equal(view.len, 1);
}

static void nothing_is_larger_than_the_screen(void **state)
{
    static const size_t widths[] = {1, 20, 80};
    static const size_t heights[] = {1, 2, 5, 10, 24};
    char report[200];
    (void)state;

    for (int i = 0; i < 300; i++) {
        (void)snprintf(report, sizeof report,
                       "{\"id\":\"%d\",\"name\":\"n%d\",\"links\":[{},{}],"
                       "\"hot\":[{\"topic\":\"t%d\"}],\"slow\":[{}]}",
                       i, i, i);
        take(report, 0);
    }
    assert_int_equal(view.len, TOP_NODES_MAX);
    for (size_t w = 0; w < ARRAY_LEN(widths); w++) {
        for (size_t h = 0; h < ARRAY_LEN(heights); h++) {
            const char *text = drawn(widths[w], heights[h], false);
            size_t lines = 0;
            for (; *text != '\0'; lines++) {
                size_t len = strcspn(text, "\n");
                assert_true(len <= widths[w]);
                text += len + 1;
            }
            assert_true(lines <= heights[h]);
        }
    }
    assert_has(drawn(80, 24, false), "more\n");
}

/* A name, whoever gave it, moves no cursor. */
static void what_no_screen_should_be_sent_is_not(void **state)
{
    (void)state;

    take("{\"id\":\"1\",\"name\":\"\\u001b[2J\\u009b\xc3\xa4\"}", 0);
    const char *text = drawn(0, 100, false);
    assert_null(strchr(text, '\x1b'));
    assert_has(text, "\n?[2J??\xc3\xa4 ");
}

static void numbers_are_short(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},       {999, "999"},  {999.6, "1.0k"}, {1234, "1.2k"},
        {12345, "12k"}, {1e6, "1.0M"}, {9.96e6, "10M"}, {1e18, "1000P"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_string_equal(sheet_count(cases[i].value).text, cases[i].text);
    }
    assert_string_equal(sheet_ms(50).text, "0.05");
    assert_string_equal(sheet_ms(1500).text, "1.5");
    assert_string_equal(sheet_ms(85000).text, "85");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(all_nodes_are_one_picture),
        TEST(a_report_replaces_the_one_before),
        TEST(who_is_silent_is_shown_so_and_then_no_more),
        TEST(nothing_is_larger_than_the_screen),
        TEST(what_no_screen_should_be_sent_is_not),
        TEST(numbers_are_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

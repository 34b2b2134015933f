/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/watch/stats.h"

static void metrics_have_help_type_and_value(void **state)
{
    struct stats stats = {
        .conns = 3, .published = UINT64_MAX, .loop_lag_ms = 1052};
    struct buf out = {0};
    (void)state;

    stats_write(&stats, &out);
    buf_add_u8(&out, '\0');
    assert_false(out.failed);
    const char *text = (const char *)out.p;
    assert_ptr_equal(strstr(text, "# HELP starling_connections Open client "
                                  "connections\n"
                                  "# TYPE starling_connections gauge\n"
                                  "starling_connections 3\n"),
                     text);
    assert_non_null(strstr(text,
                           "# TYPE starling_messages_published_total counter\n"
                           "starling_messages_published_total "
                           "18446744073709551615\n"));
    assert_non_null(strstr(text, "\nstarling_loop_lag_seconds 1.052\n"));
    assert_int_equal(out.p[out.len - 2], '\n');
    buf_fini(&out);
}

static void what_is_refused_is_labelled_by_reason(void **state)
{
    struct stats stats = {.gossip_flood = 7, .link_stale = 9};
    struct buf out = {0};
    (void)state;

    stats_write(&stats, &out);
    buf_add_u8(&out, '\0');
    assert_false(out.failed);
    const char *text = (const char *)out.p;
    assert_non_null(
        strstr(text, "\n# TYPE starling_gossip_refused_total counter\n"
                     "starling_gossip_refused_total{reason=\"foreign\"} 0\n"
                     "starling_gossip_refused_total{reason=\"flood\"} 7\n"));
    assert_non_null(
        strstr(text, "\nstarling_link_refused_total{reason=\"stale\"} 9\n"));
    buf_fini(&out);
}

static void every_field_appears_and_counters_say_total(void **state)
{
    struct stats stats = {0};
    struct buf out = {0};
    size_t metrics = 0;
    (void)state;

    stats_write(&stats, &out);
    buf_add_u8(&out, '\0');
    char *save = NULL;
    for (char *line = strtok_r((char *)out.p, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "# TYPE ", 7) == 0) {
            bool counter = strstr(line, " counter") != NULL;
            assert_true(counter == (strstr(line, "_total ") != NULL));
        } else if (line[0] != '#') {
            metrics++;
        }
    }
    assert_int_equal(metrics * sizeof(uint64_t), sizeof stats);
    buf_fini(&out);
}

/* Lag is the worst, readiness is that of the last, all else is a sum. */
static void the_numbers_of_two_are_added(void **state)
{
    struct stats sum = {.conns = 3,
                        .link_stale = 1,
                        .gossip_foreign = 2,
                        .loop_lag_ms = 7,
                        .peers = 4,
                        .links = 4,
                        .ready = 1};
    const struct stats one = {.conns = 2,
                              .published = 9,
                              .link_stale = 5,
                              .loop_lag_ms = 3,
                              .peers = 5,
                              .links = 3};
    const struct stats want = {.conns = 5,
                               .published = 9,
                               .link_stale = 6,
                               .gossip_foreign = 2,
                               .loop_lag_ms = 7,
                               .peers = 5,
                               .links = 3};
    (void)state;

    stats_add(&sum, &one);
    assert_memory_equal(&sum, &want, sizeof sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_have_help_type_and_value),
        cmocka_unit_test(what_is_refused_is_labelled_by_reason),
        cmocka_unit_test(every_field_appears_and_counters_say_total),
        cmocka_unit_test(the_numbers_of_two_are_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

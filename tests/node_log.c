/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/log.h"
#include "proto/bytes.h"

/* What log_line() wrote, in memory. */
struct sink {
    struct log log;
    char *text;
    size_t len;
};

static void sink_open(struct sink *sink)
{
    *sink = (struct sink){.log.level = LOG_INFO};
    sink->log.to = open_memstream(&sink->text, &sink->len);
    assert_non_null(sink->log.to);
}

static void sink_close(struct sink *sink)
{
    fclose(sink->log.to);
    free(sink->text);
}

static void a_line_has_time_level_event_node_and_values(void **state)
{
    struct sink sink;
    int at[7];
    int end = 0;
    (void)state;

    sink_open(&sink);
    sink.log.node = "n1";
    log_line(&sink.log, LOG_INFO, "node-ready", "peers=%d", 2);
    assert_int_equal(sscanf(sink.text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &at[0],
                            &at[1], &at[2], &at[3], &at[4], &at[5], &at[6],
                            &end),
                     7);
    assert_int_equal(end, 24);
    assert_string_equal(sink.text + end, " info node-ready node=n1 peers=2\n");
    sink_close(&sink);
}

static void no_values_and_no_node_leave_no_blanks(void **state)
{
    struct sink sink;
    (void)state;

    sink_open(&sink);
    log_line(&sink.log, LOG_WARN, "all-quiet", "");
    assert_string_equal(sink.text + 24, " warn all-quiet\n");
    sink_close(&sink);
}

static void json_is_one_object(void **state)
{
    struct sink sink;
    (void)state;

    sink_open(&sink);
    sink.log.format = LOG_JSON;
    sink.log.node = "n1";
    log_line(&sink.log, LOG_ERROR, "bad-key", "why=\"no\\\"\x01");
    assert_memory_equal(sink.text, "{\"at\":\"", 7);
    assert_string_equal(sink.text + 7 + 24,
                        "\",\"level\":\"error\",\"event\":\"bad-key\","
                        "\"node\":\"n1\","
                        "\"text\":\"why=\\\"no\\\\x5c\\\"\\\\x01\"}\n");
    sink_close(&sink);
}

static void the_journal_is_told_the_priority_and_no_time(void **state)
{
    struct sink sink;
    (void)state;

    sink_open(&sink);
    sink.log.format = LOG_JOURNAL;
    sink.log.level = LOG_DEBUG;
    log_line(&sink.log, LOG_ERROR, "bad-key", "why=x");
    log_line(&sink.log, LOG_WARN, "all-quiet", "");
    log_line(&sink.log, LOG_INFO, "node-ready", "peers=%d", 2);
    log_line(&sink.log, LOG_DEBUG, "tls-failed", "");
    assert_string_equal(sink.text, "<3>bad-key why=x\n<4>all-quiet\n"
                                   "<6>node-ready peers=2\n<7>tls-failed\n");
    sink_close(&sink);
}

static size_t lines(const char *text, const char *with)
{
    size_t len = 0;

    for (text = strstr(text, with); text != NULL;
         text = strstr(text + 1, with)) {
        len++;
    }
    return len;
}

/* Of each event so many a second; the next line says how many were not written,
 * and no other event suffers. */
static void a_flood_of_one_event_fills_no_disk(void **state)
{
    enum {
        FLOOD = 20 * LOG_A_SECOND
    };
    struct sink sink;
    (void)state;

    sink_open(&sink);
    for (int i = 0; i < FLOOD; i++) {
        log_line(&sink.log, LOG_WARN, "key-unknown", "i=%d", i);
    }
    log_line(&sink.log, LOG_INFO, "node-ready", "");
    size_t written = lines(sink.text, "key-unknown");
    assert_in_range(written, LOG_A_SECOND,
                    2 * LOG_A_SECOND); /* a second ends */
    assert_int_equal(lines(sink.text, "node-ready\n"), 1);
    struct log_rate *rate = sink.log.rates;
    while (rate->event == NULL || strcmp(rate->event, "key-unknown") != 0) {
        rate++;
    }
    uint64_t suppressed = rate->suppressed;
    assert_true(suppressed > 0);
    rate->second--; /* the next one */
    log_line(&sink.log, LOG_WARN, "key-unknown", "last=1");
    char want[64];
    snprintf(want, sizeof want, " last=1 suppressed=%llu\n",
             (unsigned long long)suppressed);
    assert_non_null(strstr(sink.text, want));
    log_line(&sink.log, LOG_WARN, "key-unknown", "after=1");
    assert_non_null(strstr(sink.text, " after=1\n"));
    sink_close(&sink);
}

static void events_beyond_the_table_are_written_all(void **state)
{
    static char names[LOG_EVENTS + 10][16];
    struct sink sink;
    (void)state;

    sink_open(&sink);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(names[i], sizeof names[i], "event-%zu", i);
        log_line(&sink.log, LOG_INFO, names[i], "");
    }
    assert_int_equal(lines(sink.text, " event-"), ARRAY_LEN(names));
    sink_close(&sink);
}

static void formats_are_read_by_name(void **state)
{
    (void)state;
    assert_int_equal(log_format_read("text"), LOG_TEXT);
    assert_int_equal(log_format_read("json"), LOG_JSON);
    assert_int_equal(log_format_read("journal"), LOG_JOURNAL);
    assert_int_equal(log_format_read("xml"), -1);
    assert_int_equal(log_format_read(""), -1);
}

static void what_a_stranger_sent_stays_on_one_line(void **state)
{
    static const struct {
        const char *sent;
        const char *shown;
    } cases[] = {
        {"a\r\n2026 info forged", "a\\x0d\\x0a2026 info forged"},
        {"\x1b[2J", "\\x1b[2J"},
        {"tab\tdel\x7f", "tab\\x09del\\x7f"},
        {"caf\xc3\xa9", "caf\xc3\xa9"},
        {"\xc2\x85", "\\xc2\\x85"},          /* C1: next line */
        {"\xe2\x80\xae", "\\xe2\\x80\\xae"}, /* right-to-left override */
        {"\xff\xc3", "\\xff\\xc3"},          /* no UTF-8 */
        {"\\x0a", "\\x5cx0a"},               /* no escape of ours */
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sink sink;
        sink_open(&sink);
        log_line(&sink.log, LOG_INFO, "e", "%.*s", (int)strlen(cases[i].sent),
                 cases[i].sent);
        assert_int_equal(sink.text[sink.len - 1], '\n');
        sink.text[sink.len - 1] = '\0';
        assert_string_equal(sink.text + 24 + strlen(" info e "),
                            cases[i].shown);
        sink_close(&sink);
    }
}

static void too_long_a_text_is_cut_and_says_so(void **state)
{
    struct sink sink;
    char *text = malloc(100001);
    (void)state;

    memset(text, 'x', 100000);
    text[100000] = '\0';
    sink_open(&sink);
    log_line(&sink.log, LOG_INFO, "e", "%s", text);
    assert_int_equal(sink.len, 24 + strlen(" info e ") + 2047 + 1);
    assert_string_equal(sink.text + sink.len - 5, "x...\n");
    memset(text, '\x01', 100000); /* grows by escaping, still one line */
    log_line(&sink.log, LOG_INFO, "e", "%s", text);
    assert_string_equal(sink.text + sink.len - 8, "\\x01...\n");
    sink_close(&sink);
    free(text);
}

static void below_the_level_or_without_a_file_nothing_is_written(void **state)
{
    struct sink sink;
    struct log none = {.level = LOG_DEBUG};
    (void)state;

    sink_open(&sink);
    log_line(&sink.log, LOG_DEBUG, "e", "n=%d", 1);
    fflush(sink.log.to);
    assert_int_equal(sink.len, 0);
    sink_close(&sink);
    log_line(&none, LOG_ERROR, "e", "n=%d", 1);
}

static void levels_are_read_by_name(void **state)
{
    (void)state;

    assert_int_equal(log_level_read("error"), LOG_ERROR);
    assert_int_equal(log_level_read("debug"), LOG_DEBUG);
    assert_int_equal(log_level_read("Debug"), -1);
    assert_int_equal(log_level_read(""), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_event_node_and_values),
        cmocka_unit_test(no_values_and_no_node_leave_no_blanks),
        cmocka_unit_test(json_is_one_object),
        cmocka_unit_test(the_journal_is_told_the_priority_and_no_time),
        cmocka_unit_test(a_flood_of_one_event_fills_no_disk),
        cmocka_unit_test(events_beyond_the_table_are_written_all),
        cmocka_unit_test(formats_are_read_by_name),
        cmocka_unit_test(what_a_stranger_sent_stays_on_one_line),
        cmocka_unit_test(too_long_a_text_is_cut_and_says_so),
        cmocka_unit_test(below_the_level_or_without_a_file_nothing_is_written),
        cmocka_unit_test(levels_are_read_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

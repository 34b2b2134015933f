/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <jansson.h>

#include "node/watch/report.h"

static struct report sample(void)
{
    return (struct report){
        .id = 0xa1,
        .name = "n1",
        .region = "eu",
        .endpoint = "http://h:7400",
        .why = "",
        .at_ms = 1795305600000,
        .every_ms = 1000,
        .ready = true,
    };
}

static json_t *written(const struct report *report)
{
    struct buf out = {.max = REPORT_LEN_MAX};

    report_write(report, &out);
    assert_false(out.failed);
    json_t *root = json_loadb((const char *)out.p, out.len,
                              JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    buf_fini(&out);
    return root;
}

static void a_node_with_nothing_to_say_says_so(void **state)
{
    static const char want[] =
        "{\"v\":1,\"id\":\"00000000000000a1\",\"name\":\"n1\",\"region\":"
        "\"eu\",\"endpoint\":\"http://h:7400\",\"version\":\"" STARLING_VERSION
        "\",\"at\":1795305600000,\"uptime_ms\":0,\"every_ms\":1000,\"ready\":"
        "true,\"draining\":false,\"why\":\"\",\"in\":{\"items\":0,\"bytes\":0},"
        "\"out\":{\"items\":0,\"bytes\":0},\"peer_in\":{\"items\":0,\"bytes\":"
        "0},\"peer_out\":{\"items\":0,\"bytes\":0},\"dropped\":{\"slow\":0,"
        "\"link\":0},\"refused\":0,\"denied\":0,\"gaps\":0,\"opened\":0,"
        "\"closed\":0,\"clients\":0,\"conns\":0,\"subscriptions\":0,"
        "\"topics\":0,\"doors\":{},\"cpu_permille\":0,\"rss\":0,"
        "\"loop_lag_ms\":0,\"queue\":0,\"memory\":0,\"memory_limit\":0,"
        "\"links_len\":0,\"links\":[],\"hot\":[],\"latency\":{\"local\":[0,0,0,"
        "0,0,0,0,0,0,0,0,0,0,0,0,0,0],\"region\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,"
        "0,0,0],\"far\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]},\"slow\":[]}";
    const struct report report = sample();
    struct buf out = {0};
    (void)state;

    report_write(&report, &out);
    assert_bytes(buf_bytes(&out), want);
    buf_fini(&out);
}

static uint64_t number(json_t *root, const char *list, size_t row,
                       const char *name)
{
    json_t *object = json_array_get(json_object_get(root, list), row);
    json_t *value = json_object_get(object, name);

    assert_true(json_is_integer(value));
    return (uint64_t)json_integer_value(value);
}

static void lists_have_rows(void **state)
{
    static const struct report_link links[] = {
        {.id = 2,
         .name = "n2",
         .region = "us",
         .state = "dead",
         .out = {7, 70},
         .clock_us = -5},
        {.id = 3, .name = "n3", .region = "eu", .state = "alive", .up = true},
    };
    static const struct report_hot hot = {.in = 1,
                                          .out = 9,
                                          .cache_len = 1,
                                          .topic_len = 1,
                                          .cache = "c",
                                          .topic = "<"};
    static const struct report_slow slow = {.client = 12,
                                            .door = "native",
                                            .address = "[::1]:5",
                                            .who = "ann",
                                            .queue = 9};
    struct report report = sample();
    (void)state;

    report.links = links;
    report.links_len = 2;
    report.hot = &hot;
    report.hot_len = 1;
    report.slow = &slow;
    report.slow_len = 1;
    report.now.doors[STATS_DOOR_native] = 2;
    report.now.doors[STATS_DOOR_resp] = 1;
    json_t *root = written(&report);
    assert_int_equal(number(root, "links", 0, "bytes"), 70);
    assert_int_equal((int64_t)number(root, "links", 0, "clock_us"), -5);
    assert_int_equal(number(root, "hot", 0, "out"), 9);
    assert_int_equal(number(root, "slow", 0, "queue"), 9);
    json_t *client = json_object_get(
        json_array_get(json_object_get(root, "slow"), 0), "client");
    assert_string_equal(json_string_value(client), "00000000000000a1-12");
    assert_int_equal(json_integer_value(json_object_get(root, "clients")), 3);
    char *doors = json_dumps(json_object_get(root, "doors"), JSON_COMPACT);
    assert_string_equal(doors, "{\"native\":2,\"resp\":1}");
    free(doors);
    json_decref(root);
}

/* The worst that every list may hold: rows go, the text stays whole. */
static void a_full_report_fits(void **state)
{
    static struct report_link links[1000];
    static struct report_hot hot[REPORT_HOT_MAX];
    static struct report_slow slow[REPORT_SLOW_MAX];
    char endpoint[257];
    struct report report = sample();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(links); i++) {
        links[i] = (struct report_link){.id = i,
                                        .state = "suspect",
                                        .rtt_us = INT64_MAX,
                                        .out = {INT64_MAX, INT64_MAX}};
        memset(links[i].name, 'n', 64);
        memset(links[i].region, 'r', 64);
    }
    for (size_t i = 0; i < REPORT_HOT_MAX; i++) {
        hot[i] = (struct report_hot){
            .in = INT64_MAX, .cache_len = 64, .topic_len = 512};
        memset(hot[i].cache, 'c', 64);
        memset(hot[i].topic, '<', 512);
        slow[i] = (struct report_slow){.client = UINT64_MAX, .door = "native"};
        memset(slow[i].who, '<', ITEM_PUBLISHER_LEN_MAX);
    }
    memset(endpoint, '<', sizeof endpoint - 1);
    endpoint[sizeof endpoint - 1] = '\0';
    memset(&report.now, 0x0a, sizeof report.now);
    memset(&report.last, 0x0a, sizeof report.last);
    memset(report.latency, 0x0a, sizeof report.latency);
    report.endpoint = endpoint;
    report.links = links;
    report.links_len = ARRAY_LEN(links);
    report.hot = hot;
    report.hot_len = REPORT_HOT_MAX;
    report.slow = slow;
    report.slow_len = REPORT_SLOW_MAX;
    json_t *root = written(&report);
    assert_int_equal(json_integer_value(json_object_get(root, "links_len")),
                     1000);
    assert_true(json_array_size(json_object_get(root, "links")) >= 10);
    assert_true(json_array_size(json_object_get(root, "hot")) >= 1);
    assert_true(json_array_size(json_object_get(root, "slow")) >= 2);
    json_decref(root);
}

static void ages_have_buckets(void **state)
{
    static const struct {
        uint64_t us;
        unsigned bucket;
    } cases[] = {
        {0, 0},        {50, 0},          {51, 1},   {5000000, 15},
        {5000001, 16}, {UINT64_MAX, 16}, {1000, 4}, {1001, 5},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(report_bucket(cases[i].us), cases[i].bucket);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_with_nothing_to_say_says_so),
        cmocka_unit_test(lists_have_rows),
        cmocka_unit_test(a_full_report_fits),
        cmocka_unit_test(ages_have_buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

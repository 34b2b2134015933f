/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/worker.h"
#include "proto/err.h"

static struct config config_of(unsigned workers, const char *cluster)
{
    struct config config;

    config_default(&config);
    strcpy(config.name, "eu");
    config.workers = workers;
    if (cluster != NULL) {
        config.cluster_named = true;
        assert_int_equal(addr_read(bytes_str(cluster), 0, &config.cluster), 0);
    }
    return config;
}

static struct addr addr_of(const char *text)
{
    struct addr addr = {0};

    if (text[0] != '\0') {
        assert_int_equal(addr_read(bytes_str(text), 0, &addr), 0);
    }
    return addr;
}

/* Three ports in a row for each, whatever the client port is; a lone node has
 * no admin port. */
static void each_worker_has_three_ports(void **state)
{
    static const struct {
        unsigned workers;
        unsigned worker;
        const char *named;
        bool insecure;
        const char *client;
        const char *cluster;
        const char *admin;
    } cases[] = {
        {1, 0, NULL, true, "127.0.0.1:7400", "127.0.0.1:7401", ""},
        {1, 0, NULL, false, "10.0.0.1:7400", "10.0.0.1:7401", ""},
        {1, 0, NULL, true, "10.0.0.1:7400", "127.0.0.1:7401", ""},
        {1, 0, "10.0.0.2:9000", false, "10.0.0.1:7400", "10.0.0.2:9000", ""},
        {1, 0, NULL, false, "[::1]:65533", "[::1]:65534", ""},
        {4, 0, NULL, true, "127.0.0.1:7400", "127.0.0.1:7401",
         "127.0.0.1:7403"},
        {4, 1, NULL, true, "127.0.0.1:7400", "127.0.0.1:7404",
         "127.0.0.1:7406"},
        {4, 3, NULL, false, "10.0.0.1:7400", "10.0.0.1:7410", "127.0.0.1:7412"},
        {2, 1, "10.0.0.2:9000", false, "10.0.0.1:80", "10.0.0.2:9003",
         "127.0.0.1:9005"},
        {2, 0, "127.0.0.3:9000", true, "10.0.0.1:80", "127.0.0.3:9000",
         "127.0.0.3:9002"},
        {2, 1, NULL, false, "[::1]:80", "[::1]:84", "[::1]:86"},
        {2, 1, NULL, true, "[::1]:65529", "127.0.0.1:65533", "127.0.0.1:65535"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config config = config_of(cases[i].workers, cases[i].named);
        struct addr client = addr_of(cases[i].client);
        struct addr cluster = addr_of(cases[i].cluster);
        struct addr admin = addr_of(cases[i].admin);
        struct worker_ports ports;
        config.worker = cases[i].worker;
        assert_int_equal(
            worker_ports(&config, cases[i].insecure, &client, &ports), 0);
        if (!addr_eq(&ports.cluster, &cluster) ||
            !addr_eq(&ports.admin, &admin)) {
            fail_msg("case %zu", i);
        }
    }
}

static void there_are_no_ports_beyond_the_last(void **state)
{
    struct config config = config_of(1, NULL);
    struct worker_ports ports;
    struct addr client = addr_of("127.0.0.1:65534");
    (void)state;

    assert_int_equal(worker_ports(&config, true, &client, &ports),
                     ERR_CONFLICT);
    config = config_of(2, "127.0.0.1:65531");
    assert_int_equal(worker_ports(&config, true, &client, &ports), 0);
    config.worker = 1;
    assert_int_equal(worker_ports(&config, true, &client, &ports),
                     ERR_CONFLICT);
}

static void a_worker_has_a_name_and_its_share(void **state)
{
    struct config all = config_of(4, NULL);
    struct config own;
    (void)state;

    worker_config(&all, 2, &own);
    assert_string_equal(own.name, "eu.3");
    assert_int_equal(own.worker, 2);
    assert_int_equal(own.limits.memory_len, all.limits.memory_len / 4);
    assert_int_equal(own.limits.conns, all.limits.conns);
}

/* In front of all that the user named; and never at an address to bind only. */
static void the_others_join_the_first(void **state)
{
    static const struct {
        const char *bound;
        const char *joined;
    } cases[] = {
        {"10.0.0.1:7401", "10.0.0.1:7401"},
        {"0.0.0.0:7401", "127.0.0.1:7401"},
        {"[::]:7401", "[::1]:7401"},
        {"[fe80::1]:7401", "[fe80::1]:7401"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config config = config_of(2, NULL);
        struct addr bound = addr_of(cases[i].bound);
        for (size_t j = 0; j < CONFIG_SEEDS_MAX; j++) {
            strcpy(config.join[config.join_len++], j == 0 ? "a:1" : "b:1");
        }
        worker_join(&config, &bound);
        assert_int_equal(config.join_len, CONFIG_SEEDS_MAX + 1);
        assert_string_equal(config.join[0], cases[i].joined);
        assert_string_equal(config.join[1], "a:1");
        assert_string_equal(config.join[CONFIG_SEEDS_MAX], "b:1");
    }
}

static void what_cannot_be_shared_out_is_refused(void **state)
{
    const char *wrong = NULL;
    struct config config = config_of(64, NULL);
    (void)state;

    assert_int_equal(worker_check(&config, &wrong), 0);
    config.limits.memory_len = config.limits.rings_len;
    assert_int_equal(worker_check(&config, &wrong), ERR_CONFIG);
    assert_non_null(strstr(wrong, "memory_len"));

    config = config_of(2, "127.0.0.1:65532");
    assert_int_equal(worker_check(&config, &wrong), ERR_CONFIG);
    assert_non_null(strstr(wrong, "65535"));
    config.workers = 1;
    assert_int_equal(worker_check(&config, &wrong), 0);

    config = config_of(2, NULL);
    memset(config.name, 'n', 61);
    assert_int_equal(worker_check(&config, &wrong), 0);
    config.name[61] = 'n';
    assert_int_equal(worker_check(&config, &wrong), ERR_CONFIG);
    assert_non_null(strstr(wrong, "NAME.1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_worker_has_three_ports),
        cmocka_unit_test(there_are_no_ports_beyond_the_last),
        cmocka_unit_test(a_worker_has_a_name_and_its_share),
        cmocka_unit_test(the_others_join_the_first),
        cmocka_unit_test(what_cannot_be_shared_out_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

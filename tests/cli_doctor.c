/* SPDX-License-Identifier: Apache-2.0
 *
 * What `starling doctor` finds: on machines of files that the test writes, and
 * in answers of clusters.
 */
#include "tests/test.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/cli/doctor_cluster.h"
#include "node/cli/doctor_machine.h"

static struct checkup checkup;
static char root[] = "/tmp/starling-doctor-XXXXXX";

static int setup(void **state)
{
    (void)state;
    checkup = (struct checkup){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    checkup_fini(&checkup);
    return 0;
}

static const struct check *find(const char *name)
{
    for (size_t i = 0; i < checkup.len; i++) {
        if (strcmp(checkup.rows[i].name, name) == 0) {
            return &checkup.rows[i];
        }
    }
    return NULL;
}

static void says(const char *name, enum check_level level, const char *part)
{
    const struct check *check = find(name);

    if (check == NULL) {
        fail_msg("no check %s", name);
        return;
    }
    if (memmem(check->text.p, check->text.len, part, strlen(part)) == NULL) {
        fail_msg("%s: '%.*s'", name, (int)check->text.len,
                 (const char *)check->text.p);
    }
    if (check->level != level) {
        fail_msg("%s is %s", name, check_level_text(check->level));
    }
    assert_true(level == CHECK_OK || level == CHECK_UNKNOWN ||
                check->advice != NULL);
}

/* --- a machine --- */

static void put(const char *name, const char *text)
{
    char path[256];

    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')) != NULL;
         at++) {
        *at = '\0';
        (void)mkdir(path, 0700);
        *at = '/';
    }
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void put_machine(void)
{
    put("self/limits", "Limit                     Soft Limit           Hard "
                       "Limit           Units\n"
                       "Max open files            1024                 1048576"
                       "              files\n");
    put("sys/net/core/somaxconn", "4096\n");
    put("sys/net/ipv4/tcp_mem", "1000\t2000\t4000\n");
    put("net/netstat", "TcpExt: SyncookiesSent ListenOverflows ListenDrops\n"
                       "TcpExt: 1 7 9\n"
                       "IpExt: InNoRoutes\nIpExt: 5\n");
    put("net/snmp", "Ip: Forwarding\nIp: 1\n"
                    "Udp: InDatagrams RcvbufErrors\nUdp: 1 3\n");
    put("net/sockstat", "sockets: used 16\n"
                        "TCP: inuse 1 orphan 0 tw 9 alloc 1 mem 400\n");
    put("meminfo", "MemTotal:       1000000 kB\nMemAvailable:    500000 kB\n");
}

static void a_machine_is_read(void **state)
{
    struct machine m;
    (void)state;

    put_machine();
    machine_read(&m, root);
    assert_int_equal(m.files, 1048576);
    assert_false(m.files_of_node);
    assert_int_equal(m.backlog, 4096);
    assert_int_equal(m.listen_drops, 7);
    assert_int_equal(m.udp_drops, 3);
    assert_int_equal(m.tcp_pages, 400);
    assert_int_equal(m.tcp_pages_max, 4000);
    assert_int_equal(m.memory_kb, 500000);
    assert_int_equal(m.memory_total_kb, 1000000);
}

static void the_limit_of_files_is_that_of_a_node_that_runs(void **state)
{
    struct machine m;
    char path[256];
    (void)state;

    put_machine();
    put("41/limits", "Max open files            1024    2000    files\n");
    (void)snprintf(path, sizeof path, "%s/41/cmdline", root);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    static const char words[] = "/usr/bin/starling\0node\0--config\0x";
    assert_int_equal(fwrite(words, 1, sizeof words, file), sizeof words);
    assert_int_equal(fclose(file), 0);
    put("42/limits", "Max open files            10    10    files\n");
    put("42/cmdline", "starlings");
    machine_read(&m, root);
    assert_true(m.files_of_node);
    assert_int_equal(m.files, 2000);
    machine_judge(&m, &m, &checkup);
    says("files", CHECK_WARN, "a node here may open 2000 files");
}

static void what_cannot_be_read_is_unknown(void **state)
{
    struct machine m;
    (void)state;

    machine_read(&m, "/nowhere");
    assert_true(m.files == MACHINE_UNKNOWN);
    assert_true(m.listen_drops == MACHINE_UNKNOWN);
    machine_judge(&m, &m, &checkup);
    says("files", CHECK_UNKNOWN, "cannot be read");
    says("backlog", CHECK_UNKNOWN, "cannot be read");
    says("tcp-memory", CHECK_UNKNOWN, "cannot be read");
    says("free-memory", CHECK_UNKNOWN, "cannot be read");
    says("accept", CHECK_UNKNOWN, "cannot be read");
    says("udp", CHECK_UNKNOWN, "cannot be read");
}

static const struct machine well = {
    .files = 524288,
    .backlog = 4096,
    .listen_drops = 7,
    .udp_drops = 3,
    .tcp_pages = 100,
    .tcp_pages_max = 100000,
    .memory_kb = 4 << 20,
    .memory_total_kb = 8 << 20,
    .clock_synced = 1,
};

static void a_machine_that_is_well(void **state)
{
    (void)state;

    machine_judge(&well, &well, &checkup);
    assert_int_equal(checkup_worst(&checkup), CHECK_OK);
    assert_int_equal(checkup.len, 7);
}

static void what_is_wrong_with_a_machine(void **state)
{
    struct machine bad = well;
    (void)state;

    bad.files = 1000;
    bad.backlog = 128;
    bad.listen_drops = 9;
    bad.udp_drops = 13;
    bad.tcp_pages = 90000;
    bad.memory_kb = 300 << 10;
    bad.clock_synced = 0;
    machine_judge(&well, &bad, &checkup);
    says("files", CHECK_CRITICAL, "may open 1000 files");
    says("backlog", CHECK_WARN, "128 connections");
    says("accept", CHECK_WARN, "2 connections");
    says("udp", CHECK_WARN, "10 packets");
    says("tcp-memory", CHECK_WARN, "89 %");
    says("free-memory", CHECK_WARN, "300 MiB are free, 3 %");
    says("clock", CHECK_WARN, "not synchronised");
    assert_int_equal(checkup_worst(&checkup), CHECK_CRITICAL);
}

/* --- a cluster --- */

static json_t *parse(const char *text)
{
    json_error_t error;
    struct buf json = {0};

    buf_add_str(&json, text);
    for (size_t i = 0; i < json.len; i++) {
        json.p[i] = json.p[i] == '\'' ? '"' : json.p[i];
    }
    json_t *doc = json_loadb((char *)json.p, json.len, 0, &error);
    if (doc == NULL) {
        fail_msg("%s at %d", error.text, error.position);
    }
    buf_fini(&json);
    return doc;
}

/* Apostrophes stand for quotation marks; the earlier report is the later. */
static void judge(int status, const char *ready, const char *cluster,
                  const char *report, const char *keys)
{
    struct looks looks = {.ready_status = status,
                          .keys_status = keys == NULL ? 409 : 200};
    json_t *docs[] = {
        parse(ready),
        cluster == NULL ? NULL : parse(cluster),
        report == NULL ? NULL : parse(report),
        keys == NULL ? NULL : parse(keys),
    };

    looks.ready = docs[0];
    looks.cluster = docs[1];
    looks.before = docs[2];
    looks.now = docs[2];
    looks.keys = docs[3];
    cluster_judge(&looks, &checkup);
    for (size_t i = 0; i < ARRAY_LEN(docs); i++) {
        json_decref(docs[i]);
    }
}

#define READY "{'ready':true}"
#define WELL                                                      \
    "'version':'0.1.0','ready':true,'loop_lag_ms':3,'memory':10," \
    "'memory_limit':1000"

static void a_cluster_that_is_well(void **state)
{
    (void)state;

    judge(200, READY,
          "{'insecure':false,'members':[{'name':'n1','state':'alive'},"
          "{'name':'n2','state':'alive'},{'name':'n0','state':'left'}]}",
          "{'nodes':[{'name':'n1'," WELL ",'links':[{'name':'n2','state':"
          "'alive','up':true,'queue':10,'queue_limit':100,'clock_us':-400000}"
          "],'slow':[{'client':'1-2','queue':1,'limit':100,'over_ms':0}]},"
          "{'name':'n2'," WELL ",'gaps':0,'dropped':{'slow':0,'link':0}}],"
          "'silent':[]}",
          "{'result':'done'}");
    for (size_t i = 0; i < checkup.len; i++) {
        if (checkup.rows[i].level != CHECK_OK) {
            fail_msg("%s", checkup.rows[i].name);
        }
    }
    assert_non_null(find("cluster-key"));
    assert_non_null(find("gaps"));
}

static void a_node_that_is_not_ready(void **state)
{
    (void)state;

    judge(503, "{'ready':false,'alone':true,'why':'no seed answers'}", NULL,
          NULL, NULL);
    says("ready", CHECK_CRITICAL, "no seed answers");
    says("alone", CHECK_CRITICAL, "a cluster of its own");
    assert_null(find("members"));
    assert_null(find("links"));
    checkup_fini(&checkup);
    judge(503, "{'ready':false,'draining':true}", NULL, NULL, NULL);
    says("ready", CHECK_WARN, "drains");
}

static void what_is_wrong_with_a_cluster(void **state)
{
    (void)state;

    judge(200, READY,
          "{'insecure':true,'members':[{'name':'n1#0a0b','state':'alive'},"
          "{'name':'n1#0c0d','state':'alive'},{'name':'n3','state':'dead'},"
          "{'name':'n4','state':'suspect'}]}",
          "{'nodes':["
          "{'name':'n1','version':'0.1.0','ready':true,'loop_lag_ms':2000,"
          "'memory':85,'memory_limit':100,'dropped':{'slow':2,'link':1},"
          "'gaps':4,'links':["
          "{'name':'n2','state':'alive','up':false,'clock_us':812000},"
          "{'name':'n3','state':'dead','up':false},"
          "{'name':'n5','state':'alive','up':true,'queue':95,"
          "'queue_limit':100,'clock_us':-2000000}]},"
          "{'name':'n2','version':'0.2.0','ready':false,'why':'joins',"
          "'slow':[{'client':'0a-7','door':'resp','address':'10.0.0.7:99',"
          "'queue':20480,'limit':1048576,'over_ms':1200}]},"
          "{'name':'n5','version':'0.1.0','draining':true}],"
          "'silent':['n3']}",
          "{'result':'partial'}");
    says("keys", CHECK_WARN, "everyone may do everything");
    says("cluster-key", CHECK_WARN, "different cluster keys");
    says("members", CHECK_WARN, "n3 is dead, n4 is suspect");
    says("names", CHECK_WARN, "n1#0a0b, n1#0c0d");
    says("answers", CHECK_CRITICAL, "n3 does not answer");
    says("nodes", CHECK_WARN, "n2 is not ready (joins), n5 drains");
    says("versions", CHECK_WARN, "n1 has 0.1.0, n2 has 0.2.0");
    says("links", CHECK_CRITICAL, "n1 has no link to n2");
    says("link-queues", CHECK_CRITICAL, "n1 to n5: 95 % full");
    says("clocks", CHECK_WARN, "n2 is 812 ms ahead of n1");
    says("clocks", CHECK_WARN, "n5 is 2000 ms behind n1");
    says("loop-lag", CHECK_CRITICAL, "n1: 2000 ms");
    says("memory", CHECK_WARN, "n1: 85 % of limits.memory");
    says("slow-clients", CHECK_WARN,
         "0a-7 at n2 (resp, 10.0.0.7:99): 20 KiB wait");
    says("dropped-slow", CHECK_WARN, "4 items"); /* of both looks */
    says("dropped-link", CHECK_CRITICAL, "2 items");
    says("gaps", CHECK_WARN, "8 discontinuities");
}

static void packets_that_no_key_opens(void **state)
{
    const struct looks looks = {.ready_status = 200, .forged = 5};
    (void)state;

    cluster_judge(&looks, &checkup);
    says("cluster-key", CHECK_WARN, "5 packets");
}

/* --- what is said --- */

static void the_worst_is_the_exit_code(void **state)
{
    static const struct {
        enum check_level levels[3];
        enum check_level worst;
    } cases[] = {
        {{CHECK_OK, CHECK_OK, CHECK_OK}, CHECK_OK},
        {{CHECK_OK, CHECK_UNKNOWN, CHECK_OK}, CHECK_UNKNOWN},
        {{CHECK_UNKNOWN, CHECK_WARN, CHECK_OK}, CHECK_WARN},
        {{CHECK_CRITICAL, CHECK_UNKNOWN, CHECK_WARN}, CHECK_CRITICAL},
    };
    (void)state;

    assert_int_equal(checkup_worst(&checkup), CHECK_OK);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t k = 0; k < 3; k++) {
            checkup_add(&checkup, cases[i].levels[k], "x", NULL, "y");
        }
        assert_int_equal(checkup_worst(&checkup), cases[i].worst);
        checkup_fini(&checkup);
    }
}

static void one_line_a_check(void **state)
{
    char text[1024] = "";
    (void)state;

    checkup_add(&checkup, CHECK_OK, "fine", "never shown", "all %d of it", 3);
    checkup_add(&checkup, CHECK_WARN, "bad", "do this", "a\x1b[2Jb\nc");
    checkup_add(&checkup, CHECK_UNKNOWN, "odd", NULL, "no idea");
    FILE *file = fmemopen(text, sizeof text, "w");
    assert_non_null(file);
    checkup_print(&checkup, file);
    assert_int_equal(fclose(file), 0);
    assert_string_equal(text, "ok        fine           all 3 of it\n"
                              "warn      bad            a?[2Jb?c: do this\n"
                              "unknown   odd            no idea\n"
                              "warn: 1 ok, 1 warn, 0 critical, 1 unknown\n");
    json_t *json = checkup_json(&checkup);
    char *dump = json_dumps(json, JSON_COMPACT);
    assert_string_equal(
        dump, "{\"status\":\"warn\",\"checks\":[{\"check\":\"fine\",\"status\":"
              "\"ok\",\"text\":\"all 3 of it\",\"advice\":\"\"},{\"check\":"
              "\"bad\",\"status\":\"warn\",\"text\":\"a?[2Jb?c\",\"advice\":"
              "\"do this\"},{\"check\":\"odd\",\"status\":\"unknown\",\"text\":"
              "\"no idea\",\"advice\":\"\"}]}");
    free(dump);
    json_decref(json);
}

static void only_a_few_are_named(void **state)
{
    struct culprits culprits = {0};
    (void)state;

    for (int i = 1; i <= 7; i++) {
        culprits_add(&culprits, "n%d", i);
    }
    assert_string_equal(culprits_text(&culprits),
                        "n1, n2, n3, n4, n5 and 2 more");
    culprits_fini(&culprits);
}

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) == NULL;
}

static int remove_root(void **state)
{
    static const char *const names[] = {"self/limits",
                                        "self",
                                        "sys/net/core/somaxconn",
                                        "sys/net/core",
                                        "sys/net/ipv4/tcp_mem",
                                        "sys/net/ipv4",
                                        "sys/net",
                                        "sys",
                                        "net/netstat",
                                        "net/snmp",
                                        "net/sockstat",
                                        "net",
                                        "meminfo",
                                        "41/limits",
                                        "41/cmdline",
                                        "41",
                                        "42/limits",
                                        "42/cmdline",
                                        "42"};
    char path[256];
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", root, names[i]);
        (void)remove(path);
    }
    return rmdir(root);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_machine_is_read),
        TEST(the_limit_of_files_is_that_of_a_node_that_runs),
        TEST(what_cannot_be_read_is_unknown),
        TEST(a_machine_that_is_well),
        TEST(what_is_wrong_with_a_machine),
        TEST(a_cluster_that_is_well),
        TEST(a_node_that_is_not_ready),
        TEST(what_is_wrong_with_a_cluster),
        TEST(packets_that_no_key_opens),
        TEST(the_worst_is_the_exit_code),
        TEST(one_line_a_check),
        TEST(only_a_few_are_named),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * What the clients of a Redis cluster ask.
 */
#include "tests/test.h"

#include <stdio.h>

#include "tests/resp_talk.h"

#define ID "0102030405060708000000000000000000000000"
#define HELLO_3                                                    \
    "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n" \
    "7.2.0\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:1\r\n$4\r\n"       \
    "mode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"  \
    "$7\r\nmodules\r\n*0\r\n"

struct talk {
    struct {
        const char *in;
        const char *out;
    } rows[12];
};

static void talk(const struct talk *t)
{
    struct core core;
    fake_core_init(&core);
    struct fake_conn *conn = connect_to(&core);

    for (size_t row = 0; t->rows[row].in != NULL; row++) {
        say(conn, t->rows[row].in);
        hears(conn, t->rows[row].out);
    }
    fake_conn_free(conn);
    core_fini(&core);
}

static void a_cluster_client_finds_one_node_with_all_slots(void **state)
{
    static const struct talk talks[] = {
        {{
            {"CLUSTER SLOTS\r\n",
             "*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n$9\r\n127.0.0.1\r\n:7400\r\n"
             "$40\r\n" ID "\r\n*0\r\n"},
            {"CLUSTER MYID\r\n", "$40\r\n" ID "\r\n"},
            {"CLUSTER MYSHARDID\r\n", "$40\r\n" ID "\r\n"},
            {"CLUSTER NODES\r\n",
             "$98\r\n" ID " 127.0.0.1:7400@0 myself,master - 0 0 0 "
             "connected 0-16383\n\r\n"},
            {"CLUSTER SHARDS\r\n",
             "*1\r\n*4\r\n$5\r\nslots\r\n*2\r\n:0\r\n:16383\r\n$"
             "5\r\nnodes\r\n*1\r\n*14\r\n$2\r\nid\r\n$40\r\n" ID
             "\r\n$4\r\nport\r\n:7400\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$"
             "8\r\nendpoint\r\n$9\r\n127.0.0.1\r\n$4\r\nrole\r\n$"
             "6\r\nmaster\r\n$18\r\nreplication-offset\r\n:0\r\n$"
             "6\r\nhealth\r\n$6\r\nonline\r\n"},
            {"CLUSTER LINKS\r\n", "*0\r\n"},
            {"HELLO 3\r\n", HELLO_3},
            {"CLUSTER SHARDS\r\n",
             "*1\r\n%2\r\n$5\r\nslots\r\n*2\r\n:0\r\n:16383\r\n$"
             "5\r\nnodes\r\n*1\r\n%7\r\n$2\r\nid\r\n$40\r\n" ID
             "\r\n$4\r\nport\r\n:7400\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$"
             "8\r\nendpoint\r\n$9\r\n127.0.0.1\r\n$4\r\nrole\r\n$"
             "6\r\nmaster\r\n$18\r\nreplication-offset\r\n:0\r\n$"
             "6\r\nhealth\r\n$6\r\nonline\r\n"},
        }},
        {{
            {"CLUSTER INFO\r\n",
             "$201\r\ncluster_state:ok\r\ncluster_slots_assigned:"
             "16384\r\ncluster_slots_ok:16384\r\ncluster_slots_pfail:"
             "0\r\ncluster_slots_fail:0\r\ncluster_known_nodes:1\r\ncluster_"
             "size:1\r\ncluster_current_epoch:0\r\ncluster_my_epoch:"
             "0\r\n\r\n"},
        }},
        {{
            {"CLUSTER KEYSLOT 123456789\r\n", ":12739\r\n"},
            {"CLUSTER KEYSLOT a{123456789}b\r\n", ":12739\r\n"},
            {"CLUSTER COUNTKEYSINSLOT 0\r\n", ":0\r\n"},
            {"CLUSTER COUNTKEYSINSLOT 16384\r\n", "-ERR Invalid slot\r\n"},
            {"CLUSTER COUNTKEYSINSLOT x\r\n",
             "-ERR value is not an integer or out of range\r\n"},
            {"CLUSTER GETKEYSINSLOT 16383 10\r\n", "*0\r\n"},
            {"CLUSTER GETKEYSINSLOT 16383 x\r\n",
             "-ERR value is not an integer or out of range\r\n"},
        }},
        {{
            {"CLUSTER\r\n",
             "-ERR wrong number of arguments for 'cluster' command\r\n"},
            {"CLUSTER MEET a 1\r\n",
             "-ERR unknown subcommand 'MEET'. Try CLUSTER HELP.\r\n"},
        }},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(talks); i++) {
        talk(&talks[i]);
    }
}

/* Port mapping: what clients are told to use, where it names a port. */
static void a_cluster_client_is_told_the_endpoint(void **state)
{
    static const struct {
        const char *endpoint;
        const char *host;
        const char *port;
    } cases[] = {
        {"", "$9\r\n127.0.0.1", "7400"},
        {"http://eu.example.com:17400", "$14\r\neu.example.com", "17400"},
        {"HTTP://10.0.0.1:1/x:y", "$8\r\n10.0.0.1", "1"},
        {"http://[2001:db8::1]:7401", "$11\r\n2001:db8::1", "7401"},
        /* proxies of HTTP, and nonsense */
        {"http://eu.example.com", "$9\r\n127.0.0.1", "7400"},
        {"https://eu.example.com:443", "$9\r\n127.0.0.1", "7400"},
        {"http://[2001:db8::1]", "$9\r\n127.0.0.1", "7400"},
        {"http://:7400", "$9\r\n127.0.0.1", "7400"},
        {"http://h:0", "$9\r\n127.0.0.1", "7400"},
        {"http://h:65536", "$9\r\n127.0.0.1", "7400"},
        {"http", "$9\r\n127.0.0.1", "7400"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct core_options options = fake_core_options();
        struct core core;
        char expected[200];
        options.endpoint = cases[i].endpoint;
        assert_int_equal(core_init(&core, &options), 0);
        core_turn(&core, 1000, 1795305600000);
        struct fake_conn *conn = connect_to(&core);
        say(conn, "CLUSTER SLOTS\r\n");
        (void)snprintf(expected, sizeof expected,
                       "*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n%s\r\n:%s\r\n"
                       "$40\r\n" ID "\r\n*0\r\n",
                       cases[i].host, cases[i].port);
        hears(conn, expected);
        say(conn, "CLUSTER INFO\r\n"); /* it is still joining */
        assert_non_null(memmem(fake_conn_out(conn).p, fake_conn_out(conn).len,
                               "cluster_state:fail", 18));
        fake_conn_free(conn);
        core_fini(&core);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cluster_client_finds_one_node_with_all_slots),
        cmocka_unit_test(a_cluster_client_is_told_the_endpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

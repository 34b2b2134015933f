/* SPDX-License-Identifier: Apache-2.0
 *
 * What may be wished of a `starling dev`: by a line, by JSON; and what becomes
 * of it. The processes are stood in for.
 */
#include "tests/test.h"

#include <stdio.h>

#include "node/cli/dev_talk.h"
#include "node/cli/dev_wish.h"
#include "proto/err.h"

static struct dev_nodes nodes;
static char words[DEV_WORDS_MAX];
static unsigned told; /* how things are, to all nodes */
static int start_fails;

/* --- stands in for node/cli/dev_nodes.c and dev_talk.c --- */

void dev_nodes_kill(struct dev_nodes *all, size_t i)
{
    all->node[i].pid = 0;
}

int dev_nodes_restart(struct dev_nodes *all, size_t i)
{
    all->node[i].pid = start_fails != 0 ? 0 : 100 + (pid_t)i;
    return start_fails;
}

void dev_talk_tell(const struct dev_nodes *all)
{
    (void)all;
    told++;
}

static int setup(void **state)
{
    static const char *const regions[] = {"eu", "us", "ap"};
    (void)state;

    nodes = (struct dev_nodes){.len = 4, .workers = 1, .regions_len = 3};
    for (size_t i = 0; i < nodes.len; i++) {
        struct dev_node *node = &nodes.node[i];
        snprintf(node->name, sizeof node->name, "n%zu", i + 1);
        node->region = i % 3;
        node->pid = 10 + (pid_t)i;
    }
    memcpy(nodes.regions, regions, sizeof regions);
    told = 0;
    start_fails = 0;
    words[0] = '\0';
    return 0;
}

static int read_line(const char *text, struct dev_wish *wish)
{
    char line[128];

    assert_true(strlen(text) < sizeof line);
    strcpy(line, text);
    return dev_wish_read_line(&nodes, line, wish, words);
}

static int read_json(const char *text, struct dev_wish *wish)
{
    return dev_wish_read_json(&nodes, bytes_str(text), wish, words);
}

/* Reads the line and carries it out. */
static int do_line(const char *text)
{
    struct dev_wish wish;

    assert_int_equal(read_line(text, &wish), 0);
    return dev_wish_do(&nodes, &wish, words);
}

/* --- reading --- */

static void a_line_and_a_body_say_the_same(void **state)
{
    static const struct {
        const char *line;
        const char *json;
        struct dev_wish wish;
    } cases[] = {
        {"k 2", "{\"do\":\"kill\",\"node\":\"n2\"}", {DEV_KILL, 1, {0}, 0}},
        {"kill n4", "{\"do\":\"kill\",\"node\":\"4\"}", {DEV_KILL, 3, {0}, 0}},
        {" r\t1 ",
         "{\"node\":\"n1\",\"do\":\"restart\"}",
         {DEV_RESTART, 0, {0}, 0}},
        {"p eu ap",
         "{\"do\":\"partition\",\"regions\":[\"eu\",\"ap\"]}",
         {DEV_PARTITION, 0, {0, 2}, 0}},
        {"p us",
         "{\"do\":\"partition\",\"regions\":[\"us\"]}",
         {DEV_PARTITION, 0, {1, 3}, 0}},
        {"h", "{\"do\":\"heal\"}", {DEV_HEAL, 0, {0}, 0}},
        {"w 80", "{\"do\":\"wan\",\"ms\":80}", {DEV_WAN, 0, {0}, 80}},
        {"w 0\r", "{\"do\":\"wan\",\"ms\":0}", {DEV_WAN, 0, {0}, 0}},
        {"w 1000", "{\"do\":\"wan\",\"ms\":1000}", {DEV_WAN, 0, {0}, 1000}},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct dev_wish wish;
        assert_int_equal(read_line(cases[i].line, &wish), 0);
        assert_memory_equal(&wish, &cases[i].wish, sizeof wish);
        assert_int_equal(read_json(cases[i].json, &wish), 0);
        assert_memory_equal(&wish, &cases[i].wish, sizeof wish);
    }
}

static void some_lines_are_for_the_terminal_alone(void **state)
{
    static const struct {
        const char *line;
        enum dev_verb verb;
    } cases[] = {{"", DEV_NOTHING}, {"  ", DEV_NOTHING}, {"s", DEV_SHOW},
                 {"?", DEV_HELP},   {"help", DEV_HELP},  {"q", DEV_QUIT}};
    struct dev_wish wish;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(read_line(cases[i].line, &wish), 0);
        assert_int_equal(wish.verb, cases[i].verb);
    }
    assert_int_equal(read_json("{\"do\":\"quit\"}", &wish), ERR_ARGUMENT);
    assert_int_equal(read_json("{\"do\":\"k\",\"node\":\"n1\"}", &wish),
                     ERR_ARGUMENT);
}

static void what_is_wrong_is_said(void **state)
{
    static const struct {
        const char *text;
        int err;
        const char *words;
    } lines[] = {
        {"x", ERR_ARGUMENT, "not understood"},
        {"k 1 2", ERR_ARGUMENT, "not understood"},
        {"h now", ERR_ARGUMENT, "not understood"},
        {"p eu us ap", ERR_ARGUMENT, "not understood"},
        {"k", ERR_NOT_FOUND, "no node '': they are n1 to n4"},
        {"k 5", ERR_NOT_FOUND, "no node '5'"},
        {"k n0", ERR_NOT_FOUND, "no node 'n0'"},
        {"k nn1", ERR_NOT_FOUND, "no node 'nn1'"},
        {"k 18446744073709551617", ERR_NOT_FOUND, "no node"},
        {"p", ERR_ARGUMENT, "between which regions"},
        {"p eu eu", ERR_ARGUMENT, "between two regions"},
        {"p eu xx", ERR_NOT_FOUND, "no region 'xx': they are eu us ap"},
        {"w", ERR_ARGUMENT, "how far"},
        {"w -1", ERR_ARGUMENT, "how far"},
        {"w 1001", ERR_ARGUMENT, "how far"},
    };
    static const struct {
        const char *text;
        int err;
    } bodies[] = {
        {"", ERR_SYNTAX},
        {"{", ERR_SYNTAX},
        {"[]", ERR_SYNTAX},
        {"\"kill\"", ERR_SYNTAX},
        {"{\"do\":\"kill\",\"do\":\"heal\"}", ERR_SYNTAX},
        {"{}", ERR_ARGUMENT},
        {"{\"do\":1}", ERR_ARGUMENT},
        {"{\"do\":\"kill\",\"node\":2}", ERR_NOT_FOUND},
        {"{\"do\":\"partition\",\"regions\":\"eu\"}", ERR_ARGUMENT},
        {"{\"do\":\"partition\",\"regions\":[1,2]}", ERR_ARGUMENT},
        {"{\"do\":\"wan\",\"ms\":\"80\"}", ERR_ARGUMENT},
        {"{\"do\":\"wan\",\"ms\":1e2}", ERR_ARGUMENT},
        {"{\"do\":\"wan\",\"ms\":-9223372036854775808}", ERR_ARGUMENT},
    };
    struct dev_wish wish;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        assert_int_equal(read_line(lines[i].text, &wish), lines[i].err);
        assert_non_null(strstr(words, lines[i].words));
    }
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        words[0] = '\0';
        assert_int_equal(read_json(bodies[i].text, &wish), bodies[i].err);
        assert_true(words[0] != '\0');
    }
}

/* --- carrying out --- */

static void a_node_is_killed_once_and_started_again(void **state)
{
    (void)state;

    assert_int_equal(do_line("k 2"), 0);
    assert_string_equal(words, "n2 (us) killed: process 11 is gone");
    assert_int_equal(do_line("k 2"), ERR_CONFLICT);
    assert_string_equal(words, "n2 does not run; r 2 starts it");
    assert_int_equal(do_line("r 2"), 0);
    assert_string_equal(words, "n2 (us) started again: process 101");
    assert_int_equal(do_line("r 1"), 0);
    assert_string_equal(
        words, "n1 (eu) killed and started again: process 100, was 10");
    start_fails = ERR_IO;
    assert_int_equal(do_line("r 3"), ERR_IO);
    assert_string_equal(words, "n3 cannot be started");
}

static void a_cut_is_both_ways_round_until_it_is_healed(void **state)
{
    (void)state;

    assert_int_equal(do_line("p ap eu"), 0);
    assert_string_equal(words, "ap and eu are cut off from each other");
    assert_true(nodes.cut[0][2] && nodes.cut[2][0]);
    assert_false(nodes.cut[0][1] || nodes.cut[1][2] || nodes.cut[0][0]);
    assert_int_equal(do_line("h"), 0);
    assert_string_equal(words, "healed: all regions reach each other");
    assert_false(nodes.cut[0][2] || nodes.cut[2][0]);
    assert_int_equal(do_line("h"), 0);
    assert_string_equal(words, "nothing is cut");
    assert_int_equal(told, 3);
}

static void one_region_is_cut_off_from_all_others(void **state)
{
    (void)state;

    assert_int_equal(do_line("p us"), 0);
    assert_string_equal(words, "us and all others are cut off from each other");
    assert_true(nodes.cut[1][0] && nodes.cut[1][2] && nodes.cut[0][1] &&
                nodes.cut[2][1]);
    assert_false(nodes.cut[0][2] || nodes.cut[2][0] || nodes.cut[1][1]);
}

static void of_two_regions_none_need_be_named(void **state)
{
    struct dev_wish wish;
    (void)state;

    nodes.regions_len = 2;
    assert_int_equal(do_line("p"), 0);
    assert_true(nodes.cut[0][1] && nodes.cut[1][0]);
    nodes.regions_len = 1;
    assert_int_equal(read_line("p", &wish), ERR_ARGUMENT);
    assert_int_equal(read_line("p eu", &wish), ERR_ARGUMENT);
}

static void a_distance_is_told_to_all(void **state)
{
    (void)state;

    assert_int_equal(do_line("w 80"), 0);
    assert_int_equal(nodes.wan_ms, 80);
    assert_int_equal(told, 1);
    assert_string_equal(words, "regions are 80 ms apart");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, setup)
    const struct CMUnitTest tests[] = {
        T(a_line_and_a_body_say_the_same),
        T(some_lines_are_for_the_terminal_alone),
        T(what_is_wrong_is_said),
        T(a_node_is_killed_once_and_started_again),
        T(a_cut_is_both_ways_round_until_it_is_healed),
        T(one_region_is_cut_off_from_all_others),
        T(of_two_regions_none_need_be_named),
        T(a_distance_is_told_to_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * The tree of a trace, as it is printed.
 */
#include "tests/test.h"

#include <stdio.h>

#include "node/cli/trace_tree.h"

/* Apostrophes stand for quotation marks. */
#define HEAD                                                          \
    "{'item':{'origin':'0102030405060708','count':41,'cache':'demo'," \
    "'topic':'chat','bytes':5},'nodes':["
#define SILENT "],'silent':["
#define END    "]}"

/* Branches and ± as one character each, for the texts below. */
static void make_plain(struct buf *text)
{
    static const char *const pairs[][2] = {
        {"\u251c\u2500", "|-"},
        {"\u2514\u2500", "`-"},
        {"\u2502", "|"},
        {"\u00b1", "~"},
    };

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        size_t len = strlen(pairs[i][0]);
        size_t to = strlen(pairs[i][1]);
        uint8_t *at;
        while ((at = memmem(text->p, text->len, pairs[i][0], len)) != NULL) {
            memcpy(at, pairs[i][1], to);
            memmove(at + to, at + len,
                    text->len - (size_t)(at - text->p) - len);
            text->len -= len - to;
        }
    }
}

static json_t *read(const char *text)
{
    json_error_t error;
    struct buf json = {0};

    buf_add_str(&json, text);
    for (size_t i = 0; i < json.len; i++) {
        json.p[i] = json.p[i] == '\'' ? '"' : json.p[i];
    }
    json_t *root = json_loadb((char *)json.p, json.len, 0, &error);
    if (root == NULL) {
        fail_msg("%s at %d", error.text, error.position);
    }
    buf_fini(&json);
    return root;
}

static void draws(const char *json, const char *text, bool whole)
{
    struct buf out = {0};
    json_t *root = read(json);

    trace_tree(root, &out);
    assert_false(out.failed);
    make_plain(&out);
    buf_add_u8(&out, '\0');
    assert_string_equal((const char *)out.p, text);
    assert_int_equal(trace_is_whole(root), whole);
    json_decref(root);
    buf_fini(&out);
}

static void nobody_subscribed(void **state)
{
    (void)state;

    draws(HEAD "{'name':'n1','region':'eu','hop':'local','at_us':0,"
               "'matched':0,'doors':{},'written_us':null,'waiting':0,"
               "'gap_us':null,'sent':[],'dropped':[]}" SILENT END,
          "demo/chat, 5 bytes, item 0102030405060708-41\n"
          "\n"
          "n1 (eu)  published here\n"
          "`- nobody is subscribed here\n"
          "\n"
          "1 node, nobody is subscribed\n",
          true);
}

static void each_node_below_the_one_it_got_it_from(void **state)
{
    (void)state;

    draws(HEAD "{'name':'n1','region':'eu','hop':'local','at_us':0,'matched':3,"
               "'doors':{'native':2,'resp':1},'written_us':38,'sent':["
               "{'to':'n2','at_us':52,'outcome':'sent'},"
               "{'to':'n3','at_us':60,'outcome':'sent'}]},"
               "{'name':'n2','region':'us','hop':'ingress','at_us':210,"
               "'error_us':70,'matched':0,'sent':["
               "{'to':'n4','at_us':220,'outcome':'sent'}]},"
               "{'name':'n3','region':'eu','hop':'host','at_us':300,"
               "'error_us':80,'matched':1,'doors':{'sse':1},'written_us':9994},"
               "{'name':'n4','region':'us','hop':'region','at_us':12345,"
               "'error_us':1005,'matched':1,'doors':{'sse':1},"
               "'written_us':99950}" SILENT END,
          "demo/chat, 5 bytes, item 0102030405060708-41\n"
          "\n"
          "n1 (eu)  published here\n"
          "|- 3 subscriptions: native 2, resp 1; written after 0.04 ms\n"
          "|- n2 (us)  after 0.21 ms (~0.07), for its region\n"
          "|  |- nobody is subscribed here\n"
          "|  `- n4 (us)  after 12.3 ms (~1.01)\n"
          "|     `- 1 subscription: sse 1; written after 100.0 ms\n"
          "`- n3 (eu)  after 0.30 ms (~0.08), for its process\n"
          "   `- 1 subscription: sse 1; written after 9.99 ms\n"
          "\n"
          "4 nodes, 5 subscriptions, last written after 100.0 ms\n",
          true);
}

static void what_was_dropped_and_who_is_silent(void **state)
{
    (void)state;

    draws(HEAD "{'name':'n1','region':'eu','hop':'local','at_us':0,'matched':4,"
               "'doors':{'native':3,'sse':1},'written_us':38,'waiting':1,"
               "'sent':[{'to':'n2','at_us':20,'outcome':'dropped',"
               "'why':'link down'},"
               "{'to':'n3','at_us':60,'outcome':'sent'},"
               "{'to':'n5','at_us':9,'outcome':'queued'}],'sent_more':7,"
               "'dropped':[{'door':'native','count':2,'why':'slow'},"
               "{'door':'sse','count':1,'why':'closed'}]}" SILENT
               "'n3','n4'" END,
          "demo/chat, 5 bytes, item 0102030405060708-41\n"
          "\n"
          "n1 (eu)  published here\n"
          "|- 4 subscriptions: native 3, sse 1; written after 0.04 ms; "
          "waits for 1 slow reader; DROPPED for native 2: slow; DROPPED for "
          "sse 1: closed\n"
          "|- n2  DROPPED after 0.02 ms: link down\n"
          "|- n3  sent after 0.06 ms, SILENT: it does not say whether it "
          "has it\n"
          "|- n5  queued after 0.01 ms\n"
          "`- 7 further nodes\n"
          "\n"
          "1 node, 4 subscriptions, last written after 0.04 ms; not read "
          "yet: 1; dropped: slow 2, closed 1, n2; silent: n3, n4\n",
          false);
}

static void what_came_too_late_was_told(void **state)
{
    (void)state;

    draws(HEAD "{'name':'n9','hop':'region','at_us':900,'gap_us':120,"
               "'dropped':[{'door':'','count':1,'why':'late'}]}" SILENT END,
          "demo/chat, 5 bytes, item 0102030405060708-41\n"
          "\n"
          "n9  after 0.90 ms\n"
          "`- nobody is subscribed here; DROPPED: late; a discontinuity was "
          "told after 0.12 ms\n"
          "\n"
          "1 node, nobody is subscribed; dropped: late 1\n",
          false);
}

/* Those who got it from it are drawn apart. */
static void a_node_of_an_older_version_takes_no_notes(void **state)
{
    (void)state;

    draws(HEAD "{'name':'n1','region':'eu','hop':'local','at_us':0,'sent':["
               "{'to':'n2','at_us':52,'outcome':'sent'}]},"
               "{'name':'n3','region':'us','from':'n2','hop':'region',"
               "'at_us':900}" SILENT "],'older':['n2'" END,
          "demo/chat, 5 bytes, item 0102030405060708-41\n"
          "\n"
          "n1 (eu)  published here\n"
          "|- nobody is subscribed here\n"
          "`- n2  sent after 0.05 ms; its version takes no notes\n"
          "\n"
          "n3 (us)  after 0.90 ms, from n2\n"
          "`- nobody is subscribed here\n"
          "\n"
          "2 nodes, nobody is subscribed; without notes: n2\n",
          true);
}

/* No answer of a node makes it run in a circle, or far down. */
static void nonsense_ends(void **state)
{
    struct buf json = {0};
    struct buf out = {0};
    (void)state;

    buf_add_str(&json, "{'nodes':[");
    for (unsigned i = 0; i < 100; i++) { /* each to the next, and to itself */
        char text[256];
        (void)snprintf(text, sizeof text,
                       "%s{'name':'n%u','sent':[{'to':'n%u'},{'to':'n%u'}]}",
                       i == 0 ? "" : ",", i, (i + 1) % 100, i);
        buf_add_str(&json, text);
    }
    buf_add_str(&json, ",5,null],'silent':[7]}");
    buf_add_u8(&json, '\0');
    json_t *root = read((const char *)json.p);
    trace_tree(root, &out);
    assert_false(out.failed);
    json_decref(root);
    root = read("[]");
    trace_tree(root, &out);
    assert_false(out.failed);
    json_decref(root);
    buf_fini(&json);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_subscribed),
        cmocka_unit_test(each_node_below_the_one_it_got_it_from),
        cmocka_unit_test(what_was_dropped_and_who_is_silent),
        cmocka_unit_test(what_came_too_late_was_told),
        cmocka_unit_test(a_node_of_an_older_version_takes_no_notes),
        cmocka_unit_test(nonsense_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * The topics of four nodes, asked at one of them.
 */
#include "tests/test.h"

#include "node/watch/topics.h"
#include "tests/admin_ends.h"

enum {
    CONNS_MAX = 64
};

static struct fake_conn *conns[CONNS_MAX];
static size_t conns_len;

static int setup(void **state)
{
    (void)state;
    conns_len = 0;
    admin_ends_init(topics_serve);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    while (conns_len > 0) {
        fake_conn_free(conns[--conns_len]);
    }
    ends_fini(&ends);
    return 0;
}

static struct fake_conn *connect(size_t end)
{
    struct fake_conn *fake = fake_conn_new(&ends.at[end].core);

    assert_true(conns_len < CONNS_MAX);
    assert_int_equal(fake_conn_open(fake, &door_resp, NULL), 0);
    conns[conns_len++] = fake;
    return fake;
}

static void subscribe(struct fake_conn *fake, const char *cache,
                      const char *topic)
{
    struct hub_want want = {.cache = bytes_str(cache),
                            .topic = bytes_str(topic)};
    struct hub_position position;
    struct sub *sub;

    assert_int_equal(
        client_subscribe(fake->conn.client, &want, &sub, &position), 0);
}

static void subscribe_many(struct fake_conn *fake, const char *cache,
                           const char *prefix, int len)
{
    fake->conn.core->limits.subs_per_client = 1 << 20;
    for (int i = 0; i < len; i++) {
        char topic[64];
        (void)snprintf(topic, sizeof topic, "%s%d", prefix, i);
        subscribe(fake, cache, topic);
    }
}

static const json_t *only_row(const json_t *root)
{
    const json_t *rows = json_object_get(root, "topics");

    assert_int_equal(json_array_size(rows), 1);
    return json_array_get(rows, 0);
}

static void one_topic_is_the_sum_of_all_nodes(void **state)
{
    static const char *const targets[] = {
        "/v1/admin/topics",
        "/v1/admin/topics?cache=demo",
        "/v1/admin/topics?cache=demo&prefix=a/",
        "/v1/admin/topics?prefix=a",
        "/v1/admin/topics?cache=demo&topic=a/b%20c",
    };
    (void)state;

    subscribe(connect(0), "demo", "a/b c");
    subscribe(connect(2), "demo", "a/b c");
    subscribe(connect(2), "demo", "a/b c");
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        json_t *root = admin_json(targets[i]);
        const json_t *row = only_row(root);
        const json_t *nodes = json_object_get(row, "nodes");
        assert_string_equal(admin_text(row, "cache"), "demo");
        assert_string_equal(admin_text(row, "topic"), "a/b c");
        assert_int_equal(admin_number(row, "subs"), 3);
        assert_int_equal(json_array_size(nodes), 2);
        const json_t *last = json_array_get(nodes, 1);
        assert_string_equal(admin_text(last, "name"), "n2");
        assert_int_equal(admin_number(last, "subs"), 2);
        assert_string_equal(admin_text(root, "next"), "");
        json_decref(root);
    }
}

static void what_nobody_has_is_an_empty_list(void **state)
{
    static const char *const targets[] = {
        "/v1/admin/topics?cache=other",
        "/v1/admin/topics?cache=demo&prefix=b",
        "/v1/admin/topics?cache=demo&topic=a/",
        "/v1/admin/topics?cache=other&topic=a/b",
    };
    (void)state;

    subscribe(connect(1), "demo", "a/b");
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        json_t *root = admin_json(targets[i]);
        assert_int_equal(json_array_size(json_object_get(root, "topics")), 0);
        json_decref(root);
    }
}

/* All pages; returns the rows, each a topic of its own. */
static size_t walk_pages(const char *query, int limit, size_t *pages)
{
    char target[256];
    char next[64] = "";
    size_t rows = 0;
    json_t *seen = json_object();

    *pages = 0;
    do {
        (void)snprintf(target, sizeof target,
                       "/v1/admin/topics?%s&limit=%d&after=%s", query, limit,
                       next);
        json_t *root = admin_json(target);
        size_t i;
        json_t *row;
        json_array_foreach(json_object_get(root, "topics"), i, row)
        {
            const char *topic = admin_text(row, "topic");
            assert_null(json_object_get(seen, topic));
            json_object_set_new(seen, topic, json_true());
            rows++;
        }
        assert_true(i <= (size_t)limit);
        assert_true(next[0] == '\0' ||
                    strcmp(admin_text(root, "next"), next) != 0);
        strcpy(next, admin_text(root, "next"));
        json_decref(root);
        (*pages)++;
    } while (next[0] != '\0');
    json_decref(seen);
    return rows;
}

/* The tables of the three are of different size, and have some in common. */
static void pages_join_without_a_hole(void **state)
{
    size_t pages;
    (void)state;

    subscribe_many(connect(0), "demo", "t", 300);
    subscribe_many(connect(1), "demo", "t", 40);
    subscribe_many(connect(2), "demo", "u", 7);
    subscribe_many(connect(2), "other", "v", 20);
    for (int limit = 1; limit <= 1000; limit = limit * 3 + 1) {
        assert_int_equal(walk_pages("cache=demo", limit, &pages), 307);
        assert_int_equal(walk_pages("prefix=t1", limit, &pages), 111);
        assert_int_equal(walk_pages("cache=other", limit, &pages), 20);
    }
}

static void a_page_looks_at_little_among_much(void **state)
{
    size_t pages;
    (void)state;

    subscribe_many(connect(0), "demo", "t", 60000);
    subscribe_many(connect(0), "other", "v", 3);
    subscribe_many(connect(1), "other", "w", 20); /* a node of few topics */
    assert_int_equal(walk_pages("cache=other", 1000, &pages), 23);
    assert_in_range(pages, 131072 / TOPICS_WORK_MAX,
                    2 * 131072 / TOPICS_WORK_MAX);
    assert_int_equal(walk_pages("cache=demo", 1000, &pages), 60000);
}

static void topics_may_come_and_go_between_pages(void **state)
{
    char next[64] = "";
    size_t stayed = 0;
    (void)state;

    subscribe_many(connect(0), "demo", "stay", 100);
    struct fake_conn *fake = connect(0);
    for (int turn = 0; turn == 0 || next[0] != '\0'; turn++) {
        char target[256];
        (void)snprintf(target, sizeof target,
                       "/v1/admin/topics?prefix=stay&limit=9&after=%s", next);
        json_t *root = admin_json(target);
        stayed += json_array_size(json_object_get(root, "topics"));
        strcpy(next, admin_text(root, "next"));
        json_decref(root);
        if (turn % 2 == 0) { /* the table doubles, and shrinks again */
            subscribe_many(fake, "demo", "go", 2000);
        } else {
            while (fake->conn.client->subs != NULL) {
                client_unsubscribe(fake->conn.client, fake->conn.client->subs);
            }
        }
    }
    assert_int_equal(stayed, 100);
}

static void long_names_do_not_make_long_answers(void **state)
{
    char topic[TOPIC_LEN_MAX + 1];
    size_t pages;
    struct fake_conn *fake;
    (void)state;

    fake = connect(0);
    fake->conn.core->limits.subs_per_client = 1 << 20;
    for (int i = 0; i < 900; i++) {
        memset(topic, '<', sizeof topic);
        (void)snprintf(topic, sizeof topic, "%d", i);
        topic[strlen(topic)] = '<';
        topic[TOPIC_LEN_MAX] = '\0';
        subscribe(fake, "demo", topic);
    }
    struct fake_conn *asked = admin_get("/v1/admin/topics?limit=1000");
    assert_int_equal(asked->status, 200);
    assert_in_range(fake_conn_out(asked).len, 100 << 10, 256 << 10);
    assert_false(ask_out_has(asked, "<"));
    fake_conn_free(asked);
    assert_int_equal(walk_pages("", 1000, &pages), 900);
}

static void wrong_names_and_numbers_are_400(void **state)
{
    static const char *const wrong[] = {
        "topic=a",
        "cache=demo&topic=",
        "cache=demo&topic=a&prefix=b",
        "cache=&topic=a",
        "cache=",
        "cache=a/b",
        "cache=%00",
        "cache=demo&topic=%ff",
        "cache=demo&prefix=%0a",
        "cache=demo&cache=demo",
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=18446744073709551616",
        "after=1",
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        char target[256];
        (void)snprintf(target, sizeof target, "/v1/admin/topics?%s", wrong[i]);
        assert_int_equal(admin_status("GET", target), 400);
    }
}

static void it_needs_the_scope(void **state)
{
    const struct ask asked = {.target = "/v1/admin/topics"};
    (void)state;

    fake_core_ask_tokens(core);
    assert_int_equal(admin_status_with(&asked, NULL), 401);
    assert_int_equal(admin_status_with(&asked, "admin:kick"), 403);
    assert_int_equal(admin_status_with(&asked, "admin:read"), 200);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(one_topic_is_the_sum_of_all_nodes),
        T(what_nobody_has_is_an_empty_list),
        T(pages_join_without_a_hole),
        T(a_page_looks_at_little_among_much),
        T(topics_may_come_and_go_between_pages),
        T(long_names_do_not_make_long_answers),
        T(wrong_names_and_numbers_are_400),
        T(it_needs_the_scope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * The clients of four nodes, asked at one of them, and their end.
 */
#include "tests/test.h"

#include "node/watch/roster.h"
#include "node/watch/walk.h"
#include "tests/admin_ends.h"

enum {
    MANY = 2 * WALK_CLIENTS + 500,
};

static struct fake_conn *conns[MANY];
static size_t conns_len;

static int setup(void **state)
{
    (void)state;
    conns_len = 0;
    admin_ends_init(roster_serve);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    while (conns_len > 0) {
        if (conns[--conns_len] != NULL) {
            fake_conn_free(conns[conns_len]);
        }
    }
    ends_fini(&ends);
    return 0;
}

static struct fake_conn *connect(size_t end)
{
    struct fake_conn *fake = fake_conn_new(&ends.at[end].core);

    assert_int_equal(fake_conn_open(fake, &door_resp, NULL), 0);
    conns[conns_len++] = fake;
    return fake;
}

static void subscribe(struct fake_conn *fake, int topics)
{
    for (int i = 0; i < topics; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "SUBSCRIBE t%d\r\n", i);
        fake_conn_say(fake, bytes_str(text));
    }
    fake_flush(fake->conn.core);
}

/* Text that waits for a reader who takes nothing. */
static void queue(struct fake_conn *fake, size_t len)
{
    static const uint8_t text[200000];

    fake->window = 0;
    client_write(fake->conn.client, bytes_of(text, len));
}

/* "n0-3 n1-1 ": node and number of each row, but of whoever asks. */
static void names_of(const json_t *root, char *out, size_t cap)
{
    size_t i;
    size_t len = 0;
    json_t *row;

    out[0] = '\0';
    json_array_foreach(json_object_get(root, "clients"), i, row)
    {
        if (strcmp(admin_text(row, "door"), "admin") != 0) {
            len += (size_t)snprintf(out + len, cap - len, "%s%s ",
                                    admin_text(row, "node"),
                                    strchr(admin_text(row, "client"), '-'));
        }
    }
}

static void assert_names(const char *target, const char *names)
{
    json_t *root = admin_json(target);
    char got[512];

    names_of(root, got, sizeof got);
    assert_string_equal(got, names);
    assert_string_equal(admin_text(root, "next"), "");
    json_decref(root);
}

static void all_clients_of_all_nodes_are_one_table(void **state)
{
    (void)state;

    connect(0);
    subscribe(connect(0), 2);
    subscribe(connect(2), 3);
    queue(connect(1), 1000);
    queue(connect(1), 70000);
    assert_names("/v1/admin/clients", "n1-2 n1-1 n0-2 n0-1 n2-1 ");
    assert_names("/v1/admin/clients?sort=queue", "n1-2 n1-1 n0-2 n0-1 n2-1 ");
    assert_names("/v1/admin/clients?sort=subs", "n2-1 n0-2 n0-1 n1-2 n1-1 ");
    assert_names("/v1/admin/clients?sort=id", "n0-2 n0-1 n1-2 n1-1 n2-1 ");
    assert_names("/v1/admin/clients?sort=id&node=n1", "n1-2 n1-1 ");
    assert_names("/v1/admin/clients?node=a002000000000000", "n2-1 ");
    assert_names("/v1/admin/clients?node=nobody", "");
}

static void a_row_says_who_it_is(void **state)
{
    (void)state;

    subscribe(connect(1), 2);
    json_t *root = admin_json("/v1/admin/clients?node=n1");
    const json_t *row = json_array_get(json_object_get(root, "clients"), 0);
    assert_int_equal(json_object_size(row), 9);
    assert_string_equal(admin_text(row, "client"), "a001000000000000-1");
    assert_string_equal(admin_text(row, "node"), "n1");
    assert_string_equal(admin_text(row, "door"), "resp");
    assert_non_null(strchr(admin_text(row, "address"), ':'));
    assert_string_equal(admin_text(row, "who"), "");
    assert_int_equal(admin_number(row, "subs"), 2);
    assert_int_equal(admin_number(row, "queue"), 0);
    assert_int_equal(admin_number(row, "limit"),
                     limits_out_hard(&core->limits));
    assert_true(admin_number(row, "age_ms") >= 0);
    assert_int_equal(json_array_size(json_object_get(root, "silent")), 0);
    json_decref(root);
}

/* Asks page by page and counts; each client once, in order. */
static size_t walk_pages(const char *query, int limit, void (*between)(void))
{
    char target[256];
    char next[64] = "";
    char seen[256] = "";
    size_t rows = 0;

    do {
        (void)snprintf(target, sizeof target,
                       "/v1/admin/clients?%s&limit=%d&after=%s", query, limit,
                       next);
        json_t *root = admin_json(target);
        size_t i;
        json_t *row;
        json_array_foreach(json_object_get(root, "clients"), i, row)
        {
            if (strcmp(admin_text(row, "door"), "admin") == 0) {
                continue;
            }
            assert_string_not_equal(admin_text(row, "client"), seen);
            strcpy(seen, admin_text(row, "client"));
            rows++;
        }
        assert_true(i <= (size_t)limit);
        strcpy(next, admin_text(root, "next"));
        json_decref(root);
        if (between != NULL) {
            between();
        }
    } while (next[0] != '\0');
    return rows;
}

static void pages_join_without_a_hole(void **state)
{
    (void)state;

    for (size_t i = 0; i < 40; i++) {
        subscribe(connect(i % 3), (int)(i % 5));
    }
    for (int limit = 1; limit < 50; limit += 6) {
        assert_int_equal(walk_pages("sort=id", limit, NULL), 40);
        assert_int_equal(walk_pages("sort=subs", limit, NULL), 40);
        assert_int_equal(walk_pages("sort=queue", limit, NULL), 40);
    }
}

static void come_and_go(void)
{
    static size_t turn;

    connect(turn % 3); /* newer than the page: not seen */
    if (conns[turn] != NULL) {
        fake_conn_free(conns[turn]);
        conns[turn] = NULL;
    }
    turn++;
}

/* Those who stay are all seen: 60 of them, and some of the 30 oldest. */
static void who_stays_is_on_a_page_whoever_comes_and_goes(void **state)
{
    (void)state;

    for (size_t i = 0; i < 90; i++) {
        connect(i % 3);
    }
    size_t rows = walk_pages("sort=id", 5, come_and_go);
    assert_in_range(rows, 60, 110);
}

static void thousands_are_walked_over_in_several_turns(void **state)
{
    (void)state;

    while (conns_len < MANY) {
        connect(0);
    }
    struct ask asked = {.target = "/v1/admin/clients?sort=subs&limit=3"};
    struct fake_conn *fake = ask_new(core, &asked);
    fake_wait(core, 1); /* its own node is asked: one step */
    assert_non_null(core->walks);
    assert_ptr_equal(core->walks->at, conns[MANY - WALK_CLIENTS]->conn.client);
    for (size_t i = 1; i < 40; i++) { /* where the walk stands, and behind */
        fake_conn_free(conns[MANY - WALK_CLIENTS + 1 - i]);
        conns[MANY - WALK_CLIENTS + 1 - i] = NULL;
    }
    assert_ptr_equal(core->walks->at,
                     conns[MANY - WALK_CLIENTS - 39]->conn.client);
    admin_finish(fake);
    assert_int_equal(fake->status, 200);
    assert_null(core->walks);
    fake_conn_free(fake);
    assert_int_equal(walk_pages("sort=id", 1000, NULL), MANY - 39);
}

static void a_walk_that_is_not_finished_leaves_nothing(void **state)
{
    (void)state;

    while (conns_len < MANY) {
        connect(0);
    }
    struct fake_conn *fake = ask_new(
        core, &(struct ask){.target = "/v1/admin/clients"});
    fake_wait(core, 1);
    assert_non_null(core->walks);
    fake_conn_free(fake);
}

static void an_answer_is_bounded_and_says_where_it_goes_on(void **state)
{
    (void)state;

    while (conns_len < 2500) {
        connect(conns_len % 2);
    }
    struct fake_conn *fake = admin_get("/v1/admin/clients?limit=1000");
    assert_true(fake_conn_out(fake).len < 256 << 10);
    fake_conn_free(fake);
    assert_int_equal(walk_pages("sort=queue", 1000, NULL), 2500);
}

static void who_does_not_answer_is_named(void **state)
{
    (void)state;

    ends.at[2].deaf = true;
    connect(1);
    json_t *root = admin_json("/v1/admin/clients?node=n1");
    const json_t *silent = json_object_get(root, "silent");
    assert_int_equal(json_array_size(silent), 1);
    assert_string_equal(json_string_value(json_array_get(silent, 0)), "n2");
    assert_int_equal(json_array_size(json_object_get(root, "clients")), 1);
    json_decref(root);
}

static void numbers_and_words_are_bounded(void **state)
{
    static const char *const wrong[] = {
        "limit=0",
        "limit=-1",
        "limit=+1",
        "limit=1001",
        "limit=1000000000",
        "limit=18446744073709551615",
        "limit=18446744073709551616",
        "limit=18446744073709551617",
        "limit=",
        "limit=%31%00",
        "limit=0x10",
        "limit=1e3",
        "limit=1&limit=2",
        "limit=%zz",
        "sort=",
        "sort=QUEUE",
        "sort=queue,id",
        "sort=id&sort=id",
        "after=1",
        "after=%00",
        "after=zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
        "after=FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF",
        "node=a/b",
        "node=%3Cscript%3E",
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        char target[256];
        (void)snprintf(target, sizeof target, "/v1/admin/clients?%s", wrong[i]);
        struct fake_conn *fake = ask_new(core, &(struct ask){.target = target});
        assert_int_equal(fake->status, 400);
        fake_conn_free(fake);
    }
    assert_names("/v1/admin/clients?after=ffffffffffffffffffffffffffffffffffff"
                 "ffffffffffff",
                 "");
    assert_int_equal(admin_status("GET", "/v1/admin/clients?limit=1"), 200);
    assert_int_equal(admin_status("GET", "/v1/admin/clients?limit=1000"), 200);
    assert_int_equal(admin_status("GET", "/v1/admin/clients?after="), 200);
}

/* --- kick --- */

static unsigned kick(const char *client)
{
    char target[128];
    (void)snprintf(target, sizeof target, "/v1/admin/clients/%s/kick", client);
    return admin_status_with(&(struct ask){.method = "POST", .target = target},
                             "admin:kick");
}

static void a_client_is_closed_wherever_it_is(void **state)
{
    (void)state;

    fake_core_ask_tokens(core);
    for (size_t end = 0; end < 3; end++) {
        struct fake_conn *victim = connect(end);
        struct fake_conn *other = connect(end);
        char name[64];
        (void)snprintf(name, sizeof name, "a00%zu000000000000-%llu", end,
                       (unsigned long long)victim->conn.client->id);
        assert_int_equal(kick(name), 204);
        fake_flush(&ends.at[end].core);
        assert_bytes(fake_conn_out(victim), "-ERR closed by an operator\r\n");
        assert_true(victim->finishing);
        assert_false(other->finishing);
        assert_int_equal(ends.at[end].core.stats.kicked, 1);
        assert_int_equal(kick(name), 404); /* it is gone */
    }
}

static void who_kicks_itself_is_told(void **state)
{
    (void)state;

    fake_core_ask_tokens(core);
    assert_int_equal(kick("a000000000000000-1"), 400);
}

static void what_is_no_client_is_not_found(void **state)
{
    static const char *const wrong[] = {
        "1",
        "a000000000000000",
        "a000000000000000-",
        "a000000000000000-x",
        "a000000000000000-01",
        "a000000000000000-+1",
        "a000000000000000-1 ",
        "a000000000000000-1%20",
        "a000000000000000-%31",
        "A000000000000000-1",
        "a00000000000000-1",
        "a0000000000000000-1",
        "a000000000000000_1",
        "a000000000000000-18446744073709551616",
        "a000000000000000-18446744073709551615",
        "a000000000000000-0",
        "ffffffffffffffff-1",
    };
    (void)state;

    fake_core_ask_tokens(core);
    connect(0);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(kick(wrong[i]), 404);
    }
    assert_false(conns[0]->finishing);
}

static void a_client_of_a_silent_node_may_be_there(void **state)
{
    (void)state;

    ends.at[2].deaf = true;
    fake_core_ask_tokens(core);
    assert_int_equal(kick("a002000000000000-1"), 503);
    assert_int_equal(kick("a001000000000000-1"), 404);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(all_clients_of_all_nodes_are_one_table),
        T(a_row_says_who_it_is),
        T(pages_join_without_a_hole),
        T(who_stays_is_on_a_page_whoever_comes_and_goes),
        T(thousands_are_walked_over_in_several_turns),
        T(a_walk_that_is_not_finished_leaves_nothing),
        T(an_answer_is_bounded_and_says_where_it_goes_on),
        T(who_does_not_answer_is_named),
        T(numbers_and_words_are_bounded),
        T(a_client_is_closed_wherever_it_is),
        T(who_kicks_itself_is_told),
        T(what_is_no_client_is_not_found),
        T(a_client_of_a_silent_node_may_be_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

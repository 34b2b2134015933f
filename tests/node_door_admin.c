/* SPDX-License-Identifier: Apache-2.0
 *
 * What holds for all pages below /v1/admin/: who may ask, by which spelling,
 * from which pages of the web, with which numbers.
 */
#include "tests/test.h"

#include "node/watch/denied.h"
#include "node/watch/happened.h"
#include "node/watch/roster.h"
#include "tests/admin_ends.h"

static void serve(struct core *one)
{
    roster_serve(one);
    denied_serve(one);
    happened_serve(one);
}

static int setup(void **state)
{
    (void)state;
    admin_ends_init(serve);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ends_fini(&ends);
    return 0;
}

static const struct {
    const char *method;
    const char *target;
    const char *scope;
    const char *other; /* a scope that is not enough */
    unsigned status;   /* with it */
} pages[] = {
    {"GET", "/v1/admin/clients", "admin:read", "admin:kick", 200},
    {"GET", "/v1/admin/denied", "admin:read", "admin:write", 200},
    {"GET", "/v1/admin/events", "admin:read", "admin:trace", 200},
    {"POST", "/v1/admin/clients/a000000000000000-999/kick", "admin:kick",
     "admin:read", 404},
};

static void each_needs_its_scope(void **state)
{
    (void)state;

    fake_core_ask_tokens(core);
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        const struct ask asked = {pages[i].method, pages[i].target, NULL, NULL,
                                  NULL};
        assert_int_equal(admin_status_with(&asked, NULL), 401);
        assert_int_equal(admin_status_with(&asked, "admin:nothing"), 403);
        assert_int_equal(admin_status_with(&asked, pages[i].other), 403);
        assert_int_equal(admin_status_with(&asked, pages[i].scope),
                         pages[i].status);
        assert_int_equal(admin_status_with(&asked, "admin:*"), pages[i].status);
    }
}

static void without_keys_everyone_looks_and_nobody_kicks(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        bool looks = strcmp(pages[i].scope, "admin:read") == 0;
        assert_int_equal(admin_status(pages[i].method, pages[i].target),
                         looks ? 200 : 403);
    }
}

static void another_method_is_405_whatever_a_header_says(void **state)
{
    static const char *const methods[] = {"GET",    "POST",  "PUT",
                                          "DELETE", "PATCH", "BREW"};
    static const char *const headers[] = {
        NULL,
        "X-HTTP-Method-Override: GET",
        "X-HTTP-Method: POST",
        "X-Method-Override: POST",
    };
    (void)state;

    fake_core_ask_tokens(core);
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        for (size_t m = 0; m < ARRAY_LEN(methods); m++) {
            for (size_t h = 0; h < ARRAY_LEN(headers); h++) {
                const struct ask asked = {methods[m], pages[i].target,
                                          headers[h], NULL, NULL};
                bool same = strcmp(methods[m], pages[i].method) == 0;
                assert_int_equal(admin_status_with(&asked, "admin:*"),
                                 same ? pages[i].status : 405);
            }
        }
    }
}

/* 404 to the strongest token as to a stranger: nobody learns anything. */
static void a_page_has_one_spelling(void **state)
{
    static const char *const targets[] = {
        "/v1/admin/",
        "/v1/admin/x",
        "/v1/admin/%63lients",
        "/v1/admin/client%73",
        "/v1/admin//clients",
        "/v1/admin/./clients",
        "/v1/admin/../admin/clients",
        "/v1/admin/x/../clients",
        "/v1/admin/clients/",
        "/v1/admin/clients;x",
        "/v1/admin/clients;x=/y",
        "/v1/admin/clients%20",
        "/v1/admin/clients%00",
        "/v1/admin/clients%2f",
        "/v1/admin/Clients",
        "/v1/admin/CLIENTS",
        "/v1/admin/clients.json",
        "/v1/admin/clients\\",
        "/v1/admin/clients/a000000000000000-1",
        "/v1/admin/clients//kick",
        "/v1/admin/clients/a/b/kick",
        "/v1/admin/clients/a000000000000000-1/kick/",
        "/v1/admin/clients/a000000000000000-1/Kick",
        "/v1/admin/clients/a000000000000000-1%2fkick",
        "/v1/admin/clients/kick",
    };
    static const char *const methods[] = {"GET", "POST"};
    (void)state;

    fake_core_ask_tokens(core);
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        for (size_t m = 0; m < ARRAY_LEN(methods); m++) {
            const struct ask asked = {methods[m], targets[i], NULL, NULL, NULL};
            assert_int_equal(admin_status_with(&asked, "admin:*"), 404);
            assert_int_equal(admin_status_with(&asked, NULL), 404);
        }
    }
}

static void what_is_not_below_is_nobodys(void **state)
{
    static const char *const targets[] = {
        "/V1/admin/clients",  "/v1/Admin/clients",   "//v1/admin/clients",
        "/v1//admin/clients", "/v1/./admin/clients", "/%761/admin/clients",
        "/v1/admin",          "/v1%2fadmin/clients",
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        const struct http_request request = ask_request(
            &(struct ask){.target = targets[i]});
        assert_null(door_for_request(&request));
    }
}

/* --- from which pages of the web --- */

static int admitted(const char *method, const char *target, const char *header,
                    const char *header2)
{
    const struct ask asked = {method, target, header, header2, NULL};
    struct http_request request = ask_request(&asked);
    struct fake_conn *fake = fake_conn_new(core);

    fake->conn.loopback = true;
    int err = request_admit(fake->conn.client, &request);
    fake_conn_free(fake);
    return err;
}

static void pages_of_elsewhere_may_not_even_look(void **state)
{
    static const char *const foreign[] = {
        "Origin: https://evil.example",
        "Origin: null",
        "Origin: http://127.0.0.1.evil.example:7400",
        "Origin: http://localhost.evil.example",
        "Origin: ",
    };
    static const char *const own[] = {
        "Origin: http://127.0.0.1:7400",
        "Origin: http://localhost:5173",
        NULL,
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
        assert_int_equal(admitted("GET", "/v1/admin/clients", foreign[i], NULL),
                         ERR_ORIGIN);
        assert_int_equal(admitted("POST", "/v1/admin/x", foreign[i], NULL),
                         ERR_ORIGIN);
        assert_int_equal(admitted("GET", "/v1/regions", foreign[i], NULL), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        assert_int_equal(admitted("GET", "/v1/admin/clients", own[i], NULL), 0);
    }
}

static void an_image_elsewhere_asks_for_nothing_here(void **state)
{
    static const char site[] = "Sec-Fetch-Site: cross-site";
    (void)state;

    assert_int_equal(
        admitted("GET", "/v1/admin/events", site, "Sec-Fetch-Mode: no-cors"),
        ERR_ORIGIN);
    assert_int_equal(admitted("GET", "/v1/admin/events", site, NULL),
                     ERR_ORIGIN);
    assert_int_equal(
        admitted("GET", "/v1/admin/events", site, "Sec-Fetch-Mode: navigate"),
        0);
    assert_int_equal(admitted("GET", "/v1/admin/events", site,
                              "Origin: http://127.0.0.1:7400"),
                     0);
    assert_int_equal(admitted("GET", "/v1/admin/events",
                              "Sec-Fetch-Site: same-origin", NULL),
                     0);
    assert_int_equal(admitted("GET", "/topics/a/b", site, NULL), 0);
}

/* A listener of loopback answers to names that cannot be made to mean it. */
static void a_name_that_was_made_to_mean_loopback_is_refused(void **state)
{
    static const struct {
        const char *host;
        int err;
    } cases[] = {
        {"127.0.0.1:7400", 0},
        {"127.1.2.3", 0},
        {"[::1]:7400", 0},
        {"localhost", 0},
        {"x.localhost:1", 0},
        {"10.0.0.7:7400", 0},
        {"[2001:db8::7]", 0},
        {"eu.example.org:443", 0}, /* the endpoint */
        {"web.cache.eu.example.org", 0},
        {"shop.example.com", 0}, /* an origin on the list */
        {"SHOP.example.com:8443", 0},
        {"evil.example", ERR_ORIGIN},
        {"evileu.example.org", ERR_ORIGIN},
        {"127.0.0.1.evil.example", ERR_ORIGIN},
        {"localhost.evil.example", ERR_ORIGIN},
        {"notlocalhost", ERR_ORIGIN},
        {"a.shop.example.com", ERR_ORIGIN},
        {"2130706433", ERR_ORIGIN},
        {"0x7f000001", ERR_ORIGIN},
        {"127.1", ERR_ORIGIN},
        {"", ERR_SYNTAX},
        {"127.0.0.1:99999", ERR_SYNTAX},
        {"evil.example/127.0.0.1", ERR_SYNTAX},
        {"user@127.0.0.1", ERR_SYNTAX},
    };
    struct bytes origins[] = {BYTES("https://shop.example.com:8443"),
                              BYTES("*")};
    (void)state;

    strcpy(core->endpoint, "https://eu.example.org");
    core->origins = origins;
    core->origins_len = ARRAY_LEN(origins);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_request request = ask_request(
            &(struct ask){.target = "/v1/admin/clients"});
        struct fake_conn *fake = fake_conn_new(core);
        fake->conn.loopback = true;
        request.headers[0].value = bytes_str(cases[i].host);
        assert_int_equal(request_admit(fake->conn.client, &request),
                         cases[i].err);
        fake_conn_free(fake);
    }
}

/* --- numbers --- */

static void numbers_are_read_by_one_rule(void **state)
{
    static const char *const pages_of_rows[] = {"clients", "denied", "events"};
    static const char *const wrong[] = {
        "limit=0",
        "limit=-1",
        "limit=18446744073709551616",
        "limit=1000000000",
        "limit=",
        "limit=%201",
        "limit=1%0a",
        "after=x",
        "after=-1",
        "after=18446744073709551616",
        "limit=1&limit=1",
        "after=&after=",
    };
    (void)state;

    for (size_t p = 0; p < ARRAY_LEN(pages_of_rows); p++) {
        for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
            char target[128];
            (void)snprintf(target, sizeof target, "/v1/admin/%s?%s",
                           pages_of_rows[p], wrong[i]);
            assert_int_equal(admin_status("GET", target), 400);
        }
    }
}

/* --- events --- */

static void the_newest_events_of_all_nodes_come_first(void **state)
{
    (void)state;

    for (size_t i = 0; i < 3; i++) {
        const struct log_event event = {
            .at_ms = 1000 + i,
            .level = LOG_INFO,
            .name = "member-joined",
            .text = BYTES("peer=<b>"),
        };
        events_take(&ends.at[i].core.events, &event);
    }
    struct fake_conn *fake = admin_get("/v1/admin/events?limit=2");
    assert_false(ask_out_has(fake, "<b>"));
    json_t *root = ask_json(fake);
    const json_t *rows = json_object_get(root, "events");
    assert_int_equal(json_array_size(rows), 2);
    const json_t *row = json_array_get(rows, 0);
    assert_int_equal(admin_number(row, "at"), 1002);
    assert_string_equal(admin_text(row, "node"), "n2");
    assert_string_equal(admin_text(row, "event"), "member-joined");
    assert_string_equal(admin_text(row, "text"), "peer=<b>");
    assert_string_not_equal(admin_text(root, "next"), "");
    json_decref(root);
    fake_conn_free(fake);
    for (size_t i = 0; i < 3; i++) {
        events_fini(&ends.at[i].core.events);
    }
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(each_needs_its_scope),
        T(without_keys_everyone_looks_and_nobody_kicks),
        T(another_method_is_405_whatever_a_header_says),
        T(a_page_has_one_spelling),
        T(what_is_not_below_is_nobodys),
        T(pages_of_elsewhere_may_not_even_look),
        T(an_image_elsewhere_asks_for_nothing_here),
        T(a_name_that_was_made_to_mean_loopback_is_refused),
        T(numbers_are_read_by_one_rule),
        T(the_newest_events_of_all_nodes_come_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

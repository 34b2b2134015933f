/* SPDX-License-Identifier: Apache-2.0
 *
 * Which door a request is for, by the rows of all of them (node/door/route.h).
 */
#include "tests/test.h"

#include "node/door/door.h"

static struct http_request request_of(const char *method, const char *path)
{
    return (struct http_request){.method = bytes_str(method),
                                 .path = bytes_str(path)};
}

static void a_template_has_the_paths_of_its_form(void **state)
{
    (void)state;
    static const struct {
        struct route route;
        const char *path;
        bool has;
    } cases[] = {
        {{.path = "/a"}, "/a", true},
        {{.path = "/a"}, "/a/", false},
        {{.path = "/a"}, "/ab", false},
        {{.path = "/a"}, "/", false},
        {{.path = "/a"}, "", false},
        {{.path = "/a"}, "*", false},
        {{.path = "/a"}, "/%61", false},
        {{.path = "/a/{b}"}, "/a/x", true},
        {{.path = "/a/{b}"}, "/a/%2F", true},
        {{.path = "/a/{b}"}, "/a/{b}", true},
        {{.path = "/a/{b}"}, "/a/", false},
        {{.path = "/a/{b}"}, "/a", false},
        {{.path = "/a/{b}"}, "/a/x/", false},
        {{.path = "/a/{b}"}, "/a/x/y", false},
        {{.path = "/a/{b}/c"}, "/a/x/c", true},
        {{.path = "/a/{b}/c"}, "/a//c", false},
        {{.path = "/a/{b}/c"}, "/a/x/cc", false},
        {{.path = "/a/{b}/c"}, "/a/x/d", false},
        {{.path = "/a/{b}/{c...}"}, "/a/x/y", true},
        {{.path = "/a/{b}/{c...}"}, "/a/x/y/z/", true},
        {{.path = "/a/{b}/{c...}"}, "/a/x//", false},
        {{.path = "/a/{b}/{c...}"}, "/a/x/", false},
        {{.path = "/a/{b}/{c...}"}, "/a/x", false},
        {{.path = "/a/{b}/{c...}", .below = "/a/"}, "/a/x", true},
        {{.path = "/a/{b}/{c...}", .below = "/a/"}, "/a/", true},
        {{.path = "/a/{b}/{c...}", .below = "/a/"}, "/a", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (route_has_path(&cases[i].route, bytes_str(cases[i].path)) !=
            cases[i].has) {
            fail_msg("%s of %s", cases[i].path, cases[i].route.path);
        }
    }
}

static void a_path_has_methods_or_is_none(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        const char *methods;
    } cases[] = {
        {"/topics/demo/chat", "POST, PUT, GET, OPTIONS"},
        {"/topics/demo", "POST, PUT, GET, OPTIONS"},
        {"/v1/caches", "GET, OPTIONS"},
        {"/v1/caches/demo", "GET, PUT, DELETE, OPTIONS"},
        {"/v1/admin/keys", "GET, POST, OPTIONS"},
        {"/livez", "GET, OPTIONS"},
        {"/topics", ""},
        {"/v1/", ""},
        {"/v1/cachesx", ""},
        {"*", ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_request request = request_of("BREW", cases[i].path);
        struct buf out = {0};
        assert_null(door_for_request(&request));
        door_add_methods(&request, &out);
        assert_bytes(buf_bytes(&out), cases[i].methods);
        buf_fini(&out);
    }
}

/* A new door: rows in its file, described for /openapi.json. Only gRPC, whose
 * calls are described by its .proto files, has none. */
static void every_request_door_has_rows(void **state)
{
    (void)state;
    const struct door *door;

    for (size_t i = 0; (door = door_at(i)) != NULL; i++) {
        if (door->shape == DOOR_REQUEST && door != &door_grpc &&
            door->routes == NULL) {
            fail_msg("door %s has no routes: see node/door/route.h",
                     door->name);
        }
        assert_true(door->shape == DOOR_REQUEST || door->routes == NULL);
    }
}

static void every_row_is_described(void **state)
{
    (void)state;
    const struct door *door;

    for (size_t i = 0; (door = door_at(i)) != NULL; i++) {
        const struct route *r = door->routes;
        for (; r != NULL && r->method != NULL; r++) {
            assert_int_equal(r->path[0], '/');
            assert_non_null(r->summary);
            assert_int_not_equal(r->summary[strlen(r->summary) - 1], '.');
            assert_non_null(r->answers);
            assert_true(r->answers[0].status >= 200);
            assert_true(r->below == NULL ||
                        strncmp(r->path, r->below, strlen(r->below)) == 0);
            struct http_request request = request_of(r->method, r->path);
            const struct door *found = door_for_request(&request);
            /* Doors that share a path ask on: here it is a long-poll. */
            assert_true(found == door ||
                        (door == &door_sse && found == &door_poll));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_template_has_the_paths_of_its_form),
        cmocka_unit_test(a_path_has_methods_or_is_none),
        cmocka_unit_test(every_request_door_has_rows),
        cmocka_unit_test(every_row_is_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Cluster keys over HTTP: who may look, who may change, and what is answered.
 * What a rotation does is in node_rotation.c.
 */
#include "tests/test.h"

#include "cluster/cluster.h"
#include "node/mesh/calls.h"
#include "node/mesh/keyring.h"
#include "node/mesh/rotation.h"
#include "tests/ask.h"
#include "tests/no_registers.h"

/* --- stands in for cluster/cluster.c: one peer, that never answers --- */

struct cluster {
    size_t len;
};

static const struct peer_node peer = {
    .id = {.b = {2}}, .name = BYTES("n2"), .region = BYTES("us")};

bool cluster_member_at(const struct cluster *cluster, size_t index,
                       struct cluster_member *member)
{
    *member = (struct cluster_member){
        .self = true,
        .node = {.id = {.b = {1}}, .name = BYTES("n1"), .region = BYTES("eu")}};
    if (index == 1) {
        *member = (struct cluster_member){.node = peer};
    }
    return index < cluster->len;
}

size_t cluster_late(const struct cluster *cluster)
{
    (void)cluster;
    return 0;
}

bool cluster_is_alone(const struct cluster *cluster)
{
    return cluster->len == 1;
}

const char *cluster_why_not_ready(const struct cluster *cluster)
{
    (void)cluster;
    return "";
}

static const struct peer_node *fake_linked(void *data, uint16_t *slot)
{
    const struct cluster *cluster = data;

    return cluster->len > 1 && *slot == 0 ? &peer : NULL;
}

static bool fake_tell(void *data, uint16_t slot,
                      const struct peer_message *message)
{
    (void)data;
    (void)slot;
    (void)message;
    return true;
}

/* --- a node with one key --- */

struct world {
    struct core core;
    struct log log;
    struct keyring keyring;
    struct cluster cluster;
    struct calls *calls;
    char key[32];         /* its fingerprint */
    char tokens[3][1024]; /* none, admin:read, admin:write: as headers */
};

static void mint(const struct core *core, const char *scope, char header[1024])
{
    struct token token = {
        .subject = BYTES("ops"),
        .expires_at = core->wall_ms / 1000 + 60,
        .scopes_len = scope == NULL ? 0 : 1,
    };
    struct buf text = {0};

    if (scope != NULL) {
        token.scopes[0] = bytes_str(scope);
    }
    buf_add_str(&text, "Authorization: Bearer ");
    assert_int_equal(token_write(&core->auth.keys, &token, &text), 0);
    assert_true(text.len < 1024);
    memcpy(header, text.p, text.len);
    header[text.len] = '\0';
    buf_fini(&text);
}

static int setup(void **state)
{
    static struct world w;
    const struct calls_world around = {
        .data = &w.cluster, .linked = fake_linked, .tell = fake_tell};
    struct seal_ring keys = {.keys_len = 1};
    uint8_t secret[SEAL_KEY_LEN] = {7};
    struct buf key = {0};

    w = (struct world){.cluster = {.len = 1}};
    fake_core_init(&w.core);
    fake_core_ask_tokens(&w.core);
    assert_int_equal(seal_key_init(&keys.keys[0], secret), 0);
    keyring_init(&w.keyring, &keys, BYTES("demo"));
    w.calls = calls_new(&w.core, &around);
    w.core.log = &w.log;
    w.core.calls = w.calls;
    w.core.keyring = &w.keyring;
    w.core.cluster = &w.cluster;
    keys_print_write(keys.keys[0].print, &key);
    memcpy(w.key, key.p, key.len);
    buf_fini(&key);
    mint(&w.core, NULL, w.tokens[0]);
    mint(&w.core, "admin:read", w.tokens[1]);
    mint(&w.core, "admin:write", w.tokens[2]);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    calls_free(w->calls);
    core_fini(&w->core);
    return 0;
}

/* With the admission that a carrier makes first. */
static struct fake_conn *ask(struct world *w, const struct ask *asked)
{
    struct fake_conn *fake = fake_conn_new(&w->core);
    struct http_request request = ask_request(asked);
    int err = request_admit(fake->conn.client, &request);

    if (err < 0) {
        request_error(fake->conn.client, &request, err);
    } else {
        ask_door_of(fake, &request);
    }
    fake_flush(&w->core);
    return fake;
}

static struct ask wish(struct world *w, const char *token, const char *op,
                       char body[128])
{
    snprintf(body, 128, "{\"op\":\"%s\",\"key\":\"%s\"}", op, w->key);
    return (struct ask){.method = "POST",
                        .target = "/v1/admin/keys",
                        .header = token,
                        .body = body};
}

static unsigned status_of(struct world *w, const struct ask *asked)
{
    struct fake_conn *fake = ask(w, asked);

    fake_wait(&w->core, 1); /* the list */
    fake_wait(&w->core, 1); /* the change */
    unsigned status = fake->status;
    fake_conn_free(fake);
    return status;
}

static void looking_needs_one_scope_and_changing_another(void **state)
{
    static const struct {
        unsigned look;
        unsigned change;
    } by_token[] = {{403, 403}, {200, 403}, {403, 200}};
    struct world *w = *state;
    struct ask look = {.target = "/v1/admin/keys"};
    char body[128];

    assert_int_equal(status_of(w, &look), 401);
    struct ask use = wish(w, NULL, "use", body);
    assert_int_equal(status_of(w, &use), 401);
    for (size_t i = 0; i < ARRAY_LEN(by_token); i++) {
        look.header = use.header = w->tokens[i];
        assert_int_equal(status_of(w, &look), by_token[i].look);
        assert_int_equal(status_of(w, &use), by_token[i].change);
    }
}

static void the_list_names_keys_and_nodes(void **state)
{
    struct world *w = *state;
    char text[512];

    struct fake_conn *fake = ask(
        w, &(struct ask){.target = "/v1/admin/keys", .header = w->tokens[1]});
    fake_wait(&w->core, 1);
    snprintf(text, sizeof text,
             "{\"cluster\":\"demo\",\"asked\":\"n1\",\"op\":\"list\","
             "\"result\":\"done\",\"why\":\"all nodes have the same keys\","
             "\"nodes\":[{\"name\":\"n1\",\"id\":\"0100000000000000\","
             "\"region\":\"eu\",\"self\":true,\"dead\":false,"
             "\"answered\":true,\"fault\":\"\",\"keys\":[\"%s\"]}]}\n",
             w->key);
    assert_bytes(fake_conn_out(fake), text);
    assert_true(ask_head_has(fake, "Cache-Control: no-cache, no-store\n"));
    fake_conn_free(fake);
}

static void a_refused_change_is_409_with_its_reasons(void **state)
{
    struct world *w = *state;
    char body[128];
    const struct ask asked = wish(w, w->tokens[2], "remove", body);

    struct fake_conn *fake = ask(w, &asked);
    fake_wait(&w->core, 1);
    assert_int_equal(fake->status, 409);
    assert_true(ask_out_has(fake, "\"result\":\"refused\""));
    assert_true(ask_out_has(fake, "\"fault\":\"seals with it\""));
    fake_conn_free(fake);
}

static void what_is_no_wish_is_400(void **state)
{
    static const struct {
        const char *body;
        unsigned status;
    } cases[] = {
        {"", 400},
        {"{}", 400},
        {"{\"op\":\"use\",\"key\":\"1\"}", 400},
        {"{\"op\":\"install\",\"key\":\"0000000000000001\"}", 404},
        {"{\"op\":\"use\",\"key\":\"0000000000000001\"}", 409},
    };
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(status_of(w,
                                   &(struct ask){
                                       .method = "POST",
                                       .target = "/v1/admin/keys",
                                       .header = w->tokens[2],
                                       .body = cases[i].body,
                                   }),
                         cases[i].status);
    }
    assert_int_equal(status_of(w, &(struct ask){.method = "DELETE",
                                                .target = "/v1/admin/keys",
                                                .header = w->tokens[2]}),
                     405);
}

/* Before rights are looked at: it is no secret, and the better answer. */
static void a_cluster_without_keys_says_so(void **state)
{
    struct world *w = *state;
    char body[128];
    struct ask asked = wish(w, NULL, "use", body);

    w->keyring.insecure = true;
    w->core.auth.insecure = true;
    for (int i = 0; i < 2; i++) {
        struct fake_conn *fake = ask(w, &asked);
        assert_int_equal(fake->status, 409);
        assert_true(ask_out_has(fake, "this cluster has no keys"));
        fake_conn_free(fake);
        asked.method = "GET";
    }
}

static void who_does_not_answer_is_waited_for_and_named(void **state)
{
    struct world *w = *state;
    const struct ask asked = {.target = "/v1/admin/keys",
                              .header = w->tokens[1]};

    w->cluster.len = 2;
    struct fake_conn *fake = ask(w, &asked);
    fake_wait(&w->core, ROTATION_WAIT_MS - 1);
    assert_int_equal(fake->status, 0);
    fake_wait(&w->core, 1);
    assert_int_equal(fake->status, 200);
    assert_true(ask_out_has(fake, "\"result\":\"partial\""));
    assert_true(ask_out_has(fake, "\"name\":\"n2\""));
    assert_true(ask_out_has(fake, "\"fault\":\"no answer\""));
    fake_conn_free(fake);
}

static void who_goes_while_it_waits_is_forgotten(void **state)
{
    struct world *w = *state;
    const struct ask asked = {.target = "/v1/admin/keys",
                              .header = w->tokens[1]};

    w->cluster.len = 2;
    struct fake_conn *fake = ask(w, &asked);
    fake_conn_free(fake);
    fake_wait(&w->core, ROTATION_WAIT_MS + 1);

    fake = ask(w, &asked); /* and who is sent away has its answer */
    client_close(fake->conn.client, ERR_CLOSING);
    fake_flush(&w->core);
    assert_int_equal(fake->status, 503);
    fake_conn_free(fake);
    fake_wait(&w->core, ROTATION_WAIT_MS + 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(looking_needs_one_scope_and_changing_another),
        T(the_list_names_keys_and_nodes),
        T(a_refused_change_is_409_with_its_reasons),
        T(what_is_no_wish_is_400),
        T(a_cluster_without_keys_says_so),
        T(who_does_not_answer_is_waited_for_and_named),
        T(who_goes_while_it_waits_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

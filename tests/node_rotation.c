/* SPDX-License-Identifier: Apache-2.0
 *
 * Four nodes with real rings and real calls; what they tell each other goes
 * through a list instead of links.
 */
#include "tests/test.h"

#include "node/mesh/keyring.h"
#include "node/mesh/rotation.h"
#include "proto/err.h"
#include "tests/ends.h"

struct world {
    struct ends ends;
    struct keyring keyrings[ENDS];
    uint64_t old; /* the key they all begin with */

    /* The last report. */
    size_t reports;
    enum rotation_result result;
    char why[128];
    struct rotation_node nodes[8];
    size_t len;
};

static void secret_of(uint8_t n, uint8_t secret[SEAL_KEY_LEN])
{
    memset(secret, n, SEAL_KEY_LEN);
}

static uint64_t print_of(uint8_t n)
{
    uint8_t secret[SEAL_KEY_LEN];
    struct seal_key key;

    secret_of(n, secret);
    assert_int_equal(seal_key_init(&key, secret), 0);
    return key.print;
}

static int setup(void **state)
{
    static struct world w;
    struct seal_ring keys = {.keys_len = 1};
    uint8_t secret[SEAL_KEY_LEN];

    w = (struct world){.old = print_of(1)};
    secret_of(1, secret);
    assert_int_equal(seal_key_init(&keys.keys[0], secret), 0);
    ends_init(&w.ends);
    for (size_t i = 0; i < ENDS; i++) {
        keyring_init(&w.keyrings[i], &keys, BYTES("demo"));
        w.ends.at[i].core.keyring = &w.keyrings[i];
        rotation_serve(&w.ends.at[i].core);
    }
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < ENDS; i++) {
        keyring_check(&w->keyrings[i]);
    }
    ends_fini(&w->ends);
    return 0;
}

static void on_report(void *data, const struct rotation_report *report)
{
    struct world *w = data;

    w->reports++;
    w->result = report->result;
    assert_true(strlen(report->why) < sizeof w->why);
    strcpy(w->why, report->why);
    assert_true(report->len <= ARRAY_LEN(w->nodes));
    memcpy(w->nodes, report->nodes, report->len * sizeof w->nodes[0]);
    w->len = report->len;
}

static int start(struct world *w, const struct keys_wish *wish)
{
    struct rotation *rotation;
    const struct rotation_options options = {
        .wish = *wish, .by = BYTES("ops"), .data = w, .on_report = on_report};

    return rotation_start(&rotation, &w->ends.at[0].core, &options);
}

/* Node 0 is asked; all that can answer does. */
static enum rotation_result wish(struct world *w, const struct keys_wish *wish)
{
    size_t before = w->reports;

    assert_int_equal(start(w, wish), 0);
    assert_int_equal(w->reports, before);
    for (int turn = 0; turn < 8 && w->reports == before; turn++) {
        ends_settle(&w->ends);
        fake_wait(&w->ends.at[0].core, ROTATION_WAIT_MS / 2 + 1);
    }
    assert_int_equal(w->reports, before + 1);
    return w->result;
}

static enum rotation_result change(struct world *w, enum keys_op op,
                                   uint64_t print)
{
    return wish(w, &(struct keys_wish){.op = op, .print = print});
}

static enum rotation_result list(struct world *w)
{
    return change(w, KEYS_LIST, 0);
}

/* As an operator does who has key `with`. */
static struct keys_wish install_wish(uint8_t n, uint8_t with)
{
    struct keys_wish wish = {.op = KEYS_INSTALL,
                             .print = n == 0 ? 5 : print_of(n)};
    static const uint8_t nonce[SEAL_NONCE_LEN] = {9};
    struct seal_ring ring = {.keys_len = 1, .cluster_name = BYTES("demo")};
    uint8_t secret[SEAL_KEY_LEN];
    struct buf sealed = {0};

    secret_of(with, secret);
    assert_int_equal(seal_key_init(&ring.keys[0], secret), 0);
    secret_of(n, secret);
    seal_write(&ring, SEAL_INSTALL, NULL, nonce, bytes_of(secret, 32), &sealed);
    assert_int_equal(sealed.len, KEYS_SEALED_LEN);
    memcpy(wish.sealed, sealed.p, sealed.len);
    wish.sealed_len = sealed.len;
    buf_fini(&sealed);
    return wish;
}

static enum rotation_result install(struct world *w, uint8_t n)
{
    const struct keys_wish wished = install_wish(n, 1);
    return wish(w, &wished);
}

static const struct rotation_node *node(const struct world *w, const char *name)
{
    for (size_t i = 0; i < w->len; i++) {
        if (strcmp(w->nodes[i].name, name) == 0) {
            return &w->nodes[i];
        }
    }
    fail_msg("no %s in the report", name);
    return &w->nodes[0];
}

static void assert_fault(const struct world *w, const char *name,
                         const char *fault)
{
    const char *is = node(w, name)->fault;

    if (fault == NULL) {
        assert_null(is);
    } else {
        assert_non_null(is);
        assert_string_equal(is, fault);
    }
}

static uint64_t seals(const struct world *w, size_t i)
{
    return w->keyrings[i].ring.keys[0].print;
}

/* --- tests --- */

static void a_rotation_changes_every_node(void **state)
{
    struct world *w = *state;

    assert_int_equal(install(w, 2), ROTATION_DONE);
    assert_int_equal(list(w), ROTATION_DONE);
    for (size_t i = 0; i < ENDS; i++) {
        assert_true(seals(w, i) == w->old);
        assert_int_equal(w->nodes[i].state.len, 2);
        assert_true(w->nodes[i].state.prints[1] == print_of(2));
    }
    assert_int_equal(change(w, KEYS_USE, print_of(2)), ROTATION_DONE);
    for (size_t i = 0; i < ENDS; i++) {
        assert_true(seals(w, i) == print_of(2));
    }
    assert_int_equal(change(w, KEYS_REMOVE, w->old), ROTATION_DONE);
    assert_int_equal(list(w), ROTATION_DONE);
    assert_int_equal(w->nodes[3].state.len, 1);
    /* And each step once more. */
    assert_int_equal(change(w, KEYS_USE, print_of(2)), ROTATION_DONE);
    assert_int_equal(change(w, KEYS_REMOVE, w->old), ROTATION_DONE);
}

static void the_key_in_use_is_not_removed(void **state)
{
    struct world *w = *state;

    assert_int_equal(change(w, KEYS_REMOVE, w->old), ROTATION_REFUSED);
    assert_fault(w, "n0", "seals with it");
    assert_fault(w, "n3", "seals with it");
    assert_int_equal(install(w, 2), ROTATION_DONE);
    assert_int_equal(keyring_use(&w->keyrings[0], print_of(2)), 0);
    assert_int_equal(keyring_use(&w->keyrings[2], print_of(2)), 0);
    assert_int_equal(change(w, KEYS_REMOVE, w->old), ROTATION_REFUSED);
    assert_fault(w, "n0", NULL);
    assert_fault(w, "n1", "seals with it");
    const struct keys_wish forced = {
        .op = KEYS_REMOVE, .print = w->old, .force = true};
    assert_int_equal(wish(w, &forced), ROTATION_REFUSED);
    assert_int_equal(w->keyrings[2].ring.keys_len, 2);
}

static void who_missed_the_key_is_named_and_repaired_by_a_repeat(void **state)
{
    struct world *w = *state;

    w->ends.at[2].deaf = true;
    assert_int_equal(install(w, 2), ROTATION_PARTIAL);
    assert_fault(w, "n1", NULL);
    assert_fault(w, "n2", "no answer");
    assert_int_equal(list(w), ROTATION_PARTIAL);
    assert_string_equal(w->why, "not every node answers");

    w->ends.at[2].deaf = false;
    assert_int_equal(list(w), ROTATION_PARTIAL);
    assert_string_equal(w->why, "the nodes have different keys");
    assert_false(keys_state_has(&node(w, "n2")->state, print_of(2)));
    assert_int_equal(change(w, KEYS_USE, print_of(2)), ROTATION_REFUSED);
    assert_fault(w, "n2", "does not have it");
    assert_fault(w, "n3", NULL);
    assert_true(seals(w, 0) == w->old);

    /* Node 0 has it: nothing needs to be sent along. */
    assert_int_equal(change(w, KEYS_INSTALL, print_of(2)), ROTATION_DONE);
    assert_int_equal(list(w), ROTATION_DONE);
}

/* It may miss the key, or seal with it: nobody knows. */
static void who_does_not_answer_stops_a_step_unless_forced(void **state)
{
    struct world *w = *state;
    struct keys_wish forced = {
        .op = KEYS_USE, .print = print_of(2), .force = true};

    assert_int_equal(install(w, 2), ROTATION_DONE);
    w->ends.at[1].deaf = true;
    assert_int_equal(change(w, KEYS_USE, print_of(2)), ROTATION_REFUSED);
    assert_fault(w, "n1", "no answer");
    assert_true(seals(w, 0) == w->old);
    assert_int_equal(wish(w, &forced), ROTATION_DONE);
    assert_fault(w, "n1", "no answer");
    assert_non_null(strstr(w->why, "every node that answers did it"));
    assert_true(seals(w, 0) == print_of(2));
    assert_true(seals(w, 1) == w->old);

    forced.op = KEYS_REMOVE;
    forced.print = w->old;
    assert_int_equal(change(w, KEYS_REMOVE, w->old), ROTATION_REFUSED);
    assert_fault(w, "n1", "no answer");
    assert_int_equal(wish(w, &forced), ROTATION_DONE);
    assert_int_equal(w->keyrings[3].ring.keys_len, 1);
    assert_int_equal(w->keyrings[1].ring.keys_len, 2);
}

/* Its machine may be cut off, and come back with the keys it had. */
static void a_dead_node_counts_until_it_has_left_or_a_successor(void **state)
{
    struct world *w = *state;
    struct cluster *cluster = &w->ends.at[0].cluster;

    assert_int_equal(install(w, 2), ROTATION_DONE);
    cluster->members[3].state = CLUSTER_STATE_DEAD;
    assert_int_equal(list(w), ROTATION_PARTIAL);
    assert_fault(w, "n3", "dead, or cut off");
    assert_int_equal(change(w, KEYS_USE, print_of(2)), ROTATION_REFUSED);

    cluster->members[3].state = CLUSTER_STATE_LEFT;
    assert_int_equal(list(w), ROTATION_DONE);
    assert_int_equal(w->len, 3);

    cluster->members[3].state = CLUSTER_STATE_DEAD;
    cluster->members[3].node.cluster = cluster->members[1].node.cluster;
    assert_int_equal(list(w), ROTATION_DONE);
    assert_int_equal(w->len, 3);
    assert_int_equal(change(w, KEYS_USE, print_of(2)), ROTATION_DONE);
}

static void two_nodes_of_one_name_are_told_apart(void **state)
{
    struct world *w = *state;
    struct cluster_member *member = &w->ends.at[0].cluster.members[1];

    member->duplicate = true;
    assert_int_equal(list(w), ROTATION_DONE);
    assert_int_equal(node(w, "n1#a001")->state.len, 1);
}

static void what_is_no_key_of_ours_is_refused_at_once(void **state)
{
    struct world *w = *state;
    struct keys_wish stranger = install_wish(2, 7); /* nobody here has 7 */
    struct keys_wish other = install_wish(2, 1);
    struct keys_wish bit = install_wish(2, 1);
    const struct keys_wish unknown = {.op = KEYS_INSTALL, .print = 12345};

    assert_int_equal(start(w, &stranger), ERR_FORGED);
    other.print = print_of(3);
    assert_int_equal(start(w, &other), ERR_ARGUMENT);
    bit.sealed[KEYS_SEALED_LEN - 1] ^= 1;
    assert_int_equal(start(w, &bit), ERR_FORGED);
    assert_int_equal(start(w, &unknown), ERR_NOT_FOUND);
    const struct keys_wish zeros = install_wish(0, 1);
    assert_int_equal(start(w, &zeros), ERR_ARGUMENT);
    assert_int_equal(w->reports, 0);
    assert_int_equal(w->ends.letters_len, 0);
    assert_int_equal(w->keyrings[0].ring.keys_len, 1);
}

static void a_full_ring_is_named(void **state)
{
    struct world *w = *state;
    uint8_t secret[SEAL_KEY_LEN];
    uint64_t print;

    for (uint8_t n = 10; n < 10 + SEAL_KEYS_MAX - 1; n++) {
        secret_of(n, secret);
        assert_int_equal(keyring_install(&w->keyrings[2], secret, &print), 0);
    }
    assert_int_equal(install(w, 2), ROTATION_PARTIAL);
    assert_fault(w, "n1", NULL);
    assert_fault(w, "n2", "has 8 keys already");
}

static void a_cluster_without_keys_refuses(void **state)
{
    struct world *w = *state;
    const struct keys_wish look = {.op = KEYS_LIST};

    w->keyrings[0].insecure = true;
    assert_int_equal(start(w, &look), ERR_STATE);
    w->ends.at[0].core.keyring = NULL;
    assert_int_equal(start(w, &look), ERR_STATE);
}

/* The operator's connection broke: what was begun is done, nothing is called
 * back. */
static void a_cancelled_rotation_reports_nothing(void **state)
{
    struct world *w = *state;
    struct rotation *rotation;
    const struct rotation_options options = {
        .wish = install_wish(2, 1), .data = w, .on_report = on_report};

    assert_int_equal(rotation_start(&rotation, &w->ends.at[0].core, &options),
                     0);
    rotation_cancel(rotation);
    ends_settle(&w->ends);
    fake_wait(&w->ends.at[0].core, ROTATION_WAIT_MS + 1);
    assert_int_equal(w->reports, 0);
    assert_int_equal(w->keyrings[2].ring.keys_len, 2);
}

/* What a peer says is not believed to make sense. */
static void nonsense_between_nodes_changes_nothing(void **state)
{
    static const uint8_t bodies[][10] = {{0}, {9, 1}, {2, 1}, {3}};
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        const struct peer_message message = {
            .type = PEER_CALL,
            .kind = CALL_KEYS,
            .number = 1,
            .body = bytes_of(bodies[i], sizeof bodies[i]),
        };
        calls_take(w->ends.at[1].calls, 0, &message);
    }
    assert_int_equal(w->keyrings[1].ring.keys_len, 1);
    assert_true(seals(w, 1) == w->old);
    ends_deliver(&w->ends);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_rotation_changes_every_node),
        T(the_key_in_use_is_not_removed),
        T(who_missed_the_key_is_named_and_repaired_by_a_repeat),
        T(who_does_not_answer_stops_a_step_unless_forced),
        T(a_dead_node_counts_until_it_has_left_or_a_successor),
        T(two_nodes_of_one_name_are_told_apart),
        T(what_is_no_key_of_ours_is_refused_at_once),
        T(a_full_ring_is_named),
        T(a_cluster_without_keys_refuses),
        T(a_cancelled_rotation_reports_nothing),
        T(nonsense_between_nodes_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

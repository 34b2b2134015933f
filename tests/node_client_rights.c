/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "tests/fake_world.h"

enum {
    NOW_S = 1795305600
};

static struct token_keys keys = {
    .len = 1,
    .keys =
        {{.alg = TOKEN_HS256, .kid = "k0", .can_sign = true, .secret = {1}}},
};

/* A core that asks for tokens; door_lines at 0, its subscriber. */
static struct client *world_with_keys(struct world *w)
{
    struct core_options options = fake_core_options();

    *w = (struct world){0};
    fake_door_seen = (struct fake_door_seen){0};
    options.token_keys = &keys;
    assert_int_equal(core_init(&w->core, &options), 0);
    core_turn(&w->core, 1000, (uint64_t)NOW_S * 1000);
    w->core.ready = true;
    return world_open(w, 0, &door_lines);
}

static struct token_grant exact(const char *topic)
{
    return (struct token_grant){BYTES("c"), bytes_str(topic), false, false,
                                TOKEN_BOTH};
}

static struct token_grant prefix(const char *topic)
{
    return (struct token_grant){BYTES("c"), bytes_str(topic), true, false,
                                TOKEN_BOTH};
}

static void login_for(struct client *client, struct token_grant grant,
                      uint64_t seconds)
{
    const struct token token = {
        .subject = BYTES("alice"),
        .expires_at = client->core->wall_ms / 1000 + seconds,
        .grants_len = 1,
        .grants = {grant},
    };
    struct buf text = {0};

    assert_int_equal(token_write(&keys, &token, &text), 0);
    assert_int_equal(client_login(client, buf_bytes(&text)), 0);
    buf_fini(&text);
}

/* Someone who may publish everything, at 1. */
static struct client *open_publisher(struct world *w)
{
    struct client *p = world_open(w, 1, &door_plain);

    login_for(p, prefix("t"), 100000);
    return p;
}

static void strangers_may_nothing(void **state)
{
    struct world w;
    struct hub_receipt receipt;
    (void)state;

    struct client *a = world_with_keys(&w);
    const struct client_item item = {.cache = BYTES("c"), .topic = BYTES("t")};
    struct hub_want want = want_topic("t");
    struct hub_want glob = want_glob("*");
    assert_false(a->logged_in);
    assert_int_equal(client_publish(a, &item, &receipt), ERR_UNAUTH);
    assert_int_equal(client_may_subscribe(a, &want), ERR_UNAUTH);
    assert_int_equal(client_may_subscribe(a, &glob), ERR_UNAUTH);
    assert_int_equal(client_login(a, BYTES("nonsense")), ERR_UNAUTH);
    assert_false(a->logged_in);
    assert_int_equal(w.core.stats.auth_failures, 1);
    login_for(a, exact("t"), 100);
    assert_true(a->logged_in);
    assert_int_equal(client_publish(a, &item, &receipt), 0);
    world_fini(&w);
}

/* What was allowed for the last item is not allowed for ever. */
static void each_publish_has_the_rights_of_its_moment(void **state)
{
    struct world w;
    struct hub_receipt receipt;
    const struct client_item t = {.cache = BYTES("c"), .topic = BYTES("t")};
    const struct client_item u = {.cache = BYTES("c"), .topic = BYTES("u")};
    (void)state;

    struct client *a = world_with_keys(&w);
    login_for(a, exact("t"), 100);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(client_publish(a, &t, &receipt), 0);
        assert_int_equal(client_publish(a, &u, &receipt), ERR_DENIED);
    }
    login_for(a, exact("u"), 100);
    assert_int_equal(client_publish(a, &t, &receipt), ERR_DENIED);
    assert_int_equal(client_publish(a, &u, &receipt), 0);
    client_logout(a);
    assert_int_equal(client_publish(a, &u, &receipt), ERR_UNAUTH);
    login_for(a, exact("u"), 100);
    assert_int_equal(client_publish(a, &u, &receipt), 0);
    core_turn(&w.core, 101000, (uint64_t)(NOW_S + 100) * 1000);
    assert_int_equal(client_publish(a, &u, &receipt), ERR_EXPIRED);
    world_fini(&w);
}

/* ADVERSARIAL H3: only what is granted arrives under a wider pattern. */
static void a_pattern_delivers_only_what_is_granted(void **state)
{
    struct world w;
    (void)state;

    struct client *a = world_with_keys(&w);
    struct client *p = open_publisher(&w);
    login_for(a, exact("t1"), 100);
    subscribe(a, want_glob("*"));
    assert_int_equal(publish(p, "t1", "yes"), 1);
    assert_int_equal(publish(p, "t2", "no"), 0);
    expect(&w, 0, "[*]c/t1 1 yes\n");
    struct client *b = world_open(&w, 2, &door_lines);
    login_for(b, prefix("t"), 100);
    subscribe(b, want_glob("*"));
    assert_int_equal(publish(p, "t1", "both"), 2);
    assert_int_equal(publish(p, "t2", "one"), 1);
    expect(&w, 0, "[*]c/t1 2 both\n");
    expect(&w, 2, "[*]c/t1 2 both\n[*]c/t2 2 one\n");
    world_fini(&w);
}

static void a_new_token_is_judged_anew(void **state)
{
    struct world w;
    (void)state;

    struct client *a = world_with_keys(&w);
    struct client *p = open_publisher(&w);
    login_for(a, prefix("t1"), 100);
    subscribe(a, want_topic("t1"));
    subscribe(a, want_topic("t11"));
    subscribe(a, want_glob("t*"));
    publish(p, "t1", "one");
    login_for(a, exact("t11"), 100); /* in the middle of a turn */
    assert_int_equal(fake_door_seen.ended, 1);
    assert_int_equal(fake_door_seen.ended_err, ERR_DENIED);
    publish(p, "t1", "two");
    publish(p, "t11", "three");
    expect(&w, 0,
           "[t*]c/t1 1 one\nc/t1 1 one\n[t*]c/t11 1 three\nc/t11 1 three\n");
    client_logout(a);
    assert_int_equal(fake_door_seen.ended, 3);
    assert_null(a->subs);
    assert_false(a->logged_in);
    world_fini(&w);
}

/* ADVERSARIAL H5: within a second. */
static void expiry_ends_subscriptions(void **state)
{
    struct world w;
    (void)state;

    struct client *a = world_with_keys(&w);
    struct client *p = open_publisher(&w);
    login_for(a, prefix("t"), 60);
    subscribe(a, want_topic("t"));
    subscribe(a, want_glob("t*"));
    fake_wait(&w.core, 59999);
    assert_int_equal(publish(p, "t", "in time"), 2);
    fake_wait(&w.core, 1);
    assert_int_equal(fake_door_seen.ended, 2);
    assert_int_equal(fake_door_seen.ended_err, ERR_EXPIRED);
    assert_int_equal(publish(p, "t", "late"), 0);
    expect(&w, 0, "[t*]c/t 1 in time\nc/t 1 in time\n");
    struct hub_want want = want_topic("t");
    assert_int_equal(client_may_subscribe(a, &want), ERR_EXPIRED);
    world_fini(&w);
}

/* The wall clock jumps; the monotonic one does not. */
static void expiry_follows_the_wall_clock(void **state)
{
    struct world w;
    (void)state;

    struct client *a = world_with_keys(&w);
    login_for(a, prefix("t"), 60);
    subscribe(a, want_topic("t"));
    core_turn(&w.core, w.core.now_ms, w.core.wall_ms - 30000);
    fake_wait(&w.core, 60000);
    assert_int_equal(fake_door_seen.ended, 0);
    fake_wait(&w.core, 30000);
    assert_int_equal(fake_door_seen.ended, 1);
    world_fini(&w);
}

static void a_longer_token_keeps_subscriptions_alive(void **state)
{
    struct world w;
    (void)state;

    struct client *a = world_with_keys(&w);
    login_for(a, prefix("t"), 60);
    subscribe(a, want_topic("t"));
    login_for(a, prefix("t"), 600);
    fake_wait(&w.core, 300000);
    assert_int_equal(fake_door_seen.ended, 0);
    fake_wait(&w.core, 300000);
    assert_int_equal(fake_door_seen.ended, 1);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strangers_may_nothing),
        cmocka_unit_test(each_publish_has_the_rights_of_its_moment),
        cmocka_unit_test(a_pattern_delivers_only_what_is_granted),
        cmocka_unit_test(a_new_token_is_judged_anew),
        cmocka_unit_test(expiry_ends_subscriptions),
        cmocka_unit_test(expiry_follows_the_wall_clock),
        cmocka_unit_test(a_longer_token_keeps_subscriptions_alive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

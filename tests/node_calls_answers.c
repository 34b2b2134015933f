/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls whose asker hears each answer as it comes.
 */
#include "tests/test.h"

#include "tests/ends.h"

#define KIND CALL_PUBSUB

struct heard {
    uint64_t number;
    struct buf bodies; /* "name:outcome:body " of each answer */
    bool forgets;
    size_t done;
};

static struct ends ends;
static struct heard heard;

static bool answer(void *data, struct bytes body, struct buf *out)
{
    const struct end *end = data;

    buf_add_u8(out, (uint8_t)('a' + end->at));
    return body.len == 0;
}

static int setup(void **state)
{
    (void)state;
    heard = (struct heard){0};
    ends_init(&ends);
    for (size_t i = 1; i < ENDS - 1; i++) { /* the last knows no such kind */
        calls_serve(ends.at[i].calls, KIND, answer, &ends.at[i]);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_fini(&heard.bodies);
    ends_fini(&ends);
    return 0;
}

static void on_answer(void *data, const struct call_answer *from)
{
    struct heard *to = data;

    buf_add_str(&to->bodies, from->name);
    buf_add_u8(&to->bodies, ':');
    buf_add_u64(&to->bodies, from->outcome);
    buf_add_u8(&to->bodies, ':');
    buf_add_bytes(&to->bodies, from->body);
    buf_add_u8(&to->bodies, ' ');
    if (to->forgets) {
        calls_forget(ends.at[0].calls, to->number);
    }
}

static void on_done(void *data, const struct call_answer *answers, size_t len)
{
    struct heard *to = data;

    (void)answers;
    assert_int_equal(len, ENDS - 1);
    to->done++;
}

static void ask(struct bytes body)
{
    const struct call call = {
        .kind = KIND,
        .body = body,
        .wait_ms = 100,
        .on_done = on_done,
        .on_answer = on_answer,
        .data = &heard,
    };
    assert_int_equal(calls_ask(ends.at[0].calls, &call, &heard.number), 0);
}

static void each_answer_is_told_as_it_comes(void **state)
{
    (void)state;

    ends.at[1].deaf = true;
    ask(BYTES(""));
    ends_settle(&ends);
    assert_bytes(buf_bytes(&heard.bodies), "n2:1:c n3:2: ");
    assert_int_equal(heard.done, 0);
    fake_wait(&ends.at[0].core, 100); /* who is late is no answer */
    assert_bytes(buf_bytes(&heard.bodies), "n2:1:c n3:2: ");
    assert_int_equal(heard.done, 1);
}

static void the_last_answer_is_told_before_the_end(void **state)
{
    (void)state;

    ask(BYTES("wrong"));
    ends_settle(&ends);
    assert_bytes(buf_bytes(&heard.bodies), "n1:3: n2:3: n3:2: ");
    assert_int_equal(heard.done, 1);
}

static void who_heard_enough_forgets_the_call_from_inside(void **state)
{
    (void)state;

    heard.forgets = true;
    ask(BYTES(""));
    ends_settle(&ends);
    fake_wait(&ends.at[0].core, 100);
    assert_bytes(buf_bytes(&heard.bodies), "n1:1:b ");
    assert_int_equal(heard.done, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_answer_is_told_as_it_comes),
        TEST(the_last_answer_is_told_before_the_end),
        TEST(who_heard_enough_forgets_the_call_from_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

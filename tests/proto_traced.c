/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "proto/err.h"
#include "proto/mp.h"
#include "proto/traced.h"

static const struct traced_question question = {
    .origin = UINT64_MAX,
    .count = 7,
    .hash = 9,
    .cache = BYTES("demo"),
    .topic = BYTES("chat"),
};

static struct traced sample(void)
{
    return (struct traced){
        .now_us = 1000,
        .wall_us = UINT64_MAX,
        .seen = true,
        .from = 5,
        .hop = TRACED_INGRESS,
        .at_us = 10,
        .written_us = 20,
        .waiting = 3,
        .told_us = 4,
        .doors_len = 2,
        .doors = {{BYTES("native"), 2}, {BYTES("resp"), 1}},
        .sends_len = 2,
        .sends = {{8, 11, TRACED_SENT, TRACED_WHY_NONE},
                  {9, 12, TRACED_DROPPED, TRACED_WHY_LINK_DOWN}},
        .more = 6,
        .drops_len = 1,
        .drops = {{BYTES(""), 1, TRACED_WHY_LATE}},
    };
}

static void assert_same(const struct traced *a, const struct traced *b)
{
    struct buf one = {0};
    struct buf other = {0};

    traced_write(a, &one);
    traced_write(b, &other);
    assert_int_equal(one.len, other.len);
    assert_memory_equal(one.p, other.p, one.len);
    buf_fini(&one);
    buf_fini(&other);
}

static void a_question_is_read_whole_or_not_at_all(void **state)
{
    struct traced_question read;
    struct buf out = {0};
    (void)state;

    traced_question_write(&question, &out);
    for (size_t cut = 0; cut < out.len; cut++) {
        assert_int_equal(traced_question_read(bytes_of(out.p, cut), &read),
                         ERR_SYNTAX);
    }
    assert_int_equal(traced_question_read(buf_bytes(&out), &read), 0);
    assert_true(read.origin == UINT64_MAX && read.count == 7 && read.hash == 9);
    assert_bytes(read.cache, "demo");
    assert_bytes(read.topic, "chat");
    buf_add_u8(&out, 0);
    assert_int_equal(traced_question_read(buf_bytes(&out), &read), ERR_SYNTAX);
    buf_fini(&out);
}

static void wrong_questions_are_refused(void **state)
{
    static const struct bytes wrong[] = {
        BYTES("\x94\x01\x01\x01\xa1x"),     /* no topic */
        BYTES("\x95\x01\x01\x01\xa0\xa1x"), /* no cache */
        BYTES("\x95\x01\x01\x01\xa1/\xa1x"),
        BYTES("\x95\x01\x01\x01\xa1x\xa1\n"),
        BYTES("\x95\xa1x\x01\x01\xa1x\xa1x"),
        BYTES("\x80"),
        BYTES(""),
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct traced_question read;
        assert_int_equal(traced_question_read(wrong[i], &read), ERR_SYNTAX);
    }
}

static void an_answer_is_read_whole_or_not_at_all(void **state)
{
    struct traced traced = sample();
    struct traced read;
    struct buf out = {0};
    (void)state;

    traced_write(&traced, &out);
    for (size_t cut = 0; cut < out.len; cut++) {
        assert_int_equal(traced_read(bytes_of(out.p, cut), &read), ERR_SYNTAX);
    }
    assert_int_equal(traced_read(buf_bytes(&out), &read), 0);
    assert_same(&read, &traced);
    buf_add_u8(&out, 0);
    assert_int_equal(traced_read(buf_bytes(&out), &read), ERR_SYNTAX);
    buf_fini(&out);
}

static void nothing_known_is_an_answer(void **state)
{
    const struct traced none = {.now_us = 1};
    struct traced read;
    struct buf out = {0};
    (void)state;

    traced_write(&none, &out);
    assert_int_equal(traced_read(buf_bytes(&out), &read), 0);
    assert_false(read.seen);
    assert_same(&read, &none);
    buf_fini(&out);
}

static void as_many_as_there_may_be_and_no_more(void **state)
{
    static struct traced traced;
    static struct traced read;
    struct buf out = {0};
    (void)state;

    traced = sample();
    for (size_t i = 0; i < TRACED_SENT_MAX; i++) {
        traced.sends[i] = (struct traced_send){.to = UINT64_MAX - i};
    }
    for (size_t i = 0; i < TRACED_DOORS_MAX; i++) {
        traced.doors[i] = (struct traced_door){BYTES("x"), i};
        traced.drops[i] = (struct traced_drop){BYTES("y"), i, TRACED_WHY_SLOW};
    }
    traced.sends_len = TRACED_SENT_MAX;
    traced.doors_len = TRACED_DOORS_MAX;
    traced.drops_len = TRACED_DROPS_MAX;
    traced_write(&traced, &out);
    assert_int_equal(traced_read(buf_bytes(&out), &read), 0);
    assert_same(&read, &traced);
    buf_fini(&out);
}

/* The fields of an answer, by number, one of them replaced. */
static ptrdiff_t with_field(size_t wrong, struct bytes instead)
{
    static const struct bytes fields[] = {
        BYTES("\x01"), BYTES("\x01"), BYTES("\xc3"), BYTES("\x01"),
        BYTES("\x01"), BYTES("\x01"), BYTES("\x01"), BYTES("\x01"),
        BYTES("\x01"), BYTES("\x90"), BYTES("\x90"), BYTES("\0"),
        BYTES("\x90"),
    };
    struct buf out = {0};
    struct traced read;

    mp_put_array(&out, ARRAY_LEN(fields));
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        buf_add_bytes(&out, i == wrong ? instead : fields[i]);
    }
    ptrdiff_t rc = traced_read(buf_bytes(&out), &read);
    buf_fini(&out);
    return rc;
}

static void each_wrong_field_is_refused(void **state)
{
    static const struct {
        size_t field;
        struct bytes instead;
        int rc;
    } cases[] = {
        {SIZE_MAX, BYTES(""), 0},
        {0, BYTES("\xa1x"), ERR_SYNTAX},
        {2, BYTES("\x01"), ERR_SYNTAX},
        {4, BYTES("\xcd\x01\x00"), ERR_SYNTAX},          /* a hop of 256 */
        {4, BYTES("\x09"), 0},                           /* a newer one */
        {9, BYTES("\x91\x92\xa1x\x01"), 0},              /* a door */
        {9, BYTES("\x91\x93\xa1x\x01\xc0"), 0},          /* and more of it */
        {9, BYTES("\x91\x91\xa1x"), ERR_SYNTAX},         /* less */
        {9, BYTES("\x91\x92\xa1\x07\x01"), ERR_SYNTAX},  /* control */
        {9, BYTES("\xdc\x00\x11"), ERR_SYNTAX},          /* 17 doors */
        {10, BYTES("\x91\x94\x01\x01\x01\x01"), 0},      /* a peer */
        {10, BYTES("\x91\x95\x01\x01\x01\x01\xa0"), 0},  /* and more of it */
        {10, BYTES("\x91\x93\x01\x01\x01"), ERR_SYNTAX}, /* less */
        {10, BYTES("\xdc\x01\x01"), ERR_SYNTAX},         /* 257 peers */
        {10, BYTES("\xdd\xff\xff\xff\xff"), ERR_SYNTAX}, /* no end */
        {12, BYTES("\x91\x93\xa0\x63\x01"), 0},          /* a newer reason */
        {12, BYTES("\x91\x93\xc0\x01\x01"), ERR_SYNTAX},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (with_field(cases[i].field, cases[i].instead) != cases[i].rc) {
            fail_msg("case %zu", i);
        }
    }
}

static void one_more_than_there_may_be_is_refused(void **state)
{
    static const struct {
        size_t field;
        struct bytes entry;
        unsigned max;
    } cases[] = {
        {9, BYTES("\x92\xa1x\x01"), TRACED_DOORS_MAX},
        {10, BYTES("\x94\x01\x01\x01\x01"), TRACED_SENT_MAX},
        {12, BYTES("\x93\xa1x\x01\x01"), TRACED_DROPS_MAX},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (unsigned more = 0; more < 2; more++) {
            struct buf list = {0};
            mp_put_array(&list, cases[i].max + more);
            for (unsigned k = 0; k < cases[i].max + more; k++) {
                buf_add_bytes(&list, cases[i].entry);
            }
            assert_int_equal(with_field(cases[i].field, buf_bytes(&list)),
                             more == 0 ? 0 : ERR_SYNTAX);
            buf_fini(&list);
        }
    }
}

static void every_number_has_a_text(void **state)
{
    (void)state;

    for (unsigned i = 0; i <= UINT8_MAX; i++) {
        assert_non_null(traced_hop_text((uint8_t)i));
        assert_non_null(traced_outcome_text((uint8_t)i));
        assert_non_null(traced_why_text((uint8_t)i));
    }
    assert_string_equal(traced_hop_text(TRACED_HOST), "host");
    assert_string_equal(traced_outcome_text(TRACED_DROPPED), "dropped");
    assert_string_equal(traced_why_text(TRACED_WHY_NONE), "");
    assert_string_equal(traced_why_text(TRACED_WHYS), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_is_read_whole_or_not_at_all),
        cmocka_unit_test(wrong_questions_are_refused),
        cmocka_unit_test(an_answer_is_read_whole_or_not_at_all),
        cmocka_unit_test(nothing_known_is_an_answer),
        cmocka_unit_test(as_many_as_there_may_be_and_no_more),
        cmocka_unit_test(each_wrong_field_is_refused),
        cmocka_unit_test(one_more_than_there_may_be_is_refused),
        cmocka_unit_test(every_number_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

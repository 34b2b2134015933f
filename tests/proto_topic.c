/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "proto/hash.h"
#include "proto/topic.h"

static void cache_names_are_plain(void **state)
{
    char longest[CACHE_LEN_MAX + 1];
    (void)state;

    memset(longest, 'a', sizeof longest);
    assert_true(topic_cache_is_valid(bytes_str("demo-1.2_X")));
    assert_true(topic_cache_is_valid(bytes_of(longest, CACHE_LEN_MAX)));
    assert_false(topic_cache_is_valid(bytes_of(longest, CACHE_LEN_MAX + 1)));
    assert_false(topic_cache_is_valid(bytes_str("")));
    assert_false(topic_cache_is_valid(bytes_str("a/b")));
    assert_false(topic_cache_is_valid(bytes_str("caf\xc3\xa9")));
}

static void topic_names_are_text_without_tricks(void **state)
{
    static const struct {
        const char *name;
        bool valid;
    } cases[] = {
        {"a", true},
        {"a/b/../c;d%2F", true}, /* bytes are compared, not interpreted */
        {"na\xc3\xafve \xf0\x9f\x90\xa6", true},
        {"", false},
        {"a\nb", false},
        {"\x7f", false},
        {"\xc2\x80", false},         /* C1 control */
        {"\xc0\x80", false},         /* overlong NUL */
        {"\xe0\x80\xaf", false},     /* overlong slash */
        {"\xed\xa0\x80", false},     /* surrogate */
        {"\xf4\x90\x80\x80", false}, /* above U+10FFFF */
        {"\xef\xbb\xbfx", false},    /* byte order mark */
        {"a\xe2\x80\xae", false},    /* right-to-left override */
        {"\xe2\x81\xa6", false},     /* isolate */
        {"a\xc3", false},            /* cut */
        {"a\x80", false},
    };
    char longest[TOPIC_LEN_MAX + 1];
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (topic_is_valid(bytes_str(cases[i].name)) != cases[i].valid) {
            fail_msg("case %zu", i);
        }
    }
    assert_false(topic_is_valid(BYTES("a\0b")));
    memset(longest, '/', sizeof longest);
    assert_true(topic_is_valid(bytes_of(longest, TOPIC_LEN_MAX)));
    assert_false(topic_is_valid(bytes_of(longest, TOPIC_LEN_MAX + 1)));
}

static void text_may_hold_what_names_may_not(void **state)
{
    (void)state;

    assert_true(topic_text_is_valid(BYTES("")));
    assert_true(topic_text_is_valid(BYTES("line\nline\0nul \x7f")));
    assert_true(topic_text_is_valid(BYTES("eight888\xc3\xa9 bytes apart")));
    assert_false(topic_text_is_valid(BYTES("eight888\xc3")));
    assert_false(topic_text_is_valid(BYTES("eight88\xff")));
}

/* Most of it is looked at many bytes at a time: none may slip through, wherever
 * it stands. */
static void one_wrong_byte_is_seen_wherever_it_stands(void **state)
{
    static const uint8_t wrong[] = {0x00, 0x1f, 0x7f, 0x80, 0xa0, 0xff};
    uint8_t s[100];
    (void)state;

    for (size_t len = 1; len <= sizeof s; len++) {
        memset(s, ' ', len);
        s[len - 1] = '~';
        assert_true(topic_is_valid(bytes_of(s, len)));
        for (size_t i = 0; i < len * ARRAY_LEN(wrong); i++) {
            uint8_t right = s[i % len];
            s[i % len] = wrong[i / len];
            assert_false(topic_is_valid(bytes_of(s, len)));
            assert_int_equal(topic_text_is_valid(bytes_of(s, len)),
                             wrong[i / len] < 0x80);
            s[i % len] = right;
        }
    }
}

static void globs_match_as_in_redis(void **state)
{
    static const struct {
        const char *pattern, *topic;
        bool matches;
    } cases[] = {
        {"*", "", true},
        {"*", "abc", true},
        {"a*c", "abbbc", true},
        {"a*c", "abbbd", false},
        {"h?llo", "hello", true},
        {"h?llo", "hllo", false},
        {"[a-c]x", "bx", true},
        {"[c-a]x", "bx", true},
        {"[^a-c]x", "bx", false},
        {"[^a-c]x", "dx", true},
        {"\\*", "*", true},
        {"\\*", "x", false},
        {"[\\]]", "]", true},
        {"[abc", "c", true},
        {"a**b", "ab", true},
        {"news.*", "news.", true},
        {"a*b*c", "aXbXbXc", true},
        {"", "", true},
        {"", "a", false},
        {"a\\", "a\\", true},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (topic_glob_match(bytes_str(cases[i].pattern),
                             bytes_str(cases[i].topic)) != cases[i].matches) {
            fail_msg("%s on %s", cases[i].pattern, cases[i].topic);
        }
    }
}

static void what_cannot_be_matched_never_does(void **state)
{
    (void)state;
    for (unsigned d = 0; d <= UINT8_MAX; d++) {
        enum topic_dialect dialect = (enum topic_dialect)d;
        bool can = topic_can_match((uint8_t)d);
        assert_int_equal(can, d == TOPIC_EXACT || d == TOPIC_GLOB);
        assert_int_equal(topic_match(dialect, BYTES("a"), BYTES("a")), can);
    }
}

/* ADVERSARIAL C4: exponential in a recursive matcher, ended here in a moment.
 */
static void a_hostile_glob_ends(void **state)
{
    char pattern[PATTERN_LEN_MAX];
    char topic[TOPIC_LEN_MAX];
    (void)state;

    for (size_t i = 0; i < sizeof pattern; i++) {
        pattern[i] = i % 2 == 0 ? 'a' : '*';
    }
    pattern[sizeof pattern - 1] = 'b';
    memset(topic, 'a', sizeof topic);
    assert_false(topic_glob_match(bytes_of(pattern, sizeof pattern),
                                  bytes_of(topic, sizeof topic)));
}

static void the_hash_separates_cache_and_topic(void **state)
{
    struct hash_key key;
    struct hash_key other;
    (void)state;

    hash_key_from_name(&key, BYTES("one"));
    hash_key_from_name(&other, BYTES("two"));
    assert_true(hash_topic(&key, BYTES("a"), BYTES("bc")) !=
                hash_topic(&key, BYTES("ab"), BYTES("c")));
    assert_true(hash_topic(&key, BYTES("a"), BYTES("b")) !=
                hash_topic(&other, BYTES("a"), BYTES("b")));
    assert_true(hash_key_print(&key) != hash_key_print(&other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cache_names_are_plain),
        cmocka_unit_test(topic_names_are_text_without_tricks),
        cmocka_unit_test(text_may_hold_what_names_may_not),
        cmocka_unit_test(one_wrong_byte_is_seen_wherever_it_stands),
        cmocka_unit_test(globs_match_as_in_redis),
        cmocka_unit_test(what_cannot_be_matched_never_does),
        cmocka_unit_test(a_hostile_glob_ends),
        cmocka_unit_test(the_hash_separates_cache_and_topic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

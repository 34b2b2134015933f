/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "proto/err.h"
#include "proto/mp.h"
#include "proto/peer.h"
#include "tests/wire.h"

static ptrdiff_t read_batch(struct bytes in)
{
    struct peer_batch batch;
    return peer_batch_read(in, &batch);
}

static ptrdiff_t read_record(struct bytes in)
{
    struct peer_record record;
    return peer_record_read(in, &record);
}

static ptrdiff_t read_message(struct bytes in)
{
    struct peer_message message;
    return peer_message_read(in, &message);
}

/* --- batches --- */

static struct peer_batch sample_batch(void)
{
    return (struct peer_batch){
        .src.b = {1, 2, 3},
        .dst.b = {[15] = 9},
        .epoch = UINT64_MAX,
        .seq = 1,
        .version = PEER_VERSION,
        .least = PEER_VERSION_MIN,
        .lane = PEER_DATA,
        .hop = PEER_HOP_INGRESS,
        .kind = PEER_LOST,
    };
}

static void a_batch_header_comes_back_as_it_went(void **state)
{
    struct buf out = {0};
    struct peer_batch batch = sample_batch();
    struct peer_batch back;
    (void)state;

    peer_batch_write(&batch, &out);
    assert_true(out.len <= PEER_HEADER_LEN_MAX);
    assert_int_equal(peer_batch_read(buf_bytes(&out), &back), out.len);
    assert_true(node_id_eq(&back.src, &batch.src));
    assert_true(node_id_eq(&back.dst, &batch.dst));
    assert_true(back.epoch == UINT64_MAX && back.seq == 1);
    assert_int_equal(back.lane, PEER_DATA);
    assert_int_equal(back.hop, PEER_HOP_INGRESS);
    assert_int_equal(back.kind, PEER_LOST);
    wire_check_cuts(read_batch, buf_bytes(&out));
    wire_check_changes(read_batch, buf_bytes(&out));
    buf_fini(&out);
}

static void another_version_is_named(void **state)
{
    struct buf out = {0};
    struct peer_batch batch = sample_batch();
    struct peer_batch back = {0};
    (void)state;

    batch.version = PEER_VERSION + 2;
    batch.least = PEER_VERSION + 1;
    peer_batch_write(&batch, &out);
    assert_int_equal(peer_batch_read(buf_bytes(&out), &back), ERR_VERSION);
    assert_int_equal(back.version, PEER_VERSION + 2);
    assert_int_equal(back.least, PEER_VERSION + 1);
    /* Whatever shape a later version has, the two come first. */
    assert_int_equal(read_batch(BYTES("\x93\x09\x08\xc0")), ERR_VERSION);
    assert_int_equal(read_batch(BYTES("\x97\x00\x00")), ERR_VERSION);
    buf_fini(&out);
}

static void each_wrong_header_field_is_refused(void **state)
{
    static const struct {
        size_t at; /* in the sample's bytes */
        uint8_t byte;
    } cases[] = {
        {0, 0x98},  /* eight elements */
        {0, 0x9a},  /* ten: the header has no room for more */
        {0, 0x89},  /* a map */
        {1, 0xc0},  /* version: nil */
        {2, 0xc0},  /* the oldest version: nil */
        {3, 2},     /* lane */
        {3, 0},     /* a gap on the control lane */
        {4, 3},     /* hop */
        {5, 4},     /* kind */
        {6, 0xa1},  /* source: text */
        {7, 15},    /* source: 15 bytes */
        {24, 0xc5}, /* destination: another length form, then too long */
        {42, 0xc0}, /* epoch */
        {51, 0},    /* sequence 0 */
        {51, 0xff}, /* negative */
    };
    struct peer_batch batch = sample_batch();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = {0};
        peer_batch_write(&batch, &out);
        assert_true(cases[i].at < out.len);
        out.p[cases[i].at] = cases[i].byte;
        if (read_batch(buf_bytes(&out)) != ERR_SYNTAX) {
            fail_msg("case %zu", i);
        }
        buf_fini(&out);
    }
}

static ptrdiff_t read_gap(struct bytes in)
{
    struct peer_gap gap;
    return peer_gap_read(in, &gap);
}

static void gaps_come_back_as_they_went(void **state)
{
    static const uint8_t many[PEER_GAP_LEN_MAX] = {1};
    const struct peer_gap gaps[] = {
        {.from = 1},
        {.from = 1, .all = true},
        {.from = UINT64_MAX, .hashes = BYTES("8 bytes.8 bytes.")},
        {.from = 7, .hashes = bytes_of(many, sizeof many)},
        {.from = 7, .fences = BYTES("an origin, count")},
        {.from = 7, .fences = bytes_of(many, PEER_FENCES_LEN_MAX)},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(gaps); i++) {
        struct buf out = {0};
        struct peer_gap back;
        peer_gap_write(&gaps[i], &out);
        assert_int_equal(peer_gap_read(buf_bytes(&out), &back), out.len);
        assert_true(back.from == gaps[i].from);
        assert_true(back.all == gaps[i].all);
        assert_true(bytes_eq(back.hashes, gaps[i].hashes));
        assert_true(bytes_eq(back.fences, gaps[i].fences));
        if (out.len < 100) {
            wire_check_cuts(read_gap, buf_bytes(&out));
            wire_check_changes(read_gap, buf_bytes(&out));
        }
        buf_fini(&out);
    }
}

static void wrong_gaps_are_refused_and_newer_ones_taken(void **state)
{
    static const struct {
        struct bytes in;
        int rc; /* 1: taken whole */
    } cases[] = {
        {BYTES("\x94\1\xc2\xc4\0\xc4\0"), 1},
        {BYTES("\x95\1\xc3\xc4\0\xc4\0\xc0"), 1},
        {BYTES("\x94\0\xc2\xc4\0\xc4\0"), ERR_SYNTAX}, /* number 0 */
        {BYTES("\x93\1\xc2\xc4\0"), ERR_SYNTAX},
        {BYTES("\x94\1\1\xc4\0\xc4\0"), ERR_SYNTAX}, /* 1 is no boolean */
        {BYTES("\x94\1\xc2\xa0"), ERR_SYNTAX},
        {BYTES("\x94\1\xc2\xc4\7"
               "7 bytes\xc4\0"),
         ERR_SYNTAX},
        {BYTES("\x94\1\xc2\xc5\x80\x08"), ERR_SYNTAX}, /* a hash too many */
        {BYTES("\x94\1\xc2\xc4\0\xc4\x08"
               "8 bytes."),
         ERR_SYNTAX},
        {BYTES("\x94\1\xc2\xc4\0\xc5\x40\x10"), ERR_SYNTAX}, /* likewise */
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ptrdiff_t want = cases[i].rc == 1 ? (ptrdiff_t)cases[i].in.len
                                          : cases[i].rc;
        if (read_gap(cases[i].in) != want) {
            fail_msg("case %zu", i);
        }
    }
}

static void the_zero_id_is_known(void **state)
{
    struct node_id id = {{0}};
    (void)state;

    assert_true(node_id_is_zero(&id));
    id.b[15] = 1;
    assert_false(node_id_is_zero(&id));
    id.b[0] = 1;
    assert_true(node_id_u64(&id) == (uint64_t)1 << 56);
}

/* --- records --- */

static void records_come_back_as_they_went(void **state)
{
    static const struct peer_record records[] = {
        {.type = PEER_INTEREST, .hash = UINT64_MAX},
        {.type = PEER_INTEREST, .hash = 0, .removed = true},
        {.type = PEER_PATTERN,
         .hash = 5,
         .dialect = TOPIC_GLOB,
         .cache = BYTES("demo"),
         .pattern = BYTES("a*\xff")},
        {.type = 77, .hash = 6}, /* unknown: kept by hash */
        {.type = PEER_REGISTER,
         .hash = 7,
         .kind = 255,
         .key = BYTES("k\0"),
         .value = BYTES("\xff"),
         .stamp = PEER_TIME_MAX,
         .until_s = PEER_TIME_MAX - 1},
        {.type = PEER_REGISTER, .hash = 8, .kind = 1, .key = BYTES("k")},
        {.type = PEER_REGISTER, .hash = 9, .removed = true},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(records); i++) {
        struct buf out = {0};
        struct peer_record back;
        peer_record_write(&records[i], &out);
        assert_int_equal(peer_record_read(buf_bytes(&out), &back), out.len);
        assert_int_equal(back.type, records[i].type);
        assert_int_equal(back.removed, records[i].removed);
        assert_int_equal(back.dialect, records[i].dialect);
        assert_true(back.hash == records[i].hash);
        assert_true(bytes_eq(back.cache, records[i].cache));
        assert_true(bytes_eq(back.pattern, records[i].pattern));
        assert_int_equal(back.kind, records[i].kind);
        assert_true(bytes_eq(back.key, records[i].key));
        assert_true(bytes_eq(back.value, records[i].value));
        assert_true(back.stamp == records[i].stamp);
        assert_true(back.until_s == records[i].until_s);
        wire_check_cuts(read_record, buf_bytes(&out));
        wire_check_changes(read_record, buf_bytes(&out));
        buf_fini(&out);
    }
}

static void wrong_records_are_refused_and_newer_ones_taken(void **state)
{
    static const struct {
        struct bytes in;
        int rc; /* 1: taken whole */
    } cases[] = {
        {BYTES("\x93\x01\xc2\x05"), 1},
        {BYTES("\x95\x01\xc2\x05\x91\xc0\xa1x"), 1},     /* more fields */
        {BYTES("\x94\x09\xc3\x05\x81\xa1x\xc0"), 1},     /* more types */
        {BYTES("\x92\x01\xc2"), ERR_SYNTAX},             /* fewer fields */
        {BYTES("\x93\x00\xc2\x05"), ERR_SYNTAX},         /* no type */
        {BYTES("\x93\xcd\x01\x00\xc2\x05"), ERR_SYNTAX}, /* type 256 */
        {BYTES("\x93\x01\x01\x05"), ERR_SYNTAX},         /* 1 is no boolean */
        {BYTES("\x93\x01\xc2\xa1x"), ERR_SYNTAX},
        {BYTES("\x93\x02\xc2\x05"), ERR_SYNTAX}, /* a pattern without one */
        {BYTES("\x96\x02\xc2\x05\x01\xa1x\xc4\1y"), 1},
        {BYTES("\x96\x02\xc2\x05\x01\xa1/\xc4\1y"), ERR_NAME},
        {BYTES("\x96\x02\xc2\x05\x01\xa1x\xc4\0"), ERR_NAME},
        {BYTES("\x96\x02\xc2\x05\x01\xa1x\xc4\1\n"), ERR_NAME},
        {BYTES("\x96\x02\xc2\x05\x01\xa1x\xa1y"), ERR_SYNTAX},
        {BYTES("\x96\x02\xc2\x05\x01\xd9\x41"), ERR_SYNTAX},
        {BYTES("\x96\x02\xc2\x05\x01\xa1x\xc5\x02\x01"), ERR_SYNTAX},
        {BYTES("\x93\x03\xc3\x05"), 1}, /* a register that is removed */
        {BYTES("\x93\x03\xc2\x05"), ERR_SYNTAX}, /* one without content */
        {BYTES("\x98\x03\xc2\x05\x01\xc4\1k\xc4\0\x01\x01"), 1},
        {BYTES("\x99\x03\xc2\x05\x01\xc4\1k\xc4\0\x01\x01\xc0"), 1},
        {BYTES("\x98\x03\xc2\x05\x00\xc4\1k\xc4\0\x01\x01"), ERR_SYNTAX},
        {BYTES("\x98\x03\xc2\x05\x01\xc4\0\xc4\0\x01\x01"), ERR_SYNTAX},
        {BYTES("\x98\x03\xc2\x05\x01\xc4\x81"), ERR_SYNTAX}, /* long key */
        {BYTES("\x98\x03\xc2\x05\x01\xc4\1k\xc4\x81"), ERR_SYNTAX},
        {BYTES("\x98\x03\xc2\x05\x01\xc4\1k\xc4\0"
               "\xcf\x00\x20\0\0\0\0\0\1\x01"),
         ERR_SYNTAX}, /* a stamp beyond the last one */
        {BYTES("\x98\x03\xc2\x05\x01\xc4\1k\xc4\0\x01"
               "\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
         ERR_SYNTAX},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ptrdiff_t want = cases[i].rc == 1 ? (ptrdiff_t)cases[i].in.len
                                          : cases[i].rc;
        if (read_record(cases[i].in) != want) {
            fail_msg("case %zu", i);
        }
    }
}

/* --- messages --- */

static const struct peer_message messages[] = {
    {.type = PEER_HELLO,
     .version = 5,
     .digest = UINT64_MAX,
     .heard_epoch = 3,
     .heard_seq = UINT64_MAX,
     .through = UINT64_MAX - 1,
     .hash_key_print = 4,
     .ready = true,
     .draining = true,
     .held = 6,
     .again_ms = PEER_AGAIN_MS_MAX,
     .hello = 7,
     .heard_hello = 8,
     .asks = true,
     .counts = true,
     .counted_sum = UINT64_MAX,
     .known_sum = 9,
     .lacks = PEER_MEMBERS_MAX,
     .members = BYTES("0123456789abcdef0123456789abcdef")},
    {.type = PEER_HELLO},
    {.type = PEER_DELTA,
     .version = 9,
     .digest = 8,
     .from = 7,
     .records_len = 2,
     .records = BYTES("\x93\x01\xc2\x05\x93\x01\xc2\x06")},
    {.type = PEER_SNAPSHOT,
     .version = 9,
     .digest = 8,
     .part = 1,
     .parts = 2,
     .records_len = 1,
     .records = BYTES("\x93\x01\xc2\x05")},
    {.type = PEER_PULL, .version = 1, .part = 3},
    {.type = PEER_HAVE, .version = UINT64_MAX},
    {.type = PEER_BYE},
    {.type = PEER_HELLO,
     .host = {.id = UINT64_MAX, .worker = 63, .workers = PEER_WORKERS_MAX}},
    {.type = PEER_HELLO, .host = {.id = 1, .worker = 0, .workers = 2}},
    {.type = PEER_ASK,
     .number = UINT64_MAX,
     .page = (uint64_t)1 << 52,
     .seq = 7,
     .first = true,
     .cache = BYTES("demo"),
     .topic = BYTES("chat")},
    {.type = PEER_ANSWER, .number = 1, .seq = 7},
    {.type = PEER_ANSWER,
     .number = 1,
     .seq = 7,
     .known = true,
     .newest = 9,
     .records_len = 2,
     .records = BYTES("two items"),
     .seen = BYTES("one whole number")},
    {.type = PEER_CALL, .number = UINT64_MAX, .kind = 255},
    {.type = PEER_CALL, .number = 1, .kind = 2, .body = BYTES("what\xff")},
    {.type = PEER_REPLY, .number = 1, .kind = 2, .body = BYTES("this")},
    {.type = PEER_REPLY, .number = 3, .kind = 2, .status = PEER_REPLY_FAILED},
};

static void messages_come_back_as_they_went(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        const struct peer_message *m = &messages[i];
        struct buf out = {0};
        struct peer_message back;
        peer_message_write(m, &out);
        assert_int_equal(peer_message_read(buf_bytes(&out), &back), out.len);
        assert_int_equal(back.type, m->type);
        assert_true(back.version == m->version && back.digest == m->digest);
        assert_true(back.heard_epoch == m->heard_epoch);
        assert_true(back.hash_key_print == m->hash_key_print);
        assert_true(back.ready == m->ready && back.draining == m->draining);
        assert_true(back.held == m->held && back.again_ms == m->again_ms);
        assert_true(back.hello == m->hello);
        assert_true(back.heard_hello == m->heard_hello);
        assert_true(back.asks == m->asks && back.counts == m->counts);
        assert_true(back.counted_sum == m->counted_sum &&
                    back.known_sum == m->known_sum);
        assert_true(back.heard_seq == m->heard_seq);
        assert_true(back.through == m->through);
        assert_int_equal(back.lacks, m->lacks);
        assert_true(back.from == m->from && back.part == m->part);
        assert_true(back.parts == m->parts);
        assert_true(back.records_len == m->records_len);
        assert_true(bytes_eq(back.records, m->records));
        assert_true(bytes_eq(back.members, m->members));
        assert_true(back.number == m->number && back.seq == m->seq);
        assert_true(back.page == m->page && back.first == m->first);
        assert_true(bytes_eq(back.cache, m->cache));
        assert_true(bytes_eq(back.topic, m->topic));
        assert_true(back.known == m->known && back.newest == m->newest);
        assert_true(bytes_eq(back.seen, m->seen));
        assert_true(back.kind == m->kind && back.status == m->status);
        assert_true(bytes_eq(back.body, m->body));
        assert_true(back.host.id == m->host.id);
        assert_int_equal(back.host.worker, m->host.worker);
        assert_int_equal(back.host.workers, m->host.workers);
        wire_check_cuts(read_message, buf_bytes(&out));
        wire_check_changes(read_message, buf_bytes(&out));
        buf_fini(&out);
    }
}

/* From `ready` to `members`, and `again_ms`. */
#define HELLO(middle, again) \
    BYTES("\xdc\0\x13\x01\1\1\1\1\1\1" middle "\1" again "\1\1\xc2\xc2\1\1\1")

/* The same, with one more element. */
#define HOSTED(host)                                                     \
    BYTES("\xdc\0\x14\x01\1\1\1\1\1\1\xc2\xc2\xc4\0\1\1\1\1\xc2\xc2\1\1" \
          "\1" host)

static void wrong_messages_are_refused_and_unknown_ones_skipped(void **state)
{
    static const struct {
        struct bytes in;
        int rc; /* 1: taken whole */
    } cases[] = {
        {BYTES("\x91\x07"), 1},                  /* bye */
        {BYTES("\x92\x07\xc0"), 1},              /* of a newer node */
        {BYTES("\x92\x06\xc4\0"), 1},            /* of a type that is no more */
        {BYTES("\x93\x20\xa1x\x91\x91\x01"), 1}, /* of an unknown type */
        {BYTES("\x90"), ERR_SYNTAX},
        {BYTES("\x91\x00"), ERR_SYNTAX},
        {BYTES("\x92\xcd\x01\x00\x01"), ERR_SYNTAX}, /* type 256 */
        {BYTES("\x91\x05"), ERR_SYNTAX},             /* have nothing */
        {BYTES("\x92\x05\xc0"), ERR_SYNTAX},
        /* hello: members that are no whole ids; ready that is a number; too
         * many members; again too late; too short */
        {HELLO("\xc2\xc2\xc4\0", "\1"), 1},
        {HELLO("\xc2\xc2\xc4\1x", "\1"), ERR_SYNTAX},
        {HELLO("\1\xc2\xc4\0", "\1"), ERR_SYNTAX},
        {HELLO("\xc2\xc2\xc5\x40\x01", "\1"), ERR_SYNTAX},
        {HELLO("\xc2\xc2\xc4\0", "\xcd\xea\x61"), ERR_SYNTAX},
        {BYTES("\xdc\0\x12\x01\1\1\1\1\1\1\xc2\xc2\xc4\0\1\1\1\1\xc2\xc2\1\1"),
         ERR_SYNTAX},
        /* a process: nothing; of one, of two; cut, no bytes; a worker beyond
         * the last; too many */
        {HOSTED("\xc4\0"), 1},
        {HOSTED("\xc4\x0a\1\2\3\4\5\6\7\10\0\1"), 1},
        {HOSTED("\xc4\x0a\1\2\3\4\5\6\7\10\1\2"), 1},
        {HOSTED("\xc4\x09\1\2\3\4\5\6\7\10\1"), ERR_SYNTAX},
        {HOSTED("\xc0"), ERR_SYNTAX},
        {HOSTED("\xc4\x0a\1\2\3\4\5\6\7\10\2\2"), ERR_SYNTAX},
        {HOSTED("\xc4\x0a\1\2\3\4\5\6\7\10\1\x41"), ERR_SYNTAX},
        /* delta: from a later version; too many records; too long */
        {BYTES("\x96\x02\5\1\6\0\xc4\0"), ERR_SYNTAX},
        {BYTES("\x96\x02\5\1\4\xcd\x10\x01\xc4\0"), ERR_SYNTAX},
        {BYTES("\x96\x02\5\1\4\0\xc6\x7f\xff\xff\xff"), ERR_SYNTAX},
        {BYTES("\x96\x02\5\1\4\0\xc4\0"), 1},
        /* snapshot: part 2 of 2; part above 32 bits */
        {BYTES("\x97\x03\5\1\2\2\0\xc4\0"), ERR_SYNTAX},
        {BYTES("\x97\x03\5\1\1\2\0\xc4\0"), 1},
        {BYTES("\x97\x03\5\1\xcf\0\0\0\1\0\0\0\0\2\0\xc4\0"), ERR_SYNTAX},
        {BYTES("\x93\x04\5\xc2"), ERR_SYNTAX}, /* pull */
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ptrdiff_t want = cases[i].rc == 1 ? (ptrdiff_t)cases[i].in.len
                                          : cases[i].rc;
        if (read_message(cases[i].in) != want) {
            fail_msg("case %zu", i);
        }
    }
}

static void wrong_questions_and_answers_are_refused(void **state)
{
    static const struct {
        struct bytes in;
        int rc; /* 1: taken whole */
    } cases[] = {
        /* ask: names that no door takes; first that is a number; too few */
        {BYTES("\x97\x08\1\2\3\xc3\xa1"
               "c\xa1t"),
         1},
        {BYTES("\x97\x08\1\2\3\xc3\xa1/\xa1t"), ERR_NAME},
        {BYTES("\x97\x08\1\2\3\xc3\xa1"
               "c\xa1\n"),
         ERR_NAME},
        {BYTES("\x97\x08\1\2\3\xc3\xa1"
               "c\xa0"),
         ERR_NAME},
        {BYTES("\x97\x08\1\2\3\1\xa1"
               "c\xa1t"),
         ERR_SYNTAX},
        {BYTES("\x97\x08\1\2\xc0"), ERR_SYNTAX},
        {BYTES("\x97\x08\1\2\3\xc3\xd9\x41"), ERR_SYNTAX},
        {BYTES("\x97\x08\1\2\3\xc3\xa1"
               "c\xda\x02\x01"),
         ERR_SYNTAX},
        {BYTES("\x96\x08\1\2\3\xc3\xa1"
               "c"),
         ERR_SYNTAX},
        /* answer: half a number; too many items; too long; known a number */
        {BYTES("\x98\x09\1\2\xc3\3\0\xc4\0\xc4\0"), 1},
        {BYTES("\x99\x09\1\2\xc3\3\0\xc4\0\xc4\0\xc0"), 1},
        {BYTES("\x98\x09\1\2\xc3\3\0\xc4\0\xc4\x08"
               "8 bytes."),
         ERR_SYNTAX},
        {BYTES("\x98\x09\1\2\xc3\3\xcd\x10\x01\xc4\0\xc4\0"), ERR_SYNTAX},
        {BYTES("\x98\x09\1\2\xc3\3\0\xc6\x7f\xff\xff\xff"), ERR_SYNTAX},
        {BYTES("\x98\x09\1\2\xc3\3\0\xc4\0\xc5\x40\x01"), ERR_SYNTAX},
        {BYTES("\x98\x09\1\2\1\3\0\xc4\0\xc4\0"), ERR_SYNTAX},
        {BYTES("\x97\x09\1\2\xc3\3\0\xc4\0"), ERR_SYNTAX},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ptrdiff_t want = cases[i].rc == 1 ? (ptrdiff_t)cases[i].in.len
                                          : cases[i].rc;
        if (read_message(cases[i].in) != want) {
            fail_msg("case %zu", i);
        }
    }
}

static void wrong_calls_and_replies_are_refused(void **state)
{
    static const struct {
        struct bytes in;
        int rc; /* 1: taken whole */
    } cases[] = {
        /* call: kind 256; a body that is text; too long; too few */
        {BYTES("\x94\x0a\1\2\xc4\0"), 1},
        {BYTES("\x95\x0a\1\2\xc4\0\xc0"), 1}, /* of a newer node */
        {BYTES("\x94\x0a\1\xcd\x01\x00\xc4\0"), ERR_SYNTAX},
        {BYTES("\x94\x0a\1\2\xa1x"), ERR_SYNTAX},
        {BYTES("\x94\x0a\1\2\xc6\0\4\0\1"), ERR_SYNTAX},
        {BYTES("\x93\x0a\1\2"), ERR_SYNTAX},
        {BYTES("\x94\x0a\xc0\2\xc4\0"), ERR_SYNTAX},
        /* reply: any status of one byte; as above */
        {BYTES("\x95\x0b\1\2\0\xc4\0"), 1},
        {BYTES("\x95\x0b\1\2\xcc\xff\xc4\0"), 1},
        {BYTES("\x95\x0b\1\2\xcd\x01\x00\xc4\0"), ERR_SYNTAX},
        {BYTES("\x95\x0b\1\2\xc3\xc4\0"), ERR_SYNTAX},
        {BYTES("\x95\x0b\1\2\0\xc6\0\4\0\1"), ERR_SYNTAX},
        {BYTES("\x94\x0b\1\2\0"), ERR_SYNTAX},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ptrdiff_t want = cases[i].rc == 1 ? (ptrdiff_t)cases[i].in.len
                                          : cases[i].rc;
        if (read_message(cases[i].in) != want) {
            fail_msg("case %zu", i);
        }
    }
}

/* A hundred thousand arrays inside each other, and one that declares four
 * thousand million elements: no recursion, nothing allocated, and no time. */
static void hostile_depth_and_length_do_no_harm(void **state)
{
    struct buf deep = {0};
    (void)state;

    buf_add_bytes(&deep, BYTES("\x92\x20"));
    for (int i = 0; i < 100000; i++) {
        buf_add_u8(&deep, 0x91);
    }
    assert_int_equal(read_message(buf_bytes(&deep)), 0);
    buf_add_u8(&deep, 0xc0);
    assert_int_equal(read_message(buf_bytes(&deep)), deep.len);
    assert_int_equal(read_message(BYTES("\xdd\xff\xff\xff\xff\x20")), 0);
    assert_int_equal(read_message(BYTES("\xdd\xff\xff\xff\xff\x20\xc1")),
                     ERR_SYNTAX);
    assert_int_equal(read_message(BYTES("\x92\x20\xdf\xff\xff\xff\xff")), 0);
    buf_fini(&deep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_header_comes_back_as_it_went),
        cmocka_unit_test(another_version_is_named),
        cmocka_unit_test(each_wrong_header_field_is_refused),
        cmocka_unit_test(gaps_come_back_as_they_went),
        cmocka_unit_test(wrong_gaps_are_refused_and_newer_ones_taken),
        cmocka_unit_test(the_zero_id_is_known),
        cmocka_unit_test(records_come_back_as_they_went),
        cmocka_unit_test(wrong_records_are_refused_and_newer_ones_taken),
        cmocka_unit_test(messages_come_back_as_they_went),
        cmocka_unit_test(wrong_messages_are_refused_and_unknown_ones_skipped),
        cmocka_unit_test(wrong_questions_and_answers_are_refused),
        cmocka_unit_test(wrong_calls_and_replies_are_refused),
        cmocka_unit_test(hostile_depth_and_length_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

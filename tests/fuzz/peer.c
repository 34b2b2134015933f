/* SPDX-License-Identifier: Apache-2.0
 *
 * What is inside a link's envelope: the head of a batch, control messages and
 * records. What is read, written anew, is read as the same.
 */
#include "tests/fuzz/fuzz.h"

#include "proto/census.h"
#include "proto/peer.h"

static ptrdiff_t read_batch(struct bytes in)
{
    struct peer_batch batch;
    struct buf first = {0};
    struct buf second = {0};
    ptrdiff_t taken = peer_batch_read(in, &batch);

    if (taken > 0) {
        assert(batch.lane < PEER_LANES);
        peer_batch_write(&batch, &first);
        assert(first.len <= PEER_HEADER_LEN_MAX);
        assert(peer_batch_read(buf_bytes(&first), &batch) ==
               (ptrdiff_t)first.len);
        peer_batch_write(&batch, &second);
        assert(bytes_eq(buf_bytes(&first), buf_bytes(&second)));
    }
    buf_fini(&first);
    buf_fini(&second);
    return taken;
}

static ptrdiff_t read_gap(struct bytes in)
{
    struct peer_gap gap;
    struct buf first = {0};
    struct buf second = {0};
    ptrdiff_t taken = peer_gap_read(in, &gap);

    if (taken > 0) {
        assert(fuzz_inside(gap.hashes, in));
        assert(gap.from > 0 && gap.hashes.len <= PEER_GAP_LEN_MAX);
        peer_gap_write(&gap, &first);
        assert(peer_gap_read(buf_bytes(&first), &gap) == (ptrdiff_t)first.len);
        peer_gap_write(&gap, &second);
        assert(bytes_eq(buf_bytes(&first), buf_bytes(&second)));
    }
    buf_fini(&first);
    buf_fini(&second);
    return taken;
}

static ptrdiff_t read_record(struct bytes in)
{
    struct peer_record record;
    struct buf first = {0};
    struct buf second = {0};
    ptrdiff_t taken = peer_record_read(in, &record);

    if (taken > 0) {
        assert(fuzz_inside(record.cache, in));
        assert(fuzz_inside(record.pattern, in));
        assert(fuzz_inside(record.key, in));
        assert(fuzz_inside(record.value, in));
        peer_record_write(&record, &first);
        assert(peer_record_read(buf_bytes(&first), &record) ==
               (ptrdiff_t)first.len);
        peer_record_write(&record, &second);
        assert(bytes_eq(buf_bytes(&first), buf_bytes(&second)));
    }
    buf_fini(&first);
    buf_fini(&second);
    return taken;
}

static bool is_known(const struct peer_message *message)
{
    return message->type >= PEER_HELLO && message->type <= PEER_REPLY &&
           message->type != 6; /* of none any more */
}

static ptrdiff_t read_message(struct bytes in)
{
    struct peer_message message = {0};
    struct buf first = {0};
    struct buf second = {0};
    ptrdiff_t taken = peer_message_read(in, &message);

    if (taken > 0 && is_known(&message)) {
        assert(fuzz_inside(message.records, in));
        assert(fuzz_inside(message.members, in));
        assert(fuzz_inside(message.body, in));
        assert(message.members.len <= PEER_MEMBERS_LEN_MAX);
        assert(message.body.len <= PEER_BODY_LEN_MAX);
        peer_message_write(&message, &first);
        message = (struct peer_message){0};
        assert(peer_message_read(buf_bytes(&first), &message) ==
               (ptrdiff_t)first.len);
        peer_message_write(&message, &second);
        assert(bytes_eq(buf_bytes(&first), buf_bytes(&second)));
    }
    buf_fini(&first);
    buf_fini(&second);
    return taken;
}

static void read_records(struct bytes records)
{
    struct peer_record record;
    ptrdiff_t taken;

    while ((taken = fuzz_check_cuts(read_record, records)) > 0) {
        assert(peer_record_read(records, &record) == taken);
        records = bytes_skip(records, (size_t)taken);
    }
}

/* As a question, and as each kind of answer. */
static void read_census(struct bytes body)
{
    struct mp topics = mp_of(body);
    struct mp numbers = topics;
    struct census census;
    struct bytes name;
    uint64_t number;

    if (census_read(body, &census) == 0) {
        while (census_name(&census, &name)) {
            assert(fuzz_inside(name, body));
        }
    }
    while (census_next_topic(&topics, &name)) {
        assert(fuzz_inside(name, body));
    }
    while (census_next_number(&numbers, &number)) {
    }
}

static void read_messages(struct bytes body)
{
    ptrdiff_t taken;

    while ((taken = fuzz_check_cuts(read_message, body)) > 0) {
        struct peer_message message = {0};
        assert(peer_message_read(body, &message) == taken);
        read_records(message.records);
        read_census(message.body);
        body = bytes_skip(body, (size_t)taken);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes in = bytes_of(data, len);
    ptrdiff_t head = fuzz_check_cuts(read_batch, in);

    read_messages(in);
    read_records(in);
    (void)fuzz_check_cuts(read_gap, in);
    if (head > 0) {
        read_messages(bytes_skip(in, (size_t)head));
        (void)fuzz_check_cuts(read_gap, bytes_skip(in, (size_t)head));
    }
    return 0;
}

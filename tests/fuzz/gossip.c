/* SPDX-License-Identifier: Apache-2.0
 *
 * Gossip packets and their records. What is read, written anew, is read as the
 * same, within the lengths that packets are planned with.
 */
#include "tests/fuzz/fuzz.h"

#include "proto/err.h"
#include "proto/gossip.h"

static void check_node(const struct peer_node *node, struct bytes in)
{
    assert(gossip_node_is_valid(node));
    assert(fuzz_inside(node->name, in) && fuzz_inside(node->region, in));
    assert(fuzz_inside(node->endpoint, in) && fuzz_inside(node->version, in));
}

static void check_record(const struct gossip_record *record)
{
    struct gossip_record again;
    struct buf first = {0};
    struct buf second = {0};

    gossip_record_write(record, &first);
    assert(first.len <= GOSSIP_RECORD_LEN_MAX);
    struct bytes left = buf_bytes(&first);
    assert(gossip_record_read(&left, &again) == 1 && left.len == 0);
    gossip_record_write(&again, &second);
    assert(bytes_eq(buf_bytes(&first), buf_bytes(&second)));
    buf_fini(&first);
    buf_fini(&second);
}

static void read_records(struct bytes records)
{
    struct gossip_record record;
    struct bytes left = records;
    int rc;

    while ((rc = gossip_record_read(&left, &record)) == 1) {
        assert(fuzz_inside(left, records) && left.len < records.len);
        assert(record.incarnation <= GOSSIP_INCARNATION_MAX);
        if (record.whole) {
            assert(record.state == GOSSIP_ALIVE);
            check_node(&record.node, records);
        }
        check_record(&record);
        records = left;
    }
    assert(rc == ERR_SYNTAX || (rc == 0 && left.len == 0));
}

static void check_packet(const struct gossip_packet *packet)
{
    struct gossip_packet again;
    struct buf first = {0};
    struct buf second = {0};

    gossip_packet_write(packet, &first);
    assert(packet->type == GOSSIP_JOIN || first.len <= GOSSIP_HEAD_LEN_MAX);
    assert(gossip_packet_read(buf_bytes(&first), &again) == 0);
    assert(again.records.len == 0);
    gossip_packet_write(&again, &second);
    assert(bytes_eq(buf_bytes(&first), buf_bytes(&second)));
    buf_fini(&first);
    buf_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes in = bytes_of(data, len);
    struct gossip_packet packet;
    int rc = gossip_packet_read(in, &packet);

    assert(rc == 0 || rc == ERR_SYNTAX || rc == ERR_VERSION);
    if (rc == 0) {
        assert(fuzz_inside(packet.records, in));
        if (packet.type == GOSSIP_JOIN) {
            check_node(&packet.node, in);
        }
        check_packet(&packet);
        read_records(packet.records);
    }
    read_records(in);
    return 0;
}

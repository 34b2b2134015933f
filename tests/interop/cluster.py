# SPDX-License-Identifier: Apache-2.0
#
# cluster.py PORT OTHER CHANNEL: redis-py's client of a cluster reads on one
# node what it publishes on another one, by channel and by pattern.
import sys
import time

from redis.cluster import RedisCluster

DEADLINE_S = 20
port, other = int(sys.argv[1]), int(sys.argv[2])
channel = sys.argv[3]


def until(what, ask):
    end = time.monotonic() + DEADLINE_S
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < end, what


def heard(reader):
    """The next item that it hears, if one comes soon."""
    item = reader.get_message(timeout=0.05)
    return item if item and item["type"].endswith("message") else None


def hears_all(reader, writer, kind):
    warm = until(f"{kind} warm", lambda: writer.publish(channel, "warm") * 0 or heard(reader))
    assert warm["type"] == kind
    for n in range(100):
        writer.publish(channel, n)
    got = []
    while len(got) < 100:
        item = until(f"{kind} {len(got)}", lambda: heard(reader))
        if item["data"] != b"warm":
            got.append(int(item["data"]))
    assert got == list(range(100)), got


here = RedisCluster(host="127.0.0.1", port=port)
there = RedisCluster(host="127.0.0.1", port=other)
assert [node.port for node in here.get_nodes()] == [port]

reader = here.pubsub()
reader.subscribe(channel)
hears_all(reader, there, "message")
assert dict(here.pubsub_numsub(channel))[channel.encode()] == 1
assert dict(there.pubsub_numsub(channel))[channel.encode()] == 1
reader.unsubscribe(channel)
until("unsubscribed", lambda: dict(there.pubsub_numsub(channel))[channel.encode()] == 0)
reader.close()

reader = here.pubsub()
reader.psubscribe(channel[:-1] + "*")
hears_all(reader, there, "pmessage")
assert there.pubsub_numpat() >= 1
reader.close()

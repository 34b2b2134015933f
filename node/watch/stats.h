/* SPDX-License-Identifier: Apache-2.0
 *
 * The numbers of a node: one table that feeds /metrics, the console, `starling
 * top` and docs/OPERATIONS.md. Counters only grow; gauges are set. Written on
 * the loop thread only. No label names a topic or a client.
 *
 * What is refused on the cluster's ports is counted by reason: the metrics
 * starling_gossip_refused_total and starling_link_refused_total.
 */
#ifndef NODE_STATS_H
#define NODE_STATS_H

#include <stdint.h>

#include "proto/bytes.h"

/* X(field, kind, metric name, help). kind: counter, gauge, or gauge_ms, which
 * is kept in milliseconds and shown in seconds. */
#define STATS_TABLE(X)                                                         \
    X(conns, gauge, "starling_connections", "Open client connections")         \
    X(conns_opened, counter, "starling_connections_opened_total",              \
      "Client connections accepted")                                           \
    X(accept_pauses, counter, "starling_accept_pauses_total",                  \
      "Times that accepting paused for want of files or memory")               \
    X(conns_refused, counter, "starling_connections_refused_total",            \
      "Client connections closed at accept by a limit")                        \
    X(tls_conns, gauge, "starling_tls_connections",                            \
      "Of them, those that speak TLS")                                         \
    X(tls_handshakes, counter, "starling_tls_handshakes_total",                \
      "TLS handshakes that were finished")                                     \
    X(tls_failed, counter, "starling_tls_handshakes_failed_total",             \
      "TLS handshakes that ended before")                                      \
    X(tls_until_s, gauge, "starling_tls_cert_expiry_timestamp_seconds",        \
      "When the certificate ends, in seconds of 1970; 0: none")                \
    X(h2_conns, gauge, "starling_http2_connections",                           \
      "Of them, those that speak HTTP/2")                                      \
    X(streams, gauge, "starling_http2_streams", "Open streams of HTTP/2")      \
    X(streams_opened, counter, "starling_http2_streams_opened_total",          \
      "Streams of HTTP/2 taken")                                               \
    X(streams_refused, counter, "starling_http2_streams_refused_total",        \
      "Streams of HTTP/2 refused by a limit")                                  \
    X(streams_cut, counter, "starling_http2_streams_cut_total",                \
      "Streams of HTTP/2 that their client cancelled")                         \
    X(h2_floods, counter, "starling_http2_floods_total",                       \
      "Connections of HTTP/2 ended because they kept us busy for nothing")     \
    X(h2_errors, counter, "starling_http2_errors_total",                       \
      "Connections of HTTP/2 ended because they broke the protocol")           \
    X(hello_timeouts, counter, "starling_hello_timeouts_total",                \
      "Connections closed before they said who they are")                      \
    X(bytes_in, counter, "starling_bytes_received_total",                      \
      "Bytes read from clients")                                               \
    X(bytes_out, counter, "starling_bytes_sent_total",                         \
      "Bytes written to clients")                                              \
    X(published, counter, "starling_messages_published_total",                 \
      "Items accepted from clients")                                           \
    X(delivered, counter, "starling_messages_delivered_total",                 \
      "Items put into client output")                                          \
    X(dropped_slow, counter, "starling_messages_dropped_slow_total",           \
      "Items not delivered because the reader was slow")                       \
    X(slow_clients, counter, "starling_slow_consumers_total",                  \
      "Times a client was found too slow")                                     \
    X(gaps, counter, "starling_gaps_total",                                    \
      "Discontinuities put into client streams")                               \
    X(gaps_untold, counter, "starling_gaps_untold_total",                      \
      "Discontinuities that the protocol cannot carry")                        \
    X(refused, counter, "starling_requests_refused_total",                     \
      "Client requests answered with an error")                                \
    X(denied, counter, "starling_denied_total", "Refused for want of a right") \
    X(auth_failures, counter, "starling_auth_failures_total",                  \
      "Missing, wrong, expired or revoked credentials")                        \
    X(kicked, counter, "starling_clients_kicked_total",                        \
      "Clients closed by an operator")                                         \
    X(revocations, counter, "starling_token_revocations_total",                \
      "Revocations of tokens that this node learned of")                       \
    X(tokens_minted, counter, "starling_tokens_minted_total",                  \
      "Tokens signed by this node")                                            \
    X(resumed, counter, "starling_resumed_total",                              \
      "Subscriptions continued without loss")                                  \
    X(topics, gauge, "starling_topics", "Topics with a subscription here")     \
    X(subs, gauge, "starling_subscriptions", "Subscriptions here")             \
    X(output_len, gauge, "starling_output_queue_bytes",                        \
      "Bytes of chunks that wait for clients")                                 \
    X(memory_limit, gauge, "starling_memory_limit_bytes",                      \
      "What output and rings may take together")                               \
    X(ring_len, gauge, "starling_ring_bytes", "Bytes kept for resume")         \
    X(peers, gauge, "starling_peers", "Living peers")                          \
    X(links, gauge, "starling_links_up", "Links up in both directions")        \
    X(link_items_out, counter, "starling_link_items_sent_total",               \
      "Items sent to peers")                                                   \
    X(link_items_in, counter, "starling_link_items_received_total",            \
      "Items received from peers")                                             \
    X(link_bytes_out, counter, "starling_link_bytes_sent_total",               \
      "Bytes of batches sent to peers")                                        \
    X(link_bytes_in, counter, "starling_link_bytes_received_total",            \
      "Bytes of batches received from peers")                                  \
    X(link_dropped, counter, "starling_link_items_dropped_total",              \
      "Items dropped in a full or old link queue")                             \
    X(slow_links, counter, "starling_slow_links_total",                        \
      "Times that the queue to a peer was full or too old")                    \
    X(link_late, counter, "starling_link_items_late_total",                    \
      "Items that came another way behind later ones, told to be missing")     \
    X(link_holes, counter, "starling_link_holes_total",                        \
      "Holes found in the batches of a peer")                                  \
    X(link_gaps, counter, "starling_link_gaps_total",                          \
      "Gap records received from peers")                                       \
    X(link_redialled, counter, "starling_link_redialled_total",                \
      "Links cut and dialled anew because they stood still")                   \
    X(gossip_in, counter, "starling_gossip_packets_received_total",            \
      "Gossip packets accepted")                                               \
    X(gossip_out, counter, "starling_gossip_packets_sent_total",               \
      "Gossip packets sent")                                                   \
    X(calls_unanswered, counter, "starling_calls_unanswered_total",            \
      "Peers that did not answer a question of this node")                     \
    X(barrier_partial, counter, "starling_barrier_partial_total",              \
      "Subscribes acknowledged before all peers confirmed")                    \
    X(registers_dropped, counter, "starling_registers_dropped_total",          \
      "Caches and revocations dropped for want of room")                       \
    X(ready, gauge, "starling_ready", "1 when this node takes publishes")      \
    X(reload_ok, gauge, "starling_config_reload_success",                      \
      "1 unless the last new configuration was refused")                       \
    X(reload_s, gauge, "starling_config_reload_timestamp_seconds",             \
      "When one was last read, in seconds of 1970")                            \
    X(loop_lag_ms, gauge_ms, "starling_loop_lag_seconds",                      \
      "Longest recent turn of the event loop")

/* X(field, reason, what it means) */
#define STATS_GOSSIP_REFUSED(X)                                               \
    X(gossip_foreign, "foreign", "from another host, to a node without keys") \
    X(gossip_flood, "flood", "came faster than they are opened")              \
    X(gossip_oversized, "oversized", "longer than any packet of ours")        \
    X(gossip_garbage, "garbage", "is no envelope")                            \
    X(gossip_forged, "forged", "no key of ours opens it for this node")       \
    X(gossip_replayed, "replayed", "was heard before, or is too old to know") \
    X(gossip_malformed, "malformed", "opened, and makes no sense")            \
    X(gossip_version, "version", "of another version of the protocol")        \
    X(gossip_unknown, "unknown", "of a node that is no member")               \
    X(gossip_join, "join", "a join: another hash key, or no room")

#define STATS_LINK_REFUSED(X)                                              \
    X(link_crowded, "crowded", "one connection too many of an address")    \
    X(link_greeting, "greeting", "a connection that is no pusher")         \
    X(link_oversized, "oversized", "announces a frame too long, or empty") \
    X(link_truncated, "truncated", "a stranger ended within a frame")      \
    X(link_silent, "silent", "a stranger who said nothing for too long")   \
    X(link_garbage, "garbage", "is no envelope")                           \
    X(link_forged, "forged", "no key of ours opens it for this node")      \
    X(link_replayed, "replayed", "was heard before")                       \
    X(link_malformed, "malformed", "opened, and makes no sense")           \
    X(link_control, "control", "control messages that make no sense")      \
    X(link_version, "version", "of another version of the protocol")       \
    X(link_unknown, "unknown", "of a node that is no member")              \
    X(link_stale, "stale", "of an older life of the link, or of before a pause")

/* X(name): the doors that clients stay behind; "http" is all others that answer
 * requests. */
#define STATS_DOORS_TABLE(X) \
    X(http)                  \
    X(native)                \
    X(resp)                  \
    X(sse)                   \
    X(poll)                  \
    X(grpc)

enum stats_door {
#define X(name) STATS_DOOR_##name,
    STATS_DOORS_TABLE(X)
#undef X
    STATS_DOORS
};

struct stats {
#define X(field, kind, metric, help) uint64_t field;
    STATS_TABLE(X)
#undef X
#define X(field, reason, meaning) uint64_t field;
    STATS_GOSSIP_REFUSED(X)
    STATS_LINK_REFUSED(X)
#undef X
    uint64_t doors[STATS_DOORS]; /* clients now, by enum stats_door */
};

/* "native" */
const char *stats_door(size_t door);

/* Adds the numbers of another node: those of two workers of a process. Lag,
 * peers and the time of the last reload are the greater ones; its success,
 * links, ready and the end of the certificate the lesser ones. */
void stats_add(struct stats *sum, const struct stats *one);

/* How much each number has grown since; what has not grown is 0. */
void stats_since(struct stats *grown, const struct stats *now,
                 const struct stats *before);

/* Appends milliseconds as seconds: "1.250". */
void stats_add_ms(struct buf *out, uint64_t ms);

/* Appends the Prometheus text exposition (format 0.0.4) of the table. */
void stats_write(const struct stats *stats, struct buf *out);

#endif

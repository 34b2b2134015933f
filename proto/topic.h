/* SPDX-License-Identifier: Apache-2.0
 *
 * Names: the one validator of caches, topics and text, and the matchers of
 * patterns. Every door and every node link uses these and no others, so that
 * no name that one door refuses enters by another.
 *
 * Cache   1..64 bytes of A-Z a-z 0-9 . _ -
 * Topic   1..512 bytes of valid UTF-8 (RFC 3629: no overlong form, no
 *         surrogate) without control characters (C0, DEL, C1), byte order mark
 *         (U+FEFF) and characters that reorder text on a screen (U+202A..202E,
 *         U+2066..2069). Compared as bytes, never normalised.
 */
#ifndef PROTO_TOPIC_H
#define PROTO_TOPIC_H

#include <stdbool.h>

#include "proto/bytes.h"

enum {
    CACHE_LEN_MAX = 64,
    TOPIC_LEN_MAX = 512,
    PATTERN_LEN_MAX = 512
};

/* What a pattern's bytes mean. The number travels between nodes. */
enum topic_dialect {
    TOPIC_EXACT = 0,
    TOPIC_GLOB = 1,     /* Redis: * ? [a-z] [^x] and backslash */
    TOPIC_FILTER = 2,   /* MQTT: + and # (not yet matched) */
    TOPIC_TEMPLATE = 3, /* RFC 6570 as Mercure uses it (not yet matched) */
};

bool topic_cache_is_valid(struct bytes cache);
/* "_sys": what the cluster says of itself (node/watch/watch.h). */
bool topic_cache_is_system(struct bytes cache);
bool topic_is_valid(struct bytes topic);

/* As a topic, but any bytes without control characters: it need not be text
 * (a glob may cut a character in two). */
bool topic_pattern_is_valid(struct bytes pattern);

bool topic_text_is_valid(struct bytes text); /* UTF-8, RFC 3629; "" is valid */

/* Redis' stringmatchlen() without recursion: time is at most
 * pattern.len * topic.len (ADVERSARIAL C4). An unclosed [ matches as Redis
 * does: up to the end of the pattern. */
bool topic_glob_match(struct bytes pattern, struct bytes topic);

/* Matches by dialect; false for a dialect this version cannot match. */
bool topic_match(enum topic_dialect dialect, struct bytes pattern,
                 struct bytes topic);
/* Whether this version can match the dialect of that number. */
bool topic_can_match(uint8_t dialect);

#endif

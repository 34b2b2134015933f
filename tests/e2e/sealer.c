/* SPDX-License-Identifier: Apache-2.0
 *
 * e2e_sealer KEYS CLUSTER: the envelope for tests that forge what nodes say
 * (tests/e2e/hostile_cluster.test.mjs). One request a line on standard input,
 * one answer a line; bytes are hexadecimal digits.
 *
 *   print                            fingerprint of the hash key, decimal
 *   seal KIND DST NONCE PLAIN        the envelope; KIND 1 gossip, 2 link
 *   open KIND DST SEALED             what is inside, or "refused"
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/config/keyfile.h"

enum {
    WORDS = 5,
    BYTES_MAX = 2 << 20,
};

/* Appends what the digits say; anything else ends the program. */
static struct bytes unhex(const char *digits, struct buf *out)
{
    size_t from = out->len;
    size_t len = strlen(digits);

    for (size_t i = 0; i + 1 < len; i += 2) {
        char two[3] = {digits[i], digits[i + 1]};
        char *end;
        buf_add_u8(out, (uint8_t)strtoul(two, &end, 16));
        if (*end != '\0') {
            exit(2);
        }
    }
    return bytes_of(out->p + from, out->len - from);
}

static void say(struct bytes bytes)
{
    struct buf line = {.max = 2 * BYTES_MAX};

    buf_add_hex(&line, bytes.p, bytes.len);
    printf("%.*s\n", (int)line.len, (const char *)line.p);
    buf_fini(&line);
}

static void fixed(const char *digits, uint8_t *to, size_t len)
{
    struct buf out = {0};
    struct bytes bytes = unhex(digits, &out);

    if (bytes.len != len) {
        exit(2);
    }
    memcpy(to, bytes.p, len);
    buf_fini(&out);
}

static void answer(const struct keyfile *keys, char *words[WORDS])
{
    struct node_id dst;
    uint8_t nonce[SEAL_NONCE_LEN];
    struct buf in = {.max = BYTES_MAX};
    struct buf out = {.max = BYTES_MAX};
    uint64_t counter;

    if (strcmp(words[0], "print") == 0) {
        printf("%" PRIu64 "\n", hash_key_print(&keys->hash_key));
        return;
    }
    enum seal_kind kind = words[1][0] == '1' ? SEAL_GOSSIP : SEAL_LINK;
    fixed(words[2], dst.b, sizeof dst.b);
    if (strcmp(words[0], "seal") == 0) {
        fixed(words[3], nonce, sizeof nonce);
        seal_write(&keys->ring, kind, &dst, nonce, unhex(words[4], &in), &out);
        say(buf_bytes(&out));
    } else if (seal_read(&keys->ring, kind, &dst, unhex(words[3], &in), &out,
                         &counter) == 0) {
        say(buf_bytes(&out));
    } else {
        puts("refused");
    }
    buf_fini(&in);
    buf_fini(&out);
}

int main(int argc, char **argv)
{
    struct keyfile keys;
    char why[256];
    char *line = NULL;
    size_t cap = 0;

    if (argc != 3 || keyfile_read(argv[1], &keys, why, sizeof why) != 0) {
        fputs("usage: e2e_sealer KEYS CLUSTER\n", stderr);
        return 2;
    }
    keys.ring.cluster_name = bytes_str(argv[2]);
    while (getline(&line, &cap, stdin) > 0) {
        char *words[WORDS] = {"", "", "", "", ""};
        char *save = NULL;
        char *word = strtok_r(line, " \n", &save);
        for (int i = 0; i < WORDS && word != NULL; i++) {
            words[i] = word;
            word = strtok_r(NULL, " \n", &save);
        }
        answer(&keys, words);
        fflush(stdout);
    }
    free(line);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "node/config/keyfile.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/config/yaml.h"
#include "proto/err.h"
#include "proto/topic.h"

enum {
    SECRET_LEN = 32
};

static_assert((int)SECRET_LEN == (int)SEAL_KEY_LEN, "one length for all");
static_assert(SECRET_LEN == crypto_sign_SEEDBYTES, "also for EdDSA");

/* A token key as far as its entries have been seen. */
struct half_key {
    size_t line;
    char kid[TOKEN_KID_LEN_MAX + 1];
    int alg; /* enum token_alg, 0 = not yet */
    bool has_secret;
    bool has_seed;
    bool has_public;
    uint8_t secret[SECRET_LEN]; /* or seed */
    uint8_t public[32];
};

struct reading {
    const char *path;
    char *why;
    size_t why_len;
    struct keyfile keys;
    bool has_hash_key;
    size_t halves_len;
    struct half_key halves[TOKEN_KEYS_MAX];
};

static int visit(void *data, const struct yaml_entry *entry);
static int finish(struct reading *r);

static int refuse(struct reading *r, size_t line, const char *reason)
{
    if (line == 0) {
        snprintf(r->why, r->why_len, "%s: %s", r->path, reason);
    } else {
        snprintf(r->why, r->why_len, "%s:%zu: %s", r->path, line, reason);
    }
    return ERR_CONFIG;
}

/* Whoever may read the file is a member of the cluster. */
static int check_mode(const char *path, char *why, size_t why_len)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        snprintf(why, why_len, "%s: %s", path, strerror(errno));
        return ERR_IO;
    }
    if (!S_ISREG(st.st_mode)) {
        snprintf(why, why_len, "%s: not a file", path);
        return ERR_IO;
    }
    if ((st.st_mode & 077) != 0) {
        snprintf(why, why_len,
                 "%s: mode %04o lets others read it; run: chmod 600 %s", path,
                 (unsigned)(st.st_mode & 07777), path);
        return ERR_DENIED;
    }
    return 0;
}

int keyfile_read(const char *path, struct keyfile *keys, char *why,
                 size_t why_len)
{
    int rc = check_mode(path, why, why_len);

    if (rc != 0) {
        return rc;
    }
    struct reading *r = calloc(1, sizeof *r);
    if (r == NULL) {
        snprintf(why, why_len, "%s: out of memory", path);
        return ERR_NOMEM;
    }
    r->path = path;
    r->why = why;
    r->why_len = why_len;
    rc = yaml_read(path, visit, r, why, why_len);
    if (rc == 0) {
        rc = finish(r);
    }
    if (rc == 0) {
        *keys = r->keys;
    }
    sodium_memzero(r, sizeof *r);
    free(r);
    return rc;
}

int keyfile_read_text(const char *path, struct buf *text, char *why,
                      size_t why_len)
{
    int rc = check_mode(path, why, why_len);

    if (rc != 0) {
        return rc;
    }
    uint8_t *to = buf_reserve(text, KEYFILE_TEXT_MAX + 2);
    if (to == NULL) {
        snprintf(why, why_len, "%s: out of memory", path);
        return ERR_NOMEM;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, to, KEYFILE_TEXT_MAX + 2);
    if (fd >= 0) {
        close(fd);
    }
    if (len < 0) {
        snprintf(why, why_len, "%s: cannot be read", path);
        return ERR_IO;
    }
    if (len > 0 && to[len - 1] == '\n') {
        len--;
    }
    if (len < KEYFILE_TEXT_MIN || len > KEYFILE_TEXT_MAX) {
        snprintf(why, why_len, "%s: must be %d to %d bytes", path,
                 KEYFILE_TEXT_MIN, KEYFILE_TEXT_MAX);
        return ERR_CONFIG;
    }
    text->len += (size_t)len;
    return 0;
}

int keyfile_read_secret(const char *path, uint8_t secret[SEAL_KEY_LEN],
                        char *why, size_t why_len)
{
    struct buf text = {0};
    int rc = keyfile_read_text(path, &text, why, why_len);

    if (rc == ERR_CONFIG ||
        (rc == 0 && (text.len != 2 * SECRET_LEN ||
                     sodium_hex2bin(secret, SECRET_LEN, (const char *)text.p,
                                    text.len, NULL, NULL, NULL) != 0))) {
        snprintf(why, why_len, "%s: must be 64 hex digits", path);
        rc = ERR_CONFIG;
    }
    if (text.p != NULL) {
        sodium_memzero(text.p, text.cap);
    }
    buf_fini(&text);
    return rc;
}

/* --- entries --- */

/* Exactly 2 * len hex digits, not all zero. */
static int read_hex(struct reading *r, const struct yaml_entry *entry,
                    uint8_t *out, size_t len)
{
    const char *hex = entry->value;
    char reason[64];

    if (strlen(hex) != 2 * len ||
        sodium_hex2bin(out, len, hex, 2 * len, NULL, NULL, NULL) != 0) {
        snprintf(reason, sizeof reason, "must be %zu hex digits", 2 * len);
        return refuse(r, entry->line, reason);
    }
    if (sodium_is_zero(out, len)) {
        return refuse(r, entry->line, "a key of zeros is no key");
    }
    return 0;
}

static int visit_root(struct reading *r, const struct yaml_entry *entry)
{
    if (strcmp(entry->key, "cluster_keys") == 0 ||
        strcmp(entry->key, "token_keys") == 0) {
        return refuse(r, entry->line, "must be a list, and not empty");
    }
    if (strcmp(entry->key, "hash_key") != 0) {
        return refuse(r, entry->line,
                      "unknown name (hash_key, cluster_keys, token_keys)");
    }
    r->has_hash_key = true;
    return read_hex(r, entry, r->keys.hash_key.b, sizeof r->keys.hash_key.b);
}

static int visit_cluster_key(struct reading *r, const struct yaml_entry *entry)
{
    struct seal_ring *ring = &r->keys.ring;
    uint8_t secret[SECRET_LEN];

    if (entry->key[0] != '\0') {
        return refuse(r, entry->line, "cluster_keys is a list of hex digits");
    }
    if (ring->keys_len == SEAL_KEYS_MAX) {
        return refuse(r, entry->line, "more than 8 cluster_keys");
    }
    int rc = read_hex(r, entry, secret, sizeof secret);
    if (rc == 0) {
        struct seal_key *key = &ring->keys[ring->keys_len];
        rc = seal_key_init(key, secret);
        assert(rc == 0); /* not zero */
        if (seal_ring_find(ring, key->print) >= 0) {
            rc = refuse(r, entry->line, "one cluster key twice");
        }
        ring->keys_len++;
    }
    sodium_memzero(secret, sizeof secret);
    return rc;
}

static int read_kid(struct reading *r, const struct yaml_entry *entry,
                    struct half_key *half)
{
    if (!topic_cache_is_valid(bytes_str(entry->value))) {
        return refuse(r, entry->line,
                      "kid must be 1 to 64 of A-Z a-z 0-9 . _ -");
    }
    memcpy(half->kid, entry->value, strlen(entry->value) + 1);
    return 0;
}

static int read_alg(struct reading *r, const struct yaml_entry *entry,
                    struct half_key *half)
{
    if (strcmp(entry->value, "EdDSA") == 0) {
        half->alg = TOKEN_EDDSA;
    } else if (strcmp(entry->value, "HS256") == 0) {
        half->alg = TOKEN_HS256;
    } else {
        return refuse(r, entry->line, "alg must be EdDSA or HS256");
    }
    return 0;
}

static int visit_token_key(struct reading *r, const struct yaml_entry *entry)
{
    if (entry->index >= TOKEN_KEYS_MAX) {
        return refuse(r, entry->line, "more than 16 token_keys");
    }
    struct half_key *half = &r->halves[entry->index];
    if (half->line == 0) {
        half->line = entry->line;
        r->halves_len = entry->index + 1;
    }
    if (strcmp(entry->key, "kid") == 0) {
        return read_kid(r, entry, half);
    }
    if (strcmp(entry->key, "alg") == 0) {
        return read_alg(r, entry, half);
    }
    if (strcmp(entry->key, "secret") == 0) {
        half->has_secret = true;
        return read_hex(r, entry, half->secret, SECRET_LEN);
    }
    if (strcmp(entry->key, "seed") == 0) {
        half->has_seed = true;
        return read_hex(r, entry, half->secret, SECRET_LEN);
    }
    if (strcmp(entry->key, "public") == 0) {
        half->has_public = true;
        return read_hex(r, entry, half->public, sizeof half->public);
    }
    return refuse(r, entry->line,
                  "a token key has kid, alg, and seed, public or secret");
}

static int visit(void *data, const struct yaml_entry *entry)
{
    struct reading *r = data;

    if (entry->section[0] == '\0') {
        return visit_root(r, entry);
    }
    if (strcmp(entry->section, "cluster_keys") == 0) {
        return visit_cluster_key(r, entry);
    }
    if (strcmp(entry->section, "token_keys") == 0) {
        return visit_token_key(r, entry);
    }
    return refuse(r, entry->line,
                  "unknown name (hash_key, cluster_keys, token_keys)");
}

/* --- what must hold of the whole --- */

static int finish_key(struct reading *r, const struct half_key *half,
                      struct token_key *key)
{
    bool hmac = half->alg == TOKEN_HS256;

    if (half->kid[0] == '\0' || half->alg == 0) {
        return refuse(r, half->line, "a token key needs kid and alg");
    }
    if (hmac ? !half->has_secret || half->has_seed || half->has_public
             : half->has_secret || half->has_seed == half->has_public) {
        return refuse(r, half->line,
                      hmac ? "an HS256 key has a secret and nothing else"
                           : "an EdDSA key has a seed, or only its public "
                             "half");
    }
    *key = (struct token_key){
        .alg = (enum token_alg)half->alg,
        .can_sign = !half->has_public,
    };
    memcpy(key->kid, half->kid, sizeof key->kid);
    if (hmac) {
        memcpy(key->secret, half->secret, SECRET_LEN);
    } else if (half->has_seed) {
        crypto_sign_seed_keypair(key->public, key->secret, half->secret);
    } else {
        memcpy(key->public, half->public, sizeof key->public);
    }
    return 0;
}

static bool kid_is_taken(const struct token_keys *keys, const char *kid)
{
    for (size_t i = 0; i < keys->len; i++) {
        if (strcmp(keys->keys[i].kid, kid) == 0) {
            return true;
        }
    }
    return false;
}

/* An empty list would mean "everyone": it is refused (ADVERSARIAL L1). */
static int finish(struct reading *r)
{
    struct token_keys *tokens = &r->keys.token_keys;

    if (!r->has_hash_key) {
        return refuse(r, 0, "no hash_key");
    }
    if (r->keys.ring.keys_len == 0) {
        return refuse(r, 0, "no cluster_keys");
    }
    if (r->halves_len == 0) {
        return refuse(r, 0, "no token_keys");
    }
    for (size_t i = 0; i < r->halves_len; i++) {
        int rc = finish_key(r, &r->halves[i], &tokens->keys[i]);
        if (rc != 0) {
            return rc;
        }
        if (kid_is_taken(tokens, r->halves[i].kid)) {
            return refuse(r, r->halves[i].line, "two token keys of one kid");
        }
        tokens->len++;
    }
    return 0;
}

/* --- creating --- */

void keyfile_random(uint8_t secret[SEAL_KEY_LEN])
{
    randombytes_buf(secret, SEAL_KEY_LEN);
}

static void add_random(struct buf *out, size_t len)
{
    uint8_t random[SECRET_LEN];

    assert(len <= sizeof random);
    randombytes_buf(random, len);
    buf_add_hex(out, random, len);
    sodium_memzero(random, sizeof random);
}

static void compose(struct buf *out)
{
    buf_add_str(out, "# starling keys: keep secret, the same file on every "
                     "node\nhash_key: \"");
    add_random(out, sizeof(struct hash_key));
    buf_add_str(out, "\" # never changes\ncluster_keys: # the first one seals\n"
                     "  - \"");
    add_random(out, SECRET_LEN);
    buf_add_str(out, "\"\ntoken_keys: # the first one signs\n  - {kid: \"k");
    add_random(out, 4);
    buf_add_str(out, "\", alg: EdDSA, seed: \"");
    add_random(out, SECRET_LEN);
    buf_add_str(out, "\"}\n");
}

int keyfile_write(int fd, struct bytes text)
{
    while (text.len > 0) {
        ssize_t n = write(fd, text.p, text.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return ERR_IO;
        }
        text = bytes_skip(text, (size_t)n);
    }
    return fsync(fd) == 0 ? 0 : ERR_IO;
}

int keyfile_create(const char *path)
{
    struct buf text = {0};
    int rc = ERR_NOMEM;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0) {
        return errno == EEXIST ? ERR_CONFLICT : ERR_IO;
    }
    compose(&text);
    if (!text.failed) {
        rc = keyfile_write(fd, buf_bytes(&text));
    }
    if (close(fd) != 0 && rc == 0) {
        rc = ERR_IO;
    }
    if (rc != 0) {
        unlink(path);
    }
    if (text.p != NULL) {
        sodium_memzero(text.p, text.cap);
    }
    buf_fini(&text);
    return rc;
}

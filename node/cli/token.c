/* SPDX-License-Identifier: Apache-2.0
 *
 * starling token mint: signs a token with the keys of a key file.
 * starling token show TOKEN|-: what a token grants, and for how long.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <time.h>

#include "node/cli/cli.h"
#include "node/keyfile.h"
#include "proto/err.h"
#include "proto/json.h"
#include "proto/token.h"
#include "proto/topic.h"

enum {
    TTL_DEFAULT_S = 3600,
    TTL_MAX_S = 366 * 24 * 3600
};

struct mint {
    const char *keys;
    struct token token;
    struct token_grant *grant; /* the one that options describe */
    uint64_t ttl_s;
};

static int usage(void)
{
    fputs("usage: starling token mint --keys FILE --sub NAME\n"
          "           [--cache NAME] [--topic NAME | --prefix TEXT]\n"
          "           [--role pub|sub|both] [--ttl 10s|5m|1h|7d]\n"
          "           [--scope admin:read]\n"
          "       starling token show TOKEN|-\n",
          stderr);
    return CLI_USAGE;
}

/* "90s", "5m", "1h", "7d". */
static bool read_ttl(const char *text, uint64_t *ttl_s)
{
    static const struct {
        char unit;
        uint64_t s;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    size_t len = strlen(text);
    uint64_t n;

    if (len < 2 || bytes_u64(bytes_of(text, len - 1), &n) != 0) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (text[len - 1] == units[i].unit && n > 0 &&
            n <= TTL_MAX_S / units[i].s) {
            *ttl_s = n * units[i].s;
            return true;
        }
    }
    return false;
}

static bool read_role(const char *text, uint8_t *role)
{
    static const char *const names[] = {"pub", "sub", "both"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *role = (uint8_t)(i + 1);
            return true;
        }
    }
    return false;
}

static bool read_option(struct mint *m, const char *name, const char *value)
{
    struct bytes text = bytes_str(value);

    if (strcmp(name, "--keys") == 0) {
        m->keys = value;
        return true;
    }
    if (strcmp(name, "--sub") == 0) {
        m->token.subject = text;
        return topic_is_valid(text);
    }
    if (strcmp(name, "--cache") == 0) {
        m->grant->cache = text;
        return topic_cache_is_valid(text);
    }
    if (strcmp(name, "--topic") == 0 || strcmp(name, "--prefix") == 0) {
        m->grant->topic = text;
        m->grant->prefix = name[2] == 'p';
        m->grant->all = false;
        return topic_is_valid(text);
    }
    if (strcmp(name, "--role") == 0) {
        return read_role(value, &m->grant->role);
    }
    if (strcmp(name, "--ttl") == 0) {
        return read_ttl(value, &m->ttl_s);
    }
    if (strcmp(name, "--scope") == 0 &&
        m->token.scopes_len < TOKEN_SCOPES_MAX) {
        m->token.scopes[m->token.scopes_len++] = text;
        return topic_is_valid(text);
    }
    return false;
}

static int mint(int argc, char **argv)
{
    static struct keyfile keys; /* large */
    char why[512];
    struct buf out = {0};
    struct mint m = {.ttl_s = TTL_DEFAULT_S};

    m.token.grants_len = 1;
    m.grant = &m.token.grants[0];
    *m.grant = (struct token_grant){.all = true, .role = TOKEN_BOTH};
    for (int i = 0; i < argc; i += 2) {
        if (i + 1 == argc || !read_option(&m, argv[i], argv[i + 1])) {
            fprintf(stderr, "starling token mint: not understood: %s\n",
                    argv[i]);
            return usage();
        }
    }
    if (m.keys == NULL || m.token.subject.len == 0) {
        return usage();
    }
    if (keyfile_read(m.keys, &keys, why, sizeof why) != 0) {
        fprintf(stderr, "starling token mint: %s\n", why);
        return CLI_CONFIG;
    }
    m.token.expires_at = (uint64_t)time(NULL) + m.ttl_s;
    int rc = token_write(&keys.token_keys, &m.token, &out);
    if (rc == 0) {
        (void)fwrite(out.p, 1, out.len, stdout);
        puts("");
    } else {
        fprintf(stderr, "starling token mint: %s\n", err_text(rc));
    }
    buf_fini(&out);
    return rc == 0 ? CLI_OK : CLI_BAD_DATA;
}

/* The claims of a compact token, unverified: showing is not trusting. */
static json_t *claims_of(struct bytes token)
{
    struct buf text = {0};
    json_t *claims = NULL;
    ptrdiff_t first = bytes_find(token, '.');
    struct bytes rest = first < 0 ? (struct bytes){0}
                                  : bytes_skip(token, (size_t)first + 1);
    ptrdiff_t second = bytes_find(rest, '.');

    if (second > 0 &&
        json_base64_read(bytes_of(rest.p, (size_t)second), &text) == 0) {
        claims = json_loadb((char *)text.p, text.len, 0, NULL);
    }
    buf_fini(&text);
    return claims;
}

static int show(const char *word)
{
    char line[TOKEN_LEN_MAX + 2] = "";

    if (strcmp(word, "-") == 0) {
        if (fgets(line, sizeof line, stdin) == NULL) {
            return CLI_BAD_DATA;
        }
        line[strcspn(line, "\r\n")] = '\0';
        word = line;
    }
    json_t *claims = claims_of(bytes_str(word));
    if (!json_is_object(claims)) {
        fputs("starling token show: this is no token\n", stderr);
        json_decref(claims);
        return CLI_BAD_DATA;
    }
    json_dumpf(claims, stdout, JSON_INDENT(2));
    long long left = json_integer_value(json_object_get(claims, "exp")) -
                     time(NULL);
    if (left > 0) {
        printf("\nexpires in %lldm%llds (signature not checked)\n", left / 60,
               left % 60);
    } else {
        printf("\nexpired (signature not checked)\n");
    }
    json_decref(claims);
    return CLI_OK;
}

int cli_token(int argc, char **argv)
{
    if (argc >= 1 && strcmp(argv[0], "mint") == 0) {
        return mint(argc - 1, argv + 1);
    }
    if (argc == 2 && strcmp(argv[0], "show") == 0) {
        return show(argv[1]);
    }
    return usage();
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * starling token mint: signs a token with the keys of a key file.
 * starling token show TOKEN|-: what a token grants, and for how long.
 * starling token revoke ...: node/cli/revoke.c.
 *
 * Forms: `jwt` is a token of ours; `v2` the same as an API key of Momento's
 * clients; `v1` that with its endpoint, in base64.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <time.h>

#include "node/cli/args.h"
#include "node/cli/cli.h"
#include "node/config/keyfile.h"
#include "proto/err.h"
#include "proto/json.h"
#include "proto/token.h"
#include "proto/token_id.h"
#include "proto/topic.h"
#include "proto/v1key.h"

enum {
    TTL_DEFAULT_S = 3600,
    TTL_MAX_S = 366 * 24 * 3600
};

enum form {
    FORM_JWT,
    FORM_V1,
    FORM_V2
};

struct mint {
    const char *keys;
    struct token token;
    struct token_grant *grant; /* the one that options describe */
    uint64_t ttl_s;            /* 0: never */
    enum form form;
    const char *endpoint;
    bool superuser;
};

/* "90s", "5m", "1h", "7d", "never". */
static bool read_ttl(const char *text, uint64_t *ttl_s)
{
    static const struct {
        char unit;
        uint64_t s;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    size_t len = strlen(text);
    uint64_t n;

    if (strcmp(text, "never") == 0) {
        *ttl_s = 0;
        return true;
    }
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

static bool read_form(const char *text, enum form *form)
{
    static const char *const names[] = {
        [FORM_JWT] = "jwt", [FORM_V1] = "v1", [FORM_V2] = "v2"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *form = (enum form)i;
            return true;
        }
    }
    return false;
}

/* What is granted. */
static bool read_right(struct mint *m, const char *name, const char *value)
{
    struct bytes text = bytes_str(value);

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
    if (strcmp(name, "--scope") == 0 &&
        m->token.scopes_len < TOKEN_SCOPES_MAX) {
        m->token.scopes[m->token.scopes_len++] = text;
        return topic_is_valid(text);
    }
    return false;
}

static bool read_option(struct mint *m, const char *name, const char *value)
{
    if (strcmp(name, "--keys") == 0) {
        m->keys = value;
        return true;
    }
    if (strcmp(name, "--sub") == 0) {
        m->token.subject = bytes_str(value);
        return topic_is_valid(m->token.subject);
    }
    if (strcmp(name, "--ttl") == 0) {
        return read_ttl(value, &m->ttl_s);
    }
    if (strcmp(name, "--format") == 0) {
        return read_form(value, &m->form);
    }
    if (strcmp(name, "--endpoint") == 0) {
        m->endpoint = value;
        return v1key_endpoint(bytes_str(value)).len > 0;
    }
    return read_right(m, name, value);
}

static int read_options(struct mint *m, int argc, char **argv)
{
    struct command_reading r = {
        .command = &command_token_mint, .argc = argc, .argv = argv};
    int rc;

    while ((rc = command_next(&r)) > 0) {
        if (r.is_word) {
            return args_usage(r.command);
        }
        if (r.value == NULL) {
            m->superuser = true;
        } else if (!read_option(m, r.option.name, r.value)) {
            fprintf(stderr, "starling token mint: %s cannot be '%s'\n",
                    r.option.name, r.value);
            return CLI_USAGE;
        }
    }
    return rc == 0 ? CLI_OK : CLI_USAGE;
}

/* All that the clients of Momento may ask for. */
static bool make_superuser(struct mint *m)
{
    static const char *const scopes[] = {"admin:caches", "admin:tokens"};

    if (!m->grant->all || m->grant->cache.len > 0 ||
        m->grant->role != TOKEN_BOTH || m->token.scopes_len > 0) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
        m->token.scopes[m->token.scopes_len++] = bytes_str(scopes[i]);
    }
    return true;
}

/* What options say together. NULL, or what is wrong. */
static const char *check(struct mint *m)
{
    if (m->keys == NULL) {
        return "give the key file with --keys FILE";
    }
    if (m->superuser && !make_superuser(m)) {
        return "--superuser is all rights: no others beside it";
    }
    if (m->token.scopes_len > 0 && m->token.subject.len == 0) {
        return "who has a scope needs a name: --sub NAME";
    }
    if (m->form == FORM_JWT && m->ttl_s == 0) {
        return "only API keys never expire: --format v1 or v2";
    }
    if ((m->form == FORM_V1) != (m->endpoint != NULL)) {
        return "--format v1 and --endpoint HOST[:PORT] go together";
    }
    return NULL;
}

static int sign(struct mint *m, const struct token_keys *keys, struct buf *out)
{
    uint8_t random[SEAL_KEY_LEN];
    struct token_id id;
    struct buf text = {0};

    static_assert(sizeof random >= TOKEN_ID_SALT_LEN, "enough of it");
    keyfile_random(random);
    m->token.issued_at = (uint64_t)time(NULL);
    m->token.expires_at = m->ttl_s == 0 ? TOKEN_TIME_MAX_S
                                        : m->token.issued_at + m->ttl_s;
    m->token.kind = m->form == FORM_JWT ? TOKEN_PLAIN : TOKEN_API_KEY;
    id = token_id_make(m->ttl_s == 0 ? 0 : m->token.expires_at, random);
    m->token.id = bytes_of(id.text, sizeof id.text);
    int rc = token_write(keys, &m->token, &text);
    if (rc == 0 && m->form == FORM_V1) {
        v1key_write(v1key_endpoint(bytes_str(m->endpoint)), buf_bytes(&text),
                    out);
    } else if (rc == 0) {
        buf_add_bytes(out, buf_bytes(&text));
    }
    buf_fini(&text);
    m->token.id = (struct bytes){0};
    return rc == 0 && out->failed ? ERR_NOMEM : rc;
}

static int run_mint(int argc, char **argv)
{
    static struct keyfile keys; /* large */
    char why[512];
    struct buf out = {0};
    struct mint m = {.ttl_s = TTL_DEFAULT_S};

    m.token.grants_len = 1;
    m.grant = &m.token.grants[0];
    *m.grant = (struct token_grant){.all = true, .role = TOKEN_BOTH};
    int exit_code = read_options(&m, argc, argv);
    if (exit_code != CLI_OK) {
        return exit_code;
    }
    const char *wrong = check(&m);
    if (wrong != NULL) {
        fprintf(stderr, "starling token mint: %s\n", wrong);
        return CLI_USAGE;
    }
    if (keyfile_read(m.keys, &keys, why, sizeof why) != 0) {
        fprintf(stderr, "starling token mint: %s\n", why);
        return CLI_CONFIG;
    }
    int rc = sign(&m, &keys.token_keys, &out);
    if (rc == 0) {
        (void)fwrite(out.p, 1, out.len, stdout);
        puts("");
    } else {
        fprintf(stderr, "starling token mint: %s\n", err_text(rc));
    }
    buf_fini(&out);
    return rc == 0 ? CLI_OK : CLI_BAD_DATA;
}

/* The claims of a token, unverified: showing is not trusting. */
static json_t *claims_of(struct bytes token)
{
    struct buf inner = {0};
    struct buf text = {0};
    json_t *claims = NULL;

    if (v1key_read(token, &inner) == 0) {
        token = buf_bytes(&inner);
    }
    ptrdiff_t first = bytes_find(token, '.');
    struct bytes rest = first < 0 ? (struct bytes){0}
                                  : bytes_skip(token, (size_t)first + 1);
    ptrdiff_t second = bytes_find(rest, '.');

    if (second > 0 &&
        json_base64_read(bytes_of(rest.p, (size_t)second), &text) == 0) {
        claims = json_loadb((char *)text.p, text.len, 0, NULL);
    }
    buf_fini(&text);
    buf_fini(&inner);
    return claims;
}

static void print_left(long long expires_at)
{
    long long left = expires_at - time(NULL);

    if (expires_at == TOKEN_TIME_MAX_S) {
        puts("\nnever expires (signature not checked)");
    } else if (left > 0) {
        printf("\nexpires in %lldm%llds (signature not checked)\n", left / 60,
               left % 60);
    } else {
        puts("\nexpired (signature not checked)");
    }
}

static int run_show(int argc, char **argv)
{
    char line[V1KEY_LEN_MAX + 2];
    struct args args;
    int exit_code = args_read(&args, &command_token_show, argc, argv);

    if (exit_code != CLI_OK) {
        return exit_code;
    }
    const char *word = args.words[0];
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
    print_left(json_integer_value(json_object_get(claims, "exp")));
    json_decref(claims);
    return CLI_OK;
}

static const struct command_option mint_options[] = {
    {"--keys", "FILE", "the key file that signs it", NULL, COMMAND_FILE, 0},
    {"--sub", "NAME", "whose token it is: the publisher of its items", NULL,
     COMMAND_TEXT, 0},
    {"--cache", "NAME", "only this cache", NULL, COMMAND_TEXT, 0},
    {"--topic", "NAME", "only this topic", NULL, COMMAND_TEXT, 0},
    {"--prefix", "TEXT", "only topics that begin so", NULL, COMMAND_TEXT, 0},
    {"--role", "ROLE", "what it may do (both)", "pub|sub|both", COMMAND_TEXT,
     0},
    {"--ttl", "10s|5m|1h|7d|never", "how long it lasts (1h)", NULL,
     COMMAND_TEXT, 0},
    {"--scope", "SCOPE", "such as admin:read; may be given again", NULL,
     COMMAND_TEXT, 0},
    {"--superuser", NULL, "all that Momento's clients may ask for", NULL,
     COMMAND_TEXT, 0},
    {"--format", "FORM", "a token, or an API key for Momento's clients (jwt)",
     "jwt|v1|v2", COMMAND_TEXT, 0},
    {"--endpoint", "HOST[:PORT]", "what a v1 key says where to connect", NULL,
     COMMAND_TEXT, 0},
    {0},
};

const struct command command_token_mint = {
    .name = "token mint",
    .run = run_mint,
    .what = "sign a token with the keys of a key file",
    .options = mint_options,
    .group = COMMAND_CHANGES,
};

const struct command command_token_show = {
    .name = "token show",
    .run = run_show,
    .words = "TOKEN|-",
    .what = "what a token grants, and for how long",
    .group = COMMAND_CHANGES,
    .words_min = 1,
    .words_max = 1,
};

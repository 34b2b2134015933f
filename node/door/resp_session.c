/* SPDX-License-Identifier: Apache-2.0 */
#include "node/door/resp.h"

#include <stdlib.h>

#include "node/conn/conn.h"
#include "node/watch/denied.h"

static void client_getname(struct resp_call *call);
static void client_id(struct resp_call *call);
static void client_info(struct resp_call *call);
static void client_noevict(struct resp_call *call);
static void client_redirection(struct resp_call *call);
static void client_reply(struct resp_call *call);
static void client_setname(struct resp_call *call);

const struct resp_command resp_client_subs[] = {
    {BYTES("setinfo"), 4, 0, resp_ok, NULL},
    {BYTES("setname"), 3, 0, client_setname, NULL},
    {BYTES("getname"), 2, 0, client_getname, NULL},
    {BYTES("id"), 2, 0, client_id, NULL},
    {BYTES("info"), 2, 0, client_info, NULL},
    {BYTES("list"), 2, 0, client_info, NULL},
    {BYTES("reply"), 3, 0, client_reply, NULL},
    {BYTES("no-evict"), 3, 0, client_noevict, NULL},
    {BYTES("no-touch"), 3, 0, client_noevict, NULL},
    {BYTES("getredir"), 2, 0, client_redirection, NULL},
    {{NULL, 0}, 0, 0, NULL, NULL},
};

/* What a HELLO asks for. Nothing is done before all of it is read. */
struct hello {
    unsigned version;
    bool auth;
    bool named;
    struct bytes user;
    struct bytes token;
    struct bytes name;
};

void resp_ok(struct resp_call *call)
{
    resp_write_simple(call->out, "OK");
}

void resp_ping(struct resp_call *call)
{
    struct bytes text = {NULL, 0};
    bool has_text = resp_next(&call->args, &text);

    if (call->args.len > 0) {
        resp_refuse_arity(call);
    } else if (call->state->version == 2 && resp_subs(call->state) > 0) {
        resp_write_array(call->out, 2);
        resp_write_bulk(call->out, BYTES("pong"));
        resp_write_bulk(call->out, text);
    } else if (has_text) {
        resp_write_bulk(call->out, text);
    } else {
        resp_write_simple(call->out, "PONG");
    }
}

void resp_echo(struct resp_call *call)
{
    resp_write_bulk(call->out, resp_arg(call));
}

void resp_quit(struct resp_call *call)
{
    resp_write_simple(call->out, "OK");
    resp_flush(call->client);
    if (call->state->asks == NULL) {
        client_close(call->client, 0);
    } else { /* it wants to know before it goes */
        call->state->quits = true;
        conn_pause(call->client->conn, true);
    }
}

void resp_select(struct resp_call *call)
{
    struct bytes index = resp_arg(call);
    bool negative = index.len > 1 && index.p[0] == '-';
    uint64_t value;

    if (bytes_u64(bytes_skip(index, negative ? 1 : 0), &value) < 0) {
        resp_write_error(call->out,
                         "ERR value is not an integer or out of range");
    } else if (value > 15 || negative) {
        resp_write_error(call->out, "ERR DB index is out of range");
    } else {
        resp_ok(call);
    }
}

/* Everything a client may have changed is as it was after the connect. */
void resp_reset(struct resp_call *call)
{
    struct resp_state *state = call->state;
    struct client *client = call->client;

    while (client->subs != NULL && !client->closing) {
        client_unsubscribe(client, client->subs);
    }
    memset(state->subs, 0, sizeof state->subs);
    free(state->name);
    state->name = NULL;
    client_logout(client);
    resp_begin(state);
    resp_write_simple(call->out, "RESET");
}

/* --- who --- */

/* Errors: as client_login(); nothing has changed. */
static int login_for(struct resp_call *call, struct bytes cache,
                     struct bytes token)
{
    struct resp_state *state = call->state;
    bool named = !bytes_eq(cache, BYTES("default"));
    char *name = named ? strndup((const char *)cache.p, cache.len) : NULL;
    int rc = named && name == NULL ? ERR_NOMEM
                                   : client_login(call->client, token);

    if (rc != 0) {
        free(name);
        return rc;
    }
    free(state->cache);
    state->cache = name;
    state->cache_len = (uint8_t)cache.len;
    return 0;
}

/* Logs in for a cache. Answers with the error itself when it cannot. */
static bool login(struct resp_call *call, struct bytes cache,
                  struct bytes token)
{
    struct resp_state *state = call->state;
    int rc = ERR_UNAUTH;

    if (resp_subs(state) > 0 && !bytes_eq(cache, resp_cache(state))) {
        resp_write_error(call->out, "ERR AUTH to another cache is not allowed "
                                    "with live subscriptions");
        return false;
    }
    if (topic_cache_is_valid(cache)) {
        rc = login_for(call, cache, token);
    } else {
        (void)denied(call->client, &(struct denied_what){.verb = "login"}, rc);
    }
    if (rc == 0) {
        return true;
    }
    if (rc == ERR_NOMEM) {
        resp_refuse(call, rc);
    } else {
        resp_write_error(call->out, "WRONGPASS invalid username-password pair "
                                    "or user is disabled.");
    }
    return false;
}

void resp_auth(struct resp_call *call)
{
    struct bytes first = resp_arg(call);
    struct bytes second = first;
    bool has_user = resp_next(&call->args, &second);

    if (call->args.len > 0) {
        resp_write_error(call->out, "ERR syntax error");
    } else if (login(call, has_user ? first : BYTES("default"), second)) {
        resp_ok(call);
    }
}

static bool name_is_valid(struct bytes name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.p[i] < '!' || name.p[i] > '~') {
            return false;
        }
    }
    return name.len <= RESP_NAME_LEN_MAX;
}

/* An empty name is none. */
static bool set_name(struct resp_call *call, struct bytes name)
{
    char *copy = NULL;

    if (!name_is_valid(name)) {
        resp_write_error(call->out, "ERR Client names cannot contain spaces, "
                                    "newlines or special characters.");
        return false;
    }
    if (name.len > 0) {
        copy = strndup((const char *)name.p, name.len);
        if (copy == NULL) {
            resp_refuse(call, ERR_NOMEM);
            return false;
        }
    }
    free(call->state->name);
    call->state->name = copy;
    return true;
}

static bool read_version(struct resp_call *call, unsigned *version)
{
    uint64_t value;

    if (bytes_u64(resp_arg(call), &value) < 0) {
        resp_write_error(
            call->out,
            "ERR Protocol version is not an integer or out of range");
        return false;
    }
    if (value != 2 && value != 3) {
        resp_write_error(call->out, "NOPROTO unsupported protocol version");
        return false;
    }
    *version = (unsigned)value;
    return true;
}

static bool read_hello(struct resp_call *call, struct hello *hello)
{
    struct bytes option;

    if (call->args.len > 0 && !read_version(call, &hello->version)) {
        return false;
    }
    while (resp_next(&call->args, &option)) {
        if (bytes_eq_nocase(option, BYTES("AUTH")) && call->args.len >= 2) {
            hello->auth = true;
            hello->user = resp_arg(call);
            hello->token = resp_arg(call);
        } else if (bytes_eq_nocase(option, BYTES("SETNAME")) &&
                   call->args.len >= 1) {
            hello->named = true;
            hello->name = resp_arg(call);
        } else {
            resp_begin_error(call->out);
            buf_add_str(call->out, "ERR Syntax error in HELLO option '");
            resp_add_echo(call->out, option);
            buf_add_str(call->out, "'");
            resp_end_error(call->out);
            return false;
        }
    }
    return true;
}

static void write_hello(struct resp_call *call)
{
    struct buf *out = call->out;
    unsigned version = call->state->version;

    resp_write_map(out, version, 7);
    resp_write_bulk(out, BYTES("server"));
    resp_write_bulk(out, BYTES("redis"));
    resp_write_bulk(out, BYTES("version"));
    resp_write_bulk(out, BYTES(RESP_VERSION));
    resp_write_bulk(out, BYTES("proto"));
    resp_write_int(out, (int64_t)version);
    resp_write_bulk(out, BYTES("id"));
    resp_write_int(out, (int64_t)call->client->id);
    resp_write_bulk(out, BYTES("mode"));
    resp_write_bulk(out, BYTES("standalone"));
    resp_write_bulk(out, BYTES("role"));
    resp_write_bulk(out, BYTES("master"));
    resp_write_bulk(out, BYTES("modules"));
    resp_write_array(out, 0);
}

/* Subscriptions share their bytes with others of the same version, so the
 * version cannot change under them. */
void resp_hello(struct resp_call *call)
{
    struct resp_state *state = call->state;
    struct hello hello = {.version = state->version};

    if (!read_hello(call, &hello)) {
        return;
    }
    if (hello.version != state->version && resp_subs(state) > 0) {
        resp_write_error(call->out, "ERR HELLO with another version is not "
                                    "allowed with live subscriptions");
        return;
    }
    if (!hello.auth && !call->client->logged_in) {
        (void)denied(
            call->client,
            &(struct denied_what){.verb = "run", .name = BYTES("hello")},
            ERR_UNAUTH);
        resp_write_error(
            call->out,
            "NOAUTH HELLO must be called with the client already "
            "authenticated, otherwise the HELLO <proto> AUTH <user> <pass> "
            "option can be used to authenticate the client and select the "
            "RESP protocol version at the same time");
        return;
    }
    if ((hello.auth && !login(call, hello.user, hello.token)) ||
        (hello.named && !set_name(call, hello.name))) {
        return;
    }
    state->version = (uint8_t)hello.version;
    write_hello(call);
}

/* --- CLIENT --- */

static void client_setname(struct resp_call *call)
{
    if (set_name(call, resp_arg(call))) {
        resp_ok(call);
    }
}

static void client_getname(struct resp_call *call)
{
    const char *name = call->state->name;

    if (name == NULL) {
        resp_write_null(call->out, call->state->version);
    } else {
        resp_write_bulk(call->out, bytes_str(name));
    }
}

static void client_id(struct resp_call *call)
{
    resp_write_int(call->out, (int64_t)call->client->id);
}

static void client_redirection(struct resp_call *call)
{
    resp_write_int(call->out, -1); /* nothing is tracked */
}

static void client_noevict(struct resp_call *call)
{
    struct bytes value = resp_arg(call);

    if (bytes_eq_nocase(value, BYTES("ON")) ||
        bytes_eq_nocase(value, BYTES("OFF"))) {
        resp_ok(call);
    } else {
        resp_write_error(call->out, "ERR syntax error");
    }
}

static void client_reply(struct resp_call *call)
{
    struct resp_state *state = call->state;
    struct bytes value = resp_arg(call);

    if (bytes_eq_nocase(value, BYTES("ON"))) {
        state->muted = false;
        resp_ok(call);
    } else if (bytes_eq_nocase(value, BYTES("OFF"))) {
        state->muted = true;
    } else if (bytes_eq_nocase(value, BYTES("SKIP"))) {
        state->skip = 2;
    } else {
        resp_write_error(call->out, "ERR syntax error");
    }
}

static void add_field(struct buf *line, const char *name, uint64_t value)
{
    buf_add_str(line, name);
    buf_add_u64(line, value);
}

/* The line of CLIENT LIST for the own connection: no client sees another. */
static void client_info(struct resp_call *call)
{
    const struct client *client = call->client;
    const struct resp_state *state = call->state;
    const struct conn *conn = client->conn;
    struct buf line = {0};
    char addr[ADDR_TEXT_MAX];

    add_field(&line, "id=", client->id);
    buf_add_str(&line, " addr=");
    buf_add_str(&line, addr_text(&conn->remote, addr));
    buf_add_str(&line, " name=");
    buf_add_str(&line, state->name == NULL ? "" : state->name);
    add_field(&line, " age=", (client->core->now_ms - conn->opened_ms) / 1000);
    add_field(&line, " idle=", 0);
    buf_add_str(&line, resp_subs(state) > 0 ? " flags=P" : " flags=N");
    add_field(&line, " db=", 0);
    add_field(&line, " sub=", state->subs[RESP_CHANNELS]);
    add_field(&line, " psub=", state->subs[RESP_PATTERNS]);
    add_field(&line, " ssub=", state->subs[RESP_SHARDS]);
    buf_add_str(&line, " multi=-1");
    add_field(&line, " oll=", client->out.len);
    add_field(&line, " omem=", client->out.pinned);
    buf_add_str(&line, " cmd=");
    resp_add_full_name(&line, call);
    buf_add_str(&line, " user=");
    buf_add_bytes(&line, resp_cache(state));
    buf_add_str(&line, " redir=-1");
    add_field(&line, " resp=", state->version);
    buf_add_str(&line, "\n");
    if (line.failed) {
        resp_refuse(call, ERR_NOMEM);
    } else {
        resp_write_text(call->out, state->version, buf_bytes(&line));
    }
    buf_fini(&line);
}

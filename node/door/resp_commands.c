/* SPDX-License-Identifier: Apache-2.0 */
#include "node/door/resp.h"

static void run_command(struct resp_call *call);
static void command_count(struct resp_call *call);
static void command_docs(struct resp_call *call);
static void command_info(struct resp_call *call);
static void command_list(struct resp_call *call);
static void write_help(struct resp_call *call);

static const struct resp_command command_subs[] = {
    {BYTES("count"), 2, 0, command_count, NULL},
    {BYTES("docs"), -2, 0, command_docs, NULL},
    {BYTES("info"), -2, 0, command_info, NULL},
    {BYTES("list"), 2, 0, command_list, NULL},
    {{NULL, 0}, 0, 0, NULL, NULL},
};

enum {
    SESSION = RESP_NO_AUTH | RESP_IN_SUB,
    SUBS = RESP_PUBSUB | RESP_IN_SUB | RESP_UNMUTED,
};

/* What is said most often first: they are looked up in this order. */
static const struct resp_command commands[] = {
    {BYTES("publish"), 3, RESP_PUBSUB, resp_publish, NULL},
    {BYTES("subscribe"), -2, SUBS, resp_subscribe, NULL},
    {BYTES("unsubscribe"), -1, SUBS, resp_unsubscribe, NULL},
    {BYTES("psubscribe"), -2, SUBS, resp_psubscribe, NULL},
    {BYTES("punsubscribe"), -1, SUBS, resp_punsubscribe, NULL},
    {BYTES("ssubscribe"), -2, SUBS | RESP_KEYS, resp_ssubscribe, NULL},
    {BYTES("sunsubscribe"), -1, SUBS | RESP_KEYS, resp_sunsubscribe, NULL},
    {BYTES("spublish"), 3, RESP_PUBSUB | RESP_KEY, resp_publish, NULL},
    {BYTES("ping"), -1, RESP_IN_SUB, resp_ping, NULL},
    {BYTES("hello"), -1, RESP_NO_AUTH, resp_hello, NULL},
    {BYTES("auth"), -2, RESP_NO_AUTH, resp_auth, NULL},
    {BYTES("client"), -2, 0, NULL, resp_client_subs},
    {BYTES("quit"), -1, SESSION, resp_quit, NULL},
    {BYTES("reset"), 1, SESSION, resp_reset, NULL},
    {BYTES("select"), 2, 0, resp_select, NULL},
    {BYTES("echo"), 2, 0, resp_echo, NULL},
    {BYTES("info"), -1, 0, resp_info, NULL},
    {BYTES("pubsub"), -2, RESP_PUBSUB, NULL, resp_pubsub_subs},
    {BYTES("cluster"), -2, 0, NULL, resp_cluster_subs},
    {BYTES("command"), -1, 0, run_command, command_subs},
    {BYTES("config"), -2, 0, NULL, resp_config_subs},
    {BYTES("readonly"), 1, 0, resp_ok, NULL},
    {BYTES("readwrite"), 1, 0, resp_ok, NULL},
    {BYTES("asking"), 1, 0, resp_ok, NULL},
    {{NULL, 0}, 0, 0, NULL, NULL},
};

/* Every container has it. */
static const struct resp_command help = {BYTES("help"), 2, 0, write_help, NULL};

static const struct resp_command *find(const struct resp_command *table,
                                       struct bytes name)
{
    for (; table->name.len > 0; table++) {
        if (bytes_eq_nocase(table->name, name)) {
            return table;
        }
    }
    return NULL;
}

const struct resp_command *resp_find(struct bytes name)
{
    return find(commands, name);
}

/* Redis names the command and quotes its arguments, 128 bytes of them. */
static void refuse_unknown(struct resp_call *call, struct bytes name)
{
    struct bytes arg;
    size_t room = RESP_ECHO_LEN_MAX;

    resp_begin_error(call->out);
    buf_add_str(call->out, "ERR unknown command '");
    resp_add_echo(call->out, name);
    buf_add_str(call->out, "', with args beginning with: ");
    while (room > 0 && resp_next(&call->args, &arg)) {
        size_t len = arg.len < room ? arg.len : room;
        buf_add_str(call->out, "'");
        resp_add_echo(call->out, bytes_of(arg.p, len));
        buf_add_str(call->out, "' ");
        room = len + 3 < room ? room - len - 3 : 0;
    }
    resp_end_error(call->out);
}

static void refuse_sub(struct resp_call *call, struct bytes name)
{
    resp_begin_error(call->out);
    buf_add_str(call->out, "ERR unknown subcommand '");
    resp_add_echo(call->out, name);
    buf_add_str(call->out, "'. Try ");
    for (size_t i = 0; i < call->parent->name.len; i++) {
        buf_add_u8(call->out, call->parent->name.p[i] & 0xdfu);
    }
    buf_add_str(call->out, " HELP.");
    resp_end_error(call->out);
}

void resp_refuse_arity(struct resp_call *call)
{
    resp_begin_error(call->out);
    buf_add_str(call->out, "ERR wrong number of arguments for '");
    resp_add_full_name(call->out, call);
    buf_add_str(call->out, "' command");
    resp_end_error(call->out);
}

void resp_add_full_name(struct buf *out, const struct resp_call *call)
{
    if (call->parent != NULL) {
        buf_add_bytes(out, call->parent->name);
        buf_add_u8(out, '|');
    }
    buf_add_bytes(out, call->command->name);
}

/* X HELP: the names of the subcommands of X. */
static void write_help(struct resp_call *call)
{
    const struct resp_command *sub = call->parent->subs;
    size_t len = 1;

    while (sub->name.len > 0) {
        sub++;
        len++;
    }
    resp_write_array(call->out, len);
    resp_write_simple(call->out, "Subcommands are:");
    for (sub = call->parent->subs; sub->name.len > 0; sub++) {
        buf_add_u8(call->out, '+');
        buf_add_bytes(call->out, sub->name);
        buf_add_str(call->out, "\r\n");
    }
}

bool resp_resolve(struct resp_call *call, struct resp_request request)
{
    struct bytes name = {NULL, 0};
    size_t words = request.len;

    call->args = request;
    (void)resp_next(&call->args, &name);
    call->command = find(commands, name);
    if (call->command == NULL) {
        refuse_unknown(call, name);
        return false;
    }
    if (call->command->subs != NULL && words > 1) {
        call->parent = call->command;
        (void)resp_next(&call->args, &name);
        call->command = bytes_eq_nocase(name, help.name)
                            ? &help
                            : find(call->parent->subs, name);
        if (call->command == NULL) {
            refuse_sub(call, name);
            return false;
        }
    }
    int arity = call->command->arity;
    if (arity >= 0 ? words != (size_t)arity : words < (size_t)-arity) {
        resp_refuse_arity(call);
        return false;
    }
    return true;
}

/* --- COMMAND --- */

/* The first six fields of Redis' description. There are no keys, but clients of
 * a cluster send a shard channel where it says that its slot is. */
static void write_command(struct buf *out, const struct resp_command *command)
{
    bool pubsub = (command->flags & RESP_PUBSUB) != 0;
    bool key = (command->flags & (RESP_KEY | RESP_KEYS)) != 0;
    bool keys = (command->flags & RESP_KEYS) != 0;

    resp_write_array(out, 6);
    resp_write_bulk(out, command->name);
    resp_write_int(out, command->arity);
    resp_write_array(out, pubsub ? 1 : 0);
    if (pubsub) {
        resp_write_simple(out, "pubsub");
    }
    resp_write_int(out, key ? 1 : 0);
    resp_write_int(out, keys ? -1 : key ? 1 : 0);
    resp_write_int(out, key ? 1 : 0);
}

static void run_command(struct resp_call *call)
{
    resp_write_array(call->out, ARRAY_LEN(commands) - 1);
    for (size_t i = 0; i + 1 < ARRAY_LEN(commands); i++) {
        write_command(call->out, &commands[i]);
    }
}

static void command_count(struct resp_call *call)
{
    resp_write_int(call->out, ARRAY_LEN(commands) - 1);
}

/* Documentation is in docs/PROTOCOLS.md; redis-cli does without. */
static void command_docs(struct resp_call *call)
{
    resp_write_map(call->out, call->state->version, 0);
}

static void command_info(struct resp_call *call)
{
    struct bytes name;

    if (call->args.len == 0) {
        run_command(call);
        return;
    }
    resp_write_array(call->out, call->args.len);
    while (resp_next(&call->args, &name)) {
        const struct resp_command *command = find(commands, name);
        if (command == NULL) {
            resp_write_null(call->out, call->state->version);
        } else {
            write_command(call->out, command);
        }
    }
}

static void command_list(struct resp_call *call)
{
    resp_write_array(call->out, ARRAY_LEN(commands) - 1);
    for (size_t i = 0; i + 1 < ARRAY_LEN(commands); i++) {
        resp_write_bulk(call->out, commands[i].name);
    }
}

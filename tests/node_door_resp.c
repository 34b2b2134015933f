/* SPDX-License-Identifier: Apache-2.0
 *
 * The Redis door, word for word. The answers are those that redis-server 7.0
 * gave to the same bytes, but where docs/PROTOCOLS.md names a difference.
 */
#include "tests/test.h"

#include "tests/resp_talk.h"

#define HELLO_2                                                    \
    "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n"      \
    "$5\r\n7.2.0\r\n$5\r\nproto\r\n:2\r\n$2\r\nid\r\n:1\r\n$4\r\n" \
    "mode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"  \
    "$7\r\nmodules\r\n*0\r\n"
#define HELLO_3                                                    \
    "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n" \
    "7.2.0\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:1\r\n$4\r\n"       \
    "mode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"  \
    "$7\r\nmodules\r\n*0\r\n"

/* Commands, each with its answer; an empty command ends. */
struct talk {
    const char *name;
    struct {
        struct bytes in;
        const char *out;
    } rows[20];
};

static size_t rows_of(const struct talk *t)
{
    size_t len = 0;

    while (len < ARRAY_LEN(t->rows) && t->rows[len].in.len > 0) {
        len++;
    }
    return len;
}

static void hear(struct fake_conn *conn, const struct talk *t, size_t row)
{
    const char *expected = t->rows[row].out;
    struct bytes out = fake_conn_out(conn);

    if (!bytes_eq(out, bytes_str(expected))) {
        fail_msg("%s, row %zu:\nexpected %s\ngot %.*s", t->name, row, expected,
                 (int)out.len, (const char *)out.p);
    }
    fake_conn_reset(conn);
}

/* The talk with a fresh node, a command at a time, each in pieces of `step`. */
static void talk(const struct talk *t, size_t step, bool closes)
{
    struct core core;
    fake_core_init(&core);
    struct fake_conn *conn = connect_to(&core);

    for (size_t row = 0; row < rows_of(t); row++) {
        struct bytes in = t->rows[row].in;
        for (size_t at = 0; at < in.len; at += step) {
            size_t len = in.len - at < step ? in.len - at : step;
            fake_conn_say(conn, bytes_of(in.p + at, len));
            fake_flush(&core);
        }
        client_check(conn->conn.client);
        hub_check(core.hub);
        hear(conn, t, row);
    }
    assert_int_equal(conn->closed, closes);
    fake_conn_free(conn);
    core_fini(&core);
}

/* The same in one piece: pipelined. */
static void talk_at_once(const struct talk *t)
{
    struct talk whole = {.name = t->name};
    struct buf in = {0};
    struct buf out = {0};

    for (size_t row = 0; row < rows_of(t); row++) {
        buf_add_bytes(&in, t->rows[row].in);
        buf_add_str(&out, t->rows[row].out);
    }
    buf_add_u8(&out, 0);
    whole.rows[0].in = buf_bytes(&in);
    whole.rows[0].out = (const char *)out.p;

    struct core core;
    fake_core_init(&core);
    struct fake_conn *conn = connect_to(&core);
    fake_conn_say(conn, whole.rows[0].in);
    fake_flush(&core);
    hear(conn, &whole, 0);
    fake_conn_free(conn);
    core_fini(&core);
    buf_fini(&in);
    buf_fini(&out);
}

static void talk_all(const struct talk *talks, size_t len, bool closes)
{
    for (size_t i = 0; i < len; i++) {
        talk(&talks[i], SIZE_MAX / 2, closes);
        talk(&talks[i], 1, closes);
        talk(&talks[i], 7, closes);
        talk_at_once(&talks[i]);
    }
}

static void small_talk(void **state)
{
    static const struct talk talks[] = {
        {"commands, as an array and in a line",
         {
             {BYTES("*1\r\n$4\r\nPING\r\n"), "+PONG\r\n"},
             {BYTES("ping hello\r\n"), "$5\r\nhello\r\n"},
             {BYTES("PING a b\r\n"),
              "-ERR wrong number of arguments for 'ping' command\r\n"},
             {BYTES("ECHO\r\n"),
              "-ERR wrong number of arguments for 'echo' command\r\n"},
             {BYTES("ECHO \"a b\"\r\n"), "$3\r\na b\r\n"},
         }},
        {"an empty command, then a real one",
         {
             {BYTES("*0\r\n"), ""},
             {BYTES("*1\r\n$4\r\nPING\r\n"), "+PONG\r\n"},
             {BYTES("\r\n"), ""},
             {BYTES("*-1\r\n"), ""},
             {BYTES("PING\r\n"), "+PONG\r\n"},
         }},
        {"databases",
         {
             {BYTES("SELECT 0\r\n"), "+OK\r\n"},
             {BYTES("SELECT 15\r\n"), "+OK\r\n"},
             {BYTES("SELECT 16\r\n"), "-ERR DB index is out of range\r\n"},
             {BYTES("SELECT x\r\n"),
              "-ERR value is not an integer or out of range\r\n"},
             {BYTES("SELECT -1\r\n"), "-ERR DB index is out of range\r\n"},
         }},
        {"words of cluster clients",
         {
             {BYTES("READONLY\r\n"), "+OK\r\n"},
             {BYTES("ASKING\r\n"), "+OK\r\n"},
             {BYTES("READWRITE\r\n"), "+OK\r\n"},
         }},
        {"unknown",
         {
             {BYTES("FOO a b\r\n"),
              "-ERR unknown command 'FOO', with args beginning wi"
              "th: 'a' 'b' \r\n"},
             {BYTES("FOO\r\n"),
              "-ERR unknown command 'FOO', with args beginning with: \r\n"},
             {BYTES("*3\r\n$3\r\nF\rO\r\n$2\r\n\r\n\r\n$1\r\n'\r\n"),
              "-ERR unknown command 'F O', with args beginning wi"
              "th: '  ' ''' \r\n"},
             {BYTES("*1\r\n$0\r\n\r\n"),
              "-ERR unknown command '', with args beginning with: \r\n"},
             {BYTES("CLIENT FOO\r\n"),
              "-ERR unknown subcommand 'FOO'. Try CLIENT HELP.\r\n"},
             {BYTES("CLIENT\r\n"),
              "-ERR wrong number of arguments for 'client' command\r\n"},
             {BYTES("*3\r\n$6\r\nCLIENT\r\n$19\r\nMAINT_NOTIFICATIONS\r\n$2\r\n"
                    "ON\r\n"),
              "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try"
              " CLIENT HELP.\r\n"},
         }},
        {"arity",
         {
             {BYTES("PUBLISH a\r\n"),
              "-ERR wrong number of arguments for 'publish' command\r\n"},
             {BYTES("PUBLISH a b c\r\n"),
              "-ERR wrong number of arguments for 'publish' command\r\n"},
             {BYTES("SUBSCRIBE\r\n"),
              "-ERR wrong number of arguments for 'subscribe' command\r\n"},
             {BYTES("CONFIG GET\r\n"),
              "-ERR wrong number of arguments for 'config|get' command\r\n"},
         }},
    };
    (void)state;

    talk_all(talks, ARRAY_LEN(talks), false);
}

static void last_words(void **state)
{
    static const struct talk talks[] = {
        {"quit",
         {
             {BYTES("QUIT\r\n"), "+OK\r\n"},
         }},
        {"quit while subscribed",
         {
             {BYTES("SUBSCRIBE a\r\n"),
              "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"},
             {BYTES("QUIT\r\n"), "+OK\r\n"},
         }},
        {"after a good command",
         {
             {BYTES("PING\r\n"), "+PONG\r\n"},
             {BYTES("*x\r\n"),
              "-ERR Protocol error: invalid multibulk length\r\n"},
         }},
        {"too many",
         {
             {BYTES("*1048577\r\n"),
              "-ERR Protocol error: invalid multibulk length\r\n"},
         }},
        {"negative",
         {
             {BYTES("*1\r\n$-1\r\n"),
              "-ERR Protocol error: invalid bulk length\r\n"},
         }},
        {"longer than any item",
         {
             {BYTES("*1\r\n$1200000\r\n"),
              "-ERR Protocol error: invalid bulk length\r\n"},
         }},
        {"a status from a client",
         {
             {BYTES("*1\r\n+PING\r\n"),
              "-ERR Protocol error: expected '$', got '+'\r\n"},
         }},
        {"quotes",
         {
             {BYTES("PING \"a\r\n"),
              "-ERR Protocol error: unbalanced quotes in request\r\n"},
         }},
    };
    (void)state;

    talk_all(talks, ARRAY_LEN(talks), true);
}

static void hello_chooses_the_version(void **state)
{
    static const struct talk talks[] = {
        {"two, three and back",
         {
             {BYTES("HELLO\r\n"), HELLO_2},
             {BYTES("HELLO 3\r\n"), HELLO_3},
             {BYTES("HELLO\r\n"), HELLO_3},
             {BYTES("CLIENT GETNAME\r\n"), "_\r\n"},
             {BYTES("HELLO 2\r\n"), HELLO_2},
             {BYTES("CLIENT GETNAME\r\n"), "$-1\r\n"},
         }},
        {"refused",
         {
             {BYTES("HELLO 4\r\n"),
              "-NOPROTO unsupported protocol version\r\n"},
             {BYTES("HELLO 1\r\n"),
              "-NOPROTO unsupported protocol version\r\n"},
             {BYTES("HELLO x\r\n"),
              "-ERR Protocol version is not an integer or out of range\r\n"},
             {BYTES("HELLO 3 FOO\r\n"),
              "-ERR Syntax error in HELLO option 'FOO'\r\n"},
             {BYTES("HELLO 3 AUTH x\r\n"),
              "-ERR Syntax error in HELLO option 'AUTH'\r\n"},
             {BYTES("HELLO 3 SETNAME\r\n"),
              "-ERR Syntax error in HELLO option 'SETNAME'\r\n"},
             {BYTES("HELLO 3 SETNAME \"a b\"\r\n"),
              "-ERR Client names cannot contain spaces, newlines "
              "or special characters.\r\n"},
             {BYTES("HELLO 3 AUTH a/b t\r\n"),
              "-WRONGPASS invalid username-password pair or user "
              "is disabled.\r\n"},
             {BYTES("CLIENT GETNAME\r\n"), "$-1\r\n"},
         }},
        {"all options",
         {
             {BYTES("HELLO 3 setname me auth c t\r\n"), HELLO_3},
             {BYTES("CLIENT GETNAME\r\n"), "$2\r\nme\r\n"},
         }},
        {"subscribed",
         {
             {BYTES("HELLO 3\r\n"), HELLO_3},
             {BYTES("SUBSCRIBE a\r\n"),
              ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"},
             {BYTES("HELLO 3\r\n"), HELLO_3},
             {BYTES("HELLO 2\r\n"),
              "-ERR HELLO with another version is not allowed wit"
              "h live subscriptions\r\n"},
         }},
        {"auth",
         {
             {BYTES("AUTH t\r\n"), "+OK\r\n"},
             {BYTES("AUTH c t\r\n"), "+OK\r\n"},
             {BYTES("AUTH ../x t\r\n"),
              "-WRONGPASS invalid username-password pair or user "
              "is disabled.\r\n"},
             {BYTES("AUTH \"\" t\r\n"),
              "-WRONGPASS invalid username-password pair or user "
              "is disabled.\r\n"},
             {BYTES("AUTH a b c\r\n"), "-ERR syntax error\r\n"},
             {BYTES("AUTH\r\n"),
              "-ERR wrong number of arguments for 'auth' command\r\n"},
         }},
    };
    (void)state;

    talk_all(talks, ARRAY_LEN(talks), false);
}

static void a_client_knows_itself(void **state)
{
    static const struct talk talks[] = {
        {"id",
         {
             {BYTES("CLIENT ID\r\n"), ":1\r\n"},
             {BYTES("CLIENT GETREDIR\r\n"), ":-1\r\n"},
         }},
        {"name",
         {
             {BYTES("CLIENT SETNAME me\r\n"), "+OK\r\n"},
             {BYTES("CLIENT GETNAME\r\n"), "$2\r\nme\r\n"},
             {BYTES("CLIENT LIST\r\n"),
              "$138\r\n"
              "id=1 addr=[::]:0 name=me age=0 idle=0 flags=N d"
              "b=0 sub=0 psub=0 ssub=0 multi=-1 oll=0 omem=0 cmd="
              "client|list user=default redir=-1 resp=2\n\r\n"},
             {BYTES("CLIENT SETNAME \"\"\r\n"), "+OK\r\n"},
             {BYTES("CLIENT GETNAME\r\n"), "$-1\r\n"},
         }},
        {"library",
         {
             {BYTES("CLIENT SETINFO LIB-NAME x\r\n"), "+OK\r\n"},
             {BYTES("CLIENT SETINFO\r\n"),
              "-ERR wrong number of arguments for 'client|setinfo"
              "' command\r\n"},
             {BYTES("CLIENT NO-EVICT on\r\n"), "+OK\r\n"},
             {BYTES("CLIENT NO-EVICT x\r\n"), "-ERR syntax error\r\n"},
         }},
        {"reply off",
         {
             {BYTES("CLIENT REPLY OFF\r\n"), ""},
             {BYTES("PING\r\n"), ""},
             {BYTES("FOO\r\n"), ""},
             {BYTES("SUBSCRIBE a\r\n"),
              "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"},
             {BYTES("UNSUBSCRIBE a\r\n"),
              "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n"},
             {BYTES("CLIENT REPLY ON\r\n"), "+OK\r\n"},
             {BYTES("PING\r\n"), "+PONG\r\n"},
         }},
        {"reply skip",
         {
             {BYTES("CLIENT REPLY SKIP\r\n"), ""},
             {BYTES("PING 1\r\n"), ""},
             {BYTES("PING\r\n"), "+PONG\r\n"},
             {BYTES("CLIENT REPLY x\r\n"), "-ERR syntax error\r\n"},
         }},
    };
    (void)state;

    talk_all(talks, ARRAY_LEN(talks), false);
}

static void tools_get_their_answers(void **state)
{
    static const struct talk talks[] = {
        {"config",
         {
             {BYTES("CONFIG GET save\r\n"), "*2\r\n$4\r\nsave\r\n$0\r\n\r\n"},
             {BYTES("CONFIG GET nope\r\n"), "*0\r\n"},
             {BYTES("CONFIG SET save x\r\n"),
              "-ERR unknown subcommand 'SET'. Try CONFIG HELP.\r\n"},
             {BYTES("CONFIG HELP\r\n"), "*2\r\n+Subcommands are:\r\n+get\r\n"},
             {BYTES("HELLO 3\r\n"), HELLO_3},
             {BYTES("CONFIG GET a* SAVE\r\n"),
              "%2\r\n$10\r\nappendonly\r\n$2\r\nno\r\n$4\r\nsave\r\n$0\r\n"
              "\r\n"},
         }},
        {"command",
         {
             {BYTES("COMMAND COUNT\r\n"), ":24\r\n"},
             {BYTES("COMMAND INFO Publish nope\r\n"),
              "*2\r\n*6\r\n$7\r\npublish\r\n:3\r\n*1\r\n+pubsub\r\n:0\r\n"
              ":0\r\n:0\r\n$-1\r\n"},
             {BYTES("COMMAND INFO spublish ssubscribe\r\n"),
              "*2\r\n*6\r\n$8\r\nspublish\r\n:3\r\n*1\r\n+pubsub\r\n:1\r\n"
              ":1\r\n:1\r\n*6\r\n$10\r\nssubscribe\r\n:-2\r\n*1\r\n"
              "+pubsub\r\n:1\r\n:-1\r\n:1\r\n"},
             {BYTES("COMMAND DOCS ping\r\n"), "*0\r\n"},
         }},
        {"info",
         {
             {BYTES("INFO replication Cluster\r\n"),
              "$80\r\n# Replication\r\nrole:master\r\n"
              "connected_slaves:0\r\n\r\n# Cluster\r\ncluster_enabled:1\r\n"
              "\r\n"},
             {BYTES("INFO nope\r\n"), "$0\r\n\r\n"},
             {BYTES("HELLO 3\r\n"), HELLO_3},
             {BYTES("INFO persistence\r\n"),
              "=30\r\ntxt:# Persistence\r\nloading:0\r\n\r\n"},
         }},
    };
    (void)state;

    talk_all(talks, ARRAY_LEN(talks), false);
}

static void subscriptions_are_counted_as_redis_counts(void **state)
{
    static const struct talk talks[] = {
        {"RESP2",
         {
             {BYTES("SUBSCRIBE a b\r\n"),
              "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\n"
              "subscribe\r\n$1\r\nb\r\n:2\r\n"},
             {BYTES("PING\r\n"), "*2\r\n$4\r\npong\r\n$0\r\n\r\n"},
             {BYTES("PING x\r\n"), "*2\r\n$4\r\npong\r\n$1\r\nx\r\n"},
             {BYTES("PUBLISH a x\r\n"),
              "-ERR Can't execute 'publish': only (P|S)SUBSCRIBE "
              "/ (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allow"
              "ed in this context\r\n"},
             {BYTES("CLIENT LIST\r\n"),
              "-ERR Can't execute 'client|list': only (P|S)SUBSCR"
              "IBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are a"
              "llowed in this context\r\n"},
             {BYTES("get\r\n"),
              "-ERR unknown command 'get', with args beginning with: \r\n"},
             {BYTES("SUBSCRIBE\r\n"),
              "-ERR wrong number of arguments for 'subscribe' command\r\n"},
             {BYTES("SSUBSCRIBE a\r\n"),
              "*3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n"},
             {BYTES("PSUBSCRIBE *\r\n"),
              "*3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:3\r\n"},
             {BYTES("SUBSCRIBE a\r\n"),
              "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:3\r\n"},
             {BYTES("UNSUBSCRIBE\r\n"),
              "*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:2\r\n*3\r\n$11\r\n"
              "unsubscribe\r\n$1\r\na\r\n:1\r\n"},
             {BYTES("PUNSUBSCRIBE\r\n"),
              "*3\r\n$12\r\npunsubscribe\r\n$1\r\n*\r\n:0\r\n"},
             {BYTES("SUNSUBSCRIBE\r\n"),
              "*3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n"},
             {BYTES("UNSUBSCRIBE\r\n"),
              "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n"},
             {BYTES("PUNSUBSCRIBE z\r\n"),
              "*3\r\n$12\r\npunsubscribe\r\n$1\r\nz\r\n:0\r\n"},
             {BYTES("PING\r\n"), "+PONG\r\n"},
         }},
        {"RESP3",
         {
             {BYTES("HELLO 3\r\n"), HELLO_3},
             {BYTES("SUBSCRIBE a a\r\n"),
              ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n>3\r\n$9\r\n"
              "subscribe\r\n$1\r\na\r\n:1\r\n"},
             {BYTES("SSUBSCRIBE s\r\n"),
              ">3\r\n$10\r\nssubscribe\r\n$1\r\ns\r\n:1\r\n"},
             {BYTES("PING\r\n"), "+PONG\r\n"},
             {BYTES("UNSUBSCRIBE x\r\n"),
              ">3\r\n$11\r\nunsubscribe\r\n$1\r\nx\r\n:1\r\n"},
             {BYTES("UNSUBSCRIBE\r\n"),
              ">3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n"},
             {BYTES("UNSUBSCRIBE\r\n"),
              ">3\r\n$11\r\nunsubscribe\r\n_\r\n:0\r\n"},
             {BYTES("SUNSUBSCRIBE\r\n"),
              ">3\r\n$12\r\nsunsubscribe\r\n$1\r\ns\r\n:0\r\n"},
             {BYTES("SUNSUBSCRIBE\r\n"),
              ">3\r\n$12\r\nsunsubscribe\r\n_\r\n:0\r\n"},
         }},
    };
    (void)state;

    talk_all(talks, ARRAY_LEN(talks), false);
}

static void reset_forgets_everything(void **state)
{
    static const struct talk talks[] = {
        {"reset",
         {
             {BYTES("HELLO 3 AUTH other t SETNAME n\r\n"), HELLO_3},
             {BYTES("SUBSCRIBE a\r\n"),
              ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"},
             {BYTES("RESET\r\n"), "+RESET\r\n"},
             {BYTES("CLIENT GETNAME\r\n"), "$-1\r\n"},
             {BYTES("PUBLISH a x\r\n"), ":0\r\n"},
             {BYTES("AUTH other t\r\n"), "+OK\r\n"},
             {BYTES("PUBLISH a x\r\n"), ":0\r\n"},
         }},
    };
    (void)state;

    talk_all(talks, ARRAY_LEN(talks), false);
}

static void a_publisher_hears_itself_before_the_answer(void **state)
{
    static const struct talk talks[] = {
        {"RESP3",
         {
             {BYTES("HELLO 3\r\n"), HELLO_3},
             {BYTES("SUBSCRIBE a\r\n"),
              ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"},
             {BYTES("PUBLISH a x\r\n"),
              ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n:1\r\n"},
             {BYTES("SSUBSCRIBE a\r\n"),
              ">3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n"},
             {BYTES("UNSUBSCRIBE a\r\n"),
              ">3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n"},
             {BYTES("SPUBLISH a y\r\n"),
              ">3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$1\r\ny\r\n:1\r\n"},
             {BYTES("PSUBSCRIBE *\r\n"),
              ">3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:1\r\n"},
             {BYTES("SUNSUBSCRIBE a\r\n"),
              ">3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n"},
             {BYTES("PUBLISH a z\r\n"),
              ">4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\na\r\n$1\r\nz\r\n"
              ":1\r\n"},
         }},
    };
    (void)state;

    talk_all(talks, ARRAY_LEN(talks), false);
}

static void invalid_names_are_refused_and_the_client_stays(void **state)
{
    static const struct talk talks[] = {
        {"publish",
         {
             {BYTES("*3\r\n$7\r\nPUBLISH\r\n$0\r\n\r\n$1\r\nv\r\n"),
              "-ERR invalid topic\r\n"},
             {BYTES("*3\r\n$7\r\nPUBLISH\r\n$2\r\n\xc0\x80\r\n$1\r\nv\r\n"),
              "-ERR invalid topic\r\n"},
             {BYTES("*3\r\n$7\r\nPUBLISH\r\n$3\r\n\xed\xa0\x80\r\n$1\r\nv\r\n"),
              "-ERR invalid topic\r\n"},
             {BYTES("*3\r\n$7\r\nPUBLISH\r\n$1\r\n\x00\r\n$1\r\nv\r\n"),
              "-ERR invalid topic\r\n"},
             {BYTES("*3\r\n$7\r\nPUBLISH\r\n$3\r\n\xef\xbb\xbf\r\n$1\r\nv\r\n"),
              "-ERR invalid topic\r\n"},
             {BYTES("*3\r\n$7\r\nPUBLISH\r\n$3\r\n\xe2\x80\xae\r\n$1\r\nv\r\n"),
              "-ERR invalid topic\r\n"},
             {BYTES("*3\r\n$7\r\nPUBLISH\r\n$3\r\na\r\n\r\n$1\r\nv\r\n"),
              "-ERR invalid topic\r\n"},
             {BYTES("PING\r\n"), "+PONG\r\n"},
         }},
        {"all or nothing",
         {
             {BYTES("*3\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n$1\r\n\x01\r\n"),
              "-ERR invalid topic\r\n"},
             {BYTES("*2\r\n$10\r\nPSUBSCRIBE\r\n$0\r\n\r\n"),
              "-ERR invalid topic\r\n"},
             {BYTES("PUBLISH a x\r\n"), ":0\r\n"},
         }},
        {"never was",
         {
             {BYTES("*2\r\n$11\r\nUNSUBSCRIBE\r\n$1\r\n\x01\r\n"),
              "*3\r\n$11\r\nunsubscribe\r\n$1\r\n\x01\r\n:0\r\n"},
         }},
    };
    (void)state;

    talk_all(talks, ARRAY_LEN(talks), false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_talk),
        cmocka_unit_test(last_words),
        cmocka_unit_test(hello_chooses_the_version),
        cmocka_unit_test(a_client_knows_itself),
        cmocka_unit_test(tools_get_their_answers),
        cmocka_unit_test(subscriptions_are_counted_as_redis_counts),
        cmocka_unit_test(reset_forgets_everything),
        cmocka_unit_test(a_publisher_hears_itself_before_the_answer),
        cmocka_unit_test(invalid_names_are_refused_and_the_client_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

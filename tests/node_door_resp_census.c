/* SPDX-License-Identifier: Apache-2.0
 *
 * PUBSUB over three nodes: each a core of its own, what they tell each other
 * goes when the test says so.
 */
#include "tests/test.h"

#include <stdio.h>

#include "node/hub/census.h"
#include "node/mesh/calls.h"
#include "tests/resp_talk.h"

#define TOO_MANY \
    "-ERR too many channels: ask with a narrower pattern, or later\r\n"

enum {
    NODES = 3,
    CONNS = 4,  /* of a node */
    MAILS = 64, /* on their way */
};

struct node {
    struct net *net;
    uint16_t slot; /* also at the others */
    struct peer_node peer;
    struct core core;
    struct calls *calls;
    struct fake_conn *conns[CONNS];
};

struct mail {
    uint16_t from;
    uint16_t to;
    struct buf wire;
};

struct net {
    struct node nodes[NODES];
    struct mail mails[MAILS];
    size_t len;
    bool lone; /* nobody is linked */
};

static const struct peer_node *net_linked(void *data, uint16_t *slot)
{
    const struct node *self = data;

    for (; *slot < NODES && !self->net->lone; (*slot)++) {
        if (*slot != self->slot) {
            return &self->net->nodes[*slot].peer;
        }
    }
    return NULL;
}

static bool net_tell(void *data, uint16_t slot,
                     const struct peer_message *message)
{
    const struct node *self = data;
    struct net *net = self->net;

    assert_true(net->len < MAILS);
    struct mail *mail = &net->mails[net->len++];
    *mail = (struct mail){.from = self->slot, .to = slot};
    peer_message_write(message, &mail->wire);
    return true;
}

static bool net_answer(void *data, struct bytes body, struct buf *out)
{
    return census_answer(&((struct node *)data)->core, body, out);
}

static void node_init(struct net *net, uint16_t slot)
{
    static const char *const names[] = {"n1", "n2", "n3"};
    struct node *node = &net->nodes[slot];
    const struct calls_world world = {
        .data = node, .linked = net_linked, .tell = net_tell};

    node->net = net;
    node->slot = slot;
    node->peer = (struct peer_node){.id.b = {(uint8_t)(slot + 1)},
                                    .name = bytes_str(names[slot])};
    fake_core_init(&node->core);
    node->calls = calls_new(&node->core, &world);
    assert_non_null(node->calls);
    calls_serve(node->calls, CALL_PUBSUB, net_answer, node);
    node->core.calls = node->calls;
}

static int setup(void **state)
{
    static struct net net;

    net = (struct net){0};
    for (uint16_t i = 0; i < NODES; i++) {
        node_init(&net, i);
    }
    *state = &net;
    return 0;
}

static void drop_mail(struct net *net, size_t from)
{
    for (size_t i = from; i < net->len; i++) {
        buf_fini(&net->mails[i].wire);
    }
    net->len = from;
}

static int teardown(void **state)
{
    struct net *net = *state;

    for (uint16_t i = 0; i < NODES; i++) {
        struct node *node = &net->nodes[i];
        for (size_t c = 0; c < CONNS; c++) {
            if (node->conns[c] != NULL) {
                fake_conn_free(node->conns[c]);
            }
        }
        calls_free(node->calls);
        core_fini(&node->core);
    }
    drop_mail(net, 0);
    return 0;
}

/* Hands over all that is on its way, also what that causes. */
static void deliver(struct net *net)
{
    for (size_t i = 0; i < net->len; i++) {
        struct mail mail = net->mails[i];
        struct node *to = &net->nodes[mail.to];
        struct peer_message message;
        assert_int_equal(peer_message_read(buf_bytes(&mail.wire), &message),
                         mail.wire.len);
        calls_take(to->calls, mail.from, &message);
    }
    drop_mail(net, 0);
    for (uint16_t i = 0; i < NODES; i++) {
        fake_flush(&net->nodes[i].core);
    }
}

static struct fake_conn *connect_node(struct net *net, size_t node)
{
    struct fake_conn **at = net->nodes[node].conns;

    while (*at != NULL) {
        at++;
    }
    *at = connect_to(&net->nodes[node].core);
    return *at;
}

static void subscriber(struct net *net, size_t node, const char *command)
{
    struct fake_conn *conn = connect_node(net, node);

    say(conn, command);
    assert_true(fake_conn_out(conn).len > 0);
    assert_int_not_equal(fake_conn_out(conn).p[0], '-');
}

/* --- sums --- */

static void channels_counts_and_patterns_of_all_nodes_are_added(void **state)
{
    struct net *net = *state;
    struct fake_conn *conn = connect_node(net, 0);

    subscriber(net, 0, "SUBSCRIBE news.a both\r\n");
    subscriber(net, 1, "SUBSCRIBE both news.b\r\n");
    subscriber(net, 1, "SUBSCRIBE both\r\n");
    subscriber(net, 2, "SSUBSCRIBE both\r\n");
    subscriber(net, 2, "PSUBSCRIBE news.* other.*\r\n");
    subscriber(net, 1, "PSUBSCRIBE news.*\r\n");
    subscriber(net, 2, "AUTH else x\r\n");
    say(net->nodes[2].conns[2], "SUBSCRIBE hidden news.h\r\n");

    say(conn, "PUBSUB CHANNELS\r\n");
    hears(conn, "");
    deliver(net);
    hears(conn, "*3\r\n$4\r\nboth\r\n$6\r\nnews.a\r\n$6\r\nnews.b\r\n");
    say(conn, "PUBSUB CHANNELS news.*\r\n");
    deliver(net);
    hears(conn, "*2\r\n$6\r\nnews.a\r\n$6\r\nnews.b\r\n");
    say(conn, "PUBSUB SHARDCHANNELS none*\r\n");
    deliver(net);
    hears(conn, "*0\r\n");
    say(conn, "PUBSUB NUMSUB both news.b hidden \"\"\r\n");
    deliver(net);
    hears(conn, "*8\r\n$4\r\nboth\r\n:4\r\n$6\r\nnews.b\r\n:1\r\n"
                "$6\r\nhidden\r\n:0\r\n$0\r\n\r\n:0\r\n");
    say(conn, "PUBSUB NUMSUB\r\n");
    deliver(net);
    hears(conn, "*0\r\n");
    say(conn, "PUBSUB NUMPAT\r\n");
    deliver(net);
    hears(conn, ":2\r\n");
}

static void who_does_not_answer_in_time_is_left_out_and_counted(void **state)
{
    struct net *net = *state;
    struct fake_conn *conn = connect_node(net, 0);

    subscriber(net, 0, "SUBSCRIBE a\r\n");
    subscriber(net, 1, "SUBSCRIBE a\r\n");
    say(conn, "PUBSUB NUMSUB a\r\n");
    drop_mail(net, 0);
    fake_wait(&net->nodes[0].core, 199);
    hears(conn, "");
    fake_wait(&net->nodes[0].core, 1);
    hears(conn, "*2\r\n$1\r\na\r\n:1\r\n");
    assert_int_equal(net->nodes[0].core.stats.calls_unanswered, 2);
}

static void a_node_alone_answers_for_itself(void **state)
{
    struct net *net = *state;
    struct fake_conn *conn = connect_node(net, 0);

    net->lone = true;
    subscriber(net, 0, "SUBSCRIBE a\r\n");
    say(conn, "PUBSUB CHANNELS\r\n");
    fake_wait(&net->nodes[0].core, 1);
    hears(conn, "*1\r\n$1\r\na\r\n");
}

/* --- order --- */

static void answers_keep_their_places(void **state)
{
    struct net *net = *state;
    struct fake_conn *conn = connect_node(net, 0);

    say(conn, "HELLO 3\r\n");
    fake_conn_reset(conn);
    say(conn, "PING 1\r\nPUBSUB NUMPAT\r\nPING 2\r\nPUBSUB CHANNELS\r\n"
              "SUBSCRIBE x\r\nPING 3\r\n");
    hears(conn, "$1\r\n1\r\n");
    /* The second question is answered first. */
    struct peer_message done = {.type = PEER_REPLY,
                                .number = 2,
                                .kind = CALL_PUBSUB,
                                .body = BYTES("\xc4\1q")};
    calls_take(net->nodes[0].calls, 1, &done);
    calls_take(net->nodes[0].calls, 2, &done);
    fake_flush(&net->nodes[0].core);
    hears(conn, "");
    fake_wait(&net->nodes[0].core, 200);
    hears(conn, ":0\r\n$1\r\n2\r\n*1\r\n$1\r\nq\r\n"
                ">3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n$1\r\n3\r\n");
    client_check(conn->conn.client);
}

/* Items do not wait for other nodes: commands do. */
static void a_subscribers_items_go_on_meanwhile(void **state)
{
    struct net *net = *state;
    struct core *core = &net->nodes[0].core;
    struct fake_conn *conn = connect_node(net, 0);
    struct fake_conn *other = connect_node(net, 0);

    say(conn, "HELLO 3\r\nPUBSUB NUMPAT\r\nSUBSCRIBE x\r\n");
    fake_conn_reset(conn);
    assert_false(conn->conn.paused);
    say(conn, "PUBSUB NUMSUB x\r\nPING\r\n");
    assert_true(conn->conn.paused);
    fake_wait(core, 199);
    say(other, "PUBLISH x one\r\n");
    hears(conn, ""); /* the first question's place is held */
    struct peer_message done = {
        .type = PEER_REPLY, .number = 1, .kind = CALL_PUBSUB};
    calls_take(net->nodes[0].calls, 1, &done);
    calls_take(net->nodes[0].calls, 2, &done);
    fake_flush(core);
    hears(conn, ":0\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n"
                ">3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$3\r\none\r\n");
    assert_true(conn->conn.paused);
    say(other, "PUBLISH x two\r\n");
    hears(conn, ">3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$3\r\ntwo\r\n");
    deliver(net);
    hears(conn, "*2\r\n$1\r\nx\r\n:1\r\n");
    assert_false(conn->conn.paused);
    say(conn, "");
    hears(conn, "+PONG\r\n");
}

static void one_client_has_a_few_questions_under_way(void **state)
{
    struct net *net = *state;
    struct fake_conn *conn = connect_node(net, 0);

    for (int i = 0; i < 7; i++) {
        fake_conn_say(conn, BYTES("PUBSUB NUMPAT\r\n"));
    }
    fake_conn_say(conn, BYTES("PING\r\n"));
    assert_int_equal(net->len, 2 * RESP_ASKS_MAX);
    assert_true(conn->conn.paused);
    deliver(net);
    hears(conn, ":0\r\n:0\r\n:0\r\n:0\r\n");
    assert_false(conn->conn.paused);
    fake_conn_say(conn, BYTES(""));
    assert_int_equal(net->len, 2 * 3);
    deliver(net);
    hears(conn, ":0\r\n:0\r\n:0\r\n+PONG\r\n");
}

static void a_muted_question_is_not_asked(void **state)
{
    struct net *net = *state;
    struct fake_conn *conn = connect_node(net, 0);

    say(conn, "CLIENT REPLY SKIP\r\nPUBSUB NUMPAT\r\nPING\r\n");
    hears(conn, "+PONG\r\n");
    say(conn, "CLIENT REPLY OFF\r\nPUBSUB CHANNELS\r\n");
    hears(conn, "");
    assert_int_equal(net->len, 0);
}

/* --- ends --- */

static void who_leaves_is_not_answered(void **state)
{
    struct net *net = *state;
    struct fake_conn *conn = connect_node(net, 0);

    say(conn, "PUBSUB NUMPAT\r\nPUBSUB CHANNELS\r\n");
    fake_conn_free(conn);
    net->nodes[0].conns[0] = NULL;
    deliver(net);
    fake_wait(&net->nodes[0].core, 200);

    conn = connect_node(net, 0);
    say(conn, "PUBSUB NUMPAT\r\nPING\r\n");
    client_close(conn->conn.client, ERR_CLOSING);
    fake_flush(&net->nodes[0].core);
    hears(conn, "+PONG\r\n-ERR this node is shutting down\r\n");
    deliver(net);
    hears(conn, "");
}

static void who_quits_is_answered_first(void **state)
{
    struct net *net = *state;
    struct fake_conn *conn = connect_node(net, 0);

    const struct peer_message first = {
        .type = PEER_REPLY, .number = 1, .kind = CALL_PUBSUB};

    say(conn, "PUBSUB NUMPAT\r\nPUBSUB CHANNELS\r\nQUIT\r\nPING\r\n");
    hears(conn, "");
    calls_take(net->nodes[0].calls, 1, &first);
    calls_take(net->nodes[0].calls, 2, &first);
    assert_true(conn->conn.paused); /* nothing more is taken */
    fake_flush(&net->nodes[0].core);
    hears(conn, ":0\r\n");
    deliver(net);
    hears(conn, "*0\r\n+OK\r\n");
    assert_true(conn->closed);
}

static void a_refused_question_has_its_place_too(void **state)
{
    struct net *net = *state;
    struct fake_conn *conn = connect_node(net, 0);
    struct buf command = {0};
    static uint8_t name[PEER_BODY_LEN_MAX];

    buf_add_str(&command, "PING 1\r\n*3\r\n$6\r\nPUBSUB\r\n$6\r\nNUMSUB\r\n$");
    buf_add_u64(&command, sizeof name);
    buf_add_str(&command, "\r\n");
    buf_add(&command, name, sizeof name);
    buf_add_str(&command, "\r\nPUBSUB CHANNELS a b\r\nPING 2\r\n");
    fake_conn_say(conn, buf_bytes(&command));
    buf_fini(&command);
    fake_flush(&net->nodes[0].core);
    hears(conn,
          "$1\r\n1\r\n-ERR too many channels in one question\r\n"
          "-ERR wrong number of arguments for 'pubsub|channels' command\r\n"
          "$1\r\n2\r\n");
    assert_int_equal(net->len, 0);
}

/* --- bounds --- */

static void many_channels(struct net *net, size_t node, unsigned len)
{
    struct fake_conn *conn = connect_node(net, node);
    char command[600];

    for (unsigned i = 0; i < len; i++) {
        (void)snprintf(command, sizeof command, "SUBSCRIBE n%zu.%u.%0490u\r\n",
                       node, i, 0);
        say(conn, command);
    }
}

static void an_answer_is_whole_or_an_error(void **state)
{
    struct net *net = *state;
    struct fake_conn *conn = connect_node(net, 0);

    many_channels(net, 1, 600); /* more than a body holds */
    subscriber(net, 2, "SUBSCRIBE a\r\n");
    say(conn, "PUBSUB CHANNELS\r\n");
    deliver(net);
    hears(conn, TOO_MANY);
    say(conn, "PUBSUB CHANNELS a*\r\n");
    deliver(net);
    hears(conn, "*1\r\n$1\r\na\r\n");
    say(conn, "PUBSUB NUMSUB a\r\n");
    deliver(net);
    hears(conn, "*2\r\n$1\r\na\r\n:1\r\n");
}

/* What a glob with many stars costs is bounded, not the time it takes. */
static void the_work_for_a_glob_is_bounded(void **state)
{
    struct net *net = *state;
    struct fake_conn *conn = connect_node(net, 0);
    char command[600];
    char *at = command;

    many_channels(net, 0, 500);
    at += snprintf(at, sizeof command, "PUBSUB CHANNELS ");
    for (int i = 0; i < 250; i++) {
        *at++ = '*';
        *at++ = '0';
    }
    (void)snprintf(at, 10, "x\r\n");
    say(conn, command);
    deliver(net);
    hears(conn, TOO_MANY);
    say(conn, "PUBSUB NUMSUB a\r\n"); /* it was spent for this second */
    deliver(net);
    hears(conn, TOO_MANY);
    fake_wait(&net->nodes[0].core, 1000);
    say(conn, "PUBSUB NUMSUB a\r\n");
    deliver(net);
    hears(conn, "*2\r\n$1\r\na\r\n:0\r\n");

    conn = connect_node(net, 1); /* who asks from elsewhere spends it, too */
    say(conn, command);
    deliver(net);
    hears(conn, TOO_MANY);
}

/* --- rights --- */

static void only_what_the_token_may_see_is_told(void **state)
{
    struct net *net = *state;
    struct core *core = &net->nodes[0].core;
    const struct token token = {
        .subject = BYTES("alice"),
        .expires_at = core->wall_ms / 1000 + 3600,
        .grants_len = 1,
        .grants = {{.cache = BYTES("default"),
                    .topic = BYTES("mine."),
                    .prefix = true,
                    .role = TOKEN_SUBSCRIBE}},
    };
    struct buf command = {0};
    (void)state;

    subscriber(net, 1, "SUBSCRIBE mine.a theirs\r\n");
    subscriber(net, 1, "PSUBSCRIBE *\r\n");
    fake_core_ask_tokens(core);
    struct fake_conn *conn = connect_node(net, 0);
    buf_add_str(&command, "AUTH ");
    assert_int_equal(token_write(&core->auth.keys, &token, &command), 0);
    buf_add_str(&command, "\r\n");
    fake_conn_say(conn, buf_bytes(&command));
    buf_fini(&command);
    fake_flush(core);
    hears(conn, "+OK\r\n");

    say(conn, "PUBSUB CHANNELS\r\nPUBSUB NUMSUB mine.a theirs\r\n"
              "PUBSUB NUMPAT\r\n");
    deliver(net);
    hears(conn, "*1\r\n$6\r\nmine.a\r\n"
                "*4\r\n$6\r\nmine.a\r\n:1\r\n$6\r\ntheirs\r\n:0\r\n:1\r\n");
    /* Another identity at the end: its rights are those that count. */
    say(conn, "PUBSUB CHANNELS\r\nPUBSUB NUMPAT\r\nRESET\r\n");
    deliver(net);
    hears(conn, "*0\r\n:0\r\n+RESET\r\n");
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(channels_counts_and_patterns_of_all_nodes_are_added),
        test(who_does_not_answer_in_time_is_left_out_and_counted),
        test(a_node_alone_answers_for_itself),
        test(answers_keep_their_places),
        test(a_subscribers_items_go_on_meanwhile),
        test(one_client_has_a_few_questions_under_way),
        test(a_muted_question_is_not_asked),
        test(who_leaves_is_not_answered),
        test(who_quits_is_answered_first),
        test(a_refused_question_has_its_place_too),
        test(an_answer_is_whole_or_an_error),
        test(the_work_for_a_glob_is_bounded),
        test(only_what_the_token_may_see_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

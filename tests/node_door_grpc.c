/* SPDX-License-Identifier: Apache-2.0
 *
 * gRPC and gRPC-web: calls, answers, refusals.
 */
#include "tests/test.h"

#include "proto/err.h"
#include "tests/ask.h"
#include "tests/grpc_talk.h"

static void a_ping_is_answered_with_an_empty_message_and_trailers(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = grpc_call_new(
        &core, &(struct grpc_ask){.path = "/cache_client.Ping/Ping"});

    assert_int_equal(fake->status, 200);
    assert_true(fake->streaming);
    assert_true(fake->ended);
    assert_true(ask_head_has(fake, "content-type: application/grpc\n"));
    assert_true(ask_head_has(fake, "grpc-accept-encoding: identity\n"));
    assert_bytes(buf_bytes(&fake->trailers), "grpc-status: 0\n");
    assert_int_equal(fake_conn_out(fake).len, 5);
    assert_memory_equal(fake_conn_out(fake).p, "\0\0\0\0\0", 5);
    fake_conn_free(fake);
    core_fini(&core);
}

static void the_web_reads_trailers_in_a_frame(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = grpc_call_new(
        &core, &(struct grpc_ask){.path = "/cache_client.Ping/Ping",
                                  .type = "application/grpc-web+proto",
                                  .header = "Origin: http://localhost:3000"});

    assert_true(ask_head_has(fake, "content-type: application/grpc-web+proto"
                                   "\n"));
    assert_true(ask_head_has(
        fake, "Access-Control-Allow-Origin: http://localhost:3000\n"));
    assert_true(ask_head_has(fake, "Access-Control-Expose-Headers: "
                                   "grpc-status, grpc-message, err\n"));
    assert_true(fake->ended);
    assert_int_equal(fake_conn_out(fake).len, 5 + 5 + 15);
    assert_memory_equal(fake_conn_out(fake).p,
                        "\0\0\0\0\0\x80\0\0\0\x0fgrpc-status:0\r\n", 25);
    fake_conn_free(fake);
    core_fini(&core);
}

static void text_is_understood_and_answered(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = grpc_call_new(
        &core, &(struct grpc_ask){.path = "/cache_client.Ping/Ping",
                                  .type = "application/grpc-web-text"});

    assert_true(ask_head_has(fake, "content-type: application/grpc-web-text"
                                   "\n"));
    assert_bytes(fake_conn_out(fake), "AAAAAAA="
                                      "gAAAAA9ncnBjLXN0YXR1czowDQo=");
    fake_conn_free(fake);
    core_fini(&core);
}

static void a_publish_reaches_who_is_subscribed(void **state)
{
    static const char *const types[] = {"application/grpc",
                                        "application/grpc-web",
                                        "application/grpc-web-text+proto"};
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *reader = ask_new(
        &core, &(struct ask){.target = "/topics/c/t",
                             .header = "Accept: text/event-stream"});
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        fake_conn_reset(reader);
        struct fake_conn *fake = grpc_call_new(
            &core, &(struct grpc_ask){
                       .path = "/cache_client.pubsub.Pubsub/Publish",
                       .type = types[i],
                       .message = BYTES("\x0a\x01"
                                        "c\x12\x01t\x1a\x04\x0a\x02hi"),
                   });
        assert_int_equal(grpc_status_of(fake), GRPC_OK);
        assert_true(ask_out_has(reader, "data: hi\n"));
        fake_conn_free(fake);
    }
    fake_conn_free(reader);
    core_fini(&core);
}

static void a_refusal_is_a_status_with_its_reason(void **state)
{
    static const struct {
        const char *path;
        struct bytes message;
        enum grpc_status status;
        const char *says;
    } cases[] = {
        {"/cache_client.pubsub.Pubsub/Publish",
         BYTES("\x0a\x01 \x12\x01t\x1a\x04\x0a\x02hi"), GRPC_INVALID_ARGUMENT,
         "invalid cache or topic name"},
        {"/cache_client.pubsub.Pubsub/Publish",
         BYTES("\x0a\x01"
               "c\x12\x01t\x1a\x03\x0a\x01\xff"),
         GRPC_INVALID_ARGUMENT, "text is not valid UTF-8"},
        {"/cache_client.pubsub.Pubsub/Publish", BYTES("\x0a\x05"),
         GRPC_INVALID_ARGUMENT, "malformed input"},
        {"/cache_client.pubsub.Pubsub/Listen", BYTES(""), GRPC_UNIMPLEMENTED,
         "not supported here"},
        {"/some.Other/Service", BYTES(""), GRPC_UNIMPLEMENTED,
         "not supported here"},
    };
    static const char *const types[] = {"application/grpc",
                                        "application/grpc-web",
                                        "application/grpc-web-text"};
    struct core core;
    (void)state;
    fake_core_init(&core);
    for (size_t i = 0; i < ARRAY_LEN(cases) * ARRAY_LEN(types); i++) {
        size_t at = i / ARRAY_LEN(types);
        struct fake_conn *fake = grpc_call_new(
            &core, &(struct grpc_ask){
                       .path = cases[at].path,
                       .message = cases[at].message,
                       .type = types[i % ARRAY_LEN(types)],
                   });
        assert_int_equal(fake->status, 200);
        assert_true(fake->ended);
        assert_int_equal(grpc_status_of(fake), cases[at].status);
        assert_true(grpc_trailers_have(fake, cases[at].says));
        fake_conn_free(fake);
    }
    core_fini(&core);
}

static void a_refusal_over_http2_is_a_head_alone(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = grpc_call_new(
        &core, &(struct grpc_ask){.path = "/webhook.Webhook/X"});

    assert_false(fake->streaming);
    assert_true(ask_head_has(fake, "grpc-status: 12\n"));
    assert_int_equal(fake_conn_out(fake).len, 0);
    fake_conn_free(fake);
    core_fini(&core);
}

static void frames_that_are_not_one_whole_message_are_refused(void **state)
{
    static const struct {
        struct bytes body;
        enum grpc_status status;
    } cases[] = {
        {BYTES(""), GRPC_INVALID_ARGUMENT},
        {BYTES("\0\0\0\0"), GRPC_INVALID_ARGUMENT},
        {BYTES("\0\0\0\0\x05"
               "abcd"),
         GRPC_INVALID_ARGUMENT},
        {BYTES("\0\0\0\0\0\0"), GRPC_INVALID_ARGUMENT},
        {BYTES("\0\0\0\0\0\0\0\0\0\0"), GRPC_INVALID_ARGUMENT},
        {BYTES("\x80\0\0\0\0"), GRPC_INVALID_ARGUMENT},
        {BYTES("\x04\0\0\0\0"), GRPC_INVALID_ARGUMENT},
        {BYTES("\0\xff\xff\xff\xff"), GRPC_INVALID_ARGUMENT},
        {BYTES("\x01\0\0\0\0"), GRPC_UNIMPLEMENTED},
    };
    struct core core;
    (void)state;
    fake_core_init(&core);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fake_conn *fake = grpc_call_new(
            &core, &(struct grpc_ask){.path = "/cache_client.Ping/Ping",
                                      .body = &cases[i].body});
        assert_int_equal(grpc_status_of(fake), cases[i].status);
        fake_conn_free(fake);
    }
    core_fini(&core);
}

static void what_is_no_call_is_refused_as_http_does(void **state)
{
    static const struct {
        const char *method;
        const char *type;
        unsigned major;
        unsigned status;
    } cases[] = {
        {"POST", "application/json", 2, 415},
        {"POST", "application/grpc+json", 2, 415},
        {"GET", "application/grpc", 2, 405},
        {"POST", "application/grpc", 1, 426},
    };
    struct core core;
    (void)state;
    fake_core_init(&core);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fake_conn *fake = grpc_call_new(
            &core, &(struct grpc_ask){.path = "/cache_client.Ping/Ping",
                                      .method = cases[i].method,
                                      .type = cases[i].type,
                                      .major = cases[i].major});
        assert_int_equal(fake->status, cases[i].status);
        assert_true(ask_head_has(fake, "content-type: application/json\n"));
        fake_conn_free(fake);
    }
    core_fini(&core);
}

static void who_is_not_known_may_only_ping(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    fake_core_ask_tokens(&core);
    struct fake_conn *fake = grpc_call_new(
        &core, &(struct grpc_ask){.path = "/cache_client.Ping/Ping"});
    assert_int_equal(grpc_status_of(fake), GRPC_OK);
    fake_conn_free(fake);
    fake = grpc_call_new(
        &core, &(struct grpc_ask){.path = "/cache_client.pubsub.Pubsub/"
                                          "Publish"});
    assert_int_equal(grpc_status_of(fake), GRPC_UNAUTHENTICATED);
    fake_conn_free(fake);
    core_fini(&core);
}

/* What the carrier refuses, a token for one, before any door has the client. */
static void a_refusal_of_the_carrier_is_a_status_too(void **state)
{
    static const char *const types[] = {"application/grpc",
                                        "application/grpc-web-text"};
    struct core core;
    (void)state;
    fake_core_init(&core);
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct fake_conn *fake = fake_conn_new(&core);
        struct grpc_ask ask = {.path = "/cache_client.pubsub.Pubsub/Publish",
                               .type = types[i]};
        struct buf body = {0};
        struct http_request request = grpc_request(&ask, &body);
        request_error(fake->conn.client, &request, ERR_EXPIRED);
        fake_flush(&core);
        assert_int_equal(grpc_status_of(fake), GRPC_UNAUTHENTICATED);
        assert_true(grpc_trailers_have(fake, "the token has expired"));
        buf_fini(&body);
        fake_conn_free(fake);
    }
    core_fini(&core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ping_is_answered_with_an_empty_message_and_trailers),
        cmocka_unit_test(the_web_reads_trailers_in_a_frame),
        cmocka_unit_test(text_is_understood_and_answered),
        cmocka_unit_test(a_publish_reaches_who_is_subscribed),
        cmocka_unit_test(a_refusal_is_a_status_with_its_reason),
        cmocka_unit_test(a_refusal_over_http2_is_a_head_alone),
        cmocka_unit_test(frames_that_are_not_one_whole_message_are_refused),
        cmocka_unit_test(what_is_no_call_is_refused_as_http_does),
        cmocka_unit_test(who_is_not_known_may_only_ping),
        cmocka_unit_test(a_refusal_of_the_carrier_is_a_status_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

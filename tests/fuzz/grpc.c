/* SPDX-License-Identifier: Apache-2.0
 *
 * gRPC: the bytes as frames, as their text, as a timeout and as each message
 * that a stranger may send; and in an item, whose frame is then one.
 */
#include "tests/fuzz/fuzz.h"

#include "proto/claims.h"
#include "proto/err.h"
#include "proto/grpc.h"
#include "proto/momento_control.h"
#include "proto/momento_grants.h"
#include "proto/momento_pubsub.h"
#include "proto/momento_token.h"

static ptrdiff_t read_frame(struct bytes in)
{
    struct grpc_frame frame;
    ptrdiff_t taken = grpc_read_frame(in, 4096, &frame);

    if (taken > 0) {
        assert(fuzz_inside(frame.message, in));
        assert(frame.message.len <= 4096);
        assert(frame.message.len + GRPC_FRAME_HEAD_LEN == (size_t)taken);
    }
    return taken;
}

/* What is decoded, encoded again, decodes to the same. */
static void check_text(struct bytes in)
{
    struct buf bytes = {0};
    struct buf text = {0};
    struct buf again = {0};

    if (grpc_read_text(in, &bytes) == 0) {
        assert(bytes.len <= in.len / 4 * 3);
        size_t at = grpc_begin(&text, false);
        buf_add_bytes(&text, buf_bytes(&bytes));
        grpc_finish(&text, at, GRPC_WEB_TEXT);
        assert(grpc_read_text(buf_bytes(&text), &again) == 0);
        assert(bytes_eq(bytes_skip(buf_bytes(&again), GRPC_FRAME_HEAD_LEN),
                        buf_bytes(&bytes)));
    }
    buf_fini(&bytes);
    buf_fini(&text);
    buf_fini(&again);
}

static void check_metadata(struct bytes in)
{
    struct bytes answer;
    struct buf out = {0};
    uint64_t ms;

    if (grpc_read_timeout(in, &ms) == 0) {
        assert(ms <= 99999999ull * 3600 * 1000);
    }
    if (grpc_kind(in, &answer) != GRPC_NONE) {
        assert(grpc_is_meant(answer));
    }
    grpc_add_message(&out, in);
    for (size_t i = 0; i < out.len; i++) {
        assert(out.p[i] >= ' ' && out.p[i] <= '~');
    }
    buf_fini(&out);
}

/* Memory is bounded by the length, whatever the message says. */
static void check_memory(struct buf *memory, struct bytes in)
{
    size_t most = in.len + (in.len < 8192 ? in.len : 8192) * 64 + 8192;

    assert(memory->cap <= 2 * most);
    buf_fini(memory);
    *memory = (struct buf){0};
}

static void check_permissions(const struct momento_permissions *permissions)
{
    assert(permissions->len <= MOMENTO_PERMISSIONS_MAX);
    for (size_t i = 0; i < permissions->len; i++) {
        const struct momento_permission *p = &permissions->list[i];
        assert(p->role <= MOMENTO_ROLE_WRITE);
        assert(!p->all_caches || p->cache.len == 0);
        assert(!p->all || p->name.len == 0);
    }
    struct token token = {.expires_at = 1};
    int err = momento_grants(permissions, &token);
    assert(err == 0 || err == ERR_ARGUMENT || err == ERR_DENIED);
    assert(err != 0 || claims_are_valid(&token));
}

static void check_messages(struct bytes in)
{
    struct momento_publish publish;
    struct momento_subscribe subscribe;
    struct momento_token_wish wish;
    struct momento_key key;
    struct bytes name;
    struct buf memory = {0};

    if (momento_read_publish(in, &memory, &publish) == 0) {
        assert(publish.value.len + publish.topic.len + publish.cache.len <=
               in.len);
    }
    check_memory(&memory, in);
    (void)momento_read_subscribe(in, &memory, &subscribe);
    check_memory(&memory, in);
    if (momento_read_disposable(in, &memory, &wish) == 0) {
        check_permissions(&wish.permissions);
    }
    check_memory(&memory, in);
    if (momento_read_api_token(in, &memory, &wish) == 0) {
        check_permissions(&wish.permissions);
        assert(!wish.never || !wish.expires);
    }
    check_memory(&memory, in);
    (void)momento_read_refresh(in, &memory, &key);
    check_memory(&memory, in);
    (void)momento_read_cache(in, &memory, &name);
    check_memory(&memory, in);
    (void)momento_read_list_caches(in, &memory, &name);
    check_memory(&memory, in);
}

static void check_item(struct bytes in)
{
    const struct item item = {.value = in, .publisher = in};
    struct grpc_frame frame;
    struct buf out = {0};

    size_t at = grpc_begin(&out, false);
    momento_write_item(&out, &item, 7, in.len);
    grpc_finish(&out, at, GRPC_HTTP2);
    assert(!out.failed);
    assert(grpc_read_frame(buf_bytes(&out), out.len, &frame) ==
           (ptrdiff_t)out.len);
    assert(frame.message.len >= 2 * in.len);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t *copy = fuzz_copy(bytes_of(data, len));
    struct bytes in = bytes_of(copy, len);

    (void)fuzz_check_cuts(read_frame, in);
    check_text(in);
    check_metadata(in);
    check_messages(in);
    check_item(in);
    free(copy);
    return 0;
}

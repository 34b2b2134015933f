/* SPDX-License-Identifier: Apache-2.0 */
#include "node/bench/door.h"

#include "node/bench/code.h"

static const struct bench_door *const doors[] = {
    &bench_door_resp, &bench_door_ws,   &bench_door_sse,
    &bench_door_grpc, &bench_door_nats,
};

const struct bench_door *bench_door_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(doors); i++) {
        if (strcmp(doors[i]->name, name) == 0) {
            return doors[i];
        }
    }
    return NULL;
}

const char *bench_door_name(size_t i)
{
    return i < ARRAY_LEN(doors) ? doors[i]->name : NULL;
}

void bench_add_topic(struct buf *out, uint32_t topic)
{
    uint64_t code = bench_code(topic);

    buf_add_str(out, "bench");
    buf_add(out, &code, sizeof code);
}

void bench_add_value(struct buf *out, size_t value_len)
{
    uint8_t *to = buf_reserve(out, value_len);

    if (to != NULL) {
        memset(to, 'x', value_len);
        bench_code_put(to, 0);
        bench_code_put(to + BENCH_CODE_LEN, 0);
        out->len += value_len;
    }
}

int bench_refused(struct bench_talk *talk, struct bytes said, int err)
{
    size_t len = 0;

    while (len < said.len && len < BENCH_WHY_LEN - 1 && said.p[len] >= ' ' &&
           said.p[len] < 0x7f) {
        talk->why[len] = (char)said.p[len];
        len++;
    }
    talk->why[len] = '\0';
    return err;
}

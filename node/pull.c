/* SPDX-License-Identifier: Apache-2.0 */
#include "node/pull.h"

#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <stdlib.h>
#include <uv.h>

#include "proto/err.h"

enum {
    URL_MAX = 6 + ADDR_TEXT_MAX
}; /* "tcp://" */

struct pull_job {
    struct pull *pull;
    nng_aio *aio;
    nng_msg *parked; /* mutex: found no room; this job does not receive */
};

struct pull {
    struct pull_to to;
    nng_socket socket;
    struct pull_job jobs[PULL_RECEIVES];

    uv_mutex_t mutex; /* for what follows */
    nng_msg *inbox[PULL_INBOX_MAX];
    size_t inbox_len;
    size_t inbox_bytes;
};

static int start(struct pull *pull, const struct addr *listen,
                 size_t frame_max);
static void put(struct pull *pull, nng_msg *message);
static size_t unpark(struct pull *pull, struct pull_job *jobs[]);
static void on_received(void *arg);
static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg);

int pull_open(struct pull **out, const struct addr *listen, size_t frame_max,
              const struct pull_to *to)
{
    struct pull *pull = calloc(1, sizeof *pull);

    if (pull == NULL || uv_mutex_init(&pull->mutex) != 0) {
        free(pull);
        return ERR_NOMEM;
    }
    pull->to = *to;
    bool whole = true;
    for (size_t i = 0; i < PULL_RECEIVES; i++) {
        struct pull_job *job = &pull->jobs[i];
        job->pull = pull;
        whole = nng_aio_alloc(&job->aio, on_received, job) == 0 && whole;
    }
    if (!whole || nng_pull0_open(&pull->socket) != 0) {
        pull_free(pull);
        return ERR_NOMEM;
    }
    if (start(pull, listen, frame_max) != 0) {
        pull_close(pull);
        pull_free(pull);
        return ERR_IO;
    }
    *out = pull;
    return 0;
}

void pull_close(struct pull *pull)
{
    nng_close(pull->socket);
    for (size_t i = 0; i < PULL_RECEIVES; i++) {
        nng_aio_stop(pull->jobs[i].aio);
    }
}

void pull_free(struct pull *pull)
{
    for (size_t i = 0; i < PULL_RECEIVES; i++) {
        nng_aio_free(pull->jobs[i].aio);
        if (pull->jobs[i].parked != NULL) {
            nng_msg_free(pull->jobs[i].parked);
        }
    }
    for (size_t i = 0; i < pull->inbox_len; i++) {
        nng_msg_free(pull->inbox[i]);
    }
    uv_mutex_destroy(&pull->mutex);
    free(pull);
}

void pull_take(struct pull *pull,
               void (*on_frame)(void *data, struct bytes frame, uint32_t pipe),
               void *data)
{
    nng_msg *messages[PULL_INBOX_MAX];
    struct pull_job *jobs[PULL_RECEIVES];

    uv_mutex_lock(&pull->mutex);
    size_t len = pull->inbox_len;
    memcpy(messages, pull->inbox, len * sizeof messages[0]);
    pull->inbox_len = 0;
    pull->inbox_bytes = 0;
    size_t jobs_len = unpark(pull, jobs);
    uv_mutex_unlock(&pull->mutex);
    for (size_t i = 0; i < jobs_len; i++) {
        nng_recv_aio(pull->socket, jobs[i]->aio);
    }
    if (jobs_len > 0) {
        pull->to.on_news(pull->to.data);
    }
    for (size_t i = 0; i < len; i++) {
        nng_msg *message = messages[i];
        on_frame(data, bytes_of(nng_msg_body(message), nng_msg_len(message)),
                 nng_msg_get_pipe(message).id);
        nng_msg_free(message);
    }
}

void pull_cut(uint32_t pipe)
{
    nng_pipe_close((nng_pipe){.id = pipe});
}

static int start(struct pull *pull, const struct addr *listen, size_t frame_max)
{
    char url[URL_MAX] = "tcp://";
    nng_listener listener;

    addr_text(listen, url + strlen(url));
    nng_pipe_notify(pull->socket, NNG_PIPE_EV_ADD_PRE, on_pipe, pull);
    nng_pipe_notify(pull->socket, NNG_PIPE_EV_REM_POST, on_pipe, pull);
    if (nng_listener_create(&listener, pull->socket, url) != 0 ||
        /* nng's own bound is none: before listening. */
        nng_listener_set_size(listener, NNG_OPT_RECVMAXSZ, frame_max) != 0 ||
        nng_listener_set_bool(listener, NNG_OPT_TCP_NODELAY, true) != 0 ||
        nng_listener_set_bool(listener, NNG_OPT_TCP_KEEPALIVE, true) != 0 ||
        nng_listener_start(listener, 0) != 0) {
        return ERR_IO;
    }
    for (size_t i = 0; i < PULL_RECEIVES; i++) {
        nng_recv_aio(pull->socket, pull->jobs[i].aio);
    }
    return 0;
}

/* Under the mutex, as the next one. */
static void put(struct pull *pull, nng_msg *message)
{
    pull->inbox[pull->inbox_len++] = message;
    pull->inbox_bytes += nng_msg_len(message);
}

/* Moves parked frames into the empty inbox. Returns the jobs that receive
 * again. */
static size_t unpark(struct pull *pull, struct pull_job *jobs[])
{
    size_t len = 0;

    for (size_t i = 0; i < PULL_RECEIVES; i++) {
        struct pull_job *job = &pull->jobs[i];
        if (job->parked != NULL) {
            put(pull, job->parked);
            job->parked = NULL;
            jobs[len++] = job;
        }
    }
    return len;
}

static void on_received(void *arg)
{
    struct pull_job *job = arg;
    struct pull *pull = job->pull;

    if (nng_aio_result(job->aio) != 0) {
        return; /* the socket closes */
    }
    nng_msg *message = nng_aio_get_msg(job->aio);
    nng_aio_set_msg(job->aio, NULL);
    uv_mutex_lock(&pull->mutex);
    bool first = pull->inbox_len == 0;
    bool room = first ||
                (pull->inbox_len < PULL_INBOX_MAX &&
                 pull->inbox_bytes + nng_msg_len(message) <= PULL_INBOX_LEN);
    if (room) {
        put(pull, message);
    } else {
        job->parked = message;
    }
    uv_mutex_unlock(&pull->mutex);
    if (first) {
        pull->to.on_news(pull->to.data);
    }
    if (room) {
        nng_recv_aio(pull->socket, job->aio);
    }
}

/* Somebody connected, or left. A pipe closed here is never heard. */
static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    static const uint8_t v4_prefix[12] = {[10] = 0xff, [11] = 0xff};
    struct pull *pull = arg;
    nng_sockaddr from = {0};
    uint8_t ip[16];

    if (event == NNG_PIPE_EV_REM_POST) {
        pull->to.left(pull->to.data, pipe.id);
        return;
    }
    bool known = nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &from) == 0;
    if (from.s_family == NNG_AF_INET6) {
        memcpy(ip, from.s_in6.sa_addr, sizeof ip);
    } else {
        memcpy(ip, v4_prefix, sizeof v4_prefix);
        memcpy(ip + sizeof v4_prefix, &from.s_in.sa_addr, 4);
    }
    if (!known || !pull->to.admit(pull->to.data, pipe.id, ip)) {
        nng_pipe_close(pipe);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "node/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "node/mesh/fault.h"
#include "proto/err.h"

struct dev {
    struct dev_options options;
    uv_poll_t poll;
    int fd;
    struct buf state;
    uint64_t asked; /* the id of the last wish */
    struct dev_ask *asks[DEV_ASKS_MAX];
    char message[DEV_MESSAGE_MAX];
};

static int find_descriptor(unsigned worker);
static bool is_of_parent(int fd);
static void on_readable(uv_poll_t *poll, int status, int events);
static ptrdiff_t take(struct dev *dev, int flags);
static void take_state(struct dev *dev, struct bytes text);
static void take_answer(struct dev *dev, struct bytes text);
static void apply(struct dev *dev, const json_t *root);
static void on_closed(uv_handle_t *handle);

bool dev_is_wanted(void)
{
    return getenv(DEV_VARIABLE) != NULL;
}

int dev_open(struct dev **out, const struct dev_options *options)
{
    int fd = find_descriptor(options->worker);

    if (fd < 0 || !is_of_parent(fd)) {
        log_line(options->log, LOG_ERROR, "dev-refused", "why=%s",
                 DEV_VARIABLE " does not name the socket of a starling dev "
                              "that started this process");
        return ERR_CONFIG;
    }
    struct dev *dev = calloc(1, sizeof *dev);
    if (dev == NULL) {
        return ERR_NOMEM;
    }
    dev->options = *options;
    dev->fd = fd;
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (uv_poll_init(options->loop, &dev->poll, fd) != 0) {
        free(dev);
        return ERR_IO;
    }
    dev->poll.data = dev;
    (void)uv_poll_start(&dev->poll, UV_READABLE, on_readable);
    /* It was sent before this process began: it cannot be missing. */
    (void)take(dev, MSG_DONTWAIT);
    *out = dev;
    return 0;
}

/* The n-th of the list, for the n-th worker; -1: there is none. */
static int find_descriptor(unsigned worker)
{
    struct bytes rest = bytes_str(getenv(DEV_VARIABLE));
    uint64_t fd;

    for (unsigned i = 0; i < worker; i++) {
        ptrdiff_t comma = bytes_find(rest, ',');
        if (comma < 0) {
            return -1;
        }
        rest = bytes_skip(rest, (size_t)comma + 1);
    }
    ptrdiff_t comma = bytes_find(rest, ',');
    if (comma >= 0) {
        rest.len = (size_t)comma;
    }
    return bytes_u64(rest, &fd) == 0 && fd > 2 && fd < INT16_MAX ? (int)fd : -1;
}

static bool is_of_parent(int fd)
{
    struct ucred peer = {0};
    int domain = 0;
    int type = 0;
    socklen_t len = sizeof domain;

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0) {
        return false;
    }
    len = sizeof peer;
    return domain == AF_UNIX && type == SOCK_SEQPACKET &&
           getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           peer.pid == getppid();
}

void dev_close(struct dev *dev)
{
    if (dev != NULL) {
        uv_close((uv_handle_t *)&dev->poll, on_closed);
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct dev *dev = handle->data;

    close(dev->fd);
    buf_fini(&dev->state);
    free(dev);
}

/* --- what the parent says --- */

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct dev *dev = poll->data;
    ptrdiff_t len = status < 0 ? 0 : take(dev, MSG_DONTWAIT);

    (void)events;
    if (len == 0) { /* the parent is gone: at once, nobody waits for us */
        uv_poll_stop(poll);
        dev->options.on_orphaned(dev->options.data);
    }
}

/* One message; 0 at the end of the stream, < 0 when there is none. */
static ptrdiff_t take(struct dev *dev, int flags)
{
    ptrdiff_t len = recv(dev->fd, dev->message, sizeof dev->message, flags);

    if (len > 1 && dev->message[0] == 'S') {
        take_state(dev, bytes_of(dev->message + 1, (size_t)len - 1));
    } else if (len > 1 && dev->message[0] == 'A') {
        take_answer(dev, bytes_of(dev->message + 1, (size_t)len - 1));
    }
    return len;
}

static void take_state(struct dev *dev, struct bytes text)
{
    json_t *root = json_loadb((const char *)text.p, text.len, 0, NULL);

    if (root == NULL) {
        return;
    }
    buf_reset(&dev->state);
    buf_add_bytes(&dev->state, text);
    apply(dev, root);
    json_decref(root);
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

/* Whether the pair is one of those that are cut, either way round. */
static bool is_cut(const json_t *pairs, const char *a, const char *b)
{
    json_t *pair;
    size_t i;

    json_array_foreach(pairs, i, pair)
    {
        const char *x = json_string_value(json_array_get(pair, 0));
        const char *y = json_string_value(json_array_get(pair, 1));
        if (x != NULL && y != NULL &&
            ((strcmp(x, a) == 0 && strcmp(y, b) == 0) ||
             (strcmp(x, b) == 0 && strcmp(y, a) == 0))) {
            return true;
        }
    }
    return false;
}

/* The far ones are those of other regions. */
static void apply(struct dev *dev, const json_t *root)
{
    const char *own = dev->options.region;
    const json_t *cut = json_object_get(root, "cut");
    json_int_t ms = json_integer_value(json_object_get(root, "wan_ms"));
    struct fault_rules rules = {0};
    json_t *one;
    size_t i;

    if (ms > 0 && ms <= FAULT_DELAY_MAX_MS) {
        rules.delay_ms = (uint32_t)ms;
    }
    json_array_foreach(json_object_get(root, "nodes"), i, one)
    {
        struct fault_far *far = &rules.far[rules.len];
        const char *region = text_of(one, "region");
        if (strcmp(region, own) != 0 && rules.len < FAULT_FAR_MAX &&
            addr_read(bytes_str(text_of(one, "cluster")), 0, &far->addr) == 0) {
            far->cut = is_cut(cut, own, region);
            rules.len++;
        }
    }
    fault_apply(dev->options.fault, &rules);
}

/* Takes the number in front, and the space behind it. */
static bool take_number(struct bytes *text, uint64_t *number)
{
    ptrdiff_t space = bytes_find(*text, ' ');

    if (space < 0 || bytes_u64(bytes_of(text->p, (size_t)space), number) != 0) {
        return false;
    }
    *text = bytes_skip(*text, (size_t)space + 1);
    return true;
}

static void take_answer(struct dev *dev, struct bytes text)
{
    uint64_t id;
    uint64_t code;

    if (!take_number(&text, &id) || !take_number(&text, &code)) {
        return;
    }
    for (size_t i = 0; i < DEV_ASKS_MAX; i++) {
        struct dev_ask *ask = dev->asks[i];
        if (ask != NULL && ask->id == id) {
            dev_forget(dev, ask);
            ask->on_answer(ask->data,
                           code == 0 ? 0 : err_from_code((unsigned)code), text);
        }
    }
}

/* --- what it is told, and asked --- */

void dev_ready(const struct dev *dev)
{
    if (dev != NULL) {
        (void)send(dev->fd, "R", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

struct bytes dev_state(const struct dev *dev)
{
    return buf_bytes(&dev->state);
}

int dev_ask(struct dev *dev, struct bytes wish, struct dev_ask *ask)
{
    char message[DEV_WISH_MAX + 32] = "Q";
    size_t free_at = 0;
    size_t at = 1;

    while (free_at < DEV_ASKS_MAX && dev->asks[free_at] != NULL) {
        free_at++;
    }
    if (free_at == DEV_ASKS_MAX) {
        return ERR_LIMIT;
    }
    if (wish.len > DEV_WISH_MAX) {
        return ERR_TOO_BIG;
    }
    at += bytes_put_decimal((uint8_t *)message + at, ++dev->asked);
    message[at++] = ' ';
    if (wish.len > 0) {
        memcpy(message + at, wish.p, wish.len);
    }
    if (send(dev->fd, message, at + wish.len, MSG_DONTWAIT | MSG_NOSIGNAL) <
        0) {
        return ERR_IO;
    }
    ask->id = dev->asked;
    dev->asks[free_at] = ask;
    return 0;
}

void dev_forget(struct dev *dev, struct dev_ask *ask)
{
    for (size_t i = 0; dev != NULL && i < DEV_ASKS_MAX; i++) {
        if (dev->asks[i] == ask) {
            dev->asks[i] = NULL;
        }
    }
    ask->id = 0;
}

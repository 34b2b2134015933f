/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/dev_nodes.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "node/cli/cli.h"
#include "node/cli/dev_say.h"
#include "node/cli/dev_talk.h"
#include "node/dev.h"
#include "proto/err.h"

enum {
    STOP_MS = 5000, /* from SIGTERM to SIGKILL */
    JOIN_TEXT_MAX = DEV_NODES_MAX * 24,
    WORDS_MAX = 32,
};

/* --- ports --- */

static bool port_is_free(const char *host, uint16_t port, int type)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    if (fd < 0 || inet_pton(AF_INET, host, &to.sin_addr) != 1) {
        return false;
    }
    if (type == SOCK_STREAM) {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    }
    bool is_free = bind(fd, (struct sockaddr *)&to, sizeof to) == 0;
    close(fd);
    return is_free;
}

/* The client port where clients find it, the others on loopback: of each worker
 * two, of several an admin port, too. */
static bool node_has_ports(const struct dev_nodes *nodes, unsigned port)
{
    unsigned last = port + (nodes->workers > 1 ? 3 * nodes->workers : 2);

    if (last > UINT16_MAX ||
        !port_is_free(nodes->host, (uint16_t)port, SOCK_STREAM)) {
        return false;
    }
    for (unsigned at = port + 1; at <= last; at++) {
        if (!port_is_free("127.0.0.1", (uint16_t)at, SOCK_STREAM) ||
            !port_is_free("127.0.0.1", (uint16_t)at, SOCK_DGRAM)) {
            return false;
        }
    }
    return true;
}

static bool ports_are_free(const struct dev_nodes *nodes, unsigned first)
{
    for (size_t i = 0; i < nodes->len; i++) {
        if (!node_has_ports(nodes, first + (unsigned)i * CONFIG_PORT_STEP)) {
            return false;
        }
    }
    return true;
}

bool dev_nodes_choose_ports(struct dev_nodes *nodes, bool fixed)
{
    unsigned first = nodes->port;

    while (!ports_are_free(nodes, first)) {
        first += CONFIG_PORT_STEP;
        if (fixed || first + DEV_NODES_MAX * CONFIG_PORT_STEP > UINT16_MAX) {
            return false;
        }
    }
    nodes->port = (uint16_t)first;
    return true;
}

/* --- processes --- */

static void join_text(const struct dev_nodes *nodes, size_t self,
                      char out[JOIN_TEXT_MAX])
{
    size_t at = 0;

    out[0] = '\0';
    for (size_t i = 0; i < nodes->len; i++) {
        if (i != self) {
            at += (size_t)snprintf(out + at, JOIN_TEXT_MAX - at,
                                   "%s127.0.0.1:%u", at > 0 ? "," : "",
                                   nodes->node[i].port + 1u);
        }
    }
}

/* What it inherits: no key presses, and its end of the ways. */
static void inherit(const struct dev_nodes *nodes,
                    const int theirs[DEV_WORKERS_MAX])
{
    char text[DEV_WORKERS_MAX * 12];
    size_t at = 0;
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)dup2(nothing, STDIN_FILENO);
    for (unsigned i = 0; i < nodes->workers; i++) {
        (void)fcntl(theirs[i], F_SETFD, 0);
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%d",
                               i > 0 ? "," : "", theirs[i]);
    }
    (void)setenv(DEV_VARIABLE, text, 1);
    /* A node does not outlive this command, however that ends. */
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void)sigprocmask(SIG_SETMASK, &nodes->before, NULL);
}

static void exec_node(const struct dev_nodes *nodes, size_t i,
                      const int theirs[DEV_WORKERS_MAX])
{
    const struct dev_node *node = &nodes->node[i];
    char listen[64];
    char cluster[32];
    char workers[12];
    char join[JOIN_TEXT_MAX];
    char self[4096];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

    self[len < 0 ? 0 : len] = '\0';
    snprintf(listen, sizeof listen, "%s:%u", nodes->host, (unsigned)node->port);
    snprintf(cluster, sizeof cluster, "127.0.0.1:%u", node->port + 1u);
    snprintf(workers, sizeof workers, "%u", nodes->workers);
    join_text(nodes, i, join);
    const char *words[WORDS_MAX] = {"starling",
                                    "node",
                                    "--name",
                                    node->name,
                                    "--region",
                                    dev_region(nodes, i),
                                    "--listen",
                                    listen,
                                    "--cluster",
                                    cluster,
                                    "--endpoint",
                                    node->url_text,
                                    "--workers",
                                    workers,
                                    "--log-level",
                                    "warn",
                                    "--auto-create-caches",
                                    "true"};
    size_t at = 18;
    if (nodes->keys != NULL) {
        words[at++] = "--keys";
        words[at++] = nodes->keys;
    }
    if (nodes->len > 1) {
        words[at++] = "--join";
        words[at++] = join;
    }
    inherit(nodes, theirs);
    execv(self, (char *const *)(uintptr_t)words);
    _exit(CLI_INTERNAL);
}

static int name_node(struct dev_nodes *nodes, size_t i)
{
    struct dev_node *node = &nodes->node[i];

    node->port = (uint16_t)(nodes->port + i * CONFIG_PORT_STEP);
    node->region = i % nodes->regions_len;
    snprintf(node->name, sizeof node->name, "n%zu", i + 1);
    snprintf(node->url_text, sizeof node->url_text, "http://%s:%u", nodes->host,
             (unsigned)node->port);
    for (size_t worker = 0; worker < DEV_WORKERS_MAX; worker++) {
        node->ways[worker] = -1;
    }
    return link_url_read(node->url_text, &node->url);
}

static int fork_node(struct dev_nodes *nodes, size_t i)
{
    int theirs[DEV_WORKERS_MAX];
    int rc = dev_talk_open(nodes, i, theirs);

    if (rc != 0) {
        return rc;
    }
    pid_t pid = fork();
    if (pid == 0) {
        exec_node(nodes, i, theirs);
    }
    for (unsigned worker = 0; worker < nodes->workers; worker++) {
        close(theirs[worker]);
    }
    if (pid < 0) {
        dev_talk_close(&nodes->node[i]);
        return ERR_IO;
    }
    nodes->node[i].pid = pid;
    nodes->node[i].killed = false;
    nodes->node[i].started_ms = link_now_ms();
    return 0;
}

int dev_nodes_start(struct dev_nodes *nodes)
{
    int rc = 0;

    sigemptyset(&nodes->waited);
    sigaddset(&nodes->waited, SIGINT);
    sigaddset(&nodes->waited, SIGTERM);
    sigaddset(&nodes->waited, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &nodes->waited, &nodes->before);
    for (size_t i = 0; rc == 0 && i < nodes->len; i++) {
        rc = name_node(nodes, i);
    }
    for (size_t i = 0; rc == 0 && i < nodes->len; i++) {
        rc = fork_node(nodes, i);
    }
    dev_talk_tell(nodes);
    return rc;
}

void dev_nodes_kill(struct dev_nodes *nodes, size_t i)
{
    struct dev_node *node = &nodes->node[i];

    if (node->pid > 0) {
        (void)kill(node->pid, SIGKILL);
        (void)waitpid(node->pid, NULL, 0);
        node->pid = 0;
    }
    node->killed = true;
    node->awaited = 0;
    dev_talk_close(node);
    dev_talk_tell(nodes);
}

int dev_nodes_restart(struct dev_nodes *nodes, size_t i)
{
    dev_nodes_kill(nodes, i);
    int rc = fork_node(nodes, i);
    nodes->node[i].awaited = rc == 0 ? nodes->workers : 0;
    dev_talk_tell(nodes);
    return rc;
}

size_t dev_nodes_reap(struct dev_nodes *nodes)
{
    size_t running = 0;

    for (size_t i = 0; i < nodes->len; i++) {
        struct dev_node *node = &nodes->node[i];
        int status;
        if (node->pid > 0 && waitpid(node->pid, &status, WNOHANG) > 0) {
            pid_t pid = node->pid;
            node->pid = 0;
            dev_talk_close(node);
            if (!nodes->stopping) {
                dev_say("%s (%s) ended by itself: process %d", node->name,
                        dev_region(nodes, i), (int)pid);
                dev_talk_tell(nodes);
            }
        }
        running += node->pid > 0;
    }
    return running;
}

int dev_nodes_signal(const struct dev_nodes *nodes, unsigned wait_ms)
{
    struct timespec wait = {wait_ms / 1000, (long)(wait_ms % 1000) * 1000000};
    int signal = sigtimedwait(&nodes->waited, NULL, &wait);

    return signal < 0 ? 0 : signal;
}

void dev_nodes_stop(struct dev_nodes *nodes)
{
    uint64_t until_ms = link_now_ms() + STOP_MS;
    int signal = SIGTERM;

    nodes->stopping = true;
    while (signal != 0) {
        for (size_t i = 0; i < nodes->len; i++) {
            if (nodes->node[i].pid > 0) {
                (void)kill(nodes->node[i].pid, signal);
            }
        }
        while (dev_nodes_reap(nodes) > 0 && link_now_ms() < until_ms) {
            (void)dev_nodes_signal(nodes, 100);
        }
        until_ms += 1000;
        signal = signal == SIGTERM && dev_nodes_reap(nodes) > 0 ? SIGKILL : 0;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/dev_nodes.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "node/cli/cli.h"
#include "proto/err.h"

enum {
    STOP_MS = 5000, /* from SIGTERM to SIGKILL */
    JOIN_TEXT_MAX = DEV_NODES_MAX * 24,
};

static bool port_is_free(uint16_t port, int type)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int one = 1;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return false;
    }
    if (type == SOCK_STREAM) {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    }
    bool is_free = bind(fd, (struct sockaddr *)&to, sizeof to) == 0;
    close(fd);
    return is_free;
}

static bool ports_are_free(const struct dev_nodes *nodes, unsigned first)
{
    for (size_t i = 0; i < nodes->len; i++) {
        unsigned port = first + (unsigned)i * CONFIG_PORT_STEP;
        if (port + 2 > UINT16_MAX ||
            !port_is_free((uint16_t)port, SOCK_STREAM) ||
            !port_is_free((uint16_t)(port + 1), SOCK_STREAM) ||
            !port_is_free((uint16_t)(port + 1), SOCK_DGRAM) ||
            !port_is_free((uint16_t)(port + 2), SOCK_STREAM)) {
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

static void exec_node(const struct dev_nodes *nodes, size_t i)
{
    const struct dev_node *node = &nodes->node[i];
    char listen[32];
    char cluster[32];
    char join[JOIN_TEXT_MAX];
    char self[4096];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

    self[len < 0 ? 0 : len] = '\0';
    snprintf(listen, sizeof listen, "127.0.0.1:%u", (unsigned)node->port);
    snprintf(cluster, sizeof cluster, "127.0.0.1:%u", node->port + 1u);
    join_text(nodes, i, join);
    /* A node does not outlive this command, however that ends. */
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void)sigprocmask(SIG_SETMASK, &nodes->before, NULL);
    execl(self, "starling", "node", "--name", node->name, "--region",
          node->region, "--listen", listen, "--cluster", cluster, "--endpoint",
          node->url_text, "--log-level", "warn",
          nodes->len > 1 ? "--join" : NULL, join, NULL);
    _exit(CLI_INTERNAL);
}

static int name_node(struct dev_nodes *nodes, size_t i)
{
    struct dev_node *node = &nodes->node[i];

    node->port = (uint16_t)(nodes->port + i * CONFIG_PORT_STEP);
    node->region = nodes->regions[i % nodes->regions_len];
    snprintf(node->name, sizeof node->name, "n%zu", i + 1);
    snprintf(node->url_text, sizeof node->url_text, "http://127.0.0.1:%u",
             (unsigned)node->port);
    return link_url_read(node->url_text, &node->url);
}

static int fork_node(struct dev_nodes *nodes, size_t i)
{
    pid_t pid = fork();

    if (pid == 0) {
        exec_node(nodes, i);
    }
    nodes->node[i].pid = pid < 0 ? 0 : pid;
    return pid < 0 ? ERR_IO : 0;
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
    return rc;
}

size_t dev_nodes_reap(struct dev_nodes *nodes)
{
    size_t running = 0;

    for (size_t i = 0; i < nodes->len; i++) {
        struct dev_node *node = &nodes->node[i];
        int status;
        if (node->pid > 0 && waitpid(node->pid, &status, WNOHANG) > 0) {
            if (!nodes->stopping) {
                printf("  %s (process %d) ended\n", node->name, (int)node->pid);
                (void)fflush(stdout);
            }
            node->pid = 0;
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

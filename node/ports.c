/* SPDX-License-Identifier: Apache-2.0 */
#include "node/ports.h"

#include "node/conn/conns.h"
#include "node/mesh/membership.h"
#include "node/worker.h"
#include "proto/err.h"

enum {
    EXIT_CANNOT_BIND = 73,
    PORT_STEPS = 20, /* a taken default port is tried this often */
};

/* Which port could not be had, and why. */
struct refused {
    struct node *node;
    const char *port; /* "cluster" is two: the data lane follows it */
    struct addr at;
};

static int bind_all(struct node *const *nodes, size_t len,
                    const struct addr *client, struct refused *refused);
static int bind_own(struct node *node, struct refused *refused);
static void say_refused(const struct refused *refused, int rc);

int ports_bind(struct node *const *nodes, size_t len)
{
    const struct config *config = &nodes[0]->config;
    struct addr client = config->listen;
    bool may_step = !config->listen_named && addr_is_loopback(&client);
    struct refused refused;
    int rc = ERR_CONFLICT;

    /* So that several start on one machine without a word. */
    for (int i = 0; i < (may_step ? PORT_STEPS : 1) && rc == ERR_CONFLICT;
         i++) {
        rc = bind_all(nodes, len, &client, &refused);
        client.port = (uint16_t)(client.port + CONFIG_PORT_STEP);
    }
    if (rc != 0) {
        say_refused(&refused, rc);
        for (size_t i = 0; i < len; i++) {
            nodes[i]->exit_code = EXIT_CANNOT_BIND;
        }
    }
    return rc;
}

static int bind_all(struct node *const *nodes, size_t len,
                    const struct addr *client, struct refused *refused)
{
    enum listener_kind kind = len == 1 ? LISTENER_ALONE : LISTENER_FIRST;
    struct node *first = nodes[0];

    *refused = (struct refused){first, "client", *client};
    int rc = listener_open(&first->listener, first->loop, first->conns, client,
                           kind);
    if (rc != 0) {
        return rc;
    }
    struct addr bound = listener_addr(first->listener);
    size_t i = 0;
    for (; rc == 0 && i < len; i++) {
        nodes[i]->client_addr = bound;
        rc = bind_own(nodes[i], refused);
    }
    while (rc != 0 && i-- > 0) {
        ports_unbind(nodes[i]);
    }
    return rc;
}

static int bind_own(struct node *node, struct refused *refused)
{
    struct worker_ports ports;
    int rc = worker_ports(&node->config, node->core.auth.insecure,
                          &node->client_addr, &ports);

    *refused = (struct refused){node, "cluster", ports.cluster};
    node->cluster_addr = ports.cluster;
    if (rc == 0) {
        rc = membership_bind(node);
    }
    if (rc == 0 && !addr_is_none(&ports.admin)) {
        *refused = (struct refused){node, "admin", ports.admin};
        rc = listener_open(&node->admin, node->loop, node->conns, &ports.admin,
                           LISTENER_ADMIN);
    }
    return rc;
}

int ports_share(struct node *node)
{
    int rc = 0;

    if (node->listener == NULL) {
        rc = listener_open(&node->listener, node->loop, node->conns,
                           &node->client_addr, LISTENER_NEXT);
    }
    if (rc != 0) {
        const struct refused refused = {node, "client", node->client_addr};
        say_refused(&refused, rc);
        node->exit_code = EXIT_CANNOT_BIND;
    }
    return rc;
}

void ports_unbind(struct node *node)
{
    membership_close(node);
    listener_close(node->admin);
    listener_close(node->listener);
    node->admin = NULL;
    node->listener = NULL;
}

static void say_refused(const struct refused *refused, int rc)
{
    struct node *node = refused->node;
    char listen[ADDR_TEXT_MAX];
    char at[ADDR_TEXT_MAX];

    log_line(&node->log, LOG_ERROR, "node-cannot-listen",
             "listen=%s port=%s at=%s why=%s",
             addr_text(&node->config.listen, listen), refused->port,
             addr_text(&refused->at, at),
             rc == ERR_CONFLICT ? "taken" : err_name(rc));
}

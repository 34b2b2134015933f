/* SPDX-License-Identifier: Apache-2.0 */
#include "node/ports.h"

#include "node/conns.h"
#include "node/membership.h"
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
static int bind_one(struct node *node, const struct addr *client,
                    enum listener_kind kind, struct refused *refused);
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
    struct addr shared = *client;

    for (size_t i = 0; i < len; i++) {
        enum listener_kind kind = len == 1 ? LISTENER_ALONE
                                  : i == 0 ? LISTENER_FIRST
                                           : LISTENER_NEXT;
        int rc = bind_one(nodes[i], &shared, kind, refused);
        if (rc != 0) {
            while (i-- > 0) {
                ports_unbind(nodes[i]);
            }
            return rc;
        }
        shared = listener_addr(nodes[i]->listener); /* what port 0 became */
    }
    return 0;
}

static int bind_one(struct node *node, const struct addr *client,
                    enum listener_kind kind, struct refused *refused)
{
    *refused = (struct refused){node, "client", *client};
    int rc = listener_open(&node->listener, node->loop, node->conns, client,
                           kind);
    if (rc != 0) {
        return rc;
    }
    rc = bind_own(node, refused);
    if (rc != 0) {
        ports_unbind(node);
    }
    return rc;
}

static int bind_own(struct node *node, struct refused *refused)
{
    struct addr client = listener_addr(node->listener);
    struct worker_ports ports;
    int rc = worker_ports(&node->config, node->core.auth.insecure, &client,
                          &ports);

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

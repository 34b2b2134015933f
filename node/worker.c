/* SPDX-License-Identifier: Apache-2.0 */
#include "node/worker.h"

#include <stdio.h>
#include <string.h>

#include "proto/err.h"

int worker_ports(const struct config *config, bool insecure,
                 const struct addr *client, struct worker_ports *ports)
{
    bool is_alone = config->workers == 1;
    unsigned last = is_alone ? 1 : 2; /* beyond the cluster port */
    unsigned port = config->worker * WORKER_PORTS;

    *ports = (struct worker_ports){.cluster = config->cluster};
    if (config->cluster.port == 0) {
        if (!insecure) {
            ports->cluster = *client;
        }
        port += client->port + 1u;
    } else {
        port += config->cluster.port;
    }
    if (port + last > UINT16_MAX) {
        return ERR_CONFLICT;
    }
    ports->cluster.port = (uint16_t)port;
    if (!is_alone) {
        ports->admin = ports->cluster;
        if (!addr_is_loopback(&ports->admin)) {
            (void)addr_read(BYTES("127.0.0.1"), CONFIG_PORT, &ports->admin);
        }
        ports->admin.port = (uint16_t)(port + 2);
    }
    return 0;
}

void worker_config(const struct config *all, unsigned index, struct config *own)
{
    size_t len = strlen(all->name);

    *own = *all;
    own->worker = index;
    snprintf(own->name + len, sizeof own->name - len, ".%u", index + 1);
    own->limits.memory_len /= all->workers;
}

void worker_join(struct config *config, const struct addr *bound)
{
    struct addr to = *bound;
    size_t kept = config->join_len;

    if (addr_is_any(&to)) {
        (void)addr_read(addr_is_ip4(&to) ? BYTES("127.0.0.1") : BYTES("::1"),
                        bound->port, &to);
    }
    memmove(config->join[1], config->join[0], kept * sizeof config->join[0]);
    addr_text(&to, config->join[0]);
    config->join_len = kept + 1;
}

int worker_check(const struct config *config, const char **wrong)
{
    struct config last;
    struct worker_ports ports;

    if (config->workers == 1) {
        return 0;
    }
    if (strlen(config->name) + sizeof ".64" > sizeof config->name) {
        *wrong = "name: too long for workers, which are called NAME.1, NAME.2";
        return ERR_CONFIG;
    }
    worker_config(config, config->workers - 1, &last);
    if (config->cluster_named &&
        worker_ports(&last, false, &config->listen, &ports) != 0) {
        *wrong = "workers: each takes three ports from the cluster port on, "
                 "which end at 65535";
        return ERR_CONFIG;
    }
    if (limits_check(&last.limits, wrong) != 0) {
        *wrong = "workers: memory_len is shared out, and too small for so "
                 "many";
        return ERR_CONFIG;
    }
    return 0;
}

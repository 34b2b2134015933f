/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/host.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/err.h"

static struct host *find(const struct hosts *hosts, const struct peer_host *of)
{
    for (size_t slot = 0; hosts->len > 0 && slot < CLUSTER_PEERS_MAX; slot++) {
        struct host *host = hosts->of[slot];
        if (host != NULL && host->id == of->id &&
            host->workers == of->workers) {
            return host;
        }
    }
    return NULL;
}

static struct host *make(const struct peer_host *of)
{
    struct host *host = calloc(1, sizeof *host);

    if (host != NULL) {
        host->id = of->id;
        host->workers = of->workers;
        memset(host->slots, 0xff, sizeof host->slots);
    }
    return host;
}

void hosts_fini(struct hosts *hosts)
{
    for (uint16_t slot = 0; slot < CLUSTER_PEERS_MAX; slot++) {
        hosts_leave(hosts, slot);
    }
}

int hosts_join(struct hosts *hosts, uint16_t slot, const struct peer_host *of)
{
    struct host *host = find(hosts, of);

    assert(hosts->of[slot] == NULL);
    assert(of->workers <= PEER_WORKERS_MAX && of->worker < of->workers);
    if (host == NULL) {
        host = make(of);
    }
    if (host == NULL) {
        return ERR_NOMEM;
    }
    if (host->slots[of->worker] != CLUSTER_SLOT_NONE) {
        return 0;
    }
    uint64_t bit = 1ull << of->worker;
    bool missed = (host->missed & bit) != 0;
    host->missed &= ~bit;
    host->slots[of->worker] = slot;
    host->len++;
    hosts->of[slot] = host;
    hosts->len++;
    return missed;
}

void hosts_leave(struct hosts *hosts, uint16_t slot)
{
    struct host *host = hosts->of[slot];

    if (host == NULL) {
        return;
    }
    for (size_t i = 0; i < host->workers; i++) {
        if (host->slots[i] == slot) {
            host->slots[i] = CLUSTER_SLOT_NONE;
        }
    }
    hosts->of[slot] = NULL;
    hosts->len--;
    if (--host->len == 0) {
        free(host);
    }
}

void hosts_check(const struct hosts *hosts)
{
    size_t len = 0;

    for (uint16_t slot = 0; slot < CLUSTER_PEERS_MAX; slot++) {
        const struct host *host = hosts->of[slot];
        size_t found = 0;
        size_t peers = 0;
        for (size_t i = 0; host != NULL && i < host->workers; i++) {
            found += host->slots[i] == slot;
            peers += host->slots[i] != CLUSTER_SLOT_NONE;
        }
        assert(host == NULL || (found == 1 && peers == host->len));
        len += host != NULL;
    }
    assert(len == hosts->len);
}

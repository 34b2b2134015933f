/* SPDX-License-Identifier: Apache-2.0 */
#include "node/config/settings.h"

#include "node/client/client.h"
#include "node/config/reload.h"
#include "node/conn/certificate.h"
#include "node/conn/conns.h"
#include "node/node.h"

static void take_caches(struct node *node, const struct config *from);

void settings_take(struct node *node, struct settings *settings)
{
    struct core *core = &node->core;
    struct config *own = &node->config;

    take_caches(node, &settings->config);
    (void)config_take(own, &settings->config);
    (void)limits_take(&core->limits, &own->limits);
    conns_bound(node->conns);
    node->log.level = own->log_level;
    node->log.format = own->log_format;
    core->require_tls = own->require_tls;
    node_take_origins(node);
    if (!core->auth.insecure) {
        auth_rekey(&core->auth, &settings->token_keys);
        clients_revoke(core);
    }
    if (settings->tls != NULL) {
        certificate_take(node, settings->tls);
        settings->tls = NULL;
    }
    core->stats.reload_ok = 1;
    core->stats.reload_s = core->wall_ms / 1000;
    settings_free(settings);
}

/* A cache that is not named any more stays if somebody created it. */
static void take_caches(struct node *node, const struct config *from)
{
    struct core *core = &node->core;

    caches_unfix(core);
    node->config.quotas = from->quotas;
    node->config.auto_create_named = from->auto_create_named;
    node->config.auto_create_caches = from->auto_create_caches;
    (void)node_fix_caches(node); /* what memory is short for, is in the log */
    core->caches.only_known = !config_auto_creates(&node->config);
    if (core->ready) {
        caches_known(core);
    }
}

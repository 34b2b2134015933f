/* SPDX-License-Identifier: Apache-2.0 */
#include "node/conn/certificate.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>

#include "node/conn/conns.h"
#include "node/conn/tls.h"
#include "node/node.h"
#include "proto/err.h"

enum {
    DAY_S = 24 * 60 * 60,
    SOON_S = 14 * DAY_S,
    LOOK_MS = DAY_S * 1000, /* again at how long it is valid */
};

static int use(struct node *node, struct tls_context *context);
static void look(struct node *node);
static void on_day(struct deadline *deadline, uint64_t now_ms);

int certificate_read(struct node *node)
{
    struct tls_context *context;
    char why[TLS_WHY_MAX] = "";

    if (node->config.tls_cert[0] == '\0') {
        return 0;
    }
    conns_enter(node->conns);
    int rc = tls_serve(&context, node->config.tls_cert, node->config.tls_key,
                       why);
    if (rc == 0) {
        rc = use(node, context);
        (void)snprintf(why, sizeof why, "%s", err_text(rc));
    }
    if (rc != 0) {
        log_line(&node->log, LOG_ERROR, "tls-refused", "why=%s", why);
    }
    return rc;
}

void certificate_take(struct node *node, struct tls_context *context)
{
    int rc = use(node, context);

    assert(rc == 0); /* there is room for it since the start */
    log_line(&node->log, LOG_INFO, "tls-reloaded", "serial=%s until=%llu",
             node->certificate.serial,
             (unsigned long long)node->certificate.until_s);
}

static int use(struct node *node, struct tls_context *context)
{
    struct tls_facts facts = tls_facts(context);
    int rc = conns_serve_tls(node->conns, context);

    if (rc != 0) {
        tls_context_free(context);
        return rc;
    }
    node->certificate = facts;
    node->core.stats.tls_until_s = facts.until_s;
    look(node);
    return 0;
}

static void look(struct node *node)
{
    const struct tls_facts *facts = &node->certificate;
    uint64_t now_s = node->core.wall_ms / 1000;
    bool is_valid = now_s >= facts->from_s && now_s < facts->until_s;

    if (!is_valid || facts->until_s - now_s < SOON_S) {
        log_line(&node->log, LOG_WARN,
                 is_valid ? "tls-expires-soon" : "tls-not-valid",
                 "file=%s serial=%s from=%llu until=%llu",
                 node->config.tls_cert, facts->serial,
                 (unsigned long long)facts->from_s,
                 (unsigned long long)facts->until_s);
    }
    node->certificate_day.on_due = on_day;
    /* Without memory for it, the next reading says it. */
    (void)deadline_set(&node->core.deadlines, &node->certificate_day,
                       node->core.now_ms + LOOK_MS);
}

static void on_day(struct deadline *deadline, uint64_t now_ms)
{
    (void)now_ms;
    look((struct node *)(void *)((char *)deadline -
                                 offsetof(struct node, certificate_day)));
}

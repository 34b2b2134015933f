/* SPDX-License-Identifier: Apache-2.0
 *
 * starling doctor: is this installation healthy? Looks at this machine and at
 * the cluster, twice with a second between, and says what to do.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "node/cli/args.h"
#include "node/cli/cli.h"
#include "node/cli/doctor_cluster.h"
#include "node/cli/doctor_machine.h"
#include "node/cli/fetch.h"
#include "node/conn/tls.h"
#include "proto/err.h"

enum {
    BETWEEN_MS = 1000, /* the two looks: what nodes say is of a second */
    DAY_S = 86400,
    CERTIFICATE_DAYS_FEW = 30,
    CERTIFICATE_DAYS_TOO_FEW = 7,
};

static int run(int argc, char **argv);

static const struct command_option options[] = {
    ARGS_JSON,
    {"--only", "machine|cluster", "one part alone", "machine|cluster",
     COMMAND_TEXT, offsetof(struct args, only)},
    {0},
};

const struct command command_doctor = {
    .name = "doctor",
    .run = run,
    .what = "look for what is wrong with this machine and the cluster",
    .options = options,
    .where = args_where,
    .more =
        "One line a check, and what to do about it. Exit code 0 all is well, "
        "1 warn,\n2 critical, 3 unknown, as Nagios knows them. The token needs "
        "the scope\nadmin:read. docs/OPERATIONS.md says what each check means.",
    .group = COMMAND_LOOKS,
};

/* What was fetched, to be freed. */
struct fetched {
    json_t *ready;
    json_t *cluster;
    json_t *before;
    json_t *now;
    json_t *keys;
};

/* --- the cluster --- */

/* NULL: no JSON, or not this status. */
static json_t *fetch_json(const struct args *args, const char *path,
                          int *status)
{
    struct buf body = {0};

    *status = fetch(&args->url, "GET", path, args->token, (struct bytes){0},
                    &body);
    json_t *root = json_loadb((char *)body.p, body.len, 0, NULL);
    buf_fini(&body);
    return root;
}

/* The counter of packets that no key of the node opens; 0 when it may not be
 * looked at. */
static uint64_t fetch_forged(const struct args *args)
{
    static const char *const metrics[] = {
        "\nstarling_gossip_refused_total{reason=\"forged\"} ",
        "\nstarling_link_refused_total{reason=\"forged\"} ",
    };
    struct buf body = {0};
    uint64_t sum = 0;

    if (fetch(&args->url, "GET", "/metrics", args->token, (struct bytes){0},
              &body) == 200) {
        for (size_t i = 0; i < ARRAY_LEN(metrics); i++) {
            const uint8_t *at = memmem(body.p, body.len, metrics[i],
                                       strlen(metrics[i]));
            uint64_t value = 0;
            for (at = at == NULL ? NULL : at + strlen(metrics[i]);
                 at != NULL && at < body.p + body.len && *at >= '0' &&
                 *at <= '9';
                 at++) {
                value = value * 10 + (uint64_t)(*at - '0');
            }
            sum += value;
        }
    }
    buf_fini(&body);
    return sum;
}

/* A document that needs admin:read; what it says else is no document. */
static json_t *fetch_admin(const struct args *args, const char *path,
                           struct checkup *checkup)
{
    int status;
    json_t *root = fetch_json(args, path, &status);

    if (status == 200) {
        return root;
    }
    const char *words = json_string_value(json_object_get(root, "message"));
    checkup_add(checkup, CHECK_UNKNOWN, "permitted",
                "STARLING_TOKEN with the scope admin:read", "%s: %s", path,
                words != NULL ? words
                : status < 0  ? err_text(status)
                              : "no answer that makes sense");
    json_decref(root);
    return NULL;
}

static void judge_certificate(const struct args *args, struct checkup *checkup)
{
    struct link link;

    if (!args->url.tls || link_open(&link, &args->url, LINK_WAIT_MS) != 0) {
        return; /* what is wrong with it is why nobody answers */
    }
    struct tls_facts facts = tls_peer_facts(link.tls);
    link_close(&link);
    long long left_s = (long long)facts.until_s - (long long)time(NULL);
    long long days = left_s / DAY_S;
    checkup_add(checkup,
                left_s < CERTIFICATE_DAYS_TOO_FEW * DAY_S ? CHECK_CRITICAL
                : left_s < CERTIFICATE_DAYS_FEW * DAY_S   ? CHECK_WARN
                                                          : CHECK_OK,
                "certificate",
                "put the new one in its place, and: starling reload, or SIGHUP",
                "the certificate holds for %lld more days (serial %s)", days,
                facts.serial);
}

static bool is_there(const struct args *args, const struct looks *looks,
                     struct checkup *checkup)
{
    if (looks->ready_status == 200 || looks->ready_status == 503) {
        checkup_add(checkup, CHECK_OK, "node", NULL, "%s answers",
                    args->url.authority);
        return true;
    }
    checkup_add(checkup, CHECK_CRITICAL, "node",
                "is it running (systemctl status starling), is the address "
                "right (--url)?",
                "%s: %s%s%s", args->url.authority,
                looks->ready_status < 0 ? err_text(looks->ready_status)
                                        : "that is no node of Starling",
                link_why()[0] != '\0' ? ": TLS: " : "", link_why());
    return false;
}

static void look_again(const struct args *args, struct looks *looks,
                       struct fetched *f, struct checkup *checkup)
{
    f->cluster = fetch_admin(args, "/v1/cluster", checkup);
    looks->cluster = f->cluster;
    if (f->cluster == NULL) {
        return; /* nor may it see the rest */
    }
    f->now = fetch_admin(args, "/v1/admin/report", checkup);
    f->keys = fetch_json(args, "/v1/admin/keys", &looks->keys_status);
    looks->now = f->now;
    looks->keys = f->keys;
}

static void fetched_free(struct fetched *f)
{
    json_decref(f->ready);
    json_decref(f->cluster);
    json_decref(f->before);
    json_decref(f->now);
    json_decref(f->keys);
}

/* --- both --- */

static void pause_between(void)
{
    const struct timespec pause = {.tv_sec = BETWEEN_MS / 1000,
                                   .tv_nsec = BETWEEN_MS % 1000 * 1000000};

    (void)nanosleep(&pause, NULL);
}

/* The first looks, a pause, the second ones, and what that means. */
static void look(const struct args *args, bool machine, bool cluster,
                 struct checkup *checkup)
{
    struct machine before = {0};
    struct machine now = {0};
    struct looks looks = {0};
    struct fetched f = {0};
    uint64_t forged = 0;

    if (machine) {
        machine_read(&before, "/proc");
    }
    if (cluster) {
        f.ready = fetch_json(args, "/readyz", &looks.ready_status);
        looks.ready = f.ready;
        cluster = is_there(args, &looks, checkup);
    }
    if (cluster) {
        int status;
        f.before = fetch_json(args, "/v1/admin/report", &status);
        looks.before = status == 200 ? f.before : NULL;
        forged = fetch_forged(args);
    }
    if (machine || cluster) {
        pause_between();
    }
    if (machine) {
        machine_read(&now, "/proc");
        machine_judge(&before, &now, checkup);
    }
    if (cluster) {
        look_again(args, &looks, &f, checkup);
        uint64_t later = fetch_forged(args);
        looks.forged = later > forged ? later - forged : 0;
        judge_certificate(args, checkup);
        cluster_judge(&looks, checkup);
    }
    fetched_free(&f);
}

static int run(int argc, char **argv)
{
    struct checkup checkup = {0};
    struct args args;
    int rc = args_read(&args, &command_doctor, argc, argv);

    if (rc != CLI_OK) {
        return rc == CLI_USAGE ? CHECK_UNKNOWN : rc;
    }
    bool all = args.only == NULL;
    look(&args, all || strcmp(args.only, "machine") == 0,
         all || strcmp(args.only, "cluster") == 0, &checkup);
    if (args.json) {
        json_t *root = checkup_json(&checkup);
        json_dumpf(root, stdout, JSON_COMPACT);
        puts("");
        json_decref(root);
    } else {
        checkup_print(&checkup, stdout);
    }
    int exit_code = (int)checkup_worst(&checkup);
    checkup_fini(&checkup);
    return exit_code;
}

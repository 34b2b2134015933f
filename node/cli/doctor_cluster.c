/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/doctor_cluster.h"

#include <string.h>

#include "node/cli/show.h"

enum {
    CLOCK_OFF_US = 500000,
    LAG_MS = 100,
    LAG_MUCH_MS = 1000,
    MEMORY_MUCH = 80, /* percent of the limit */
    MEMORY_TOO_MUCH = 90,
    QUEUE_MUCH = 50, /* percent of what may wait for a link */
    QUEUE_TOO_MUCH = 90,
};

struct judging {
    const struct looks *looks;
    const json_t *nodes; /* of the later report */
    struct checkup *checkup;
};

static bool is_text(const json_t *o, const char *name, const char *text)
{
    return strcmp(show_text(o, name), text) == 0;
}

/* How many percent of `all`; 0 where that is not known. */
static long long percent(long long part, long long all)
{
    return all > 0 ? (long long)((double)part * 100 / (double)all) : 0;
}

/* One line: `good`, or those that are not. */
static void conclude(const struct judging *j, enum check_level level,
                     const char *name, const char *advice, const char *good,
                     struct culprits *bad)
{
    if (bad->len == 0) {
        checkup_add(j->checkup, CHECK_OK, name, NULL, "%s", good);
    } else {
        checkup_add(j->checkup, level, name, advice, "%s", culprits_text(bad));
    }
    culprits_fini(bad);
}

/* --- the node that is asked --- */

static void judge_ready(const struct judging *j)
{
    const json_t *ready = j->looks->ready;

    if (j->looks->ready_status == 200) {
        checkup_add(j->checkup, CHECK_OK, "ready", NULL,
                    "the node takes publishes");
    } else if (show_truth(ready, "draining")) {
        checkup_add(j->checkup, CHECK_WARN, "ready",
                    "it is being stopped: clients go elsewhere",
                    "the node drains");
    } else {
        checkup_add(j->checkup, CHECK_CRITICAL, "ready",
                    "its log says what it waits for",
                    "the node takes no publishes: %s", show_text(ready, "why"));
    }
    if (show_truth(ready, "alone")) {
        checkup_add(j->checkup, CHECK_CRITICAL, "alone",
                    "the seeds are down, cannot be reached by UDP and TCP, or "
                    "have another cluster name or key",
                    "no seed answers: the node is a cluster of its own");
    }
}

static void judge_insecure(const struct judging *j)
{
    bool insecure = show_truth(j->looks->cluster, "insecure");

    checkup_add(j->checkup, insecure ? CHECK_WARN : CHECK_OK, "keys",
                "for anything but a trial: starling keygen, and --keys",
                insecure ? "there are no keys: everyone may do everything"
                         : "clients need a token, nodes a key");
}

static void judge_cluster_key(const struct judging *j)
{
    const json_t *keys = j->looks->keys;
    uint64_t forged = j->looks->forged;

    if (forged > 0) {
        checkup_add(j->checkup, CHECK_WARN, "cluster-key",
                    "somebody has another key, or another cluster name: "
                    "starling keys list, and the key files",
                    "%llu packets just now that no key of the node opens",
                    (unsigned long long)forged);
    } else if (j->looks->keys_status == 200) {
        bool same = is_text(keys, "result", "done");
        checkup_add(j->checkup, same ? CHECK_OK : CHECK_WARN, "cluster-key",
                    "repeat the step that failed: starling keys list",
                    same ? "all nodes have the same cluster keys"
                         : "nodes have different cluster keys");
    }
}

/* --- members and links --- */

static void judge_members(const struct judging *j)
{
    struct culprits dead = {0};
    struct culprits doubled = {0};
    size_t i;
    json_t *m;

    json_array_foreach(json_object_get(j->looks->cluster, "members"), i, m)
    {
        const char *name = show_text(m, "name");
        if (is_text(m, "state", "dead") || is_text(m, "state", "suspect")) {
            culprits_add(&dead, "%s is %s", name, show_text(m, "state"));
        } else if (strchr(name, '#') != NULL) {
            culprits_add(&doubled, "%s", name);
        }
    }
    conclude(j, CHECK_WARN, "members",
             "it has stopped without leaving, stands still, or is cut off; "
             "the dead are forgotten after 15 minutes",
             "all members are alive", &dead);
    conclude(j, CHECK_WARN, "names", "two nodes have one name: rename one",
             "every node has a name of its own", &doubled);
}

static void judge_silent(const struct judging *j)
{
    struct culprits silent = {0};
    size_t i;
    json_t *name;

    json_array_foreach(json_object_get(j->looks->now, "silent"), i, name)
    {
        const char *text = json_string_value(name);
        culprits_add(&silent, "%s does not answer", text != NULL ? text : "?");
    }
    conclude(j, CHECK_CRITICAL, "answers",
             "it stands still, is dead, or its link is down: its log, and its "
             "machine",
             "all nodes answer", &silent);
}

static void judge_links(const struct judging *j)
{
    struct culprits down = {0};
    size_t i;
    size_t l;
    json_t *node;
    json_t *link;

    json_array_foreach(j->nodes, i, node)
    {
        json_array_foreach(json_object_get(node, "links"), l, link)
        {
            if (!show_truth(link, "up") && is_text(link, "state", "alive")) {
                culprits_add(&down, "%s has no link to %s",
                             show_text(node, "name"), show_text(link, "name"));
            }
        }
    }
    conclude(j, CHECK_CRITICAL, "links",
             "items do not cross: are the cluster port and the next one open "
             "both ways (TCP), is what they advertise right?",
             "every link between living nodes is up", &down);
}

static void judge_queues(const struct judging *j)
{
    struct culprits full = {0};
    long long most = 0;
    size_t i;
    size_t l;
    json_t *node;
    json_t *link;

    json_array_foreach(j->nodes, i, node)
    {
        json_array_foreach(json_object_get(node, "links"), l, link)
        {
            long long fill = percent(show_number(link, "queue"),
                                     show_number(link, "queue_limit"));
            most = fill > most ? fill : most;
            if (fill > QUEUE_MUCH) {
                culprits_add(&full, "%s to %s: %lld %% full",
                             show_text(node, "name"), show_text(link, "name"),
                             fill);
            }
        }
    }
    conclude(j, most > QUEUE_TOO_MUCH ? CHECK_CRITICAL : CHECK_WARN,
             "link-queues",
             "the way there is too slow or the node stands still; what does "
             "not fit is dropped and told",
             "no link has much waiting", &full);
}

static void judge_clocks(const struct judging *j)
{
    struct culprits off = {0};
    const json_t *asked = json_array_get(j->nodes, 0);
    size_t l;
    json_t *link;

    json_array_foreach(json_object_get(asked, "links"), l, link)
    {
        long long us = show_number(link, "clock_us");
        if (us > CLOCK_OFF_US || us < -CLOCK_OFF_US) {
            culprits_add(&off, "%s is %lld ms %s %s", show_text(link, "name"),
                         (us < 0 ? -us : us) / 1000,
                         us < 0 ? "behind" : "ahead of",
                         show_text(asked, "name"));
        }
    }
    conclude(j, CHECK_WARN, "clocks",
             "tokens expire at other times there: chrony or systemd-timesyncd",
             "clocks of the nodes are within half a second", &off);
}

/* --- each node of itself --- */

static void judge_versions(const struct judging *j)
{
    const char *first = show_text(json_array_get(j->nodes, 0), "version");
    struct culprits others = {0};
    size_t i;
    json_t *node;

    json_array_foreach(j->nodes, i, node)
    {
        if (!is_text(node, "version", first)) {
            if (others.len == 0) {
                culprits_add(&others, "%s has %s",
                             show_text(json_array_get(j->nodes, 0), "name"),
                             first);
            }
            culprits_add(&others, "%s has %s", show_text(node, "name"),
                         show_text(node, "version"));
        }
    }
    conclude(j, CHECK_WARN, "versions",
             "fine for an upgrade, not for weeks: bring all to one",
             "all nodes are of one version", &others);
}

static void judge_nodes_ready(const struct judging *j)
{
    struct culprits bad = {0};
    size_t i;
    json_t *node;

    json_array_foreach(j->nodes, i, node)
    {
        if (show_truth(node, "draining")) {
            culprits_add(&bad, "%s drains", show_text(node, "name"));
        } else if (!show_truth(node, "ready")) {
            culprits_add(&bad, "%s is not ready (%s)", show_text(node, "name"),
                         show_text(node, "why"));
        }
    }
    conclude(j, CHECK_WARN, "nodes", "its log says what it waits for",
             "all nodes are ready", &bad);
}

static void judge_lag(const struct judging *j)
{
    struct culprits slow = {0};
    long long most = 0;
    size_t i;
    json_t *node;

    json_array_foreach(j->nodes, i, node)
    {
        long long ms = show_number(node, "loop_lag_ms");
        most = ms > most ? ms : most;
        if (ms > LAG_MS) {
            culprits_add(&slow, "%s: %lld ms", show_text(node, "name"), ms);
        }
    }
    conclude(j, most > LAG_MUCH_MS ? CHECK_CRITICAL : CHECK_WARN, "loop-lag",
             "everyone there waits that long: too little processor (starling "
             "top), more nodes or workers",
             "no loop kept anyone waiting for 100 ms", &slow);
}

static void judge_memory(const struct judging *j)
{
    struct culprits much = {0};
    long long most = 0;
    size_t i;
    json_t *node;

    json_array_foreach(j->nodes, i, node)
    {
        long long used = percent(show_number(node, "memory"),
                                 show_number(node, "memory_limit"));
        most = used > most ? used : most;
        if (used > MEMORY_MUCH) {
            culprits_add(&much, "%s: %lld %% of limits.memory",
                         show_text(node, "name"), used);
        }
    }
    conclude(j, most > MEMORY_TOO_MUCH ? CHECK_CRITICAL : CHECK_WARN, "memory",
             "the largest queues are cut beyond 90 %: slow readers, or a "
             "higher limit",
             "every node is well below its memory limit", &much);
}

static void judge_slow(const struct judging *j)
{
    struct culprits slow = {0};
    size_t i;
    size_t s;
    json_t *node;
    json_t *client;

    json_array_foreach(j->nodes, i, node)
    {
        json_array_foreach(json_object_get(node, "slow"), s, client)
        {
            if (show_number(client, "over_ms") > 0 ||
                percent(show_number(client, "queue"),
                        show_number(client, "limit")) > QUEUE_MUCH) {
                culprits_add(&slow, "%s at %s (%s, %s): %lld KiB wait",
                             show_text(client, "client"),
                             show_text(node, "name"), show_text(client, "door"),
                             show_text(client, "address"),
                             show_number(client, "queue") / 1024);
            }
        }
    }
    conclude(j, CHECK_WARN, "slow-clients",
             "they lose items or are closed when their queue is full: "
             "starling clients --sort queue",
             "no client is slow", &slow);
}

/* --- just now --- */

/* What all nodes say of the last second, of both looks. */
static long long both(const struct judging *j, const char *in, const char *name)
{
    const json_t *const reports[] = {j->looks->before, j->looks->now};
    long long sum = 0;
    size_t i;
    json_t *node;

    for (size_t r = 0; r < ARRAY_LEN(reports); r++) {
        json_array_foreach(json_object_get(reports[r], "nodes"), i, node)
        {
            sum += show_number(in == NULL ? node : json_object_get(node, in),
                               name);
        }
    }
    return sum;
}

static void judge_losses(const struct judging *j)
{
    long long slow = both(j, "dropped", "slow");
    long long link = both(j, "dropped", "link");
    long long gaps = both(j, NULL, "gaps");

    checkup_add(j->checkup, slow > 0 ? CHECK_WARN : CHECK_OK, "dropped-slow",
                "starling clients --sort queue shows who does not read",
                "%lld items just now were not for readers that are too slow",
                slow);
    checkup_add(
        j->checkup, link > 0 ? CHECK_CRITICAL : CHECK_OK, "dropped-link",
        "a link is down or too slow: starling cluster, and the lines "
        "above",
        "%lld items just now were dropped on their way to a node", link);
    checkup_add(j->checkup, gaps > 0 ? CHECK_WARN : CHECK_OK, "gaps",
                "subscribers missed something and know it",
                "%lld discontinuities were told just now", gaps);
}

void cluster_judge(const struct looks *looks, struct checkup *checkup)
{
    const struct judging j = {
        .looks = looks,
        .nodes = json_object_get(looks->now, "nodes"),
        .checkup = checkup,
    };

    judge_ready(&j);
    if (looks->cluster != NULL) {
        judge_insecure(&j);
        judge_members(&j);
    }
    judge_cluster_key(&j);
    if (looks->now != NULL) {
        judge_silent(&j);
        judge_nodes_ready(&j);
        judge_versions(&j);
        judge_links(&j);
        judge_queues(&j);
        judge_clocks(&j);
        judge_lag(&j);
        judge_memory(&j);
        judge_slow(&j);
        judge_losses(&j);
    }
}

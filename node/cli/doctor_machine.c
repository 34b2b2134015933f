/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/doctor_machine.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>

enum {
    FILES_FEW = 65536,
    FILES_TOO_FEW = 1024,
    BACKLOG_FEW = 1024,
    TCP_MEMORY_MUCH = 80, /* percent */
    MEMORY_LITTLE = 10,
    MEMORY_TOO_LITTLE = 3,
    LINE_LEN_MAX = 4096,
};

/* --- reading --- */

static FILE *open_file(const char *root, const char *name)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/%s", root, name);

    return len > 0 && (size_t)len < sizeof path ? fopen(path, "re") : NULL;
}

/* The index-th number, from 0, of the first line that begins with `start`. */
static uint64_t number_of(const char *root, const char *name, const char *start,
                          unsigned index)
{
    FILE *file = open_file(root, name);
    char line[LINE_LEN_MAX];
    uint64_t value = MACHINE_UNKNOWN;

    while (file != NULL && value == MACHINE_UNKNOWN &&
           fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, start, strlen(start)) != 0) {
            continue;
        }
        char *rest = line + strlen(start);
        for (unsigned i = 0; i <= index; i++) {
            rest += strcspn(rest, "0123456789");
            value = *rest == '\0' ? MACHINE_UNKNOWN : strtoull(rest, &rest, 10);
        }
        break;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return value;
}

/* Of /proc/net/netstat and its kind: a line of names above one of numbers. */
static uint64_t counter_of(const char *root, const char *name,
                           const char *start, const char *counter)
{
    FILE *file = open_file(root, name);
    char names[LINE_LEN_MAX];
    char numbers[LINE_LEN_MAX];
    uint64_t value = MACHINE_UNKNOWN;

    while (file != NULL && value == MACHINE_UNKNOWN &&
           fgets(names, sizeof names, file) != NULL &&
           fgets(numbers, sizeof numbers, file) != NULL) {
        char *name_at = NULL;
        char *number_at = NULL;
        if (strncmp(names, start, strlen(start)) != 0) {
            continue;
        }
        const char *n = strtok_r(names, " \n", &name_at);
        const char *v = strtok_r(numbers, " \n", &number_at);
        while (n != NULL && v != NULL && strcmp(n, counter) != 0) {
            n = strtok_r(NULL, " \n", &name_at);
            v = strtok_r(NULL, " \n", &number_at);
        }
        if (n != NULL && v != NULL) {
            value = strtoull(v, NULL, 10);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return value;
}

/* The second number of "Max open files", what the limit may be raised to: a
 * node does that itself. */
static uint64_t files_of(const char *root, const char *process)
{
    char name[64];

    (void)snprintf(name, sizeof name, "%s/limits", process);
    return number_of(root, name, "Max open files", 1);
}

static bool is_node(const char *root, const char *process)
{
    static const char wanted[] = "starling\0node";
    char name[64];
    char line[256] = "";

    (void)snprintf(name, sizeof name, "%s/cmdline", process);
    FILE *file = open_file(root, name);
    if (file == NULL) {
        return false;
    }
    size_t len = fread(line, 1, sizeof line, file);
    (void)fclose(file);
    return memmem(line, len, wanted, sizeof wanted) != NULL;
}

/* The least of those nodes that we may look at; without any our own. */
static void read_files(struct machine *machine, const char *root)
{
    DIR *all = opendir(root);
    const struct dirent *entry;

    while (all != NULL && (entry = readdir(all)) != NULL) {
        if (isdigit((unsigned char)entry->d_name[0]) &&
            strlen(entry->d_name) < 32 && is_node(root, entry->d_name)) {
            uint64_t files = files_of(root, entry->d_name);
            machine->files_of_node = machine->files_of_node ||
                                     files != MACHINE_UNKNOWN;
            machine->files = files < machine->files ? files : machine->files;
        }
    }
    if (all != NULL) {
        (void)closedir(all);
    }
    if (!machine->files_of_node) {
        machine->files = files_of(root, "self");
    }
}

static uint64_t is_clock_synced(void)
{
    struct timex timex = {.modes = 0};
    int state = adjtimex(&timex);

    if (state < 0) {
        return MACHINE_UNKNOWN;
    }
    return state != TIME_ERROR && (timex.status & STA_UNSYNC) == 0;
}

void machine_read(struct machine *machine, const char *root)
{
    *machine = (struct machine){
        .files = MACHINE_UNKNOWN,
        .backlog = number_of(root, "sys/net/core/somaxconn", "", 0),
        .listen_drops = counter_of(root, "net/netstat",
                                   "TcpExt:", "ListenOverflows"),
        .udp_drops = counter_of(root, "net/snmp", "Udp:", "RcvbufErrors"),
        .tcp_pages = number_of(root, "net/sockstat", "TCP:", 4),
        .tcp_pages_max = number_of(root, "sys/net/ipv4/tcp_mem", "", 2),
        .memory_kb = number_of(root, "meminfo", "MemAvailable:", 0),
        .memory_total_kb = number_of(root, "meminfo", "MemTotal:", 0),
        .clock_synced = is_clock_synced(),
    };
    read_files(machine, root);
}

/* --- judging --- */

static void judge_files(const struct machine *m, struct checkup *c)
{
    const char *of = m->files_of_node ? "a node here"
                                      : "a process of this user";

    if (m->files == MACHINE_UNKNOWN) {
        checkup_add(c, CHECK_UNKNOWN, "files", NULL,
                    "the limit of open files cannot be read");
        return;
    }
    checkup_add(c,
                m->files < FILES_TOO_FEW ? CHECK_CRITICAL
                : m->files < FILES_FEW   ? CHECK_WARN
                                         : CHECK_OK,
                "files", "each client is one: LimitNOFILE=, ulimit -Hn",
                "%s may open %llu files", of, (unsigned long long)m->files);
}

static void judge_backlog(const struct machine *m, struct checkup *c)
{
    if (m->backlog == MACHINE_UNKNOWN) {
        checkup_add(c, CHECK_UNKNOWN, "backlog", NULL,
                    "net.core.somaxconn cannot be read");
        return;
    }
    checkup_add(c, m->backlog < BACKLOG_FEW ? CHECK_WARN : CHECK_OK, "backlog",
                "a herd that comes back is refused: sysctl "
                "net.core.somaxconn=4096",
                "%llu connections may wait to be accepted",
                (unsigned long long)m->backlog);
}

/* A counter of drops should not grow between two looks. */
static void judge_counter(struct checkup *c, const char *name,
                          const char *advice, const char *what,
                          const uint64_t looks[2])
{
    if (looks[0] == MACHINE_UNKNOWN || looks[1] == MACHINE_UNKNOWN) {
        checkup_add(c, CHECK_UNKNOWN, name, NULL, "%s: cannot be read", what);
        return;
    }
    uint64_t grown = looks[1] > looks[0] ? looks[1] - looks[0] : 0;
    checkup_add(c, grown > 0 ? CHECK_WARN : CHECK_OK, name, advice,
                "%llu %s just now", (unsigned long long)grown, what);
}

static void judge_drops(const struct machine *before, const struct machine *now,
                        struct checkup *c)
{
    judge_counter(
        c, "accept",
        "the loop is too busy to accept, or net.core.somaxconn is small",
        "connections found a full backlog",
        (const uint64_t[]){before->listen_drops, now->listen_drops});
    judge_counter(c, "udp",
                  "gossip may be lost and living nodes suspected: sysctl "
                  "net.core.rmem_default",
                  "packets found no buffer",
                  (const uint64_t[]){before->udp_drops, now->udp_drops});
}

static void judge_tcp_memory(const struct machine *m, struct checkup *c)
{
    if (m->tcp_pages == MACHINE_UNKNOWN ||
        m->tcp_pages_max == MACHINE_UNKNOWN || m->tcp_pages_max == 0) {
        checkup_add(c, CHECK_UNKNOWN, "tcp-memory", NULL,
                    "the memory of sockets cannot be read");
        return;
    }
    uint64_t percent = m->tcp_pages / (m->tcp_pages_max / 100 + 1);
    checkup_add(c, percent > TCP_MEMORY_MUCH ? CHECK_WARN : CHECK_OK,
                "tcp-memory",
                "the kernel slows all connections beyond it: sysctl "
                "net.ipv4.tcp_mem, fewer slow readers",
                "sockets have %llu %% of the memory they may have",
                (unsigned long long)percent);
}

static void judge_memory(const struct machine *m, struct checkup *c)
{
    if (m->memory_kb == MACHINE_UNKNOWN ||
        m->memory_total_kb == MACHINE_UNKNOWN) {
        checkup_add(c, CHECK_UNKNOWN, "free-memory", NULL,
                    "the free memory cannot be read");
        return;
    }
    uint64_t percent = m->memory_kb / (m->memory_total_kb / 100 + 1);
    checkup_add(c,
                percent < MEMORY_TOO_LITTLE ? CHECK_CRITICAL
                : percent < MEMORY_LITTLE   ? CHECK_WARN
                                            : CHECK_OK,
                "free-memory",
                "the kernel may end a process: lower limits.memory, or find "
                "what has it",
                "%llu MiB are free, %llu %%",
                (unsigned long long)m->memory_kb / 1024,
                (unsigned long long)percent);
}

static void judge_clock(const struct machine *m, struct checkup *c)
{
    if (m->clock_synced == MACHINE_UNKNOWN) {
        checkup_add(c, CHECK_UNKNOWN, "clock", NULL,
                    "the kernel does not say whether the clock is right");
        return;
    }
    checkup_add(c, m->clock_synced == 0 ? CHECK_WARN : CHECK_OK, "clock",
                "tokens expire by it: chrony or systemd-timesyncd",
                "the clock is %ssynchronised",
                m->clock_synced == 0 ? "not " : "");
}

void machine_judge(const struct machine *before, const struct machine *now,
                   struct checkup *checkup)
{
    judge_files(now, checkup);
    judge_backlog(now, checkup);
    judge_drops(before, now, checkup);
    judge_tcp_memory(now, checkup);
    judge_memory(now, checkup);
    judge_clock(now, checkup);
}

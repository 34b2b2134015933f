/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/jobs.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/cli/session.h"
#include "proto/err.h"

enum {
    SAY_EVERY_MS = 1000
};

static void jobs_free(struct jobs *jobs)
{
    if (jobs->signals >= 0) {
        close(jobs->signals);
    }
    if (jobs->answers != NULL) {
        munmap(jobs->answers, jobs->bounds.at_once * sizeof *jobs->answers);
    }
    free(jobs->running);
    free(jobs->waiting);
}

static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return sigprocmask(SIG_BLOCK, &set, NULL) == 0
               ? signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)
               : -1;
}

int jobs_init(struct jobs *jobs, const struct job_to *to,
              const struct jobs_bounds *bounds)
{
    *jobs = (struct jobs){.to = to, .bounds = *bounds};
    jobs->signals = open_signals();
    jobs->running = calloc(bounds->at_once, sizeof *jobs->running);
    jobs->waiting = calloc(bounds->waiting, sizeof *jobs->waiting);
    void *shared = mmap(NULL, bounds->at_once * sizeof *jobs->answers,
                        PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                        0);
    jobs->answers = shared == MAP_FAILED ? NULL : shared;
    if (jobs->signals >= 0 && jobs->running != NULL && jobs->waiting != NULL &&
        jobs->answers != NULL) {
        return 0;
    }
    jobs_free(jobs);
    return jobs->signals < 0 ? ERR_IO : ERR_NOMEM;
}

/* --- what is said --- */

static void say(struct jobs *jobs)
{
    uint64_t now_ms = link_now_ms();

    jobs->unsaid = now_ms < jobs->say_ms;
    if (!jobs->unsaid) {
        jobs->say_ms = now_ms + SAY_EVERY_MS;
        fprintf(stderr,
                "starling sub: %s (so far %" PRIu64 " failed, %" PRIu64
                " timed out, %" PRIu64 " dropped)\n",
                jobs->why, jobs->failed, jobs->late, jobs->dropped);
    }
}

static void note(struct jobs *jobs, const json_t *item, const char *what,
                 int number)
{
    (void)snprintf(jobs->why, sizeof jobs->why, "%.64s %" PRIu64 ": %s",
                   session_text(item, "topic"), session_number(item, "seq"),
                   what);
    size_t len = strlen(jobs->why);
    if (number != 0) {
        (void)snprintf(jobs->why + len, sizeof jobs->why - len, " %d", number);
    }
    say(jobs);
}

/* --- the queue --- */

static size_t value_len(const json_t *item)
{
    return json_string_length(json_object_get(item, "text")) +
           json_string_length(json_object_get(item, "data"));
}

static json_t *next_waiting(struct jobs *jobs)
{
    json_t *item = jobs->waiting[jobs->waiting_at];

    jobs->waiting_at = (jobs->waiting_at + 1) % jobs->bounds.waiting;
    jobs->waiting_len--;
    jobs->waiting_bytes -= value_len(item);
    return item;
}

/* In the first free place; there is one. */
static void start(struct jobs *jobs, json_t *item)
{
    size_t i = 0;

    while (jobs->running[i].pid != 0) {
        i++;
    }
    struct job *job = &jobs->running[i];
    int rc = job_start(jobs->to, item, &jobs->answers[i], &job->pid);
    if (rc != 0) {
        job->pid = 0;
        jobs->failed++;
        note(jobs, item, err_text(rc), 0);
        json_decref(item);
        return;
    }
    job->item = item;
    job->late = false;
    job->end_ms = link_now_ms() + jobs->bounds.seconds * 1000;
    jobs->running_len++;
}

static void start_waiting(struct jobs *jobs)
{
    while (jobs->waiting_len > 0 && jobs->running_len < jobs->bounds.at_once) {
        start(jobs, next_waiting(jobs));
    }
}

void jobs_add(struct jobs *jobs, json_t *item)
{
    size_t len = value_len(item);

    if (jobs->running_len < jobs->bounds.at_once) {
        start(jobs, json_incref(item));
    } else if (jobs->waiting_len == jobs->bounds.waiting ||
               jobs->waiting_bytes + len > JOBS_WAITING_LEN_MAX) {
        jobs->dropped++;
        note(jobs, item, "dropped, too many wait", 0);
    } else {
        size_t at = jobs->waiting_at + jobs->waiting_len;
        jobs->waiting[at % jobs->bounds.waiting] = json_incref(item);
        jobs->waiting_len++;
        jobs->waiting_bytes += len;
    }
}

/* --- those that run --- */

static void ended(struct jobs *jobs, size_t i, int status)
{
    struct job *job = &jobs->running[i];
    const struct job_answer *answer = &jobs->answers[i];

    if (job->late) {
        jobs->late++;
        note(jobs, job->item, "timed out", 0);
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        jobs->done++;
    } else {
        jobs->failed++;
        if (answer->code > 0) {
            note(jobs, job->item, "answered", answer->code);
        } else if (answer->code < 0) {
            note(jobs, job->item,
                 answer->why[0] != '\0' ? answer->why : err_text(answer->code),
                 0);
        } else if (WIFSIGNALED(status)) {
            note(jobs, job->item, "signal", WTERMSIG(status));
        } else {
            note(jobs, job->item, "exit code", WEXITSTATUS(status));
        }
    }
    json_decref(job->item);
    *job = (struct job){0};
    jobs->running_len--;
}

static void reap(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->bounds.at_once; i++) {
        int status;
        pid_t pid = jobs->running[i].pid;
        if (pid != 0 && waitpid(pid, &status, WNOHANG) == pid) {
            ended(jobs, i, status);
        }
    }
    start_waiting(jobs);
}

static void kill_late(struct jobs *jobs, uint64_t now_ms)
{
    for (size_t i = 0; i < jobs->bounds.at_once; i++) {
        struct job *job = &jobs->running[i];
        if (job->pid != 0 && !job->late && now_ms >= job->end_ms) {
            job->late = true;
            (void)kill(-job->pid, SIGKILL);
        }
    }
}

static void drop_waiting(struct jobs *jobs)
{
    while (jobs->waiting_len > 0) {
        jobs->dropped++;
        json_decref(next_waiting(jobs));
    }
}

/* A second one of them ends those that run, too. */
static void take_signals(struct jobs *jobs)
{
    struct signalfd_siginfo info;

    while (read(jobs->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD) {
            continue;
        }
        if (jobs->stopped) {
            kill_late(jobs, UINT64_MAX);
        }
        jobs->stopped = true;
        drop_waiting(jobs);
    }
    reap(jobs);
}

/* --- waiting --- */

static uint64_t next_ms(const struct jobs *jobs, uint64_t until_ms)
{
    uint64_t next = jobs->unsaid && jobs->say_ms < until_ms ? jobs->say_ms
                                                            : until_ms;

    for (size_t i = 0; i < jobs->bounds.at_once; i++) {
        const struct job *job = &jobs->running[i];
        if (job->pid != 0 && !job->late && job->end_ms < next) {
            next = job->end_ms;
        }
    }
    return next;
}

/* One wait; whether fd can be read. */
static bool turn(struct jobs *jobs, int fd, uint64_t until_ms)
{
    struct pollfd fds[] = {{.fd = jobs->signals, .events = POLLIN},
                           {.fd = fd, .events = POLLIN}};
    uint64_t now_ms = link_now_ms();
    uint64_t next = next_ms(jobs, until_ms);
    int n = poll(fds, 2, next > now_ms ? (int)(next - now_ms) : 0);

    if (n > 0 && fds[0].revents != 0) {
        take_signals(jobs);
    }
    kill_late(jobs, link_now_ms());
    if (jobs->unsaid) {
        say(jobs);
    }
    return n > 0 && fds[1].revents != 0;
}

int jobs_wait(struct jobs *jobs, int fd, unsigned wait_ms)
{
    uint64_t until_ms = link_now_ms() + wait_ms;
    bool readable = false;

    do {
        readable = turn(jobs, fd, until_ms);
    } while (!readable && !jobs->stopped && link_now_ms() < until_ms);
    return jobs->stopped ? ERR_CLOSING : readable ? 0 : ERR_TIMEOUT;
}

bool jobs_end(struct jobs *jobs)
{
    while (jobs->running_len > 0) {
        (void)turn(jobs, -1, link_now_ms() + SAY_EVERY_MS);
    }
    fprintf(stderr,
            "starling sub: %" PRIu64 " done, %" PRIu64 " failed, %" PRIu64
            " timed out, %" PRIu64 " dropped\n",
            jobs->done, jobs->failed, jobs->late, jobs->dropped);
    jobs_free(jobs);
    return jobs->failed + jobs->late + jobs->dropped == 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "node/watch/process.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "node/watch/stats.h"

static uint64_t cpu_us(clockid_t clock)
{
    struct timespec used = {0};

    clock_gettime(clock, &used);
    return (uint64_t)used.tv_sec * 1000000 + (uint64_t)used.tv_nsec / 1000;
}

uint64_t process_cpu_us(void)
{
    return cpu_us(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t process_thread_cpu_us(void)
{
    return cpu_us(CLOCK_THREAD_CPUTIME_ID);
}

/* Pages: of all, and resident. false: the kernel does not say. */
static bool read_pages(unsigned long long *all, unsigned long long *resident)
{
    FILE *file = fopen("/proc/self/statm", "re");
    bool read = file != NULL && fscanf(file, "%llu %llu", all, resident) == 2;

    if (file != NULL) {
        fclose(file);
    }
    return read;
}

uint64_t process_rss(void)
{
    unsigned long long all;
    unsigned long long resident;

    return read_pages(&all, &resident)
               ? resident * (uint64_t)sysconf(_SC_PAGESIZE)
               : 0;
}

/* Since Linux 6.2 the size of the folder is how many there are; to count them
 * would take longer than a scrape may. 0: not known. */
static uint64_t open_files(void)
{
    struct stat folder;

    return stat("/proc/self/fd", &folder) == 0 && folder.st_size > 0
               ? (uint64_t)folder.st_size
               : 0;
}

static void write_head(const char *metric, const char *type, const char *help,
                       struct buf *out)
{
    buf_add_str(out, "# HELP ");
    buf_add_str(out, metric);
    buf_add_u8(out, ' ');
    buf_add_str(out, help);
    buf_add_str(out, "\n# TYPE ");
    buf_add_str(out, metric);
    buf_add_u8(out, ' ');
    buf_add_str(out, type);
    buf_add_u8(out, '\n');
    buf_add_str(out, metric);
    buf_add_u8(out, ' ');
}

static void write_gauge(const char *metric, const char *help, uint64_t value,
                        struct buf *out)
{
    write_head(metric, "gauge", help, out);
    buf_add_u64(out, value);
    buf_add_u8(out, '\n');
}

void process_write(uint64_t started_ms, struct buf *out)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    unsigned long long all;
    unsigned long long resident;
    struct rlimit files;

    write_head("process_cpu_seconds_total", "counter",
               "Processor time used, in seconds", out);
    stats_add_ms(out, process_cpu_us() / 1000);
    buf_add_u8(out, '\n');
    write_head("process_start_time_seconds", "gauge",
               "When it started, in seconds of 1970", out);
    stats_add_ms(out, started_ms);
    buf_add_u8(out, '\n');
    if (read_pages(&all, &resident)) {
        write_gauge("process_resident_memory_bytes", "Resident memory",
                    resident * page, out);
        write_gauge("process_virtual_memory_bytes", "Virtual memory",
                    all * page, out);
    }
    if (open_files() > 0) {
        write_gauge("process_open_fds", "Open files", open_files(), out);
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        write_gauge("process_max_fds", "Files that may be open", files.rlim_cur,
                    out);
    }
}

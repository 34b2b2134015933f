/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/timing.h"

#include <assert.h>
#include <stddef.h>

#include "proto/bytes.h"

enum {
    CONFIRMERS_MAX = 3,
    SUSPICION_MULT = 2,    /* probe intervals, times log10 of the size ... */
    SUSPICION_MORE = 1000, /* ... and thousandths of one more */
    SUSPICION_LONGEST = 6, /* times the shortest */
    RUMOUR_MULT = 4,
};

unsigned timing_confirmers(uint32_t n)
{
    /* Neither the suspect nor the first accuser confirms. */
    return n < 2 + CONFIRMERS_MAX ? (n < 2 ? 0 : n - 2) : CONFIRMERS_MAX;
}

/* 1000 * log10(n), at least 1000: exact at the points, straight between. */
static uint32_t log10_thousandths(uint32_t n)
{
    static const struct {
        uint32_t n;
        uint32_t log;
    } points[] = {
        {10, 1000},  {20, 1301},   {50, 1699},   {100, 2000},   {200, 2301},
        {500, 2699}, {1000, 3000}, {2000, 3301}, {10000, 4000},
    };
    size_t i = 0;

    if (n <= points[0].n) {
        return points[0].log;
    }
    while (i + 1 < ARRAY_LEN(points) && n > points[i + 1].n) {
        i++;
    }
    if (i + 1 == ARRAY_LEN(points)) {
        return points[i].log;
    }
    uint32_t span = points[i + 1].n - points[i].n;
    uint32_t rise = points[i + 1].log - points[i].log;
    return points[i].log + rise * (n - points[i].n) / span;
}

uint32_t timing_suspicion_ms(uint32_t n, unsigned confirmed)
{
    /* 1000 * log(c + 1) / log(k + 1), by k wanted and c given. */
    static const uint16_t falls[CONFIRMERS_MAX + 1][CONFIRMERS_MAX + 1] = {
        {1000, 1000, 1000, 1000},
        {0, 1000, 1000, 1000},
        {0, 631, 1000, 1000},
        {0, 500, 792, 1000},
    };
    uint32_t probes = SUSPICION_MULT * log10_thousandths(n) + SUSPICION_MORE;
    uint32_t shortest = TIMING_PROBE_MS * probes / 1000;
    uint32_t span = shortest * (SUSPICION_LONGEST - 1);
    unsigned c = confirmed > CONFIRMERS_MAX ? CONFIRMERS_MAX : confirmed;

    return shortest + span - span * falls[timing_confirmers(n)][c] / 1000;
}

unsigned timing_rumour_limit(uint32_t n)
{
    unsigned digits = 1; /* the least d with 10^d > n */

    for (uint32_t v = n; v >= 10; v /= 10) {
        digits++;
    }
    return RUMOUR_MULT * digits;
}

void timing_learn(struct timing_rtt *rtt, uint32_t ms)
{
    uint32_t smooth = rtt->smooth_8th_ms / 8;
    uint32_t off = ms > smooth ? ms - smooth : smooth - ms;

    if (!rtt->known || rtt->doubted) {
        *rtt = (struct timing_rtt){
            .known = true, .smooth_8th_ms = 8 * ms, .spread_4th_ms = 2 * ms};
        return;
    }
    rtt->smooth_8th_ms = rtt->smooth_8th_ms - smooth + ms;
    rtt->spread_4th_ms = rtt->spread_4th_ms - rtt->spread_4th_ms / 4 + off;
}

void timing_doubt(struct timing_rtt *rtt)
{
    rtt->doubted = true;
}

uint32_t timing_rtt_us(const struct timing_rtt *rtt)
{
    uint32_t eighths = rtt->smooth_8th_ms == 0 ? 1 : rtt->smooth_8th_ms;

    return rtt->known ? eighths * 125 : 0;
}

uint32_t timing_answer_ms(const struct timing_rtt *rtt, bool far)
{
    uint32_t least = far ? 150 : TIMING_ANSWER_LEAST_MS;
    uint32_t most = far ? 1000 : 300;
    /* The 99th percentile is about three mean deviations off. */
    uint32_t p99_ms = rtt->smooth_8th_ms / 8 + 3 * rtt->spread_4th_ms / 4;
    uint32_t ms = 3 * p99_ms;

    if (!rtt->known || rtt->doubted) {
        return far ? most : most / 2;
    }
    return ms < least ? least : ms > most ? most : ms;
}

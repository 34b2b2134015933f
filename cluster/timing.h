/* SPDX-License-Identifier: Apache-2.0
 *
 * The numbers of the membership protocol that grow with the cluster. Logarithms
 * come from small tables: no floating point, the same result everywhere.
 *
 * A suspicion lasts its longest when one member alone holds it and its shortest
 * when `timing_confirmers()` others share it, falling with the logarithm
 * between (Lifeguard). If all of them also lost their link to the suspect, as
 * when its process was killed, it lasts TIMING_LINK_LOST_MS only.
 */
#ifndef CLUSTER_TIMING_H
#define CLUSTER_TIMING_H

#include <stdbool.h>
#include <stdint.h>

enum {
    TIMING_PROBE_MS = 500,      /* between regular probes in the own region */
    TIMING_FAR_PROBE_MS = 2000, /* and in the others */
    TIMING_GOSSIP_MS = 100,     /* between rounds of rumours */
    TIMING_GOSSIP_NEAR = 3,     /* members told in a round */
    TIMING_FAR_GOSSIP_MS = 500,
    TIMING_GOSSIP_FAR = 2,
    TIMING_ANSWER_LEAST_MS = 50, /* awaited so long in the region */
    TIMING_LINK_LOST_MS = 300,
    TIMING_FAR_LINK_LOST_MS = 1000,
};

/* n counts all living members, self included. */
unsigned timing_confirmers(uint32_t n);
uint32_t timing_suspicion_ms(uint32_t n, unsigned confirmed);
/* How often each node passes a rumour on in its region. */
unsigned timing_rumour_limit(uint32_t n);

/* Round trips as learned: 8 times their smoothed value and 4 times their mean
 * deviation (RFC 6298). An answer to what was asked twice teaches nothing: it
 * is then in doubt, and the next one is awaited as if nothing were known. */
struct timing_rtt {
    bool known;
    bool doubted;
    uint32_t smooth_8th_ms;
    uint32_t spread_4th_ms;
};

void timing_learn(struct timing_rtt *rtt, uint32_t ms);
void timing_doubt(struct timing_rtt *rtt);
/* In steps of 125 us out of a clock of milliseconds: at least one step once it
 * is known, 0 before. */
uint32_t timing_rtt_us(const struct timing_rtt *rtt);

/* How long to wait for an answer before it is asked for again: three times the
 * 99th percentile of the round trip, within 50 to 300 ms in the region and 150
 * to 1000 ms beyond. */
uint32_t timing_answer_ms(const struct timing_rtt *rtt, bool far);

#endif

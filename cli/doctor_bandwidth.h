/* SPDX-License-Identifier: MIT
 * doctor_bandwidth.h - how fast this machine reads memory, within half a second: an estimate.
 */
#ifndef CLI_DOCTOR_BANDWIDTH_H
#define CLI_DOCTOR_BANDWIDTH_H

#include <stdbool.h>
#include <stdint.h>

enum { DOCTOR_MAX_STEPS = 10 }; /* 1, 2, 4, ... threads, 256 at most, and all of them */

typedef struct doctor_bandwidth {
    int n_steps;
    uint32_t threads[DOCTOR_MAX_STEPS];
    double bytes_per_s[DOCTOR_MAX_STEPS];
    uint64_t buffer_bytes;
} doctor_bandwidth;

/** Read 256 MiB (a quarter of room_bytes if that is less) over and over, with 1 to n_threads threads. False: there is
 *  no memory for it, or a signal came. */
bool doctor_measure_bandwidth(uint32_t n_threads, uint64_t room_bytes, doctor_bandwidth *out);

#endif

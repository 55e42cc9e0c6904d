/* A run without faults, timed: what decide, apply and the scheduler cost. */
#ifndef FF_SIM_PERF_H
#define FF_SIM_PERF_H

#include <stdbool.h>
#include <stdint.h>

/* `units` of recorded durations over so many one-slot hosts; prints one line. `journal`: events are
 * encoded for it, too, as a run does with each. 0 or 1. */
int perf(uint32_t units, uint32_t hosts, bool journal);

#endif

/* Time. Code that decides takes `now` as an argument; only the edges ask the clock. */
#ifndef FF_BASE_CLOCK_H
#define FF_BASE_CLOCK_H

#include <stdint.h>

#define FF_NEVER_US  INT64_MAX
#define FF_SECOND_US ((int64_t)1000000)

/* Monotonic time in microseconds, from an arbitrary start. */
int64_t ff_clock_us(void);
/* The same, but it goes on while the machine sleeps, where the system can tell: for what has to do
 * with other machines, which do not sleep with this one. */
int64_t ff_clock_boot_us(void);
/* Wall time in microseconds since 1970-01-01 UTC. */
int64_t ff_clock_wall_us(void);

/* Test hook: the clocks read from here instead (boot time from `monotonic`), when not NULL. */
void ff_clock_fake(int64_t (*monotonic)(void), int64_t (*wall)(void));

#endif

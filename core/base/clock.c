/* The only reader of the system's clocks in core's pure rooms. */
#include "base/clock.h"

#include <stddef.h>
#include <time.h>

static int64_t (*fake_monotonic)(void);
static int64_t (*fake_wall)(void);

static int64_t read_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * FF_SECOND_US + ts.tv_nsec / 1000;
}

int64_t ff_clock_us(void)
{
	return fake_monotonic ? fake_monotonic() : read_us(CLOCK_MONOTONIC);
}

int64_t ff_clock_boot_us(void)
{
#ifdef CLOCK_BOOTTIME
	return fake_monotonic ? fake_monotonic() : read_us(CLOCK_BOOTTIME);
#else
	return ff_clock_us();
#endif
}

int64_t ff_clock_wall_us(void)
{
	return fake_wall ? fake_wall() : read_us(CLOCK_REALTIME);
}

void ff_clock_fake(int64_t (*monotonic)(void), int64_t (*wall)(void))
{
	fake_monotonic = monotonic;
	fake_wall = wall;
}

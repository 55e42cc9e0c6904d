/* Rations: what each unit of a job declares that it takes of its host's memory and CPUs, besides
 * slots. On a host, what is declared at one time is never more than it has. */
#ifndef FF_SCHED_RATION_H
#define FF_SCHED_RATION_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes and thousandths of a CPU. Of a host 0: unknown, no limit; of a unit 0: it says nothing. */
struct ff_capacity {
	int64_t memory, cpu;
};

/* Either an amount, or per cent of the host's; all 0: nothing is declared. */
struct ff_ration {
	struct ff_capacity amount;
	uint32_t memory_percent, cpu_percent;
};

bool ff_ration_any(const struct ff_ration *ration);
/* What it comes to on a host that has so much; 0 for per cent of what is unknown. */
struct ff_capacity ff_ration_on(const struct ff_ration *ration, const struct ff_capacity *there);
/* Whether it fits beside what was taken (each 0: nothing). */
bool ff_ration_fits(const struct ff_ration *ration, const struct ff_capacity *there,
		    const struct ff_capacity *taken);

#endif

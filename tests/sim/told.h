/* What runs of a seed have told of units' attempts: the next one, which goes on with them, is told
 * it again when it asks, and has to tell each of it once. */
#ifndef FF_SIM_TOLD_H
#define FF_SIM_TOLD_H

#include "check.h"

enum { TOLD_RUNS_MAX = 8 };

struct told_attempt {
	uint32_t job, unit, attempt;
	bool final;
	enum ff_outcome outcome;
};

struct told {
	struct check *check;
	struct world *world; /* of the present run */
	struct told_run {
		struct told_attempt *v;
		size_t len, cap;
	} runs[TOLD_RUNS_MAX];
	size_t len;
	/* By job, of the present run: units that were done before, and of these told again. */
	uint32_t *promised, *again;
};

void told_init(struct told *told, struct check *check);
void told_release(struct told *told);
/* Another run begins. */
void told_begin(struct told *told, struct world *world);
void told_event(struct told *told, const struct ff_event *event);
void told_order(struct told *told, const struct ff_order *order);

#endif

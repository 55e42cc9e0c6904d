/* What must hold of every run, whatever its world is like. */
#ifndef FF_SIM_CHECK_H
#define FF_SIM_CHECK_H

#include "base/buf.h"
#include "base/map.h"
#include "dispatch/decision.h"
#include "dispatch/engine.h"
#include "dispatch/input.h"
#include "world.h"

enum { DONE_MAX = 64 };

struct check {
	uint64_t seed;
	const struct ff_config *config;
	const struct ff_plan *plan;
	const struct ff_inventory *inventory;
	const struct world_faults *faults;
	uint8_t **ends;		/* by job and unit: final ends, over all runs of this seed */
	bool (*done)[DONE_MAX]; /* by job and unit: by an earlier run; of parts */
	uint32_t *units;	/* by job: how many there are, once known */
	struct ff_buf journal;	/* of the present run */
	bool run_setup_wanted, run_set_up, run_torn_down;
	uint8_t *set_up;       /* by host: CHECK_… bits, since it was opened */
	struct ff_map brought; /* by job and unit, in it: what an attempt left is here */
	int64_t start_delay_us, next_start_us;
	struct ff_map served; /* by job and host: what its sessions left is not here */
	struct ff_map rests;  /* by job and unit, in it: until when */
	bool killing;	      /* nobody waits for what is left */
	bool resumed;	      /* an earlier run was gone on with */
	struct spread *spread;
	bool bad;
};

void check_init(struct check *check, uint64_t seed, const struct ff_plan *plan,
		const struct ff_inventory *inventory, const struct world_faults *faults);
void check_release(struct check *check);
void check_fail(struct check *check, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool check_good(const struct check *check);

/* A run begins, going on with those that came so far, the latest first. */
void check_begin(struct check *check, const struct ff_state *const *before, size_t before_len);
void check_event(struct check *check, const struct ff_event *event);
void check_input(struct check *check, const struct ff_input *input);
void check_order(struct check *check, const struct ff_order *order);
/* After each decision. */
void check_state(struct check *check, const struct ff_state *state);
/* Of that: what needs memory, of all jobs. In memory.c. */
void check_memory(struct check *check, const struct ff_state *state);
/* What is declared of memory and CPUs: never more than a host has. There, too. */
void check_rations(struct check *check, const struct ff_state *state);
/* Of that: units that were discovered. In order.c. */
void check_discovered(struct check *check, const struct ff_state *state);
/* The journal so far gives the same state: in `again`, to be released by the caller. */
void check_replay(struct check *check, const struct ff_state *state, struct ff_state *again);
/* The run is over. `disturbed`: somebody stopped it. */
void check_end(struct check *check, const struct ff_state *state, const struct ff_engine *engine,
	       bool disturbed);

#endif

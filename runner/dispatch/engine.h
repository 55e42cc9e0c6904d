/* decide: from the state of a run, one input and the time to events and orders. Pure: no I/O, no
 * clock, no handles. Events are applied as they are decided (state/state.h), so that what follows
 * within one decision builds on them.
 *
 * Beside the records the engine has a memory of its own: the scheduler's queues, deadlines, which
 * execution runs where. Nothing in it is worth telling: it can be made anew from the records. */
#ifndef FF_DISPATCH_ENGINE_H
#define FF_DISPATCH_ENGINE_H

#include "config/config.h"
#include "dispatch/decision.h"
#include "dispatch/input.h"
#include "inventory/inventory.h"
#include "plan/plan.h"
#include "sched/expect.h"
#include "state/state.h"

struct ff_engine;

struct ff_engine_opts {
	const struct ff_config *config;
	const struct ff_inventory *inventory;
	const struct ff_plan *plan;
	const char *only_hosts;	  /* host pattern on top of each job's own; NULL: all */
	const char *command_line; /* for the journal */
	const char *addopts;	  /* likewise */
	const char *run_id;
	/* Whether the tree has to be brought to a host (its number); NULL: to none. */
	bool (*wants_sync)(void *ctx, uint32_t host);
	void *ctx;
	/* Earlier runs of the same plan, each going on with the next, which this one goes on with:
	 * what was done there is not run again. */
	const struct ff_state *const *before;
	size_t before_len;
	/* What of it is to be run again all the same: by run and job a bitset of units, NULL: none.
	 * NULL: nothing of any. */
	const uint64_t *const *const *before_again;
	/* TELL_BEFORE is answered: a job ends only when all that it had was told again. */
	bool before_told;
	const char *before_journal; /* of the latest of these runs, for the journal; NULL */
	/* By job of the plan: what it is, as a digest (content.h). What was done in a job of
	 * another one does not count. NULL: not known, all counts. */
	const char *const *job_contents;
	const char *file_content; /* likewise of the file, for the journal; NULL */
	const char *machine;	  /* where we are, and as which process; NULL, 0: not told */
	int pid;
	/* What earlier runs tell of units that are collected; NULL: nothing. */
	struct ff_expect *expect;
	/* How long each unit of any other job is thought to take, as long as the engine lives;
	 * NULL: nothing is known. */
	const int64_t *(*expected_us)(void *ctx, uint32_t job);
	/* `farflung hosts`: no jobs, no tree; every host that matches is opened, looked at for all
	 * payloads, and never tried again. */
	bool hosts_only;
	bool hosts_bare; /* with that: without looking for payloads */
	/* The exit code is the only job's payload's own, where that has any. */
	bool payload_exits;
};

struct ff_now {
	int64_t mono_us, wall_us;
};

/* `state` is new, and the engine's to change as long as it lives. All of opts is borrowed. */
struct ff_engine *ff_engine_new(const struct ff_engine_opts *opts, struct ff_state *state);
void ff_engine_free(struct ff_engine *engine);

/* Adds to `decision`. Texts of events live in it, in the input, or in the engine. */
void ff_engine_decide(struct ff_engine *engine, const struct ff_input *input, struct ff_now now,
		      struct ff_decision *decision);
/* When it wants a TICK; INT64_MAX: not at all. */
int64_t ff_engine_deadline(const struct ff_engine *engine);
/* RUN_FINISHED was decided (or, with hosts_only, each host is there or is not). */
bool ff_engine_over(const struct ff_engine *engine);
/* How long it is expected to go on, by what earlier runs tell; negative: that is not known. A
 * question of those who show it. `units_us`: what they would say themselves of the units that are
 * left, where earlier runs tell nothing of these; negative: nothing. Trees, setups, teardowns and
 * delays of retries come to that. While everything stops it is only about what runs. `now_us`:
 * monotonic. */
int64_t ff_engine_left_us(const struct ff_engine *engine, int64_t units_us, int64_t now_us);
/* How often an event was decided that could not be true: a fault of ours, 0 unless there is one. */
unsigned ff_engine_faults(const struct ff_engine *engine);

#endif

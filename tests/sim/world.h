/* A world for decide: hosts that die, freeze, lie and come back as a seed says, in virtual time. It
 * is act's counterpart: it takes orders and gives inputs. */
#ifndef FF_SIM_WORLD_H
#define FF_SIM_WORLD_H

#include "dispatch/decision.h"
#include "dispatch/input.h"
#include "plan/plan.h"
#include "sched/expect.h"

struct world;

/* How often things go wrong, in thousandths. */
struct world_faults {
	uint32_t open_fails, open_cut, sync_fails, probe_fails;
	uint32_t dies; /* a host, per second of its being there */
	uint32_t
		freezes; /* likewise: nothing is heard of it for a while, then it is lost or back */
	uint32_t crash;	 /* a worker, per unit */
	uint32_t exec_ends;		/* an execution ends without a word */
	uint32_t late, twice, nonsense; /* of what is said */
	uint32_t bomb;			/* units that kill the host that they run on */
	uint32_t bad;			/* units whose first attempts fail */
	uint32_t slow;			/* units that exceed their job's time limit */
	uint32_t fronts;		/* jobs that ask for one */
	uint32_t front_fails, front_dies, front_silent, front_full;
	uint32_t no_front; /* sessions of such a job that don't ask */
	uint32_t differ, missing, collect_error, stop_early;
	bool brief; /* no fault: units are short, and hosts take some ahead */
};

/* `life`: which run of the seed, each with its own misfortunes. */
struct world *world_new(uint64_t seed, uint32_t life, const struct ff_plan *plan, uint32_t hosts,
			const struct world_faults *faults);
void world_free(struct world *world);
int64_t world_now(const struct world *world);

void world_order(struct world *world, const struct ff_order *order);
/* When something happens next; INT64_MAX: nothing will. */
int64_t world_next(const struct world *world);
/* Time goes on to `until`, or to what comes before it. The input that happened; NULL: time has
 * come, or it was nothing that decide hears of. The caller frees it. */
struct ff_input *world_step(struct world *world, int64_t until);
/* To be given later. */
void world_put(struct world *world, struct ff_input *input, int64_t at);

uint64_t world_random(struct world *world);
uint32_t world_below(struct world *world, uint32_t n);
bool world_chance(struct world *world, uint32_t thousandths);

/* What a unit is like, always the same for one seed. */
bool world_is_bomb(const struct world *world, uint32_t job, uint32_t unit);
uint32_t world_bad_attempts(const struct world *world, uint32_t job, uint32_t unit);
/* The same, where there is no world at hand. */
bool world_unit_is_bomb(uint64_t seed, uint32_t job, uint32_t unit,
			const struct world_faults *faults);
uint32_t world_unit_bad(uint64_t seed, uint32_t job, uint32_t unit,
			const struct world_faults *faults);
/* Whether a job's sessions ask for a front. */
bool world_has_front(const struct world *world, uint32_t job);
/* Whether the job's front, if any, was told how the unit ended. */
bool world_front_heard(const struct world *world, uint32_t job, uint32_t unit);
/* What is wrong with what was ordered; NULL: nothing. */
const char *world_complaint(const struct world *world);
/* How many units a job of sessions has. */
uint32_t world_units(const struct world *world, uint32_t job);
uint32_t world_units_of(uint64_t seed, uint32_t job);
/* What its sessions call a unit: with a file, a class, and perhaps a group. */
enum { WORLD_NAME_MAX = 80 };
void world_unit_name(char name[WORLD_NAME_MAX], const char *digest, uint32_t unit);
/* What its sessions say of how they are to be spread. */
struct world_settings {
	bool said, scopes;
	bool driven;	 /* by its front */
	int64_t workers; /* -1: not said */
};
struct world_settings world_settings_of(uint64_t seed, uint32_t job,
					const struct world_faults *faults);
/* Whether its sessions know its units part by part; how many parts there are, and the first unit of
 * each (of one behind the last: how many units there are). Parts are called p0, p1, … */
bool world_in_parts(const struct world *world, uint32_t job);
bool world_job_in_parts(uint64_t seed, uint32_t job, const char *dist,
			const struct world_faults *faults);
enum { WORLD_PARTS_MAX = 7 };
uint32_t world_parts_of(uint64_t seed, uint32_t job);
uint32_t world_part_first_of(uint64_t seed, uint32_t job, uint32_t part);
uint32_t world_parts(const struct world *world, uint32_t job);
uint32_t world_part_first(const struct world *world, uint32_t job, uint32_t part);
/* Whether the rest goes on when one of them can't be collected. */
bool world_goes_on(const struct world *world, uint32_t job);
/* Whether the scheduler of its front does what it must not. */
bool world_driver_is_bad(const struct world *world, uint32_t job);
bool world_job_driver_is_bad(uint64_t seed, uint32_t job);
/* What a unit asks for; false: nothing. `anywhere`: its job may run on all hosts. */
bool world_unit_mark(uint64_t seed, uint32_t job, uint32_t unit, bool anywhere,
		     struct ff_payload_mark *mark);
#define WORLD_MEMORY (INT64_C(100) << 20) /* of each host */
#define WORLD_CPU    INT64_C(4000)	  /* thousandths of one */
/* What earlier runs tell of the memory that a unit takes: bytes, of a job that goes by that; and
 * all of it, to be freed. */
int64_t world_unit_memory(uint64_t seed, const struct ff_plan *plan, uint32_t job, uint32_t unit);
struct ff_expect *world_expect(uint64_t seed, const struct ff_plan *plan);
/* With `scopes`: to what a unit belongs. */
uint32_t world_own_scope(uint32_t unit);

#endif

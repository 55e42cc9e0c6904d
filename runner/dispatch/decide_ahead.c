/* Commands that take less time than the way to their host and back would leave their slots idle in
 * between. Where a job's units are that short, each execution gets another one that follows it: the
 * host has it already, and begins it when the first has ended. Nobody is told that it runs before
 * that; until then it can be withdrawn, and what becomes of its host is no concern of its. */
#include "dispatch/private.h"

#define SHORT_US INT64_C(20000)
/* Here the way is long beside what is done there: with several that follow, ends are heard
 * together. */
#define VERY_SHORT_US INT64_C(2000)

enum { AHEAD = 1, FAR_AHEAD = 3 };

/* Later units count more: a quarter each. */
void ff_ahead_learn(struct engine_job *job, int64_t duration_us)
{
	int64_t took = duration_us > 0 ? duration_us : 1;

	job->typical_us = job->typical_us ? job->typical_us + (took - job->typical_us) / 4 : took;
}

/* With a limit on failures the next unit must wait to hear how this one ends. */
static bool may_be_followed(const struct ff_engine *e, const struct execution *execution)
{
	const struct engine_job *job = &e->jobs[execution->placement.job];
	const struct ff_payload *payload = ff_engine_payload(e, execution->placement.job);

	return payload->run && payload->run->take_back &&
	       !ff_fetch_expected(e, execution->placement.job) &&
	       e->opts.plan->jobs[execution->placement.job].config->fresh.inputs.len == 0 &&
	       e->opts.plan->jobs[execution->placement.job].config->inputs.paths.len == 0 &&
	       job->typical_us > 0 && job->typical_us < SHORT_US && !job->stopped && !e->full &&
	       e->opts.config->settings.maxfail == 0 &&
	       e->opts.config->settings.start_delay_us == 0 &&
	       e->opts.config->settings.halt.on == FF_HALT_NEVER &&
	       execution->placement.unit != FF_NOBODY &&
	       e->hosts[execution->placement.host].native &&
	       e->opts.plan->jobs[execution->placement.job].config->steps_len == 0;
}

static struct execution *follower_of(const struct ff_engine *e, const struct execution *execution)
{
	struct execution *x;

	if (e->jobs[execution->placement.job].ahead == 0)
		return NULL;
	x = ff_executions_first(&e->executions, execution->placement.host);
	while (x && !(x->placement.ahead && x->follows == execution->number))
		x = ff_executions_next(&e->executions, x);
	return x;
}

/* How many follow it now. */
static int give(struct ff_engine *e, const struct execution *execution)
{
	const struct engine_job *job = &e->jobs[execution->placement.job];
	struct ff_placement placement;
	int wanted = job->typical_us < VERY_SHORT_US ? FAR_AHEAD : AHEAD, there = 0;

	for (; there < wanted; there++) {
		const struct execution *follower = follower_of(e, execution);

		if (!follower) {
			if (!may_be_followed(e, execution) ||
			    !ff_sched_place_behind(e->sched, &execution->placement, job->workers,
						   &placement))
				break;
			follower = ff_execution_start(e, &placement, execution);
		}
		execution = follower;
	}
	return there;
}

void ff_ahead_give(struct ff_engine *e, const struct execution *execution)
{
	give(e, execution);
}

struct execution *ff_ahead_pass(struct ff_engine *e, struct execution *execution)
{
	struct execution *follower = follower_of(e, execution);

	if (follower)
		ff_sched_pass(&execution->placement, &follower->placement);
	return follower;
}

void ff_ahead_begin(struct ff_engine *e, struct execution *execution)
{
	struct ff_order rest = {.kind = FF_ORDER_REST, .host = execution->placement.host};
	struct unit_at at;

	if (!execution->placement.ahead)
		return;
	execution->placement.ahead = false;
	execution->started_us = e->now.mono_us;
	e->jobs[execution->placement.job].ahead--;
	at = ff_execution_unit(e, execution);
	ff_unit_started(e, &at);
	/* Its slot is not idle before we have slept a moment: the ends until then cost one waking.
	 */
	if (give(e, execution) == FAR_AHEAD)
		ff_engine_order(e, &rest);
	ff_cancel_began(e, at.job, at.unit);
}

void ff_ahead_withdraw(struct ff_engine *e, uint32_t job, bool all)
{
	for (uint32_t i = 0; i < e->executions.len && e->jobs[job].ahead > 0; i++) {
		struct execution *x = ff_executions_at(&e->executions, i);
		struct ff_order order = {.kind = FF_ORDER_WITHDRAW, .execution = x->number};

		if (x->number == 0 || !x->placement.ahead || x->placement.job != job)
			continue;
		if (!all && follower_of(e, x))
			continue; /* the last is the furthest from its beginning */
		order.host = x->placement.host;
		x->placement.recalled = true;
		ff_engine_order(e, &order);
		if (!all)
			return;
	}
}

void ff_ahead_returned(struct ff_engine *e, const struct ff_input *input)
{
	struct execution *x = ff_executions_find(&e->executions, input->execution);
	struct ff_placement placement;

	if (!x || !x->placement.ahead)
		return;
	placement = x->placement;
	ff_execution_over(e, x, false);
	if (!e->jobs[placement.job].stopped)
		ff_sched_again(e->sched, placement.job, placement.unit, false, FF_NOBODY);
}

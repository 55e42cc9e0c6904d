/* A job's units become known: what the scheduler is told of them. */
#include "base/alloc.h"
#include "dispatch/private.h"

/* What each takes, by what earlier runs tell; false: nothing is known, or the order is not to be
 * changed by that: who asks for another policy knows it in the order of collection. */
static bool expect(struct ff_engine *e, uint32_t number, struct ff_queues_opts *opts, int64_t **us)
{
	const char *kind = ff_engine_payload(e, number)->name;
	size_t len = opts->units;

	*us = NULL;
	/* Units that were discovered have no order but that. */
	if (opts->policy ? !opts->policy->parcels : !ff_engine_payload(e, number)->discover)
		return false;
	if (!opts->names || !ff_expect_knows(e->opts.expect, kind))
		return false;
	*us = ff_xcalloc(2 * len + 1, sizeof(**us));
	if (!ff_expect_fill(e->opts.expect, kind, opts->names, len, *us, *us + len))
		return false;
	opts->expected_us = *us;
	opts->setup_us = *us + len;
	return true;
}

/* A front that drives its job knows of so many: hosts that have come since may have brought more.
 */
static uint32_t most_sessions(const struct ff_engine *e, uint32_t number)
{
	const struct engine_job *job = &e->jobs[number];
	uint32_t planned = ff_driven(e, number) ? job->front.planned : 0;

	return planned > 0 && (job->most == 0 || job->most > planned) ? planned : job->most;
}

void ff_job_know_units(struct ff_engine *e, uint32_t number, uint32_t units)
{
	const struct ff_config_job *config = e->opts.plan->jobs[number].config;
	struct engine_job *job = &e->jobs[number];
	struct ff_queues_opts opts = {
		.units = units,
		.workers = job->workers,
		.names = job->unit_names,
		.policy = job->policy,
		.scopes = job->unit_scopes,
		.scopes_in_order = !config->scope_reorder,
		.seats = job->seats,
		.seats_len = job->seats_len,
		.most = most_sessions(e, number),
		.chunk = (uint32_t)config->maxschedchunk,
		.done_before = job->held ? job->held : job->done_before,
		.hosts = (uint32_t)ff_inventory_room(e->opts.inventory),
		.host_memory = e->host_memory,
	};
	struct ff_claim *claims = ff_marks_claims(e, number, job->marks, job->marks_len, 0,
						  job->each ? job->each : units, &opts.claims_len);
	int64_t *us;

	claims = ff_order_claims(e, number, units, claims, &opts.claims_len);
	claims = ff_memory_claims(e, number, units, claims, &opts.claims_len);
	opts.claims = claims;
	if (job->in_parts) {
		opts.parts = job->parts_len;
		opts.part_costs = job->part_costs;
		opts.parts_whole = job->parts_whole;
	}
	/* What is to come has no place among what is known. */
	if (!expect(e, number, &opts, &us) && e->opts.expected_us && !e->state->jobs[number].open)
		opts.expected_us = e->opts.expected_us(e->opts.ctx, number);
	ff_sched_job_units(e->sched, number, &opts);
	if (opts.most != job->most)
		ff_sched_job_most(e->sched, number, opts.most);
	ff_cancel_known(e, number);
	ff_free(claims);
	ff_free(us);
}

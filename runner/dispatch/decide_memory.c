/* What units need of their host's memory, by what earlier runs saw of them (`memory: auto`): for
 * the scheduler it is as if each had said so by a mark. What a mark says counts more. */
#include <string.h>

#include "base/alloc.h"
#include "dispatch/private.h"

bool ff_memory_counts(const struct ff_engine *e, uint32_t job)
{
	return ff_config_job_memory(e->opts.plan->jobs[job].config) &&
	       !ff_expect_modest(e->opts.expect, ff_engine_payload(e, job)->name);
}

/* Bytes; 0: nothing that matters is known. */
static int64_t need_of(struct ff_engine *e, uint32_t job, uint32_t unit)
{
	const char *kind = ff_engine_payload(e, job)->name;
	const char *const *names = e->jobs[job].unit_names;
	const char *name = names ? names[unit] : ff_engine_unit_name(e, job, unit);

	return name ? ff_expect_memory(e->opts.expect, kind, name) : 0;
}

static void say_in_vain(struct ff_engine *e, uint32_t number)
{
	ff_engine_notice(e, NULL, "warning",
			 e->jobs[number].policy->driven
				 ? "memory: auto: tests are not kept apart where the suite's own "
				   "scheduler says who runs what"
				 : "memory: auto: tests are not kept apart with --dist each");
}

struct ff_claim *ff_memory_claims(struct ff_engine *e, uint32_t number, uint32_t units,
				  struct ff_claim *claims, size_t *len)
{
	const struct engine_job *job = &e->jobs[number];
	size_t old = 0, added = 0, cap = *len + 64;
	struct ff_claim *all;

	if (job->stopped || job->in_parts || !ff_memory_counts(e, number))
		return claims;
	if (job->policy && (job->policy->seats || job->policy->driven)) {
		say_in_vain(e, number);
		return claims;
	}
	all = ff_xmalloc(cap * sizeof(*all));
	for (uint32_t i = 0; i < units; i++) {
		bool claimed = old < *len && claims[old].unit == i;
		int64_t need = claimed && claims[old].memory ? 0 : need_of(e, number, i);

		if (!claimed && need == 0)
			continue;
		if (added == cap) {
			cap *= 2;
			all = ff_xrealloc(all, cap * sizeof(*all));
		}
		all[added] =
			claimed ? claims[old++]
				: (struct ff_claim){.unit = i, .group = FF_NOBODY, .weight = 1};
		if (need > 0)
			all[added].memory = need;
		added++;
	}
	ff_free(claims);
	*len = added;
	return all;
}

void ff_memory_started(struct ff_engine *e, const struct unit_at *at)
{
	const struct ff_queues *queues = ff_sched_queues(e->sched, at->job);
	int64_t there = at->host == FF_NOBODY ? 0 : e->host_memory[at->host];
	const struct ff_expect_unit *known;
	const char *name, *host;

	/* A mark may have said less than is known. */
	if (!queues || there == 0 || ff_queues_memory(queues, at->unit) <= there ||
	    !ff_memory_counts(e, at->job))
		return;
	name = at->name ? at->name : ff_engine_unit_name(e, at->job, at->unit);
	host = e->state->hosts[at->host].name;
	known = ff_expect_find(e->opts.expect, ff_engine_payload(e, at->job)->name, name);
	if (!known || known->memory_kib <= there >> 10 ||
	    !ff_engine_first(&e->jobs[at->job], ff_engine_text(e, "memory of %s", host)))
		return;
	ff_engine_notice(
		e, host, "warning",
		ff_engine_text(
			e,
			"%s took %lld MiB in an earlier run, and the host has %lld: while it runs "
			"there, so does nothing else that is known to need memory",
			name, (long long)(known->memory_kib >> 10), (long long)(there >> 20)));
}

void ff_memory_of_command(const struct ff_engine *e, uint32_t job, struct ff_result *result)
{
	if (result->has_status && ff_config_job_memory(e->opts.plan->jobs[job].config))
		result->memory_kib = result->max_rss_kib;
}

/* The plan of a run, from config and inventory. Starts nothing and knows no host's state. */
#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "plan/private.h"
#include "sched/sched.h"

enum { PLAN_MEMORY_MAX = 1 << 30 };

static void *take(struct ff_plan *plan, size_t size)
{
	size_t max = plan->arena.max;
	void *memory;

	/* The limit is for instances: when they are too many, there is still a message to make. */
	plan->arena.max = 0;
	memory = ff_arena_alloc(&plan->arena, size ? size : 1);
	plan->arena.max = max;
	if (!memory)
		abort();
	return memset(memory, 0, size);
}

static const struct ff_place *or_job(const struct ff_place *place, const struct ff_config_job *job)
{
	return place->line ? place : &job->place;
}

static void check_dist(const struct ff_config_job *job, struct ff_problems *problems)
{
	struct ff_buf known = FF_BUF_INIT;
	char hint[FF_SUGGEST_TEXT_MAX];
	struct ff_suggest suggest;

	if (!job->dist || ff_sched_find(job->dist))
		return;
	ff_suggest_init(&suggest, job->dist);
	for (const struct ff_sched_class *const *class = ff_scheds; *class; class ++) {
		ff_suggest_offer(&suggest, (*class)->name);
		ff_buf_addf(&known, "%s%s", known.len ? ", " : "", (*class)->name);
	}
	ff_problems_add(problems, or_job(&job->dist_place, job),
			"job '%s': no 'dist' is called '%s'; there is: %s%s", job->name, job->dist,
			ff_buf_str(&known), ff_suggest_text(&suggest, hint));
	ff_buf_release(&known);
}

static void plan_job(struct ff_plan *plan, struct ff_plan_job *job,
		     const struct ff_inventory *inventory, struct ff_problems *problems)
{
	const struct ff_config_job *config = job->config;
	struct ff_err err;

	job->payload = ff_payload_find(config->payload);
	if (!job->payload) {
		ff_problems_add(problems, &config->place, "job '%s': no payload is called '%s'",
				config->name, config->payload);
		return;
	}
	check_dist(config, problems);
	if (inventory && ff_inventory_check(inventory, config->on, &err))
		ff_problems_add(problems, or_job(&config->on_place, config), "job '%s': %s",
				config->name, err.text);
	ff_plan_instances(plan, job, problems);
	if (job->instances_len && job->payload->check &&
	    job->payload->check(&job->instances[0].job, &err))
		ff_problems_add(problems, &config->place, "job '%s': %s", config->name, err.text);
}

/* Marks `only` and all that they need; everything for NULL. `order` has needs first. */
static void choose(const struct ff_config *config, const size_t *order, char *const *only,
		   bool *wanted, struct ff_problems *problems)
{
	memset(wanted, !only, config->jobs_len);
	for (; only && *only; only++) {
		size_t found = ff_plan_find(config, *only);
		char hint[FF_SUGGEST_TEXT_MAX];
		struct ff_suggest suggest;

		if (found < config->jobs_len) {
			wanted[found] = true;
			continue;
		}
		ff_suggest_init(&suggest, *only);
		for (size_t i = 0; i < config->jobs_len; i++)
			ff_suggest_offer(&suggest, config->jobs[i].name);
		ff_problems_add(problems, NULL, "no job is called '%s'%s", *only,
				ff_suggest_text(&suggest, hint));
	}
	for (size_t i = config->jobs_len; i-- > 0;) {
		const struct ff_config_job *job = &config->jobs[order[i]];

		for (size_t j = 0; wanted[order[i]] && j < job->needs.len; j++)
			wanted[ff_plan_find(config, job->needs.v[j])] = true;
	}
}

static void link_needs(struct ff_plan *plan, struct ff_plan_job *job)
{
	const struct ff_strv *needs = &job->config->needs;

	job->needs = take(plan, needs->len * sizeof(*job->needs));
	for (size_t i = 0; i < needs->len; i++) {
		size_t at = 0;

		while (strcmp(plan->jobs[at].config->name, needs->v[i]) != 0)
			at++;
		for (size_t j = 0; j < job->needs_len && at < plan->len; j++)
			at = job->needs[j] == at ? plan->len : at;
		if (at < plan->len)
			job->needs[job->needs_len++] = at;
	}
}

static void fill(struct ff_plan *plan, const struct ff_config *config,
		 const struct ff_inventory *inventory, const size_t *order, char *const *only,
		 struct ff_problems *problems)
{
	bool *wanted = ff_xcalloc(config->jobs_len, sizeof(*wanted));

	choose(config, order, only, wanted, problems);
	plan->jobs = take(plan, config->jobs_len * sizeof(*plan->jobs));
	/* All are checked, also those that are not run. */
	for (size_t i = 0; i < config->jobs_len; i++) {
		struct ff_plan_job job = {.config = &config->jobs[order[i]]};

		plan_job(plan, &job, inventory, problems);
		if (!wanted[order[i]])
			continue;
		link_needs(plan, &job);
		plan->jobs[plan->len++] = job;
	}
	ff_free(wanted);
}

int ff_plan_build(struct ff_plan *plan, const struct ff_config *config,
		  const struct ff_inventory *inventory, char *const *only, struct ff_err *err)
{
	struct ff_plan built = {.arena = {.max = PLAN_MEMORY_MAX}};
	struct ff_problems problems;
	size_t *order = NULL;
	int rc;

	ff_problems_init(&problems, config->path);
	if (config->jobs_len)
		order = ff_plan_order(config, &problems);
	else
		ff_problems_add(&problems, &config->jobs_place, "there are no jobs");
	if (order)
		fill(&built, config, inventory, order, only, &problems);
	ff_free(order);
	rc = ff_problems_finish(&problems, err);
	if (rc)
		ff_plan_release(&built);
	else
		*plan = built;
	return rc;
}

void ff_plan_release(struct ff_plan *plan)
{
	ff_arena_release(&plan->arena);
	*plan = (struct ff_plan){0};
}

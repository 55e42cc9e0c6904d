/* The engine's memory: made from the plan, and given back. */
#include <string.h>

#include "base/alloc.h"
#include "dispatch/private.h"

static uint32_t find_host(const struct ff_inventory *inventory, const char *name)
{
	for (uint32_t i = 0; name && i < inventory->len; i++)
		if (strcmp(inventory->hosts[i].name, name) == 0)
			return i;
	return FF_NOBODY;
}

static uint32_t payload_number(const struct ff_payload *payload)
{
	uint32_t number = 0;

	while (ff_payloads[number] && ff_payloads[number] != payload)
		number++;
	return number;
}

static void make_hosts(struct ff_engine *e)
{
	const struct ff_inventory *inventory = e->opts.inventory;
	size_t room = ff_inventory_room(inventory);

	e->hosts = ff_xcalloc(room + 1, sizeof(*e->hosts));
	e->host_memory = ff_xcalloc(room + 1, sizeof(*e->host_memory));
	e->capacity = ff_xcalloc(room + 1, sizeof(*e->capacity));
	ff_executions_init(&e->executions, (uint32_t)room);
	for (size_t i = 0; i < room; i++) {
		struct engine_host *host = &e->hosts[i];

		host->parent = FF_NOBODY;
		host->retry = (struct due_at){.kind = DUE_HOST, .owner = host};
		host->drain = (struct due_at){.kind = DUE_DRAIN, .owner = host};
		ff_list_init(&host->sessions);
	}
	for (uint32_t i = 0; i < inventory->len; i++)
		ff_host_know(e, i);
}

void ff_host_know(struct ff_engine *e, uint32_t number)
{
	const struct ff_host *known = &e->opts.inventory->hosts[number];
	struct engine_host *host = &e->hosts[number];

	e->host_memory[number] = e->capacity[number].memory = known->memory;
	host->parent = find_host(e->opts.inventory, known->spec.via);
	if (host->parent != FF_NOBODY)
		e->hosts[host->parent].is_parent = true;
}

static void link_needs(struct ff_engine *e)
{
	const struct ff_plan *plan = e->opts.plan;

	for (uint32_t i = 0; i < plan->len; i++)
		for (size_t j = 0; j < plan->jobs[i].needs_len; j++)
			e->jobs[plan->jobs[i].needs[j]].dependents_len++;
	for (uint32_t i = 0; i < plan->len; i++) {
		struct engine_job *job = &e->jobs[i];

		job->dependents =
			ff_xcalloc((size_t)job->dependents_len + 1, sizeof(*job->dependents));
		job->dependents_len = 0;
	}
	for (uint32_t i = 0; i < plan->len; i++)
		for (size_t j = 0; j < plan->jobs[i].needs_len; j++) {
			struct engine_job *need = &e->jobs[plan->jobs[i].needs[j]];

			need->dependents[need->dependents_len++] = i;
			e->jobs[i].needs_left++;
		}
}

static void make_jobs(struct ff_engine *e)
{
	const struct ff_plan *plan = e->opts.plan;

	e->jobs = ff_xcalloc(plan->len + 1, sizeof(*e->jobs));
	for (uint32_t i = 0; i < plan->len; i++) {
		struct engine_job *job = &e->jobs[i];

		job->hosts = ff_job_host_set(e, &plan->jobs[i]);
		job->hosts->jobs_left++;
		job->payload = payload_number(plan->jobs[i].payload);
		job->ids_from = FF_NOBODY;
		job->front.due = (struct due_at){.kind = DUE_FRONT, .owner = job};
		job->time = (struct due_at){.kind = DUE_TIME, .owner = job};
		job->hope = (struct due_at){.kind = DUE_HOPE, .owner = job};
		ff_list_init(&job->dirty);
		ff_list_init(&job->sessions);
		ff_list_init(&job->idle);
		ff_list_init(&job->resting);
	}
	link_needs(e);
}

static void make_scheduler(struct ff_engine *e)
{
	const struct ff_config *config = e->opts.config;
	uint32_t *pools = ff_xcalloc(config->pools_len + 1, sizeof(*pools));
	struct ff_sched_opts opts = {
		.hosts = (uint32_t)ff_inventory_room(e->opts.inventory),
		.jobs = (uint32_t)e->opts.plan->len,
		.pools = pools,
		.pools_len = (uint32_t)config->pools_len,
		.host_memory = e->host_memory,
		.host_capacity = e->capacity,
	};

	for (size_t i = 0; i < config->pools_len; i++)
		pools[i] = (uint32_t)config->pools[i].size;
	e->sched = ff_sched_new(&opts);
	ff_free(pools);
}

struct ff_engine *ff_engine_new(const struct ff_engine_opts *opts, struct ff_state *state)
{
	struct ff_engine *e = ff_xcalloc(1, sizeof(*e));

	e->opts = *opts;
	e->state = state;
	e->kill = (struct due_at){.kind = DUE_KILL};
	e->start = (struct due_at){.kind = DUE_START};
	ff_list_init(&e->dirty);
	make_hosts(e);
	make_jobs(e);
	make_scheduler(e);
	return e;
}

static void free_jobs(struct ff_engine *e)
{
	for (uint32_t i = 0; i < e->opts.plan->len; i++) {
		struct engine_job *job = &e->jobs[i];

		ff_free(job->dependents);
		ff_free(job->done_before);
		ff_free(job->untold);
		ff_free(job->cancelled);
		ff_free(job->served);
		ff_free(job->front.asked);
		ff_free(job->seats);
		ff_free(job->parts);
		if (job->in_parts)
			ff_free((void *)job->unit_names);
		ff_marks_free(job);
		ff_order_free(job);
		ff_once_free(job);
		ff_steps_free(job);
		ff_map_release(&job->before);
		ff_map_release(&job->now_parts);
		ff_map_release(&job->seen);
		ff_map_release(&job->lacking);
		ff_free(job->usual);
		ff_arena_release(&job->arena);
	}
	ff_free(e->jobs);
}

void ff_engine_free(struct ff_engine *e)
{
	size_t cursor = 0;
	void *value;

	if (!e)
		return;
	for (uint32_t i = 0; i < e->opts.plan->len; i++)
		ff_retry_forget(e, i); /* while all that has a deadline is there */
	ff_deadlines_release(&e->deadlines);
	ff_executions_release(&e->executions);
	ff_fetch_release(e);
	ff_gather_release(e);
	while (ff_map_next(&e->sessions, &cursor, NULL, &value)) {
		ff_input_free(((struct session *)value)->held);
		ff_shard_free(value);
		ff_free(value);
	}
	ff_map_release(&e->sessions);
	ff_map_release(&e->patterns);
	ff_map_release(&e->resources);
	ff_free(e->host_memory);
	ff_free(e->capacity);
	ff_arena_release(&e->arena);
	ff_buf_release(&e->lines);
	ff_sched_free(e->sched);
	free_jobs(e);
	for (size_t i = 0; i < ff_inventory_room(e->opts.inventory); i++) {
		ff_free(e->hosts[i].platform);
		ff_free(e->hosts[i].unusable);
		ff_free(e->hosts[i].cwd);
	}
	ff_free(e->hosts);
	ff_free(e);
}

bool ff_engine_over(const struct ff_engine *e)
{
	return e->over;
}

unsigned ff_engine_faults(const struct ff_engine *e)
{
	return e->faults;
}

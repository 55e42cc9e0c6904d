/* The plan of a run, from config and inventory. Starts nothing and knows no host's state. */
#include "plan/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "plan/private.h"
#include "sched/policy.h"

static void *take(struct ff_plan *plan, size_t size)
{
	void *memory = ff_arena_alloc(&plan->arena, size ? size : 1);

	if (!memory)
		abort();
	return memset(memory, 0, size);
}

static const struct ff_place *or_job(const struct ff_place *place, const struct ff_config_job *job)
{
	return place->line ? place : &job->place;
}

static void check_dist(const struct ff_config_job *job, struct ff_mistakes *problems)
{
	struct ff_buf known = FF_BUF_INIT;
	char hint[FF_SUGGEST_TEXT_MAX];
	struct ff_suggest suggest;

	if (!job->dist || ff_policy_find(job->dist))
		return;
	ff_suggest_init(&suggest, job->dist);
	for (const struct ff_policy *const *policy = ff_policies; *policy; policy++) {
		ff_suggest_offer(&suggest, (*policy)->name);
		ff_buf_addf(&known, "%s%s", known.len ? ", " : "", (*policy)->name);
	}
	ff_mistakes_add(problems, or_job(&job->dist_place, job),
			"job '%s': no 'dist' is called '%s'; there is: %s%s", job->name, job->dist,
			ff_buf_str(&known), ff_suggest_text(&suggest, hint));
	ff_buf_release(&known);
}

/* What an attempt may end with, for the job, that another one can mend. */
static unsigned read_retry_on(const struct ff_config_job *job, struct ff_mistakes *problems)
{
	const unsigned all = 1U << FF_OUTCOME_FAILED | 1U << FF_OUTCOME_ERROR |
			     1U << FF_OUTCOME_CRASHED | 1U << FF_OUTCOME_TIMEOUT;
	const char *at = job->retry_on;
	unsigned chosen = 0;

	while (at) {
		size_t blanks = strspn(at, " \t"), len = strcspn(at + blanks, ", \t");
		char *word = ff_xstrndup(at + blanks, len);
		int outcome = ff_outcome_from_word(word);
		bool known = outcome >= 0 && (all >> outcome & 1);

		at += blanks + len + strspn(at + blanks + len, " \t");
		known &= *at == '\0' || *at == ',';
		if (known)
			chosen |= 1U << outcome;
		else
			ff_mistakes_add(problems, or_job(&job->retry_on_place, job),
					"job '%s': 'retry_on' wants failed, error, crashed or "
					"timeout, with commas between them, got '%s'",
					job->name, job->retry_on);
		ff_free(word);
		at = known && *at == ',' ? at + 1 : NULL;
	}
	return job->retry_on ? chosen : all;
}

/* What changes a delay wants one. */
static void check_delay(const struct ff_config *config, const struct ff_config_job *job,
			struct ff_mistakes *problems)
{
	int64_t delay =
		job->retry_delay_us >= 0 ? job->retry_delay_us : config->settings.retry_delay_us;

	if (delay == 0 && job->backoff > 1000)
		ff_mistakes_add(problems, or_job(&job->backoff_place, job),
				"job '%s': 'backoff' wants a 'delay'", job->name);
	if (delay == 0 && job->jitter > 0)
		ff_mistakes_add(problems, or_job(&job->jitter_place, job),
				"job '%s': 'jitter' wants a 'delay'", job->name);
}

/* Which of all tests fit beside each other can be told when all are known. */
static void check_memory(const struct ff_config_job *job, struct ff_mistakes *problems)
{
	if (ff_config_job_memory(job) && job->collect && strcmp(job->collect, "shard") == 0)
		ff_mistakes_add(problems, &job->place,
				"job '%s': 'memory: auto' wants all tests to be known before they "
				"run, which 'collect: shard' keeps it from: leave that out",
				job->name);
}

/* A limit is set where a unit is started as a program of its own. */
static void check_limit(const struct ff_config_job *job, struct ff_mistakes *problems)
{
	struct ff_config_amount memory = ff_config_memory(job);

	if ((memory.amount || memory.percent) && strcmp(job->payload, "pytest") == 0)
		ff_mistakes_add(problems, or_job(&job->memory_place, job),
				"job '%s': 'memory: %s' is a limit for commands and for units of "
				"ctest, gtest and tap; of pytest it wants auto or off",
				job->name, job->memory);
}

/* Everything that the inventory and other jobs have to say, by pattern: many jobs share one. */
struct build {
	struct ff_plan *plan;
	const struct ff_config *config;
	const struct ff_inventory *inventory; /* NULL: hosts are not looked at */
	struct ff_mistakes *problems, hints;
	struct ff_map names;	/* of config's jobs -> ff_plan_number */
	struct ff_map patterns; /* of hosts, that were found right */
	struct ff_map widest;	/* of patterns: the most slots that one of its hosts has */
	const size_t *order;	/* of config's jobs */
	bool *wanted;		/* of config's jobs */
	/* Of config's jobs: where in the plan; many are there for each host. */
	struct planned {
		size_t first, len;
	} * planned;
	size_t room;	/* for the plan's jobs */
	size_t *linked; /* of config's jobs: the last that needs it, + 1 */
};

static void check_on(struct build *b, const struct ff_config_job *job)
{
	char hint[FF_SUGGEST_TEXT_MAX] = "";
	struct ff_err err;

	if (!b->inventory || !job->on || ff_map_get(&b->patterns, job->on))
		return;
	if (ff_inventory_check(b->inventory, job->on, &err)) {
		if (!ff_mistakes_full(b->problems))
			ff_inventory_suggest(b->inventory, job->on, hint);
		ff_mistakes_add(b->problems, or_job(&job->on_place, job), "job '%s': %s%s",
				job->name, err.text, hint);
	} else if (ff_map_set(&b->patterns, job->on, b)) {
		abort();
	}
}

static uint32_t widest_host(struct build *b, const char *on)
{
	const char *key = on ? on : "";
	uintptr_t known = (uintptr_t)ff_map_get(&b->widest, key);
	uint32_t widest = 0;

	for (size_t i = 0; !known && i < b->inventory->len; i++)
		if (b->inventory->hosts[i].slots > widest &&
		    ff_host_matches(&b->inventory->hosts[i], on))
			widest = b->inventory->hosts[i].slots;
	if (!known && ff_map_set(&b->widest, key, ff_plan_number(widest)))
		abort();
	return known ? (uint32_t)(known - 1) : widest;
}

/* What is heavier than any host can never run. */
static void check_weight(struct build *b, const struct ff_config_job *job)
{
	uint32_t widest;

	if (!b->inventory || job->weight <= 1)
		return;
	widest = widest_host(b, job->on);
	if (widest && job->weight > widest)
		ff_mistakes_add(b->problems, or_job(&job->weight_place, job),
				"job '%s' has weight %lld, but no host that it may run on has more "
				"than %u slot%s",
				job->name, (long long)job->weight, widest, widest == 1 ? "" : "s");
}

static void check_required(struct build *b)
{
	int64_t wanted = b->config->settings.require_hosts;
	size_t len = b->inventory ? b->inventory->len : 0;

	if (len && wanted > 0 && (uint64_t)wanted > len)
		ff_mistakes_add(b->problems, &b->config->settings.require_hosts_place,
				"'require_hosts' wants %lld, but the inventory has %zu host%s",
				(long long)wanted, len, len == 1 ? "" : "s");
}

/* By its first unit: what a payload checks is the same for all. */
static void check_payload(struct build *b, const struct ff_plan_job *job, uint32_t step)
{
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_plan_instance instance;
	struct ff_err err;

	if (!job->payload->check ||
	    (job->payload->run && !job->payload->discover && job->units_len == 0))
		return;
	if (job->config->steps_len ? ff_plan_step(job, 0, step, &arena, &instance)
				   : ff_plan_instance(job, 0, &arena, &instance))
		abort();
	if (job->payload->check(&instance.job, &err))
		ff_mistakes_add(b->problems, &job->config->place, "job '%s': %s", job->config->name,
				err.text);
	ff_arena_release(&arena);
}

static void read_when(struct build *b, struct ff_plan_job *job)
{
	const struct ff_config_job *config = job->config;
	struct ff_when_names names = {.needs = &config->needs,
				      .env = environ,
				      .variable = ff_plan_when_variable,
				      .axis = ff_plan_when_axis,
				      .ctx = config};
	struct ff_err err;

	if (!config->when)
		return;
	job->when = ff_when_parse(config->when, &names, &b->plan->arena, &err);
	if (!job->when)
		ff_mistakes_add(b->problems, or_job(&config->when_place, config),
				"job '%s': 'when': %s", config->name, err.text);
}

static struct ff_ration ration_of(const struct ff_config_job *config)
{
	struct ff_config_amount memory = ff_config_memory(config), cpu = ff_config_cpu(config);

	return (struct ff_ration){
		.amount = {memory.amount, cpu.amount},
		.memory_percent = (uint32_t)memory.percent,
		.cpu_percent = (uint32_t)cpu.percent,
	};
}

static void plan_job(struct build *b, struct ff_plan_job *job)
{
	const struct ff_config_job *config = job->config;

	job->payload = ff_payload_find(config->payload);
	if (!job->payload) {
		ff_mistakes_add(b->problems, &config->place, "job '%s': no payload is called '%s'",
				config->name, config->payload);
		return;
	}
	check_dist(config, b->problems);
	job->retry_on = read_retry_on(config, b->problems);
	job->ration = ration_of(config);
	check_delay(b->config, config, b->problems);
	check_on(b, config);
	check_weight(b, config);
	check_memory(config, b->problems);
	check_limit(config, b->problems);
	read_when(b, job);
	ff_plan_count(job, b->problems);
	ff_plan_check_artifacts(job, b->problems);
	ff_plan_check_inputs(config, b->problems);
	ff_plan_check_fresh(config, b->problems);
	check_payload(b, job, 0);
	for (uint32_t i = 1; i < config->steps_len; i++)
		check_payload(b, job, i);
	for (size_t i = 0; i < config->steps_len; i++) {
		struct ff_config_job step = ff_plan_step_job(config, i);

		ff_plan_check_texts(&step, b->problems, &b->hints);
	}
	if (job->payload->run && !job->payload->discover && !config->steps_len)
		ff_plan_check_texts(config, b->problems, &b->hints);
	else
		ff_plan_check_braces(config, b->problems);
}

/* Marks `only` and all that they need; everything for NULL. The order has needs first. */
static void choose(struct build *b, char *const *only)
{
	const struct ff_config *config = b->config;

	memset(b->wanted, !only, config->jobs_len);
	for (; only && *only; only++) {
		uintptr_t found = (uintptr_t)ff_map_get(&b->names, *only);
		char hint[FF_SUGGEST_TEXT_MAX];
		struct ff_suggest suggest;

		if (found) {
			b->wanted[found - 1] = true;
			continue;
		}
		ff_suggest_init(&suggest, *only);
		for (size_t i = 0; i < config->jobs_len && !ff_mistakes_full(b->problems); i++)
			ff_suggest_offer(&suggest, config->jobs[i].name);
		ff_mistakes_add(b->problems, NULL, "no job is called '%s'%s", *only,
				ff_suggest_text(&suggest, hint));
	}
	for (size_t i = config->jobs_len; i-- > 0;) {
		const struct ff_config_job *job = &config->jobs[b->order[i]];

		for (size_t j = 0; b->wanted[b->order[i]] && j < job->needs.len; j++)
			b->wanted[(uintptr_t)ff_map_get(&b->names, job->needs.v[j]) - 1] = true;
	}
}

/* `self`: the job's own index in config. A need that is named twice is linked once. */
static void link_needs(struct build *b, struct ff_plan_job *job, size_t self)
{
	const struct ff_strv *needs = &job->config->needs;
	size_t len = 0;

	for (size_t i = 0; i < needs->len; i++)
		len += b->planned[(uintptr_t)ff_map_get(&b->names, needs->v[i]) - 1].len;
	job->needs = take(b->plan, len * sizeof(*job->needs));
	job->needs_by = take(b->plan, needs->len * sizeof(*job->needs_by));
	for (size_t i = 0; i < needs->len; i++) {
		size_t need = (uintptr_t)ff_map_get(&b->names, needs->v[i]) - 1;

		job->needs_by[i] = (struct ff_plan_need){
			b->planned[need].first, b->planned[need].len,
			job->config->needs_to ? job->config->needs_to[i] : FF_NEED_PASSED};
		if (b->linked[need] == self + 1)
			continue;
		b->linked[need] = self + 1;
		for (size_t j = 0; j < b->planned[need].len; j++)
			job->needs[job->needs_len++] = b->planned[need].first + j;
	}
}

static void add_job(struct build *b, const struct ff_plan_job *job, size_t self)
{
	struct ff_plan *plan = b->plan;

	/* Those that `take` gave are linked, not moved: nothing points at them yet. */
	if (plan->len == b->room) {
		struct ff_plan_job *more;

		b->room = 2 * b->room + b->config->jobs_len;
		more = take(plan, b->room * sizeof(*more));
		if (plan->len)
			memcpy(more, plan->jobs, plan->len * sizeof(*more));
		plan->jobs = more;
	}
	plan->jobs[plan->len++] = *job;
	b->planned[self].len++;
}

bool ff_plan_job_on(const struct ff_plan_job *job, const struct ff_host *host)
{
	return job->only_host ? job->only_host->index == host->index
			      : ff_host_matches(host, job->config->on);
}

/* Once for each host, or as it is where that is nobody's wish, or there is none. */
static void add_for_hosts(struct build *b, const struct ff_plan_job *job, size_t self)
{
	const struct ff_config_job *config = job->config;

	for (size_t i = 0; config->each_host && b->inventory && i < b->inventory->len; i++) {
		const struct ff_host *host = &b->inventory->hosts[i];
		struct ff_plan_job one = *job;
		struct ff_config_job *copy;

		if (!ff_host_matches(host, config->on) ||
		    !ff_host_matches(host, b->config->only_hosts))
			continue;
		copy = take(b->plan, sizeof(*copy));
		*copy = *config;
		copy->name = take(b->plan, strlen(config->name) + strlen(host->name) + 2);
		sprintf(copy->name, "%s@%s", config->name, host->name);
		copy->on = host->name;
		one.config = copy;
		one.only_host = host;
		one.each_of = config;
		add_job(b, &one, self);
	}
	if (!b->planned[self].len)
		add_job(b, job, self);
}

/* The hints as lines in the plan. */
static void keep_hints(struct build *b)
{
	struct ff_err lines;

	if (!ff_mistakes_finish(&b->hints, &lines))
		return;
	b->plan->hints = take(b->plan, strlen(lines.text) + 1);
	strcpy(b->plan->hints, lines.text);
}

static void fill(struct build *b, char *const *only)
{
	const struct ff_config *config = b->config;

	b->wanted = ff_xcalloc(config->jobs_len, sizeof(*b->wanted));
	b->planned = ff_xcalloc(config->jobs_len, sizeof(*b->planned));
	b->linked = ff_xcalloc(config->jobs_len, sizeof(*b->linked));
	choose(b, only);
	/* All are checked, also those that are not run. */
	for (size_t i = 0; i < config->jobs_len; i++) {
		size_t at = b->order[i];
		struct ff_plan_job job = {.config = &config->jobs[at],
					  .output_cap = config->settings.output_cap_bytes};

		plan_job(b, &job);
		if (!b->wanted[at])
			continue;
		link_needs(b, &job, at);
		b->planned[at].first = b->plan->len;
		add_for_hosts(b, &job, at);
	}
	ff_free(b->wanted);
	ff_free(b->planned);
	ff_free(b->linked);
}

int ff_plan_build(struct ff_plan *plan, const struct ff_config *config,
		  const struct ff_inventory *inventory, char *const *only, struct ff_err *err)
{
	struct ff_plan built = {.arena = FF_ARENA_INIT};
	struct ff_mistakes problems;
	struct build b = {
		.plan = &built, .config = config, .inventory = inventory, .problems = &problems};
	size_t *order = NULL;
	int rc;

	ff_mistakes_init(&problems, config->path);
	ff_mistakes_init(&b.hints, config->path);
	ff_plan_names(&b.names, config, &problems);
	if (!config->jobs_len)
		ff_mistakes_add(&problems, &config->jobs_place, "there are no jobs");
	else if (!problems.total)
		order = ff_plan_order(config, &b.names, &problems);
	b.order = order;
	check_required(&b);
	ff_plan_check_setup(config, &problems);
	if (order)
		fill(&b, only);
	keep_hints(&b);
	ff_free(order);
	ff_map_release(&b.names);
	ff_map_release(&b.patterns);
	ff_map_release(&b.widest);
	rc = ff_mistakes_finish(&problems, err);
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

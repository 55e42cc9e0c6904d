/* What tests ask for by marks: turned from words into what the scheduler knows (pools, groups, sets
 * of hosts), and limits of their own. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "dispatch/private.h"

static void *keep(struct engine_job *job, size_t size)
{
	void *memory = ff_arena_alloc(&job->arena, size + 1);

	return memory ? memory : ff_xmalloc(SIZE_MAX); /* says that memory is out, and ends */
}

static const char *const *keep_texts(struct engine_job *job, const char *const *texts)
{
	size_t len = 0;
	const char **copy;

	while (texts[len])
		len++;
	copy = keep(job, (len + 1) * sizeof(*copy));
	for (size_t i = 0; i < len; i++)
		copy[i] = ff_engine_keep(job, texts[i]);
	copy[len] = NULL;
	return copy;
}

static const uint32_t *keep_units(struct engine_job *job, const uint32_t *units, size_t len)
{
	uint32_t *copy = keep(job, len * sizeof(*copy));

	if (len > 0)
		memcpy(copy, units, len * sizeof(*copy));
	return copy;
}

static struct ff_payload_mark *keep_marks(struct engine_job *job, const struct ff_input *input)
{
	size_t len = input->u.marks.len;
	struct ff_payload_mark *marks = keep(job, (len + 1) * sizeof(*marks));

	for (size_t i = 0; i < len; i++) {
		const struct ff_payload_mark *mark = &input->u.marks.v[i];

		marks[i] = *mark;
		marks[i].group = ff_engine_keep(job, mark->group);
		marks[i].host = ff_engine_keep(job, mark->host);
		marks[i].skip = ff_engine_keep(job, mark->skip);
		marks[i].resources = keep_texts(job, mark->resources);
		marks[i].after = keep_units(job, mark->after, mark->after_len);
		marks[i].needs = keep_units(job, mark->needs, mark->needs_len);
	}
	return marks;
}

void ff_marks_discovered(struct ff_engine *e, uint32_t number, const struct ff_input *input)
{
	e->jobs[number].marks = keep_marks(&e->jobs[number], input);
	e->jobs[number].marks_len = input->u.marks.len;
}

void ff_marks_told(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	struct engine_job *job = ff_run_session_job(e, session);
	struct ff_payload_mark *marks;

	/* Parts are known by their first session, all others tell the same. */
	if (job->in_parts ? input->u.marks.part != session->part
			  : input->u.marks.part != UINT32_MAX || job->unit_names ||
				    session->record != job->ids_from)
		return;
	marks = keep_marks(job, input);
	if (job->in_parts) {
		session->marks = marks;
		session->marks_len = input->u.marks.len;
	} else {
		job->marks = marks;
		job->marks_len = input->u.marks.len;
	}
}

void ff_marks_host_has(struct ff_engine *e, uint32_t host, const struct ff_input *input)
{
	for (size_t i = 0; i < input->u.started.facts_len; i++)
		if (strcmp(input->u.started.facts[i].key, "memory") == 0 &&
		    e->host_memory[host] == 0)
			e->host_memory[host] = strtoll(input->u.started.facts[i].value, NULL, 10);
}

/* --- words --- */

/* A number for this text, from 0. */
static uint32_t number_in(struct ff_map *map, const char *text)
{
	uintptr_t number = (uintptr_t)ff_map_get(map, text);

	if (!number) {
		number = map->len + 1;
		ff_map_set(map, text, (void *)number);
	}
	return (uint32_t)(number - 1);
}

/* A pool of the plan's with this name, else one that is there once. */
static uint32_t pool_of(struct ff_engine *e, const char *name)
{
	const struct ff_config *config = e->opts.config;
	uintptr_t number;

	for (size_t i = 0; i < config->pools_len; i++)
		if (strcmp(config->pools[i].name, name) == 0)
			return (uint32_t)i;
	number = (uintptr_t)ff_map_get(&e->resources, name);
	if (!number) {
		number = (uintptr_t)ff_sched_add_pool(e->sched, 1) + 1;
		ff_map_set(&e->resources, name, (void *)number);
	}
	return (uint32_t)(number - 1);
}

static void pools_of(struct ff_engine *e, struct engine_job *job, struct ff_claim *claim,
		     const char *const *names)
{
	uint32_t len = 0, *pools;

	while (names[len])
		len++;
	pools = keep(job, len * sizeof(*pools));
	for (uint32_t i = 0; i < len; i++)
		pools[i] = pool_of(e, names[i]);
	claim->pools = pools;
	claim->pools_len = len;
}

static const char *hosts_named(struct ff_engine *e, const struct engine_job *job)
{
	const struct ff_inventory *inventory = e->opts.inventory;
	struct ff_buf text = FF_BUF_INIT;
	const char *copy;

	for (size_t i = 0; i < inventory->len && text.len < 1000; i++)
		if (job->hosts->bits[i / 64] >> i % 64 & 1)
			ff_buf_addf(&text, "%s%s", text.len ? ", " : "", inventory->hosts[i].name);
	copy = ff_engine_text(e, "%s", text.len ? ff_buf_str(&text) : "none");
	ff_buf_release(&text);
	return copy;
}

/* Those of the job's hosts that the mark means; NULL: none, which is an error. */
static const uint64_t *hosts_of(struct ff_engine *e, uint32_t number, uint32_t unit,
				const char *pattern)
{
	struct engine_job *job = &e->jobs[number];
	const struct ff_inventory *inventory = e->opts.inventory;
	size_t size = (ff_inventory_room(inventory) / 64 + 1) * sizeof(uint64_t);
	uint64_t *bits = keep(job, size);
	bool any = false;

	memset(bits, 0, size);
	for (size_t i = 0; i < inventory->len; i++)
		if ((job->hosts->bits[i / 64] >> i % 64 & 1) &&
		    ff_host_matches(&inventory->hosts[i], pattern)) {
			bits[i / 64] |= UINT64_C(1) << i % 64;
			any = true;
		}
	if (any)
		return bits;
	ff_job_error(e, number, FF_REASON_USAGE,
		     ff_engine_text(e,
				    "%s: @pytest.mark.farflung(host='%s'): no host of this job is "
				    "called so, or has such a tag; its hosts are %s",
				    job->unit_names[unit], pattern, hosts_named(e, job)));
	ff_job_stop(e, number, FF_REASON_USAGE, NULL);
	return NULL;
}

/* --- when units are known --- */

static void note_asks(struct engine_job *job, uint32_t unit, const struct ff_payload_mark *mark)
{
	struct unit_asks *asks;

	if (mark->timeout_us < 0 && mark->retries < 0 && !mark->host)
		return;
	asks = keep(job, sizeof(*asks));
	*asks = (struct unit_asks){mark->timeout_us, mark->retries, mark->host};
	ff_map_set_u32(&job->asks, unit, asks);
}

static struct ff_claim claim_of(struct ff_engine *e, uint32_t number, uint32_t first,
				const struct ff_payload_mark *mark)
{
	struct engine_job *job = &e->jobs[number];
	struct ff_claim claim = {
		.unit = mark->unit,
		.group = mark->group ? number_in(&job->groups, mark->group) : FF_NOBODY,
		.serial = mark->serial,
		.weight = (uint32_t)mark->weight,
		.memory = mark->memory,
	};

	pools_of(e, job, &claim, mark->resources);
	if (mark->host)
		claim.hosts = hosts_of(e, number, first + mark->unit, mark->host);
	return claim;
}

static void say_in_vain(struct ff_engine *e, uint32_t number)
{
	const struct engine_job *job = &e->jobs[number];

	ff_engine_notice(
		e, NULL, "warning",
		job->policy->driven
			? "pytest.mark.farflung: serial, resource, host, weight and memory "
			  "have no effect where the suite's own scheduler says who runs what"
			: "pytest.mark.farflung: serial, resource, host, weight and memory "
			  "have no effect with --dist each");
}

static bool asks_for_more(const struct ff_payload_mark *mark)
{
	return mark->serial || mark->host || mark->resources[0] || mark->weight > 1 ||
	       mark->memory > 0;
}

struct ff_claim *ff_marks_claims(struct ff_engine *e, uint32_t number,
				 const struct ff_payload_mark *marks, size_t marks_len,
				 uint32_t first, uint32_t count, size_t *len)
{
	struct engine_job *job = &e->jobs[number];
	struct ff_claim *claims = ff_xcalloc(marks_len + 1, sizeof(*claims));
	bool vain = job->policy && (job->policy->seats || job->policy->driven), told = false;

	*len = 0;
	for (size_t i = 0; i < marks_len && !job->stopped; i++) {
		if (marks[i].unit >= count)
			continue;
		note_asks(job, first + marks[i].unit, &marks[i]);
		if (marks[i].bound && !vain)
			claims[(*len)++] = claim_of(e, number, first, &marks[i]);
		else if (vain && !told && asks_for_more(&marks[i])) {
			say_in_vain(e, number);
			told = true;
		}
	}
	return claims;
}

void ff_marks_free(struct engine_job *job)
{
	ff_map_release(&job->asks);
	ff_map_release(&job->groups);
}

/* --- limits --- */

static const struct unit_asks *asks_of(const struct ff_engine *e, uint32_t job, uint32_t unit)
{
	if (e->jobs[job].asks.len == 0)
		return NULL;
	return ff_map_get_u32(&e->jobs[job].asks, ff_spread_index(e, job, unit));
}

/* Of units that no earlier run can know (lines of a file): by what others of them took. */
static int64_t limit_by_others(const struct engine_job *job, const struct ff_config_job *config)
{
	int64_t us = job->usual ? ff_usual_median_us(job->usual) : 0, limit;

	if (us == 0)
		return config->timeout_default_us;
	limit = us > INT64_MAX / config->timeout_percent ? INT64_MAX / 100
							 : us * config->timeout_percent / 100;
	return limit > config->timeout_floor_us ? limit : config->timeout_floor_us;
}

void ff_marks_took(struct ff_engine *e, uint32_t number, const struct ff_result *result)
{
	const struct ff_config_job *config = e->opts.plan->jobs[number].config;
	struct engine_job *job = &e->jobs[number];

	if (!config->source || !config->timeout_percent || ff_outcome_bad(result->outcome))
		return;
	if (!job->usual)
		job->usual = ff_xcalloc(1, sizeof(*job->usual));
	ff_usual_add(job->usual, result->duration_us);
}

/* By what earlier runs tell of it. */
static int64_t usual_limit(struct ff_engine *e, uint32_t job, uint32_t unit)
{
	const struct ff_config_job *config = e->opts.plan->jobs[job].config;
	const struct ff_expect_unit *known = ff_expect_find(
		e->opts.expect, ff_engine_payload(e, job)->name, ff_engine_unit_name(e, job, unit));
	int64_t limit;

	if (config->source)
		return limit_by_others(&e->jobs[job], config);
	if (!known || known->us <= 0)
		return config->timeout_default_us;
	limit = known->us / 100 * config->timeout_percent;
	return limit > config->timeout_floor_us ? limit : config->timeout_floor_us;
}

int64_t ff_marks_timeout_us(struct ff_engine *e, uint32_t job, uint32_t unit)
{
	const struct unit_asks *asks = asks_of(e, job, unit);

	if (asks && asks->timeout_us >= 0)
		return asks->timeout_us;
	return e->opts.plan->jobs[job].config->timeout_percent
		       ? usual_limit(e, job, unit)
		       : e->opts.plan->jobs[job].config->timeout_us;
}

int64_t ff_marks_retries(const struct ff_engine *e, uint32_t job, uint32_t unit)
{
	const struct unit_asks *asks = asks_of(e, job, unit);

	return asks && asks->retries >= 0 ? asks->retries : e->opts.plan->jobs[job].config->retries;
}

/* --- while it runs --- */

/* Somewhere something of the job runs, or is about to. */
static bool works(const struct ff_engine *e, uint32_t number)
{
	const struct ff_queues *queues = ff_sched_queues(e->sched, number);
	struct ff_list *pos;

	ff_list_for_each(pos, &e->jobs[number].sessions) {
		const struct session *session = ff_container_of(pos, struct session, in_job);

		if (!session->finished &&
		    (!session->up || ff_queues_info(queues, session->number).queued > 0))
			return true;
	}
	return false;
}

/* A host that is not there is hoped for as long as there is something else to be done, and then for
 * `reconnect`: workers that have nothing to do are no reason to wait. */
static bool hoped_for(const struct ff_engine *e, uint32_t number, uint32_t host)
{
	const struct engine_host *h = &e->hosts[host];
	int64_t since_us = h->away_us ? h->away_us : h->first_opened_us;

	if (!ff_host_in_job(e, number, host) || !ff_host_hopeful(e, host))
		return false;
	return e->state->hosts[host].state == FF_HOST_READY || works(e, number) ||
	       e->now.mono_us - since_us < e->opts.config->settings.reconnect_us;
}

void ff_marks_look(struct ff_engine *e, uint32_t number)
{
	struct ff_queues *queues = ff_sched_queues(e->sched, number);
	uint64_t *hosts;
	uint32_t unit;

	if (!queues || e->jobs[number].stopped || e->jobs[number].asks.len == 0 ||
	    ff_queues_waiting(queues) == ff_queues_open(queues))
		return;
	hosts = ff_xcalloc(ff_inventory_room(e->opts.inventory) / 64 + 1, sizeof(*hosts));
	for (uint32_t i = 0; i < e->state->hosts_len; i++)
		if (hoped_for(e, number, i))
			hosts[i / 64] |= UINT64_C(1) << i % 64;
	while ((unit = ff_queues_take_homeless(queues, hosts)) != FF_NOBODY) {
		const struct unit_asks *asks = asks_of(e, number, unit);
		struct unit_at at = {number, unit, FF_NOBODY, FF_NOBODY, NULL, false, false};
		struct ff_result result = {.outcome = FF_OUTCOME_LOST};

		result.message = ff_engine_text(
			e, "no host is left on which it may run: @pytest.mark.farflung(host='%s')",
			asks && asks->host ? asks->host : "of one of its group");
		ff_unit_finished(e, &at, &result);
	}
	ff_free(hosts);
	if (ff_queues_waiting(queues) > 0)
		return;
	ff_run_session_feed_idle(e, number);
	ff_sched_wake(e->sched, number); /* those to be tried alone had waited for them */
}

bool ff_marks_freed(struct ff_engine *e)
{
	if (!ff_sched_pools_freed(e->sched))
		return false;
	for (uint32_t i = 0; i < e->state->jobs_len; i++)
		if (ff_sched_queues(e->sched, i) && !ff_list_empty(&e->jobs[i].idle))
			ff_run_session_feed_idle(e, i);
	return true;
}

void ff_marks_moved(struct ff_engine *e, uint32_t number)
{
	struct ff_queues *queues = ff_sched_queues(e->sched, number);
	bool moved = queues && ff_queues_moved(queues);

	if (ff_marks_freed(e))
		return;
	if (moved && !ff_list_empty(&e->jobs[number].idle))
		ff_run_session_feed_idle(e, number);
}

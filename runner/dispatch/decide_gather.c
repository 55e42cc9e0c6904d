/* What a job's sessions leave on their hosts is brought here, host by host, when all of them have
 * ended: which of its tests left what nobody knows. The job is over when it is here. */
#include <string.h>

#include "base/alloc.h"
#include "dispatch/private.h"

struct gather {
	uint32_t number, job, host;
	int64_t began_us;
};

/* No execution comes so far. */
#define FIRST (UINT32_C(1) << 31)

static const struct ff_config_artifacts *artifacts_of(const struct ff_engine *e, uint32_t job)
{
	return &e->opts.plan->jobs[job].config->artifacts;
}

static bool is_asked_for(const struct ff_engine *e, uint32_t job)
{
	return artifacts_of(e, job)->paths.len > 0 && ff_engine_payload(e, job)->session;
}

void ff_gather_served(struct ff_engine *e, uint32_t number, uint32_t host)
{
	struct engine_job *job = &e->jobs[number];

	if (!is_asked_for(e, number))
		return;
	if (host / 64 >= job->served_words) { /* more hosts than when it began */
		uint32_t words = host / 64 + 1;

		job->served = ff_xrealloc(job->served, words * sizeof(*job->served));
		memset(job->served + job->served_words, 0,
		       (words - job->served_words) * sizeof(*job->served));
		job->served_words = words;
	}
	job->served[host / 64] |= UINT64_C(1) << host % 64;
}

static bool take_served(struct engine_job *job, uint32_t host)
{
	uint64_t bit = UINT64_C(1) << host % 64;
	bool served = host / 64 < job->served_words && (job->served[host / 64] & bit);

	if (served)
		job->served[host / 64] &= ~bit;
	return served;
}

/* The job's fault; one that has one already is told this, too. One that goes on hears of it at its
 * end. */
static void blame(struct ff_engine *e, uint32_t number, const char *host, const char *error)
{
	struct engine_job *job = &e->jobs[number];
	const char *text = ff_engine_text(e, "host %s: %s", host, error);

	if (!job->gathered && !job->ungathered)
		job->ungathered = ff_engine_keep(job, text);
	else if (!job->gathered || !ff_job_error_behind(e, number, FF_REASON_ARTIFACTS, text))
		ff_engine_notice(e, host, "error",
				 ff_engine_text(e, "%s: %s", e->state->jobs[number].name, text));
}

static void tell(struct ff_engine *e, const struct gather *gather, const struct ff_input *input,
		 const char *error)
{
	struct ff_event event = {.kind = FF_EVENT_JOB_ARTIFACTS,
				 .job = e->state->jobs[gather->job].name,
				 .job_id = gather->job + 1,
				 .host = e->state->hosts[gather->host].name,
				 .host_id = gather->host + 1};

	event.u.job_artifacts.error = error;
	event.u.job_artifacts.took_us = e->now.mono_us - gather->began_us;
	if (input) {
		event.u.job_artifacts.folder = input->u.fetched.folder;
		event.u.job_artifacts.files = input->u.fetched.files;
		event.u.job_artifacts.bytes = input->u.fetched.bytes;
	}
	ff_engine_emit(e, &event);
}

static void begin(struct ff_engine *e, uint32_t job, uint32_t host)
{
	const struct ff_host_record *record = &e->state->hosts[host];
	struct gather *gather;
	struct ff_order order = {.kind = FF_ORDER_FETCH,
				 .host = host,
				 .tries = record->tries,
				 .job = job,
				 .name = record->name};

	if (record->state != FF_HOST_READY && record->state != FF_HOST_DRAINING) {
		const struct gather none = {.job = job, .host = host, .began_us = e->now.mono_us};

		tell(e, &none, NULL, "the host is not there any more");
		blame(e, job, record->name, "its artifacts were lost with it");
		return;
	}
	gather = ff_xcalloc(1, sizeof(*gather));
	*gather = (struct gather){.number = FIRST | e->gathers_made++,
				  .job = job,
				  .host = host,
				  .began_us = e->now.mono_us};
	ff_map_set_u32(&e->gathers, gather->number, gather);
	e->jobs[job].gathers++;
	order.execution = gather->number;
	ff_engine_order(e, &order);
}

/* Jobs that clean up have time of their own. */
static bool is_killed(const struct ff_engine *e, uint32_t job)
{
	return ff_engine_killing(e) && (e->no_cleanup || !e->jobs[job].runs_anyway);
}

static bool is_wanted(const struct ff_engine *e, uint32_t job, bool bad)
{
	const char *when = artifacts_of(e, job)->when;

	if (is_killed(e, job))
		return false;
	return strcmp(when, "always") == 0 || bad == (strcmp(when, "failure") == 0);
}

bool ff_gather_holds(struct ff_engine *e, uint32_t number, bool bad)
{
	struct engine_job *job = &e->jobs[number];

	if (job->served && !job->gathered) {
		job->gathered = true;
		if (job->ungathered)
			ff_job_error_behind(e, number, FF_REASON_ARTIFACTS, job->ungathered);
		for (uint32_t i = 0; i < e->state->hosts_len && is_wanted(e, number, bad); i++)
			if (take_served(job, i))
				begin(e, number, i);
	}
	return job->gathers > 0;
}

static void end(struct ff_engine *e, struct gather *gather)
{
	e->jobs[gather->job].gathers--;
	ff_job_touch(e, gather->job);
	ff_free(gather);
}

bool ff_gather_done(struct ff_engine *e, const struct ff_input *input)
{
	struct gather *gather = ff_map_del_u32(&e->gathers, input->execution);
	const char *host, *error;
	uint32_t gather_host;

	if (!gather)
		return false;
	host = e->state->hosts[gather->host].name;
	tell(e, gather, input, input->u.fetched.error);
	error = ff_fetch_complain(e, host, e->state->jobs[gather->job].name, input,
				  artifacts_of(e, gather->job)->required);
	if (error)
		blame(e, gather->job, host, error);
	gather_host = gather->host;
	end(e, gather);
	ff_host_leave_if_idle(e, gather_host);
	return true;
}

static void give_up(struct ff_engine *e, struct gather *gather, const char *error)
{
	ff_map_del_u32(&e->gathers, gather->number);
	tell(e, gather, NULL, error);
	blame(e, gather->job, e->state->hosts[gather->host].name, error);
	end(e, gather);
}

/* Some are taken out meanwhile: by number, from the first. */
static struct gather *next_of(const struct ff_engine *e, uint32_t *number)
{
	struct gather *gather = NULL;

	while (!gather && *number < e->gathers_made)
		gather = ff_map_get_u32(&e->gathers, FIRST | (*number)++);
	return gather;
}

void ff_gather_host_lost(struct ff_engine *e, uint32_t host, const char *reason)
{
	uint32_t number = 0;
	struct gather *gather;

	while (e->gathers.len > 0 && (gather = next_of(e, &number)))
		if (gather->host == host)
			give_up(e, gather,
				ff_engine_text(e, "its artifacts were lost with it: %s", reason));
}

void ff_gather_kill(struct ff_engine *e)
{
	uint32_t number = 0;
	struct gather *gather;

	while (e->gathers.len > 0 && (gather = next_of(e, &number))) {
		struct ff_order order = {
			.kind = FF_ORDER_DROP, .execution = gather->number, .host = gather->host};

		if (e->jobs[gather->job].runs_anyway && !e->no_cleanup)
			continue;
		ff_engine_order(e, &order);
		give_up(e, gather, "interrupted before its artifacts were there");
	}
}

/* How its jobs will end nobody knows yet: what may be wanted is brought. */
bool ff_gather_holds_host(struct ff_engine *e, uint32_t host)
{
	uint32_t number = 0;
	struct gather *gather;

	for (uint32_t i = 0; i < e->state->jobs_len && !e->hosts[host].put_out; i++)
		if (e->jobs[i].served && !e->jobs[i].gathered && !is_killed(e, i) &&
		    take_served(&e->jobs[i], host))
			begin(e, i, host);
	while (e->gathers.len > 0 && (gather = next_of(e, &number)))
		if (gather->host == host)
			return true;
	return false;
}

void ff_gather_release(struct ff_engine *e)
{
	size_t cursor = 0;
	void *value;

	while (ff_map_next(&e->gathers, &cursor, NULL, &value))
		ff_free(value);
	ff_map_release(&e->gathers);
}

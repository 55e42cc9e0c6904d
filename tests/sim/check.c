/* The oracle. */
#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "event/journal.h"
#include "spread.h"

static bool is_of_hosts(const struct ff_config_setup *setup)
{
	return setup->run && strcmp(setup->per, "host") == 0;
}

void check_init(struct check *check, uint64_t seed, const struct ff_plan *plan,
		const struct ff_inventory *inventory, const struct world_faults *faults)
{
	*check = (struct check){
		.seed = seed, .plan = plan, .inventory = inventory, .faults = faults};
	check->spread = spread_new(seed, plan, inventory, faults);
	check->ends = ff_xcalloc(plan->len + 1, sizeof(*check->ends));
	check->done = ff_xcalloc(plan->len + 1, sizeof(*check->done));
	check->units = ff_xcalloc(plan->len + 1, sizeof(*check->units));
	check->set_up = ff_xcalloc(ff_inventory_room(inventory) + 1, sizeof(*check->set_up));
}

void check_release(struct check *check)
{
	for (size_t i = 0; i < check->plan->len; i++)
		ff_free(check->ends[i]);
	ff_free(check->ends);
	ff_free(check->done);
	ff_free(check->units);
	ff_free(check->set_up);
	ff_buf_release(&check->journal);
	ff_map_release(&check->brought);
	ff_map_release(&check->served);
	ff_map_release(&check->rests);
	spread_free(check->spread);
}

void check_input(struct check *check, const struct ff_input *input)
{
	spread_input(check->spread, input);
}

void check_order(struct check *check, const struct ff_order *order)
{
	spread_order(check->spread, check, order);
}

void check_fail(struct check *check, const char *fmt, ...)
{
	va_list args;

	printf("seed %llu: ", (unsigned long long)check->seed);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	check->bad = true;
}

bool check_good(const struct check *check)
{
	return !check->bad;
}

/* --- ends of units --- */

static uint32_t job_of(const struct check *check, const char *name)
{
	for (uint32_t i = 0; i < check->plan->len; i++)
		if (strcmp(check->plan->jobs[i].config->name, name) == 0)
			return i;
	return UINT32_MAX;
}

static void know(struct check *check, uint32_t job, uint32_t units)
{
	/* With a scheduler of its own, or without, it has other units than in the run before. */
	if (check->ends[job] && check->units[job] == units)
		return;
	ff_free(check->ends[job]);
	check->units[job] = units;
	check->ends[job] = ff_xcalloc((size_t)units + 1, 1);
}

/* Units that become known part by part have other numbers in each run. */
static uint32_t end_of(const struct check *check, uint32_t job, uint32_t unit)
{
	return spread_in_parts(check->spread, job) ? spread_unit(check->spread, job, unit) : unit;
}

static void ended(struct check *check, const struct ff_event *event, uint32_t count)
{
	uint32_t job = job_of(check, event->job);

	/* What an earlier run had done is not looked at in a job that is skipped now. */
	bool skipped = event->kind == FF_EVENT_UNITS_NOT_RUN &&
		       (event->u.units_not_run.why == FF_REASON_NEEDS ||
			event->u.units_not_run.why == FF_REASON_WHEN) &&
		       check->resumed;

	for (uint32_t i = event->index; i < event->index + count; i++)
		if (skipped && check->ends[job][end_of(check, job, i)] == 1)
			continue;
		else if (++check->ends[job][end_of(check, job, i)] != 1)
			check_fail(check, "unit %u of %s has a second end: %s", i, event->job,
				   ff_event_word(event->kind));
}

/* What is meant for a host, or goes with such units, may find no other one to be alone on: it is
 * tried again among others, and what runs behind it there may be to blame. */
static bool may_be_alone(const struct check *check, uint32_t job)
{
	bool anywhere = !check->plan->jobs[job].config->on;
	struct ff_payload_mark mark;

	for (uint32_t i = 0; i < check->units[job]; i++)
		if (world_unit_mark(check->seed, job, spread_unit(check->spread, job, i), anywhere,
				    &mark) &&
		    mark.host)
			return false;
	return spread_may_be_alone(check->spread, job);
}

/* Only what takes hosts down may be set aside for it, if hosts do not die by themselves. */
static void lost(struct check *check, const struct ff_event *event)
{
	const char *message = event->u.unit_finished.result->message;
	uint32_t job = job_of(check, event->job);

	if (event->host && may_be_alone(check, job) && check->faults->dies == 0 &&
	    check->faults->freezes == 0 && message && strstr(message, "was lost while running") &&
	    !world_unit_is_bomb(check->seed, job, spread_unit(check->spread, job, event->index),
				check->faults))
		check_fail(check, "innocent unit %u of %s is lost", event->index, event->job);
}

/* Nobody's time is over before it is. */
static void timed_out(struct check *check, const struct ff_event *event)
{
	const struct ff_result *result = event->u.unit_finished.result;
	int64_t limit = check->plan->jobs[job_of(check, event->job)].config->timeout_us;

	if (!strstr(result->message, "no sign of life") && result->duration_us < limit)
		check_fail(check, "unit %u of %s timed out after %lld of %lld us", event->index,
			   event->job, (long long)result->duration_us, (long long)limit);
}

/* A scheduler that does nothing wrong is never to blame. */
static void blamed(struct check *check, const struct ff_event *event)
{
	if (event->job && strstr(event->u.notice.text, "its own scheduler") &&
	    !world_job_driver_is_bad(check->seed, job_of(check, event->job)))
		check_fail(check, "the good scheduler of %s is blamed: %s", event->job,
			   event->u.notice.text);
}

/* The job in the latest run that came to begin it; NULL. */
static const struct ff_job_record *latest(const struct ff_state *const *before, size_t before_len,
					  const char *name)
{
	for (size_t i = 0; i < before_len; i++) {
		uint32_t job = ff_state_find_job(before[i], name);

		if (job != FF_NOBODY && before[i]->jobs[job].known &&
		    before[i]->jobs[job].state != FF_JOBSTATE_WAITING)
			return &before[i]->jobs[job];
	}
	return NULL;
}

/* What is done counts when it is told; it is so if some earlier run came so far. */
static void done_in_parts(struct check *check, uint32_t job, const struct ff_state *const *before,
			  size_t before_len)
{
	for (uint32_t j = 0; check->ends[job] && j < check->units[job]; j++)
		check->ends[job][j] = 0;
	memset(check->done[job], 0, sizeof(check->done[job]));
	for (size_t i = before_len; i-- > 0;) {
		uint32_t found = ff_state_find_job(before[i], check->plan->jobs[job].config->name);
		const struct ff_job_record *then = &before[i]->jobs[found];

		for (uint32_t p = 0; found != FF_NOBODY && p < then->parts_len; p++) {
			uint32_t part = (uint32_t)strtoul(then->parts[p].name + 1, NULL, 10);
			uint32_t first = world_part_first_of(check->seed, job, part);

			for (uint32_t j = 0; j < then->parts[p].len; j++)
				check->done[job][first + j] =
					then->units[then->parts[p].first + j].state == FF_UNIT_DONE;
		}
	}
}

/* What a `when` of each unit kept from running may be wanted in a later run. */
static bool is_asked_anew(const struct check *check, uint32_t job,
			  const struct ff_unit_record *unit)
{
	const struct ff_when *when = check->plan->jobs[job].when;

	return unit->outcome == FF_OUTCOME_SKIPPED && when && ff_when_asks_units(when);
}

void check_begin(struct check *check, const struct ff_state *const *before, size_t before_len)
{
	ff_buf_clear(&check->journal);
	ff_map_release(&check->brought);
	ff_map_release(&check->served);
	ff_map_release(&check->rests);
	check->run_setup_wanted = check->config->setup.run && !is_of_hosts(&check->config->setup);
	check->run_set_up = check->run_torn_down = check->killing = false;
	memset(check->set_up, 0, ff_inventory_room(check->inventory) * sizeof(*check->set_up));
	check->resumed = before_len > 0;
	check->next_start_us = 0;
	spread_begin(check->spread);
	/* What was not ended in an earlier run may be now; what was, may not. */
	for (uint32_t i = 0; i < check->plan->len; i++) {
		const struct ff_job_record *job =
			latest(before, before_len, check->plan->jobs[i].config->name);

		if (spread_in_parts(check->spread, i)) {
			done_in_parts(check, i, before, before_len);
			continue;
		}
		for (uint32_t j = 0; check->ends[i] && j < check->units[i]; j++)
			check->ends[i][j] = job && j < job->units_len &&
					    job->units[j].state == FF_UNIT_DONE &&
					    !is_asked_anew(check, i, &job->units[j]);
	}
}

/* What the earlier run had done, and nothing else. */
static void check_before(struct check *check, const struct ff_event *event)
{
	uint32_t job = job_of(check, event->job);

	for (uint32_t i = event->index; i < event->index + event->u.units_before.count; i++)
		if (spread_in_parts(check->spread, job) &&
		    (!check->done[job][end_of(check, job, i)] ||
		     ++check->ends[job][end_of(check, job, i)] != 1))
			check_fail(check, "unit %u of %s was not done before", i, event->job);
		else if (!spread_in_parts(check->spread, job) && check->ends[job][i] != 1)
			check_fail(check, "unit %u of %s was not done before", i, event->job);
}

/* What failed is not begun again before its time has come. */
static void check_rest(struct check *check, const struct ff_event *event)
{
	uint32_t job = job_of(check, event->job), key = job << 24 | event->index;
	const struct ff_config_job *config = check->plan->jobs[job].config;
	int64_t rest_us = config->retry_delay_us;
	int64_t until_us = (intptr_t)ff_map_del_u32(&check->rests, key);

	/* The attempt need not be the number of failures: some were lost. */
	if (rest_us > 0)
		rest_us -= rest_us * config->jitter / 100;
	if (event->kind == FF_EVENT_UNIT_STARTED && event->time_us < until_us)
		check_fail(check, "unit %u of %s is tried again too soon", event->index,
			   event->job);
	if (event->kind == FF_EVENT_UNIT_FINISHED && rest_us > 0)
		ff_map_set_u32(&check->rests, key, (void *)(intptr_t)(event->time_us + rest_us));
}

/* Commands are not begun at once, if that is asked for. (Tests begin in a session that was.) */
static void check_pause(struct check *check, const struct ff_event *event)
{
	const struct ff_plan_job *job = &check->plan->jobs[job_of(check, event->job)];
	int64_t pause_us = check->start_delay_us;

	if (job->payload->session || job->config->steps_len > 0 || pause_us == 0)
		return;
	if (event->time_us < check->next_start_us)
		check_fail(check, "unit %u of %s is begun too soon after another", event->index,
			   event->job);
	check->next_start_us = event->time_us + pause_us;
}

/* What is to be brought of a unit that passes is here before it is finished. */
static void check_artifacts(struct check *check, const struct ff_event *event)
{
	uint32_t job = job_of(check, event->job), key = job << 24 | event->index;
	const struct ff_config_artifacts *artifacts = &check->plan->jobs[job].config->artifacts;
	bool brought;

	if (event->kind == FF_EVENT_UNIT_ARTIFACTS) {
		if (ff_map_get_u32(&check->brought, key))
			check_fail(check, "what unit %u of %s left is brought twice", event->index,
				   event->job);
		if (!event->u.unit_artifacts.error)
			ff_map_set_u32(&check->brought, key, check);
		return;
	}
	brought = ff_map_del_u32(&check->brought, key) != NULL;
	if (!check->plan->jobs[job].payload->run)
		return;
	if (event->kind == FF_EVENT_UNIT_FINISHED && artifacts->paths.len > 0 &&
	    event->u.unit_finished.result->outcome == FF_OUTCOME_PASSED &&
	    strcmp(artifacts->when, "failure") != 0 && !brought)
		check_fail(check, "unit %u of %s passed before what it left was here", event->index,
			   event->job);
}

/* What sessions left on each host where one has begun is here before their job passes, or lost. */
static void check_gathered(struct check *check, const struct ff_event *event)
{
	uint32_t job = job_of(check, event->job), key = job << 16 | (event->host_id - 1);
	const struct ff_plan_job *plan = &check->plan->jobs[job];

	if (event->kind == FF_EVENT_WORKER_STARTED) {
		if (plan->config->artifacts.paths.len > 0 && !plan->payload->run)
			ff_map_set_u32(&check->served, key, check);
		return;
	}
	if (event->kind == FF_EVENT_JOB_ARTIFACTS) {
		if (!ff_map_del_u32(&check->served, key))
			check_fail(check, "what %s left on a host is brought twice, or unasked",
				   event->job);
		if (event->u.job_artifacts.error)
			ff_map_set_u32(&check->served, key, check);
		return;
	}
	for (uint32_t host = 0; host < check->inventory->len && !check->killing; host++)
		if (event->u.job_finished.result == FF_JOB_PASSED &&
		    ff_map_get_u32(&check->served, job << 16 | host))
			check_fail(check, "job %s passed before what it left was here", event->job);
}

enum { CHECK_SET_UP = 1, CHECK_OWES_TEARDOWN = 2, CHECK_TORN_DOWN = 4 };

/* A host is set up before its first unit, and torn down at the end if it is there. */
static void check_setup(struct check *check, const struct ff_event *event)
{
	const struct ff_config *config = check->config;
	uint32_t host = event->host_id - 1;
	uint8_t *at = &check->set_up[host];

	switch (event->kind) {
	case FF_EVENT_HOST_OPENED:
		*at = 0;
		break;
	case FF_EVENT_HOST_SETUP:
		if (strcmp(event->u.host_setup.phase, "teardown") == 0) {
			if (*at & CHECK_TORN_DOWN)
				check_fail(check, "host %s is torn down twice", event->host);
			*at = CHECK_TORN_DOWN;
		} else {
			*at |= event->u.host_setup.error ? 0 : CHECK_SET_UP;
		}
		break;
	case FF_EVENT_HOST_READY:
		if (is_of_hosts(&config->setup) && !(*at & CHECK_SET_UP))
			check_fail(check, "host %s is ready and not set up", event->host);
		if (check->run_setup_wanted && !check->run_set_up)
			check_fail(check, "host %s is ready before the run is set up", event->host);
		*at |= is_of_hosts(&config->teardown) ? CHECK_OWES_TEARDOWN : 0;
		break;
	case FF_EVENT_HOST_AWAY:
	case FF_EVENT_HOST_LOST:
	case FF_EVENT_HOST_FAILED:
		*at = 0;
		break;
	case FF_EVENT_HOST_LEFT:
		if (*at & CHECK_OWES_TEARDOWN)
			check_fail(check, "host %s left and was not torn down", event->host);
		break;
	case FF_EVENT_RUN_FINISHED:
		if (config->teardown.run && !is_of_hosts(&config->teardown) &&
		    !check->run_torn_down)
			check_fail(check, "the run was not torn down");
		for (uint32_t i = 0; i < check->inventory->len; i++)
			if (check->set_up[i] & CHECK_OWES_TEARDOWN)
				check_fail(check, "host %u was not torn down", i);
		break;
	default:
		break;
	}
}

static void check_run_setup(struct check *check, const struct ff_event *event)
{
	if (strcmp(event->u.host_setup.phase, "setup") == 0)
		check->run_set_up = !event->u.host_setup.error;
	else if (check->run_torn_down)
		check_fail(check, "the run is torn down twice");
	else
		check->run_torn_down = true;
}

/* It is told of a host that is not there. */
static void excused(struct check *check, const struct ff_event *event)
{
	for (uint32_t i = 0; event->host && i < check->inventory->len; i++)
		if (strcmp(check->inventory->hosts[i].name, event->host) == 0 &&
		    strstr(event->u.notice.text, "its teardown could not be run"))
			check->set_up[i] &= (uint8_t)~CHECK_OWES_TEARDOWN;
}

void check_event(struct check *check, const struct ff_event *event)
{
	if (ff_event_json(&check->journal, event) < 0)
		check_fail(check, "an event can't be written: %s", ff_event_word(event->kind));
	spread_event(check->spread, check, event);
	if (event->kind == FF_EVENT_HOST_SETUP && !event->host_id)
		check_run_setup(check, event);
	else if (event->host_id || event->kind == FF_EVENT_RUN_FINISHED)
		check_setup(check, event);
	switch (event->kind) {
	case FF_EVENT_JOB_ADDED:
		if (event->u.job_added.open)
			know(check, job_of(check, event->job), DONE_MAX);
		else if (event->u.job_added.units > 0)
			know(check, job_of(check, event->job), event->u.job_added.units);
		break;
	case FF_EVENT_JOB_STARTED:
		if (check->run_setup_wanted && !check->run_set_up)
			check_fail(check, "job %s begins before the run is set up", event->job);
		break;
	case FF_EVENT_COLLECTED:
		if (!event->u.collected.again)
			know(check, job_of(check, event->job),
			     event->u.collected.parts > 0 ? DONE_MAX : event->u.collected.count);
		break;
	case FF_EVENT_STOPPING:
		check->killing |= event->u.stopping.kill;
		break;
	case FF_EVENT_INTERRUPTED:
		check->killing |= event->u.interrupted.times > 1;
		break;
	case FF_EVENT_WORKER_STARTED:
	case FF_EVENT_JOB_ARTIFACTS:
	case FF_EVENT_JOB_FINISHED:
		check_gathered(check, event);
		break;
	case FF_EVENT_UNIT_ARTIFACTS:
	case FF_EVENT_UNIT_LOST:
		check_artifacts(check, event);
		break;
	case FF_EVENT_UNIT_STARTED:
		check_rest(check, event);
		check_pause(check, event);
		break;
	case FF_EVENT_UNIT_FINISHED:
		check_artifacts(check, event);
		check_rest(check, event);
		if (event->u.unit_finished.result->outcome == FF_OUTCOME_TIMEOUT)
			timed_out(check, event);
		if (!event->u.unit_finished.final)
			break;
		ended(check, event, 1);
		if (event->u.unit_finished.result->outcome == FF_OUTCOME_LOST)
			lost(check, event);
		break;
	case FF_EVENT_NOTICE:
		excused(check, event);
		blamed(check, event);
		break;
	case FF_EVENT_UNITS_BEFORE:
		check_before(check, event);
		break;
	case FF_EVENT_UNITS_NOT_RUN:
		ended(check, event, event->u.units_not_run.count);
		break;
	default:
		break;
	}
}

/* --- states --- */

void check_state(struct check *check, const struct ff_state *state)
{
	uint32_t running = 0;

	spread_state(check->spread, check, state);
	spread_marks(check, state);
	check_memory(check, state);
	check_rations(check, state);
	check_discovered(check, state);
	for (uint32_t i = 0; i < state->hosts_len; i++) {
		const struct ff_host_record *host = &state->hosts[i];

		running += host->running;
		if ((host->state == FF_HOST_AWAY || host->state == FF_HOST_GONE) &&
		    (host->running > 0 || host->workers > 0))
			check_fail(check, "%u units and %u workers are on host %s, which is %s",
				   host->running, host->workers, host->name,
				   ff_host_state_word(host->state));
		if (host->running > host->slots)
			check_fail(check, "host %s runs %u units on %u slots", host->name,
				   host->running, host->slots);
	}
	if (running != state->run.running)
		check_fail(check, "%u units run on hosts, %u in all", running, state->run.running);
}

static int apply_line(struct ff_state *state, const char *line, size_t len, struct ff_err *err)
{
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_event event;
	int rc = ff_event_parse(&event, &arena, line, len, err);

	if (rc == 0)
		rc = ff_state_apply(state, &event, err);
	ff_arena_release(&arena);
	return rc;
}

void check_replay(struct check *check, const struct ff_state *state, struct ff_state *again)
{
	const char *at = (const char *)ff_buf_data(&check->journal);
	const char *end = at + check->journal.len;
	struct ff_err err = {0};

	ff_state_init(again);
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));

		if (apply_line(again, at, (size_t)(newline - at), &err) < 0) {
			check_fail(check, "the journal can't be replayed: %s", err.text);
			return;
		}
		at = newline + 1;
	}
	if (!ff_state_equal(state, again, &err))
		check_fail(check, "the journal replayed gives another state: %s", err.text);
}

/* --- the end --- */

static bool all_good(const struct ff_run_record *run)
{
	for (int i = 0; i < FF_OUTCOMES; i++)
		if (ff_outcome_bad((enum ff_outcome)i) && run->counts.by_outcome[i] > 0)
			return false;
	return true;
}

static void check_jobs(struct check *check, const struct ff_state *state)
{
	for (uint32_t i = 0; i < state->jobs_len; i++) {
		const struct ff_job_record *job = &state->jobs[i];

		if (job->state != FF_JOBSTATE_FINISHED)
			check_fail(check, "job %s is %s", job->name, ff_job_state_word(job->state));
		if (job->running > 0)
			check_fail(check, "job %s runs %u units", job->name, job->running);
		for (uint32_t j = 0; job->known && j < job->units_len; j++)
			if (check->ends[i][end_of(check, i, j)] != 1)
				check_fail(check, "unit %u of %s has %u ends", j, job->name,
					   check->ends[i][end_of(check, i, j)]);
		if (job->result == FF_JOB_PASSED &&
		    (job->front.state == FF_FRONTSTATE_FAILED || job->front.exit_status != 0))
			check_fail(check, "job %s passed, and its front did not", job->name);
		if (job->counts.parts_not_run != job->parts_left)
			check_fail(check, "of job %s %u parts were never known, and %u are told",
				   job->name, job->parts_left, job->counts.parts_not_run);
		if (job->result == FF_JOB_PASSED &&
		    (job->counts.not_run > 0 || !job->known || job->parts_left > 0 || job->open))
			check_fail(check, "job %s passed, and not all of it was run", job->name);
	}
}

/* A unit that fails no more often than it is retried passes, whatever hosts did. */
static void check_retries(struct check *check, const struct ff_state *state)
{
	for (uint32_t i = 0; i < state->jobs_len; i++) {
		const struct ff_job_record *job = &state->jobs[i];
		uint32_t retries = (uint32_t)check->plan->jobs[i].config->retries;

		/* Nothing of it was begun again: it was stopped, maybe by a file that can't be
		 * collected. */
		if (job->result == FF_JOB_ERROR || job->result == FF_JOB_STOPPED ||
		    job->counts.not_run > 0 || job->parts_left > 0)
			continue;
		if (check->plan->jobs[i].config->artifacts.paths.len > 0)
			continue; /* what could not be brought has used up a retry */
		for (uint32_t j = 0; job->known && j < job->units_len && j < 256; j++) {
			const struct ff_unit_record *unit = &job->units[j];

			if (unit->state == FF_UNIT_DONE && unit->outcome == FF_OUTCOME_FAILED &&
			    world_unit_bad(check->seed, i, spread_unit(check->spread, i, j),
					   check->faults) <= retries)
				check_fail(check, "unit %u of %s failed, with a retry left", j,
					   job->name);
		}
	}
}

void check_end(struct check *check, const struct ff_state *state, const struct ff_engine *engine,
	       bool disturbed)
{
	struct ff_state again;

	if (check->bad)
		return;
	if (ff_engine_faults(engine) > 0)
		check_fail(check, "%u events could not be true", ff_engine_faults(engine));
	check_jobs(check, state);
	if (state->run.exit_code == 0 && (!all_good(&state->run) || state->run.problems > 0))
		check_fail(check, "exit 0, and not all is good");
	if (state->run.exit_code == 0 && state->run.counts.not_run > 0)
		check_fail(check, "exit 0, and %u units did not run", state->run.counts.not_run);
	/* A late double of a result may stand for a later attempt's; a crash is a failure, too. */
	if (!disturbed && check->faults->twice == 0 && check->faults->late == 0 &&
	    check->faults->crash == 0 && check->faults->exec_ends == 0 &&
	    check->faults->slow == 0 && check->faults->stop_early == 0 &&
	    check->faults->differ == 0 && state->run.stopped == FF_REASON_NONE)
		check_retries(check, state);
	check_replay(check, state, &again);
	ff_state_release(&again);
}

/* Reads what the workers of an earlier run did. */
#include "cli/recorded.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/runs.h"
#include "config/mistakes.h"
#include "dispatch/before.h"
#include "event/reader.h"

enum { NAMES_TOLD = 40 }; /* of workers, in one message */

/* A further, zeroed element of an array that grows one by one: there are few of these. */
static void *add(void *array, size_t *len, size_t size)
{
	char *grown = ff_xrealloc(array, (*len + 1) * size);

	memset(grown + *len * size, 0, size);
	(*len)++;
	return grown;
}

static void keep(char **kept, const char *text)
{
	if (!text)
		return;
	ff_free(*kept);
	*kept = ff_xstrdup(text);
}

static size_t job_of(struct ff_recorded *r, const char *name)
{
	for (size_t i = 0; i < r->jobs_len; i++)
		if (strcmp(r->jobs[i].name, name) == 0)
			return i;
	r->jobs = add(r->jobs, &r->jobs_len, sizeof(*r->jobs));
	r->jobs[r->jobs_len - 1].name = ff_xstrdup(name);
	return r->jobs_len - 1;
}

static size_t host_of(struct ff_recorded *r, const char *name)
{
	for (size_t i = 0; i < r->hosts_len; i++)
		if (strcmp(r->hosts[i].name, name) == 0)
			return i;
	r->hosts = add(r->hosts, &r->hosts_len, sizeof(*r->hosts));
	r->hosts[r->hosts_len - 1].name = ff_xstrdup(name);
	return r->hosts_len - 1;
}

static struct ff_recorded_worker *worker_of(struct ff_recorded *r, const struct ff_event *event)
{
	struct ff_recorded_worker *worker;

	for (size_t i = r->workers_len; i-- > 0;)
		if (strcmp(r->workers[i].name, event->worker) == 0)
			return &r->workers[i];
	r->workers = add(r->workers, &r->workers_len, sizeof(*r->workers));
	worker = &r->workers[r->workers_len - 1];
	worker->name = ff_xstrdup(event->worker);
	worker->job = job_of(r, event->job ? event->job : "");
	worker->host = host_of(r, event->host ? event->host : "");
	return worker;
}

/* --- events --- */

static void on_job(struct ff_recorded *r, const struct ff_event *event)
{
	size_t number = job_of(r, event->job);
	struct ff_recorded_job *job = &r->jobs[number];

	keep(&job->payload, event->u.job_added.payload);
	job->args_known = event->u.job_added.args != NULL;
	if (job->args_known)
		ff_strv_add_all(&job->args, (char *const *)event->u.job_added.args);
	job->addopts_read = event->u.job_added.addopts_read;
	job->timeout_us = event->u.job_added.timeout_us;
}

static void on_host(struct ff_recorded *r, const struct ff_event *event)
{
	size_t number = host_of(r, event->host);
	struct ff_recorded_host *host = &r->hosts[number];

	if (event->kind == FF_EVENT_HOST_ADDED)
		keep(&host->spec, event->u.host_added.spec);
	else if (event->kind == FF_EVENT_HOST_READY)
		keep(&host->cwd, event->u.host_ready.cwd);
	else
		host->synced = true;
}

static void on_started(struct ff_recorded *r, const struct ff_event *event)
{
	struct ff_recorded_worker *worker = worker_of(r, event);

	for (size_t i = 0; i < event->u.worker_started.facts_len; i++)
		if (strcmp(event->u.worker_started.facts[i].key, "executable") == 0)
			keep(&worker->executable, event->u.worker_started.facts[i].value);
}

/* What pytest-randomly drew, as its line in the header tells: tests that draw numbers draw the same
 * ones then. It is an option. */
static void on_header(struct ff_recorded *r, const struct ff_event *event,
		      const char *const *header)
{
	const char *seed = ff_before_seed(header);

	if (seed)
		keep(&r->jobs[job_of(r, event->job ? event->job : "")].seed, seed);
}

static void on_collected(struct ff_recorded *r, const struct ff_event *event)
{
	if (event->worker)
		keep(&worker_of(r, event)->rootdir, event->u.collected.rootdir);
	if (event->u.collected.parts > 0) {
		size_t number = job_of(r, event->job);

		r->jobs[number].in_parts = true;
	}
}

static const char *name_of(struct ff_recorded *r, const char *unit)
{
	char *name = ff_map_get(&r->names, unit);

	if (!name) {
		name = ff_xstrdup(unit);
		ff_map_set(&r->names, unit, name);
	}
	return name;
}

static void on_unit_started(struct ff_recorded *r, const struct ff_event *event)
{
	struct ff_recorded_worker *worker = worker_of(r, event);

	if (worker->len == worker->cap) {
		worker->cap = worker->cap ? 2 * worker->cap : 64;
		worker->steps = ff_xrealloc(worker->steps, worker->cap * sizeof(*worker->steps));
	}
	worker->steps[worker->len++] = (struct ff_recorded_step){
		.unit = name_of(r, event->unit),
		.attempt = event->u.unit_started.attempt,
	};
}

/* Of the attempt that began last: nothing else runs on its worker. */
static void on_unit_ended(struct ff_recorded *r, const struct ff_event *event,
			  enum ff_outcome outcome, int64_t took_us)
{
	struct ff_recorded_worker *worker = worker_of(r, event);
	struct ff_recorded_step *step = worker->len ? &worker->steps[worker->len - 1] : NULL;

	if (!step || step->ended || strcmp(step->unit, event->unit) != 0)
		return;
	step->ended = true;
	step->outcome = outcome;
	step->took_us = took_us;
}

static void take(struct ff_recorded *r, const struct ff_event *event)
{
	size_t number = event->kind == FF_EVENT_JOB_STARTED ? job_of(r, event->job) : 0;

	switch (event->kind) {
	case FF_EVENT_RUN_STARTED:
		keep(&r->run_id, event->u.run_started.run_id);
		keep(&r->directory, event->u.run_started.directory);
		keep(&r->config_file, event->u.run_started.config_file);
		break;
	case FF_EVENT_RUN_FINISHED:
		r->over = true;
		break;
	case FF_EVENT_JOB_ADDED:
		on_job(r, event);
		break;
	case FF_EVENT_JOB_STARTED:
		r->jobs[number].workers = event->u.job_started.workers;
		break;
	case FF_EVENT_HOST_ADDED:
	case FF_EVENT_HOST_READY:
	case FF_EVENT_SYNC_FINISHED:
		on_host(r, event);
		break;
	case FF_EVENT_FRONT_READY:
		on_header(r, event, event->u.front_ready.header);
		break;
	case FF_EVENT_WORKER_STARTED:
		on_started(r, event);
		on_header(r, event, event->u.worker_started.header);
		break;
	case FF_EVENT_COLLECTED:
		on_collected(r, event);
		break;
	case FF_EVENT_UNIT_STARTED:
		if (event->worker)
			on_unit_started(r, event);
		break;
	case FF_EVENT_UNIT_FINISHED:
		if (event->worker)
			on_unit_ended(r, event, event->u.unit_finished.result->outcome,
				      event->u.unit_finished.result->duration_us);
		break;
	case FF_EVENT_UNIT_LOST:
		if (event->worker)
			on_unit_ended(r, event, FF_OUTCOME_LOST, event->u.unit_lost.duration_us);
		break;
	default:
		break;
	}
}

/* --- the journal --- */

/* Workers that only came up did nothing that could be repeated. */
static void leave_out_idle(struct ff_recorded *r)
{
	size_t len = 0;

	for (size_t i = 0; i < r->workers_len; i++) {
		if (r->workers[i].len > 0) {
			r->workers[len++] = r->workers[i];
			continue;
		}
		ff_free(r->workers[i].name);
		ff_free(r->workers[i].executable);
		ff_free(r->workers[i].rootdir);
	}
	r->workers_len = len;
}

int ff_recorded_read(struct ff_recorded *r, const char *run, struct ff_err *err)
{
	const struct ff_event *event;
	struct ff_reader *reader;
	int rc = 0;

	*r = (struct ff_recorded){.path = ff_run_journal(run)};
	if (!r->path)
		return ff_err_set(err, FF_ENOTFOUND,
				  "there is no run '%s': RUN is its folder, such as "
				  ".farflung/runs/ID, its ID, or last",
				  run);
	reader = ff_reader_new(r->path, err);
	if (!reader)
		return err->code;
	while ((rc = ff_reader_next(reader, &event, err)) == 1)
		take(r, event);
	ff_reader_free(reader);
	if (rc == 0 && !r->run_id)
		rc = ff_err_set(err, FF_ELOAD, "%s: it has no beginning of a run", r->path);
	leave_out_idle(r);
	return rc;
}

void ff_recorded_release(struct ff_recorded *r)
{
	size_t cursor = 0;
	void *name;

	for (size_t i = 0; i < r->jobs_len; i++) {
		ff_free(r->jobs[i].name);
		ff_free(r->jobs[i].payload);
		ff_free(r->jobs[i].seed);
		ff_strv_release(&r->jobs[i].args);
	}
	for (size_t i = 0; i < r->hosts_len; i++) {
		ff_free(r->hosts[i].name);
		ff_free(r->hosts[i].spec);
		ff_free(r->hosts[i].cwd);
	}
	for (size_t i = 0; i < r->workers_len; i++) {
		ff_free(r->workers[i].name);
		ff_free(r->workers[i].executable);
		ff_free(r->workers[i].rootdir);
		ff_free(r->workers[i].steps);
	}
	while (ff_map_next(&r->names, &cursor, NULL, &name))
		ff_free(name);
	ff_map_release(&r->names);
	ff_free(r->jobs);
	ff_free(r->hosts);
	ff_free(r->workers);
	ff_free(r->path);
	ff_free(r->run_id);
	ff_free(r->directory);
	ff_free(r->config_file);
	*r = (struct ff_recorded){0};
}

/* --- looking for something --- */

static void add_workers(const struct ff_recorded *r, struct ff_buf *text)
{
	for (size_t i = 0; i < r->workers_len && i < NAMES_TOLD; i++)
		ff_buf_addf(text, "%s%s", i ? ", " : "", r->workers[i].name);
	if (r->workers_len > NAMES_TOLD)
		ff_buf_addf(text, " and %zu more", r->workers_len - NAMES_TOLD);
}

int ff_recorded_find_worker(const struct ff_recorded *r, const char *name,
			    const struct ff_recorded_worker **worker, struct ff_err *err)
{
	struct ff_buf text = FF_BUF_INIT;
	int rc;

	for (size_t i = 0; name && i < r->workers_len; i++)
		if (strcmp(r->workers[i].name, name) == 0) {
			*worker = &r->workers[i];
			return 0;
		}
	for (size_t i = 0; i < r->jobs_len && r->workers_len == 0; i++)
		if (r->jobs[i].payload && strcmp(r->jobs[i].payload, "pytest") != 0)
			return ff_err_set(err, FF_ENOTFOUND,
					  "run %s has commands, which know no order: only tests of "
					  "pytest can be repeated",
					  r->run_id);
	if (r->workers_len == 0)
		return ff_err_set(err, FF_ENOTFOUND, "in run %s no worker ran a test", r->run_id);
	add_workers(r, &text);
	if (name)
		rc = ff_err_set(err, FF_ENOTFOUND,
				"run %s has no worker '%s' that ran a test; there are %s",
				r->run_id, name, ff_buf_str(&text));
	else
		rc = ff_err_set(err, FF_ENOTFOUND, "which --worker of run %s? There are %s",
				r->run_id, ff_buf_str(&text));
	ff_buf_release(&text);
	return rc;
}

static const struct ff_recorded_step *step_of(const struct ff_recorded_worker *worker,
					      const char *unit)
{
	for (size_t i = worker->len; i-- > 0;)
		if (strcmp(worker->steps[i].unit, unit) == 0)
			return &worker->steps[i];
	return NULL;
}

static const char *own_name(const char *unit)
{
	const char *brackets = strchr(unit, '['), *own = unit;

	for (const char *at = strstr(unit, "::"); at && (!brackets || at < brackets);
	     at = strstr(own, "::"))
		own = at + 2;
	return own;
}

/* The nearest name, by all of it or without its file and class; or else one that `unit` is a part
 * of. */
static void add_near(struct ff_buf *text, const struct ff_recorded_worker *workers, size_t len,
		     const char *unit)
{
	const char *within = NULL, *like = NULL, *near;
	struct ff_suggest whole, own;

	ff_suggest_init(&whole, unit);
	ff_suggest_init(&own, own_name(unit));
	for (size_t i = 0; i < len; i++)
		for (size_t s = 0; s < workers[i].len; s++) {
			const char *name = workers[i].steps[s].unit, *its = own_name(name);

			ff_suggest_offer(&whole, name);
			ff_suggest_offer(&own, its);
			if (own.best == its || (!like && strcmp(own_name(unit), its) == 0))
				like = name;
			if (!within && strstr(name, unit))
				within = name;
		}
	near = whole.best ? whole.best : within ? within : like;
	if (near)
		ff_buf_addf(text, "; did you mean '%s'?", near);
}

int ff_recorded_find_step(const struct ff_recorded *r, const struct ff_recorded_worker *worker,
			  const char *unit, size_t *step, struct ff_err *err)
{
	const struct ff_recorded_step *found = step_of(worker, unit);
	struct ff_buf text = FF_BUF_INIT;
	int rc;

	if (found) {
		*step = (size_t)(found - worker->steps);
		return 0;
	}
	for (size_t i = 0; i < r->workers_len && !text.len; i++)
		if (step_of(&r->workers[i], unit))
			ff_buf_addf(&text, "; %s did", r->workers[i].name);
	if (!text.len)
		add_near(&text, worker, 1, unit);
	rc = ff_err_set(err, FF_ENOTFOUND, "%s of run %s ran no test '%s'%s", worker->name,
			r->run_id, unit, text.len ? ff_buf_str(&text) : "");
	ff_buf_release(&text);
	return rc;
}

static bool is_bad(const struct ff_recorded_step *step)
{
	return !step->ended || ff_outcome_bad(step->outcome);
}

int ff_recorded_find_failure(const struct ff_recorded *r, const char *unit,
			     const struct ff_recorded_worker **worker, size_t *step,
			     struct ff_err *err)
{
	struct ff_buf text = FF_BUF_INIT;
	uint32_t attempt = UINT32_MAX;
	int rc = 0;

	*worker = NULL;
	for (size_t i = 0; i < r->workers_len; i++)
		for (size_t s = 0; s < r->workers[i].len; s++) {
			const struct ff_recorded_step *at = &r->workers[i].steps[s];

			if (strcmp(at->unit, unit) != 0 ||
			    (is_bad(at) ? at->attempt >= attempt : attempt != UINT32_MAX))
				continue;
			if (is_bad(at))
				attempt = at->attempt;
			*worker = &r->workers[i];
			*step = s;
		}
	if (!*worker) {
		add_near(&text, r->workers, r->workers_len, unit);
		rc = ff_err_set(err, FF_ENOTFOUND, "run %s ran no test '%s'%s", r->run_id, unit,
				text.len ? ff_buf_str(&text) : "");
	}
	ff_buf_release(&text);
	return rc;
}

#include "report/cases.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

/* What of a job's events matters for later ones. */
struct job {
	char *payload;		/* NULL: not told */
	char *error;		/* what was said of the job as a whole; NULL */
	struct ff_map attempts; /* index of a unit -> how many were bad before */
	uint32_t cases, bad;
	uint32_t nameless; /* cases of units that are not named */
	bool listed;	   /* its units were to be named, not run */
	bool namesake;	   /* a bad unit has the job's name: nothing more is to be said under it */
};

static struct job *job_of(struct ff_cases *cases, const char *name)
{
	struct job *job;

	name = name ? name : "";
	job = ff_map_get(&cases->jobs, name);
	if (!job) {
		job = ff_xcalloc(1, sizeof(*job));
		ff_map_set(&cases->jobs, name, job);
	}
	return job;
}

static void keep_text(char **kept, const char *text)
{
	ff_free(*kept);
	*kept = text && *text ? ff_xstrdup(text) : NULL;
}

static void give(struct ff_cases *cases, struct job *job, struct ff_case *c)
{
	c->payload = job->payload;
	if (c->kind != FF_CASE_ATTEMPT) {
		job->cases++;
		job->bad += c->status == FF_CASE_FAILED || c->status == FF_CASE_ERROR;
	}
	cases->each(cases->ctx, c);
}

/* --- units --- */

static bool is_namesake(const struct ff_event *event)
{
	return event->unit && event->job && strcmp(event->unit, event->job) == 0;
}

static enum ff_case_status status_of(enum ff_outcome outcome)
{
	if (outcome == FF_OUTCOME_FAILED)
		return FF_CASE_FAILED;
	if (ff_outcome_bad(outcome))
		return FF_CASE_ERROR;
	return outcome == FF_OUTCOME_SKIPPED || outcome == FF_OUTCOME_XFAILED ? FF_CASE_SKIPPED
									      : FF_CASE_PASSED;
}

static struct ff_case case_of(const struct ff_event *event, const struct ff_result *result)
{
	return (struct ff_case){
		.kind = FF_CASE_UNIT,
		.status = status_of(result->outcome),
		.job = event->job,
		.name = event->unit ? event->unit : "",
		.named = true,
		.host = event->host,
		.worker = event->worker,
		.result = result,
		.index = event->index,
		.count = 1,
		.time_us = event->time_us,
		.earlier = event->kind == FF_EVENT_UNIT_BEFORE,
	};
}

static uint32_t attempts_of(const struct job *job, uint32_t index)
{
	return (uint32_t)(uintptr_t)ff_map_get_u32(&job->attempts, index);
}

static void add_attempt(struct ff_cases *cases, struct job *job, const struct ff_event *event)
{
	struct ff_case c = case_of(event, event->u.unit_finished.result);

	c.kind = FF_CASE_ATTEMPT;
	c.attempts = attempts_of(job, event->index);
	ff_map_set_u32(&job->attempts, event->index, (void *)((uintptr_t)c.attempts + 1));
	give(cases, job, &c);
}

static void add_unit(struct ff_cases *cases, struct job *job, const struct ff_event *event,
		     const struct ff_result *result)
{
	struct ff_case c = case_of(event, result);

	c.attempts = (uint32_t)(uintptr_t)ff_map_del_u32(&job->attempts, event->index);
	give(cases, job, &c);
}

/* pytest tells a teardown that went wrong after a failure as an error of its own. */
static void add_first_and_second(struct ff_cases *cases, struct job *job,
				 const struct ff_event *event, const struct ff_phase *second)
{
	const struct ff_result *whole = event->u.unit_finished.result;
	struct ff_result first = *whole, error = {
						 .outcome = FF_OUTCOME_ERROR,
						 .message = second->message,
						 .longrepr = second->longrepr,
						 .file = whole->file,
						 .line = whole->line,
					 };
	struct ff_buf text = FF_BUF_INIT;
	struct ff_case c = case_of(event, &error);

	for (size_t i = 0; i + 1 < whole->phases_len; i++)
		if (whole->phases[i].longrepr && !whole->phases[i].rerun)
			ff_buf_addf(&text, "%s%s", text.len ? "\n" : "", whole->phases[i].longrepr);
	first.longrepr = ff_buf_str(&text);
	add_unit(cases, job, event, &first);
	ff_buf_release(&text);
	c.index = UINT32_MAX;
	c.count = 0;
	give(cases, job, &c);
}

/* The step that has what was captured and earlier attempts: the first that is bad, or the last
 * that ran. */
static size_t main_step(const struct ff_result *whole)
{
	size_t main = 0;

	for (size_t i = 0; i < whole->phases_len; i++)
		if (whole->phases[i].outcome != FF_OUTCOME_SKIPPED &&
		    !ff_outcome_bad(whole->phases[main].outcome))
			main = i;
	return main;
}

static struct ff_result step_of(const struct ff_result *whole, size_t step, bool is_main)
{
	struct ff_result result = is_main ? *whole : (struct ff_result){0};

	result.phases = &whole->phases[step];
	result.phases_len = 1;
	/* What ended the whole is told at least here. */
	result.outcome = result.phases->outcome;
	if (is_main && !ff_outcome_bad(result.outcome))
		result.outcome = whole->outcome;
	result.message = result.phases->message ? result.phases->message : result.message;
	result.duration_us = result.phases->duration_us;
	return result;
}

static void add_steps(struct ff_cases *cases, struct job *job, const struct ff_event *event)
{
	const struct ff_result *whole = event->u.unit_finished.result;

	for (size_t i = 0; i < whole->phases_len; i++) {
		bool is_main = i == main_step(whole);
		struct ff_result result = step_of(whole, i, is_main);
		struct ff_event step = *event;
		char *name = ff_xasprintf("%s::%s", event->unit, whole->phases[i].when);

		step.unit = name;
		if (!is_main)
			step.index = UINT32_MAX;
		add_unit(cases, job, &step, &result);
		ff_free(name);
	}
}

static void on_unit_finished(struct ff_cases *cases, const struct ff_event *event)
{
	struct job *job = job_of(cases, event->job);
	const struct ff_result *result = event->u.unit_finished.result;
	const struct ff_phase *second;

	if (!result)
		return;
	if (!event->u.unit_finished.final) {
		add_attempt(cases, job, event);
		return;
	}
	job->namesake |= ff_outcome_bad(result->outcome) && is_namesake(event);
	second = ff_result_second_error(result);
	if (result->phases_len > 0 && result->phases[0].step)
		add_steps(cases, job, event);
	else if (second)
		add_first_and_second(cases, job, event, second);
	else
		add_unit(cases, job, event, result);
}

/* --- what has no outcome --- */

static void on_collect_problem(struct ff_cases *cases, const struct ff_event *event)
{
	const char *longrepr = event->u.collect_problem.longrepr;
	bool skipped = event->u.collect_problem.skipped;

	give(cases, job_of(cases, event->job),
	     &(struct ff_case){
		     .kind = FF_CASE_COLLECTION,
		     .status = skipped ? FF_CASE_SKIPPED : FF_CASE_ERROR,
		     .job = event->job,
		     .name = event->u.collect_problem.nodeid ? event->u.collect_problem.nodeid : "",
		     .named = true,
		     .worker = event->worker,
		     .message = skipped ? "collection skipped" : "collection failure",
		     .text = longrepr ? longrepr : event->u.collect_problem.message,
		     .index = UINT32_MAX,
		     .time_us = event->time_us,
	     });
}

/* Of a host or the run, in a job of its own. */
static void on_setup_failed(struct ff_cases *cases, const struct ff_event *event)
{
	char *name =
		ff_xasprintf("%s of %s%s", event->u.host_setup.phase,
			     event->host ? "host " : "the run", event->host ? event->host : "");

	give(cases, job_of(cases, event->u.host_setup.phase),
	     &(struct ff_case){
		     .kind = FF_CASE_JOB,
		     .status = FF_CASE_ERROR,
		     .job = event->u.host_setup.phase,
		     .name = name,
		     .host = event->host,
		     .message = event->u.host_setup.error,
		     .text = event->u.host_setup.output,
		     .index = UINT32_MAX,
		     .time_us = event->time_us,
	     });
	ff_free(name);
}

static void on_notice(struct ff_cases *cases, const struct ff_event *event)
{
	const char *level = event->u.notice.level;

	if (!event->job || !level)
		return;
	if (strcmp(level, "error") == 0)
		keep_text(&job_of(cases, event->job)->error, event->u.notice.text);
	else if (strcmp(level, "list") == 0)
		job_of(cases, event->job)->listed = true;
}

/* Why a job did not come to its end: in words, where no other case gives them. */
static const char *words_of(const struct ff_cases *cases, const struct job *job, enum ff_reason why)
{
	const char *words = NULL;

	if (why == FF_REASON_REQUIRED_HOSTS)
		words = job->error ? job->error : cases->stop;
	else if (why == FF_REASON_DISK)
		words = cases->stop;
	return words ? words : ff_reason_word(why);
}

/* Whoever asked for an end after so many failures has been told of these; all else that keeps a
 * unit from being run is an error. */
static void give_not_run(struct ff_cases *cases, struct job *job, struct ff_case *c,
			 enum ff_reason reason)
{
	const char *why = words_of(cases, job, reason);
	bool skipped = reason == FF_REASON_MAXFAIL;
	char *line = ff_xasprintf("not run%s%.*s", *why ? ": " : "", (int)strcspn(why, "\n"), why);

	c->kind = FF_CASE_NOT_RUN;
	c->status = skipped ? FF_CASE_SKIPPED : FF_CASE_ERROR;
	c->type = skipped ? NULL : "not-run";
	c->message = line;
	give(cases, job, c);
	ff_free(line);
}

static void on_part_not_run(struct ff_cases *cases, const struct ff_event *event)
{
	struct job *job = job_of(cases, event->job);

	if (job->listed)
		return;
	give_not_run(cases, job,
		     &(struct ff_case){
			     .job = event->job,
			     .name = event->u.part_not_run.part ? event->u.part_not_run.part : "",
			     .named = true,
			     .index = UINT32_MAX,
			     .time_us = event->time_us,
		     },
		     event->u.part_not_run.why);
}

static void on_not_run(struct ff_cases *cases, const struct ff_event *event)
{
	struct job *job = job_of(cases, event->job);
	enum ff_reason why = event->u.units_not_run.why;
	uint32_t count = event->u.units_not_run.count;
	char text[80];
	struct ff_case c = {
		.job = event->job,
		.name = event->unit,
		.named = count == 1 && event->unit,
		.index = event->index,
		.count = count,
		.time_us = event->time_us,
	};
	int n;

	/* The job's end tells what it lacked. */
	if (count == 0 || job->listed || why == FF_REASON_NEEDS || why == FF_REASON_WHEN ||
	    why == FF_REASON_TIME)
		return;
	job->namesake |= why != FF_REASON_MAXFAIL && is_namesake(event);
	if (!c.named) {
		/* Names tell cases apart. */
		n = snprintf(text, sizeof(text), "%u unit%s not run", count, count == 1 ? "" : "s");
		if (job->nameless++ > 0)
			snprintf(text + n, sizeof(text) - (size_t)n, ", from the %u. on",
				 event->index + 1);
		c.name = text;
	}
	give_not_run(cases, job, &c, why);
	for (uint32_t i = 0; i < count && job->attempts.len > 0; i++)
		ff_map_del_u32(&job->attempts, event->index + i);
}

/* --- jobs --- */

/* Whether the job's end says more than its units do. */
static bool ends_badly(const struct job *job, const struct ff_event *event)
{
	switch (event->u.job_finished.result) {
	case FF_JOB_ERROR:
		return !job->namesake;
	case FF_JOB_STOPPED:
		return job->bad == 0;
	case FF_JOB_FAILED:
		return event->u.job_finished.why != FF_REASON_NONE || job->bad == 0;
	default:
		return false;
	}
}

static void on_job_finished(struct ff_cases *cases, const struct ff_event *event)
{
	struct job *job = job_of(cases, event->job);
	const char *reason = event->u.job_finished.reason;
	const char *why = ff_reason_word(event->u.job_finished.why);
	bool skipped = event->u.job_finished.result == FF_JOB_SKIPPED;
	char *line;

	if (!ends_badly(job, event) && !(skipped && (job->cases == 0 || *why)))
		return;
	if (!reason || !*reason)
		reason = *why ? words_of(cases, job, event->u.job_finished.why)
			      : ff_job_result_word(event->u.job_finished.result);
	line = ff_xstrndup(reason, strcspn(reason, "\n"));
	give(cases, job,
	     &(struct ff_case){
		     .kind = FF_CASE_JOB,
		     .status = skipped ? FF_CASE_SKIPPED : FF_CASE_ERROR,
		     .job = event->job,
		     .name = event->job,
		     .type = *why ? why : NULL,
		     .message = line,
		     .text = strchr(reason, '\n') || !skipped ? reason : NULL,
		     .index = UINT32_MAX,
		     .time_us = event->time_us,
	     });
	ff_free(line);
}

void ff_cases_event(struct ff_cases *cases, const struct ff_event *event)
{
	switch (event->kind) {
	case FF_EVENT_JOB_ADDED:
		keep_text(&job_of(cases, event->job)->payload, event->u.job_added.payload);
		break;
	case FF_EVENT_UNIT_FINISHED:
	case FF_EVENT_UNIT_BEFORE:
		on_unit_finished(cases, event);
		break;
	case FF_EVENT_UNITS_NOT_RUN:
		on_not_run(cases, event);
		break;
	case FF_EVENT_PART_NOT_RUN:
		on_part_not_run(cases, event);
		break;
	case FF_EVENT_NOTICE:
		on_notice(cases, event);
		break;
	case FF_EVENT_STOPPING:
		if (!cases->stop)
			keep_text(&cases->stop, event->u.stopping.reason);
		break;
	case FF_EVENT_HOST_SETUP:
		if (event->u.host_setup.error)
			on_setup_failed(cases, event);
		break;
	case FF_EVENT_COLLECT_PROBLEM:
		on_collect_problem(cases, event);
		break;
	case FF_EVENT_JOB_FINISHED:
		on_job_finished(cases, event);
		break;
	default:
		break;
	}
}

void ff_cases_release(struct ff_cases *cases)
{
	size_t cursor = 0;
	void *value;

	while (ff_map_next(&cases->jobs, &cursor, NULL, &value)) {
		struct job *job = value;

		ff_map_release(&job->attempts);
		ff_free(job->payload);
		ff_free(job->error);
		ff_free(job);
	}
	ff_map_release(&cases->jobs);
	ff_free(cases->stop);
	cases->stop = NULL;
}

/* --- words --- */

const char *ff_case_status_word(enum ff_case_status status)
{
	static const char *const words[] = {
		[FF_CASE_PASSED] = "passed",
		[FF_CASE_FAILED] = "failed",
		[FF_CASE_ERROR] = "error",
		[FF_CASE_SKIPPED] = "skipped",
	};

	return words[status];
}

const char *ff_case_message(const struct ff_case *c)
{
	return c->result ? c->result->message : c->message;
}

bool ff_case_flaky(const struct ff_case *c)
{
	if (c->kind != FF_CASE_UNIT || !c->result || ff_outcome_bad(c->result->outcome))
		return false;
	if (c->attempts > 0)
		return true;
	for (size_t i = 0; i < c->result->phases_len; i++)
		if (c->result->phases[i].rerun)
			return true;
	return false;
}

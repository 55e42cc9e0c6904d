/* What a session says, told to the run: collections, units, problems, its end. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "dispatch/private.h"

static void session_up(struct run_session *session)
{
	struct run_job *job = session->job;

	session->state = SESSION_RUNNING;
	session->worker = job->next_worker++;
	session->up = true;
	session->hungry = true;
	job->sched->class->worker_up(job->sched, session->worker);
	if (job->stopped)
		session_stop(session);
}

static void on_missing(void *ctx, const char *module, const char *executable, const char *text)
{
	struct run_session *session = ctx;
	struct run_host *host = session->host;

	if (!host->python_problem)
		host->python_problem =
			ff_xasprintf("%s cannot import %s: %s", executable, module, text);
	session->finished = true;
}

static void on_started(void *ctx, const char *python, const char *executable, const char *pytest,
		       const char *const *header)
{
	struct run_session *session = ctx;
	struct ff_event event = {.kind = FF_EVENT_WORKER_STARTED,
				 .job = session->job->name,
				 .host = session->host->host->name,
				 .worker = session->id};
	const struct ff_value *info = ff_gateway_info(session->gateway);

	event.u.worker_started.python = python;
	event.u.worker_started.executable = executable;
	event.u.worker_started.pytest = pytest;
	event.u.worker_started.platform = ff_dict_str(info, "platform", NULL);
	event.u.worker_started.pid = (int)ff_dict_int(info, "pid", 0);
	event.u.worker_started.header = header;
	run_emit(session->job->run, &event);
}

static void on_only_collects(void *ctx)
{
	struct run_session *session = ctx;

	session->job->collect_only = session->job->given_up = true;
}

static void on_collected(void *ctx, const char *digest, uint32_t count, uint32_t deselected,
			 const char *rootdir)
{
	struct run_session *session = ctx;
	struct run_job *job = session->job;
	struct ff_event event = {.kind = FF_EVENT_COLLECTED, .job = job->name};

	snprintf(session->digest, sizeof session->digest, "%s", digest);
	session->state = SESSION_WAITING;
	if (job->stopped) {
		session_stop(session);
		return;
	}
	if (job->digest[0] == '\0') {
		snprintf(job->digest, sizeof job->digest, "%s", digest);
		job->ids_from = session;
		event.u.collected.count = count;
		event.u.collected.deselected = deselected;
		event.u.collected.rootdir = rootdir;
		run_emit(job->run, &event);
		session_tell(session, job->plan->payload->ask_ids);
	} else if (strcmp(job->digest, digest) != 0) {
		session_tell(session, job->plan->payload->ask_ids);
	} else if (job->collected) {
		session_up(session);
	}
}

/* The first difference between two collections, in words. */
static void collections_differ(struct run_session *session, const struct ff_value *list)
{
	struct run_job *job = session->job;
	uint32_t i = 0;

	while (i < job->units_len && i < list->len &&
	       strcmp(job->units[i].name, ff_as_str(&list->items[i], "")) == 0)
		i++;
	job_error(
		job, false,
		"different tests were collected: %s has %u, %s has %u; number %u is '%s' there and "
		"'%s' here",
		job->ids_from ? job->ids_from->id : "the first worker", job->units_len, session->id,
		list->len, i + 1, i < job->units_len ? job->units[i].name : "(none)",
		i < list->len ? ff_as_str(&list->items[i], "?") : "(none)");
	session_stop(session);
	run_stop(job->run, NULL);
}

/* --collect-only: the names are the result. */
static void list_collection(struct run_job *job, const struct ff_value *list)
{
	struct ff_event event = {.kind = FF_EVENT_NOTICE, .job = job->name};
	struct ff_list *pos;

	event.u.notice.level = "list";
	for (uint32_t i = 0; i < list->len; i++) {
		event.u.notice.text = ff_as_str(&list->items[i], "?");
		run_emit(job->run, &event);
	}
	job->stopped = true;
	ff_list_for_each(pos, &job->sessions)
		session_stop(ff_container_of(pos, struct run_session, node));
}

static void on_ids(void *ctx, const struct ff_value *list)
{
	struct run_session *session = ctx;
	struct run_job *job = session->job;
	struct ff_list *pos;

	if (job->collected || strcmp(job->digest, session->digest) != 0) {
		collections_differ(session, list);
		return;
	}
	if (job->collect_only) {
		list_collection(job, list);
		return;
	}
	job->units_len = list->len;
	job->units = ff_xcalloc((size_t)list->len + 1, sizeof *job->units);
	job->unit_names = ff_xcalloc((size_t)list->len + 1, sizeof *job->unit_names);
	for (uint32_t i = 0; i < list->len; i++) {
		job->unit_names[i] = ff_arena_strdup(&job->names, ff_as_str(&list->items[i], "?"));
		job->units[i].name = job->unit_names[i];
	}
	job->counts.total = list->len;
	job->run->counts.total += list->len;
	job->collected = true;
	job->sched = ff_sched_find(job->plan->config->dist)
			     ->create(job->units_len, job->unit_names, job->workers);
	ff_list_for_each(pos, &job->sessions) {
		struct run_session *other = ff_container_of(pos, struct run_session, node);

		if (other->state == SESSION_WAITING && strcmp(other->digest, job->digest) == 0)
			session_up(other);
	}
}

static void on_collect_problem(void *ctx, const char *nodeid, const char *message,
			       const char *longrepr, bool skipped)
{
	struct run_session *session = ctx;
	struct run_job *job = session->job;
	struct ff_event event = {.kind = FF_EVENT_COLLECT_PROBLEM,
				 .job = job->name,
				 .host = session->host->host->name,
				 .worker = session->id};

	/* Every worker collects everything, so every worker has the same problems: the first one
	 * tells. */
	if (ff_map_get(&job->seen, nodeid))
		return;
	ff_map_set(&job->seen, nodeid, job);
	if (skipped)
		job->run->skipped_modules++;
	else
		job->problems++;
	event.u.collect_problem.nodeid = nodeid;
	event.u.collect_problem.message = message;
	event.u.collect_problem.longrepr = longrepr;
	event.u.collect_problem.skipped = skipped;
	run_emit(job->run, &event);
}

static void on_unit_started(void *ctx, uint32_t index)
{
	struct run_session *session = ctx;

	if (index >= session->job->units_len)
		return;
	session->running = index;
	session->started_at = ff_clock_us();
	job_unit_started(session->job, index, session->host, session->id);
}

static void on_wants(void *ctx)
{
	struct run_session *session = ctx;

	if (!session->up)
		return;
	session->wants = session->hungry = true;
	session->wants_since = ff_clock_us();
	session->job->sched->class->hungry(session->job->sched, session->worker);
}

static void on_returned(void *ctx, const uint32_t *indexes, size_t count)
{
	struct run_session *session = ctx;
	struct run_job *job = session->job;

	if (!session->up)
		return;
	job->sched->class->returned(job->sched, session->worker, indexes, count);
	job->moved = true;
}

static void on_unit_finished(void *ctx, uint32_t index, const struct ff_result *result)
{
	struct run_session *session = ctx;
	struct run_job *job = session->job;
	bool again;

	if (index >= job->units_len || !job->sched || !session->up)
		return;
	if (session->running == index)
		session->running = UINT32_MAX;
	again = job_unit_finished(job, index, session->host, session->id, result);
	job->sched->class->done(job->sched, session->worker, index, result->duration_us);
	if (again)
		job->sched->class->again(job->sched, index);
	session->hungry = job->moved = true;
}

static void on_notice(void *ctx, const char *level, const char *text, const char *category,
		      const char *file, int line)
{
	struct run_session *session = ctx;
	struct run_job *job = session->job;
	struct ff_event event = {.kind = FF_EVENT_NOTICE,
				 .job = job->name,
				 .host = session->host->host->name,
				 .worker = session->id};
	char key[600];

	/* The same warning from several workers, or many tests, is told once. */
	snprintf(key, sizeof key, "%s:%d:%.400s", file ? file : "", line, text);
	if (ff_map_get(&job->seen, key))
		return;
	ff_map_set(&job->seen, key, job);
	event.u.notice.level = level;
	event.u.notice.text = text;
	event.u.notice.category = category;
	event.u.notice.file = file;
	event.u.notice.line = line;
	run_emit(job->run, &event);
}

static void on_session_finished(void *ctx, int exitstatus, const char *stop)
{
	struct run_session *session = ctx;
	struct run_job *job = session->job;

	(void)exitstatus;
	session->finished = true;
	/* pytest itself does not go on after collection errors: another session would not either.
	 */
	if (!session->up)
		job->given_up = true;
	if (stop && *stop && job->problems == 0 && !job->stopped) {
		run_notice(job->run, session->host->host->name, "note", "%s stopped: %s",
			   session->id, stop);
		run_stop(job->run, NULL);
	}
}

static void on_session_error(void *ctx, bool usage, const char *text)
{
	struct run_session *session = ctx;

	session->finished = true;
	session->job->usage |= usage;
	job_error(session->job, false, "%s", text);
}

const struct ff_payload_sink session_sink = {
	.missing = on_missing,
	.started = on_started,
	.only_collects = on_only_collects,
	.collected = on_collected,
	.ids = on_ids,
	.collect_problem = on_collect_problem,
	.unit_started = on_unit_started,
	.wants = on_wants,
	.returned = on_returned,
	.unit_finished = on_unit_finished,
	.notice = on_notice,
	.session_finished = on_session_finished,
	.session_error = on_session_error,
};

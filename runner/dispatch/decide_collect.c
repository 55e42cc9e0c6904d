/* Collection: the first worker's is what there is to run, all others must have found the same. */
#include <string.h>

#include "base/alloc.h"
#include "dispatch/private.h"

static void ask_ids(struct ff_engine *e, const struct session *session)
{
	struct ff_order order = {.kind = FF_ORDER_ASK_IDS, .worker = session->record};

	order.host = session->placement.host;
	order.job = session->placement.job;
	ff_engine_order(e, &order);
}

void ff_collect_started(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	struct ff_event event = ff_run_session_event(e, session, FF_EVENT_WORKER_STARTED);

	if (e->state->workers[session->record].state != FF_WORKER_OPENING)
		return;
	ff_marks_host_has(e, session->placement.host, input);
	ff_gather_served(e, session->placement.job, session->placement.host);
	event.u.worker_started.words = input->u.started.words;
	event.u.worker_started.facts = input->u.started.facts;
	event.u.worker_started.facts_len = input->u.started.facts_len;
	event.u.worker_started.header = input->u.started.header;
	ff_engine_emit(e, &event);
	if (session->leaves)
		ff_run_session_stop(e, session);
}

static void emit_collected(struct ff_engine *e, const struct session *session,
			   const struct ff_input *input, bool again)
{
	struct ff_event event = ff_run_session_event(e, session, FF_EVENT_COLLECTED);

	event.u.collected.count = ff_spread_count(e, session->placement.job,
						  session->in_parts ? 0 : input->u.collected.count);
	event.u.collected.deselected = input->u.collected.deselected;
	event.u.collected.digest = input->u.collected.digest;
	event.u.collected.rootdir = input->u.collected.rootdir;
	event.u.collected.again = again;
	event.u.collected.parts = again ? 0 : session->parts;
	event.u.collected.dist = again ? NULL : e->jobs[session->placement.job].policy->name;
	ff_engine_emit(e, &event);
}

static bool same_collection(const struct ff_engine *e, const struct session *session)
{
	const char *first = e->state->jobs[session->placement.job].digest;

	return first && strcmp(first, session->digest) == 0 &&
	       session->in_parts == e->jobs[session->placement.job].in_parts;
}

void ff_collect_digest(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	struct engine_job *job = ff_run_session_job(e, session);
	const struct ff_job_record *record = &e->state->jobs[session->placement.job];
	enum ff_worker_state state = e->state->workers[session->record].state;
	bool again;

	if (state != FF_WORKER_OPENING && state != FF_WORKER_STARTED)
		return;
	again = record->known;
	session->digest = ff_engine_keep(job, input->u.collected.digest);
	emit_collected(e, session, input, again);
	if (!again && session->in_parts)
		ff_shard_begin(e, session);
	if (!again)
		ff_job_tell_done_before(e, session->placement.job);
	if (job->stopped) {
		ff_run_session_stop(e, session);
	} else if (!same_collection(e, session)) {
		ask_ids(e, session); /* to say what differs */
	} else if (job->unit_names) {
		ff_run_session_up(e, session);
	} else if (job->ids_from == FF_NOBODY) {
		job->ids_from = session->record;
		ask_ids(e, session);
	}
}

/* Those whose names came before there were any to compare them with. */
static void ask_who_differs(struct ff_engine *e, uint32_t number)
{
	struct ff_list *pos;

	ff_list_for_each(pos, &e->jobs[number].sessions) {
		struct session *session = ff_container_of(pos, struct session, in_job);

		if (session->differs && !session->finished) {
			session->differs = false;
			ask_ids(e, session);
		}
	}
}

void ff_collect_ask_another(struct ff_engine *e, struct session *session)
{
	struct engine_job *job = ff_run_session_job(e, session);
	const struct ff_job_record *record = &e->state->jobs[session->placement.job];
	struct ff_list *pos;

	job->ids_from = FF_NOBODY;
	if (job->unit_names)
		return;
	ff_list_for_each(pos, &job->sessions) {
		struct session *other = ff_container_of(pos, struct session, in_job);

		if (other == session || other->finished || !other->digest ||
		    strcmp(other->digest, record->digest) != 0)
			continue;
		job->ids_from = other->record;
		ask_ids(e, other);
		ff_silence_anew(e, other);
		return;
	}
	ask_who_differs(e, session->placement.job);
}

/* How many units each session has. */
static uint32_t collected_there(const struct ff_engine *e, uint32_t number)
{
	if (e->jobs[number].in_parts)
		return e->jobs[number].parts_len;
	return e->jobs[number].each ? e->jobs[number].each : e->state->jobs[number].units_len;
}

/* The first difference between two collections in words, all of them as a diff. */
static void collections_differ(struct ff_engine *e, struct session *session,
			       const struct ff_input *input)
{
	uint32_t number = session->placement.job, i = 0, count = collected_there(e, number);
	const char *const *names = input->u.ids.names;
	const struct engine_job *job = &e->jobs[number];
	const char *first = job->ids ? e->state->workers[job->named_by].name : "the first worker";
	const char *text;

	ff_collect_tell_diff(e, number, &(struct collection){first, job->ids, count},
			     &(struct collection){e->state->workers[session->record].name, names,
						  input->u.ids.len});
	while (job->ids && i < count && i < input->u.ids.len && strcmp(job->ids[i], names[i]) == 0)
		i++;
	text = ff_engine_text(e,
			      "different %s were collected: %s has %u, %s has %u; number %u is "
			      "'%s' there and '%s' here",
			      job->in_parts || session->in_parts ? "files" : "tests", first, count,
			      e->state->workers[session->record].name, input->u.ids.len, i + 1,
			      job->ids && i < count ? job->ids[i] : "(none)",
			      i < input->u.ids.len ? names[i] : "(none)");
	if (ff_own_collection(e, session, input, text))
		return;
	ff_job_error(e, number, FF_REASON_DIFFER, text);
	ff_job_stop(e, number, FF_REASON_DIFFER, NULL);
}

/* --collect-only: the names are the result. */
static void list_collection(struct ff_engine *e, uint32_t number, const struct ff_input *input)
{
	struct ff_event event = {
		.kind = FF_EVENT_NOTICE, .job = e->state->jobs[number].name, .job_id = number + 1};

	event.u.notice.level = "list";
	for (uint32_t i = 0; i < input->u.ids.len; i++) {
		event.u.notice.text = input->u.ids.names[i];
		ff_engine_emit(e, &event);
	}
	ff_job_stop(e, number, FF_REASON_NONE, NULL);
}

void ff_collect_sources(struct ff_engine *e, const struct session *session,
			const struct ff_input *input)
{
	uint32_t number = session->placement.job;
	struct ff_event event = ff_run_session_event(e, session, FF_EVENT_FILE_COLLECTED);
	const char *const *names = input->u.sources.names;

	/* All units are compared with one worker's; of the others' files nothing is new. */
	if (!session->in_parts && e->jobs[number].ids_from != session->record)
		return;
	if (e->opts.expect && !e->jobs[number].unit_names)
		ff_expect_sources(e->opts.expect, ff_engine_payload(e, number)->name, names,
				  input->u.sources.contents, input->u.sources.len);
	for (size_t i = 0; i < input->u.sources.len; i++) {
		if (input->u.sources.us[i] <= 0)
			continue;
		event.u.file_collected.file = names[i];
		event.u.file_collected.content = input->u.sources.contents[i];
		event.u.file_collected.took_us = input->u.sources.us[i];
		ff_engine_emit(e, &event);
	}
}

static void know_names(struct ff_engine *e, uint32_t number, const struct ff_input *input)
{
	struct engine_job *job = &e->jobs[number];
	uint32_t len = input->u.ids.len;
	const char **names = ff_arena_alloc(&job->arena, ((size_t)len + 1) * sizeof(*names));

	if (!names)
		names = ff_xmalloc(SIZE_MAX);
	for (uint32_t i = 0; i < len; i++)
		names[i] = ff_engine_keep(job, input->u.ids.names[i]);
	job->ids = names;
	if (job->in_parts)
		ff_shard_know_parts(e, number);
	else
		ff_spread_names(e, number);
}

void ff_collect_ids(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	uint32_t number = session->placement.job;
	struct engine_job *job = ff_run_session_job(e, session);
	const struct ff_job_record *record = &e->state->jobs[number];
	struct ff_list *pos, *tmp;

	if (!session->digest || job->stopped)
		return;
	if (!same_collection(e, session) && !job->ids && job->ids_from != FF_NOBODY) {
		session->differs = true;
		return;
	}
	if (!same_collection(e, session) || input->u.ids.len != collected_there(e, number)) {
		collections_differ(e, session, input);
		return;
	}
	if (job->unit_names)
		return;
	if (job->collect_only) {
		list_collection(e, number, input);
		return;
	}
	know_names(e, number, input);
	job->named_by = session->record;
	ff_job_know_units(e, number, record->units_len);
	ask_who_differs(e, number);
	ff_list_for_each_safe(pos, tmp, &job->sessions) {
		struct session *other = ff_container_of(pos, struct session, in_job);

		if (!other->up && !other->finished && other->digest &&
		    strcmp(other->digest, record->digest) == 0)
			ff_run_session_up(e, other);
	}
}

void ff_collect_problem(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	struct ff_event event = ff_run_session_event(e, session, FF_EVENT_COLLECT_PROBLEM);

	/* Every worker collects everything, so every worker has the same problems: the first one
	 * tells. */
	if (!ff_engine_first(ff_run_session_job(e, session), input->u.problem.nodeid))
		return;
	event.u.collect_problem.nodeid = input->u.problem.nodeid;
	event.u.collect_problem.message = input->u.problem.message;
	event.u.collect_problem.longrepr = input->u.problem.longrepr;
	event.u.collect_problem.skipped = input->u.problem.skipped;
	ff_engine_emit(e, &event);
	if (!event.u.collect_problem.skipped)
		ff_shard_stop(e, session->placement.job);
}

/* --- units that a payload discovers before it runs any --- */

static void discovered_count(struct ff_engine *e, struct execution *execution,
			     const struct ff_input *input)
{
	uint32_t number = execution->placement.job;
	struct ff_event event = {.kind = FF_EVENT_COLLECTED,
				 .job = e->state->jobs[number].name,
				 .job_id = number + 1};

	if (e->state->jobs[number].known)
		return;
	event.host = e->state->hosts[execution->placement.host].name;
	event.host_id = execution->placement.host + 1;
	event.u.collected.count = input->u.collected.count;
	event.u.collected.deselected = input->u.collected.deselected;
	event.u.collected.digest = input->u.collected.digest;
	event.u.collected.rootdir = input->u.collected.rootdir;
	ff_engine_emit(e, &event);
	ff_job_tell_done_before(e, number);
}

/* What the payload is given again with each unit. */
static void know_details(struct ff_engine *e, uint32_t number, const struct ff_input *input)
{
	struct engine_job *job = &e->jobs[number];
	uint32_t len = input->u.ids.len;
	const char **details;

	if (len != e->state->jobs[number].units_len) {
		ff_job_error(e, number, FF_REASON_PAYLOAD,
			     ff_engine_text(e, "%u units were announced, %u were described",
					    e->state->jobs[number].units_len, len));
		return;
	}
	details = ff_arena_alloc(&job->arena, ((size_t)len + 1) * sizeof(*details));
	if (!details)
		details = ff_xmalloc(SIZE_MAX); /* says that memory is out, and ends */
	for (uint32_t i = 0; i < len; i++)
		details[i] = ff_engine_keep(job, input->u.ids.names[i]);
	job->details = details;
}

void ff_collect_discovered(struct ff_engine *e, struct execution *execution,
			   const struct ff_input *input)
{
	uint32_t number = execution->placement.job;
	const struct ff_job_record *record = &e->state->jobs[number];

	if (execution->placement.unit != FF_NOBODY)
		return;
	if (input->kind == FF_INPUT_COLLECTED) {
		discovered_count(e, execution, input);
	} else if (input->kind == FF_INPUT_IDS && record->known && !e->jobs[number].unit_names) {
		if (input->u.ids.len != record->units_len) {
			ff_job_error(e, number, FF_REASON_PAYLOAD,
				     ff_engine_text(e, "%u units were announced, %u were named",
						    record->units_len, input->u.ids.len));
			return;
		}
		know_names(e, number, input);
		if (ff_order_know(e, number))
			ff_job_know_units(e, number, record->units_len);
	} else if (input->kind == FF_INPUT_MARKS && !e->jobs[number].unit_names) {
		ff_marks_discovered(e, number, input);
	} else if (input->kind == FF_INPUT_DETAILS && !e->jobs[number].unit_names) {
		know_details(e, number, input);
	} else if (input->kind == FF_INPUT_SESSION_ERROR) {
		ff_job_error(e, number, input->u.error.why, input->u.error.text);
	}
}

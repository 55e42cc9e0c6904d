/* Jobs whose units become known part by part: the first session's list of parts (files) is the
 * job's; each is collected by the session that is given it, and again by one that takes over some
 * of it, which must find the same. Sessions know units by indexes of their own, as they came to
 * collect them. */
#include <string.h>

#include "base/alloc.h"
#include "dispatch/private.h"

static const char *name_of(const struct ff_engine *e, uint32_t worker)
{
	return worker == FF_NOBODY ? "another worker" : e->state->workers[worker].name;
}

/* --- the list of parts --- */

void ff_shard_in_parts(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	(void)e;
	if (session->digest || input->u.in_parts.parts > UINT32_MAX / 4)
		return;
	session->in_parts = true;
	session->parts = input->u.in_parts.parts;
	session->go_on = input->u.in_parts.go_on;
}

void ff_shard_costs(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	struct engine_job *job = ff_run_session_job(e, session);
	size_t size = input->u.costs.len * sizeof(*input->u.costs.v);
	int64_t *copy;

	if (!job->in_parts || job->part_costs || input->u.costs.len != job->parts_len)
		return;
	copy = ff_arena_alloc(&job->arena, size + 1);
	if (!copy)
		copy = ff_xmalloc(SIZE_MAX); /* says that memory is out, and ends */
	memcpy(copy, input->u.costs.v, size);
	job->part_costs = copy;
}

/* What files are expected to cost, to be collected and run, for the order in which they are handed
 * out: what their units took before; of those that nobody knows, in proportion to their size, which
 * is all that there is at first. True: these are times. */
static bool expect_costs(const struct ff_engine *e, uint32_t number, int64_t *costs)
{
	const struct engine_job *job = &e->jobs[number];
	int64_t us = 0, size = 0;
	bool known = ff_expect_files(e->opts.expect, ff_engine_payload(e, number)->name, job->ids,
				     job->parts_len, costs);

	for (uint32_t i = 0; job->part_costs && i < job->parts_len; i++) {
		us += costs[i];
		size += costs[i] > 0 ? job->part_costs[i] : 0;
	}
	for (uint32_t i = 0; job->part_costs && i < job->parts_len; i++)
		if (costs[i] == 0)
			costs[i] = size > 0 ? (int64_t)((double)job->part_costs[i] * (double)us /
							(double)size)
					    : job->part_costs[i];
	return known;
}

void ff_shard_begin(struct ff_engine *e, const struct session *session)
{
	struct engine_job *job = ff_run_session_job(e, session);

	job->in_parts = true;
	job->parts_len = session->parts;
	job->go_on = session->go_on;
	job->parts_whole = job->policy == &ff_policy_loadfile;
	job->policy = &ff_policy_shard;
	job->parts = ff_xcalloc((size_t)job->parts_len + 1, sizeof(*job->parts));
	for (uint32_t i = 0; i < job->parts_len; i++)
		job->parts[i].worker = FF_NOBODY;
}

void ff_shard_know_parts(struct ff_engine *e, uint32_t number)
{
	struct engine_job *job = &e->jobs[number];
	int64_t *costs = ff_arena_alloc(&job->arena, ((size_t)job->parts_len + 1) * sizeof(*costs));

	if (!costs)
		costs = ff_xmalloc(SIZE_MAX); /* says that memory is out, and ends */
	job->parts_timed = expect_costs(e, number, costs);
	job->part_costs = costs;
	job->names_cap = 1;
	job->unit_names = ff_xcalloc(1, sizeof(*job->unit_names));
}

/* --- giving --- */

static bool knows(const struct session *session, uint32_t part)
{
	return session->firsts && session->firsts[part] != FF_NOBODY;
}

/* It has to collect this before anything else. */
static void has_to_collect(struct ff_engine *e, struct session *session, uint32_t part)
{
	if (session->part != FF_NOBODY)
		return;
	session->part = part;
	session->part_us = e->now.mono_us;
	ff_queues_collects(ff_run_session_queues(e, session), session->number, part);
}

static void order_part(struct ff_engine *e, struct session *session, uint32_t part,
		       const uint32_t *places, size_t len, bool all)
{
	struct ff_order order = {.kind = FF_ORDER_GIVE_PART, .worker = session->record};

	if (!knows(session, part))
		has_to_collect(e, session, part);
	order.host = session->placement.host;
	order.job = session->placement.job;
	order.count = e->jobs[order.job].workers;
	order.name = e->state->workers[session->record].name;
	order.part = part;
	order.digest = e->jobs[order.job].parts[part].digest;
	order.all = all;
	if (len > 0)
		order.units = ff_decision_copy(e->decision, places, len * sizeof(*places));
	order.units_len = len;
	ff_engine_order(e, &order);
}

void ff_shard_give(struct ff_engine *e, struct session *session, const uint32_t *units, size_t len)
{
	const struct ff_queues *queues = ff_run_session_queues(e, session);
	const struct engine_job *job = ff_run_session_job(e, session);
	uint32_t *places = ff_xmalloc((len + 1) * sizeof(*places));

	for (size_t i = 0, end; i < len; i = end) {
		uint32_t part = ff_queues_part_of(queues, units[i]);

		for (end = i; end < len && ff_queues_part_of(queues, units[end]) == part; end++)
			places[end] = units[end] - job->parts[part].first;
		order_part(e, session, part, places + i, end - i, false);
	}
	ff_free(places);
}

void ff_shard_give_part(struct ff_engine *e, struct session *session, uint32_t part)
{
	/* What an earlier run has done is known only when its units are. */
	session->part_only = ff_before_has_part(e, session->placement.job, part);
	order_part(e, session, part, NULL, 0, !session->part_only);
}

uint32_t ff_shard_index(const struct ff_engine *e, const struct session *session, uint32_t unit)
{
	uint32_t part = ff_queues_part_of(ff_run_session_queues(e, session), unit);

	if (!knows(session, part))
		return FF_NOBODY;
	return session->firsts[part] + unit - ff_run_session_job(e, session)->parts[part].first;
}

uint32_t ff_shard_unit(const struct session *session, uint32_t index)
{
	return index < session->units_len ? session->units[index] : FF_NOBODY;
}

/* --- what was collected --- */

static void differs(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	uint32_t number = session->placement.job, part = input->u.part.part, i = 0;
	const struct engine_job *job = &e->jobs[number];
	const struct job_part *was = &job->parts[part];
	const char *const *names = input->u.part.names;
	uint32_t count = names ? input->u.part.count : 0;

	ff_collect_tell_diff(e, number,
			     &(struct collection){name_of(e, was->worker),
						  (const char *const *)job->unit_names + was->first,
						  was->len},
			     &(struct collection){name_of(e, session->record), names, count});
	while (i < was->len && i < count && strcmp(job->unit_names[was->first + i], names[i]) == 0)
		i++;
	ff_job_error(
		e, number, FF_REASON_DIFFER,
		ff_engine_text(
			e,
			"different tests were collected in %s: %s has %u, %s has %u; number %u is "
			"'%s' there and '%s' here",
			job->ids[part], name_of(e, was->worker), was->len,
			name_of(e, session->record), input->u.part.count, i + 1,
			i < was->len ? job->unit_names[was->first + i] : "(none)",
			i < count ? names[i] : "(none)"));
	ff_job_stop(e, number, FF_REASON_DIFFER, NULL);
}

static void emit_added(struct ff_engine *e, uint32_t number, uint32_t part, uint32_t deselected)
{
	const struct job_part *added = &e->jobs[number].parts[part];
	struct ff_event event = {.kind = FF_EVENT_UNITS_ADDED,
				 .job = e->state->jobs[number].name,
				 .job_id = number + 1};

	event.u.units_added.part = e->jobs[number].ids[part];
	event.u.units_added.digest = added->digest;
	event.u.units_added.count = added->len;
	event.u.units_added.deselected = deselected;
	ff_engine_emit(e, &event);
	ff_front_more(e, number);
}

static void add_names(struct engine_job *job, const struct job_part *part, const char *const *names)
{
	uint32_t need = part->first + part->len;

	if (need > job->names_cap) {
		job->names_cap = need > 2 * job->names_cap ? need : 2 * job->names_cap;
		job->unit_names = ff_xrealloc((void *)job->unit_names,
					      job->names_cap * sizeof(*job->unit_names));
	}
	for (uint32_t i = 0; i < part->len; i++)
		job->unit_names[part->first + i] = ff_engine_keep(job, names[i]);
}

/* What each is expected to take; NULL: unknown. */
static int64_t *expect_units(const struct ff_engine *e, uint32_t number,
			     const struct job_part *part)
{
	const char *kind = ff_engine_payload(e, number)->name;
	const char *const *names = e->jobs[number].unit_names + part->first;
	int64_t *us;

	if (!ff_expect_knows(e->opts.expect, kind))
		return NULL;
	us = ff_xcalloc(2 * (size_t)part->len + 1, sizeof(*us));
	if (ff_expect_fill(e->opts.expect, kind, names, part->len, us, us + part->len))
		return us;
	ff_free(us);
	return NULL;
}

/* It is the first. */
static void know(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	uint32_t number = session->placement.job;
	struct engine_job *job = &e->jobs[number];
	struct job_part *part = &job->parts[input->u.part.part];
	struct ff_queues *queues = ff_run_session_queues(e, session);
	struct ff_claim *claims;
	size_t claims_len;
	uint64_t *done;
	int64_t *us;

	part->digest = ff_engine_keep(job, input->u.part.digest);
	part->first = e->state->jobs[number].units_len;
	part->len = input->u.part.count;
	part->worker = session->record;
	add_names(job, part, input->u.part.names);
	emit_added(e, number, input->u.part.part, input->u.part.deselected);
	done = ff_before_part(e, number, input->u.part.part);
	us = expect_units(e, number, part);
	claims = ff_marks_claims(e, number, session->marks, session->marks_len, part->first,
				 part->len, &claims_len);
	ff_queues_part_known(queues, session->number, input->u.part.part, part->len, done, us,
			     claims, claims_len);
	ff_free(claims);
	ff_free(us);
	if (session->part_only) {
		uint32_t *rest = ff_xmalloc(((size_t)part->len + 1) * sizeof(*rest));
		size_t len = 0;

		for (uint32_t i = 0; i < part->len; i++)
			if ((!done || !(done[i / 64] >> i % 64 & 1)) &&
			    !ff_queues_is_bound(queues, part->first + i))
				rest[len++] = i;
		if (len > 0)
			order_part(e, session, input->u.part.part, rest, len, false);
		ff_free(rest);
	}
	ff_free(done);
}

static void note_indexes(struct session *session, const struct engine_job *job, uint32_t number)
{
	const struct job_part *part = &job->parts[number];

	session->firsts[number] = session->units_len;
	session->units = ff_xrealloc(session->units, ((size_t)session->units_len + part->len + 1) *
							     sizeof(*session->units));
	for (uint32_t i = 0; i < part->len; i++)
		session->units[session->units_len++] = part->first + i;
}

void ff_shard_collected(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	uint32_t number = session->placement.job, part = input->u.part.part;
	struct engine_job *job = &e->jobs[number];
	const struct job_part *was;

	if (!job->in_parts || !session->up || part >= job->parts_len || knows(session, part) ||
	    part != session->part)
		return;
	was = &job->parts[part];
	if (!was->digest && !input->u.part.names) {
		ff_job_error(e, number, FF_REASON_PAYLOAD,
			     ff_engine_text(e, "the tests of %s were not named", job->ids[part]));
		ff_job_stop(e, number, FF_REASON_PAYLOAD, NULL);
		return;
	}
	if (was->digest &&
	    (strcmp(was->digest, input->u.part.digest) != 0 || was->len != input->u.part.count)) {
		differs(e, session, input);
		return;
	}
	if (!session->firsts) {
		session->firsts =
			ff_xmalloc(((size_t)job->parts_len + 1) * sizeof(*session->firsts));
		memset(session->firsts, 0xff, job->parts_len * sizeof(*session->firsts));
	}
	session->firsts[part] = session->units_len; /* for orders */
	if (!was->digest)
		know(e, session, input);
	note_indexes(session, job, part);
	session->part = FF_NOBODY;
	session->marks_len = 0;
	ff_queues_collected(ff_run_session_queues(e, session), session->number,
			    e->now.mono_us - session->part_us);
	if (!job->stopped)
		ff_run_session_feed(e, session);
	ff_run_session_feed_idle(e, number);
	ff_job_touch(e, number);
}

/* --- what can't be collected --- */

void ff_shard_left(struct ff_engine *e, struct session *session)
{
	struct ff_queues *queues = ff_run_session_queues(e, session);
	uint32_t part = session->part;

	session->part = FF_NOBODY;
	if (part != FF_NOBODY && queues && !ff_run_session_job(e, session)->parts[part].digest)
		ff_queues_part_again(queues, part);
}

static bool set_aside(struct ff_engine *e, struct session *session, const char *message,
		      const char *said)
{
	uint32_t number = session->placement.job;
	struct engine_job *job = &e->jobs[number];
	struct job_part *part = &job->parts[session->part];
	struct ff_event event = ff_run_session_event(e, session, FF_EVENT_COLLECT_PROBLEM);

	event.u.collect_problem.nodeid = job->ids[session->part];
	event.u.collect_problem.message = message;
	event.u.collect_problem.longrepr = ff_engine_text(
		e, "%s%s%s", message, said && *said ? "\nits last output on stderr:\n" : "",
		said ? said : "");
	if (ff_engine_first(job, event.u.collect_problem.nodeid)) {
		ff_engine_emit(e, &event);
		ff_front_part_lost(e, number, event.u.collect_problem.nodeid,
				   event.u.collect_problem.longrepr);
	}
	part->digest = "";
	part->first = e->state->jobs[number].units_len;
	emit_added(e, number, session->part, 0);
	if (ff_run_session_queues(e, session))
		ff_queues_part_known(ff_run_session_queues(e, session), FF_NOBODY, session->part, 0,
				     NULL, NULL, NULL, 0);
	session->part = FF_NOBODY;
	return !job->go_on;
}

bool ff_shard_crashed(struct ff_engine *e, struct session *session, const char *reason,
		      const char *said)
{
	uint32_t part = session->part;

	if (part == FF_NOBODY || ff_engine_killing(e) || ff_run_session_runs(e, session) ||
	    ff_run_session_job(e, session)->stopped ||
	    ff_run_session_job(e, session)->parts[part].digest)
		return false;
	return set_aside(e, session,
			 ff_engine_text(e, "worker '%s' on host %s crashed while collecting %s: %s",
					name_of(e, session->record),
					e->state->hosts[session->placement.host].name,
					ff_run_session_job(e, session)->ids[part], reason),
			 said);
}

bool ff_shard_host_lost(struct ff_engine *e, struct session *session, const char *reason)
{
	struct engine_job *job = ff_run_session_job(e, session);
	uint32_t part = session->part;

	if (part == FF_NOBODY || ff_run_session_runs(e, session) || job->parts[part].digest ||
	    job->stopped || ++job->parts[part].deaths < UNIT_ALONE_MAX)
		return false;
	return set_aside(
		e, session,
		ff_engine_text(e, "host %s was lost while %s collected %s, as was one before: %s",
			       e->state->hosts[session->placement.host].name,
			       name_of(e, session->record), job->ids[part], reason),
		NULL);
}

void ff_shard_stop(struct ff_engine *e, uint32_t number)
{
	if (e->jobs[number].in_parts && !e->jobs[number].go_on)
		ff_job_stop(e, number, FF_REASON_NONE, NULL);
}

void ff_shard_free(struct session *session)
{
	ff_free(session->firsts);
	ff_free(session->units);
	ff_free(session->indexes);
}

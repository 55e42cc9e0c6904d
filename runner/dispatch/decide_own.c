/* Sessions with a collection of their own: they know tests by other indexes than the job, which has
 * the first session's. What all have in common runs. What one of them lacks is given out no more,
 * and what only it has is no unit of the job: both are told, and the job fails. */
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "dispatch/private.h"

uint32_t ff_own_index(const struct session *session, uint32_t id)
{
	return session && session->indexes ? session->indexes[id] : id;
}

uint32_t ff_own_id(const struct session *session, uint32_t index)
{
	if (!session->indexes)
		return index;
	return index < session->units_len ? session->units[index] : FF_NOBODY;
}

static uint32_t ids_len(const struct ff_engine *e, uint32_t job)
{
	return e->jobs[job].each ? e->jobs[job].each : e->state->jobs[job].units_len;
}

/* A name may be there more than once: the first one here is the first one there. */
static void match(const struct ff_engine *e, struct session *session, const char *const *names,
		  uint32_t len)
{
	const struct engine_job *job = &e->jobs[session->placement.job];
	uint32_t count = ids_len(e, session->placement.job);
	uint32_t *next = ff_xcalloc((size_t)len + 1, sizeof(*next));
	struct ff_map heads;

	ff_map_init(&heads);
	session->units = ff_xmalloc(((size_t)len + 1) * sizeof(*session->units));
	session->units_len = len;
	session->indexes = ff_xmalloc(((size_t)count + 1) * sizeof(*session->indexes));
	for (uint32_t i = len; i-- > 0;) {
		session->units[i] = FF_NOBODY;
		next[i] = (uint32_t)(uintptr_t)ff_map_get(&heads, names[i]);
		if (ff_map_set(&heads, names[i], (void *)(uintptr_t)(i + 1)) != 0)
			ff_xmalloc(SIZE_MAX); /* says that memory is out, and ends */
	}
	for (uint32_t id = 0; id < count; id++) {
		uint32_t head = (uint32_t)(uintptr_t)ff_map_get(&heads, job->ids[id]);

		session->indexes[id] = head ? head - 1 : FF_NOBODY;
		if (head == 0)
			continue;
		session->units[head - 1] = id;
		if (next[head - 1] == 0)
			ff_map_del(&heads, job->ids[id]);
		else
			ff_map_set(&heads, job->ids[id], (void *)(uintptr_t)next[head - 1]);
	}
	ff_map_release(&heads);
	ff_free(next);
}

static const char *name_of(const struct ff_engine *e, const struct session *session)
{
	return e->state->workers[session->record].name;
}

static void note(struct ff_engine *e, const struct session *session, const char *text)
{
	struct ff_event event = ff_run_session_event(e, session, FF_EVENT_NOTICE);

	event.u.notice.level = "note";
	event.u.notice.text = text;
	ff_engine_emit(e, &event);
}

/* What only it has. */
static uint32_t tell_more(struct ff_engine *e, const struct session *session,
			  const char *const *names)
{
	struct engine_job *job = &e->jobs[session->placement.job];
	uint32_t more = 0;

	for (uint32_t i = 0; i < session->units_len; i++) {
		struct ff_event event = ff_run_session_event(e, session, FF_EVENT_COLLECT_PROBLEM);

		if (session->units[i] != FF_NOBODY)
			continue;
		more++;
		if (!ff_engine_first(job, ff_engine_text(e, "only there: %s", names[i])))
			continue;
		event.u.collect_problem.nodeid = names[i];
		event.u.collect_problem.message =
			ff_engine_text(e, "not run: %s has collected it, %s has not",
				       name_of(e, session), e->state->workers[job->named_by].name);
		ff_engine_emit(e, &event);
	}
	return more;
}

static bool is_left(const struct ff_engine *e, uint32_t number, uint32_t id)
{
	const struct ff_job_record *record = &e->state->jobs[number];

	for (uint32_t unit = id; unit < record->units_len; unit += ids_len(e, number))
		if (record->units[unit].state != FF_UNIT_DONE)
			return true;
	return false;
}

/* What it lacks of that which is not done. */
static uint32_t lacks(const struct ff_engine *e, const struct session *session)
{
	uint32_t number = session->placement.job, len = 0;

	for (uint32_t id = 0; id < ids_len(e, number); id++)
		len += session->indexes[id] == FF_NOBODY && is_left(e, number, id);
	return len;
}

static void exclude(struct ff_engine *e, const struct session *session)
{
	uint32_t number = session->placement.job;
	struct engine_job *job = &e->jobs[number];

	for (uint32_t id = 0; id < ids_len(e, number); id++) {
		const char *others = ff_map_get_u32(&job->lacking, id);

		if (session->indexes[id] != FF_NOBODY || !is_left(e, number, id))
			continue;
		others = ff_engine_keep(
			job, others ? ff_engine_text(e, "%s, %s", others, name_of(e, session))
				    : name_of(e, session));
		if (ff_map_set_u32(&job->lacking, id, (void *)(uintptr_t)others) != 0)
			ff_xmalloc(SIZE_MAX); /* says that memory is out, and ends */
		for (uint32_t unit = id; unit < e->state->jobs[number].units_len;
		     unit += ids_len(e, number))
			ff_queues_exclude(ff_sched_queues(e->sched, number), unit);
	}
}

/* What others were given of it already, and have not begun. */
void ff_own_take_back(struct ff_engine *e, uint32_t number)
{
	struct ff_list *pos;

	ff_list_for_each(pos, &e->jobs[number].sessions) {
		struct session *session = ff_container_of(pos, struct session, in_job);
		const uint32_t *units;
		size_t len;

		if (!session->up || session->told_end)
			continue;
		len = ff_queues_excluded_at(ff_sched_queues(e->sched, number), session->number,
					    &units);
		if (len > 0)
			ff_run_session_take_back(e, session, units, len);
		ff_free((void *)(uintptr_t)units);
	}
}

/* Or may be: it has yet to collect. */
static bool other_is_up(const struct ff_engine *e, const struct session *than)
{
	struct ff_list *pos;

	ff_list_for_each(pos, &e->jobs[than->placement.job].sessions) {
		const struct session *session = ff_container_of(pos, struct session, in_job);

		if (session != than && !session->told_end && !session->finished)
			return true;
	}
	return false;
}

bool ff_own_collection(struct ff_engine *e, struct session *session, const struct ff_input *input,
		       const char *text)
{
	uint32_t number = session->placement.job, more, less;
	struct engine_job *job = &e->jobs[number];

	if (e->opts.plan->jobs[number].config->strict_collection ||
	    e->opts.config->settings.strict_collection || !job->ids || !job->unit_names ||
	    job->in_parts || session->in_parts || job->collect_only || ff_driven(e, number) ||
	    session->up || session->indexes)
		return false;
	match(e, session, input->u.ids.names, input->u.ids.len);
	more = tell_more(e, session, input->u.ids.names);
	less = lacks(e, session);
	if (!job->differs && (more > 0 || input->u.ids.len - more < ids_len(e, number)))
		job->differs = ff_engine_keep(job, text);
	/* One that comes later is not to take from those that are there what they can run. */
	if (less > 0 && session->number >= job->workers && other_is_up(e, session)) {
		note(e, session,
		     ff_engine_text(e,
				    "%s runs nothing: it has not collected %u of the "
				    "tests that are left",
				    name_of(e, session), less));
		ff_run_session_stop(e, session);
		return true;
	}
	exclude(e, session);
	ff_own_take_back(e, number);
	ff_run_session_up(e, session);
	ff_job_touch(e, number);
	return true;
}

void ff_own_look(struct ff_engine *e, uint32_t number)
{
	struct engine_job *job = &e->jobs[number];
	struct ff_queues *queues = ff_sched_queues(e->sched, number);
	struct unit_at at = {.job = number, .host = FF_NOBODY, .worker = FF_NOBODY};
	struct ff_result result = {.outcome = FF_OUTCOME_LOST};

	if (!(job->differs || job->cancelled) || !queues || job->stopped)
		return;
	while ((at.unit = ff_queues_take_dropped(queues)) != FF_NOBODY) {
		uint32_t id = ff_spread_index(e, number, at.unit);

		if (ff_cancel_dropped(e, number, at.unit))
			continue;
		result.message = ff_engine_text(e, "not run: %s has collected it, not %s",
						e->state->workers[job->named_by].name,
						(const char *)ff_map_get_u32(&job->lacking, id));
		ff_unit_finished(e, &at, &result);
	}
}

/* Jobs whose front says who runs what. It is told which workers may be given units, what becomes of
 * them, and what came back; it hands units out one by one. Here it is kept that each is run once,
 * and that the job comes to an end: when all that it was told is done with and nothing more can
 * happen by itself, the tests that wait for their next one go on without; if none does, the front
 * is told so; if nothing comes of that, its scheduler is to blame, and the job ends. */
#include "base/alloc.h"
#include "dispatch/private.h"

static struct job_front *front_of(struct ff_engine *e, uint32_t job)
{
	return &e->jobs[job].front;
}

bool ff_driven(const struct ff_engine *e, uint32_t job)
{
	return e->jobs[job].policy && e->jobs[job].policy->driven;
}

static bool goes_on(const struct ff_engine *e, uint32_t job)
{
	return ff_driven(e, job) && !e->jobs[job].stopped && ff_front_listens(e, job) &&
	       e->state->jobs[job].state == FF_JOBSTATE_RUNNING;
}

static void fails(struct ff_engine *e, uint32_t job, const char *text)
{
	ff_job_error(e, job, FF_REASON_PAYLOAD, text);
	ff_job_stop(e, job, FF_REASON_PAYLOAD, NULL);
}

/* --- how many workers there are to be: one that was dismissed has no successor --- */

static void limit_sessions(struct ff_engine *e, uint32_t number)
{
	const struct engine_job *job = &e->jobs[number];
	uint32_t most = job->front.planned - job->front.dismissed;

	if (job->front.dismissed >= job->front.planned)
		ff_sched_no_sessions(e->sched, number);
	else
		ff_sched_job_most(e->sched, number,
				  job->most && job->most < most ? job->most : most);
}

static void dismiss(struct ff_engine *e, struct session *session)
{
	uint32_t job = session->placement.job;

	/* One that did not know yet that a unit is to be run again would have it otherwise. */
	if (!session->dismissed && front_of(e, job)->heard >= front_of(e, job)->again_at) {
		front_of(e, job)->dismissed++;
		limit_sessions(e, job);
	}
	session->dismissed = true;
	if (session->up)
		ff_queues_dismiss(ff_run_session_queues(e, session), session->number);
}

/* Opened before it was known how many there may be: nobody outside has heard of it. */
static bool is_surplus(const struct ff_engine *e, const struct session *session)
{
	return session->up &&
	       ff_queues_info(ff_run_session_queues(e, session), session->number).surplus;
}

void ff_driven_over(struct ff_engine *e, struct session *session, bool in_order)
{
	uint32_t job = session->placement.job;

	if (!ff_driven(e, job) || is_surplus(e, session) || session->dismissed == in_order)
		return;
	session->dismissed = in_order;
	if (in_order)
		front_of(e, job)->dismissed++;
	else if (front_of(e, job)->dismissed > 0)
		front_of(e, job)->dismissed--;
	limit_sessions(e, job);
}

/* All that it had may have been dismissed. */
void ff_driven_again(struct ff_engine *e, uint32_t job)
{
	struct job_front *front = front_of(e, job);

	if (!ff_driven(e, job))
		return;
	front->again_at = front->told;
	if (front->dismissed < front->planned)
		return;
	front->dismissed = front->planned - (front->planned > 0);
	limit_sessions(e, job);
}

/* --- what it is told --- */

void ff_driven_up(struct ff_engine *e, struct session *session)
{
	uint32_t job = session->placement.job;
	struct ff_front_item item = {.kind = FF_FRONT_UP,
				     .worker = ff_run_session_record(e, session)->name,
				     .unit = FF_NOBODY};

	if (!ff_driven(e, job))
		return;
	if (is_surplus(e, session))
		return;
	if (!session->asks_front || session->dismissed)
		dismiss(e, session); /* it is not known there; or it was before it was up */
	else if (ff_front_listens(e, job))
		ff_front_tell(e, job, &item, session->record);
}

void ff_driven_returned(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	uint32_t job = session->placement.job;
	struct ff_front_item item = {.kind = FF_FRONT_BACK,
				     .worker = ff_run_session_record(e, session)->name,
				     .unit = FF_NOBODY,
				     .units = input->u.returned.units,
				     .units_len = input->u.returned.len};

	if (session->stolen == 0)
		return; /* it forgot all, as it was told when its job stopped */
	session->stolen--;
	if (ff_front_listens(e, job))
		ff_front_tell(e, job, &item, session->record);
}

/* --- what it says --- */

/* NULL: there is nobody to whom it could be passed on, which the front has yet to hear. */
static struct session *session_named(const struct ff_engine *e, uint32_t job, const char *name)
{
	uint32_t worker = ff_state_find_worker(e->state, name);
	struct session *session = worker == FF_NOBODY ? NULL : ff_run_session_of(e, worker);

	if (!session || session->placement.job != job || session->finished || session->held ||
	    session->told_end)
		return NULL;
	return session;
}

/* Why this unit can't be given. */
static const char *not_to_give(struct ff_engine *e, uint32_t job, uint32_t unit, const char *worker)
{
	const struct ff_job_record *record = &e->state->jobs[job];
	const char *name;

	if (unit >= record->units_len)
		return ff_engine_text(e,
				      "its own scheduler gives number %u to %s, and there are only "
				      "%u tests",
				      unit, worker, record->units_len);
	name = ff_engine_unit_name(e, job, unit);
	return ff_engine_text(e,
			      "its own scheduler gives '%s' to %s, but %s: each test is run once "
			      "(--dist each runs all on every worker)",
			      name, worker,
			      record->units[unit].state == FF_UNIT_DONE
				      ? "that has come to its end"
				      : "it has given that to somebody already");
}

/* It has its end from elsewhere than from this scheduler: from an earlier run, or because its
 * worker died, after which some put it back with what else that worker had. */
static bool is_over(const struct ff_engine *e, uint32_t job, uint32_t unit)
{
	const struct ff_job_record *record = &e->state->jobs[job];
	const uint64_t *before = e->jobs[job].done_before;

	if (unit >= record->units_len || record->units[unit].state != FF_UNIT_DONE)
		return false;
	if (before && (before[unit / 64] >> unit % 64 & 1))
		return true;
	return record->units[unit].outcome == FF_OUTCOME_CRASHED ||
	       record->units[unit].outcome == FF_OUTCOME_TIMEOUT ||
	       record->units[unit].outcome == FF_OUTCOME_LOST;
}

static void skip(struct ff_engine *e, uint32_t job, const struct session *session, uint32_t unit)
{
	struct ff_front_item item = {.kind = FF_FRONT_SKIP,
				     .worker = ff_run_session_record(e, session)->name,
				     .unit = unit};

	ff_front_tell(e, job, &item, session->record);
}

static void gives(struct ff_engine *e, uint32_t job, const struct ff_input *input)
{
	struct session *session = session_named(e, job, input->u.hands.worker);
	uint32_t *units = ff_xcalloc(input->u.hands.len + 1, sizeof(*units));
	const char *wrong = NULL;
	size_t len = 0;

	for (size_t i = 0; session && session->up && !wrong && i < input->u.hands.len; i++) {
		uint32_t unit = input->u.hands.units[i];

		if (session->dismissed)
			wrong = ff_engine_text(e,
					       "its own scheduler gives %s something after it "
					       "has ended it",
					       input->u.hands.worker);
		else if (is_over(e, job, unit))
			skip(e, job, session, unit);
		else if (ff_queues_hand(ff_run_session_queues(e, session), session->number, unit))
			units[len] = unit, len += !ff_retry_holds_back(e, session, unit);
		else
			wrong = not_to_give(e, job, unit, input->u.hands.worker);
	}
	if (len > 0 && !wrong)
		ff_run_session_give(e, session, units, len);
	else if (session && session->held_back > 0 && session->wants)
		ff_run_session_idle(e, session); /* what comes next rests */
	ff_free(units);
	if (wrong)
		fails(e, job, wrong);
}

static void steals(struct ff_engine *e, uint32_t job, const struct ff_input *input)
{
	struct session *session = session_named(e, job, input->u.hands.worker);

	if (!session || !session->up)
		return;
	session->stolen++;
	ff_run_session_take_back(e, session, input->u.hands.units, input->u.hands.len);
}

static void dismisses(struct ff_engine *e, uint32_t job, const struct ff_input *input)
{
	struct session *session = session_named(e, job, input->u.hands.worker);

	if (!session)
		return;
	dismiss(e, session);
	if (session->up)
		ff_run_session_feed(e, session);
}

static void gives_up(struct ff_engine *e, uint32_t job, const struct ff_input *input)
{
	struct unit_at at = {
		.job = job, .unit = input->unit, .host = FF_NOBODY, .worker = FF_NOBODY};
	struct ff_result result = {.outcome = FF_OUTCOME_LOST, .message = input->u.said.text};
	struct ff_queues *queues = ff_sched_queues(e->sched, job);

	if (queues && ff_queues_withdraw(queues, input->unit))
		ff_unit_finished(e, &at, &result);
}

void ff_driven_input(struct ff_engine *e, uint32_t job, const struct ff_input *input)
{
	if (!goes_on(e, job))
		return;
	front_of(e, job)->stirs |= input->kind != FF_INPUT_FRONT_HEARD;
	switch (input->kind) {
	case FF_INPUT_FRONT_GIVES:
		gives(e, job, input);
		break;
	case FF_INPUT_FRONT_STEALS:
		steals(e, job, input);
		break;
	case FF_INPUT_FRONT_DISMISSES:
		dismisses(e, job, input);
		break;
	case FF_INPUT_FRONT_GIVES_UP:
		gives_up(e, job, input);
		break;
	default:
		front_of(e, job)->heard = input->u.heard.count;
		break;
	}
}

/* --- whether it goes on --- */

static bool moves(const struct ff_engine *e, const struct session *session)
{
	if (session->finished)
		return false;
	if (session->held || !session->up || session->told_end || session->stolen > 0)
		return true;
	if (session->timed_out || session->killed_for || session->killed_late)
		return true; /* its end has yet to be heard */
	return !session->wants &&
	       ff_queues_info(ff_run_session_queues(e, session), session->number).queued > 0;
}

/* All that can happen has happened. */
static bool is_quiet(struct ff_engine *e, uint32_t number)
{
	const struct job_front *front = front_of(e, number);
	struct ff_list *pos;

	if (!goes_on(e, number) || e->jobs[number].live == 0 || front->heard != front->told ||
	    front->asked_len > 0 || front->unanswered > 0 || !ff_host_all_settled(e))
		return false;
	ff_list_for_each(pos, &e->jobs[number].sessions)
		if (moves(e, ff_container_of(pos, struct session, in_job)))
			return false;
	return true;
}

/* Those that wait for what comes next do not get to know it; how many of them. */
static uint32_t let_go_on(struct ff_engine *e, uint32_t number, uint32_t *up)
{
	uint32_t waited = 0;
	struct ff_list *pos;

	ff_list_for_each(pos, &e->jobs[number].sessions) {
		struct session *session = ff_container_of(pos, struct session, in_job);

		*up += session->up;
		if (session->up && session->wants) {
			ff_run_session_idle(e, session);
			waited++;
		}
	}
	return waited;
}

static void look_at(struct ff_engine *e, uint32_t number)
{
	const struct ff_job_record *record = &e->state->jobs[number];
	struct job_front *front = front_of(e, number);
	struct ff_front_item stuck = {.kind = FF_FRONT_STUCK, .unit = FF_NOBODY};
	uint32_t left = record->units_len - record->units_done;

	if (let_go_on(e, number, &stuck.number) > 0)
		return;
	if (left > 0 && (front->stirs || front->stuck == 0) &&
	    front->stuck < record->units_len + front->planned) {
		front->stirs = false;
		front->stuck++;
		ff_front_tell(e, number, &stuck, FF_NOBODY);
		return;
	}
	fails(e, number,
	      left > 0 ? ff_engine_text(e,
					"its own scheduler gives out nothing more, and %u of %u "
					"tests have not run",
					left, record->units_len)
		       : "all tests have run, but its own scheduler does not end: its "
			 "tests_finished is false, and it shuts down no worker");
}

bool ff_driven_look(struct ff_engine *e)
{
	bool acted = false;

	for (uint32_t job = 0; e->driven > 0 && job < e->state->jobs_len; job++)
		if (is_quiet(e, job)) {
			look_at(e, job);
			acted = true;
		}
	return acted;
}

bool ff_driven_out(struct ff_engine *e, uint32_t number)
{
	const struct ff_job_record *record = &e->state->jobs[number];
	const struct job_front *front = front_of(e, number);

	if (!ff_driven(e, number) || front->dismissed < front->planned)
		return false;
	fails(e, number,
	      ff_engine_text(e,
			     "its own scheduler has ended all workers, and %u of %u tests have "
			     "not run",
			     record->units_len - record->units_done, record->units_len));
	return true;
}

/* How long sessions may give no sign of life outside of their units: while they collect, set up or
 * tear down what lasts for all of them, or come to their end. All that they say is a sign. */
#include "base/alloc.h"
#include "dispatch/private.h"

#define SECOND_US INT64_C(1000000)

enum {
	DEFAULT_SECONDS = 300, /* fixtures may start servers */
	END_TIMES = 3,	       /* the limit of units */
	END_MIN_SECONDS = 10,
	LET_GO_SECONDS = 60,
};

int64_t ff_job_silence_limit(const struct ff_engine *e, uint32_t job)
{
	int64_t said = e->opts.plan->jobs[job].config->session_timeout_us;

	return said >= 0 ? said : DEFAULT_SECONDS * SECOND_US;
}

int64_t ff_job_end_limit(const struct ff_engine *e, uint32_t job, int64_t least_us)
{
	const struct ff_config_job *config = e->opts.plan->jobs[job].config;
	int64_t limit = ff_job_silence_limit(e, job), units = END_TIMES * config->timeout_us;

	if (config->session_timeout_us >= 0 || units == 0)
		return limit;
	if (units < least_us)
		units = least_us;
	return units < limit ? units : limit;
}

static int64_t limit_of(const struct ff_engine *e, const struct session *session)
{
	uint32_t job = session->placement.job;

	return session->told_end || session->let_go
		       ? ff_job_end_limit(e, job, END_MIN_SECONDS * SECOND_US)
		       : ff_job_silence_limit(e, job);
}

/* Whether something is to come from it that is no unit's end. */
static bool owes(const struct ff_engine *e, const struct session *session)
{
	if (!session->begun || session->finished || session->held)
		return false;
	if (ff_run_session_runs(e, session))
		return session->doing != NULL;
	if (session->told_end)
		return true;
	if (session->up || (session->asks_front && !session->front_answered))
		return false;
	return !session->digest || ff_run_session_job(e, session)->ids_from == session->record;
}

void ff_silence_anew(struct ff_engine *e, struct session *session)
{
	int64_t limit = owes(e, session) ? limit_of(e, session) : 0;

	if (limit > 0)
		ff_engine_due(e, &session->silence, e->now.mono_us + limit);
	else
		ff_engine_not_due(e, &session->silence);
}

void ff_silence_doing(struct session *session, const char *words)
{
	ff_free(session->doing);
	session->doing = ff_xstrdup(words);
}

const char *ff_silence_while(const struct session *session)
{
	return session->doing ? session->doing : "loading plugins and conftest files";
}

/* It lives, and is slow. */
static bool had_its_time(const struct ff_engine *e, const struct session *session)
{
	int64_t most_us = LET_GO_SECONDS * SECOND_US, limit_us = limit_of(e, session);

	if (limit_us > 0 && limit_us < most_us)
		most_us = limit_us;
	return session->let_go && e->now.mono_us - session->let_go_us >= most_us;
}

void ff_silence_heard(struct ff_engine *e, struct session *session)
{
	session->heard_us = e->now.mono_us;
	ff_silence_anew(e, session);
	if (had_its_time(e, session))
		ff_run_session_kill(e, session);
}

void ff_silence_dismiss(struct ff_engine *e, struct session *session)
{
	int64_t limit_us;

	if (session->up || session->finished || session->let_go)
		return;
	session->let_go = true;
	session->let_go_us = e->now.mono_us;
	limit_us = limit_of(e, session);
	if (!session->silence.deadline.pos ||
	    (limit_us > 0 && session->silence.deadline.at_us > e->now.mono_us + limit_us))
		ff_silence_anew(e, session);
	if (limit_us == 0 || limit_us > LET_GO_SECONDS * SECOND_US)
		limit_us = LET_GO_SECONDS * SECOND_US;
	ff_engine_due(e, &session->timeout, e->now.mono_us + limit_us);
}

void ff_silence_dismissed_due(struct ff_engine *e, struct session *session)
{
	if (!session->begun || session->heard_us > session->let_go_us)
		ff_run_session_kill(e, session);
}

void ff_silence_due(struct ff_engine *e, struct session *session)
{
	const char *name = ff_run_session_record(e, session)->name;
	struct engine_job *job = ff_run_session_job(e, session);
	double limit = (double)limit_of(e, session) / 1e6;

	if (e->full || job->front.full) { /* while we don't read, it can't say anything */
		ff_engine_due(e, &session->silence, e->now.mono_us + GRACE_US);
		return;
	}
	if (ff_run_session_runs(e, session)) {
		session->timed_out = true;
		session->killed_for =
			ff_engine_keep(job, ff_engine_text(e, "no sign of life for %.1f s while %s",
							   limit, session->doing));
	} else {
		session->killed_for = ff_engine_keep(
			job, session->told_end
				     ? ff_engine_text(e,
						      "%s did not end in time after its last test "
						      "and was killed",
						      name)
				     : ff_engine_text(e,
						      "%s gave no sign of life for %.1f s while "
						      "%s and was killed",
						      name, limit, ff_silence_while(session)));
		ff_job_error(e, session->placement.job, FF_REASON_SESSION, session->killed_for);
	}
	ff_run_session_kill(e, session);
}

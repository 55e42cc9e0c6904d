/* All sessions of a job: started where slots are free and units wait, fed, and the job's end found.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "dispatch/private.h"

static uint32_t sessions_not_yet_up(const struct run_job *job)
{
	const struct ff_list *pos;
	uint32_t n = 0;

	ff_list_for_each(pos, &job->sessions) {
		const struct run_session *session = ff_container_of(pos, struct run_session, node);

		n += session->state == SESSION_OPENING || session->state == SESSION_COLLECTING ||
		     session->state == SESSION_WAITING;
	}
	return n;
}

static uint32_t restart_limit(const struct run_job *job)
{
	int64_t limit = job->run->opts->config->settings.max_worker_restart;

	return limit >= 0 ? (uint32_t)limit : 4 * job->workers;
}

static void start_sessions(struct run_job *job)
{
	struct run *run = job->run;

	if (run->stopping || job->stopped || job->given_up || job->error ||
	    job->crashes > restart_limit(job))
		return;
	for (size_t i = 0; i < run->opts->inventory->len; i++) {
		struct run_host *host = &run->hosts[i];

		if (!host_takes_work(host) || host->python_problem || !job_wants_host(job, host))
			continue;
		while (host->used < host->host->slots && !host->python_problem &&
		       (!job->collected ||
			job->sched->class->waiting(job->sched) > sessions_not_yet_up(job)))
			session_start(job, host);
	}
}

/* Why a job without live sessions can't go on; NULL: it may, a host is still to come. */
static char *no_session_reason(const struct run_job *job)
{
	const struct run *run = job->run;
	struct ff_buf text = FF_BUF_INIT;

	if (job->crashes > restart_limit(job))
		return ff_xasprintf("%u workers crashed, more than max_worker_restart allows%s%s",
				    job->crashes, job->last_reason ? "; the first: " : "",
				    job->last_reason ? job->last_reason : "");
	for (size_t i = 0; i < run->opts->inventory->len; i++) {
		const struct run_host *host = &run->hosts[i];

		if (!job_wants_host(job, host))
			continue;
		if (host_usable(host) && !host->python_problem) {
			ff_buf_release(&text);
			return NULL;
		}
		ff_buf_addf(&text, "%shost %s: %s", text.len ? "; " : "", host->host->name,
			    host->state == HOST_DOWN ? host->error.text
			    : host->python_problem   ? host->python_problem
						     : "not available");
	}
	return ff_buf_take(&text);
}

static void enforce_timeout(struct run_job *job, struct run_session *session)
{
	int64_t timeout = job->plan->config->timeout_us;

	if (timeout > 0 && session->running != UINT32_MAX && !session->timed_out &&
	    ff_clock_us() - session->started_at > timeout) {
		session->timed_out = true;
		session_kill(session);
	}
}

void session_job_pump(struct run_job *job)
{
	struct ff_list *pos;
	char *reason;
	bool all_done, moved = job->moved;

	job->moved = false;
	start_sessions(job);
	ff_list_for_each(pos, &job->sessions) {
		struct run_session *session = ff_container_of(pos, struct run_session, node);

		enforce_timeout(job, session);
		if (session->hungry || (session->idle && moved))
			session_feed(session);
		session_answer_want(session);
	}
	if (job->live > 0)
		return;
	all_done = job->collected && job->units_done == job->units_len;
	if (all_done && job->units_len == 0 && job->problems == 0 && !job->error)
		job_error(job, false, "no tests were collected");
	if (all_done || job->stopped || job->run->stopping || job->error || job->given_up) {
		job_finish(job);
		return;
	}
	reason = no_session_reason(job);
	if (reason) {
		job_error(job, true, "no worker is left for it: %s", reason);
		job_finish(job);
	}
	free(reason);
}

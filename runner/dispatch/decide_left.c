/* How long a run will go on, where it is known what its units take: nothing is decided by that. */
#include "dispatch/private.h"

/* In the beginning workers are thought to be as quick as earlier ones: as if they had done this
 * part of the work already. */
enum { PART_BELIEVED = 50 };

struct left {
	int64_t waiting_us; /* expected, of all units that have not ended */
	int64_t longest_us; /* what one worker has of that */
	int64_t spent_us;   /* by all workers, since they came up */
};

/* What a part takes whose units are not known yet; 0 of others. */
static int64_t unknown_us(const struct engine_job *job, uint32_t part)
{
	return job->parts[part].digest ? 0 : job->part_costs[part];
}

static void add_worker(struct left *left, const struct ff_engine *e, const struct session *session,
		       int64_t now_us)
{
	const struct engine_job *job = &e->jobs[session->placement.job];
	struct ff_queue_info info =
		ff_queues_info(ff_sched_queues(e->sched, session->placement.job), session->number);
	int64_t has_us = info.running_us + info.ahead_us, ran_us = now_us - session->started_us;
	int64_t collects_us =
		job->in_parts && session->part != FF_NOBODY ? unknown_us(job, session->part) : 0;

	if (info.queued > 0 && session->started_us > 0)
		has_us -= ran_us < info.running_us ? ran_us : info.running_us;
	left->waiting_us += has_us;
	has_us += collects_us; /* of all that waits */
	left->longest_us = has_us > left->longest_us ? has_us : left->longest_us;
	left->spent_us += now_us - session->up_us;
}

/* Of all parts, or of those whose units are not known yet. */
static int64_t parts_us(const struct engine_job *job, bool unknown)
{
	int64_t us = 0;

	for (uint32_t i = 0; job->parts_timed && i < job->parts_len; i++)
		us += unknown ? unknown_us(job, i) : job->part_costs[i];
	return us;
}

static int64_t job_left_us(const struct ff_engine *e, uint32_t job, int64_t now_us)
{
	const struct ff_queues *queues = ff_sched_queues(e->sched, job);
	int64_t all_us = queues ? ff_queues_all_us(queues) : 0, share_us, done_us, believed_us;
	struct left left = {0};
	struct ff_list *pos;

	if (queues && e->jobs[job].in_parts)
		all_us = parts_us(&e->jobs[job], false);
	if (all_us <= 0)
		return -1;
	left.waiting_us =
		e->jobs[job].in_parts ? parts_us(&e->jobs[job], true) : ff_queues_left_us(queues);
	left.spent_us = e->jobs[job].worked_us;
	ff_list_for_each(pos, &e->jobs[job].sessions) {
		const struct session *session = ff_container_of(pos, struct session, in_job);

		if (session->up && !session->finished)
			add_worker(&left, e, session, now_us);
	}
	/* Those that are yet to come will have their share. */
	share_us = left.waiting_us / ff_queues_workers(queues);
	if (left.longest_us < share_us)
		left.longest_us = share_us;
	/* Between tests there is time, too, and the machine may have other things to do. */
	believed_us = all_us / PART_BELIEVED + 1;
	done_us = all_us > left.waiting_us ? all_us - left.waiting_us : 0;
	return (int64_t)((double)left.longest_us * (double)(left.spent_us + believed_us) /
			 (double)(done_us + believed_us));
}

static int64_t units_left_us(const struct ff_engine *e, int64_t now_us)
{
	int64_t longest_us = -1;

	for (uint32_t i = 0; i < e->state->jobs_len; i++) {
		int64_t us;

		if (e->state->jobs[i].state == FF_JOBSTATE_FINISHED)
			continue;
		us = job_left_us(e, i, now_us);
		if (us < 0)
			return -1;
		longest_us = us > longest_us ? us : longest_us;
	}
	return longest_us;
}

/* --- while everything stops --- */

/* What has begun, by what is known of it; negative: something unknown has. */
static int64_t running_us(const struct ff_engine *e, int64_t now_us)
{
	int64_t longest_us = 0;

	for (uint32_t i = 0; i < e->executions.len; i++) {
		struct execution *x = ff_executions_at(&e->executions, i);
		const struct ff_expect_unit *known;
		int64_t us;

		if (x->number == 0 || x->placement.ahead)
			continue;
		known = ff_expect_find(e->opts.expect, ff_engine_payload(e, x->placement.job)->name,
				       ff_execution_name(x));
		if (!known || known->us <= 0)
			return -1;
		us = known->us - (now_us - x->started_us);
		longest_us = us > longest_us ? us : longest_us;
	}
	return e->state->run.workers > 0 ? -1 : longest_us;
}

/* That, or until it is killed. */
static int64_t stopping_us(const struct ff_engine *e, int64_t now_us)
{
	int64_t us = running_us(e, now_us), killed_us;

	if (e->kill.deadline.pos == 0)
		return us;
	killed_us = e->kill.deadline.at_us > now_us ? e->kill.deadline.at_us - now_us : 0;
	return us < 0 || us > killed_us ? killed_us : us;
}

/* --- before and behind the units --- */

static int64_t took_before_us(const struct ff_engine *e, const char *kind, uint32_t host)
{
	return ff_expect_file_us(e->opts.expect, kind,
				 host == FF_NOBODY ? "" : e->state->hosts[host].name);
}

/* What is left of that, since when it is under way. */
static int64_t rest_us(int64_t us, int64_t since_us, int64_t now_us)
{
	int64_t spent_us = now_us - since_us;

	return us > spent_us ? us - spent_us : 0;
}

/* Until the host is ready. */
static int64_t prepares_us(const struct ff_engine *e, uint32_t number, int64_t now_us)
{
	const struct engine_host *host = &e->hosts[number];
	int64_t sync_us = took_before_us(e, "sync", number);
	int64_t setup_us = ff_setup_is_of_hosts(&e->opts.config->setup)
				   ? took_before_us(e, "setup", number)
				   : 0;

	if (e->state->hosts[number].state != FF_HOST_PREPARING)
		return sync_us + setup_us;
	if (host->setting_up)
		return rest_us(setup_us, host->setup_us, now_us);
	if (host->waits_setup)
		return setup_us;
	/* The tree is there, and what it is set up with as well. */
	if (host->setup_us >= host->synced_us)
		return 0;
	return rest_us(sync_us, host->synced_us, now_us) + setup_us;
}

/* Until something can run at all: on the first host. */
static int64_t before_us(const struct ff_engine *e, int64_t now_us)
{
	int64_t least_us = -1, run_us = 0;

	for (uint32_t i = 0; i < e->state->hosts_len; i++) {
		int64_t us;

		if (e->state->hosts[i].state == FF_HOST_READY)
			return 0;
		if (e->state->hosts[i].state != FF_HOST_UNUSED && !ff_host_hopeful(e, i))
			continue;
		if (!e->hosts[i].wanted && !e->own_setup.setting_up)
			continue;
		us = prepares_us(e, i, now_us);
		least_us = least_us < 0 || us < least_us ? us : least_us;
	}
	if (e->own_setup.setting_up)
		run_us = rest_us(took_before_us(e, "setup", FF_NOBODY), e->own_setup.since_us,
				 now_us);
	return run_us + (least_us > 0 ? least_us : 0);
}

/* Hosts are torn down at one time, then the run is. */
static int64_t behind_us(const struct ff_engine *e, int64_t now_us)
{
	int64_t longest_us = 0;

	for (uint32_t i = 0; i < e->state->hosts_len; i++) {
		const struct engine_host *host = &e->hosts[i];
		int64_t us = 0;

		if (host->tearing_down)
			us = rest_us(took_before_us(e, "teardown", i), host->setup_us, now_us);
		else if (host->owes_teardown)
			us = took_before_us(e, "teardown", i);
		longest_us = us > longest_us ? us : longest_us;
	}
	if (e->own_setup.tearing_down)
		return rest_us(took_before_us(e, "teardown", FF_NOBODY), e->own_setup.since_us,
			       now_us);
	return longest_us +
	       (e->own_setup.owes_teardown ? took_before_us(e, "teardown", FF_NOBODY) : 0);
}

int64_t ff_engine_left_us(const struct ff_engine *e, int64_t units_us, int64_t now_us)
{
	bool stopping = ff_engine_stopping(e) && !ff_needs_cleans_up(e);
	int64_t left_us = stopping ? stopping_us(e, now_us) : units_left_us(e, now_us);

	if (left_us < 0 && !stopping)
		left_us = units_us;
	if (left_us < 0)
		return -1;
	if (!stopping)
		left_us += before_us(e, now_us);
	for (uint32_t i = 0; i < e->state->jobs_len; i++) {
		int64_t rests_us = ff_retry_left_us(e, i, now_us);

		left_us = rests_us > left_us ? rests_us : left_us;
	}
	return left_us + behind_us(e, now_us);
}

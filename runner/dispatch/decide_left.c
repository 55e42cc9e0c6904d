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

int64_t ff_engine_left_us(const struct ff_engine *e, int64_t now_us)
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

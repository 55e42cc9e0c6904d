/* Sessions that have nothing to do, and what is asked back from others for them. */
#include "dispatch/private.h"

/* One that is up; NULL: none has this number. */
static struct session *numbered(struct engine_job *job, uint32_t number)
{
	struct ff_list *pos;

	ff_list_for_each(pos, &job->sessions) {
		struct session *session = ff_container_of(pos, struct session, in_job);

		if (session->up && session->number == number)
			return session;
	}
	return NULL;
}

/* Nothing is left to give out, but another session may have more than it gets to soon. */
void ff_run_session_recall(struct ff_engine *e, struct session *thief)
{
	struct ff_queues *queues = ff_run_session_queues(e, thief);
	struct engine_job *job = ff_run_session_job(e, thief);
	struct session *session = NULL;
	struct ff_recall recall;

	if (ff_list_empty(&thief->idle))
		ff_list_add_tail(&job->idle, &thief->idle);
	if (job->in_parts)
		session = numbered(job, ff_queues_richest(queues));
	if (session && ff_run_session_runs(e, session))
		ff_queues_ran(queues, session->number, e->now.mono_us - session->started_us);
	recall = ff_queues_recall(queues, thief->number);
	if (recall.len > 0)
		session = numbered(job, recall.worker);
	else if (session && !thief->wants)
		ff_engine_due(e, &thief->want, e->now.mono_us + LOOK_AGAIN_US);
	if (recall.len > 0 && session)
		ff_run_session_take_back(e, session, recall.units, recall.len);
}

/* Units came back, or it is clear that none will: whoever has nothing to do asks again. */
void ff_run_session_feed_elsewhere(struct ff_engine *e, uint32_t job, uint32_t host)
{
	struct ff_list waiting, last;
	struct ff_list *head = &e->jobs[job].idle;

	ff_list_init(&waiting);
	ff_list_init(&last);
	while (!ff_list_empty(head)) {
		struct session *session = ff_container_of(head->next, struct session, idle);

		ff_list_del(&session->idle);
		ff_list_add_tail(session->placement.host == host ? &last : &waiting,
				 &session->idle);
	}
	while (!ff_list_empty(&waiting))
		ff_run_session_feed(e, ff_container_of(waiting.next, struct session, idle));
	while (!ff_list_empty(&last))
		ff_run_session_feed(e, ff_container_of(last.next, struct session, idle));
}

void ff_run_session_feed_idle(struct ff_engine *e, uint32_t job)
{
	ff_run_session_feed_elsewhere(e, job, FF_NOBODY);
}

void ff_run_session_feed_moved(struct ff_engine *e, uint32_t job)
{
	const struct ff_queues *queues = ff_sched_queues(e->sched, job);

	ff_marks_moved(e, job);
	if (queues && !ff_list_empty(&e->jobs[job].idle) &&
	    (ff_queues_open(queues) > 0 || !ff_queues_may_come_back(queues)))
		ff_run_session_feed_idle(e, job);
}

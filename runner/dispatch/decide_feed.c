/* Jobs that are open: their units come while the run lasts. Such a job is not over before that has
 * ended, whatever has become of the units that are there. */
#include "dispatch/private.h"

static void tell(struct ff_engine *e, uint32_t job, uint32_t count, bool open)
{
	struct ff_event event = {
		.kind = FF_EVENT_UNITS_ADDED, .job = e->state->jobs[job].name, .job_id = job + 1};

	event.u.units_added.count = count;
	event.u.units_added.open = open;
	ff_engine_emit(e, &event);
	if (count > 0)
		ff_sched_job_more(e->sched, job, count);
	ff_job_touch(e, job);
}

void ff_feed_units(struct ff_engine *e, const struct ff_input *input)
{
	const struct ff_job_record *record;
	struct engine_job *job;

	if (input->job >= e->state->jobs_len)
		return;
	record = &e->state->jobs[input->job];
	job = &e->jobs[input->job];
	if (!record->open || job->closed || job->stopped || record->state == FF_JOBSTATE_FINISHED)
		return;
	/* Where they could not be read to their end nobody is to take those that came for all. */
	job->closed = !input->u.units.open;
	job->cut = input->u.units.error != NULL;
	if (record->state == FF_JOBSTATE_RUNNING)
		tell(e, input->job, input->u.units.count, !job->closed || job->cut);
	else
		job->came += input->u.units.count;
	if (input->u.units.error) {
		const char *text = ff_engine_text(e, "%s", input->u.units.error);

		ff_engine_stop(e, FF_REASON_USAGE, text);
		/* One that runs whatever happens, too: nobody says any more how it goes on. */
		ff_job_stop(e, input->job, FF_REASON_USAGE, text);
	}
}

void ff_feed_started(struct ff_engine *e, uint32_t number)
{
	struct engine_job *job = &e->jobs[number];

	if (e->state->jobs[number].open && (job->came > 0 || job->closed))
		tell(e, number, job->came, !job->closed || job->cut);
	job->came = 0;
}

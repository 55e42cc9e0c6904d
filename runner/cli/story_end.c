/* The end that a run which was cut off, or still goes on, did not tell. */
#include "cli/story_end.h"

#include "base/alloc.h"

static struct ff_event next(const struct ff_story_end *end, enum ff_event_kind kind)
{
	return (struct ff_event){
		.kind = kind, .seq = end->story->state.run.seq + 1, .time_us = end->story->last_us};
}

void ff_story_end_running(const struct ff_story_end *end)
{
	const struct ff_result result = {.outcome = FF_OUTCOME_LOST, .message = end->lost};
	size_t cursor = 0;
	void *value;

	while (ff_map_next(&end->story->running, &cursor, NULL, &value)) {
		const struct ff_story_unit *unit = value;
		struct ff_event event = next(end, FF_EVENT_UNIT_FINISHED);
		/* The entry goes when it is told. */
		char *texts[] = {ff_xstrdup(unit->unit), ff_xstrdup(unit->job),
				 ff_xstrdup(unit->host), ff_xstrdup(unit->worker)};
		size_t before = end->story->running.len;

		event.unit = texts[0];
		event.job = texts[1];
		event.host = texts[2];
		event.worker = texts[3];
		event.index = unit->index;
		event.u.unit_finished.attempt = unit->attempt;
		event.u.unit_finished.final = true;
		event.u.unit_finished.result = &result;
		end->tell(end->ctx, &event);
		for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
			ff_free(texts[i]);
		if (end->story->running.len < before)
			cursor = 0; /* else it was refused, which was complained of */
	}
}

void ff_story_end_waiting(const struct ff_story_end *end, uint32_t job, uint32_t first,
			  uint32_t count)
{
	const struct ff_job_record *record = &end->story->state.jobs[job];
	uint32_t behind = first + count < record->units_len ? first + count : record->units_len;

	for (uint32_t i = first, to; i < behind; i = to) {
		struct ff_event event = next(end, FF_EVENT_UNITS_NOT_RUN);

		for (to = i; to < behind && record->units[to].state == FF_UNIT_WAITING;)
			to++;
		if (to == i) {
			to++;
			continue;
		}
		event.job = record->name;
		event.index = i;
		event.u.units_not_run.count = to - i;
		event.u.units_not_run.why = FF_REASON_INTERRUPTED;
		end->tell(end->ctx, &event);
	}
}

/* A job ends behind its front. */
static void end_front(const struct ff_story_end *end, const struct ff_job_record *record)
{
	struct ff_event event = next(end, FF_EVENT_FRONT_FINISHED);

	if (record->front.state != FF_FRONTSTATE_OPENING &&
	    record->front.state != FF_FRONTSTATE_READY &&
	    record->front.state != FF_FRONTSTATE_FINISHING)
		return;
	event.job = record->name;
	event.u.front_finished.error = end->reason;
	end->tell(end->ctx, &event);
}

void ff_story_end_job(const struct ff_story_end *end, uint32_t job)
{
	const struct ff_job_record *record = &end->story->state.jobs[job];
	struct ff_event event;

	if (record->state == FF_JOBSTATE_FINISHED)
		return;
	ff_story_end_waiting(end, job, 0, record->units_len);
	end_front(end, record);
	event = next(end, FF_EVENT_JOB_FINISHED);
	event.job = record->name;
	event.u.job_finished.result = FF_JOB_ERROR;
	event.u.job_finished.why = FF_REASON_INTERRUPTED;
	event.u.job_finished.reason = end->reason;
	event.u.job_finished.counts = record->counts;
	event.u.job_finished.problems = record->problems;
	end->tell(end->ctx, &event);
}

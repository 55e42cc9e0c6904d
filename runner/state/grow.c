/* How a job comes to its units: with the plan, when the first worker has collected all of them, or
 * part by part. */
#include <string.h>

#include "base/alloc.h"
#include "state/private.h"

/* Room for so many and one more, where they come part by part, or as they like: these may be many
 * and small. */
static size_t room_for(uint32_t units)
{
	size_t room = 1;

	while (room < (size_t)units + 1)
		room *= 2;
	return room;
}

static void add_units(struct ff_state *state, struct ff_job_record *job, uint32_t units)
{
	uint32_t had = job->units_len;
	size_t room = job->units || job->open ? room_for(had + units) : (size_t)units + 1;

	if (!job->units || room > room_for(had)) {
		job->units = ff_xrealloc(job->units, room * sizeof(*job->units));
		memset(job->units + had, 0, (room - had) * sizeof(*job->units));
	}
	job->units_len += units;
	job->counts.total += units;
	state->run.counts.total += units;
}

void ff_state_know_units(struct ff_state *state, struct ff_job_record *job, uint32_t units)
{
	job->known = true;
	add_units(state, job, units);
}

static int refuse(struct ff_err *err, const struct ff_event *event, const char *words)
{
	return ff_err_set(err, FF_EINVAL, "event %llu, %s: job '%s' %s",
			  (unsigned long long)event->seq, ff_event_word(event->kind), event->job,
			  words);
}

int ff_state_check_units(const struct ff_job_record *job, const struct ff_event *event,
			 struct ff_err *err)
{
	if (event->kind == FF_EVENT_COLLECTED && event->u.collected.again != job->known)
		return refuse(err, event,
			      job->known ? "has its units already" : "has no units yet");
	if (event->kind == FF_EVENT_COLLECTED && event->u.collected.parts > 0 &&
	    event->u.collected.count > 0)
		return refuse(err, event, "has units that are of no part");
	if (event->kind != FF_EVENT_UNITS_ADDED && event->kind != FF_EVENT_PART_NOT_RUN)
		return 0;
	if (job->parts_left == job->counts.parts_not_run &&
	    (!job->open || event->kind == FF_EVENT_PART_NOT_RUN))
		return refuse(err, event, "has all its units already");
	if (event->kind == FF_EVENT_UNITS_ADDED &&
	    event->u.units_added.count > UINT32_MAX / 2 - job->units_len)
		return refuse(err, event, "has too many units");
	return 0;
}

static void add_part(struct ff_job_record *job, const struct ff_event *event)
{
	uint32_t len = job->parts_len;
	struct ff_part_record *part;

	if ((len & (len - 1)) == 0)
		job->parts =
			ff_xrealloc(job->parts, (size_t)(len ? 2 * len : 1) * sizeof(*job->parts));
	part = &job->parts[job->parts_len++];
	*part = (struct ff_part_record){
		.name = ff_xstrdup(event->u.units_added.part ? event->u.units_added.part : ""),
		.digest =
			ff_xstrdup(event->u.units_added.digest ? event->u.units_added.digest : ""),
		.first = job->units_len,
		.len = event->u.units_added.count,
	};
	job->parts_left--;
}

void ff_state_take_units(struct ff_state *state, struct ff_job_record *job,
			 const struct ff_event *event)
{
	if (event->kind == FF_EVENT_COLLECTED && !event->u.collected.again) {
		ff_state_know_units(state, job, event->u.collected.count);
		job->parts_left = event->u.collected.parts;
		ff_free(job->digest);
		job->digest = ff_xstrdup(event->u.collected.digest);
	} else if (event->kind == FF_EVENT_UNITS_ADDED) {
		if (!job->open)
			add_part(job, event);
		else
			job->open = event->u.units_added.open;
		add_units(state, job, event->u.units_added.count);
	}
}

void ff_state_release_parts(struct ff_job_record *job)
{
	for (uint32_t i = 0; i < job->parts_len; i++) {
		ff_free(job->parts[i].name);
		ff_free(job->parts[i].digest);
	}
	ff_free(job->parts);
}

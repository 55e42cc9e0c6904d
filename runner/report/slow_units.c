/* Where a run's time went: what is kept of attempts, and of the files that they are of. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "report/slow_private.h"

/* --- files, and what else stays together --- */

static uint32_t group_named(struct ff_slow *slow, uint32_t job, bool file, const char *name,
			    size_t len)
{
	uint32_t number = slow->latest;
	struct slow_group *group = number == SLOW_NONE ? NULL : &slow->groups.v[number];

	if (group && group->job == job && group->file == file &&
	    strncmp(group->name, name, len) == 0 && group->name[len] == '\0')
		return number;
	ff_buf_clear(&slow->key);
	ff_buf_addf(&slow->key, "%u %c ", job, file ? 'f' : 's');
	ff_buf_add(&slow->key, name, len);
	number = ff_slow_number_in(&slow->group_map, ff_buf_str(&slow->key));
	if (number == SLOW_NONE) {
		group = SLOW_ADD(slow->groups);
		group->name = ff_xstrndup(name, len);
		group->job = job;
		group->file = file;
		group->lane = SLOW_NONE;
		number = (uint32_t)(slow->groups.len - 1);
		ff_slow_remember(&slow->group_map, ff_buf_str(&slow->key), number);
	}
	slow->latest = number;
	return number;
}

/* SLOW_NONE: it is of none, as commands. */
static uint32_t file_of(struct ff_slow *slow, uint32_t job, const char *unit)
{
	const char *end = strstr(unit, "::");

	return end ? group_named(slow, job, true, unit, (size_t)(end - unit)) : SLOW_NONE;
}

/* "a.py::A" of "a.py::A::test_x[b::c]" */
static size_t scope_len(const char *unit)
{
	const char *end = strstr(unit, "::"), *at = end;
	size_t named = strcspn(unit, "[");

	while ((at = at ? strstr(at, "::") : NULL) && (size_t)(at - unit) < named) {
		end = at;
		at += 2;
	}
	return end ? (size_t)(end - unit) : strlen(unit);
}

/* What stays on one worker with it; SLOW_NONE: it is on its own. */
static uint32_t whole_with(struct ff_slow *slow, uint32_t job, const char *unit, uint32_t file)
{
	const char *group = strrchr(unit, '@'), *bracket = strrchr(unit, ']');

	switch (slow->jobs.v[job].whole) {
	case FF_SLOW_FILES:
		return file;
	case FF_SLOW_SCOPES:
		return group_named(slow, job, false, unit, scope_len(unit));
	case FF_SLOW_GROUPS:
		if (!group || (bracket && group < bracket))
			return SLOW_NONE;
		return group_named(slow, job, false, group + 1, strlen(group + 1));
	default:
		return SLOW_NONE;
	}
}

static void keep_longest(char **longest, int64_t *longest_us, const char *unit, int64_t us)
{
	if (*longest && us <= *longest_us)
		return;
	ff_free(*longest);
	*longest = ff_xstrdup(unit);
	*longest_us = us;
}

static void add_to_group(struct ff_slow *slow, uint32_t number, const char *unit, uint32_t lane,
			 int64_t us)
{
	struct slow_group *group = number == SLOW_NONE ? NULL : &slow->groups.v[number];

	if (!group)
		return;
	group->lane = group->units == 0 || group->lane == lane ? lane : SLOW_NONE;
	group->units++;
	ff_slow_add(&group->us, us);
	keep_longest(&group->longest, &group->longest_us, unit, us);
}

int ff_slow_longest_first(const void *a, const void *b)
{
	const struct slow_named *x = a, *y = b;

	return x->us != y->us ? (x->us < y->us) - (x->us > y->us) : strcmp(x->name, y->name);
}

/* Those that may be among the longest: when there are twice as many, the shorter half goes. */
static void keep_name(struct ff_slow *slow, const struct ff_event *event, uint32_t lane,
		      uint32_t job, int64_t us)
{
	struct slow_named *named;

	if (us < slow->bound_us)
		return;
	if (slow->most > 0 && slow->tests.len >= 2 * slow->most) {
		qsort(slow->tests.v, slow->tests.len, sizeof(*slow->tests.v),
		      ff_slow_longest_first);
		while (slow->tests.len > slow->most)
			ff_free(slow->tests.v[--slow->tests.len].name);
		slow->bound_us = slow->tests.v[slow->most - 1].us;
	}
	named = SLOW_ADD(slow->tests);
	*named = (struct slow_named){ff_xstrdup(event->unit), us, lane, job,
				     event->u.unit_finished.attempt};
}

/* --- attempts --- */

/* Lanes of the job whose slot on that host is free. */
static uint32_t *free_lanes(struct slow_job *job, uint32_t host)
{
	uint32_t len = host + 1;

	if (host == SLOW_NONE)
		return NULL;
	if (len > job->free_len) {
		job->free = ff_xrealloc(job->free, len * sizeof(*job->free));
		while (job->free_len < len)
			job->free[job->free_len++] = SLOW_NONE;
	}
	return &job->free[host];
}

static void command_started(struct ff_slow *slow, const struct ff_event *event, uint32_t job)
{
	uint32_t host = ff_slow_number_in(&slow->host_map, event->host), number;
	uint32_t *free = free_lanes(&slow->jobs.v[job], host);
	struct slow_lane *lane;

	if (!free)
		return;
	number = *free;
	if (number == SLOW_NONE) {
		lane = ff_slow_add_lane(slow, event, job);
		number = (uint32_t)(slow->lanes.len - 1);
	} else {
		lane = &slow->lanes.v[number];
		*free = lane->next_free;
		if (event->time_us - lane->last_us > lane->gap_us)
			lane->gap_us = event->time_us - lane->last_us;
	}
	lane->running_us = event->time_us;
	lane->began_us = lane->began_us ? lane->began_us : event->time_us;
	ff_map_set_u32(&slow->jobs.v[job].runs, event->index, (void *)((uintptr_t)number + 1));
	ff_slow_count_alive(slow, host, true);
}

void ff_slow_unit_started(struct ff_slow *slow, const struct ff_event *event)
{
	uint32_t job = ff_slow_job_of(slow, event), file;
	struct slow_lane *lane = ff_slow_lane_of(slow, event);
	int64_t gap;

	if (job == SLOW_NONE)
		return;
	if (!event->worker)
		command_started(slow, event, job);
	if (!lane)
		return;
	lane->running_us = event->time_us;
	if (lane->began_us == 0) {
		lane->began_us = event->time_us;
		return;
	}
	gap = event->time_us - lane->last_us;
	file = slow->jobs.v[job].parts && event->unit ? file_of(slow, job, event->unit) : SLOW_NONE;
	if (file != SLOW_NONE && file != lane->file)
		ff_slow_add(&lane->files_us, gap);
	else if (gap > lane->gap_us)
		lane->gap_us = gap;
}

/* Whose slot it had; NULL: it ran nowhere. */
static struct slow_lane *end_attempt(struct ff_slow *slow, const struct ff_event *event,
				     uint32_t job)
{
	struct slow_lane *lane = ff_slow_lane_of(slow, event);
	uint32_t *free;
	void *value;

	if (event->worker)
		return lane && lane->running_us > 0 ? lane : NULL;
	value = ff_map_del_u32(&slow->jobs.v[job].runs, event->index);
	if (!value)
		return NULL;
	lane = &slow->lanes.v[(uintptr_t)value - 1];
	free = free_lanes(&slow->jobs.v[job], lane->host);
	lane->next_free = *free;
	*free = (uint32_t)((uintptr_t)value - 1);
	ff_slow_count_alive(slow, lane->host, false);
	return lane;
}

/* Results may come several at a time: what they say counts, not when they come. */
static void spend(struct slow_lane *lane, const struct ff_event *event, int64_t us)
{
	const struct ff_result *result = event->u.unit_finished.result;
	int64_t here = event->time_us - lane->running_us, call, setup, teardown;

	if (!lane->name) {
		call = us < here ? us : here > 0 ? here : 0;
		ff_slow_add(&lane->call_us, call);
		ff_slow_add(&lane->other_us, here - call);
		return;
	}
	setup = ff_slow_within(result->setup_us, 0, us);
	teardown = ff_slow_within(result->teardown_us, 0, us - setup);
	ff_slow_add(&lane->setup_us, setup);
	ff_slow_add(&lane->teardown_us, teardown);
	ff_slow_add(&lane->call_us, us - setup - teardown);
	if (lane->units == 0 && event->time_us - us < lane->began_us)
		lane->began_us = event->time_us - us;
}

void ff_slow_unit_finished(struct ff_slow *slow, const struct ff_event *event)
{
	uint32_t job = ff_slow_job_of(slow, event), number, file;
	struct slow_lane *lane = job == SLOW_NONE ? NULL : end_attempt(slow, event, job);
	struct slow_attempt *attempt;
	int64_t us;

	if (!lane || !event->unit || !event->u.unit_finished.result)
		return;
	us = ff_slow_within(event->u.unit_finished.result->duration_us, 0, SLOW_UNIT_US);
	number = (uint32_t)(lane - slow->lanes.v);
	spend(lane, event, us);
	lane->units++;
	lane->running_us = 0;
	lane->last_us = event->time_us;
	keep_longest(&lane->longest, &lane->longest_us, event->unit, us);
	file = file_of(slow, job, event->unit);
	lane->file = file;
	attempt = SLOW_ADD(slow->attempts);
	attempt->us = us;
	attempt->job = job;
	attempt->group = whole_with(slow, job, event->unit, file);
	add_to_group(slow, file, event->unit, number, us);
	if (attempt->group != file)
		add_to_group(slow, attempt->group, event->unit, number, us);
	keep_name(slow, event, number, job, us);
}

void ff_slow_unit_lost(struct ff_slow *slow, const struct ff_event *event)
{
	uint32_t job = ff_slow_job_of(slow, event);
	struct slow_lane *lane = job == SLOW_NONE ? NULL : end_attempt(slow, event, job);

	if (lane)
		ff_slow_cut_off(lane, event->time_us);
}

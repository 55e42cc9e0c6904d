/* The end that a run which was cut off, or still goes on, did not tell. */
#ifndef FF_CLI_STORY_END_H
#define FF_CLI_STORY_END_H

#include "cli/story.h"

/* Who is told; it gives the event to ff_story_take, which it is true for. */
struct ff_story_end {
	struct ff_story *story;
	void (*tell)(void *ctx, struct ff_event *event);
	void *ctx;
	const char *lost;   /* "the run was cut off while it ran": of units that ran */
	const char *reason; /* of jobs that have no end */
};

/* Units that run are lost. */
void ff_story_end_running(const struct ff_story_end *end);
/* Of `count` units of a job from `first`, those that wait were not run. */
void ff_story_end_waiting(const struct ff_story_end *end, uint32_t job, uint32_t first,
			  uint32_t count);
/* The same of all its units, and its end; nothing if it has one. */
void ff_story_end_job(const struct ff_story_end *end, uint32_t job);

#endif

/* The critical path of a run: the chain of things that determined when it was over, from its start
 * to the worker that ended last. A job that waited for others follows the one that ended last
 * before it. */
#include <stdlib.h>

#include "base/alloc.h"
#include "report/slow_private.h"

struct walk {
	const struct ff_slow *slow;
	struct ff_slow_answer *answer;
	size_t cap;
	int64_t at_us; /* so far */
	int64_t end_us;
	const struct slow_lane *lane; /* what is done, is done for; NULL */
	uint32_t *last;		      /* by job: the lane that ended last; SLOW_NONE */
};

static void add_place(const struct walk *walk, struct ff_slow_step *step)
{
	const struct ff_slow *slow = walk->slow;

	step->from_us = step->until_us = walk->at_us;
	if (!walk->lane)
		return;
	step->host = slow->hosts.v[walk->lane->host].name;
	step->worker = walk->lane->name;
	step->job = slow->jobs.v[walk->lane->job].name;
}

static struct ff_slow_step *add_step(struct walk *walk, enum ff_slow_step_kind kind,
				     const char *name, int64_t us)
{
	struct ff_slow_answer *answer = walk->answer;
	struct ff_slow_step *step = answer->path_len ? &answer->path[answer->path_len - 1] : NULL;

	/* Files are collected behind the finding of them. */
	if (step && step->kind == kind && kind == FF_SLOW_STEP_COLLECT) {
		step->us += us;
		return step;
	}
	answer->path =
		ff_slow_room(answer->path, answer->path_len, &walk->cap, sizeof(*answer->path));
	step = &answer->path[answer->path_len++];
	step->kind = kind;
	step->name = name;
	step->us = us;
	add_place(walk, step);
	return step;
}

/* On to that time; no step if it is past already. */
static void go_on(struct walk *walk, enum ff_slow_step_kind kind, const char *name,
		  int64_t until_us)
{
	if (until_us > walk->end_us)
		until_us = walk->end_us;
	if (until_us <= walk->at_us)
		return;
	add_step(walk, kind, name, until_us - walk->at_us)->until_us = until_us;
	walk->at_us = until_us;
}

/* All of a lane's units; they are not told one by one. */
static void add_units(struct walk *walk, const struct slow_lane *lane, const char *name,
		      const struct slow_spent *spent)
{
	int64_t busy = spent->setup + spent->call + spent->teardown + spent->lost;
	struct ff_slow_step *step;

	if (spent->files > 0)
		add_step(walk, FF_SLOW_STEP_COLLECT, name, spent->files);
	if (spent->between > 0) {
		step = add_step(walk, FF_SLOW_STEP_GAPS, name, spent->between);
		step->longest_us = lane->gap_us < spent->between ? lane->gap_us : spent->between;
	}
	step = add_step(walk, FF_SLOW_STEP_UNITS, name, busy);
	step->units = lane->units + (lane->running_us != 0);
	step->longest = lane->longest;
	step->longest_us = lane->longest_us;
	step->until_us = spent->last_us;
	walk->at_us = spent->last_us;
}

static void go_commands(struct walk *walk, const struct slow_lane *lane, const char *name)
{
	struct slow_lane seen = *lane;
	struct slow_spent spent = {0};

	ff_slow_cut_off(&seen, walk->end_us);
	go_on(walk, FF_SLOW_STEP_WAIT_WORKER, name, seen.began_us);
	spent.call = seen.call_us + seen.other_us;
	spent.lost = seen.lost_us;
	spent.last_us = seen.last_us > walk->at_us ? seen.last_us : walk->at_us;
	spent.between = spent.last_us - walk->at_us - spent.call - spent.lost;
	add_units(walk, lane, name, &spent);
}

static void go_lane(struct walk *walk, const struct slow_lane *lane)
{
	const struct slow_arrival *arrival = &lane->arrival;
	const char *host = walk->slow->hosts.v[lane->host].name;
	bool parts = walk->slow->jobs.v[lane->job].parts;
	struct slow_spent spent;
	int64_t ready;

	walk->lane = lane;
	go_on(walk, FF_SLOW_STEP_WAIT_HOST, host, arrival->joining_us);
	go_on(walk, FF_SLOW_STEP_CONNECT, host, arrival->opened_us);
	go_on(walk, FF_SLOW_STEP_SYNC, host, arrival->opened_us + arrival->sync_us);
	go_on(walk, FF_SLOW_STEP_SET_UP, host, arrival->set_up_us);
	go_on(walk, FF_SLOW_STEP_PREPARE, host, arrival->ready_us);
	if (!lane->name) {
		go_commands(walk, lane, host);
		return;
	}
	go_on(walk, FF_SLOW_STEP_WAIT_WORKER, host, lane->opened_us);
	ff_slow_reckon(walk->slow, lane, walk->end_us, &spent);
	ready = lane->opened_us + spent.start;
	go_on(walk, FF_SLOW_STEP_START, lane->name, ready);
	ready += spent.front;
	go_on(walk, FF_SLOW_STEP_WAIT_FRONT, lane->name, ready);
	go_on(walk, FF_SLOW_STEP_COLLECT, lane->name, ready + spent.collect);
	if (spent.begin_us == 0)
		return;
	go_on(walk, parts ? FF_SLOW_STEP_COLLECT : FF_SLOW_STEP_WAIT_UNIT, lane->name,
	      spent.begin_us);
	add_units(walk, lane, lane->name, &spent);
}

/* --- which jobs, and which of their workers --- */

/* Of one whose test runs still: its last event. */
static int64_t end_in_shard(const struct ff_slow *slow, uint32_t lane)
{
	const struct slow_lane *found = &slow->lanes.v[lane];
	const struct slow_shard *shard = &slow->shards.v[slow->hosts.v[found->host].shard];
	bool ended = found->running_us == 0 && found->last_us < shard->end_us;

	return (ended ? found->last_us : shard->end_us) - shard->start_us;
}

/* The job of the lane that was the last of all; SLOW_NONE: nothing ran. */
static uint32_t find_last(struct walk *walk)
{
	const struct ff_slow *slow = walk->slow;
	uint32_t last = SLOW_NONE;

	for (size_t i = 0; i < slow->jobs.len; i++)
		walk->last[i] = SLOW_NONE;
	for (uint32_t i = 0; i < slow->lanes.len; i++) {
		uint32_t *best = &walk->last[slow->lanes.v[i].job];

		if (slow->lanes.v[i].host == SLOW_NONE ||
		    (slow->lanes.v[i].last_us == 0 && slow->lanes.v[i].running_us == 0))
			continue;
		if (*best == SLOW_NONE || end_in_shard(slow, i) > end_in_shard(slow, *best))
			*best = i;
	}
	for (uint32_t i = 0; i < slow->jobs.len; i++)
		if (walk->last[i] != SLOW_NONE &&
		    (last == SLOW_NONE ||
		     end_in_shard(slow, walk->last[i]) > end_in_shard(slow, walk->last[last])))
			last = i;
	return last;
}

/* What it waited for: the last to be over when it was begun. */
static uint32_t job_before(const struct ff_slow *slow, uint32_t job)
{
	uint32_t before = SLOW_NONE;

	for (uint32_t i = 0; i < slow->jobs.len && !slow->merged; i++) {
		const struct slow_job *other = &slow->jobs.v[i];

		if (i == job || other->finished_us == 0 || other->started_us == 0 ||
		    other->started_us >= slow->jobs.v[job].started_us ||
		    other->finished_us > slow->jobs.v[job].started_us)
			continue;
		if (before == SLOW_NONE || other->finished_us > slow->jobs.v[before].finished_us)
			before = i;
	}
	return before;
}

/* Each began before the next one, so that there is an end to it. */
static void go_jobs(struct walk *walk, uint32_t last)
{
	const struct ff_slow *slow = walk->slow;
	uint32_t *chain = ff_xcalloc(slow->jobs.len + 1, sizeof(*chain));
	size_t len = 0;

	for (uint32_t job = last; job != SLOW_NONE && len < slow->jobs.len;
	     job = job_before(slow, job))
		chain[len++] = job;
	while (len-- > 0) {
		const struct slow_job *job = &slow->jobs.v[chain[len]];

		if (walk->last[chain[len]] != SLOW_NONE)
			go_lane(walk, &slow->lanes.v[walk->last[chain[len]]]);
		else
			go_on(walk, FF_SLOW_STEP_JOB, job->name, job->finished_us);
		walk->lane = NULL;
		if (len > 0)
			go_on(walk, FF_SLOW_STEP_END, job->name,
			      slow->jobs.v[chain[len - 1]].started_us);
	}
	ff_free(chain);
}

/* The last host's, then the run's own; before each what is left of the last job. */
static void go_teardowns(struct walk *walk, const struct slow_shard *shard, const char *job)
{
	if (shard->torn.until_us > walk->at_us) {
		go_on(walk, FF_SLOW_STEP_END, job, shard->torn.from_us);
		go_on(walk, FF_SLOW_STEP_TEAR_DOWN, walk->slow->hosts.v[shard->torn.host].name,
		      shard->torn.until_us);
	}
	if (shard->own_torn.until_us > walk->at_us) {
		go_on(walk, FF_SLOW_STEP_END, job, shard->own_torn.from_us);
		go_on(walk, FF_SLOW_STEP_TEAR_DOWN_RUN, "", shard->own_torn.until_us);
	}
}

void ff_slow_find_path(const struct ff_slow *slow, struct ff_slow_answer *answer)
{
	struct walk walk = {.slow = slow, .answer = answer};
	const struct slow_shard *shard;
	uint32_t last;

	if (slow->shards.len == 0)
		return;
	walk.last = ff_xcalloc(slow->jobs.len + 1, sizeof(*walk.last));
	last = find_last(&walk);
	if (last != SLOW_NONE) {
		shard = &slow->shards.v[slow->hosts.v[slow->lanes.v[walk.last[last]].host].shard];
		walk.at_us = shard->start_us;
		walk.end_us = shard->end_us;
		go_on(&walk, FF_SLOW_STEP_SET_UP_RUN, "", shard->set_up_us);
		go_jobs(&walk, last);
		go_teardowns(&walk, shard, slow->jobs.v[last].name);
		go_on(&walk, FF_SLOW_STEP_END, slow->jobs.v[last].name, shard->end_us);
	}
	ff_free(walk.last);
}

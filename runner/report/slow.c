/* Where a run's time went: what is kept of its events. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "report/slow_private.h"

enum { ROOM_MIN = 16 };

void *ff_slow_room(void *v, size_t len, size_t *cap, size_t size)
{
	if (len == *cap) {
		*cap = *cap ? 2 * *cap : ROOM_MIN;
		v = ff_xrealloc(v, *cap * size);
	}
	memset((char *)v + len * size, 0, size);
	return v;
}

int64_t ff_slow_within(int64_t us, int64_t least, int64_t most)
{
	return us < least ? least : us > most ? most : us;
}

void ff_slow_add(int64_t *sum, int64_t us)
{
	if (us > 0)
		*sum = us < SLOW_SUM_MAX - *sum ? *sum + us : SLOW_SUM_MAX;
}

struct ff_slow *ff_slow_new(size_t most)
{
	struct ff_slow *slow = ff_xcalloc(1, sizeof(*slow));

	slow->most = most;
	slow->latest = SLOW_NONE;
	return slow;
}

void ff_slow_free(struct ff_slow *slow)
{
	if (!slow)
		return;
	for (size_t i = 0; i < slow->hosts.len; i++)
		ff_free(slow->hosts.v[i].name);
	for (size_t i = 0; i < slow->lanes.len; i++) {
		ff_free(slow->lanes.v[i].name);
		ff_free(slow->lanes.v[i].longest);
	}
	for (size_t i = 0; i < slow->jobs.len; i++) {
		ff_free(slow->jobs.v[i].name);
		ff_free(slow->jobs.v[i].free);
		ff_map_release(&slow->jobs.v[i].runs);
	}
	for (size_t i = 0; i < slow->groups.len; i++) {
		ff_free(slow->groups.v[i].name);
		ff_free(slow->groups.v[i].longest);
	}
	for (size_t i = 0; i < slow->tests.len; i++)
		ff_free(slow->tests.v[i].name);
	ff_free(slow->shards.v);
	ff_free(slow->hosts.v);
	ff_free(slow->lanes.v);
	ff_free(slow->jobs.v);
	ff_free(slow->groups.v);
	ff_free(slow->attempts.v);
	ff_free(slow->tests.v);
	ff_map_release(&slow->host_map);
	ff_map_release(&slow->lane_map);
	ff_map_release(&slow->job_map);
	ff_map_release(&slow->group_map);
	ff_buf_release(&slow->key);
	ff_free(slow->run_id);
	ff_free(slow);
}

/* --- records --- */

uint32_t ff_slow_number_in(const struct ff_map *map, const char *name)
{
	void *value = name ? ff_map_get(map, name) : NULL;

	return value ? (uint32_t)((uintptr_t)value - 1) : SLOW_NONE;
}

void ff_slow_remember(struct ff_map *map, const char *name, size_t number)
{
	ff_map_set(map, name, (void *)((uintptr_t)number + 1));
}

static struct slow_host *host_of(const struct ff_slow *slow, const struct ff_event *event)
{
	uint32_t number = ff_slow_number_in(&slow->host_map, event->host);

	return number == SLOW_NONE ? NULL : &slow->hosts.v[number];
}

struct slow_lane *ff_slow_lane_of(const struct ff_slow *slow, const struct ff_event *event)
{
	uint32_t number = ff_slow_number_in(&slow->lane_map, event->worker);

	return number == SLOW_NONE ? NULL : &slow->lanes.v[number];
}

uint32_t ff_slow_job_of(struct ff_slow *slow, const struct ff_event *event)
{
	uint32_t number = ff_slow_number_in(&slow->job_map, event->job);
	struct slow_job *job;

	if (number != SLOW_NONE || !event->job)
		return number;
	job = SLOW_ADD(slow->jobs);
	job->name = ff_xstrdup(event->job);
	job->slots = 1;
	ff_slow_remember(&slow->job_map, event->job, slow->jobs.len - 1);
	return (uint32_t)(slow->jobs.len - 1);
}

const char *ff_slow_lane_name(const struct ff_slow *slow, uint32_t lane)
{
	const struct slow_lane *found = lane == SLOW_NONE ? NULL : &slow->lanes.v[lane];

	if (!found)
		return NULL;
	if (found->name)
		return found->name;
	return found->host == SLOW_NONE ? NULL : slow->hosts.v[found->host].name;
}

/* Of a merged run a host is called "3/build1". */
static uint32_t shard_of(struct ff_slow *slow, const struct ff_event *event)
{
	uint32_t number = slow->merged ? (uint32_t)strtoul(event->host, NULL, 10) : 0;
	struct slow_shard *shard;

	for (size_t i = 0; i < slow->shards.len; i++)
		if (slow->shards.v[i].number == number)
			return (uint32_t)i;
	shard = SLOW_ADD(slow->shards);
	shard->number = number;
	shard->start_us = shard->end_us = event->time_us;
	return (uint32_t)(slow->shards.len - 1);
}

static struct slow_shard *shard_at(const struct ff_slow *slow, uint32_t host)
{
	return host == SLOW_NONE ? NULL : &slow->shards.v[slow->hosts.v[host].shard];
}

void ff_slow_count_alive(const struct ff_slow *slow, uint32_t host, bool more)
{
	struct slow_shard *shard = shard_at(slow, host);

	if (!shard)
		return;
	if (more)
		shard->alive++;
	else if (shard->alive > 0)
		shard->alive--;
	if (shard->alive > shard->peak)
		shard->peak = shard->alive;
}

/* --- hosts --- */

static void set_slots(struct ff_slow *slow, struct slow_host *host, uint32_t slots)
{
	uint32_t others = slow->slots - host->slots;

	host->slots = slots < SLOW_SLOTS_MAX - others ? slots : SLOW_SLOTS_MAX - others;
	slow->slots = others + host->slots;
}

static void on_host_added(struct ff_slow *slow, const struct ff_event *event)
{
	struct slow_host *host = host_of(slow, event);
	uint32_t shard;

	if (host || !event->host)
		return;
	shard = shard_of(slow, event);
	host = SLOW_ADD(slow->hosts);
	host->name = ff_xstrdup(event->host);
	set_slots(slow, host, event->u.host_added.slots);
	host->shard = shard;
	host->since_us = event->time_us;
	ff_slow_remember(&slow->host_map, event->host, slow->hosts.len - 1);
}

static enum slow_phase phase_behind(enum ff_event_kind kind)
{
	switch (kind) {
	case FF_EVENT_HOST_JOINING:
		return SLOW_JOINING;
	case FF_EVENT_HOST_OPENED:
		return SLOW_PREPARING;
	case FF_EVENT_HOST_READY:
		return SLOW_READY;
	case FF_EVENT_HOST_LEFT:
		return SLOW_LEFT;
	default:
		return SLOW_AWAY;
	}
}

static void on_host_moved(struct ff_slow *slow, const struct ff_event *event)
{
	struct slow_host *host = host_of(slow, event);

	if (!host)
		return;
	ff_slow_add(&host->phase_us[host->phase], event->time_us - host->since_us);
	if (event->time_us > host->since_us)
		host->since_us = event->time_us;
	host->phase = phase_behind(event->kind);
	if (event->kind == FF_EVENT_HOST_JOINING)
		host->arrival = (struct slow_arrival){.joining_us = event->time_us};
	else if (event->kind == FF_EVENT_HOST_OPENED)
		host->arrival.opened_us = event->time_us;
	else if (event->kind == FF_EVENT_HOST_READY)
		host->arrival.ready_us = event->time_us;
	if (event->kind == FF_EVENT_HOST_READY && event->u.host_ready.slots > 0)
		set_slots(slow, host, event->u.host_ready.slots);
}

/* What it took may have begun before the host was opened, and is no more than there was time. */
static void on_synced(struct ff_slow *slow, const struct ff_event *event)
{
	struct slow_host *host = host_of(slow, event);
	int64_t us = event->u.sync_finished.took_us, most;

	if (!host || host->phase != SLOW_PREPARING || us <= 0)
		return;
	most = event->time_us - host->since_us - host->arrival.sync_us;
	us = us < most ? us : most > 0 ? most : 0;
	host->arrival.sync_us += us;
	host->sync_us += us;
}

/* --- jobs and workers --- */

static void on_job_started(struct ff_slow *slow, const struct ff_event *event)
{
	uint32_t number = ff_slow_job_of(slow, event);
	int slots = event->u.job_started.slots;

	if (number == SLOW_NONE)
		return;
	slow->jobs.v[number].started_us = event->time_us;
	slow->jobs.v[number].slots = slots > 0 && slots < (int)SLOW_SLOTS_MAX ? (uint32_t)slots : 1;
}

static void on_front(struct ff_slow *slow, const struct ff_event *event)
{
	uint32_t number = ff_slow_job_of(slow, event);
	struct slow_job *job = number == SLOW_NONE ? NULL : &slow->jobs.v[number];

	if (job && event->kind == FF_EVENT_FRONT_STARTED)
		job->front_us = event->time_us;
	else if (job && job->front_us > 0 && job->front_ready_us == 0)
		job->front_ready_us = event->time_us;
}

static void on_job_finished(struct ff_slow *slow, const struct ff_event *event)
{
	uint32_t number = ff_slow_job_of(slow, event);

	if (number != SLOW_NONE)
		slow->jobs.v[number].finished_us = event->time_us;
}

struct slow_lane *ff_slow_add_lane(struct ff_slow *slow, const struct ff_event *event, uint32_t job)
{
	struct slow_lane *lane = SLOW_ADD(slow->lanes);

	lane->job = job;
	lane->host = ff_slow_number_in(&slow->host_map, event->host);
	lane->slots = slow->jobs.v[job].slots;
	lane->opened_us = event->time_us;
	lane->file = lane->next_free = SLOW_NONE;
	if (lane->host != SLOW_NONE)
		lane->arrival = slow->hosts.v[lane->host].arrival;
	return lane;
}

static void on_worker_opening(struct ff_slow *slow, const struct ff_event *event)
{
	uint32_t job = ff_slow_job_of(slow, event), slots = event->u.worker_opening.slots;
	struct slow_lane *lane;

	if (job == SLOW_NONE || !event->worker || ff_slow_lane_of(slow, event))
		return;
	lane = ff_slow_add_lane(slow, event, job);
	lane->name = ff_xstrdup(event->worker);
	lane->slots = slots > 0 && slots < SLOW_SLOTS_MAX ? slots : 1;
	ff_slow_remember(&slow->lane_map, event->worker, slow->lanes.len - 1);
	ff_slow_count_alive(slow, lane->host, true);
}

static void on_worker_started(struct ff_slow *slow, const struct ff_event *event)
{
	struct slow_lane *lane = ff_slow_lane_of(slow, event);

	for (size_t i = 0; lane && i < event->u.worker_started.facts_len; i++) {
		const struct ff_fact *fact = &event->u.worker_started.facts[i];

		if (fact->key && fact->value && strcmp(fact->key, "collection_us") == 0)
			lane->collection_us =
				ff_slow_within(strtoll(fact->value, NULL, 10), 0, SLOW_UNIT_US);
	}
}

static enum ff_slow_whole whole_of(const char *dist)
{
	if (strcmp(dist, "loadfile") == 0)
		return FF_SLOW_FILES;
	if (strcmp(dist, "loadscope") == 0)
		return FF_SLOW_SCOPES;
	return strcmp(dist, "loadgroup") == 0 ? FF_SLOW_GROUPS : FF_SLOW_TESTS;
}

static void on_collected(struct ff_slow *slow, const struct ff_event *event)
{
	struct slow_lane *lane = ff_slow_lane_of(slow, event);
	uint32_t job = ff_slow_job_of(slow, event);

	if (lane && lane->collected_us == 0)
		lane->collected_us = event->time_us;
	if (job == SLOW_NONE || event->u.collected.again)
		return;
	slow->jobs.v[job].parts = event->u.collected.parts > 0;
	if (event->u.collected.dist)
		slow->jobs.v[job].whole = whole_of(event->u.collected.dist);
}

/* An attempt whose end nobody saw. */
void ff_slow_cut_off(struct slow_lane *lane, int64_t now_us)
{
	if (lane->running_us == 0)
		return;
	ff_slow_add(&lane->lost_us, now_us - lane->running_us);
	lane->last_us = now_us;
	lane->running_us = 0;
}

static void on_worker_ended(struct ff_slow *slow, const struct ff_event *event)
{
	struct slow_lane *lane = ff_slow_lane_of(slow, event);

	if (!lane || lane->ended_us > 0)
		return;
	ff_slow_cut_off(lane, event->time_us);
	lane->ended_us = event->time_us;
	ff_slow_count_alive(slow, lane->host, false);
}

/* --- the run --- */

static void on_run_started(struct ff_slow *slow, const struct ff_event *event)
{
	slow->begun = true;
	ff_free(slow->run_id);
	slow->run_id = ff_xstrdup(event->u.run_started.run_id ? event->u.run_started.run_id : "");
	shard_of(slow, event);
}

static void on_notice(struct ff_slow *slow, const struct ff_event *event)
{
	static const char merged[] = "farflung.merged=";
	const char *text = event->u.notice.text;

	if (!text || !event->u.notice.level || strcmp(event->u.notice.level, "property") != 0 ||
	    strncmp(text, merged, sizeof(merged) - 1) != 0 || slow->hosts.len > 0)
		return;
	slow->merged = (uint32_t)strtoul(text + sizeof(merged) - 1, NULL, 10);
	slow->shards.len = 0; /* each begins with its first host */
}

static void on_units_before(struct ff_slow *slow, const struct ff_event *event)
{
	slow->before += event->u.units_before.count;
}

static void on_run_finished(struct ff_slow *slow, const struct ff_event *event)
{
	(void)event;
	slow->over = true;
}

static void (*const handlers[FF_EVENT_KINDS])(struct ff_slow *slow,
					      const struct ff_event *event) = {
	[FF_EVENT_RUN_STARTED] = on_run_started,
	[FF_EVENT_HOST_ADDED] = on_host_added,
	[FF_EVENT_HOST_JOINING] = on_host_moved,
	[FF_EVENT_HOST_OPENED] = on_host_moved,
	[FF_EVENT_HOST_READY] = on_host_moved,
	[FF_EVENT_HOST_AWAY] = on_host_moved,
	[FF_EVENT_HOST_FAILED] = on_host_moved,
	[FF_EVENT_HOST_LOST] = on_host_moved,
	[FF_EVENT_HOST_LEFT] = on_host_moved,
	[FF_EVENT_SYNC_FINISHED] = on_synced,
	[FF_EVENT_HOST_SETUP] = ff_slow_on_setup,
	[FF_EVENT_JOB_STARTED] = on_job_started,
	[FF_EVENT_JOB_FINISHED] = on_job_finished,
	[FF_EVENT_FRONT_STARTED] = on_front,
	[FF_EVENT_FRONT_READY] = on_front,
	[FF_EVENT_FRONT_FINISHED] = on_front,
	[FF_EVENT_WORKER_OPENING] = on_worker_opening,
	[FF_EVENT_WORKER_STARTED] = on_worker_started,
	[FF_EVENT_WORKER_ENDED] = on_worker_ended,
	[FF_EVENT_COLLECTED] = on_collected,
	[FF_EVENT_UNIT_STARTED] = ff_slow_unit_started,
	[FF_EVENT_UNIT_FINISHED] = ff_slow_unit_finished,
	[FF_EVENT_UNIT_LOST] = ff_slow_unit_lost,
	[FF_EVENT_UNITS_BEFORE] = on_units_before,
	[FF_EVENT_NOTICE] = on_notice,
	[FF_EVENT_RUN_FINISHED] = on_run_finished,
};

static void take(struct ff_slow *slow, const struct ff_event *event)
{
	struct slow_shard *shard;

	if (handlers[event->kind])
		handlers[event->kind](slow, event);
	if (slow->merged)
		shard = shard_at(slow, ff_slow_number_in(&slow->host_map, event->host));
	else
		shard = slow->shards.len > 0 ? slow->shards.v : NULL;
	if (shard && event->time_us > shard->end_us)
		shard->end_us = event->time_us;
}

/* What comes behind a run's end, as its last workers' ends, is no part of its time. */
void ff_slow_event(struct ff_slow *slow, const struct ff_event *event)
{
	struct ff_event copy;
	int64_t us;

	if (slow->over || (unsigned)event->kind >= FF_EVENT_KINDS)
		return;
	if (slow->first_us == 0)
		slow->first_us = ff_slow_within(event->time_us, 1, INT64_MAX - SLOW_RUN_US);
	/* 0 is no time at all here. */
	us = ff_slow_within(event->time_us,
			    slow->first_us > SLOW_RUN_US ? slow->first_us - SLOW_RUN_US : 1,
			    slow->first_us + SLOW_RUN_US);
	if (us == event->time_us) {
		take(slow, event);
		return;
	}
	copy = *event;
	copy.time_us = us;
	take(slow, &copy);
}

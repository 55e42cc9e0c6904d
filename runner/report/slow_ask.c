/* Where a run's time went: what it comes to. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "report/slow_private.h"

const char *ff_slow_row_word(enum ff_slow_row row)
{
	static const char *const words[] = {
#define X(name, word, text) word,
		FF_SLOW_ROW_MAP(X)
#undef X
	};

	return words[row];
}

const char *ff_slow_step_word(enum ff_slow_step_kind kind)
{
	static const char *const words[] = {
#define X(name, word, waiting) word,
		FF_SLOW_STEP_MAP(X)
#undef X
	};

	return words[kind];
}

bool ff_slow_step_waits(enum ff_slow_step_kind kind)
{
	static const bool waits[] = {
#define X(name, word, waiting) waiting,
		FF_SLOW_STEP_MAP(X)
#undef X
	};

	return waits[kind];
}

/* --- slots --- */

static int64_t at_least(int64_t value, int64_t least)
{
	return value > least ? value : least;
}

/* What `over` is too much, of *spent. */
static int64_t shave(int64_t *spent, int64_t over)
{
	int64_t off = over < *spent ? over : *spent;

	*spent -= off;
	return over - off;
}

/* Clocks of two machines, or one that a test has set, may say more than there was time for. */
static void fit(struct slow_spent *spent, int64_t us)
{
	int64_t *const parts[] = {&spent->call, &spent->setup, &spent->teardown, &spent->files,
				  &spent->lost};
	int64_t busy = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		*parts[i] = at_least(*parts[i], 0);
		busy += *parts[i];
	}
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts) && busy > us; i++)
		busy = us + shave(parts[i], busy - us);
	spent->between = us - busy;
}

/* Sessions wait for their job's front before they collect. One that was still importing when that
 * was opened waited less than is told here; nothing in the journal says how much less. */
static int64_t waited_for_front(const struct slow_job *job, int64_t from_us, int64_t until_us)
{
	int64_t ready_us = job->front_ready_us && job->front_ready_us < until_us
				   ? job->front_ready_us
				   : until_us;

	return job->front_us == 0 ? 0 : at_least(ready_us - at_least(job->front_us, from_us), 0);
}

/* What was before the collection's end, `collected_us`. */
static void reckon_start(const struct slow_job *job, const struct slow_lane *lane,
			 int64_t collected_us, struct slow_spent *spent)
{
	int64_t us = collected_us - lane->opened_us;

	spent->collect = at_least(lane->collection_us, 0);
	if (lane->collected_us == 0)
		spent->collect = 0;
	else if (spent->collect > us)
		spent->collect = us;
	spent->front = waited_for_front(job, lane->opened_us, collected_us - spent->collect);
	spent->start = us - spent->collect - spent->front;
}

void ff_slow_reckon(const struct ff_slow *slow, const struct slow_lane *lane, int64_t end_us,
		    struct slow_spent *spent)
{
	const struct slow_job *job = &slow->jobs.v[lane->job];
	struct slow_lane seen = *lane;
	int64_t collected = lane->collected_us;

	*spent = (struct slow_spent){0};
	end_us = at_least(end_us, lane->opened_us);
	if (collected == 0) {
		reckon_start(job, lane, end_us, spent);
		return;
	}
	ff_slow_cut_off(&seen, end_us);
	collected = at_least(collected < end_us ? collected : end_us, lane->opened_us);
	reckon_start(job, lane, collected, spent);
	spent->begin_us = seen.began_us ? at_least(seen.began_us, collected) : end_us;
	if (spent->begin_us > end_us)
		spent->begin_us = end_us;
	spent->last_us = at_least(seen.last_us < end_us ? seen.last_us : end_us, spent->begin_us);
	spent->wait = spent->begin_us - collected;
	spent->setup = seen.setup_us;
	spent->call = seen.call_us;
	spent->teardown = seen.teardown_us;
	spent->lost = seen.lost_us;
	spent->files = seen.files_us;
	fit(spent, spent->last_us - spent->begin_us);
	spent->idle = end_us - spent->last_us;
}

static int64_t end_of(const struct slow_lane *lane, const struct slow_shard *shard)
{
	return lane->ended_us > 0 && lane->ended_us < shard->end_us ? lane->ended_us
								    : shard->end_us;
}

/* So many slots for so long. */
static void add(int64_t *row, uint32_t slots, int64_t us)
{
	if (us > 0)
		ff_slow_add(row, us < SLOW_SUM_MAX / (slots + 1) ? slots * us : SLOW_SUM_MAX);
}

/* *used: how much of its host's time was its own. */
static void add_worker(const struct ff_slow *slow, const struct slow_lane *lane, int64_t end_us,
		       int64_t rows[], int64_t *used)
{
	bool parts = slow->jobs.v[lane->job].parts;
	uint32_t slots = lane->slots;
	struct slow_spent spent;

	ff_slow_reckon(slow, lane, end_us, &spent);
	add(&rows[FF_SLOW_STARTING], slots, spent.start);
	add(&rows[FF_SLOW_FRONT], slots, spent.front);
	add(&rows[FF_SLOW_COLLECTION], slots, spent.collect + spent.files);
	add(&rows[parts && spent.begin_us < end_us ? FF_SLOW_COLLECTION : FF_SLOW_IDLE_WORKER],
	    slots, spent.wait);
	add(&rows[FF_SLOW_SETUP], slots, spent.setup);
	add(&rows[FF_SLOW_CALL], slots, spent.call);
	add(&rows[FF_SLOW_TEARDOWN], slots, spent.teardown);
	add(&rows[FF_SLOW_LOST], slots, spent.lost);
	add(&rows[FF_SLOW_BETWEEN], slots, spent.between);
	add(&rows[FF_SLOW_IDLE_WORKER], slots, spent.idle);
	add(used, slots, end_us - lane->opened_us);
}

static void add_commands(const struct slow_lane *lane, int64_t end_us, int64_t rows[],
			 int64_t *used)
{
	struct slow_lane seen = *lane;

	ff_slow_cut_off(&seen, end_us);
	add(&rows[FF_SLOW_CALL], lane->slots, seen.call_us);
	add(&rows[FF_SLOW_LOST], lane->slots, seen.lost_us);
	add(&rows[FF_SLOW_OTHER], lane->slots, seen.other_us);
	add(used, lane->slots, seen.call_us + seen.lost_us + seen.other_us);
}

/* `used`: of its slots by workers and commands. */
static void add_host(const struct slow_host *host, const struct slow_shard *shard, int64_t used,
		     int64_t rows[])
{
	int64_t us[SLOW_PHASES], ready_us = 0, free_us;
	struct slow_setup_time setup;

	memcpy(us, host->phase_us, sizeof(us));
	ff_slow_add(&us[host->phase], shard->end_us - host->since_us);
	ff_slow_add_setup(host, shard, us, us[SLOW_READY], &setup);
	add(&rows[FF_SLOW_HOST_SETUP], host->slots, setup.early_us + setup.run_us);
	add(&rows[FF_SLOW_SYNC], host->slots, host->sync_us);
	add(&rows[FF_SLOW_CONNECTING], host->slots,
	    us[SLOW_JOINING] + us[SLOW_PREPARING] - host->sync_us - setup.early_us);
	add(&rows[FF_SLOW_AWAY], host->slots, us[SLOW_AWAY]);
	add(&rows[FF_SLOW_IDLE_SLOT], host->slots, us[SLOW_UNUSED] - setup.run_us + us[SLOW_LEFT]);
	add(&ready_us, host->slots, us[SLOW_READY]);
	/* Workers may still come to their end meanwhile. */
	free_us = at_least(ready_us - used, 0);
	ready_us = 0;
	add(&ready_us, host->slots, setup.late_us);
	ready_us = ready_us < free_us ? ready_us : free_us;
	ff_slow_add(&rows[FF_SLOW_HOST_TEARDOWN], ready_us);
	ff_slow_add(&rows[FF_SLOW_IDLE_SLOT], free_us - ready_us);
}

/* What is not accounted for is the rest; what is there twice (a worker that outlived its host) is
 * taken from where there is most. */
static void balance(int64_t rows[], int64_t slot_us)
{
	int64_t sum = 0;

	for (int i = 0; i < FF_SLOW_ROWS; i++)
		sum += rows[i];
	if (sum < slot_us)
		rows[FF_SLOW_OTHER] += slot_us - sum;
	while (sum > slot_us) {
		int most = 0;

		for (int i = 1; i < FF_SLOW_ROWS; i++)
			most = rows[i] > rows[most] ? i : most;
		sum = slot_us + shave(&rows[most], sum - slot_us);
	}
}

static void add_slots(const struct ff_slow *slow, struct ff_slow_answer *answer)
{
	int64_t *used = ff_xcalloc(slow->hosts.len + 1, sizeof(*used));

	for (size_t i = 0; i < slow->shards.len; i++) {
		const struct slow_shard *shard = &slow->shards.v[i];

		answer->wall_us = at_least(shard->end_us - shard->start_us, answer->wall_us);
	}
	for (size_t i = 0; i < slow->lanes.len; i++) {
		const struct slow_lane *lane = &slow->lanes.v[i];
		int64_t end_us;

		if (lane->host == SLOW_NONE)
			continue;
		end_us = end_of(lane, &slow->shards.v[slow->hosts.v[lane->host].shard]);
		if (lane->name)
			add_worker(slow, lane, end_us, answer->rows, &used[lane->host]);
		else
			add_commands(lane, end_us, answer->rows, &used[lane->host]);
	}
	for (size_t i = 0; i < slow->hosts.len; i++) {
		const struct slow_host *host = &slow->hosts.v[i];
		const struct slow_shard *shard = &slow->shards.v[host->shard];

		answer->slots += host->slots;
		add(&answer->slot_us, host->slots, shard->end_us - shard->start_us);
		add_host(host, shard, used[i], answer->rows);
	}
	balance(answer->rows, answer->slot_us);
	ff_free(used);
}

/* --- the longest --- */

static void add_tests(const struct ff_slow *slow, struct ff_slow_answer *answer)
{
	struct slow_named *named = ff_xcalloc(slow->tests.len + 1, sizeof(*named));

	if (slow->tests.len > 0) {
		memcpy(named, slow->tests.v, slow->tests.len * sizeof(*named));
		qsort(named, slow->tests.len, sizeof(*named), ff_slow_longest_first);
	}
	answer->tests_len =
		slow->most > 0 && slow->most < slow->tests.len ? slow->most : slow->tests.len;
	answer->tests = ff_xcalloc(answer->tests_len + 1, sizeof(*answer->tests));
	for (size_t i = 0; i < answer->tests_len; i++)
		answer->tests[i] = (struct ff_slow_unit){
			.name = named[i].name,
			.job = slow->jobs.v[named[i].job].name,
			.worker = ff_slow_lane_name(slow, named[i].lane),
			.us = named[i].us,
			.count = named[i].attempt,
		};
	ff_free(named);
}

static int longest_file_first(const void *a, const void *b)
{
	const struct ff_slow_unit *x = a, *y = b;

	return x->us != y->us ? (x->us < y->us) - (x->us > y->us) : strcmp(x->name, y->name);
}

static void add_files(const struct ff_slow *slow, struct ff_slow_answer *answer)
{
	answer->files = ff_xcalloc(slow->groups.len + 1, sizeof(*answer->files));
	for (size_t i = 0; i < slow->groups.len; i++) {
		const struct slow_group *group = &slow->groups.v[i];

		if (!group->file || group->units == 0)
			continue;
		answer->files[answer->files_len++] = (struct ff_slow_unit){
			.name = group->name,
			.job = slow->jobs.v[group->job].name,
			.worker = ff_slow_lane_name(slow, group->lane),
			.us = group->us,
			.count = group->units,
		};
	}
	if (answer->files_len > 1)
		qsort(answer->files, answer->files_len, sizeof(*answer->files), longest_file_first);
	if (slow->most > 0 && answer->files_len > slow->most)
		answer->files_len = slow->most;
}

void ff_slow_ask(const struct ff_slow *slow, struct ff_slow_answer *answer)
{
	*answer = (struct ff_slow_answer){
		.run_id = slow->run_id ? slow->run_id : "",
		.begun = slow->begun,
		.over = slow->over,
		.shards = slow->merged,
		.attempts = (uint32_t)slow->attempts.len,
		.before = slow->before,
	};
	add_slots(slow, answer);
	add_tests(slow, answer);
	add_files(slow, answer);
	ff_slow_find_path(slow, answer);
	ff_slow_estimate(slow, &answer->estimate);
}

void ff_slow_answer_release(struct ff_slow_answer *answer)
{
	ff_free(answer->tests);
	ff_free(answer->files);
	ff_free(answer->path);
	*answer = (struct ff_slow_answer){0};
}

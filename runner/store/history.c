/* From events to the store. What is seen of a unit is kept only if the store does not know it yet:
 * a suite that is as it was costs a look-up a test, and hardly a write. */
#include "store/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/map.h"
#include "store/store.h"

enum {
	SEEN_MAX = 250000, /* units of one run that are written */
	FRESH_S = 7 * 86400,
	/* A unit takes as long as it did, if it differs by less than a quarter, or than this. */
	ALIKE_US = 2000,
	/* It takes as much memory, by the same quarter, or this. */
	ALIKE_KIB = 4096,
	/* Less than this of a host's units says nothing of its speed. */
	SPEED_MIN_US = 200000,
	SPEED_UNIT_MIN_US = 1000,
};

#define MILLION		1000000
#define MEMORY_MOST_KIB (INT64_C(1) << 40)
#define SLOWEST_HOST	0.05
#define FASTEST_HOST	20.0
#define SPEED_CHANGE	0.05
#define SPEED_WEIGHT	0.3

struct seen {
	const char *kind, *name;
	int64_t us, setup_us, memory_kib;
	enum ff_outcome outcome;
	bool flaky;
};

struct host {
	double speed;		   /* units take us * speed on a host of speed 1 */
	int64_t took_us, known_us; /* of units that were known: here, and by the store */
};

struct history {
	struct ff_reporter base;
	char *path;
	void (*complain)(const char *text);
	struct ff_expect *expect;
	struct ff_map hosts;  /* name -> struct host, of all runs */
	struct ff_map runs;   /* their ids, each kept once */
	struct ff_map kinds;  /* job -> its kind */
	struct ff_map failed; /* "job\nindex" of units with a bad attempt that was not the last */
	struct ff_arena arena;
	struct seen *seen;
	size_t len, cap;
	struct ff_store_file *files; /* collected in this run */
	size_t files_len, files_cap;
	struct ff_store_run run;
	struct ff_report_green green; /* run: NULL: none */
	struct ff_strv sharded;
	bool known;  /* any unit is */
	bool unused; /* the file is not ours to write */
};

static void say(const struct history *h, const char *what, const char *text)
{
	char *line = ff_xasprintf("%s: %s", what, text);

	h->complain(line);
	ff_free(line);
}

static const char *keep(struct history *h, const char *text)
{
	char *copy = ff_arena_strdup(&h->arena, text);

	return copy ? copy : ff_xmalloc(SIZE_MAX);
}

/* --- before the run --- */

static const char *keep_run(struct history *h, const char *id)
{
	const char *kept = id ? ff_map_get(&h->runs, id) : NULL;

	if (id && !kept) {
		kept = keep(h, id);
		ff_map_set(&h->runs, id, (void *)kept);
	}
	return kept;
}

static struct host *host_of(struct history *h, const char *name)
{
	struct host *host = ff_map_get(&h->hosts, name);

	if (host)
		return host;
	host = ff_xcalloc(1, sizeof(*host));
	host->speed = 1.0;
	ff_map_set(&h->hosts, name, host);
	return host;
}

static void read_host(void *ctx, const char *name, double speed)
{
	if (speed >= SLOWEST_HOST && speed <= FASTEST_HOST)
		host_of(ctx, name)->speed = speed;
}

static void read_unit(void *ctx, const struct ff_store_unit *unit)
{
	struct history *h = ctx;

	*ff_expect_add(h->expect, unit->kind, unit->name) =
		(struct ff_expect_unit){unit->us,     unit->setup_us,	  unit->memory_kib,
					unit->seen_s, (int)unit->outcome, keep_run(h, unit->since)};
	h->known = true;
}

static void read_run(void *ctx, const struct ff_store_run *run)
{
	struct history *h = ctx;

	if (h->green.run || run->exit_code != 0)
		return;
	h->green.run = keep(h, run->id);
	h->green.total = run->total;
}

static void read_file(void *ctx, const struct ff_store_file *file)
{
	struct history *h = ctx;

	ff_expect_add_file(h->expect, file->kind, file->name, file->content, file->collect_us);
}

static void read_sharded(void *ctx, const char *suite)
{
	struct history *h = ctx;

	ff_strv_add(&h->sharded, suite);
}

static int read_all(struct history *h, struct ff_err *err)
{
	const struct ff_store_query all = {0};
	struct ff_store *store;
	int rc = ff_store_open(&store, h->path, FF_STORE_READ, err);

	if (rc)
		return rc;
	rc = ff_store_hosts(store, read_host, h, err);
	if (!rc)
		rc = ff_store_units(store, &all, read_unit, h, err);
	if (!rc)
		rc = ff_store_runs(store, 0, read_run, h, err);
	if (!rc)
		rc = ff_store_files(store, read_file, h, err);
	if (!rc)
		rc = ff_store_sharded(store, read_sharded, h, err);
	ff_store_close(store);
	return rc;
}

static void set_aside(struct history *h, const char *why)
{
	char moved[FF_STORE_NAME_MAX];
	struct ff_err err = {0};
	char *text;

	if (ff_store_set_aside(h->path, moved, &err)) {
		say(h, "no history", err.text);
		h->unused = true;
	} else if (*moved) {
		text = ff_xasprintf("%s; it is called %s now", why, moved);
		say(h, "the history of earlier runs is broken", text);
		ff_free(text);
	}
}

static void load(struct history *h)
{
	struct ff_err err = {0};
	int rc = read_all(h, &err);

	if (rc == 0 || rc == FF_ENOTFOUND)
		return;
	if (rc == FF_ELOAD) {
		set_aside(h, err.text);
		return;
	}
	h->unused = true;
	say(h, "no history", err.text);
}

/* --- the run --- */

static const char *kind_of(const struct history *h, const struct ff_event *event)
{
	return event->job ? ff_map_get(&h->kinds, event->job) : NULL;
}

static void on_run(struct history *h, const struct ff_event *event)
{
	const char *id = event->u.run_started.run_id, *command = event->u.run_started.command_line;
	char own[24];

	h->run.began_s = event->time_us / MILLION;
	snprintf(own, sizeof(own), "at-%lld", (long long)h->run.began_s);
	h->run.id = keep(h, id ? id : own);
	h->run.command_line = command ? keep(h, command) : NULL;
}

static bool alike(int64_t a, int64_t b, int64_t least)
{
	int64_t apart = a > b ? a - b : b - a, may = b / 4 > least ? b / 4 : least;

	return apart <= may;
}

static bool is_news(const struct history *h, const struct seen *seen,
		    const struct ff_expect_unit *known)
{
	return !known || seen->flaky || ff_outcome_bad(seen->outcome) ||
	       known->outcome != (int)seen->outcome || h->run.began_s - known->seen_s > FRESH_S ||
	       (seen->us > 0 && (known->us == 0 || !alike(seen->us, known->us, ALIKE_US) ||
				 !alike(seen->setup_us, known->setup_us, ALIKE_US))) ||
	       (seen->memory_kib > 0 &&
		(known->memory_kib == 0 || !alike(seen->memory_kib, known->memory_kib, ALIKE_KIB)));
}

static void add(struct history *h, const struct seen *seen)
{
	if (h->len == SEEN_MAX)
		return;
	if (h->len == h->cap) {
		h->cap = h->cap ? 2 * h->cap : 256;
		h->seen = ff_xrealloc(h->seen, h->cap * sizeof(*h->seen));
	}
	h->seen[h->len] = *seen;
	h->seen[h->len++].name = keep(h, seen->name);
}

static void note_file(struct history *h, const struct ff_store_file *file)
{
	if (h->files_len == SEEN_MAX)
		return;
	if (h->files_len == h->files_cap) {
		h->files_cap = h->files_cap ? 2 * h->files_cap : 64;
		h->files = ff_xrealloc(h->files, h->files_cap * sizeof(*h->files));
	}
	h->files[h->files_len] = *file;
	h->files[h->files_len++].name = keep(h, file->name);
}

static void on_file(struct history *h, const struct ff_event *event)
{
	const char *kind = kind_of(h, event), *name = event->u.file_collected.file;

	if (kind && name)
		note_file(h, &(struct ff_store_file){kind, name, event->u.file_collected.content,
						     event->u.file_collected.took_us});
}

/* What a host, or the run, needs before and behind its units: see expect.h. */
static void on_preparation(struct history *h, const struct ff_event *event)
{
	const char *name = event->host ? event->host : "", *phase = event->u.host_setup.phase;

	if (event->kind == FF_EVENT_SYNC_FINISHED)
		note_file(h,
			  &(struct ff_store_file){"sync", name, 0, event->u.sync_finished.took_us});
	else if (phase && !event->u.host_setup.error)
		note_file(h, &(struct ff_store_file){strcmp(phase, "teardown") == 0 ? "teardown"
										    : "setup",
						     name, 0, event->u.host_setup.took_us});
}

/* Whether an earlier attempt in this run was bad; one that was lost with its host was not. */
static bool failed_before(struct history *h, const struct ff_event *event)
{
	bool final = event->u.unit_finished.final, found;
	char *key;

	if (final && event->u.unit_finished.attempt <= 1)
		return false;
	key = ff_xasprintf("%s\n%u", event->job, event->index);
	found = ff_map_get(&h->failed, key);
	if (!final && !found)
		ff_map_set(&h->failed, key, h);
	ff_free(key);
	return found;
}

/* How it ended says how long it takes: of one that was cut off it does not. */
static bool ran_through(enum ff_outcome outcome)
{
	return outcome != FF_OUTCOME_CRASHED && outcome != FF_OUTCOME_TIMEOUT &&
	       outcome != FF_OUTCOME_LOST;
}

/* Of a command it is known without being asked for. What was cut off took at least so much. */
static int64_t memory_of(const struct ff_result *result, const struct ff_expect_unit *known)
{
	int64_t kib = result->memory_kib;

	if (kib == 0 && result->has_status)
		kib = result->max_rss_kib;
	if (!ran_through(result->outcome) && known && kib <= known->memory_kib)
		return 0;
	return kib < MEMORY_MOST_KIB ? kib : MEMORY_MOST_KIB;
}

static void on_unit(struct history *h, const struct ff_event *event)
{
	const struct ff_result *result = event->u.unit_finished.result;
	const struct ff_expect_unit *known;
	struct seen seen = {.kind = kind_of(h, event), .name = event->unit};
	bool before;

	if (!seen.kind || !result || !seen.name)
		return;
	before = failed_before(h, event);
	if (!event->u.unit_finished.final)
		return;
	known = ff_expect_find(h->expect, seen.kind, seen.name);
	seen.outcome = result->outcome;
	seen.flaky = before && !ff_outcome_bad(result->outcome);
	if (ran_through(result->outcome)) {
		struct host *host = host_of(h, event->host ? event->host : "");

		seen.us = 1 + (int64_t)((double)result->duration_us * host->speed);
		seen.setup_us = (int64_t)((double)result->setup_us * host->speed);
		if (known && known->us >= SPEED_UNIT_MIN_US && !result->message) {
			host->took_us += result->duration_us;
			host->known_us += known->us;
		}
	}
	seen.memory_kib = memory_of(result, known);
	if (is_news(h, &seen, known))
		add(h, &seen);
}

static void history_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	struct history *h = (struct history *)reporter;

	switch (event->kind) {
	case FF_EVENT_RUN_STARTED:
		on_run(h, event);
		break;
	case FF_EVENT_JOB_ADDED:
		ff_map_set(&h->kinds, event->job, (void *)keep(h, event->u.job_added.payload));
		break;
	case FF_EVENT_FILE_COLLECTED:
		on_file(h, event);
		break;
	case FF_EVENT_SYNC_FINISHED:
	case FF_EVENT_HOST_SETUP:
		on_preparation(h, event);
		break;
	case FF_EVENT_UNIT_BEFORE:
		if (event->u.unit_finished.unkept)
			on_unit(h, event);
		break;
	case FF_EVENT_UNIT_FINISHED:
		on_unit(h, event);
		break;
	case FF_EVENT_RUN_FINISHED:
		h->run.took_us = event->u.run_finished.took_us;
		h->run.exit_code = event->u.run_finished.exit_code;
		for (int i = 0; i < FF_OUTCOMES; i++) {
			uint32_t count = event->u.run_finished.counts.by_outcome[i];

			h->run.total += count;
			h->run.bad += ff_outcome_bad((enum ff_outcome)i) ? count : 0;
		}
		break;
	default:
		break;
	}
}

/* --- after it --- */

/* Hosts are compared with each other within a run: of a run on one of them all units may have
 * become slower. */
static int put_hosts(struct history *h, struct ff_store *store, struct ff_err *err)
{
	double took = 0, known = 0;
	const char *name;
	size_t cursor = 0;
	int compared = 0, rc = 0;
	void *value;

	while (ff_map_next(&h->hosts, &cursor, NULL, &value)) {
		const struct host *host = value;

		if (host->known_us < SPEED_MIN_US)
			continue;
		took += (double)host->took_us * host->speed;
		known += (double)host->known_us;
		compared++;
	}
	cursor = 0;
	while (compared > 1 && !rc && ff_map_next(&h->hosts, &cursor, &name, &value)) {
		const struct host *host = value;
		double speed;

		if (host->known_us < SPEED_MIN_US || host->took_us <= 0)
			continue;
		speed = took / known * (double)host->known_us / (double)host->took_us;
		speed = host->speed + (speed - host->speed) * SPEED_WEIGHT;
		speed = speed < SLOWEST_HOST ? SLOWEST_HOST
					     : (speed > FASTEST_HOST ? FASTEST_HOST : speed);
		if (speed > host->speed * (1 + SPEED_CHANGE) ||
		    speed < host->speed * (1 - SPEED_CHANGE))
			rc = ff_store_put_host(store, name, speed, err);
	}
	return rc;
}

static int put_all(struct history *h, struct ff_store *store, struct ff_err *err)
{
	int64_t now_s = (int64_t)time(NULL);
	int rc = ff_store_begin(store, err);

	for (size_t i = 0; !rc && i < h->len; i++) {
		const struct seen *seen = &h->seen[i];
		const struct ff_store_seen put = {seen->kind,	 seen->name,	 h->run.id,
						  seen->us,	 seen->setup_us, seen->memory_kib,
						  seen->outcome, seen->flaky,	 now_s};

		rc = ff_store_put_unit(store, &put, err);
	}
	for (size_t i = 0; !rc && i < h->files_len; i++)
		rc = ff_store_put_file(store, &h->files[i], now_s, err);
	if (!rc)
		rc = ff_store_put_run(store, &h->run, err);
	if (!rc)
		rc = put_hosts(h, store, err);
	if (!rc)
		rc = ff_store_prune(store, now_s, err);
	return rc ? rc : ff_store_commit(store, err);
}

static int history_finish(struct ff_reporter *reporter, struct ff_err *err)
{
	struct history *h = (struct history *)reporter;
	struct ff_err trouble = {0};
	struct ff_store *store;

	(void)err; /* that the next run knows less is no failure of this one */
	if (h->unused || !h->run.id || h->run.total == 0)
		return 0;
	if (ff_store_open(&store, h->path, FF_STORE_UPDATE, &trouble)) {
		say(h, "the run is not in the history", trouble.text);
		return 0;
	}
	if (put_all(h, store, &trouble))
		say(h, "the run is not in the history", trouble.text);
	ff_store_close(store);
	return 0;
}

static void history_free(struct ff_reporter *reporter)
{
	struct history *h = (struct history *)reporter;
	size_t cursor = 0;
	void *value;

	while (ff_map_next(&h->hosts, &cursor, NULL, &value))
		ff_free(value);
	ff_map_release(&h->hosts);
	ff_map_release(&h->kinds);
	ff_map_release(&h->runs);
	ff_map_release(&h->failed);
	ff_arena_release(&h->arena);
	ff_expect_free(h->expect);
	ff_strv_release(&h->sharded);
	ff_free(h->seen);
	ff_free(h->files);
	ff_free(h->path);
	ff_free(h);
}

static const struct ff_reporter_class history_class = {
	.name = "history",
	.event = history_event,
	.finish = history_finish,
	.free = history_free,
};

struct ff_reporter *ff_history_new(const char *path, void (*complain)(const char *text))
{
	struct history *h = ff_xcalloc(1, sizeof(*h));

	h->base.class = &history_class;
	h->path = ff_xstrdup(path);
	h->complain = complain;
	h->expect = ff_expect_new();
	load(h);
	return &h->base;
}

struct ff_expect *ff_history_expect(const struct ff_reporter *reporter)
{
	return ((const struct history *)reporter)->expect;
}

char *const *ff_history_sharded(const struct ff_reporter *reporter)
{
	return ((const struct history *)reporter)->sharded.v;
}

bool ff_history_known(const struct ff_reporter *reporter, const char *kind, const char *unit,
		      struct ff_report_known *known)
{
	const struct history *h = (const struct history *)reporter;
	const struct ff_expect_unit *before = ff_expect_find(h->expect, kind, unit);

	*known = (struct ff_report_known){0};
	if (before) {
		known->bad = ff_outcome_bad((enum ff_outcome)before->outcome);
		known->since = before->since;
	}
	return h->known;
}

bool ff_history_green(const struct ff_reporter *reporter, struct ff_report_green *green)
{
	*green = ((const struct history *)reporter)->green;
	return green->run;
}

void ff_history_leave(struct ff_reporter *reporter)
{
	((struct history *)reporter)->unused = true;
}

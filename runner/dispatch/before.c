/* Reading earlier runs. */
#include "dispatch/before.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "dispatch/before_files.h"
#include "event/going.h"
#include "event/reader.h"

/* Units that are named, as they are met. */
struct named {
	struct place {
		uint32_t job, unit;
	} * v;
	size_t len, cap;
};

/* What is gathered of a journal as it is read. */
struct noted {
	struct named named;
	struct ff_map seeds; /* of workers -> a text */
	struct ff_before_files files;
};

static void note_start(struct ff_before_run *run, const struct ff_event *event)
{
	run->run_id = ff_xstrdup(event->u.run_started.run_id);
	run->command_line = ff_xstrdup(event->u.run_started.command_line);
	run->config_file = ff_xstrdup(event->u.run_started.config_file);
	run->directory = ff_xstrdup(event->u.run_started.directory);
	run->content = ff_xstrdup(event->u.run_started.content);
	run->goes_on = ff_xstrdup(event->u.run_started.goes_on);
	run->addopts = ff_xstrdup(event->u.run_started.addopts);
}

static void note_named(struct ff_before_run *run, const struct ff_event *event,
		       const struct ff_before_again *again, struct named *named)
{
	if (!again->units || !event->unit || !ff_map_get(again->units, event->unit))
		return;
	ff_map_set(again->units, event->unit, run);
	if (named->len == named->cap) {
		named->cap = named->cap ? 2 * named->cap : 16;
		named->v = ff_xrealloc(named->v, named->cap * sizeof(*named->v));
	}
	named->v[named->len++] =
		(struct place){ff_state_find_job(&run->state, event->job), event->index};
}

const char *ff_before_seed(const char *const *header)
{
	static const char says[] = "Using --randomly-seed=";

	for (; header && *header; header++)
		if (strncmp(*header, says, sizeof(says) - 1) == 0)
			return *header + strlen("Using ");
	return NULL;
}

/* A front draws for all; else each worker does, and the first collection is what counts. */
static void note_seed(struct ff_before_run *run, const struct ff_event *event, struct noted *noted)
{
	const char *const *header = event->kind == FF_EVENT_FRONT_READY
					    ? event->u.front_ready.header
					    : event->u.worker_started.header;
	const char *seed = ff_before_seed(header);

	if (seed && event->kind == FF_EVENT_FRONT_READY && !run->seed)
		run->seed = ff_xstrdup(seed);
	else if (seed && event->worker && !ff_map_get(&noted->seeds, event->worker))
		ff_map_set(&noted->seeds, event->worker, ff_xstrdup(seed));
}

static void note_collected(struct ff_before_run *run, const struct ff_event *event,
			   struct noted *noted)
{
	if (!run->seed && event->worker && !event->u.collected.again)
		run->seed = ff_map_del(&noted->seeds, event->worker);
}

static void note_unit(struct ff_before_run *run, const struct ff_event *event,
		      const struct ff_before_again *again, struct noted *noted)
{
	note_named(run, event, again, &noted->named);
	if (again->changed && again->changed_too && event->unit && event->u.unit_finished.final)
		ff_before_files_unit(&noted->files, event->unit,
				     ff_state_find_job(&run->state, event->job), event->index);
}

static int take(struct ff_before_run *run, const struct ff_event *event,
		const struct ff_before_again *again, struct noted *noted, struct ff_err *err)
{
	int rc = ff_state_apply(&run->state, event, err);

	if (rc < 0)
		return rc;
	switch (event->kind) {
	case FF_EVENT_RUN_STARTED:
		note_start(run, event);
		break;
	case FF_EVENT_UNITS_BEFORE:
		run->promised += event->u.units_before.count;
		break;
	case FF_EVENT_UNIT_BEFORE:
		run->told += event->u.unit_finished.final;
		note_unit(run, event, again, noted);
		break;
	case FF_EVENT_UNIT_FINISHED:
		note_unit(run, event, again, noted);
		break;
	case FF_EVENT_WORKER_STARTED:
	case FF_EVENT_FRONT_READY:
		note_seed(run, event, noted);
		break;
	case FF_EVENT_COLLECTED:
		note_collected(run, event, noted);
		/* fall through */
	case FF_EVENT_SYNC_FINISHED:
	case FF_EVENT_FILE_COLLECTED:
		if (again->changed)
			ff_before_files_note(&noted->files, run, again, event);
		break;
	default:
		break;
	}
	return 0;
}

void ff_before_run_again(struct ff_before_run *run, uint32_t job, uint32_t unit)
{
	size_t words = run->state.jobs[job].units_len / 64 + 1;

	if (!run->again[job])
		run->again[job] = ff_xcalloc(words, sizeof(*run->again[job]));
	run->again[job][unit / 64] |= UINT64_C(1) << unit % 64;
}

static void choose(struct ff_before_run *run, const struct ff_before_again *again,
		   const struct noted *noted)
{
	const struct named *named = &noted->named;

	run->again = ff_xcalloc(run->state.jobs_len + 1, sizeof(*run->again));
	for (size_t i = 0; i < noted->files.len; i++)
		if (noted->files.units[i].file->changed)
			ff_before_run_again(run, noted->files.units[i].job, noted->files.units[i].unit);
	for (size_t i = 0; i < named->len; i++)
		ff_before_run_again(run, named->v[i].job, named->v[i].unit);
	for (uint32_t i = 0; i < run->state.jobs_len; i++) {
		const struct ff_job_record *job = &run->state.jobs[i];

		for (uint32_t j = 0; j < job->units_len; j++)
			if (job->units[j].state == FF_UNIT_DONE &&
			    (again->outcomes >> job->units[j].outcome & 1))
				ff_before_run_again(run, i, j);
	}
}

static int read_run(struct ff_before_run *run, const struct ff_before_again *again,
		    struct ff_err *err)
{
	struct ff_reader *reader = ff_reader_new(run->path, err);
	const struct ff_event *event;
	struct noted noted = {0};
	size_t cursor = 0;
	void *seed;
	int rc = reader ? 1 : FF_ESYS;

	ff_state_init(&run->state);
	if (reader)
		ff_reader_brief(reader);
	while (rc == 1 && (rc = ff_reader_next(reader, &event, err)) == 1) {
		int applied = take(run, event, again, &noted, err);

		if (applied < 0) {
			ff_err_prefix(err, "%s: ", run->path);
			rc = applied;
		}
	}
	ff_reader_free(reader);
	choose(run, again, &noted);
	ff_free(noted.named.v);
	while (ff_map_next(&noted.seeds, &cursor, NULL, &seed))
		ff_free(seed);
	ff_map_release(&noted.seeds);
	ff_before_files_release(&noted.files);
	if (rc == 0 && !run->run_id)
		rc = ff_err_set(err, FF_ELOAD, "%s: it has no run in it", run->path);
	return rc;
}

/* Whether all that it took over from earlier runs is in its own journal. */
static bool stands_alone(const struct ff_before_run *run)
{
	if (!run->goes_on)
		return true;
	for (uint32_t i = 0; i < run->state.jobs_len; i++) {
		const struct ff_job_record *job = &run->state.jobs[i];

		if (!job->known || job->parts_left > 0 || job->state == FF_JOBSTATE_WAITING)
			return false;
	}
	return run->promised == run->told;
}

/* Where units have the same numbers, a name that only the earlier journal has holds for both. */
static void spread_named(struct ff_before *before)
{
	for (size_t i = before->len - 1; i-- > 0;) {
		struct ff_before_run *later = &before->v[i], *earlier = &before->v[i + 1];

		for (uint32_t j = 0; j < later->state.jobs_len; j++) {
			const struct ff_job_record *job = &later->state.jobs[j];
			uint32_t from = ff_state_find_job(&earlier->state, job->name);

			if (from == FF_NOBODY || !earlier->again[from] || job->parts_len > 0 ||
			    earlier->state.jobs[from].units_len != job->units_len)
				continue;
			for (uint32_t u = 0; u < job->units_len; u++)
				if (earlier->again[from][u / 64] >> u % 64 & 1)
					ff_before_run_again(later, j, u);
		}
	}
}

static void show_to_engine(struct ff_before *before)
{
	before->states = ff_xcalloc(before->len + 1, sizeof(*before->states));
	before->again = ff_xcalloc(before->len + 1, sizeof(*before->again));
	for (size_t i = 0; i < before->len; i++) {
		before->states[i] = &before->v[i].state;
		before->again[i] = (const uint64_t *const *)before->v[i].again;
	}
}

static int add_run(struct ff_before *before, const char *path, const struct ff_before_again *again,
		   struct ff_err *err)
{
	struct ff_before_run *run;
	char *whole;

	if (before->len == FF_BEFORE_RUNS_MAX)
		return ff_err_set(err, FF_ETOOBIG, "more than %d runs went on with each other",
				  FF_BEFORE_RUNS_MAX);
	if (ff_run_is_going(path))
		return ff_err_set(err, FF_EBUSY, "%s: this run is still going", path);
	if (before->len > 0 && access(path, R_OK) < 0)
		return ff_err_set(err, FF_ENOTFOUND,
				  "run %s went on with another one, and was cut off before it had "
				  "all of that; that one is gone: %s",
				  before->v[before->len - 1].run_id, path);
	whole = realpath(path, NULL);
	before->v = ff_xrealloc(before->v, (before->len + 1) * sizeof(*before->v));
	run = &before->v[before->len++];
	*run = (struct ff_before_run){.path = ff_xstrdup(whole ? whole : path)};
	free(whole);
	return read_run(run, again, err);
}

static int check_found(const struct ff_before *before, const struct ff_before_again *again,
		       struct ff_err *err)
{
	const char *name;
	size_t cursor = 0;
	void *value;

	while (again->units && ff_map_next(again->units, &cursor, &name, &value))
		if (value == again->wanted)
			return ff_err_set(err, FF_ENOTFOUND, "run %s has no unit '%s' with an end",
					  before->v[0].run_id, name);
	return 0;
}

int ff_before_read(struct ff_before *before, const char *path, const struct ff_before_again *again,
		   struct ff_err *err)
{
	int rc;

	*before = (struct ff_before){0};
	do {
		rc = add_run(before, path, again, err);
		path = rc == 0 ? before->v[before->len - 1].goes_on : NULL;
	} while (rc == 0 && !stands_alone(&before->v[before->len - 1]));
	if (rc == 0)
		rc = check_found(before, again, err);
	if (rc < 0) {
		ff_before_release(before);
		return rc;
	}
	spread_named(before);
	show_to_engine(before);
	return 0;
}

void ff_before_release(struct ff_before *before)
{
	for (size_t i = 0; i < before->len; i++) {
		struct ff_before_run *run = &before->v[i];

		for (uint32_t j = 0; run->again && j < run->state.jobs_len; j++)
			ff_free(run->again[j]);
		ff_free(run->again);
		ff_state_release(&run->state);
		ff_free(run->path);
		ff_free(run->run_id);
		ff_free(run->command_line);
		ff_free(run->config_file);
		ff_free(run->directory);
		ff_free(run->content);
		ff_free(run->goes_on);
		ff_free(run->addopts);
		ff_free(run->seed);
	}
	ff_free(before->v);
	ff_free(before->states);
	ff_free(before->again);
	*before = (struct ff_before){0};
}

#include "web/digest.h"

#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "event/glance.h"
#include "event/reader.h"
#include "web/folder.h"
#include "web/model.h"

/* --- one run --- */

/* Jobs, hosts and files have few names, and many units. */
static const char *shared_text(struct ff_digest *digest, struct ff_map *known, const char *text)
{
	char *copy = ff_map_get(known, text ? text : "");

	if (copy)
		return copy;
	copy = ff_arena_strdup(&digest->texts, text ? text : "");
	if (copy)
		ff_map_set(known, copy, copy);
	return copy ? copy : "";
}

static int compare_names(const char *job, const char *name, const struct ff_digest_unit *unit)
{
	int order = strcmp(job, unit->job);

	return order ? order : strcmp(name, unit->name);
}

static int compare_units(const void *a, const void *b)
{
	const struct ff_digest_unit *unit = a;

	return compare_names(unit->job, unit->name, b);
}

static void take_rows(struct ff_digest *digest, const struct ff_model *model)
{
	struct ff_map known = {0};

	digest->units = ff_xcalloc((size_t)model->rows_len + 1, sizeof(*digest->units));
	for (uint32_t i = 0; i < model->rows_len; i++) {
		const struct ff_row *row = &model->rows[i];
		const char *name;

		if (row->kind != FF_CASE_UNIT || row->state >= FF_ROW_STATES ||
		    !(name = ff_arena_strdup(&digest->texts, row->name)))
			continue;
		digest->units[digest->len++] = (struct ff_digest_unit){
			.name = name,
			.job = shared_text(digest, &known, model->jobs[row->job].name),
			.host = shared_text(digest, &known,
					    row->lane == FF_NO_LANE ? NULL
								    : model->lanes[row->lane].host),
			.file = shared_text(digest, &known, row->file),
			.took_us = row->took_us,
			.state = row->state,
			.bad = row->bad,
			.flaky = row->flaky,
		};
	}
	ff_map_release(&known);
	qsort(digest->units, digest->len, sizeof(*digest->units), compare_units);
}

struct ff_digest *ff_digest_read(const char *id, const char *journal, struct ff_err *err)
{
	struct ff_reader *reader = ff_reader_new(journal, err);
	struct ff_digest *digest = NULL;
	const struct ff_event *event;
	struct ff_model model;
	int rc = reader ? 1 : err->code;

	ff_model_init(&model);
	while (rc == 1)
		if ((rc = ff_reader_next(reader, &event, err)) == 1)
			ff_model_take(&model, event, NULL);
	if (rc == 0 && !model.over)
		ff_err_set(err, FF_ENOTFOUND, "run %s has not come to its end", id);
	if (rc == 0 && model.over) {
		digest = ff_xcalloc(1, sizeof(*digest));
		digest->id = ff_xstrdup(id);
		digest->began_us = model.began_us;
		digest->took_us = model.last_us - model.began_us;
		digest->exit_code = model.exit_code;
		ff_arena_init(&digest->texts);
		take_rows(digest, &model);
	}
	ff_model_release(&model);
	ff_reader_free(reader);
	return digest;
}

void ff_digest_free(struct ff_digest *digest)
{
	if (!digest)
		return;
	ff_arena_release(&digest->texts);
	ff_free(digest->units);
	ff_free(digest->id);
	ff_free(digest);
}

const struct ff_digest_unit *ff_digest_find(const struct ff_digest *digest, const char *job,
					    const char *name)
{
	uint32_t low = 0, high = digest->len;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = compare_names(job, name, &digest->units[middle]);

		if (order == 0)
			return &digest->units[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* --- those of a folder --- */

struct ff_digests {
	char *runs;
	pthread_mutex_t lock;
	struct ff_digest *v[FF_DIGESTS_MAX]; /* the oldest first */
	uint32_t len;
};

struct ff_digests *ff_digests_new(const char *runs)
{
	struct ff_digests *digests = ff_xcalloc(1, sizeof(*digests));

	digests->runs = ff_xstrdup(runs);
	pthread_mutex_init(&digests->lock, NULL);
	return digests;
}

void ff_digests_free(struct ff_digests *digests)
{
	if (!digests)
		return;
	for (uint32_t i = 0; i < digests->len; i++)
		ff_digest_free(digests->v[i]);
	pthread_mutex_destroy(&digests->lock);
	ff_free(digests->runs);
	ff_free(digests);
}

/* The digest of a run, from those that there were or anew; NULL: it has none. */
static struct ff_digest *take(struct ff_digests *digests, const char *id)
{
	struct ff_digest *digest = NULL;
	struct ff_arena arena = {0};
	struct ff_event last;
	struct ff_err err = {0};
	char *journal;

	for (uint32_t i = 0; i < digests->len; i++)
		if (digests->v[i] && strcmp(digests->v[i]->id, id) == 0) {
			digest = digests->v[i];
			digests->v[i] = NULL;
			return digest;
		}
	journal = ff_xasprintf("%s/%s/journal.jsonl", digests->runs, id);
	if (ff_journal_end(journal, &arena, &last))
		digest = ff_digest_read(id, journal, &err);
	ff_arena_release(&arena);
	ff_free(journal);
	return digest;
}

static int by_beginning(const void *a, const void *b)
{
	const struct ff_digest *const *x = a, *const *y = b;

	return ((*x)->began_us > (*y)->began_us) - ((*x)->began_us < (*y)->began_us);
}

/* What has come since the last time is read, what is gone forgotten. */
static void refresh(struct ff_digests *digests, uint32_t max)
{
	struct ff_digest *found[FF_DIGESTS_MAX];
	struct dirent **entries = NULL;
	int n = ff_web_scan(digests->runs, &entries);
	uint32_t len = 0;
	uint64_t units = 0;

	for (int i = 0; i < n; i++) {
		struct ff_digest *digest = len < max && units < FF_DIGESTS_UNITS_MAX
						   ? take(digests, entries[i]->d_name)
						   : NULL;

		if (digest) {
			units += digest->len;
			found[len++] = digest;
		}
		free(entries[i]);
	}
	free(entries);
	for (uint32_t i = 0; i < digests->len; i++)
		ff_digest_free(digests->v[i]);
	memcpy(digests->v, found, len * sizeof(*found));
	digests->len = len;
	/* Names of runs that began in the same second say nothing. */
	qsort(digests->v, len, sizeof(*digests->v), by_beginning);
}

uint32_t ff_digests_borrow(struct ff_digests *digests, uint32_t max, const struct ff_digest **list)
{
	pthread_mutex_lock(&digests->lock);
	refresh(digests, max < FF_DIGESTS_MAX ? max : FF_DIGESTS_MAX);
	for (uint32_t i = 0; i < digests->len; i++)
		list[i] = digests->v[i];
	return digests->len;
}

void ff_digests_give_back(struct ff_digests *digests)
{
	pthread_mutex_unlock(&digests->lock);
}

/* Cutting files into parcels. */
#include "sched/parcels.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sched/policy.h"
#include "sched/queues.h"

enum {
	/* A worker gets its share in so many parcels at least: one more or less at the end is
	   little. */
	PARCELS_EACH = 16,
	PARCEL_MIN_US = 20000, /* smaller ones cost more than they even out */
	/* What differs by less than such a part of a parcel is alike: then they stay in order, and
	 * that is the same from run to run. */
	ALIKE = 4,
	/* A file whose set-up is repeated by each worker that has some of it is cut only into
	 * parcels that take so many times as long. */
	SETUP_TIMES = 3,
	UNKNOWN_US = 1000,
};

/* Longer ones are as long: sums of a hundred million of them can be counted. */
#define UNIT_MAX_US INT64_C(86400000000)

struct parcel {
	int64_t us, size;    /* size: in parts of what a parcel may take */
	uint32_t first, len; /* units */
	uint32_t file;
};

struct cutting {
	struct parcel *v;
	uint32_t len;
	int64_t most_us;
};

static uint32_t file_end(const struct ff_queues_opts *opts, uint32_t first)
{
	uint32_t end = first + 1;

	if (!opts->names)
		return opts->units;
	while (end < opts->units && ff_policy_same_file(opts->names[first], opts->names[end]))
		end++;
	return end;
}

/* What the file's set-up costs whoever runs some of it: that of its first test there, which the
 * others are spared. */
static int64_t shared_setup(const struct ff_queues_opts *opts, uint32_t first, uint32_t end)
{
	int64_t least = INT64_MAX, most = 0;

	for (uint32_t i = first; opts->setup_us && i < end; i++) {
		least = opts->setup_us[i] < least ? opts->setup_us[i] : least;
		most = opts->setup_us[i] > most ? opts->setup_us[i] : most;
	}
	return most > least ? most - least : 0;
}

/* A unit that is longer than a parcel may be is one of its own: it need not wait for others. */
static void cut_file(struct cutting *cutting, const struct ff_parcels *parcels,
		     const struct ff_queues_opts *opts, uint32_t first, uint32_t end, uint32_t file)
{
	int64_t setup = shared_setup(opts, first, end), most = cutting->most_us;
	struct parcel *parcel = NULL;

	if (setup > most / SETUP_TIMES)
		most = setup < UNIT_MAX_US ? setup * SETUP_TIMES : UNIT_MAX_US;
	for (uint32_t i = first; i < end; i++) {
		if (!parcel || parcel->us + parcels->us[i] > most) {
			parcel = &cutting->v[cutting->len++];
			*parcel = (struct parcel){.first = i, .file = file};
		}
		parcel->us += parcels->us[i];
		parcel->len++;
	}
}

static int longest_first(const void *a, const void *b)
{
	const struct parcel *x = a, *y = b;

	if (x->size != y->size)
		return x->size > y->size ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

static void measure(struct parcel *parcels, uint32_t len, int64_t most_us)
{
	for (uint32_t i = 0; i < len; i++)
		parcels[i].size = parcels[i].us * ALIKE / most_us;
}

/* *numbers: of each file as it was found, its number by what it takes. */
static void number_files(const struct cutting *cutting, uint32_t files, uint32_t *numbers)
{
	struct parcel *all = ff_xcalloc((size_t)files + 1, sizeof(*all));

	for (uint32_t i = 0; i < files; i++)
		all[i].first = i;
	for (uint32_t i = 0; i < cutting->len; i++)
		all[cutting->v[i].file].us += cutting->v[i].us;
	measure(all, files, cutting->most_us);
	qsort(all, files, sizeof(*all), longest_first);
	for (uint32_t i = 0; i < files; i++)
		numbers[all[i].first] = i;
	ff_free(all);
}

static void rank_all(struct ff_parcels *parcels, const struct cutting *cutting, uint32_t files,
		     uint32_t *unit_at, uint32_t *rank_of)
{
	uint32_t *numbers = ff_xcalloc((size_t)files + 1, sizeof(*numbers)), rank = 0;

	number_files(cutting, files, numbers);
	for (uint32_t i = 0; i < files; i++)
		parcels->first[i] = UINT32_MAX;
	for (uint32_t i = 0; i < cutting->len; i++) {
		const struct parcel *parcel = &cutting->v[i];

		for (uint32_t j = 0; j < parcel->len; j++, rank++) {
			unit_at[rank] = parcel->first + j;
			rank_of[parcel->first + j] = rank;
			parcels->end[rank] = rank + parcel->len - j;
			parcels->file[rank] = numbers[parcel->file];
		}
	}
	/* From the end, so that what was found last comes next. */
	for (uint32_t i = cutting->len; i-- > 0;) {
		const struct parcel *parcel = &cutting->v[i];
		uint32_t *first = &parcels->first[numbers[parcel->file]];

		for (uint32_t j = 0; j < parcel->len; j++)
			parcels->more[rank_of[parcel->first + j]] = *first;
		*first = rank_of[parcel->first];
	}
	ff_pending_init(&parcels->untouched, files, true);
	ff_free(numbers);
}

void ff_parcels_init(struct ff_parcels *parcels, const struct ff_queues_opts *opts,
		     uint32_t **unit_at, uint32_t **rank_of)
{
	uint32_t workers = opts->workers ? opts->workers : 1, files = 0;
	size_t len = (size_t)opts->units + 1;
	struct cutting cutting = {.v = ff_xcalloc(len, sizeof(*cutting.v))};

	*parcels = (struct ff_parcels){.us = ff_xcalloc(len, sizeof(*parcels->us)),
				       .end = ff_xcalloc(len, sizeof(*parcels->end)),
				       .more = ff_xcalloc(len, sizeof(*parcels->more)),
				       .file = ff_xcalloc(len, sizeof(*parcels->file)),
				       .first = ff_xcalloc(len, sizeof(*parcels->first))};
	*unit_at = ff_xcalloc(len, sizeof(**unit_at));
	*rank_of = ff_xcalloc(len, sizeof(**rank_of));
	for (uint32_t i = 0; i < opts->units; i++) {
		int64_t us = opts->expected_us ? opts->expected_us[i] : UNKNOWN_US;

		parcels->us[i] = us < 1 ? 1 : us > UNIT_MAX_US ? UNIT_MAX_US : us;
		parcels->left_us += parcels->us[i];
	}
	cutting.most_us = parcels->left_us / workers / PARCELS_EACH;
	if (cutting.most_us < PARCEL_MIN_US)
		cutting.most_us = PARCEL_MIN_US;
	for (uint32_t i = 0, end; i < opts->units; i = end, files++) {
		end = file_end(opts, i);
		cut_file(&cutting, parcels, opts, i, end, files);
	}
	measure(cutting.v, cutting.len, cutting.most_us);
	qsort(cutting.v, cutting.len, sizeof(*cutting.v), longest_first);
	rank_all(parcels, &cutting, files, *unit_at, *rank_of);
	ff_free(cutting.v);
}

void ff_parcels_release(struct ff_parcels *parcels)
{
	ff_free(parcels->us);
	ff_free(parcels->end);
	ff_free(parcels->more);
	ff_free(parcels->file);
	ff_free(parcels->first);
	if (parcels->us)
		ff_pending_release(&parcels->untouched);
	*parcels = (struct ff_parcels){0};
}

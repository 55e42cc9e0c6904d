#include "web/trends.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "event/json.h"
#include "web/grow.h"
#include "web/model.h"

/* --- words --- */

static int find_word(const char *const *words, int len, const char *text)
{
	for (int i = 0; text && i < len; i++)
		if (strcmp(words[i], text) == 0)
			return i;
	return text ? -1 : 0;
}

int ff_trends_words(const char *by, const char *sort, struct ff_trends_query *query,
		    struct ff_err *err)
{
	static const char *const bys[] = {
#define X(name, word) word,
		FF_TREND_BY_MAP(X)
#undef X
	};
	static const char *const sorts[] = {
#define X(name, word) word,
		FF_TREND_SORT_MAP(X)
#undef X
	};
	int b = find_word(bys, FF_TREND_BYS, by), s = find_word(sorts, FF_TREND_SORTS, sort);

	if (b < 0)
		return ff_err_set(err, FF_EINVAL, "by: expected job, file, host or test");
	if (s < 0)
		return ff_err_set(err, FF_EINVAL,
				  "sort: expected growing, slowest, failing or flaky");
	query->by = (enum ff_trend_by)b;
	query->sort = (enum ff_trend_sort)s;
	return 0;
}

/* --- groups --- */

/* Of one run; units 0: it had none of these. */
struct point {
	uint32_t units, bad, flaky;
	int64_t p50_us, p95_us;
};

struct group {
	const char *job, *name; /* job: of tests, else "" */
	struct point *points;	/* by run */
	double rank;
};

struct groups {
	struct group *v;
	uint32_t len, cap, runs;
	struct ff_map by_name; /* number + 1 */
};

struct member {
	uint32_t group;
	const struct ff_digest_unit *unit;
};

static const char *key_of(const struct ff_digest_unit *unit, enum ff_trend_by by)
{
	switch (by) {
	case FF_TREND_BY_FILE:
		return unit->file;
	case FF_TREND_BY_HOST:
		return unit->host;
	case FF_TREND_BY_TEST:
		return unit->name;
	default:
		return unit->job;
	}
}

static uint32_t group_of(struct groups *groups, const char *job, const char *name)
{
	char *key = ff_xasprintf("%s\n%s", job, name);
	uintptr_t number = (uintptr_t)ff_map_get(&groups->by_name, key);

	if (!number) {
		FF_WEB_GROW(groups->v, groups->len, groups->cap);
		groups->v[groups->len] = (struct group){
			job, name, ff_xcalloc(groups->runs, sizeof(struct point)), 0};
		number = ++groups->len;
		ff_map_set(&groups->by_name, key, (void *)number);
	}
	ff_free(key);
	return (uint32_t)number - 1;
}

static int by_group_and_time(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return (x->unit->took_us > y->unit->took_us) - (x->unit->took_us < y->unit->took_us);
}

/* The place of a percentile among `len` that are sorted. */
static uint32_t place_of(uint32_t len, uint32_t percent)
{
	return (uint32_t)(((uint64_t)(len - 1) * percent + 50) / 100);
}

static void fill_point(struct point *point, const struct member *members, uint32_t len)
{
	point->units = len;
	for (uint32_t i = 0; i < len; i++) {
		point->bad += members[i].unit->bad;
		point->flaky += members[i].unit->flaky;
	}
	point->p50_us = members[place_of(len, 50)].unit->took_us;
	point->p95_us = members[place_of(len, 95)].unit->took_us;
}

static void take_run(struct groups *groups, const struct ff_trends_query *query,
		     const struct ff_digest *run, uint32_t number)
{
	struct member *members = ff_xcalloc((size_t)run->len + 1, sizeof(*members));
	uint32_t len = 0, from = 0;

	for (uint32_t i = 0; i < run->len; i++) {
		const struct ff_digest_unit *unit = &run->units[i];
		const char *name = key_of(unit, query->by);

		/* What never ran says nothing of time. */
		if (!*name || unit->state == FF_ROW_NOT_RUN || unit->state == FF_ROW_SKIPPED ||
		    (query->text && !strcasestr(name, query->text)))
			continue;
		members[len++] = (struct member){
			group_of(groups, query->by == FF_TREND_BY_TEST ? unit->job : "", name),
			unit};
	}
	qsort(members, len, sizeof(*members), by_group_and_time);
	for (uint32_t i = 1; i <= len; i++) {
		if (i < len && members[i].group == members[from].group)
			continue;
		fill_point(&groups->v[members[from].group].points[number], members + from,
			   i - from);
		from = i;
	}
	ff_free(members);
}

/* --- what comes first --- */

static int compare_times(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

enum { USUAL_OF = 5 }; /* runs at most */

/* The median of a group's medians: of its first runs, or its last ones. */
static int64_t usual(const struct group *group, uint32_t runs, bool last)
{
	int64_t times[USUAL_OF];
	uint32_t had = 0, of;
	int len = 0;

	for (uint32_t i = 0; i < runs; i++)
		had += group->points[i].units > 0;
	/* The first and the last ones are others, if there are two. */
	of = had / 2 < USUAL_OF ? (had + 1) / 2 : USUAL_OF;
	of = had > 1 && of > had / 2 ? had / 2 : of;
	for (uint32_t i = 0; i < runs && len < (int)of; i++) {
		const struct point *point = &group->points[last ? runs - 1 - i : i];

		if (point->units > 0)
			times[len++] = point->p50_us;
	}
	qsort(times, (size_t)len, sizeof(*times), compare_times);
	return len ? times[len / 2] : 0;
}

static double rank_of(const struct group *group, uint32_t runs, enum ff_trend_sort sort)
{
	double bad = 0, flaky = 0;

	for (uint32_t i = 0; i < runs; i++) {
		bad += group->points[i].bad;
		flaky += group->points[i].flaky;
	}
	switch (sort) {
	case FF_TREND_SLOWEST:
		return (double)usual(group, runs, true);
	case FF_TREND_FAILING:
		return bad;
	case FF_TREND_FLAKY:
		return flaky;
	default:
		return (double)(usual(group, runs, true) - usual(group, runs, false));
	}
}

static int by_rank(const void *a, const void *b)
{
	const struct group *x = a, *y = b;
	int order = (x->rank < y->rank) - (x->rank > y->rank);

	order = order ? order : strcmp(x->job, y->job);
	return order ? order : strcmp(x->name, y->name);
}

/* --- the answer --- */

static void add_run(struct ff_json *json, const struct ff_digest *run)
{
	uint32_t bad = 0, flaky = 0;

	for (uint32_t i = 0; i < run->len; i++) {
		bad += run->units[i].bad;
		flaky += run->units[i].flaky;
	}
	ff_json_str(json, "id", run->id);
	ff_json_int(json, "began_us", run->began_us);
	ff_json_int(json, "took_us", run->took_us);
	ff_json_int(json, "exit_code", run->exit_code);
	ff_json_int(json, "units", run->len);
	ff_json_int(json, "bad", bad);
	ff_json_int(json, "flaky", flaky);
}

static void add_group(struct ff_json *json, const struct group *group, uint32_t runs)
{
	ff_json_open(json, NULL, '{');
	ff_json_str(json, "name", group->name);
	ff_json_str(json, "job", *group->job ? group->job : NULL);
	ff_json_int(json, "first_us", usual(group, runs, false));
	ff_json_int(json, "last_us", usual(group, runs, true));
	ff_json_open(json, "points", '[');
	for (uint32_t i = 0; i < runs; i++) {
		const struct point *point = &group->points[i];

		ff_json_open(json, NULL, '[');
		ff_json_int(json, NULL, point->units);
		ff_json_int(json, NULL, point->bad);
		ff_json_int(json, NULL, point->flaky);
		ff_json_int(json, NULL, point->p50_us);
		ff_json_int(json, NULL, point->p95_us);
		ff_json_close(json, ']');
	}
	ff_json_close(json, ']');
	ff_json_close(json, '}');
}

int ff_trends(struct ff_buf *out, const struct ff_trends_query *query,
	      const struct ff_digest *const *runs, uint32_t len)
{
	struct groups groups = {.runs = len};
	struct ff_json json;

	for (uint32_t i = 0; i < len; i++)
		take_run(&groups, query, runs[i], i);
	for (uint32_t i = 0; i < groups.len; i++)
		groups.v[i].rank = rank_of(&groups.v[i], len, query->sort);
	if (groups.len)
		qsort(groups.v, groups.len, sizeof(*groups.v), by_rank);
	ff_json_begin(&json, out);
	ff_json_open(&json, "runs", '[');
	for (uint32_t i = 0; i < len; i++) {
		ff_json_open(&json, NULL, '{');
		add_run(&json, runs[i]);
		ff_json_close(&json, '}');
	}
	ff_json_close(&json, ']');
	ff_json_int(&json, "found", groups.len);
	ff_json_open(&json, "groups", '[');
	for (uint32_t i = 0; i < groups.len && i < query->count; i++)
		add_group(&json, &groups.v[i], len);
	ff_json_close(&json, ']');
	ff_json_end(&json);
	for (uint32_t i = 0; i < groups.len; i++)
		ff_free(groups.v[i].points);
	ff_free(groups.v);
	ff_map_release(&groups.by_name);
	return json.error;
}

int ff_history(struct ff_buf *out, const char *job, const char *name,
	       const struct ff_digest *const *runs, uint32_t len)
{
	struct ff_json json;

	ff_json_begin(&json, out);
	ff_json_open(&json, "runs", '[');
	for (uint32_t i = 0; i < len; i++) {
		const struct ff_digest_unit *unit = ff_digest_find(runs[i], job, name);

		if (!unit)
			continue;
		ff_json_open(&json, NULL, '{');
		ff_json_str(&json, "id", runs[i]->id);
		ff_json_int(&json, "began_us", runs[i]->began_us);
		ff_json_str(&json, "state", ff_row_state_word((enum ff_row_state)unit->state));
		ff_json_bool(&json, "bad", unit->bad);
		ff_json_bool(&json, "flaky", unit->flaky);
		ff_json_int(&json, "took_us", unit->took_us);
		ff_json_str(&json, "host", *unit->host ? unit->host : NULL);
		ff_json_close(&json, '}');
	}
	ff_json_close(&json, ']');
	ff_json_end(&json);
	return json.error;
}

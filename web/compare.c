/* Two runs beside each other. */
#include <string.h>

#include "base/alloc.h"
#include "event/json.h"
#include "web/model.h"
#include "web/trends.h"

struct comparison {
	const struct ff_digest *before, *after;
	const struct ff_digest *const *runs;
	uint32_t len;
	struct ff_json json;
	uint32_t found; /* of the list that is being written */
};

/* What a unit took in the runs that are known but `after`, if it passed there: the least and the
 * most. */
static void range_of(const struct comparison *comparison, const struct ff_digest_unit *unit,
		     int64_t *least, int64_t *most)
{
	for (uint32_t i = 0; i < comparison->len; i++) {
		const struct ff_digest_unit *other;

		if (comparison->runs[i] == comparison->after)
			continue;
		other = ff_digest_find(comparison->runs[i], unit->job, unit->name);
		if (!other || other->state != FF_ROW_PASSED)
			continue;
		*least = other->took_us < *least ? other->took_us : *least;
		*most = other->took_us > *most ? other->took_us : *most;
	}
}

/* By how much `now` is beyond what was seen, if that is more than noise; 0. */
static int64_t beyond(const struct comparison *comparison, const struct ff_digest_unit *old,
		      const struct ff_digest_unit *now, bool longer)
{
	int64_t least = old->took_us, most = old->took_us, by;

	if (old->state != FF_ROW_PASSED || now->state != FF_ROW_PASSED)
		return 0;
	/* Most differ by less from the run before already. */
	by = longer ? now->took_us - old->took_us : old->took_us - now->took_us;
	if (by < FF_COMPARE_LEAST_US)
		return 0;
	range_of(comparison, now, &least, &most);
	by = longer ? now->took_us - most : least - now->took_us;
	return by >= FF_COMPARE_LEAST_US && by * 5 > (longer ? most : least) ? by : 0;
}

static void add_unit(struct comparison *comparison, const struct ff_digest_unit *old,
		     const struct ff_digest_unit *now)
{
	struct ff_json *json = &comparison->json;
	const struct ff_digest_unit *one = now ? now : old;

	if (++comparison->found > FF_COMPARE_LIST_MAX)
		return;
	ff_json_open(json, NULL, '{');
	ff_json_str(json, "name", one->name);
	ff_json_str(json, "job", one->job);
	if (old) {
		ff_json_str(json, "before", ff_row_state_word((enum ff_row_state)old->state));
		ff_json_int(json, "before_us", old->took_us);
	}
	if (now) {
		ff_json_str(json, "after", ff_row_state_word((enum ff_row_state)now->state));
		ff_json_int(json, "after_us", now->took_us);
	}
	ff_json_close(json, '}');
}

static bool is_of(const struct comparison *comparison, const char *list,
		  const struct ff_digest_unit *old, const struct ff_digest_unit *now)
{
	if (strcmp(list, "removed") == 0)
		return !now;
	if (!now)
		return false;
	if (strcmp(list, "added") == 0)
		return !old && !now->bad;
	if (strcmp(list, "broken") == 0)
		return now->bad && !(old && old->bad);
	if (!old)
		return false;
	if (strcmp(list, "fixed") == 0)
		return old->bad && !now->bad;
	if (strcmp(list, "still") == 0)
		return old->bad && now->bad;
	return beyond(comparison, old, now, strcmp(list, "slower") == 0) > 0;
}

/* "name": {"found": N, "units": […]} */
static void add_list(struct comparison *comparison, const char *list)
{
	const struct ff_digest *from =
		strcmp(list, "removed") == 0 ? comparison->before : comparison->after;
	struct ff_json *json = &comparison->json;

	comparison->found = 0;
	ff_json_open(json, list, '{');
	ff_json_open(json, "units", '[');
	for (uint32_t i = 0; i < from->len; i++) {
		const struct ff_digest_unit *unit = &from->units[i], *old, *now;

		old = from == comparison->before
			      ? unit
			      : ff_digest_find(comparison->before, unit->job, unit->name);
		now = from == comparison->after
			      ? unit
			      : ff_digest_find(comparison->after, unit->job, unit->name);
		if (is_of(comparison, list, old, now))
			add_unit(comparison, old, now);
	}
	ff_json_close(json, ']');
	ff_json_int(json, "found", comparison->found);
	ff_json_close(json, '}');
}

int ff_compare(struct ff_buf *out, const struct ff_digest *before, const struct ff_digest *after,
	       const struct ff_digest *const *runs, uint32_t len)
{
	static const char *const lists[] = {"broken", "fixed", "still",	 "slower",
					    "faster", "added", "removed"};
	struct comparison comparison = {before, after, runs, len, {0}, 0};

	ff_json_begin(&comparison.json, out);
	ff_json_str(&comparison.json, "before", before->id);
	ff_json_str(&comparison.json, "after", after->id);
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		add_list(&comparison, lists[i]);
	ff_json_end(&comparison.json);
	return comparison.json.error;
}

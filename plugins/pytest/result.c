/* A test's reports, item to struct. Every field is checked: a worker may be hostile. */
#include "pytest/result.h"

#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

#define SECONDS_MAX    1e12
#define MEMORY_KIB_MAX (INT64_C(1) << 50)

/* The places in ("done", …). */
enum done_field {
	DONE_WORD,
	DONE_INDEX,
	DONE_OUTCOME,
	DONE_DURATION,
	DONE_START,
	DONE_PHASES,
	DONE_TIMES,
	DONE_PLACE,
	DONE_PROPERTIES,
	DONE_OUTPUT,
	DONE_FIELDS,
	DONE_FRONT = DONE_FIELDS, /* only where the session has a front */
	SETUP_MIN_US = 1000,
};

struct reading {
	struct ff_result *result;
	struct ff_arena *arena;
	const struct ff_value *phases; /* the list that was sent, or NULL */
	const char *complaint;	       /* NULL: all is well so far */
};

static void *take(struct reading *r, size_t count, size_t size)
{
	void *memory = ff_arena_alloc(r->arena, count * size + 1);

	if (!memory)
		r->complaint = ff_err_text(FF_ENOMEM);
	else
		memset(memory, 0, count * size);
	return memory;
}

bool ff_pytest_index(const struct ff_value *value, uint32_t *index)
{
	if (!value || value->kind != FF_INT || value->integer < 0 || value->integer >= UINT32_MAX)
		return false;
	*index = (uint32_t)value->integer;
	return true;
}

uint32_t *ff_pytest_indexes(const struct ff_value *list)
{
	uint32_t *indexes;

	if (!list || list->kind != FF_LIST)
		return NULL;
	indexes = ff_xmalloc(((size_t)list->len + 1) * sizeof(*indexes));
	for (uint32_t i = 0; i < list->len; i++)
		if (!ff_pytest_index(&list->items[i], &indexes[i])) {
			ff_free(indexes);
			return NULL;
		}
	return indexes;
}

static bool is_list(const struct ff_value *value)
{
	return value && (value->kind == FF_LIST || value->kind == FF_TUPLE);
}

/* Seconds to microseconds. Clocks that run backwards count as nothing, all else that is no time
 * is a complaint. */
static int64_t read_seconds(struct reading *r, const struct ff_value *value)
{
	double seconds = value ? ff_as_float(value, -1) : -1;

	if (!value || (value->kind != FF_FLOAT && value->kind != FF_INT) ||
	    !(seconds < SECONDS_MAX && seconds > -SECONDS_MAX))
		r->complaint = "a duration that is none";
	else if (seconds > 0)
		return (int64_t)(seconds * 1e6);
	return 0;
}

/* NULL for None. */
static const char *read_text(struct reading *r, const struct ff_value *value)
{
	if (!value || (value->kind != FF_STR && value->kind != FF_NONE))
		r->complaint = "something else where text belongs";
	return value && value->kind == FF_STR ? value->text : NULL;
}

/* Of set-up, call and teardown; only a set-up that is worth to be shared is told. */
/* One of set-up, call and teardown. */
static int64_t read_time(struct reading *r, const struct ff_value *times, size_t which)
{
	int64_t us =
		is_list(times) && times->len > which ? read_seconds(r, &times->items[which]) : 0;

	return us >= SETUP_MIN_US ? us : 0;
}

/* KiB, where that was asked for, and is known. */
static int64_t read_memory(struct reading *r, const struct ff_value *times)
{
	const struct ff_value *kib = is_list(times) && times->len > 3 ? &times->items[3] : NULL;

	if (!kib)
		return 0;
	if (kib->kind != FF_INT || kib->integer < 0 || kib->integer > MEMORY_KIB_MAX)
		r->complaint = "a size that is none";
	return r->complaint ? 0 : kib->integer;
}

static void read_phase(struct reading *r, const struct ff_value *from, struct ff_phase *phase)
{
	const char *word = ff_dict_str(from, "outcome", ""), *reason;
	int outcome = ff_outcome_from_word(word);

	if (from->kind != FF_DICT) {
		r->complaint = "a phase that is no dict";
		return;
	}
	phase->when = read_text(r, ff_dict_get(from, "when"));
	if (!phase->when)
		phase->when = "?";
	/* A plugin's own word, such as "rerun": it did not count, which is no success. */
	phase->rerun = outcome < 0;
	phase->outcome = phase->rerun ? FF_OUTCOME_FAILED : (enum ff_outcome)outcome;
	phase->duration_us = read_seconds(r, ff_dict_get(from, "duration"));
	phase->message = read_text(r, ff_dict_get(from, "message"));
	phase->longrepr = read_text(r, ff_dict_get(from, "longrepr"));
	reason = read_text(r, ff_dict_get(from, "wasxfail"));
	if (reason && *reason)
		phase->message = reason;
}

static size_t count_sections(struct reading *r)
{
	size_t count = 0;

	for (size_t i = 0; r->phases && i < r->phases->len; i++) {
		const struct ff_value *sections = ff_dict_get(&r->phases->items[i], "sections");

		if (!is_list(sections))
			r->complaint = "a phase without a list of sections";
		else
			count += sections->len;
	}
	return count;
}

static void read_sections(struct reading *r)
{
	size_t count = count_sections(r), at = 0;
	struct ff_section *sections = r->complaint ? NULL : take(r, count, sizeof(*sections));

	for (size_t i = 0; sections && r->phases && i < r->phases->len; i++) {
		const struct ff_value *from = ff_dict_get(&r->phases->items[i], "sections");

		for (size_t j = 0; j < from->len; j++) {
			const struct ff_value *title = ff_at(&from->items[j], 0);
			const struct ff_value *text = ff_at(&from->items[j], 1);

			if (!title || title->kind != FF_STR || !text || text->kind != FF_STR) {
				r->complaint = "a section that is no pair of texts";
				return;
			}
			sections[at++] = (struct ff_section){
				.title = title->text, .text = text->text, .len = text->len};
		}
	}
	r->result->sections = sections;
	r->result->sections_len = at;
}

/* Whether there is anything to show but of what was run again. */
static bool says_why(const struct ff_result *result)
{
	for (size_t i = 0; i < result->phases_len; i++)
		if (result->phases[i].longrepr && !result->phases[i].rerun)
			return true;
	return false;
}

/* The message of the phase that decided, or any; and all that there is to show. */
static void summarize(struct reading *r)
{
	struct ff_result *result = r->result;
	struct ff_buf text = FF_BUF_INIT;
	const char *only = NULL;
	size_t shown = 0;
	bool why = says_why(result);

	for (size_t i = 0; i < result->phases_len; i++) {
		const struct ff_phase *phase = &result->phases[i];

		if (!result->message && phase->outcome == result->outcome && !phase->rerun)
			result->message = phase->message;
		if (!phase->longrepr || (phase->rerun && why))
			continue;
		only = phase->longrepr;
		ff_buf_addf(&text, "%s%s", shown++ ? "\n" : "", phase->longrepr);
	}
	for (size_t i = 0; i < result->phases_len && !result->message; i++)
		result->message = result->phases[i].message;
	if (result->outcome == FF_OUTCOME_PASSED)
		result->message = NULL;
	result->longrepr = only;
	if (shown > 1) {
		result->longrepr = ff_arena_copy(r->arena, ff_buf_data(&text), text.len);
		if (!result->longrepr)
			r->complaint = ff_err_text(FF_ENOMEM);
	}
	ff_buf_release(&text);
}

static void read_phases(struct reading *r, const struct ff_value *list)
{
	struct ff_phase *phases;

	if (list->kind == FF_NONE)
		return;
	if (!is_list(list)) {
		r->complaint = "phases that are no list";
		return;
	}
	r->phases = list;
	phases = take(r, list->len, sizeof(*phases));
	for (size_t i = 0; i < list->len && !r->complaint; i++)
		read_phase(r, &list->items[i], &phases[i]);
	if (r->complaint)
		return;
	r->result->phases = phases;
	r->result->phases_len = list->len;
	summarize(r);
	read_sections(r);
}

static void read_place(struct reading *r, const struct ff_value *place)
{
	const struct ff_value *line = ff_at(place, 1);

	if (!is_list(place) || place->len != 2 || (line->kind != FF_NONE && line->kind != FF_INT)) {
		r->complaint = "a place that is no file and line";
		return;
	}
	r->result->file = read_text(r, ff_at(place, 0));
	if (line->kind == FF_INT && line->integer >= 0 && line->integer < INT_MAX)
		r->result->line = (int)line->integer + 1; /* pytest counts from 0 */
}

/* record_property takes any value; what is no text is shown as Python would. */
static const char *property_text(struct reading *r, const struct ff_value *value)
{
	enum { REPR_MAX = 4096 };
	struct ff_buf repr = FF_BUF_INIT;
	char *copy;

	if (value->kind == FF_STR)
		return value->text;
	if (ff_value_repr(&repr, value, REPR_MAX))
		r->complaint = ff_err_text(FF_ENOMEM);
	copy = ff_arena_copy(r->arena, ff_buf_data(&repr), repr.len);
	if (!copy)
		r->complaint = ff_err_text(FF_ENOMEM);
	ff_buf_release(&repr);
	return copy;
}

static void read_properties(struct reading *r, const struct ff_value *list)
{
	struct ff_property *properties;

	if (list->kind == FF_NONE)
		return;
	if (!is_list(list)) {
		r->complaint = "properties that are no list";
		return;
	}
	properties = take(r, list->len, sizeof(*properties));
	for (size_t i = 0; i < list->len && !r->complaint; i++) {
		const struct ff_value *name = ff_at(&list->items[i], 0);
		const struct ff_value *value = ff_at(&list->items[i], 1);

		if (!name || name->kind != FF_STR || !value) {
			r->complaint = "a property that is no pair";
			return;
		}
		properties[i] = (struct ff_property){name->text, property_text(r, value)};
	}
	r->result->properties = properties;
	r->result->properties_len = r->complaint ? 0 : list->len;
}

/* (bytes of all captured output, whether some of it was cut), or None: there was none. */
static void read_output(struct reading *r, const struct ff_value *output)
{
	const struct ff_value *bytes = ff_at(output, 0), *cut = ff_at(output, 1);

	if (output->kind == FF_NONE)
		return;
	if (!is_list(output) || output->len != 2 || bytes->kind != FF_INT || bytes->integer < 0 ||
	    cut->kind != FF_BOOL) {
		r->complaint = "an output that is no size and flag";
		return;
	}
	r->result->output_bytes = (uint64_t)bytes->integer;
	r->result->output_cut = cut->boolean;
}

static void read_outcome(struct reading *r, const struct ff_value *word)
{
	int outcome = word->kind == FF_STR ? ff_outcome_from_word(word->text) : -1;

	/* The others are not pytest's to say. */
	if (outcome < 0 || outcome == FF_OUTCOME_CRASHED || outcome == FF_OUTCOME_TIMEOUT ||
	    outcome == FF_OUTCOME_LOST)
		r->complaint = "an unknown outcome";
	else
		r->result->outcome = (enum ff_outcome)outcome;
}

/* For the front, which alone understands it. */
static void read_front(struct reading *r, const struct ff_value *value)
{
	struct ff_buf packed = FF_BUF_INIT;

	if (value->kind == FF_NONE)
		return;
	if (ff_dump_item(&packed, value, NULL))
		r->complaint = "what the front can't have";
	r->result->front = ff_arena_copy(r->arena, ff_buf_data(&packed), packed.len);
	r->result->front_len = packed.len;
	if (!r->result->front)
		r->complaint = ff_err_text(FF_ENOMEM);
	ff_buf_release(&packed);
}

int ff_pytest_result(struct ff_result *result, uint32_t *index, const struct ff_value *done,
		     struct ff_arena *arena, struct ff_err *err)
{
	struct ff_result read = {0};
	struct reading r = {.result = &read, .arena = arena};

	if (!is_list(done) || (done->len != DONE_FIELDS && done->len != DONE_FRONT + 1) ||
	    !ff_is_str(&done->items[DONE_WORD], "done") ||
	    !ff_pytest_index(&done->items[DONE_INDEX], index))
		return ff_err_set(err, FF_EPROTO, "pytest: a result that is none");
	read_outcome(&r, &done->items[DONE_OUTCOME]);
	if (!r.complaint)
		read.duration_us = read_seconds(&r, &done->items[DONE_DURATION]);
	if (!r.complaint)
		read.setup_us = read_time(&r, &done->items[DONE_TIMES], 0);
	if (!r.complaint)
		read.teardown_us = read_time(&r, &done->items[DONE_TIMES], 2);
	if (!r.complaint)
		read.memory_kib = read_memory(&r, &done->items[DONE_TIMES]);
	if (!r.complaint)
		read_phases(&r, &done->items[DONE_PHASES]);
	if (!r.complaint)
		read_place(&r, &done->items[DONE_PLACE]);
	if (!r.complaint)
		read_properties(&r, &done->items[DONE_PROPERTIES]);
	if (!r.complaint)
		read_output(&r, &done->items[DONE_OUTPUT]);
	if (!r.complaint && done->len > DONE_FRONT)
		read_front(&r, &done->items[DONE_FRONT]);
	if (r.complaint)
		return ff_err_set(err, FF_EPROTO, "pytest: %s", r.complaint);
	*result = read;
	return 0;
}

const char *ff_pytest_cause(const char *said)
{
	static const char first[] = "Fatal Python error: ";
	const char *found = NULL;

	for (const char *at = said; (at = strstr(at, first)); at++)
		if (at == said || at[-1] == '\n')
			found = at;
	return found;
}

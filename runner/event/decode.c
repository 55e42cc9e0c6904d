/* A line of the journal back into an event, for replay. Strings live in the caller's arena. A
 * journal may have been edited or damaged: what does not fit is refused by its key. */
#include <jansson.h>
#include <limits.h>
#include <string.h>

#include "event/codec.h"
#include "event/fields.h"
#include "event/journal.h"
#include "event/output.h"

/* One line's decoding; the first error is kept, and what follows it does not matter. */
struct decoder {
	struct ff_arena *arena;
	struct ff_event *event;
	struct ff_output_source *source;
	struct ff_output_place place;
	int rc;
	struct ff_err *err;
};

static void fail(struct decoder *d, const char *key, const char *expected)
{
	if (d->rc == 0)
		d->rc = ff_err_set(d->err, FF_ELOAD, "'%s': expected %s", key, expected);
}

static void *take(struct decoder *d, size_t count, size_t size)
{
	void *memory = ff_arena_alloc(d->arena, count * size);

	if (!memory && d->rc == 0)
		d->rc = ff_err_set(d->err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
	return memory;
}

static const char *text_of(struct decoder *d, const char *key, const json_t *json)
{
	const char *text;

	if (!json_is_string(json)) {
		fail(d, key, "a text");
		return NULL;
	}
	text = ff_arena_copy(d->arena, json_string_value(json), json_string_length(json));
	if (!text && d->rc == 0)
		d->rc = ff_err_set(d->err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
	return text;
}

static const char *member(struct decoder *d, const json_t *object, const char *key)
{
	const json_t *json = json_object_get(object, key);

	return json ? text_of(d, key, json) : NULL;
}

static int64_t number_of(struct decoder *d, const char *key, const json_t *json, int64_t min,
			 int64_t max)
{
	int64_t number = json_integer_value(json);
	char expected[80];

	if (json_is_integer(json) && number >= min && number <= max)
		return number;
	snprintf(expected, sizeof(expected), "a whole number from %lld to %lld", (long long)min,
		 (long long)max);
	fail(d, key, expected);
	return 0;
}

/* A number that may be left out if it is 0. */
static int64_t number(struct decoder *d, const json_t *object, const char *key, int64_t min,
		      int64_t max)
{
	const json_t *json = json_object_get(object, key);

	return json ? number_of(d, key, json, min, max) : 0;
}

/* One that must be there. */
static int64_t needed(struct decoder *d, const json_t *object, const char *key, int64_t min,
		      int64_t max)
{
	return number_of(d, key, json_object_get(object, key), min, max);
}

static bool truth_of(struct decoder *d, const char *key, const json_t *json)
{
	if (json && !json_is_boolean(json))
		fail(d, key, "true or false");
	return json_is_true(json);
}

/* The elements of an array that may be left out, each an object if `objects`. */
static size_t array_len(struct decoder *d, const char *key, const json_t *array, bool objects)
{
	size_t len = json_array_size(array);

	if (array && !json_is_array(array))
		fail(d, key, "a list");
	for (size_t i = 0; objects && i < len; i++)
		if (!json_is_object(json_array_get(array, i)))
			fail(d, key, "a list of objects");
	return len;
}

/* The value of a word that must be one of a set. */
static int word_of(struct decoder *d, const char *key, const json_t *json,
		   int (*from_word)(const char *word), const char *expected)
{
	int value = json_is_string(json) ? from_word(json_string_value(json)) : -1;

	if (value < 0)
		fail(d, key, expected);
	return value < 0 ? 0 : value;
}

static enum ff_outcome read_outcome(struct decoder *d, const json_t *object)
{
	return (enum ff_outcome)word_of(d, "outcome", json_object_get(object, "outcome"),
					ff_outcome_from_word, "an outcome");
}

static void read_counts(struct decoder *d, const char *key, struct ff_counts *counts,
			const json_t *json)
{
	if (!json_is_object(json)) {
		fail(d, key, "an object");
		return;
	}
	counts->total = (uint32_t)number(d, json, "total", 0, UINT32_MAX);
	counts->retried = (uint32_t)number(d, json, "retried", 0, UINT32_MAX);
	counts->not_run = (uint32_t)number(d, json, "not_run", 0, UINT32_MAX);
	counts->parts_not_run = (uint32_t)number(d, json, "parts_not_run", 0, UINT32_MAX);
	counts->more_errors = (uint32_t)number(d, json, "more_errors", 0, UINT32_MAX);
	for (int i = 0; i < FF_OUTCOMES; i++)
		counts->by_outcome[i] = (uint32_t)number(
			d, json, ff_outcome_word((enum ff_outcome)i), 0, UINT32_MAX);
}

static void read_phases(struct decoder *d, struct ff_result *result, const json_t *array)
{
	size_t len = array_len(d, "phases", array, true);
	struct ff_phase *phases = len ? take(d, len, sizeof(*phases)) : NULL;

	for (size_t i = 0; phases && i < len; i++) {
		const json_t *json = json_array_get(array, i);

		phases[i] = (struct ff_phase){
			.when = member(d, json, "when"),
			.outcome = read_outcome(d, json),
			.duration_us = number(d, json, "duration_us", INT64_MIN, INT64_MAX),
			.message = member(d, json, "message"),
			.longrepr = member(d, json, "longrepr"),
			.step = truth_of(d, "step", json_object_get(json, "step")),
			.rerun = truth_of(d, "rerun", json_object_get(json, "rerun"))};
		if (!phases[i].when)
			phases[i].when = "";
	}
	result->phases = phases;
	result->phases_len = phases ? len : 0;
}

/* Bytes of an object: its "text", or "len" of the output file from "at". */
static void read_bytes(struct decoder *d, const json_t *json, struct ff_section *text)
{
	const json_t *inline_text = json_object_get(json, "text");
	uint64_t at, len;
	int rc;

	if (inline_text) {
		text->text = text_of(d, "text", inline_text);
		text->len = json_string_length(inline_text);
		return;
	}
	at = (uint64_t)needed(d, json, "at", 0, INT64_MAX);
	len = (uint64_t)needed(d, json, "len", 0, INT64_MAX - (int64_t)at);
	if (d->rc < 0)
		return;
	d->place = (struct ff_output_place){at, (size_t)len};
	if (!d->source) {
		fail(d, "at", "'text', for there is no output file");
		return;
	}
	rc = d->source->bytes(d->source, d->event, d->arena, at, (size_t)len, text, d->err);
	if (rc < 0)
		d->rc = rc;
}

static void read_told(struct decoder *d, const json_t *json, struct ff_section *section)
{
	int stream = ff_output_stream(section->title), rc;
	uint64_t len = (uint64_t)needed(d, json, "len", 0, INT64_MAX);

	section->told = true;
	section->text = "";
	if (stream == 0)
		fail(d, "title", "'stdout' or 'stderr' for a section without a text");
	if (d->rc < 0 || !d->source)
		return;
	rc = d->source->told(d->source, d->event, d->arena, stream, (size_t)len, section, d->err);
	if (rc < 0)
		d->rc = rc;
}

static void read_sections(struct decoder *d, struct ff_result *result, const json_t *array)
{
	size_t len = array_len(d, "sections", array, true);
	struct ff_section *sections = len ? take(d, len, sizeof(*sections)) : NULL;

	for (size_t i = 0; sections && i < len && d->rc == 0; i++) {
		const json_t *json = json_array_get(array, i);

		sections[i] = (struct ff_section){.title = member(d, json, "title")};
		if (!json_object_get(json, "text") && !json_object_get(json, "at"))
			read_told(d, json, &sections[i]);
		else
			read_bytes(d, json, &sections[i]);
	}
	result->sections = sections;
	result->sections_len = sections ? len : 0;
}

static void read_properties(struct decoder *d, struct ff_result *result, const json_t *array)
{
	size_t len = array_len(d, "properties", array, true);
	struct ff_property *all = len ? take(d, len, sizeof(*all)) : NULL;

	for (size_t i = 0; all && i < len; i++) {
		all[i].name = member(d, json_array_get(array, i), "name");
		all[i].value = member(d, json_array_get(array, i), "value");
		if (!all[i].name || !all[i].value)
			fail(d, "properties", "a name and a value in each");
	}
	result->properties = all;
	result->properties_len = all ? len : 0;
}

static const struct ff_result *read_result(struct decoder *d, const char *key, const json_t *json)
{
	struct ff_result *result;

	if (!json_is_object(json)) {
		fail(d, key, "an object");
		return NULL;
	}
	result = take(d, 1, sizeof(*result));
	if (!result)
		return NULL;
	*result = (struct ff_result){
		.outcome = read_outcome(d, json),
		.duration_us = number(d, json, "duration_us", INT64_MIN, INT64_MAX),
		.setup_us = number(d, json, "setup_us", 0, INT64_MAX),
		.teardown_us = number(d, json, "teardown_us", 0, INT64_MAX),
		.message = member(d, json, "message"),
		.longrepr = member(d, json, "longrepr"),
		.file = member(d, json, "file"),
		.line = (int)number(d, json, "line", 0, INT_MAX),
		.has_status = json_object_get(json, "status") != NULL,
		.status = (int)number(d, json, "status", INT_MIN, INT_MAX),
		.user_us = number(d, json, "user_us", INT64_MIN, INT64_MAX),
		.system_us = number(d, json, "system_us", INT64_MIN, INT64_MAX),
		.max_rss_kib = number(d, json, "max_rss_kib", INT64_MIN, INT64_MAX),
		.memory_kib = number(d, json, "memory_kib", 0, INT64_MAX),
		.limits = member(d, json, "limits"),
		.out_of_memory =
			truth_of(d, "out_of_memory", json_object_get(json, "out_of_memory")),
		.output_bytes = (uint64_t)number(d, json, "output_bytes", 0, INT64_MAX),
		.output_cut = truth_of(d, "output_cut", json_object_get(json, "output_cut")),
		.leaked = truth_of(d, "leaked", json_object_get(json, "leaked")),
	};
	read_phases(d, result, json_object_get(json, "phases"));
	read_sections(d, result, json_object_get(json, "sections"));
	read_properties(d, result, json_object_get(json, "properties"));
	return result;
}

static const char *const *read_lines(struct decoder *d, const char *key, const json_t *array)
{
	size_t len = array_len(d, key, array, false);
	const char **lines = take(d, len + 1, sizeof(*lines));

	if (!lines)
		return NULL;
	for (size_t i = 0; i < len; i++)
		lines[i] = text_of(d, key, json_array_get(array, i));
	lines[len] = NULL;
	return lines;
}

static void read_facts(struct decoder *d, const char *key, json_t *object)
{
	size_t len = json_object_size(object), i = 0;
	struct ff_fact *facts = len ? take(d, len, sizeof(*facts)) : NULL;
	const char *name;
	json_t *value;

	if (!json_is_object(object))
		fail(d, key, "an object");
	json_object_foreach(object, name, value)
	{
		if (!facts || i == len)
			break;
		facts[i].key = ff_arena_strdup(d->arena, name);
		facts[i].value = text_of(d, key, value);
		if (!facts[i++].key)
			fail(d, key, "less than the memory holds");
	}
	d->event->u.worker_started.facts = facts;
	d->event->u.worker_started.facts_len = i;
}

/* A unit that no host was left for is finished without an attempt. */
static int64_t least_attempt(const struct decoder *d)
{
	return d->event->kind == FF_EVENT_UNIT_FINISHED || d->event->kind == FF_EVENT_UNIT_BEFORE
		       ? 0
		       : 1;
}

static void read_plain(struct decoder *d, const struct ff_field *f, const json_t *json, void *at)
{
	switch (f->type) {
	case FF_FIELD_INT:
	case FF_FIELD_NUMBER:
		*(int *)at = (int)number_of(d, f->name, json, INT_MIN, INT_MAX);
		break;
	case FF_FIELD_STREAM:
		*(int *)at = (int)number_of(d, f->name, json, 1, 2);
		break;
	case FF_FIELD_U32:
		*(uint32_t *)at = (uint32_t)number_of(d, f->name, json, 0, UINT32_MAX);
		break;
	case FF_FIELD_ATTEMPT:
		*(uint32_t *)at =
			(uint32_t)number_of(d, f->name, json, least_attempt(d), UINT32_MAX);
		break;
	case FF_FIELD_SIZE:
	case FF_FIELD_U64:
		*(uint64_t *)at = (uint64_t)number_of(d, f->name, json, 0, INT64_MAX);
		break;
	default: /* FF_FIELD_I64 */
		*(int64_t *)at = number_of(d, f->name, json, INT64_MIN, INT64_MAX);
		break;
	}
}

static void read_field(struct decoder *d, const struct ff_field *f, json_t *json)
{
	void *at = (char *)d->event + f->offset;

	switch (f->type) {
	case FF_FIELD_TEXT:
	case FF_FIELD_NAME:
		*(const char **)at = text_of(d, f->name, json);
		break;
	case FF_FIELD_BOOL:
	case FF_FIELD_FLAG:
		*(bool *)at = truth_of(d, f->name, json);
		break;
	case FF_FIELD_COUNTS:
		read_counts(d, f->name, at, json);
		break;
	case FF_FIELD_RESULT:
		*(const struct ff_result **)at = read_result(d, f->name, json);
		break;
	case FF_FIELD_LINES:
		*(const char *const **)at = read_lines(d, f->name, json);
		break;
	case FF_FIELD_FACTS:
		read_facts(d, f->name, json);
		break;
	case FF_FIELD_WAIT:
		*(struct ff_wait *)at =
			(struct ff_wait){true, (int)number_of(d, f->name, json, INT_MIN, INT_MAX)};
		break;
	case FF_FIELD_REASON:
		*(enum ff_reason *)at =
			(enum ff_reason)word_of(d, f->name, json, ff_reason_from_word, "a reason");
		break;
	case FF_FIELD_JOB_RESULT:
		*(enum ff_job_result *)at = (enum ff_job_result)word_of(
			d, f->name, json, ff_job_result_from_word, "the result of a job");
		break;
	case FF_FIELD_OUTCOME:
		*(enum ff_outcome *)at = (enum ff_outcome)word_of(
			d, f->name, json, ff_outcome_from_word, "an outcome");
		break;
	case FF_FIELD_OUTPUT: /* in other keys */
		break;
	default:
		read_plain(d, f, json, at);
	}
}

/* What can't be left out: what must be there for a reader, or would mean something else as 0. */
static bool is_needed(enum ff_field_type type)
{
	return type == FF_FIELD_ATTEMPT || type == FF_FIELD_STREAM || type == FF_FIELD_RESULT ||
	       type == FF_FIELD_COUNTS || type == FF_FIELD_JOB_RESULT || type == FF_FIELD_OUTCOME;
}

static void read_fields(struct decoder *d, const json_t *json)
{
	for (const struct ff_field *f = ff_event_fields(d->event->kind); f->name; f++) {
		json_t *value = json_object_get(json, f->name);

		if (value || is_needed(f->type))
			read_field(d, f, value);
		else if (f->type == FF_FIELD_NAME)
			*(const char **)((char *)d->event + f->offset) = "";
	}
	if (d->event->kind == FF_EVENT_UNIT_OUTPUT) {
		struct ff_section text = {0};

		read_bytes(d, json, &text);
		d->event->u.unit_output.bytes = text.text;
		d->event->u.unit_output.len = text.len;
	}
	if (d->event->kind == FF_EVENT_UNITS_NOT_RUN &&
	    d->event->u.units_not_run.count > UINT32_MAX - d->event->index)
		fail(d, "count", "no more units than have a number");
}

static void read_names(struct decoder *d, const json_t *json)
{
	struct ff_event *event = d->event;
	unsigned needs = ff_event_needs(event->kind);
	const struct {
		const char *key, **at;
		unsigned need;
	} names[] = {
		{"job", &event->job, FF_HAS_JOB},
		{"unit", &event->unit, FF_HAS_UNIT},
		{"host", &event->host, FF_HAS_HOST},
		{"worker", &event->worker, FF_HAS_WORKER},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		*names[i].at = member(d, json, names[i].key);
		if ((needs & names[i].need) && !*names[i].at)
			fail(d, names[i].key, "a text");
	}
	if (ff_event_has_index(event->kind))
		event->index = (uint32_t)needed(d, json, "index", 0, UINT32_MAX);
}

/* Two digits, or -1000, which spoils what they are part of. */
static int two_digits(const char *at)
{
	if (at[0] < '0' || at[0] > '9' || at[1] < '0' || at[1] > '9')
		return -1000;
	return (at[0] - '0') * 10 + (at[1] - '0');
}

/* Days since 1970 (Howard Hinnant, days_from_civil). */
static int64_t days_of(int64_t year, int month, int day)
{
	int64_t y = year - (month <= 2), era = y / 400, yoe = y % 400;
	int64_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* The form that encode.c writes, and no other. */
static void read_time(struct decoder *d, const json_t *json)
{
	static const char form[] = "00-00-00T00:00:00.000000Z";
	const char *text = json_string_value(json);
	bool fits = text && json_string_length(json) == sizeof(form) + 1;
	int64_t year, second, micros;
	int month, day, hour, min, sec;

	for (size_t i = 0; fits && i < sizeof(form) - 1; i++)
		if (form[i] != '0' && text[i + 2] != form[i])
			fits = false;
	if (!fits) {
		fail(d, "time", "a time as 2026-11-20T08:00:00.000042Z");
		return;
	}
	year = two_digits(text) * 100 + two_digits(text + 2);
	month = two_digits(text + 5);
	day = two_digits(text + 8);
	hour = two_digits(text + 11);
	min = two_digits(text + 14);
	sec = two_digits(text + 17);
	micros = (int64_t)two_digits(text + 20) * 10000 + two_digits(text + 22) * 100 +
		 two_digits(text + 24);
	if (year < 1970 || month < 1 || month > 12 || day < 1 || hour < 0 || hour > 23 || min < 0 ||
	    min > 59 || sec < 0 || sec > 59 || micros < 0 || two_digits(text + 22) < 0 ||
	    two_digits(text + 24) < 0 || two_digits(text + 2) < 0 ||
	    days_of(year, month, day) >=
		    days_of(month < 12 ? year : year + 1, month < 12 ? month + 1 : 1, 1)) {
		fail(d, "time", "a time as 2026-11-20T08:00:00.000042Z");
		return;
	}
	second = days_of(year, month, day) * 86400 + hour * 3600 + min * 60 + sec;
	d->event->time_us = second * 1000000 + micros;
}

/* The key of the number that JSON's reader found too large: it stands before it. */
static int fail_number(const char *line, size_t len, const json_error_t *why, struct ff_err *err)
{
	size_t end = why->position > 0 && (size_t)why->position <= len ? (size_t)why->position : 0;
	size_t from;

	while (end > 0 && line[end - 1] != ':')
		end--;
	while (end > 0 && line[end - 1] != '"')
		end--;
	for (from = end > 0 ? end - 1 : 0; from > 0 && line[from - 1] != '"'; from--)
		;
	if (from == 0)
		return ff_err_set(err, FF_ELOAD, "not an event: %s", why->text);
	return ff_err_set(err, FF_ELOAD, "'%.*s': expected a number that fits: %s",
			  (int)(end - 1 - from), line + from, why->text);
}

int ff_event_decode(struct ff_event *event, struct ff_arena *arena, const char *line, size_t len,
		    struct ff_output_source *source, struct ff_output_place *place,
		    struct ff_err *err)
{
	json_error_t why;
	json_t *json = json_loadb(line, len, JSON_ALLOW_NUL, &why);
	const char *word = json_string_value(json_object_get(json, "event"));
	int kind = word ? ff_event_from_word(word) : -1;
	struct ff_event read = {.kind = (enum ff_event_kind)kind};
	struct decoder d = {.arena = arena, .event = &read, .source = source, .err = err};

	if (!json && json_error_code(&why) == json_error_numeric_overflow)
		return fail_number(line, len, &why, err);
	if (!json || kind < 0) {
		d.rc = ff_err_set(err, FF_ELOAD, "not an event: %s",
				  json ? (word ? word : "no 'event'") : why.text);
	} else {
		read.seq = (uint64_t)needed(&d, json, "seq", 1, INT64_MAX);
		read_time(&d, json_object_get(json, "time"));
		read_names(&d, json);
		read_fields(&d, json);
	}
	json_decref(json);
	if (d.rc < 0)
		return d.rc;
	*event = read;
	if (place)
		*place = d.place;
	return 0;
}

int ff_event_parse(struct ff_event *event, struct ff_arena *arena, const char *line, size_t len,
		   struct ff_err *err)
{
	return ff_event_decode(event, arena, line, len, NULL, NULL, err);
}

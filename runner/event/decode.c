/* A line of the journal back into an event, for replay. Strings live in the caller's arena. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "event/fields.h"
#include "event/journal.h"

static const char *text_of(struct ff_arena *arena, const json_t *json)
{
	return json_is_string(json)
		       ? ff_arena_copy(arena, json_string_value(json), json_string_length(json))
		       : NULL;
}

static const char *member(struct ff_arena *arena, const json_t *object, const char *name)
{
	return text_of(arena, json_object_get(object, name));
}

static int64_t number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static void read_counts(struct ff_counts *counts, const json_t *json)
{
	counts->total = (uint32_t)number(json, "total");
	counts->retried = (uint32_t)number(json, "retried");
	for (int i = 0; i < FF_OUTCOMES; i++)
		counts->by_outcome[i] = (uint32_t)number(json, ff_outcome_word((enum ff_outcome)i));
}

static enum ff_outcome read_outcome(const json_t *object)
{
	const char *word = json_string_value(json_object_get(object, "outcome"));
	int outcome = word ? ff_outcome_from_word(word) : -1;

	return outcome < 0 ? FF_OUTCOME_ERROR : (enum ff_outcome)outcome;
}

static void read_phases(struct ff_arena *arena, struct ff_result *result, const json_t *array)
{
	size_t len = json_array_size(array);
	struct ff_phase *phases = len ? ff_arena_alloc(arena, len * sizeof *phases) : NULL;

	for (size_t i = 0; phases && i < len; i++) {
		const json_t *json = json_array_get(array, i);

		phases[i] = (struct ff_phase){.when = member(arena, json, "when"),
					      .outcome = read_outcome(json),
					      .duration_us = number(json, "duration_us"),
					      .message = member(arena, json, "message"),
					      .longrepr = member(arena, json, "longrepr")};
	}
	result->phases = phases;
	result->phases_len = phases ? len : 0;
}

static void read_sections(struct ff_arena *arena, struct ff_result *result, const json_t *array)
{
	size_t len = json_array_size(array);
	struct ff_section *sections = len ? ff_arena_alloc(arena, len * sizeof *sections) : NULL;

	for (size_t i = 0; sections && i < len; i++) {
		const json_t *text = json_object_get(json_array_get(array, i), "text");

		sections[i].title = member(arena, json_array_get(array, i), "title");
		sections[i].text = text_of(arena, text);
		sections[i].len = json_string_length(text);
	}
	result->sections = sections;
	result->sections_len = sections ? len : 0;
}

static void read_properties(struct ff_arena *arena, struct ff_result *result, const json_t *array)
{
	size_t len = json_array_size(array);
	struct ff_property *all = len ? ff_arena_alloc(arena, len * sizeof *all) : NULL;

	for (size_t i = 0; all && i < len; i++) {
		all[i].name = member(arena, json_array_get(array, i), "name");
		all[i].value = member(arena, json_array_get(array, i), "value");
	}
	result->properties = all;
	result->properties_len = all ? len : 0;
}

static const struct ff_result *read_result(struct ff_arena *arena, const json_t *json)
{
	struct ff_result *result = ff_arena_alloc(arena, sizeof *result);

	if (!result)
		return NULL;
	*result = (struct ff_result){
		.outcome = read_outcome(json),
		.duration_us = number(json, "duration_us"),
		.message = member(arena, json, "message"),
		.longrepr = member(arena, json, "longrepr"),
		.file = member(arena, json, "file"),
		.line = (int)number(json, "line"),
		.has_status = json_object_get(json, "status") != NULL,
		.status = (int)number(json, "status"),
		.user_us = number(json, "user_us"),
		.system_us = number(json, "system_us"),
		.max_rss_kib = number(json, "max_rss_kib"),
		.output_bytes = (uint64_t)number(json, "output_bytes"),
		.output_cut = json_is_true(json_object_get(json, "output_cut")),
		.leaked = json_is_true(json_object_get(json, "leaked")),
	};
	read_phases(arena, result, json_object_get(json, "phases"));
	read_sections(arena, result, json_object_get(json, "sections"));
	read_properties(arena, result, json_object_get(json, "properties"));
	return result;
}

static const char *const *read_lines(struct ff_arena *arena, const json_t *array)
{
	size_t len = json_array_size(array);
	const char **lines = ff_arena_alloc(arena, (len + 1) * sizeof *lines);

	if (!lines)
		return NULL;
	for (size_t i = 0; i < len; i++)
		lines[i] = text_of(arena, json_array_get(array, i));
	lines[len] = NULL;
	return lines;
}

static void read_field(const struct ff_field *field, struct ff_event *event, struct ff_arena *arena,
		       const json_t *json)
{
	void *at = (char *)event + field->offset;

	switch (field->type) {
	case FF_FIELD_TEXT:
		*(const char **)at = text_of(arena, json);
		break;
	case FF_FIELD_BOOL:
		*(bool *)at = json_is_true(json);
		break;
	case FF_FIELD_INT:
	case FF_FIELD_NUMBER:
		*(int *)at = (int)json_integer_value(json);
		break;
	case FF_FIELD_U32:
		*(uint32_t *)at = (uint32_t)json_integer_value(json);
		break;
	case FF_FIELD_U64:
		*(uint64_t *)at = (uint64_t)json_integer_value(json);
		break;
	case FF_FIELD_I64:
		*(int64_t *)at = json_integer_value(json);
		break;
	case FF_FIELD_COUNTS:
		read_counts(at, json);
		break;
	case FF_FIELD_RESULT:
		*(const struct ff_result **)at = read_result(arena, json);
		break;
	case FF_FIELD_LINES:
		*(const char *const **)at = read_lines(arena, json);
		break;
	case FF_FIELD_OUTPUT:
		event->u.unit_output.bytes = text_of(arena, json);
		event->u.unit_output.len = json_string_length(json);
		break;
	}
}

static int64_t read_time(const char *text)
{
	struct tm tm = {0};
	int micros = 0;

	if (!text || sscanf(text, "%d-%d-%dT%d:%d:%d.%6dZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
			    &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &micros) != 7)
		return 0;
	if (tm.tm_year < 1970 || tm.tm_year > 9999 || tm.tm_mon < 1 || tm.tm_mon > 12 ||
	    tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour < 0 || tm.tm_hour > 23 ||
	    tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 60 || micros < 0)
		return 0;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return (int64_t)timegm(&tm) * 1000000 + micros;
}

int ff_event_parse(struct ff_event *event, struct ff_arena *arena, const char *line, size_t len,
		   struct ff_err *err)
{
	json_error_t why;
	json_t *json = json_loadb(line, len, JSON_ALLOW_NUL, &why);
	const char *word = json_string_value(json_object_get(json, "event"));
	int kind = word ? ff_event_from_word(word) : -1;

	if (!json || kind < 0) {
		int rc = ff_err_set(err, FF_ELOAD, "not an event: %s",
				    json ? (word ? word : "no 'event'") : why.text);

		json_decref(json);
		return rc;
	}
	*event = (struct ff_event){
		.kind = (enum ff_event_kind)kind,
		.seq = (uint64_t)number(json, "seq"),
		.time_us = read_time(json_string_value(json_object_get(json, "time"))),
		.job = member(arena, json, "job"),
		.unit = member(arena, json, "unit"),
		.host = member(arena, json, "host"),
		.worker = member(arena, json, "worker")};
	for (const struct ff_field *f = ff_event_fields(event->kind); f->name; f++) {
		const json_t *value = json_object_get(json, f->name);

		if (value || f->type == FF_FIELD_RESULT)
			read_field(f, event, arena, value);
	}
	json_decref(json);
	return 0;
}

/* An event as a line of JSON: the journal's and --jsonl's format. */
#include <string.h>

#include "event/codec.h"
#include "event/fields.h"
#include "event/journal.h"
#include "event/json.h"
#include "event/output.h"

/* Text of any length and content: inline, or into the output with its place. */
static void write_bytes(struct ff_json *w, struct ff_output_sink *sink, const char *bytes,
			size_t len)
{
	int rc;

	if (!sink) {
		ff_json_strn(w, "text", bytes, len);
		return;
	}
	ff_json_uint(w, "at", sink->base + sink->bytes->len);
	ff_json_uint(w, "len", len);
	rc = ff_buf_add(sink->bytes, bytes, len);
	if (rc < 0 && w->error == 0)
		w->error = rc;
}

static void write_counts(struct ff_json *w, const char *name, const struct ff_counts *counts)
{
	ff_json_open(w, name, '{');
	ff_json_uint(w, "total", counts->total);
	for (int i = 0; i < FF_OUTCOMES; i++)
		if (counts->by_outcome[i] > 0)
			ff_json_uint(w, ff_outcome_word((enum ff_outcome)i), counts->by_outcome[i]);
	if (counts->retried > 0)
		ff_json_uint(w, "retried", counts->retried);
	if (counts->not_run > 0)
		ff_json_uint(w, "not_run", counts->not_run);
	if (counts->parts_not_run > 0)
		ff_json_uint(w, "parts_not_run", counts->parts_not_run);
	if (counts->more_errors > 0)
		ff_json_uint(w, "more_errors", counts->more_errors);
	ff_json_close(w, '}');
}

static void write_phases(struct ff_json *w, const struct ff_result *result)
{
	if (result->phases_len == 0)
		return;
	ff_json_open(w, "phases", '[');
	for (size_t i = 0; i < result->phases_len; i++) {
		const struct ff_phase *phase = &result->phases[i];

		ff_json_open(w, NULL, '{');
		ff_json_str(w, "when", phase->when);
		ff_json_str(w, "outcome", ff_outcome_word(phase->outcome));
		ff_json_int(w, "duration_us", phase->duration_us);
		ff_json_str(w, "message", phase->message);
		ff_json_str(w, "longrepr", phase->longrepr);
		if (phase->step)
			ff_json_bool(w, "step", true);
		if (phase->rerun)
			ff_json_bool(w, "rerun", true);
		ff_json_close(w, '}');
	}
	ff_json_close(w, ']');
}

static void write_sections(struct ff_json *w, struct ff_output_sink *sink,
			   const struct ff_result *result)
{
	if (result->sections_len == 0)
		return;
	ff_json_open(w, "sections", '[');
	for (size_t i = 0; i < result->sections_len; i++) {
		const struct ff_section *section = &result->sections[i];

		ff_json_open(w, NULL, '{');
		ff_json_str(w, "title", section->title);
		/* Only what a reader can put together again is left out. */
		if (section->told && ff_output_stream(section->title) > 0)
			ff_json_uint(w, "len", section->len);
		else
			write_bytes(w, sink, section->text, section->len);
		ff_json_close(w, '}');
	}
	ff_json_close(w, ']');
}

static void write_properties(struct ff_json *w, const struct ff_result *result)
{
	if (result->properties_len == 0)
		return;
	ff_json_open(w, "properties", '[');
	for (size_t i = 0; i < result->properties_len; i++) {
		ff_json_open(w, NULL, '{');
		ff_json_str(w, "name", result->properties[i].name);
		ff_json_str(w, "value", result->properties[i].value);
		ff_json_close(w, '}');
	}
	ff_json_close(w, ']');
}

static void write_result(struct ff_json *w, struct ff_output_sink *sink, const char *name,
			 const struct ff_result *result)
{
	ff_json_open(w, name, '{');
	ff_json_str(w, "outcome", ff_outcome_word(result->outcome));
	ff_json_int(w, "duration_us", result->duration_us);
	if (result->setup_us > 0)
		ff_json_int(w, "setup_us", result->setup_us);
	if (result->teardown_us > 0)
		ff_json_int(w, "teardown_us", result->teardown_us);
	ff_json_str(w, "message", result->message);
	ff_json_str(w, "longrepr", result->longrepr);
	ff_json_str(w, "file", result->file);
	if (result->line > 0)
		ff_json_int(w, "line", result->line);
	if (result->has_status) {
		ff_json_int(w, "status", result->status);
		ff_json_int(w, "user_us", result->user_us);
		ff_json_int(w, "system_us", result->system_us);
		ff_json_int(w, "max_rss_kib", result->max_rss_kib);
	}
	if (result->memory_kib > 0)
		ff_json_int(w, "memory_kib", result->memory_kib);
	ff_json_str(w, "limits", result->limits);
	if (result->out_of_memory)
		ff_json_bool(w, "out_of_memory", true);
	if (result->output_bytes > 0)
		ff_json_uint(w, "output_bytes", result->output_bytes);
	if (result->output_cut)
		ff_json_bool(w, "output_cut", true);
	if (result->leaked)
		ff_json_bool(w, "leaked", true);
	write_phases(w, result);
	write_sections(w, sink, result);
	write_properties(w, result);
	ff_json_close(w, '}');
}

static void write_lines(struct ff_json *w, const char *name, const char *const *lines)
{
	if (!lines)
		return;
	ff_json_open(w, name, '[');
	for (; *lines; lines++)
		ff_json_str(w, NULL, *lines);
	ff_json_close(w, ']');
}

static void write_facts(struct ff_json *w, const char *name, const struct ff_event *event)
{
	if (event->u.worker_started.facts_len == 0)
		return;
	ff_json_open(w, name, '{');
	for (size_t i = 0; i < event->u.worker_started.facts_len; i++)
		ff_json_pair(w, event->u.worker_started.facts[i].key,
			     event->u.worker_started.facts[i].value);
	ff_json_close(w, '}');
}

static void write_field(struct ff_json *w, struct ff_output_sink *sink,
			const struct ff_field *field, const struct ff_event *event)
{
	const void *at = (const char *)event + field->offset;

	switch (field->type) {
	case FF_FIELD_TEXT:
		ff_json_str(w, field->name, *(const char *const *)at);
		break;
	case FF_FIELD_NAME:
		ff_json_str(w, field->name,
			    *(const char *const *)at ? *(const char *const *)at : "");
		break;
	case FF_FIELD_FLAG:
		if (*(const bool *)at)
			ff_json_bool(w, field->name, true);
		break;
	case FF_FIELD_BOOL:
		ff_json_bool(w, field->name, *(const bool *)at);
		break;
	case FF_FIELD_INT:
	case FF_FIELD_STREAM:
		ff_json_int(w, field->name, *(const int *)at);
		break;
	case FF_FIELD_NUMBER:
		if (*(const int *)at != 0)
			ff_json_int(w, field->name, *(const int *)at);
		break;
	case FF_FIELD_U32:
	case FF_FIELD_ATTEMPT:
		ff_json_uint(w, field->name, *(const uint32_t *)at);
		break;
	case FF_FIELD_SIZE:
		if (*(const uint64_t *)at > 0)
			ff_json_uint(w, field->name, *(const uint64_t *)at);
		break;
	case FF_FIELD_U64:
		ff_json_uint(w, field->name, *(const uint64_t *)at);
		break;
	case FF_FIELD_I64:
		ff_json_int(w, field->name, *(const int64_t *)at);
		break;
	case FF_FIELD_COUNTS:
		write_counts(w, field->name, at);
		break;
	case FF_FIELD_RESULT:
		write_result(w, sink, field->name, *(const struct ff_result *const *)at);
		break;
	case FF_FIELD_LINES:
		write_lines(w, field->name, *(const char *const *const *)at);
		break;
	case FF_FIELD_FACTS:
		write_facts(w, field->name, event);
		break;
	case FF_FIELD_WAIT:
		if (((const struct ff_wait *)at)->known)
			ff_json_int(w, field->name, ((const struct ff_wait *)at)->status);
		break;
	case FF_FIELD_REASON:
		if (*(const enum ff_reason *)at != FF_REASON_NONE)
			ff_json_str(w, field->name, ff_reason_word(*(const enum ff_reason *)at));
		break;
	case FF_FIELD_JOB_RESULT:
		ff_json_str(w, field->name, ff_job_result_word(*(const enum ff_job_result *)at));
		break;
	case FF_FIELD_OUTCOME:
		ff_json_str(w, field->name, ff_outcome_word(*(const enum ff_outcome *)at));
		break;
	case FF_FIELD_OUTPUT:
		write_bytes(w, sink, event->u.unit_output.bytes, event->u.unit_output.len);
		break;
	}
}

/* Two digits of `number` at `at`. */
static void two_digits(char *at, int64_t number)
{
	at[0] = (char)('0' + number / 10 % 10);
	at[1] = (char)('0' + number % 10);
}

/* "2026-11-20T08:00:00" of a second since 1970, by days and eras of 400 years (Howard Hinnant,
 * "chrono-Compatible Low-Level Date Algorithms", civil_from_days). */
static void write_second(char text[19], int64_t second)
{
	int64_t z = second / 86400 + 719468, of_day = second % 86400;
	int64_t era = z / 146097, doe = z % 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	int64_t month = mp < 10 ? mp + 3 : mp - 9, year = yoe + era * 400 + (month <= 2);

	memcpy(text, "0000-00-00T00:00:00", 19);
	two_digits(text, year / 100);
	two_digits(text + 2, year);
	two_digits(text + 5, month);
	two_digits(text + 8, doy - (153 * mp + 2) / 5 + 1);
	two_digits(text + 11, of_day / 3600);
	two_digits(text + 14, of_day / 60 % 60);
	two_digits(text + 17, of_day % 60);
}

static void write_time(struct ff_json *w, int64_t time_us)
{
	/* Events come many to a second. */
	static _Thread_local struct {
		int64_t second;
		char text[19];
	} last = {.text = "1970-01-01T00:00:00"};
	char text[27];
	int64_t micros;

	if (time_us < 0)
		time_us = 0;
	if (time_us > FF_EVENT_TIME_MAX)
		time_us = FF_EVENT_TIME_MAX;
	if (time_us / 1000000 != last.second) {
		last.second = time_us / 1000000;
		write_second(last.text, last.second);
	}
	micros = time_us % 1000000;
	memcpy(text, last.text, 19);
	text[19] = '.';
	two_digits(text + 20, micros / 10000);
	two_digits(text + 22, micros / 100);
	two_digits(text + 24, micros);
	text[26] = 'Z';
	ff_json_plain(w, "time", text, sizeof(text));
}

int ff_event_encode(struct ff_buf *out, const struct ff_event *event, struct ff_output_sink *sink)
{
	struct ff_json w;
	size_t before = out->len, bytes_before = sink ? sink->bytes->len : 0;
	const char *word = ff_event_word(event->kind);

	ff_json_begin(&w, out);
	ff_json_uint(&w, "seq", event->seq);
	write_time(&w, event->time_us);
	ff_json_plain(&w, "event", word, strlen(word));
	ff_json_str(&w, "job", event->job);
	ff_json_str(&w, "unit", event->unit);
	if (ff_event_has_index(event->kind))
		ff_json_uint(&w, "index", event->index);
	ff_json_str(&w, "host", event->host);
	ff_json_str(&w, "worker", event->worker);
	for (const struct ff_field *f = ff_event_fields(event->kind); f->name; f++)
		write_field(&w, sink, f, event);
	ff_json_end(&w);
	if (w.error == 0)
		w.error = ff_buf_addch(out, '\n');
	if (w.error) {
		out->len = before; /* no torn line in the middle */
		if (sink)
			sink->bytes->len = bytes_before;
	}
	return w.error;
}

int ff_event_json(struct ff_buf *out, const struct ff_event *event)
{
	return ff_event_encode(out, event, NULL);
}

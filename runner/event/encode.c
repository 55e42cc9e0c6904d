/* An event as a line of JSON: the journal's and --jsonl's format. */
#include <stdio.h>
#include <time.h>

#include "event/fields.h"
#include "event/journal.h"
#include "event/json.h"

static void write_counts(struct ff_json *w, const char *name, const struct ff_counts *counts)
{
	ff_json_open(w, name, '{');
	ff_json_uint(w, "total", counts->total);
	for (int i = 0; i < FF_OUTCOMES; i++)
		if (counts->by_outcome[i] > 0)
			ff_json_uint(w, ff_outcome_word((enum ff_outcome)i), counts->by_outcome[i]);
	if (counts->retried > 0)
		ff_json_uint(w, "retried", counts->retried);
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
		ff_json_close(w, '}');
	}
	ff_json_close(w, ']');
}

static void write_sections(struct ff_json *w, const struct ff_result *result)
{
	if (result->sections_len > 0) {
		ff_json_open(w, "sections", '[');
		for (size_t i = 0; i < result->sections_len; i++) {
			ff_json_open(w, NULL, '{');
			ff_json_str(w, "title", result->sections[i].title);
			ff_json_strn(w, "text", result->sections[i].text, result->sections[i].len);
			ff_json_close(w, '}');
		}
		ff_json_close(w, ']');
	}
	if (result->properties_len > 0) {
		ff_json_open(w, "properties", '[');
		for (size_t i = 0; i < result->properties_len; i++) {
			ff_json_open(w, NULL, '{');
			ff_json_str(w, "name", result->properties[i].name);
			ff_json_str(w, "value", result->properties[i].value);
			ff_json_close(w, '}');
		}
		ff_json_close(w, ']');
	}
}

static void write_result(struct ff_json *w, const char *name, const struct ff_result *result)
{
	ff_json_open(w, name, '{');
	ff_json_str(w, "outcome", ff_outcome_word(result->outcome));
	ff_json_int(w, "duration_us", result->duration_us);
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
	if (result->output_bytes > 0)
		ff_json_uint(w, "output_bytes", result->output_bytes);
	if (result->output_cut)
		ff_json_bool(w, "output_cut", true);
	if (result->leaked)
		ff_json_bool(w, "leaked", true);
	write_phases(w, result);
	write_sections(w, result);
	ff_json_close(w, '}');
}

static void write_lines(struct ff_json *w, const char *name, const char *const *lines)
{
	if (!lines || !*lines)
		return;
	ff_json_open(w, name, '[');
	for (; *lines; lines++)
		ff_json_str(w, NULL, *lines);
	ff_json_close(w, ']');
}

static void write_field(struct ff_json *w, const struct ff_field *field,
			const struct ff_event *event)
{
	const void *at = (const char *)event + field->offset;

	switch (field->type) {
	case FF_FIELD_TEXT:
		ff_json_str(w, field->name, *(const char *const *)at);
		break;
	case FF_FIELD_BOOL:
		ff_json_bool(w, field->name, *(const bool *)at);
		break;
	case FF_FIELD_INT:
		ff_json_int(w, field->name, *(const int *)at);
		break;
	case FF_FIELD_NUMBER:
		if (*(const int *)at != 0)
			ff_json_int(w, field->name, *(const int *)at);
		break;
	case FF_FIELD_U32:
		ff_json_uint(w, field->name, *(const uint32_t *)at);
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
		write_result(w, field->name, *(const struct ff_result *const *)at);
		break;
	case FF_FIELD_LINES:
		write_lines(w, field->name, *(const char *const *const *)at);
		break;
	case FF_FIELD_OUTPUT:
		ff_json_strn(w, field->name, event->u.unit_output.bytes, event->u.unit_output.len);
		break;
	}
}

static void write_time(struct ff_json *w, int64_t time_us)
{
	time_t seconds = (time_t)(time_us / 1000000);
	char text[48], stamp[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof text, "%s.%06dZ", stamp, (int)(time_us % 1000000));
	ff_json_str(w, "time", text);
}

int ff_event_json(struct ff_buf *out, const struct ff_event *event)
{
	struct ff_json w;
	size_t before = out->len;

	ff_json_begin(&w, out);
	ff_json_uint(&w, "seq", event->seq);
	write_time(&w, event->time_us);
	ff_json_str(&w, "event", ff_event_word(event->kind));
	ff_json_str(&w, "job", event->job);
	ff_json_str(&w, "unit", event->unit);
	ff_json_str(&w, "host", event->host);
	ff_json_str(&w, "worker", event->worker);
	for (const struct ff_field *f = ff_event_fields(event->kind); f->name; f++)
		write_field(&w, f, event);
	ff_json_end(&w);
	if (w.error == 0)
		w.error = ff_buf_addch(out, '\n');
	if (w.error)
		out->len = before; /* no torn line in the middle */
	return w.error;
}

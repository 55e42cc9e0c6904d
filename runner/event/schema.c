/* A JSON schema of events' lines, written from the same table as they are. Its text stands here
 * with ' for ", and !NAME for a reference. */
#include <ctype.h>
#include <string.h>

#include "event/fields.h"
#include "event/journal.h"

static const char head[] = "{\n"
			   "  '$schema': 'http://json-schema.org/draft-07/schema#',\n"
			   "  'title': 'farflung event',\n"
			   "  'description': 'a line of --jsonl, or of the journal of a run',\n"
			   "  'type': 'object',\n"
			   "  'required': ['seq', 'time', 'event'],\n";

/* What more than one kind has. */
static const char shared[] =
	"    'text': {'type': 'string'},\n"
	"    'int': {'type': 'integer'},\n"
	"    'count': {'type': 'integer', 'minimum': 0},\n"
	"    'u32': {'type': 'integer', 'minimum': 0, 'maximum': 4294967295},\n"
	"    'true': {'const': true},\n"
	"    'time': {\n"
	"      'type': 'string',\n"
	"      'pattern': '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\\\.[0-9]{6}Z$'\n"
	"    },\n"
	"    'result': {\n"
	"      'type': 'object', 'required': ['outcome', 'duration_us'],\n"
	"      'additionalProperties': false,\n"
	"      'properties': {\n"
	"        'outcome': !outcome,\n"
	"        'duration_us': !int, 'setup_us': !int, 'teardown_us': !int,\n"
	"        'message': !text, 'longrepr': !text, 'file': !text, 'line': !count,\n"
	"        'status': !int, 'user_us': !int, 'system_us': !int, 'max_rss_kib': !int,\n"
	"        'memory_kib': !int, 'limits': !text, 'out_of_memory': !true,\n"
	"        'output_bytes': !count, 'output_cut': !true, 'leaked': !true,\n"
	"        'phases': {'type': 'array', 'items': !phase},\n"
	"        'sections': {'type': 'array', 'items': !section},\n"
	"        'properties': {'type': 'array', 'items': !property}\n"
	"      }\n"
	"    },\n"
	"    'phase': {\n"
	"      'type': 'object', 'required': ['outcome', 'duration_us'],\n"
	"      'additionalProperties': false,\n"
	"      'properties': {\n"
	"        'when': !text, 'outcome': !outcome, 'duration_us': !int,\n"
	"        'message': !text, 'longrepr': !text, 'step': !true, 'rerun': !true\n"
	"      }\n"
	"    },\n"
	"    'section': {\n"
	"      'description': 'with `len` alone its text is what the unit-output events have',\n"
	"      'type': 'object', 'additionalProperties': false,\n"
	"      'properties': {'title': !text, 'text': !text, 'at': !count, 'len': !count},\n"
	"      'anyOf': [{'required': ['text']}, {'required': ['len']}]\n"
	"    },\n"
	"    'property': {\n"
	"      'type': 'object', 'additionalProperties': false,\n"
	"      'properties': {'name': !text, 'value': !text}\n"
	"    },\n";

/* Of every event; its kind comes before. */
static const char of_all[] = "        'seq': {'type': 'integer', 'minimum': 1}, 'time': !time,\n"
			     "        'job': !text, 'unit': !text, 'host': !text, 'worker': !text";

struct form {
	const char *schema;
	bool may_lack; /* it is left out if it says nothing */
};

static const struct form forms[] = {
	[FF_FIELD_TEXT] = {"!text", true},
	[FF_FIELD_NAME] = {"!text", false},
	[FF_FIELD_BOOL] = {"{'type': 'boolean'}", false},
	[FF_FIELD_FLAG] = {"!true", true},
	[FF_FIELD_INT] = {"!int", false},
	[FF_FIELD_NUMBER] = {"!int", true},
	[FF_FIELD_STREAM] = {"{'enum': [1, 2]}", false},
	[FF_FIELD_U32] = {"!u32", false},
	[FF_FIELD_ATTEMPT] = {"{'type': 'integer', 'minimum': 1, 'maximum': 4294967295}", false},
	[FF_FIELD_U64] = {"!count", false},
	[FF_FIELD_SIZE] = {"{'type': 'integer', 'minimum': 1}", true},
	[FF_FIELD_I64] = {"!int", false},
	[FF_FIELD_COUNTS] = {"!counts", false},
	[FF_FIELD_RESULT] = {"!result", false},
	[FF_FIELD_LINES] = {"{'type': 'array', 'items': !text}", true},
	[FF_FIELD_OUTPUT] = {"!text", true}, /* see add_output */
	[FF_FIELD_FACTS] = {"{'type': 'object', 'additionalProperties': !text}", true},
	[FF_FIELD_WAIT] = {"!int", true},
	[FF_FIELD_REASON] = {"!reason", true},
	[FF_FIELD_JOB_RESULT] = {"!job_result", false},
	[FF_FIELD_OUTCOME] = {"!outcome", false},
};

static void add(struct ff_buf *out, const char *text)
{
	for (; *text; text++) {
		size_t len = 0;

		if (*text == '!') {
			while (isalnum((unsigned char)text[len + 1]) || text[len + 1] == '_')
				len++;
			ff_buf_addf(out, "{\"$ref\": \"#/definitions/%.*s\"}", (int)len, text + 1);
			text += len;
		} else {
			ff_buf_addch(out, *text == '\'' ? '"' : *text);
		}
	}
}

/* --- words --- */

static void add_words(struct ff_buf *out, const char *name, int from, int count,
		      const char *(*word)(int number))
{
	ff_buf_addf(out, "    \"%s\": {\"enum\": [", name);
	for (int i = from; i < count; i++)
		ff_buf_addf(out, "%s\"%s\"", i > from ? ", " : "", word(i));
	ff_buf_addstr(out, "]},\n");
}

static const char *outcome(int number)
{
	return ff_outcome_word((enum ff_outcome)number);
}

static const char *reason(int number)
{
	return ff_reason_word((enum ff_reason)number);
}

static const char *job_result(int number)
{
	return ff_job_result_word((enum ff_job_result)number);
}

static void add_counts(struct ff_buf *out)
{
	add(out, "    'counts': {\n"
		 "      'type': 'object', 'required': ['total'], 'additionalProperties': false,\n"
		 "      'properties': {\n"
		 "        'total': !count, 'retried': !count, 'not_run': !count,\n"
		 "        'parts_not_run': !count, 'more_errors': !count");
	for (int i = 0; i < FF_OUTCOMES; i++) {
		ff_buf_addf(out, "%s\"%s\": ", i % 4 ? ", " : ",\n        ", outcome(i));
		add(out, "!count");
	}
	add(out, "\n      }\n    },\n");
}

/* --- events --- */

static void add_required(struct ff_buf *out, enum ff_event_kind kind)
{
	static const char *const who[] = {"job", "unit", "host", "worker"};
	unsigned needs = ff_event_needs(kind);

	add(out, "      'required': ['seq', 'time', 'event'");
	for (size_t i = 0; i < sizeof(who) / sizeof(*who); i++)
		if (needs & 1U << i)
			ff_buf_addf(out, ", \"%s\"", who[i]);
	if (ff_event_has_index(kind))
		add(out, ", 'index'");
	for (const struct ff_field *f = ff_event_fields(kind); f->name; f++)
		if (!forms[f->type].may_lack)
			ff_buf_addf(out, ", \"%s\"", f->name);
	add(out, "],\n");
}

/* What a unit wrote: itself, or, in a journal, where in the file `output` it is. */
static void add_output(struct ff_buf *out)
{
	add(out, ",\n        'at': !count, 'len': !count\n      },\n"
		 "      'anyOf': [{'required': ['text']}, {'required': ['at', 'len']}]\n    }");
}

static void add_event(struct ff_buf *out, enum ff_event_kind kind)
{
	bool output = false;

	ff_buf_addf(out, "    \"%s\": {\n", ff_event_word(kind));
	add(out, "      'type': 'object', 'additionalProperties': false,\n");
	add_required(out, kind);
	add(out, "      'properties': {\n        'event': {'const': '");
	ff_buf_addstr(out, ff_event_word(kind));
	add(out, "'},\n");
	add(out, of_all);
	if (ff_event_has_index(kind))
		add(out, ", 'index': !u32");
	for (const struct ff_field *f = ff_event_fields(kind); f->name; f++) {
		ff_buf_addf(out, ",\n        \"%s\": ", f->name);
		add(out, forms[f->type].schema);
		output |= f->type == FF_FIELD_OUTPUT;
	}
	if (output)
		add_output(out);
	else
		add(out, "\n      }\n    }");
}

int ff_event_schema(struct ff_buf *out)
{
	add(out, head);
	add(out, "  'oneOf': [\n");
	for (int kind = 0; kind < FF_EVENT_KINDS; kind++)
		ff_buf_addf(out, "    {\"$ref\": \"#/definitions/%s\"}%s\n",
			    ff_event_word((enum ff_event_kind)kind),
			    kind + 1 < FF_EVENT_KINDS ? "," : "");
	add(out, "  ],\n  'definitions': {\n");
	add(out, shared);
	add_words(out, "outcome", 0, FF_OUTCOMES, outcome);
	add_words(out, "reason", FF_REASON_NONE + 1, FF_REASONS, reason);
	add_words(out, "job_result", 0, FF_JOB_RESULTS, job_result);
	add_counts(out);
	for (int kind = 0; kind < FF_EVENT_KINDS; kind++) {
		add_event(out, (enum ff_event_kind)kind);
		add(out, kind + 1 < FF_EVENT_KINDS ? ",\n" : "\n");
	}
	return ff_buf_addstr(out, "  }\n}\n");
}

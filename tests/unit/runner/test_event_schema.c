/* The schema of events: whatever can be written is as it says. (That a validator of others' is of
 * the same mind, and real runs, is tests/e2e/test_events_schema.py.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/buf.h"
#include "event/codec.h"
#include "event/journal.h"

#include "every_event.h"

static json_t *schema;

/* --- as much of a validator as it takes --- */

static const char *holds(const json_t *rule, const json_t *value);

static const json_t *resolved(const json_t *rule)
{
	static const char prefix[] = "#/definitions/";
	const char *ref = json_string_value(json_object_get(rule, "$ref"));

	if (!ref)
		return rule;
	assert_int_equal(strncmp(ref, prefix, sizeof(prefix) - 1), 0);
	rule = json_object_get(json_object_get(schema, "definitions"), ref + sizeof(prefix) - 1);
	assert_non_null(rule);
	return rule;
}

static bool is_type(const char *type, const json_t *value)
{
	return strcmp(type, "object") == 0    ? json_is_object(value)
	       : strcmp(type, "array") == 0   ? json_is_array(value)
	       : strcmp(type, "string") == 0  ? json_is_string(value)
	       : strcmp(type, "integer") == 0 ? json_is_integer(value)
	       : strcmp(type, "boolean") == 0 ? json_is_boolean(value)
					      : false;
}

static const char *holds_members(const json_t *rule, const json_t *value)
{
	const json_t *known = json_object_get(rule, "properties"), *one;
	const json_t *others = json_object_get(rule, "additionalProperties");
	const char *key, *wrong;
	json_t *member;
	size_t i;

	json_array_foreach(
		json_object_get(rule, "required"), i,
		one) if (!json_object_get(value,
					  json_string_value(one))) return json_string_value(one);
	json_object_foreach((json_t *)value, key, member)
	{
		one = json_object_get(known, key);
		if (!one && json_is_false(others))
			return key;
		one = one ? one : others;
		wrong = one ? holds(one, member) : NULL;
		if (wrong)
			return *wrong == '(' ? key : wrong;
	}
	return NULL;
}

/* NULL: it does; else what does not: a key, or "(…)" of the value itself. */
static const char *holds(const json_t *rule, const json_t *value)
{
	const json_t *words, *one;
	const char *wrong;
	size_t i;
	bool any;

	rule = resolved(rule);
	one = json_object_get(rule, "type");
	if (one && !is_type(json_string_value(one), value))
		return "(type)";
	one = json_object_get(rule, "const");
	if (one && !json_equal(one, value))
		return "(const)";
	words = json_object_get(rule, "enum");
	any = !words;
	json_array_foreach(words, i, one) any |= json_equal(one, value);
	if (!any)
		return "(enum)";
	one = json_object_get(rule, "minimum");
	if (one && json_integer_value(value) < json_integer_value(one))
		return "(minimum)";
	one = json_object_get(rule, "maximum");
	if (one && json_integer_value(value) > json_integer_value(one))
		return "(maximum)";
	wrong = json_is_object(value) ? holds_members(rule, value) : NULL;
	if (wrong)
		return wrong;
	words = json_object_get(rule, "anyOf");
	any = !words;
	json_array_foreach(words, i, one) any |= !holds(one, value);
	if (!any)
		return "(anyOf)";
	one = json_object_get(rule, "items");
	if (one && json_is_array(value))
		json_array_foreach(value, i, words) if ((wrong = holds(one, words))) return wrong;
	return NULL;
}

/* --- what is held against it --- */

static const char *check(const struct ff_buf *line)
{
	json_t *value =
		json_loadb((const char *)ff_buf_data(line), line->len, JSON_ALLOW_NUL, NULL);
	const json_t *rule;
	const char *wrong;

	assert_non_null(value);
	rule = json_object_get(json_object_get(schema, "definitions"),
			       json_string_value(json_object_get(value, "event")));
	assert_non_null(rule);
	wrong = holds(rule, value);
	if (wrong)
		print_error("%s: %.*s\n", wrong, (int)line->len, (const char *)ff_buf_data(line));
	json_decref(value);
	return wrong;
}

/* Of every kind with every field, as --jsonl has it and as the journal has. */
static void test_all_that_can_be_said(void **state)
{
	(void)state;
	for (int kind = 0; kind < FF_EVENT_KINDS; kind++) {
		struct ff_event event = every_event((enum ff_event_kind)kind);
		struct ff_buf line = FF_BUF_INIT, bytes = FF_BUF_INIT;
		struct ff_output_sink sink = {.bytes = &bytes, .base = 7};

		assert_int_equal(ff_event_json(&line, &event), 0);
		assert_null(check(&line));
		ff_buf_clear(&line);
		assert_int_equal(ff_event_encode(&line, &event, &sink), 0);
		assert_null(check(&line));
		ff_buf_release(&line);
		ff_buf_release(&bytes);
	}
}

/* And with as little as a reader of journals takes. */
static void test_as_little_as_can_be(void **state)
{
	static const struct ff_result result = {.outcome = FF_OUTCOME_PASSED};

	(void)state;
	for (int kind = 0; kind < FF_EVENT_KINDS; kind++) {
		unsigned needs = ff_event_needs((enum ff_event_kind)kind);
		struct ff_event event = {.kind = (enum ff_event_kind)kind, .seq = 1};
		struct ff_buf line = FF_BUF_INIT;

		event.job = needs & FF_HAS_JOB ? "" : NULL;
		event.unit = needs & FF_HAS_UNIT ? "" : NULL;
		event.host = needs & FF_HAS_HOST ? "" : NULL;
		event.worker = needs & FF_HAS_WORKER ? "" : NULL;
		for (const struct ff_field *f = ff_event_fields(event.kind); f->name; f++) {
			void *at = (char *)&event + f->offset;

			if (f->type == FF_FIELD_RESULT)
				*(const struct ff_result **)at = &result;
			else if (f->type == FF_FIELD_ATTEMPT || f->type == FF_FIELD_STREAM)
				*(uint32_t *)at = 1;
		}
		assert_int_equal(ff_event_json(&line, &event), 0);
		assert_null(check(&line));
		ff_buf_release(&line);
	}
}

/* It is no schema that takes all. */
static void test_what_it_refuses(void **state)
{
	static const char *const lines_[] = {
		"{\"seq\": 1, \"time\": \"\", \"event\": \"interrupted\"}",
		"{\"seq\": 1, \"time\": \"\", \"event\": \"interrupted\", \"times\": \"1\"}",
		"{\"seq\": 0, \"time\": \"\", \"event\": \"interrupted\", \"times\": 1}",
		"{\"seq\": 1, \"time\": \"\", \"event\": \"interrupted\", \"times\": 1, \"x\": 1}",
		"{\"seq\": 1, \"time\": \"\", \"event\": \"front-ending\"}",
		"{\"seq\": 1, \"time\": \"\", \"event\": \"front-text\", \"job\": \"a\"}",
		"{\"seq\": 1, \"time\": \"\", \"event\": \"stopping\", \"why\": \"x\", \"kill\": "
		"false}",
		"{\"seq\": 1, \"time\": \"\", \"event\": \"unit-output\", \"job\": \"a\", "
		"\"unit\": \"b\","
		" \"index\": 0, \"stream\": 1, \"at\": 1}",
		"{\"seq\": 1, \"time\": \"\", \"event\": \"unit-output\", \"job\": \"a\", "
		"\"unit\": \"b\","
		" \"index\": 0, \"stream\": 3, \"text\": \"\"}",
	};
	static const char right[] =
		"{\"seq\": 1, \"time\": \"\", \"event\": \"interrupted\", \"times\": 1}";

	(void)state;
	for (size_t i = 0; i <= sizeof(lines_) / sizeof(*lines_); i++) {
		bool wrong = i < sizeof(lines_) / sizeof(*lines_);
		json_t *value = json_loads(wrong ? lines_[i] : right, 0, NULL);
		const json_t *rule;

		assert_non_null(value);
		rule = json_object_get(json_object_get(schema, "definitions"),
				       json_string_value(json_object_get(value, "event")));
		assert_int_equal(holds(rule, value) != NULL, wrong);
		json_decref(value);
	}
}

static int setup(void **state)
{
	struct ff_buf text = FF_BUF_INIT;

	(void)state;
	if (ff_event_schema(&text) == 0)
		schema = json_loadb((const char *)ff_buf_data(&text), text.len, 0, NULL);
	ff_buf_release(&text);
	return schema ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	json_decref(schema);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_that_can_be_said),
		cmocka_unit_test(test_as_little_as_can_be),
		cmocka_unit_test(test_what_it_refuses),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

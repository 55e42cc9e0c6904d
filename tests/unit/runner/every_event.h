/* An event of every kind with every field filled in, and whether two of them are the same. */
#ifndef TESTS_EVERY_EVENT_H
#define TESTS_EVERY_EVENT_H

#include "event/fields.h"

static const char nasty[] =
	"q\" b\\ \n\r\t\b\f \x01\x1f\x7f \xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x8d </x>";

static const struct ff_section sections[] = {
	{"Captured stdout call", "out\0put", 7, false},
	{"stderr", "", 0, false},
	{NULL, "untitled", 8, false},
};
static const struct ff_phase phases[] = {
	{"setup", FF_OUTCOME_PASSED, 12, NULL, NULL, false, false},
	{"call", FF_OUTCOME_FAILED, 34567890123, nasty, "E   assert 1 == 2", true, true},
};
static const struct ff_property properties[] = {{"a", "1"}, {nasty, ""}};
static const struct ff_result full_result = {
	.outcome = FF_OUTCOME_TIMEOUT,
	.duration_us = INT64_MAX,
	.message = nasty,
	.longrepr = "line\nline",
	.sections = sections,
	.sections_len = 3,
	.phases = phases,
	.phases_len = 2,
	.properties = properties,
	.properties_len = 2,
	.file = "tests/test_x.py",
	.line = 7,
	.has_status = true,
	.status = 9,
	.user_us = 11,
	.system_us = 12,
	.max_rss_kib = 13,
	.memory_kib = 14,
	.output_cut = true,
	.output_bytes = (uint64_t)INT64_MAX,
	.leaked = true,
	.limits = "memory by cgroup",
	.out_of_memory = true,
};
static const struct ff_fact facts[] = {{"python", "3.11.2"}, {nasty, nasty}};
static const char *const lines[] = {"platform linux", nasty, NULL};

static inline void fill(struct ff_event *event, const struct ff_field *f, unsigned salt)
{
	void *at = (char *)event + f->offset;

	switch (f->type) {
	case FF_FIELD_TEXT:
	case FF_FIELD_NAME:
		*(const char **)at = salt % 2 ? nasty : f->name;
		break;
	case FF_FIELD_BOOL:
	case FF_FIELD_FLAG:
		*(bool *)at = true;
		break;
	case FF_FIELD_INT:
	case FF_FIELD_NUMBER:
		*(int *)at = -2147483647 - 1 + (int)salt;
		break;
	case FF_FIELD_STREAM:
		*(int *)at = 2;
		break;
	case FF_FIELD_OUTCOME:
		*(enum ff_outcome *)at = FF_OUTCOME_XFAILED;
		break;
	case FF_FIELD_U32:
	case FF_FIELD_ATTEMPT:
		*(uint32_t *)at = UINT32_MAX - salt;
		break;
	case FF_FIELD_U64:
	case FF_FIELD_SIZE:
		*(uint64_t *)at = (uint64_t)INT64_MAX - salt;
		break;
	case FF_FIELD_I64:
		*(int64_t *)at = INT64_MIN + salt;
		break;
	case FF_FIELD_COUNTS:
		for (int i = 0; i < FF_OUTCOMES; i++)
			((struct ff_counts *)at)->by_outcome[i] = salt + (unsigned)i;
		((struct ff_counts *)at)->total = 100 + salt;
		((struct ff_counts *)at)->retried = 200 + salt;
		((struct ff_counts *)at)->not_run = 300 + salt;
		((struct ff_counts *)at)->more_errors = 400 + salt;
		break;
	case FF_FIELD_RESULT:
		*(const struct ff_result **)at = &full_result;
		break;
	case FF_FIELD_LINES:
		*(const char *const **)at = lines;
		break;
	case FF_FIELD_OUTPUT:
		event->u.unit_output.bytes = "a\0b";
		event->u.unit_output.len = 3;
		break;
	case FF_FIELD_FACTS:
		event->u.worker_started.facts = facts;
		event->u.worker_started.facts_len = 2;
		break;
	case FF_FIELD_WAIT:
		*(struct ff_wait *)at = (struct ff_wait){true, -7};
		break;
	case FF_FIELD_REASON:
		*(enum ff_reason *)at = FF_REASON_DISK;
		break;
	case FF_FIELD_JOB_RESULT:
		*(enum ff_job_result *)at = FF_JOB_STOPPED;
		break;
	}
}

static inline void same_text(const char *a, const char *b)
{
	if (!a || !b)
		assert_ptr_equal(a, b);
	else
		assert_string_equal(a, b);
}

static inline void same_result(const struct ff_result *a, const struct ff_result *b)
{
	assert_int_equal(a->outcome, b->outcome);
	assert_true(a->duration_us == b->duration_us);
	same_text(a->message, b->message);
	same_text(a->longrepr, b->longrepr);
	same_text(a->file, b->file);
	assert_int_equal(a->line, b->line);
	assert_int_equal(a->has_status, b->has_status);
	assert_int_equal(a->status, b->status);
	assert_true(a->user_us == b->user_us && a->system_us == b->system_us);
	assert_true(a->max_rss_kib == b->max_rss_kib && a->memory_kib == b->memory_kib &&
		    a->output_bytes == b->output_bytes);
	assert_int_equal(a->output_cut, b->output_cut);
	assert_int_equal(a->leaked, b->leaked);
	assert_int_equal(a->out_of_memory, b->out_of_memory);
	same_text(a->limits, b->limits);
	assert_int_equal(a->sections_len, b->sections_len);
	for (size_t i = 0; i < a->sections_len; i++) {
		same_text(a->sections[i].title, b->sections[i].title);
		assert_int_equal(a->sections[i].len, b->sections[i].len);
		assert_memory_equal(a->sections[i].text, b->sections[i].text, a->sections[i].len);
	}
	assert_int_equal(a->phases_len, b->phases_len);
	for (size_t i = 0; i < a->phases_len; i++) {
		same_text(a->phases[i].when, b->phases[i].when);
		assert_int_equal(a->phases[i].outcome, b->phases[i].outcome);
		assert_true(a->phases[i].duration_us == b->phases[i].duration_us);
		same_text(a->phases[i].message, b->phases[i].message);
		same_text(a->phases[i].longrepr, b->phases[i].longrepr);
		assert_int_equal(a->phases[i].rerun, b->phases[i].rerun);
	}
	assert_int_equal(a->properties_len, b->properties_len);
	for (size_t i = 0; i < a->properties_len; i++) {
		same_text(a->properties[i].name, b->properties[i].name);
		same_text(a->properties[i].value, b->properties[i].value);
	}
}

static inline void same_field(const struct ff_event *a, const struct ff_event *b,
			      const struct ff_field *f)
{
	const void *x = (const char *)a + f->offset, *y = (const char *)b + f->offset;
	const char *const *p, *const *q;

	switch (f->type) {
	case FF_FIELD_TEXT:
		same_text(*(const char *const *)x, *(const char *const *)y);
		break;
	case FF_FIELD_NAME:
		same_text(*(const char *const *)x, *(const char *const *)y);
		break;
	case FF_FIELD_WAIT:
		assert_int_equal(((const struct ff_wait *)x)->known,
				 ((const struct ff_wait *)y)->known);
		assert_int_equal(((const struct ff_wait *)x)->status,
				 ((const struct ff_wait *)y)->status);
		break;
	case FF_FIELD_OUTCOME:
		assert_int_equal(*(const enum ff_outcome *)x, *(const enum ff_outcome *)y);
		break;
	case FF_FIELD_BOOL:
	case FF_FIELD_FLAG:
		assert_true(*(const bool *)x == *(const bool *)y);
		break;
	case FF_FIELD_INT:
	case FF_FIELD_NUMBER:
	case FF_FIELD_STREAM:
	case FF_FIELD_U32:
	case FF_FIELD_ATTEMPT:
	case FF_FIELD_REASON:
	case FF_FIELD_JOB_RESULT:
		assert_memory_equal(x, y, sizeof(int));
		break;
	case FF_FIELD_U64:
	case FF_FIELD_SIZE:
	case FF_FIELD_I64:
		assert_memory_equal(x, y, sizeof(int64_t));
		break;
	case FF_FIELD_COUNTS:
		assert_memory_equal(x, y, sizeof(struct ff_counts));
		break;
	case FF_FIELD_FACTS:
		assert_int_equal(a->u.worker_started.facts_len, b->u.worker_started.facts_len);
		for (size_t i = 0; i < a->u.worker_started.facts_len; i++) {
			same_text(a->u.worker_started.facts[i].key,
				  b->u.worker_started.facts[i].key);
			same_text(a->u.worker_started.facts[i].value,
				  b->u.worker_started.facts[i].value);
		}
		break;
	case FF_FIELD_RESULT:
		same_result(*(const struct ff_result *const *)x,
			    *(const struct ff_result *const *)y);
		break;
	case FF_FIELD_LINES:
		p = *(const char *const *const *)x;
		q = *(const char *const *const *)y;
		for (; *p; p++, q++)
			same_text(*p, *q);
		assert_null(*q);
		break;
	case FF_FIELD_OUTPUT:
		assert_int_equal(a->u.unit_output.len, b->u.unit_output.len);
		assert_memory_equal(a->u.unit_output.bytes, b->u.unit_output.bytes,
				    a->u.unit_output.len);
		break;
	}
}

/* Of `kind`, all of it filled in. */
static inline struct ff_event every_event(enum ff_event_kind kind)
{
	struct ff_event event = {.seq = 1 + (unsigned)kind,
				 .time_us = 1795161600123456 + kind,
				 .kind = kind,
				 .job = "unit",
				 .unit = nasty,
				 .host = "build1",
				 .worker = "gw0"};
	unsigned salt = 0;

	if (ff_event_has_index(kind))
		event.index = 77;
	for (const struct ff_field *f = ff_event_fields(kind); f->name; f++)
		fill(&event, f, salt++);
	if (kind == FF_EVENT_UNITS_NOT_RUN)
		event.u.units_not_run.count = 5;
	return event;
}

static inline void same_event(const struct ff_event *a, const struct ff_event *b)
{
	assert_true(a->seq == b->seq);
	assert_true(a->time_us == b->time_us);
	assert_int_equal(a->kind, b->kind);
	same_text(a->job, b->job);
	same_text(a->unit, b->unit);
	same_text(a->host, b->host);
	same_text(a->worker, b->worker);
	assert_int_equal(a->index, b->index);
	for (const struct ff_field *f = ff_event_fields(a->kind); f->name; f++)
		same_field(a, b, f);
}

#endif

/* The model of pages: rows, spans and lanes from events, in order and out of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "event/event.h"
#include "web/document.h"
#include "web/model.h"

static uint64_t seq;

static void take(struct ff_model *model, struct ff_event event, int64_t ms)
{
	event.seq = ++seq;
	event.time_us = 1000000 + ms * 1000;
	ff_model_take(model, &event, NULL);
}

static void begin(struct ff_model *model, uint32_t units)
{
	seq = 0;
	ff_model_init(model);
	take(model,
	     (struct ff_event){.kind = FF_EVENT_RUN_STARTED,
			       .u.run_started = {.run_id = "r", .jobs = 1, .hosts = 1}},
	     0);
	take(model,
	     (struct ff_event){
		     .kind = FF_EVENT_HOST_ADDED, .host = "h", .u.host_added = {"popen", 2}},
	     0);
	take(model,
	     (struct ff_event){.kind = FF_EVENT_JOB_ADDED,
			       .job = "j",
			       .u.job_added = {.payload = "run", .units = units}},
	     0);
}

static void start(struct ff_model *model, uint32_t index, uint32_t attempt, int64_t ms)
{
	char name[16];

	snprintf(name, sizeof(name), "u%u", index);
	take(model,
	     (struct ff_event){.kind = FF_EVENT_UNIT_STARTED,
			       .job = "j",
			       .unit = name,
			       .host = "h",
			       .index = index,
			       .u.unit_started.attempt = attempt},
	     ms);
}

static void end(struct ff_model *model, uint32_t index, uint32_t attempt, bool final,
		enum ff_outcome outcome, int64_t took_ms, int64_t ms)
{
	struct ff_result result = {.outcome = outcome,
				   .duration_us = took_ms * 1000,
				   .message = ff_outcome_bad(outcome) ? "exit status 3" : NULL};
	char name[16];

	snprintf(name, sizeof(name), "u%u", index);
	take(model,
	     (struct ff_event){.kind = FF_EVENT_UNIT_FINISHED,
			       .job = "j",
			       .unit = name,
			       .host = "h",
			       .index = index,
			       .u.unit_finished = {attempt, final, &result, false}},
	     ms);
}

/* Two at a time have a lane each, and the first that is free is the next one's. */
static void test_lanes(void **state)
{
	struct ff_model model;

	begin(&model, 3);
	start(&model, 0, 1, 10);
	start(&model, 1, 1, 11);
	assert_int_equal(model.by_state[FF_ROW_RUNNING], 2);
	assert_string_equal(model.lanes[model.rows[0].lane].name, "#1");
	assert_string_equal(model.lanes[model.rows[1].lane].name, "#2");
	end(&model, 0, 1, true, FF_OUTCOME_PASSED, 20, 30);
	start(&model, 2, 1, 31);
	assert_int_equal(model.rows[2].lane, model.rows[0].lane);
	end(&model, 2, 1, true, FF_OUTCOME_FAILED, 4, 35);
	end(&model, 1, 1, true, FF_OUTCOME_FAILED, 30, 41);
	assert_int_equal(model.rows_len, 3);
	assert_int_equal(model.spans_len, 3);
	assert_int_equal(model.spans[0].start_us, 10000);
	assert_int_equal(model.spans[0].took_us, 20000);
	assert_int_equal(model.by_state[FF_ROW_RUNNING], 0);
	assert_int_equal(model.by_state[FF_ROW_FAILED], 2);
	assert_int_equal(model.causes.len, 1);
	assert_int_equal(model.rows[1].cause, model.rows[2].cause);
	ff_model_release(&model);
}

/* Each attempt is a span, the unit one row. */
static void test_attempts(void **state)
{
	struct ff_model model;

	begin(&model, 1);
	start(&model, 0, 1, 10);
	end(&model, 0, 1, false, FF_OUTCOME_FAILED, 5, 15);
	start(&model, 0, 2, 20);
	take(&model,
	     (struct ff_event){.kind = FF_EVENT_UNIT_LOST, .job = "j", .unit = "u0", .host = "h"},
	     28);
	start(&model, 0, 3, 30);
	end(&model, 0, 3, true, FF_OUTCOME_PASSED, 5, 35);
	assert_int_equal(model.rows_len, 1);
	assert_int_equal(model.spans_len, 3);
	assert_int_equal(model.spans[1].state, FF_ROW_LOST);
	assert_int_equal(model.spans[1].took_us, 8000);
	assert_true(model.rows[0].flaky);
	assert_int_equal(model.rows[0].attempts, 3);
	assert_int_equal(model.by_state[FF_ROW_PASSED], 1);
	ff_model_release(&model);
}

/* What began before its start was told is no longer than the time since. */
static void test_times_are_of_the_run(void **state)
{
	struct ff_model model;

	begin(&model, 2);
	start(&model, 0, 1, 10);
	end(&model, 0, 1, true, FF_OUTCOME_PASSED, 500, 20);
	assert_int_equal(model.spans[0].start_us, 10000);
	/* An end without a beginning, as of an earlier run that is gone on with. */
	end(&model, 1, 1, true, FF_OUTCOME_PASSED, 7, 30);
	assert_int_equal(model.rows_len, 2);
	assert_int_equal(model.spans_len, 1);
	assert_int_equal(model.rows[1].took_us, 7000);
	ff_model_release(&model);
}

static void test_not_run(void **state)
{
	struct ff_model model;

	begin(&model, 3);
	take(&model,
	     (struct ff_event){.kind = FF_EVENT_UNITS_NOT_RUN,
			       .job = "j",
			       .index = 0,
			       .u.units_not_run = {3, FF_REASON_INTERRUPTED}},
	     5);
	assert_int_equal(model.rows_len, 1);
	assert_int_equal(model.rows[0].state, FF_ROW_NOT_RUN);
	assert_true(model.rows[0].bad);
	assert_string_equal(model.rows[0].name, "3 units not run");
	ff_model_release(&model);
}

static void test_many(void **state)
{
	struct ff_model model;
	struct ff_buf rows = FF_BUF_INIT, spans = FF_BUF_INIT, run = FF_BUF_INIT;
	uint32_t sum = 0;

	begin(&model, 5000);
	for (uint32_t i = 0; i < 5000; i++) {
		start(&model, i, 1, i * 10);
		end(&model, i, 1, true, (enum ff_outcome)(i % FF_OUTCOMES), 5, i * 10 + 5);
	}
	for (int i = 0; i < FF_ROW_STATES; i++)
		sum += model.by_state[i];
	assert_int_equal(sum, 5000);
	assert_int_equal(model.lanes_len, 1);
	assert_int_equal(ff_document_rows(&rows, &model), 0);
	assert_int_equal(ff_document_spans(&spans, &model), 0);
	assert_int_equal(ff_document_run(&run, &model), 0);
	assert_non_null(strstr(ff_buf_str(&rows), "\"u4999\""));
	ff_buf_release(&rows);
	ff_buf_release(&spans);
	ff_buf_release(&run);
	ff_model_release(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lanes),
		cmocka_unit_test(test_attempts),
		cmocka_unit_test(test_times_are_of_the_run),
		cmocka_unit_test(test_not_run),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

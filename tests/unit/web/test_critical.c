/* What a run's end waited for: workers, slots, hosts, jobs, attempts elsewhere, and no hole in it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "event/event.h"
#include "web/critical.h"
#include "web/document.h"

static uint64_t seq;
static struct ff_model model;
static struct ff_critical path;

static void take(struct ff_event event, int64_t ms)
{
	event.seq = ++seq;
	event.time_us = 1000000 + ms * 1000;
	ff_model_take(&model, &event, NULL);
}

static void add_job(const char *name, const char *payload, uint32_t units)
{
	take((struct ff_event){.kind = FF_EVENT_JOB_ADDED,
			       .job = name,
			       .u.job_added = {.payload = payload, .units = units}},
	     0);
}

static int begin(void **state)
{
	(void)state;
	seq = 0;
	ff_model_init(&model);
	take((struct ff_event){.kind = FF_EVENT_RUN_STARTED,
			       .u.run_started = {.run_id = "r", .jobs = 1, .hosts = 2}},
	     0);
	for (int i = 0; i < 2; i++)
		take((struct ff_event){.kind = FF_EVENT_HOST_ADDED,
				       .host = i ? "b" : "a",
				       .u.host_added = {"popen", 2}},
		     0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	ff_critical_release(&path);
	ff_model_release(&model);
	return 0;
}

static void host(enum ff_event_kind kind, const char *name, int64_t ms)
{
	take((struct ff_event){.kind = kind, .host = name}, ms);
}

static void job(enum ff_event_kind kind, const char *name, int64_t ms)
{
	take((struct ff_event){.kind = kind, .job = name}, ms);
}

static void worker(enum ff_event_kind kind, const char *where, const char *name, int64_t ms)
{
	take((struct ff_event){.kind = kind, .job = "j", .host = where, .worker = name}, ms);
}

static void start(const char *of, const char *where, const char *by, uint32_t index,
		  uint32_t attempt, int64_t ms)
{
	char name[16];

	snprintf(name, sizeof(name), "u%u", index);
	take((struct ff_event){.kind = FF_EVENT_UNIT_STARTED,
			       .job = of,
			       .unit = name,
			       .host = where,
			       .worker = by,
			       .index = index,
			       .u.unit_started.attempt = attempt},
	     ms);
}

static void finish(const char *of, const char *where, const char *by, uint32_t index,
		   uint32_t attempt, int64_t took_ms, int64_t ms)
{
	struct ff_result result = {.outcome = FF_OUTCOME_PASSED, .duration_us = took_ms * 1000};
	char name[16];

	snprintf(name, sizeof(name), "u%u", index);
	take((struct ff_event){.kind = FF_EVENT_UNIT_FINISHED,
			       .job = of,
			       .unit = name,
			       .host = where,
			       .worker = by,
			       .index = index,
			       .u.unit_finished = {attempt, true, &result, false}},
	     ms);
}

static void over(int64_t ms)
{
	take((struct ff_event){.kind = FF_EVENT_RUN_FINISHED, .u.run_finished = {.exit_code = 0}},
	     ms);
}

/* Finds the path, which has to go from the run's start to `until_ms` without a hole. */
static void find(int64_t until_ms)
{
	int64_t at = 0;

	ff_critical_find(&model, &path);
	for (uint32_t i = 0; i < path.len; i++) {
		assert_int_equal(path.steps[i].start_us, at);
		assert_true(path.steps[i].took_us >= 0);
		at += path.steps[i].took_us;
	}
	assert_int_equal(at, until_ms * 1000);
}

static void expect(uint32_t at, enum ff_slow_step_kind kind, int64_t took_ms, const char *unit)
{
	const struct ff_critical_step *step = &path.steps[at];

	assert_true(at < path.len);
	assert_string_equal(ff_slow_step_word(step->kind), ff_slow_step_word(kind));
	assert_int_equal(step->took_us, took_ms * 1000);
	if (!unit)
		assert_int_equal(step->row, FF_NO_ROW);
	else
		assert_string_equal(model.rows[step->row].name, unit);
}

static void join(const char *name, int64_t ms)
{
	host(FF_EVENT_HOST_JOINING, name, ms);
	host(FF_EVENT_HOST_OPENED, name, ms + 100);
	host(FF_EVENT_HOST_READY, name, ms + 150);
}

static void open_worker(const char *where, const char *name, int64_t ms)
{
	worker(FF_EVENT_WORKER_OPENING, where, name, ms);
	worker(FF_EVENT_WORKER_STARTED, where, name, ms + 40);
	worker(FF_EVENT_COLLECTED, where, name, ms + 50);
}

/* The last worker's way: its host, its start, its tests and what was between them. */
static void test_worker(void **state)
{
	(void)state;
	add_job("j", "pytest", 3);
	job(FF_EVENT_JOB_STARTED, "j", 0);
	join("a", 0);
	join("b", 10);
	open_worker("a", "gw0", 150);
	open_worker("b", "gw1", 200);
	start("j", "a", "gw0", 0, 1, 200);
	start("j", "b", "gw1", 1, 1, 250);
	finish("j", "a", "gw0", 0, 1, 100, 300);
	finish("j", "b", "gw1", 1, 1, 250, 500);
	start("j", "b", "gw1", 2, 1, 600);
	finish("j", "b", "gw1", 2, 1, 400, 1000);
	job(FF_EVENT_JOB_FINISHED, "j", 1010);
	over(1010);
	find(1010);
	assert_int_equal(path.len, 9);
	expect(0, FF_SLOW_STEP_WAIT_HOST, 10, NULL);
	expect(1, FF_SLOW_STEP_CONNECT, 100, NULL);
	expect(2, FF_SLOW_STEP_PREPARE, 50, NULL);
	expect(3, FF_SLOW_STEP_WAIT_WORKER, 40, NULL);
	expect(4, FF_SLOW_STEP_START, 50, NULL);
	expect(5, FF_SLOW_STEP_UNITS, 250, "u1");
	expect(6, FF_SLOW_STEP_GAPS, 100, "u2");
	expect(7, FF_SLOW_STEP_UNITS, 400, "u2");
	expect(8, FF_SLOW_STEP_END, 10, NULL);
	assert_string_equal(model.lanes[path.steps[1].lane].host, "b");
	assert_string_equal(model.lanes[path.steps[1].lane].name, "");
	assert_string_equal(model.lanes[path.steps[7].lane].name, "gw1");
	assert_int_equal(path.steps[7].units, 1);
}

/* Commands on slots, and a job that needs another one. */
static void test_needs(void **state)
{
	(void)state;
	add_job("first", "run", 2);
	add_job("then", "run", 1);
	job(FF_EVENT_JOB_STARTED, "first", 0);
	start("first", "a", NULL, 0, 1, 0);
	start("first", "a", NULL, 1, 1, 0);
	finish("first", "a", NULL, 0, 1, 100, 100);
	finish("first", "a", NULL, 1, 1, 300, 300);
	job(FF_EVENT_JOB_FINISHED, "first", 310);
	job(FF_EVENT_JOB_STARTED, "then", 320);
	start("then", "a", NULL, 0, 1, 330);
	finish("then", "a", NULL, 0, 1, 670, 1000);
	job(FF_EVENT_JOB_FINISHED, "then", 1000);
	over(1000);
	find(1000);
	assert_int_equal(path.len, 4);
	expect(0, FF_SLOW_STEP_UNITS, 300, "u1");
	expect(1, FF_SLOW_STEP_END, 20, NULL);
	assert_string_equal(path.steps[1].name, "first");
	expect(2, FF_SLOW_STEP_WAIT_WORKER, 10, NULL);
	expect(3, FF_SLOW_STEP_UNITS, 670, "u0");
	assert_true(path.steps[0].row != path.steps[3].row);
}

/* A job whose slot another job was on: that is what it waited for. */
static void test_slot(void **state)
{
	(void)state;
	add_job("one", "run", 2);
	add_job("two", "run", 1);
	job(FF_EVENT_JOB_STARTED, "one", 0);
	job(FF_EVENT_JOB_STARTED, "two", 0);
	host(FF_EVENT_HOST_JOINING, "a", 0);
	host(FF_EVENT_HOST_OPENED, "a", 50);
	host(FF_EVENT_HOST_READY, "a", 50);
	start("one", "a", NULL, 0, 1, 60);
	start("one", "a", NULL, 1, 1, 70);
	finish("one", "a", NULL, 0, 1, 300, 360);
	start("two", "a", NULL, 0, 1, 370);
	finish("one", "a", NULL, 1, 1, 330, 400);
	finish("two", "a", NULL, 0, 1, 630, 1000);
	job(FF_EVENT_JOB_FINISHED, "one", 400);
	job(FF_EVENT_JOB_FINISHED, "two", 1000);
	over(1000);
	find(1000);
	assert_int_equal(path.len, 5);
	expect(0, FF_SLOW_STEP_CONNECT, 50, NULL);
	expect(1, FF_SLOW_STEP_WAIT_WORKER, 10, "u0");
	expect(2, FF_SLOW_STEP_UNITS, 300, "u0");
	expect(3, FF_SLOW_STEP_WAIT_WORKER, 10, NULL);
	expect(4, FF_SLOW_STEP_UNITS, 630, "u0");
	assert_int_equal(model.rows[path.steps[2].row].job, 0);
	assert_int_equal(model.rows[path.steps[4].row].job, 1);
	assert_int_equal(path.steps[2].lane, path.steps[4].lane);
}

/* The worker waited for an attempt on a host that was lost. */
static void test_attempt_elsewhere(void **state)
{
	(void)state;
	add_job("j", "pytest", 2);
	job(FF_EVENT_JOB_STARTED, "j", 0);
	join("a", 0);
	join("b", 0);
	open_worker("a", "gw0", 150);
	open_worker("b", "gw1", 150);
	start("j", "a", "gw0", 0, 1, 200);
	start("j", "b", "gw1", 1, 1, 200);
	finish("j", "b", "gw1", 1, 1, 100, 300);
	take((struct ff_event){.kind = FF_EVENT_UNIT_LOST,
			       .job = "j",
			       .unit = "u0",
			       .host = "a",
			       .worker = "gw0",
			       .u.unit_lost = {.attempt = 1}},
	     700);
	host(FF_EVENT_HOST_LOST, "a", 700);
	start("j", "b", "gw1", 0, 2, 720);
	finish("j", "b", "gw1", 0, 2, 480, 1200);
	job(FF_EVENT_JOB_FINISHED, "j", 1200);
	over(1200);
	find(1200);
	assert_int_equal(path.len, 7);
	expect(3, FF_SLOW_STEP_UNITS, 100, "u1");
	assert_false(path.steps[3].before);
	expect(4, FF_SLOW_STEP_UNITS, 400, "u0");
	assert_true(path.steps[4].before);
	assert_int_equal(path.steps[4].state, FF_ROW_LOST);
	assert_string_equal(model.lanes[path.steps[4].lane].host, "a");
	expect(5, FF_SLOW_STEP_GAPS, 20, "u0");
	expect(6, FF_SLOW_STEP_UNITS, 480, "u0");
	assert_int_equal(path.steps[6].state, FF_ROW_PASSED);
}

/* One that goes on, or was cut off: up to the last event. */
static void test_goes_on(void **state)
{
	(void)state;
	ff_critical_find(&model, &path);
	assert_int_equal(path.len, 0);
	add_job("j", "run", 2);
	job(FF_EVENT_JOB_STARTED, "j", 0);
	start("j", "a", NULL, 0, 1, 0);
	start("j", "b", NULL, 1, 1, 10);
	finish("j", "b", NULL, 1, 1, 90, 100);
	ff_critical_release(&path);
	find(100);
	start("j", "b", NULL, 1, 2, 200);
	ff_critical_release(&path);
	find(200);
	assert_int_equal(path.len, 1);
	expect(0, FF_SLOW_STEP_UNITS, 200, "u0");
	assert_int_equal(path.steps[0].state, FF_ROW_RUNNING);
}

/* However many there are, a path stays short, and none of them is left out. */
static void test_many(void **state)
{
	enum { UNITS = 200000 };
	struct ff_buf out = FF_BUF_INIT;
	uint32_t units = 0;
	int64_t at = 0;

	(void)state;
	add_job("j", "run", UNITS);
	job(FF_EVENT_JOB_STARTED, "j", 0);
	for (uint32_t i = 0; i < UNITS; i++) {
		int64_t took = i % 1000 == 0 ? 5000 : 1;

		start("j", "a", NULL, i, 1, at);
		finish("j", "a", NULL, i, 1, took, at + took);
		at += took + (i % 3 == 0 ? 1 : 0);
	}
	job(FF_EVENT_JOB_FINISHED, "j", at);
	over(at);
	find(at);
	for (uint32_t i = 0; i < path.len; i++)
		units += path.steps[i].units;
	assert_int_equal(units, UNITS);
	assert_true(path.len > 300 && path.len < 4 * FF_CRITICAL_PARTS);
	assert_int_equal(ff_document_critical(&out, &model), 0);
	assert_true(out.len < 400000);
	ff_buf_release(&out);
}

/* What a journal may say, but no run does: there is still no hole, and no step backwards. */
static void test_nonsense(void **state)
{
	(void)state;
	add_job("j", "pytest", 4);
	start("j", "a", "gw0", 0, 1, 500);
	join("a", 400);
	open_worker("a", "gw0", 100);
	finish("j", "a", "gw0", 0, 3, 9000, 300);
	start("j", "c", "gw9", 1, 7, 200);
	finish("j", "c", "gw9", 1, 7, -5, 100);
	start("j", "a", "gw0", 0, 2, 50);
	take((struct ff_event){.kind = FF_EVENT_UNIT_LOST, .job = "j", .unit = "u0", .host = "a"},
	     20);
	worker(FF_EVENT_WORKER_ENDED, "a", "gw0", 10);
	job(FF_EVENT_JOB_FINISHED, "j", 5);
	over(600);
	ff_critical_find(&model, &path);
	for (uint32_t i = 1; i < path.len; i++)
		assert_int_equal(path.steps[i].start_us,
				 path.steps[i - 1].start_us + path.steps[i - 1].took_us);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_worker),   TEST(test_needs),
		TEST(test_slot),     TEST(test_attempt_elsewhere),
		TEST(test_goes_on),  TEST(test_many),
		TEST(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

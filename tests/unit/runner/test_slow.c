/* Where a run's time went: hand-made events, exact figures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "report/slow.h"

#define START_US ((int64_t)1795161600000000)

/* A run that is told event by event; times are milliseconds from its start. */
struct told {
	struct ff_slow *slow;
	struct ff_slow_answer answer;
	uint64_t seq;
	const char *job, *host, *worker; /* of the events that follow */
};

static void tell(struct told *t, int64_t ms, struct ff_event event)
{
	event.seq = ++t->seq;
	event.time_us = START_US + 1000 * ms;
	ff_slow_event(t->slow, &event);
}

#define TELL(t, ms, KIND, ...)                                                                     \
	tell(t, ms,                                                                                \
	     (struct ff_event){.kind = FF_EVENT_##KIND,                                            \
			       .job = (t)->job,                                                    \
			       .host = (t)->host,                                                  \
			       .worker = (t)->worker,                                              \
			       ##__VA_ARGS__})

static void begin(struct told *t, size_t most)
{
	*t = (struct told){.slow = ff_slow_new(most)};
	TELL(t, 0, RUN_STARTED, .u.run_started.run_id = "20261120-080000-4f3a");
}

static void added(struct told *t, const char *host, uint32_t slots, int64_t ms)
{
	t->host = host;
	TELL(t, ms, HOST_ADDED, .u.host_added.slots = slots);
	t->host = NULL;
}

static void ready(struct told *t, const char *host, int64_t joining, int64_t opened, int64_t done)
{
	t->host = host;
	TELL(t, joining, HOST_JOINING);
	TELL(t, opened, HOST_OPENED);
	TELL(t, done, HOST_READY);
	t->host = NULL;
}

static void worker(struct told *t, const char *worker, int64_t opening, int64_t collected,
		   const char *collection_us)
{
	const struct ff_fact fact = {"collection_us", collection_us};

	t->worker = worker;
	TELL(t, opening, WORKER_OPENING, .u.worker_opening.slots = 1);
	TELL(t, collected, WORKER_STARTED, .u.worker_started.facts = &fact,
	     .u.worker_started.facts_len = 1);
	TELL(t, collected, COLLECTED, .u.collected.count = 9);
}

static void unit_at(struct told *t, const char *unit, int64_t from, int64_t to,
		    struct ff_result result)
{
	uint32_t index = (uint32_t)t->seq;

	TELL(t, from, UNIT_STARTED, .unit = unit, .index = index, .u.unit_started.attempt = 1);
	TELL(t, to, UNIT_FINISHED, .unit = unit, .index = index, .u.unit_finished.attempt = 1,
	     .u.unit_finished.final = true, .u.unit_finished.result = &result);
}

/* It takes all the time from its start to its end. */
static void unit(struct told *t, const char *name, int64_t from, int64_t to)
{
	unit_at(t, name, from, to, (struct ff_result){.duration_us = 1000 * (to - from)});
}

static struct ff_slow_answer *ask(struct told *t)
{
	int64_t sum = 0, path = 0;

	ff_slow_ask(t->slow, &t->answer);
	for (int i = 0; i < FF_SLOW_ROWS; i++) {
		assert_true(t->answer.rows[i] >= 0);
		sum += t->answer.rows[i];
	}
	assert_int_equal(sum, t->answer.slot_us);
	for (size_t i = 0; i < t->answer.path_len; i++)
		path += t->answer.path[i].us;
	if (t->answer.path_len > 0)
		assert_int_equal(path, t->answer.wall_us);
	return &t->answer;
}

static struct ff_slow_answer *end(struct told *t, int64_t ms)
{
	t->worker = t->host = NULL;
	TELL(t, ms, JOB_FINISHED);
	t->job = NULL;
	TELL(t, ms, RUN_FINISHED);
	return ask(t);
}

static void release(struct told *t)
{
	ff_slow_answer_release(&t->answer);
	ff_slow_free(t->slow);
}

#define ROW(a, name)	  ((a)->rows[FF_SLOW_##name] / 1000)
#define assert_ms(us, ms) assert_int_equal((us), 1000 * (int64_t)(ms))

static void assert_step(const struct ff_slow_answer *a, size_t at, const char *word,
			const char *name, int64_t ms)
{
	assert_true(at < a->path_len);
	assert_string_equal(ff_slow_step_word(a->path[at].kind), word);
	assert_string_equal(a->path[at].name, name);
	assert_ms(a->path[at].us, ms);
}

/* --- setup and teardown --- */

#define SET(t, ms, word, took)                                                                     \
	TELL(t, ms, HOST_SETUP, .u.host_setup.phase = word, .u.host_setup.took_us = 1000 * took)

/* Of hosts, one of which waits for the other's; with the tree before and a command behind. */
static void test_setup_of_hosts(void **state)
{
	struct told t;
	struct ff_slow_answer *a;

	(void)state;
	begin(&t, 10);
	added(&t, "a", 2, 0);
	added(&t, "b", 1, 0);
	t.job = "j";
	TELL(&t, 0, JOB_STARTED);
	t.job = NULL;
	t.host = "a";
	TELL(&t, 0, HOST_JOINING);
	TELL(&t, 10, HOST_OPENED);
	TELL(&t, 30, SYNC_FINISHED, .u.sync_finished.took_us = 20000);
	t.host = "b";
	TELL(&t, 30, HOST_JOINING);
	TELL(&t, 40, HOST_OPENED);
	t.host = "a";
	SET(&t, 130, "setup", 100);
	TELL(&t, 140, HOST_READY);
	t.host = "b";
	SET(&t, 240, "setup", 110);
	TELL(&t, 240, HOST_READY);
	t.job = "j";
	t.host = "b";
	unit(&t, "c", 250, 500);
	TELL(&t, 500, JOB_FINISHED);
	t.job = NULL;
	t.host = "a";
	SET(&t, 540, "teardown", 30);
	t.host = "b";
	SET(&t, 600, "teardown", 80);
	t.job = "j";
	a = end(&t, 620);
	/* a: its own; b: from the time when it was open. */
	assert_int_equal(ROW(a, HOST_SETUP), 2 * 100 + 200);
	assert_int_equal(ROW(a, SYNC), 2 * 20);
	assert_int_equal(ROW(a, CONNECTING), 2 * (10 + 10) + 10);
	assert_int_equal(ROW(a, HOST_TEARDOWN), 2 * 30 + 80);
	assert_int_equal(ROW(a, CALL), 250);
	assert_int_equal(a->path_len, 8);
	assert_step(a, 0, "wait-for-host", "b", 30);
	assert_step(a, 1, "connect", "b", 10);
	assert_step(a, 2, "set-up-host", "b", 200);
	assert_step(a, 3, "wait-for-slot", "b", 10);
	assert_step(a, 4, "tests", "b", 250);
	assert_step(a, 5, "end", "j", 20);
	assert_step(a, 6, "tear-down-host", "b", 80);
	assert_step(a, 7, "end", "j", 20);
	release(&t);
}

/* Of the run: all slots wait for it. One whose setup fails is torn down before it is of any use. */
static void test_setup_of_the_run(void **state)
{
	struct told t;
	struct ff_slow_answer *a;

	(void)state;
	begin(&t, 10);
	added(&t, "h", 2, 0);
	added(&t, "bad", 1, 0);
	SET(&t, 100, "setup", 100);
	t.job = "j";
	TELL(&t, 100, JOB_STARTED);
	t.job = NULL;
	ready(&t, "h", 100, 110, 110);
	t.host = "bad";
	TELL(&t, 100, HOST_JOINING);
	TELL(&t, 110, HOST_OPENED);
	SET(&t, 130, "setup", 20);
	SET(&t, 170, "teardown", 40);
	TELL(&t, 170, HOST_FAILED);
	t.job = "j";
	t.host = "h";
	unit(&t, "c", 110, 300);
	TELL(&t, 300, JOB_FINISHED);
	t.job = t.host = NULL;
	SET(&t, 360, "teardown", 60);
	SET(&t, 361, "teardown", 100000); /* nonsense: no more than there was */
	t.job = "j";
	a = end(&t, 400);
	assert_int_equal(ROW(a, HOST_SETUP), 3 * 100 + 20 + 40);
	assert_int_equal(ROW(a, CONNECTING), 2 * 10 + 10);
	assert_int_equal(ROW(a, CALL), 190);
	assert_int_equal(ROW(a, HOST_TEARDOWN), 2 * 290 - 190); /* of h, that is there */
	assert_step(a, 0, "set-up-run", "", 100);
	assert_step(a, 1, "connect", "h", 10);
	release(&t);
}

/* --- pytest --- */

/* Two slots, a second each: every row has its share. */
static void test_table(void **state)
{
	struct told t;
	struct ff_slow_answer *a;

	(void)state;
	begin(&t, 10);
	added(&t, "h", 2, 0);
	t.job = "j";
	TELL(&t, 0, JOB_STARTED);
	t.host = "h";
	TELL(&t, 10, HOST_JOINING);
	TELL(&t, 40, HOST_OPENED);
	TELL(&t, 90, SYNC_FINISHED, .u.sync_finished.took_us = 30000);
	TELL(&t, 100, HOST_READY, .u.host_ready.slots = 2);
	worker(&t, "gw0", 100, 300, "50000");
	worker(&t, "gw1", 120, 320, "20000");
	unit_at(&t, "a.py::x", 330, 730,
		(struct ff_result){
			.duration_us = 390000, .setup_us = 100000, .teardown_us = 40000});
	t.worker = "gw0";
	unit(&t, "a.py::y", 310, 410);
	unit(&t, "b.py::z", 460, 900);
	t.worker = "gw1";
	TELL(&t, 800, WORKER_ENDED);
	a = end(&t, 1000);
	t.worker = "gw0";
	TELL(&t, 2000, WORKER_ENDED); /* behind the end: no part of it */

	assert_true(a->begun && a->over);
	assert_int_equal(a->slots, 2);
	assert_ms(a->wall_us, 1000);
	assert_ms(a->slot_us, 2000);
	assert_int_equal(a->attempts, 3);
	assert_int_equal(ROW(a, CONNECTING), 2 * (30 + 60 - 30));
	assert_int_equal(ROW(a, SYNC), 2 * 30);
	assert_int_equal(ROW(a, STARTING), 150 + 180);
	assert_int_equal(ROW(a, COLLECTION), 50 + 20);
	assert_int_equal(ROW(a, SETUP), 100);
	assert_int_equal(ROW(a, TEARDOWN), 40);
	assert_int_equal(ROW(a, CALL), 250 + 100 + 440);
	assert_int_equal(ROW(a, BETWEEN), 50 + 10); /* 400 ms for 390 of test */
	assert_int_equal(ROW(a, IDLE_WORKER), 10 + 100 + 10 + 70);
	assert_int_equal(ROW(a, IDLE_SLOT), 2 * 10 + 20 + 200);
	assert_int_equal(ROW(a, LOST) + ROW(a, AWAY) + ROW(a, FRONT) + ROW(a, OTHER), 0);

	assert_int_equal(a->tests_len, 3);
	assert_string_equal(a->tests[0].name, "b.py::z");
	assert_string_equal(a->tests[0].worker, "gw0");
	assert_string_equal(a->tests[0].job, "j");
	assert_ms(a->tests[0].us, 440);
	assert_string_equal(a->tests[1].name, "a.py::x");
	assert_ms(a->tests[1].us, 390);
	assert_int_equal(a->files_len, 2);
	assert_string_equal(a->files[0].name, "a.py");
	assert_ms(a->files[0].us, 490);
	assert_int_equal(a->files[0].count, 2);
	assert_null(a->files[0].worker);
	assert_string_equal(a->files[1].name, "b.py");
	assert_string_equal(a->files[1].worker, "gw0");

	assert_int_equal(a->path_len, 10);
	assert_step(a, 0, "wait-for-host", "h", 10);
	assert_step(a, 1, "connect", "h", 30);
	assert_step(a, 2, "sync", "h", 30);
	assert_step(a, 3, "prepare", "h", 30);
	assert_step(a, 4, "start-worker", "gw0", 150);
	assert_step(a, 5, "collect", "gw0", 50);
	assert_step(a, 6, "wait-for-test", "gw0", 10);
	assert_step(a, 7, "wait-between-tests", "gw0", 50);
	assert_ms(a->path[7].longest_us, 50);
	assert_step(a, 8, "tests", "gw0", 540);
	assert_int_equal(a->path[8].units, 2);
	assert_string_equal(a->path[8].longest, "b.py::z");
	assert_step(a, 9, "end", "j", 100);

	assert_int_equal(a->estimate.slots, 2);
	assert_ms(a->estimate.now_us, 490);   /* 440 | 390 + 100 */
	assert_ms(a->estimate.more_us, 440);  /* 440 | 390 | 100 */
	assert_ms(a->estimate.split_us, 490); /* 390 | 220 + 220 + 100 would be 540, so 390 + 100 */
	assert_string_equal(a->estimate.longest, "b.py::z");
	release(&t);
}

/* Results that come all at once: what they say counts, and still it adds up. */
static void test_results_at_once(void **state)
{
	struct told t;
	struct ff_slow_answer *a;

	(void)state;
	begin(&t, 10);
	added(&t, "h", 1, 0);
	t.job = "j";
	ready(&t, "h", 0, 0, 0);
	t.host = "h";
	worker(&t, "gw0", 0, 100, "100000");
	for (int i = 0; i < 4; i++)
		unit_at(&t, "a.py::x", 140, 140, (struct ff_result){.duration_us = 10000});
	a = end(&t, 140);
	assert_int_equal(ROW(a, COLLECTION), 100);
	/* The first one's start is known by its duration; the others can't have had their time. */
	assert_int_equal(ROW(a, CALL), 10);
	assert_int_equal(ROW(a, IDLE_WORKER), 30);
	release(&t);

	begin(&t, 10);
	added(&t, "h", 1, 0);
	t.job = "j";
	ready(&t, "h", 0, 0, 0);
	t.host = "h";
	worker(&t, "gw0", 0, 100, "100000");
	unit(&t, "a.py::x", 100, 110);
	for (int i = 0; i < 3; i++)
		unit_at(&t, "a.py::x", 140, 140, (struct ff_result){.duration_us = 10000});
	a = end(&t, 140);
	assert_int_equal(ROW(a, CALL), 40);
	assert_int_equal(ROW(a, BETWEEN), 0);
	release(&t);
}

/* A clock that was set says more than there was time for. */
static void test_impossible_durations(void **state)
{
	struct told t;
	struct ff_slow_answer *a;

	(void)state;
	begin(&t, 10);
	added(&t, "h", 1, 0);
	t.job = "j";
	ready(&t, "h", 0, 0, 0);
	t.host = "h";
	worker(&t, "gw0", 0, 10, "99999999999");
	unit_at(&t, "a.py::x", 10, 20,
		(struct ff_result){.duration_us = 5000000, .setup_us = 4000});
	unit_at(&t, "a.py::y", 20, 30, (struct ff_result){.duration_us = -7000000});
	a = end(&t, 40);
	assert_int_equal(ROW(a, COLLECTION), 10);
	assert_int_equal(ROW(a, SETUP), 4);
	assert_int_equal(ROW(a, CALL), 16);
	assert_int_equal(ROW(a, IDLE_WORKER), 10);
	release(&t);
}

/* A journal may say anything; sums must be none that can't be told. */
static void test_extremes(void **state)
{
	static const int64_t times[] = {INT64_MAX, INT64_MIN, 0, INT64_MAX, -1, INT64_MAX};
	struct ff_result result = {
		.duration_us = INT64_MAX, .setup_us = INT64_MIN, .teardown_us = INT64_MAX};
	struct told t;
	int64_t sum;

	(void)state;
	for (size_t first = 0; first < sizeof(times) / sizeof(*times); first++) {
		t = (struct told){.slow = ff_slow_new(2), .job = "j", .host = "h", .worker = "w"};
		for (int round = 0; round < 6; round++) {
			for (int kind = 0; kind < FF_EVENT_KINDS; kind++) {
				struct ff_event event = {
					.seq = ++t.seq,
					.kind = (enum ff_event_kind)kind,
					.time_us = times[(first + t.seq) % 6],
					.job = round & 1 ? "j" : "k",
					.host = round & 2 ? "h" : "i",
					.worker = round & 1 ? "w" : NULL,
					.unit = "a::b",
				};

				memset(&event.u, 0, sizeof(event.u));
				if (kind == FF_EVENT_HOST_ADDED)
					event.u.host_added.slots = UINT32_MAX;
				else if (kind == FF_EVENT_HOST_READY)
					event.u.host_ready.slots = UINT32_MAX;
				else if (kind == FF_EVENT_SYNC_FINISHED)
					event.u.sync_finished.took_us = INT64_MAX;
				else if (kind == FF_EVENT_WORKER_OPENING)
					event.u.worker_opening.slots = UINT32_MAX;
				else if (kind == FF_EVENT_UNIT_FINISHED)
					event.u.unit_finished.result = &result;
				if (kind != FF_EVENT_RUN_FINISHED)
					ff_slow_event(t.slow, &event);
			}
		}
		ff_slow_ask(t.slow, &t.answer);
		assert_true(t.answer.slot_us >= 0 && t.answer.slots <= 1 << 17);
		sum = 0;
		for (int i = 0; i < FF_SLOW_ROWS; i++) {
			assert_true(t.answer.rows[i] >= 0);
			sum += t.answer.rows[i];
		}
		assert_int_equal(sum, t.answer.slot_us);
		release(&t);
	}
}

static void test_front(void **state)
{
	struct told t;
	struct ff_slow_answer *a;

	(void)state;
	begin(&t, 10);
	added(&t, "h", 1, 0);
	t.job = "j";
	ready(&t, "h", 0, 0, 0);
	TELL(&t, 30, FRONT_STARTED);
	TELL(&t, 80, FRONT_READY);
	t.host = "h";
	worker(&t, "gw0", 0, 100, "5000");
	unit(&t, "a.py::x", 100, 200);
	t.worker = NULL;
	TELL(&t, 210, FRONT_FINISHED);
	a = end(&t, 210);
	assert_int_equal(ROW(a, FRONT), 50);
	assert_int_equal(ROW(a, STARTING), 45);
	assert_int_equal(ROW(a, COLLECTION), 5);
	assert_step(a, 1, "wait-for-front", "gw0", 50);
	assert_true(ff_slow_step_waits(a->path[1].kind));
	assert_false(ff_slow_step_waits(a->path[0].kind));
	release(&t);
}

/* Files that are collected one by one, between tests. */
static void test_parts(void **state)
{
	struct told t;
	struct ff_slow_answer *a;

	(void)state;
	begin(&t, 10);
	added(&t, "h", 1, 0);
	t.job = "j";
	ready(&t, "h", 0, 0, 0);
	t.host = "h";
	t.worker = "gw0";
	TELL(&t, 0, WORKER_OPENING, .u.worker_opening.slots = 1);
	TELL(&t, 50, COLLECTED, .u.collected.parts = 2);
	unit(&t, "a.py::x", 70, 100);
	unit(&t, "a.py::y", 101, 110);
	unit(&t, "b.py::z", 150, 200);
	a = end(&t, 200);
	assert_int_equal(ROW(a, STARTING), 50);
	assert_int_equal(ROW(a, COLLECTION), 20 + 40);
	assert_int_equal(ROW(a, BETWEEN), 1);
	assert_int_equal(ROW(a, CALL), 30 + 9 + 50);
	assert_int_equal(a->path_len, 4);
	assert_step(a, 0, "start-worker", "gw0", 50);
	assert_step(a, 1, "collect", "gw0", 20 + 40);
	assert_step(a, 2, "wait-between-tests", "gw0", 1);
	assert_step(a, 3, "tests", "gw0", 89);
	release(&t);
}

/* A worker that crashes, a host that is lost under a test, one that never came. */
static void test_losses(void **state)
{
	struct told t;
	struct ff_slow_answer *a;

	(void)state;
	begin(&t, 10);
	added(&t, "h", 1, 0);
	added(&t, "i", 2, 0);
	added(&t, "never", 1, 0);
	t.job = "j";
	ready(&t, "h", 0, 0, 0);
	ready(&t, "i", 0, 0, 0);
	t.host = "never";
	TELL(&t, 0, HOST_JOINING);
	TELL(&t, 100, HOST_FAILED);
	t.host = "h";
	worker(&t, "gw0", 0, 100, "0");
	unit_at(&t, "a.py::crash", 100, 150,
		(struct ff_result){.outcome = FF_OUTCOME_CRASHED, .duration_us = 50000});
	TELL(&t, 150, WORKER_ENDED, .u.worker_ended.crashed = true);
	worker(&t, "gw2", 150, 250, "0");
	t.host = "i";
	worker(&t, "gw1", 0, 100, "0");
	TELL(&t, 100, UNIT_STARTED, .unit = "a.py::x", .u.unit_started.attempt = 1);
	TELL(&t, 300, UNIT_LOST, .unit = "a.py::x");
	TELL(&t, 300, WORKER_ENDED, .u.worker_ended.crashed = true);
	t.worker = NULL;
	TELL(&t, 300, HOST_AWAY);
	ready(&t, "i", 360, 380, 400);
	t.host = "h";
	t.worker = "gw2";
	unit(&t, "a.py::x", 300, 400);
	a = end(&t, 500);
	assert_int_equal(ROW(a, CONNECTING), 100 + 2 * 40);
	assert_int_equal(ROW(a, AWAY), 400 + 2 * 60);
	assert_int_equal(ROW(a, STARTING), 300);
	assert_int_equal(ROW(a, CALL), 50 + 100);
	assert_int_equal(ROW(a, LOST), 200);
	assert_int_equal(ROW(a, IDLE_WORKER), 50 + 100);
	assert_int_equal(ROW(a, IDLE_SLOT), 300 + 2 * 100);
	/* One takes another's place: no third is there at any time. */
	assert_int_equal(a->estimate.slots, 2);
	assert_step(a, 0, "wait-for-slot", "h", 150);
	release(&t);
}

/* Killed: up to the last event, with what was running then. */
static void test_cut_off(void **state)
{
	struct told t;
	struct ff_slow_answer *a;

	(void)state;
	begin(&t, 10);
	added(&t, "h", 2, 0);
	t.job = "j";
	ready(&t, "h", 0, 0, 0);
	t.host = "h";
	worker(&t, "gw0", 0, 100, "0");
	unit(&t, "a.py::x", 100, 200);
	TELL(&t, 200, UNIT_STARTED, .unit = "a.py::y", .u.unit_started.attempt = 1);
	t.worker = "gw1";
	TELL(&t, 250, WORKER_OPENING, .u.worker_opening.slots = 1);
	t.worker = t.host = NULL;
	TELL(&t, 260, NOTICE);
	a = ask(&t);
	assert_false(a->over);
	assert_ms(a->wall_us, 260);
	assert_int_equal(ROW(a, LOST), 60);
	assert_int_equal(ROW(a, CALL), 100);
	assert_int_equal(ROW(a, STARTING), 110);
	assert_int_equal(ROW(a, IDLE_SLOT), 250);
	release(&t);
}

static void test_nothing_ran(void **state)
{
	struct told t;
	struct ff_slow_answer *a;
	struct ff_buf text = FF_BUF_INIT;

	(void)state;
	t = (struct told){.slow = ff_slow_new(10)};
	a = ask(&t);
	assert_false(a->begun);
	assert_int_equal(a->slot_us, 0);
	release(&t);

	begin(&t, 10);
	added(&t, "h", 3, 0);
	t.job = "j";
	a = end(&t, 10);
	assert_int_equal(ROW(a, IDLE_SLOT), 30);
	assert_int_equal(a->path_len, 0);
	assert_int_equal(a->tests_len + a->files_len + a->estimate.slots, 0);
	ff_slow_text(&text, a);
	assert_non_null(strstr(ff_buf_str(&text), "nothing ran"));
	ff_buf_clear(&text);
	ff_slow_json(&text, a);
	assert_non_null(strstr(ff_buf_str(&text), "\"idle-slot\":30000"));
	assert_non_null(strstr(ff_buf_str(&text), "\"advice\":[]}\n"));
	ff_buf_release(&text);
	release(&t);
}

/* --- commands --- */

/* A build on two slots, and what needs it. */
static void test_commands(void **state)
{
	struct told t;
	struct ff_slow_answer *a;

	(void)state;
	begin(&t, 10);
	added(&t, "h", 2, 0);
	t.job = "build";
	TELL(&t, 0, JOB_STARTED, .u.job_started.slots = 1);
	TELL(&t, 0, UNITS_BEFORE, .index = 3, .u.units_before.count = 7);
	ready(&t, "h", 0, 10, 20);
	t.host = "h";
	TELL(&t, 20, UNIT_STARTED, .unit = "a", .index = 0);
	TELL(&t, 20, UNIT_STARTED, .unit = "b", .index = 1);
	TELL(&t, 100, UNIT_FINISHED, .unit = "b", .index = 1,
	     .u.unit_finished.result = &(struct ff_result){.duration_us = 75000});
	TELL(&t, 100, UNIT_STARTED, .unit = "c", .index = 2);
	TELL(&t, 140, UNIT_FINISHED, .unit = "a", .index = 0,
	     .u.unit_finished.result = &(struct ff_result){.duration_us = 121000});
	TELL(&t, 200, UNIT_FINISHED, .unit = "c", .index = 2,
	     .u.unit_finished.result = &(struct ff_result){.duration_us = 100000});
	TELL(&t, 200, JOB_FINISHED);
	t.job = "test";
	TELL(&t, 200, JOB_STARTED, .u.job_started.slots = 2);
	TELL(&t, 200, UNIT_STARTED, .unit = "d", .index = 0);
	TELL(&t, 260, UNIT_FINISHED, .unit = "d", .index = 0,
	     .u.unit_finished.result = &(struct ff_result){.duration_us = 60000});
	a = end(&t, 270);
	assert_int_equal(a->before, 7);
	assert_int_equal(ROW(a, CONNECTING), 40);
	assert_int_equal(ROW(a, CALL), 75 + 120 + 100 + 2 * 60);
	assert_int_equal(ROW(a, OTHER), 5);
	assert_int_equal(ROW(a, IDLE_SLOT), 60 + 2 * 10);
	assert_int_equal(a->files_len, 0);
	assert_int_equal(a->path_len, 5);
	assert_step(a, 0, "connect", "h", 10);
	assert_step(a, 1, "prepare", "h", 10);
	assert_step(a, 2, "tests", "h", 180); /* b, then c on its slot */
	assert_int_equal(a->path[2].units, 2);
	assert_step(a, 3, "tests", "h", 60);
	assert_step(a, 4, "end", "test", 10);
	/* What followed does so in the estimate, too. */
	assert_int_equal(a->estimate.slots, 2);
	assert_ms(a->estimate.now_us, 175 + 60);
	assert_ms(a->estimate.more_us, 121 + 60);
	assert_string_equal(a->estimate.longest, "a");
	assert_int_equal(a->estimate.split_us, 160500 + 60000); /* 100 + 60.5 | 75 + 60.5 */
	release(&t);
}

/* --- estimates, lists, words --- */

static void spread(struct told *t, const char *dist)
{
	begin(t, 3);
	added(t, "h", 2, 0);
	t->job = "j";
	ready(t, "h", 0, 0, 0);
	t->host = "h";
	t->worker = "gw0";
	TELL(t, 0, WORKER_OPENING, .u.worker_opening.slots = 1);
	TELL(t, 0, COLLECTED, .u.collected.dist = dist);
	t->worker = "gw1";
	TELL(t, 0, WORKER_OPENING, .u.worker_opening.slots = 1);
	TELL(t, 0, COLLECTED, .u.collected.again = true);
	t->worker = "gw0";
	unit(t, "a.py::A::x@g", 0, 300);
	unit(t, "a.py::A::y[b::c]", 300, 500);
	unit(t, "a.py::z[@g]", 500, 600);
	t->worker = "gw1";
	unit(t, "b.py::x@g", 0, 200);
	end(t, 600);
}

static void assert_estimate(const char *dist, const char *longest, int64_t now, int64_t more,
			    int64_t halved)
{
	struct told t;

	spread(&t, dist);
	assert_int_equal(t.answer.estimate.slots, 2);
	assert_string_equal(t.answer.estimate.longest, longest);
	assert_ms(t.answer.estimate.now_us, now);
	assert_ms(t.answer.estimate.more_us, more);
	assert_ms(t.answer.estimate.split_us, halved);
	release(&t);
}

static void test_estimates(void **state)
{
	(void)state;
	assert_estimate("load", "a.py::A::x@g", 400, 300, 450);
	assert_estimate(NULL, "a.py::A::x@g", 400, 300, 450);
	assert_estimate("loadfile", "a.py", 600, 600, 400);
	assert_estimate("loadscope", "a.py::A", 500, 500, 400);
	assert_estimate("loadgroup", "g", 500, 500, 400);
}

static void test_longest_only(void **state)
{
	struct told t;
	struct ff_slow_answer *a;
	char name[32];

	(void)state;
	begin(&t, 3);
	added(&t, "h", 1, 0);
	t.job = "j";
	ready(&t, "h", 0, 0, 0);
	t.host = "h";
	worker(&t, "gw0", 0, 0, "0");
	for (int i = 0; i < 1000; i++) {
		int ms = 1 + (i * 7919) % 1000; /* each once */

		snprintf(name, sizeof(name), "%d.py::x", ms);
		unit(&t, name, 1000 * i, 1000 * i + ms);
	}
	a = end(&t, 1000000);
	assert_int_equal(a->attempts, 1000);
	assert_int_equal(a->tests_len, 3);
	assert_int_equal(a->files_len, 3);
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%d.py::x", 1000 - i);
		assert_string_equal(a->tests[i].name, name);
		assert_ms(a->tests[i].us, 1000 - i);
		assert_ms(a->files[i].us, 1000 - i);
	}
	release(&t);
}

static const char *words(struct told *t, struct ff_buf *text)
{
	ff_buf_clear(text);
	ff_slow_text(text, &t->answer);
	return ff_buf_str(text);
}

static void test_advice(void **state)
{
	struct ff_buf text = FF_BUF_INIT;
	struct told t;

	(void)state;
	spread(&t, "loadfile");
	assert_non_null(strstr(words(&t, &text),
			       "\nThe longest file is 100 % of the run: no more workers will help; "
			       "split a.py (its tests on their own would save about 0.20s).\n"));
	assert_null(strstr(ff_buf_str(&text), "Another worker"));
	release(&t);
	spread(&t, "load");
	assert_non_null(strstr(words(&t, &text), "\nAnother worker would save about 0.10s (17 % of "
						 "the run), if there is a CPU for it.\n"));
	assert_null(strstr(ff_buf_str(&text), "The longest"));
	assert_null(strstr(ff_buf_str(&text), "idle: fewer"));
	release(&t);

	/* Both slots as full as can be: nothing to say. */
	begin(&t, 3);
	added(&t, "h", 1, 0);
	t.job = "j";
	ready(&t, "h", 0, 0, 0);
	t.host = "h";
	worker(&t, "gw0", 0, 10, "0");
	for (int i = 0; i < 20; i++)
		unit(&t, "a.py::x", 10 + i, 11 + i);
	end(&t, 31);
	assert_null(strstr(words(&t, &text), "% of the"));
	release(&t);

	begin(&t, 3);
	added(&t, "h", 1, 0);
	t.job = "j";
	ready(&t, "h", 0, 0, 0);
	t.host = "h";
	worker(&t, "gw0", 0, 1000, "400000");
	unit_at(&t, "a.py::x", 1000, 2000,
		(struct ff_result){.duration_us = 1000000, .setup_us = 700000});
	end(&t, 2000);
	words(&t, &text);
	assert_null(strstr(ff_buf_str(&text), "between two tests: they"));
	assert_non_null(strstr(ff_buf_str(&text), "\n30 % of the slots' time went into starting"));
	assert_non_null(strstr(ff_buf_str(&text), "\n35 % of the slots' time went into fixtures"));
	assert_null(strstr(ff_buf_str(&text), "slots' time went into collecting"));
	release(&t);

	begin(&t, 3);
	added(&t, "h", 1, 0);
	t.job = "j";
	ready(&t, "h", 0, 0, 0);
	t.host = "h";
	worker(&t, "gw0", 0, 0, "0");
	unit(&t, "a.py::x", 0, 300);
	unit(&t, "a.py::y", 700, 1000);
	end(&t, 1000);
	assert_non_null(strstr(words(&t, &text),
			       "\nFor 40 % of the slots' time workers were between "
			       "two tests"));
	release(&t);
	ff_buf_release(&text);
}

/* What is shown adds up, rounded as it is. */
static void test_rounding(void **state)
{
	struct ff_buf text = FF_BUF_INIT;
	double seconds = 0, percent = 0, all_seconds = -1, all_percent = -1;
	const char *line;
	struct told t;

	(void)state;
	begin(&t, 3);
	added(&t, "h", 3, 0);
	t.job = "j";
	ready(&t, "h", 1, 4, 8);
	t.host = "h";
	worker(&t, "gw0", 12, 37, "11000");
	unit_at(&t, "a.py::x", 41, 88,
		(struct ff_result){.duration_us = 44400, .setup_us = 11100, .teardown_us = 7700});
	unit(&t, "a.py::y", 93, 117);
	end(&t, 137);
	line = strstr(words(&t, &text), "where the slots' time went\n");
	assert_non_null(line);
	while ((line = strchr(line, '\n')) && line[1] == ' ') {
		double s, p;

		line++;
		assert_int_equal(sscanf(line, "%lfs %lf %%", &s, &p), 2);
		if (strstr(line, "all slots") && strstr(line, "all slots") < strchr(line, '\n')) {
			all_seconds = s;
			all_percent = p;
			break;
		}
		seconds += s;
		percent += p;
	}
	assert_int_equal((int)(seconds * 100 + 0.5), (int)(all_seconds * 100 + 0.5));
	assert_int_equal((int)(percent * 10 + 0.5), 1000);
	assert_int_equal((int)(all_percent * 10 + 0.5), 1000);
	assert_int_equal((int)(all_seconds * 100 + 0.5), 41);
	ff_buf_release(&text);
	release(&t);
}

/* --- merged --- */

/* Two shards, the second one an hour later: their time between is nobody's. */
static void test_merged(void **state)
{
	const int64_t hour = 3600 * 1000;
	struct told t;
	struct ff_slow_answer *a;

	(void)state;
	begin(&t, 10);
	t.job = "j";
	TELL(&t, 0, JOB_STARTED);
	TELL(&t, 0, NOTICE, .u.notice.level = "property", .u.notice.text = "farflung.merged=2");
	added(&t, "1/h", 1, 0);
	ready(&t, "1/h", 0, 10, 10);
	t.host = "1/h";
	worker(&t, "1/gw0", 10, 50, "0");
	unit(&t, "a.py::x", 50, 100);
	TELL(&t, 120, WORKER_ENDED);
	t.host = t.worker = NULL;
	added(&t, "2/h", 2, hour);
	ready(&t, "2/h", hour, hour + 20, hour + 20);
	t.host = "2/h";
	worker(&t, "2/gw0", hour + 20, hour + 60, "0");
	unit(&t, "a.py::y", hour + 60, hour + 200);
	a = end(&t, hour + 200);
	assert_int_equal(a->shards, 2);
	assert_ms(a->wall_us, 200);
	assert_int_equal(a->slots, 3);
	assert_ms(a->slot_us, 120 + 2 * 200);
	assert_int_equal(ROW(a, CONNECTING), 10 + 2 * 20);
	assert_int_equal(ROW(a, STARTING), 80);
	assert_int_equal(ROW(a, CALL), 50 + 140);
	assert_int_equal(ROW(a, IDLE_WORKER), 20);
	assert_int_equal(ROW(a, IDLE_SLOT), 180);
	assert_step(a, 0, "connect", "2/h", 20);
	assert_int_equal(a->estimate.slots, 2);
	release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_setup_of_hosts),
		cmocka_unit_test(test_setup_of_the_run),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_results_at_once),
		cmocka_unit_test(test_impossible_durations),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_front),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_losses),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_nothing_ran),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_estimates),
		cmocka_unit_test(test_longest_only),
		cmocka_unit_test(test_advice),
		cmocka_unit_test(test_rounding),
		cmocka_unit_test(test_merged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

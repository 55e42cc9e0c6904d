/* A scripted run, told to a reporter event by event; for the tests of the terminal. */
#ifndef FF_TESTS_TELL_H
#define FF_TESTS_TELL_H

#include <stdint.h>
#include <string.h>

#include "report/reporter.h"

#define START_US ((int64_t)1795161600000000)
#define MS	 *1000

struct teller {
	struct ff_reporter *reporter;
	struct ff_event event; /* the next one's frame: time, job, host, worker */
};

/* A unit's number: one per name. */
static inline uint32_t index_of(const char *unit)
{
	uint32_t hash = 2166136261;

	for (; unit && *unit; unit++)
		hash = (hash ^ (unsigned char)*unit) * 16777619;
	return hash;
}

static inline void tell(struct teller *teller, enum ff_event_kind kind)
{
	teller->event.kind = kind;
	teller->event.seq++;
	teller->event.time_us += 10 MS;
	teller->event.index = index_of(teller->event.unit);
	teller->reporter->class->event(teller->reporter, &teller->event);
	teller->event.unit = teller->event.worker = teller->event.job = teller->event.host = NULL;
	memset(&teller->event.u, 0, sizeof teller->event.u);
}

static inline void tell_started(struct teller *t, uint32_t hosts, uint32_t jobs)
{
	t->event.time_us = START_US - 10 MS;
	t->event.u.run_started.run_id = "20261120-080000-4f3a";
	t->event.u.run_started.version = "0.1.0";
	t->event.u.run_started.hosts = hosts;
	t->event.u.run_started.slots = 2 * hosts;
	t->event.u.run_started.jobs = jobs;
	tell(t, FF_EVENT_RUN_STARTED);
}

static inline void tell_job(struct teller *t, const char *job, const char *payload, uint32_t count)
{
	t->event.job = job;
	t->event.u.job_started.payload = payload;
	tell(t, FF_EVENT_JOB_STARTED);
	t->event.job = job;
	t->event.u.collected.count = count;
	t->event.u.collected.deselected = count == 5 ? 2 : 0;
	tell(t, FF_EVENT_COLLECTED);
}

static inline void tell_unit_started(struct teller *t, const char *job, const char *unit,
				     const char *host, const char *worker)
{
	t->event.job = job;
	t->event.unit = unit;
	t->event.host = host;
	t->event.worker = worker;
	t->event.u.unit_started.attempt = 1;
	tell(t, FF_EVENT_UNIT_STARTED);
}

static inline void tell_unit(struct teller *t, const char *job, const char *unit, const char *host,
			     const char *worker, const struct ff_result *result, uint32_t attempt)
{
	/* Positive: the last attempt; an attempt with a flag on top is followed by another. */
	t->event.job = job;
	t->event.unit = unit;
	t->event.host = host;
	t->event.worker = worker;
	t->event.u.unit_finished.attempt = attempt & 0xff;
	t->event.u.unit_finished.final = !(attempt & 0x100);
	t->event.u.unit_finished.result = result;
	tell(t, FF_EVENT_UNIT_FINISHED);
}

static inline void tell_output(struct teller *t, const char *unit, int stream, const char *text)
{
	t->event.job = "build";
	t->event.unit = unit;
	t->event.host = "popen";
	t->event.u.unit_output.stream = stream;
	t->event.u.unit_output.bytes = text;
	t->event.u.unit_output.len = strlen(text);
	tell(t, FF_EVENT_UNIT_OUTPUT);
}

static inline void tell_notice(struct teller *t, const char *level, const char *text)
{
	t->event.u.notice.level = level;
	t->event.u.notice.text = text;
	tell(t, FF_EVENT_NOTICE);
}

static inline void tell_hosts(struct teller *t)
{
	t->event.host = "popen";
	t->event.u.host_ready.native = true;
	t->event.u.host_ready.platform = "Linux x86_64";
	t->event.u.host_ready.slots = 1;
	t->event.u.host_ready.took_us = 120 MS;
	tell(t, FF_EVENT_HOST_READY);
	t->event.host = "build1";
	t->event.u.sync_finished.root = "/srv/tree";
	t->event.u.sync_finished.files = 10000;
	t->event.u.sync_finished.sent_files = 12;
	t->event.u.sync_finished.sent_bytes = 1258291;
	t->event.u.sync_finished.took_us = 500 MS;
	tell(t, FF_EVENT_SYNC_FINISHED);
	t->event.host = "build1";
	t->event.u.host_ready.slots = 8;
	t->event.u.host_ready.took_us = 1500 MS;
	tell(t, FF_EVENT_HOST_READY);
	t->event.host = "build2";
	t->event.u.host_failed.error = "host not reached: no route";
	tell(t, FF_EVENT_HOST_FAILED);
	for (int i = 0; i < 2; i++) {
		static const char *const header[] = {"rootdir: /srv/tree", NULL};

		t->event.host = "popen";
		t->event.worker = i ? "gw1" : "gw0";
		t->event.u.worker_started.words = "Python 3.11.2, pytest 7.2.1";
		t->event.u.worker_started.header = header;
		tell(t, FF_EVENT_WORKER_STARTED);
	}
}

static const struct ff_section captured[] = {{"Captured stdout call", "some output\n", 12, false}};
static const struct ff_section command_output[] = {{"stdout", "made\n", 5, true},
						   {"stderr", "oops", 4, true}};
static const struct ff_result passed = {.outcome = FF_OUTCOME_PASSED, .duration_us = 20 MS};
static const struct ff_result built = {.outcome = FF_OUTCOME_PASSED,
				       .duration_us = 500 MS,
				       .sections = command_output,
				       .sections_len = 1,
				       .has_status = true};
static const struct ff_result skipped = {
	.outcome = FF_OUTCOME_SKIPPED, .duration_us = 1 MS, .message = "Skipped: not today"};
static const struct ff_result failed = {.outcome = FF_OUTCOME_FAILED,
					.duration_us = 120 MS,
					.message = "AssertionError: assert 1 == 2",
					.longrepr = "    def test_a():\n>       assert 1 == 2\n"
						    "E       assert 1 == 2",
					.sections = captured,
					.sections_len = 1};
static const struct ff_result exited = {.outcome = FF_OUTCOME_FAILED,
					.duration_us = 61500 MS,
					.message = "exit status 3",
					.sections = command_output,
					.sections_len = 2,
					.has_status = true,
					.status = 0x300};

static inline void tell_units(struct teller *t)
{
	tell_job(t, "build", "run", 2);
	tell_unit_started(t, "build", "build[n=1]", "popen", NULL);
	tell_output(t, "build[n=1]", 1, "ma");
	tell_output(t, "build[n=1]", 2, "a warning\r\nno end");
	tell_output(t, "build[n=1]", 1, "de\n\nmore\n");
	tell_unit(t, "build", "build[n=1]", "popen", NULL, &built, 1);
	tell_unit(t, "build", "build[n=2]", "popen", NULL, &exited, 1);
	tell_job(t, "unit", "pytest", 5);
	t->event.job = "unit";
	t->event.host = "popen";
	t->event.worker = "gw0";
	t->event.u.collect_problem.nodeid = "tests/test_bad.py";
	t->event.u.collect_problem.message = "SyntaxError: invalid";
	t->event.u.collect_problem.longrepr = "E   SyntaxError: invalid";
	tell(t, FF_EVENT_COLLECT_PROBLEM);
	tell_unit(t, "unit", "tests/test_x.py::test_ok", "popen", "gw0", &passed, 1);
	tell_unit(t, "unit", "tests/test_x.py::test_a", "build1", "gw3", &failed, 1);
	tell_unit(t, "unit", "tests/test_x.py::test_s", "build1", "gw3", &skipped, 1);
	tell_unit(t, "unit", "tests/test_x.py::test_f", "build1", "gw3", &failed, 0x101);
	tell_unit(t, "unit", "tests/test_x.py::test_f", "popen", "gw1", &passed, 2);
}

static inline void tell_rest(struct teller *t)
{
	tell_notice(t, "note", "two\nlines");
	t->event.host = "build1";
	tell_notice(t, "warning", "connection lost; opening it again");
	t->event.host = "popen";
	t->event.worker = "gw0";
	tell_notice(t, "stderr", "a line of stderr");
	for (int i = 0; i < 2; i++) {
		t->event.u.notice.category = "DeprecationWarning";
		t->event.u.notice.file = "tests/test_x.py";
		t->event.u.notice.line = 12;
		t->event.u.notice.source = "warn(\"old\")";
		t->event.u.notice.test = i ? "tests/test_x.py::test_a" : NULL;
		tell_notice(t, "warning", "old\nnews");
	}
	tell_notice(t, "error", "it needs more");
	t->event.host = "build1";
	t->event.worker = "gw3";
	t->event.u.worker_ended.crashed = true;
	t->event.u.worker_ended.reason = "signal 11";
	tell(t, FF_EVENT_WORKER_ENDED);
	t->event.host = "build1";
	t->event.u.host_lost.error = "connection lost";
	tell(t, FF_EVENT_HOST_LOST);
	t->event.job = "later";
	t->event.u.job_finished.result = FF_JOB_SKIPPED;
	t->event.u.job_finished.why = FF_REASON_NEEDS;
	t->event.u.job_finished.reason = "it needs 'build', which did not pass";
	tell(t, FF_EVENT_JOB_FINISHED);
}

static inline void tell_end(struct teller *t)
{
	struct ff_counts counts = {.total = 7, .retried = 1};

	counts.by_outcome[FF_OUTCOME_PASSED] = 3;
	counts.by_outcome[FF_OUTCOME_FAILED] = 2;
	counts.by_outcome[FF_OUTCOME_SKIPPED] = 1;
	t->event.u.run_finished.exit_code = 1;
	t->event.u.run_finished.counts = counts;
	t->event.u.run_finished.took_us = 4210 MS;
	tell(t, FF_EVENT_RUN_FINISHED);
}

#endif

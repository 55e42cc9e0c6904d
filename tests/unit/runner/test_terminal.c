/* The terminal reporter into a pipe or file: what a scripted run looks like at each verbosity. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "report/terminal.h"
#include "tell.h"

static void read_all(int fd, struct ff_buf *text)
{
	char chunk[4096];
	ssize_t n;

	lseek(fd, 0, SEEK_SET);
	while ((n = read(fd, chunk, sizeof chunk)) > 0)
		ff_buf_add(text, chunk, (size_t)n);
}

struct plain {
	struct teller teller;
	FILE *file;
	struct ff_buf text;
};

static void plain_open_in(struct plain *plain, const char *locale, int verbosity, bool colour)
{
	struct ff_terminal_setup setup = {.verbosity = verbosity, .colour = colour};

	setenv("LC_ALL", locale, 1);
	*plain = (struct plain){.file = tmpfile()};
	assert_non_null(plain->file);
	setup.writer.fd = fileno(plain->file);
	plain->teller.reporter = ff_terminal_new(&setup);
	plain->teller.event.time_us = START_US;
}

static void plain_open(struct plain *plain, int verbosity, bool colour)
{
	plain_open_in(plain, "C.UTF-8", verbosity, colour);
}

static const char *plain_text(struct plain *plain)
{
	struct ff_err err = {0};

	assert_int_equal(plain->teller.reporter->class->finish(plain->teller.reporter, &err), 0);
	ff_buf_clear(&plain->text);
	read_all(fileno(plain->file), &plain->text);
	return ff_buf_str(&plain->text);
}

static void plain_close(struct plain *plain)
{
	plain->teller.reporter->class->free(plain->teller.reporter);
	fclose(plain->file);
	ff_buf_release(&plain->text);
}

static void whole_run(struct plain *plain)
{
	tell_started(&plain->teller, 3, 3);
	tell_hosts(&plain->teller);
	tell_units(&plain->teller);
	tell_rest(&plain->teller);
	tell_end(&plain->teller);
}

/* --- the pieces of the run's text --- */

/* The layout tool would measure these lines in bytes. */
/* clang-format off */
#define STARTED "farflung 0.1.0 · run 20261120-080000-4f3a · 3 hosts, 6 slots, 3 jobs\n"
#define HOSTS                                                                                      \
	"host popen: native worker, Linux x86_64, 1 slot, ready in 120 ms\n"                       \
	"host build1: tree in /srv/tree: 12 of 10000 files sent, 1.2 MiB, in 0.5 s\n"              \
	"host build1: python worker, 8 slots, ready in 1.5 s\n"
#define HOST_FAILED "host build2 failed: host not reached: no route\n"
#define PYTHON	    "host popen: Python 3.11.2, pytest 7.2.1\n"
#define BUILD	    "job build: 2 commands\n"
#define BUILD_1	    "PASSED  build[n=1] [popen] 0.50s\n"
#define BUILD_2	    "FAILED  build[n=2] [popen] 1m01s - exit status 3\n"
#define COLLECTED   "job unit: 5 tests collected (2 deselected)\n"
#define BAD_FILE    "ERROR   unit: tests/test_bad.py - SyntaxError: invalid\n"
#define TEST_OK	    "PASSED  unit: tests/test_x.py::test_ok [popen gw0] 0.02s\n"
#define TEST_A                                                                                     \
	"FAILED  unit: tests/test_x.py::test_a [build1 gw3] 0.12s - AssertionError: assert 1 == "  \
	"2\n"
#define TEST_S "SKIPPED unit: tests/test_x.py::test_s [build1 gw3] 0.00s - Skipped: not today\n"
#define TEST_F_1                                                                                   \
	"RETRY 1 unit: tests/test_x.py::test_f [build1 gw3] 0.12s - failed: AssertionError: "      \
	"assert 1 == 2\n"
#define TEST_F_2 "PASSED  unit: tests/test_x.py::test_f [popen gw1] 0.02s\n"
#define NOTICES                                                                                    \
	"note: two\n"                                                                              \
	"  lines\n"                                                                                \
	"warning: host build1: connection lost; opening it again\n"                                \
	"[gw0 popen] a line of stderr\n"
#define NEEDS	  "error: it needs more\n"
#define GW3	  "worker gw3 on build1 ended: signal 11\n"
#define HOST_LOST "host build1 lost: connection lost\n"
#define FAILURES                                                                                   \
	"\n"                                                                                       \
	"════════════════════════════════════ errors ════════════════════════════════════\n"       \
	"── unit: tests/test_bad.py ── ERROR collecting on popen (gw0)\n"                          \
	"E   SyntaxError: invalid\n"                                                               \
	"\n"                                                                                       \
	"═══════════════════════════════════ failures ═══════════════════════════════════\n"       \
	"── build[n=2] ── FAILED on popen\n"                                                       \
	"exit status 3\n"                                                                          \
	"--- stdout ---\n"                                                                         \
	"made\n"                                                                                   \
	"--- stderr ---\n"                                                                         \
	"oops\n"                                                                                   \
	"\n"                                                                                       \
	"── unit: tests/test_x.py::test_a ── FAILED on build1 (gw3)\n"                             \
	"    def test_a():\n"                                                                      \
	">       assert 1 == 2\n"                                                                  \
	"E       assert 1 == 2\n"                                                                  \
	"--- Captured stdout call ---\n"                                                           \
	"some output\n"                                                                            \
	"\n"
#define WARNED                                                                                     \
	"═══════════════════════════════ warnings summary ═══════════════════════════════\n"       \
	"tests/test_x.py:12\n"                                                                     \
	"tests/test_x.py::test_a\n"                                                                \
	"  tests/test_x.py:12: DeprecationWarning: old\n"                                          \
	"  news\n"                                                                                 \
	"    warn(\"old\")\n"                                                                      \
	"\n"
#define LISTS                                                                                      \
	WARNED                                                                                     \
	"═════════════════════════════ passed after retries ═════════════════════════════\n"       \
	"unit: tests/test_x.py::test_f (attempt 2)\n"                                              \
	"  attempt 1: failed [build1 gw3] 0.12s - AssertionError: assert 1 == 2\n"                \
	"\n"
#define USE                                                                                        \
	"host popen: 4 attempts, busy 100 % of 1 slot\n"                                           \
	"host build1: 3 attempts, busy 0.7 % of 8 slots\n"                                         \
	"\n"
#define LAST(use)                                                                                       \
	"═══════════════════════════ short test summary info ════════════════════════════\n"       \
	"FAILED build[n=2] - exit status 3\n"                                                      \
	"ERROR unit: tests/test_bad.py - SyntaxError: invalid\n"                                   \
	"FAILED unit: tests/test_x.py::test_a - AssertionError: assert 1 == 2\n"                   \
	"\n"                                                                                       \
	"hosts: 1 of 3 used\n"                                                                     \
	"  build1 lost: connection lost\n"                                                         \
	"  build2 failed: host not reached: no route\n"                                            \
	"\n"                                                                                       \
	use                                                                                        \
	"job later: skipped: it needs 'build', which did not pass\n"                               \
	"\n"                                                                                       \
	"═ 2 failed, 3 passed, 1 skipped, 2 deselected, 1 not collected, 1 retried, 1 flaky, 2 warnings in 4.21s ═\n"
/* clang-format on */

static const char *const golden[] = {
	HOST_FAILED NEEDS HOST_LOST FAILURES WARNED LAST(""),
	STARTED HOSTS HOST_FAILED PYTHON BUILD BUILD_1 BUILD_2 COLLECTED BAD_FILE TEST_A TEST_F_1
		NOTICES NEEDS GW3 HOST_LOST FAILURES LISTS LAST(USE),
	STARTED HOSTS HOST_FAILED PYTHON
	"  rootdir: /srv/tree\n" BUILD BUILD_1 BUILD_2 COLLECTED BAD_FILE TEST_OK TEST_A TEST_S
		TEST_F_1 TEST_F_2 NOTICES NEEDS GW3 HOST_LOST FAILURES LISTS LAST(USE),
	STARTED HOSTS HOST_FAILED PYTHON
	"  rootdir: /srv/tree\n" BUILD "[popen build[n=1]] a warning\n"
	"[popen build[n=1]] made\n"
	"[popen build[n=1]]\n"
	"[popen build[n=1]] more\n"
	"[popen build[n=1]] no end\n" BUILD_1 BUILD_2 COLLECTED BAD_FILE TEST_OK TEST_A TEST_S
		TEST_F_1 TEST_F_2 NOTICES NEEDS GW3 HOST_LOST FAILURES LISTS LAST(USE),
};

static void test_verbosities(void **state)
{
	struct plain plain;

	for (int verbosity = -1; verbosity <= 2; verbosity++) {
		plain_open(&plain, verbosity, false);
		whole_run(&plain);
		assert_string_equal(plain_text(&plain), golden[verbosity + 1]);
		plain_close(&plain);
	}
}

static void test_ascii(void **state)
{
	struct plain plain;

	plain_open_in(&plain, "C", 0, false);
	whole_run(&plain);
	for (const char *p = plain_text(&plain); *p; p++)
		assert_true((*p >= ' ' && *p < 0x7f) || *p == '\n');
	assert_non_null(strstr(plain_text(&plain), "farflung 0.1.0 - run 2026"));
	assert_non_null(
		strstr(plain_text(&plain), "\n=================================== failures ==="));
	assert_non_null(strstr(plain_text(&plain), "\n-- build[n=2] -- FAILED on popen\n"));
	plain_close(&plain);
}

/* Takes SGR sequences away; any other escape fails. */
static void strip_sgr(struct ff_buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text != '\033') {
			ff_buf_addch(out, *text);
			continue;
		}
		assert_int_equal(text[1], '[');
		text += 2;
		text += strspn(text, "0123456789;:");
		assert_int_equal(*text, 'm');
	}
}

static void test_colour(void **state)
{
	struct ff_buf bare = FF_BUF_INIT;
	struct plain plain;

	plain_open(&plain, 0, true);
	whole_run(&plain);
	strip_sgr(&bare, plain_text(&plain));
	assert_string_equal(ff_buf_str(&bare), golden[1]);
	assert_non_null(strstr(plain_text(&plain), "\n\033[31mFAILED\033[0m  build[n=2] "));
	assert_non_null(
		strstr(plain_text(&plain), "\033[31mhost build1 lost: connection lost\033[0m\n"));
	assert_non_null(strstr(
		plain_text(&plain),
		" \033[31m2 failed\033[0m, \033[32m3 passed\033[0m, \033[33m1 skipped\033[0m, "));
	plain_close(&plain);
	ff_buf_release(&bare);
}

/* --- hostile texts --- */

#define EVIL                                                                                       \
	"x\033[2J\033]0;t\a\r\b\x0e\x7f\xc2\x9b"                                                   \
	"31m\xff\xe2\x80\xae\xc3\xa9"

static void tell_evil(struct teller *t)
{
	static const struct ff_section sections[] = {
		{EVIL, "a\0" EVIL "\033[31mred\tx\r\n\033[", 36, false}};
	static const struct ff_result result = {.outcome = FF_OUTCOME_FAILED,
						.message = EVIL "\nsecond",
						.longrepr = EVIL "\n\033[1;31mE\033[0m " EVIL,
						.sections = sections,
						.sections_len = 1};

	tell_started(t, 1, 2);
	t->event.host = EVIL;
	t->event.u.host_ready.platform = EVIL;
	tell(t, FF_EVENT_HOST_READY);
	t->event.host = EVIL;
	t->event.u.host_lost.error = EVIL;
	tell(t, FF_EVENT_HOST_LOST);
	tell_job(t, EVIL, "pytest", 1);
	tell_unit(t, EVIL, EVIL, EVIL, EVIL, &result, 0x101);
	tell_output(t, EVIL, 1, EVIL "\n");
	tell_unit(t, EVIL, EVIL, EVIL, EVIL, &result, 2);
	t->event.job = EVIL;
	t->event.u.collect_problem.nodeid = t->event.u.collect_problem.message = EVIL;
	tell(t, FF_EVENT_COLLECT_PROBLEM);
	tell_notice(t, "warning", EVIL);
	t->event.u.notice.category = t->event.u.notice.file = EVIL;
	tell_notice(t, "warning", "w " EVIL);
	t->event.job = EVIL;
	t->event.u.job_finished.result = FF_JOB_ERROR;
	t->event.u.job_finished.reason = EVIL;
	tell(t, FF_EVENT_JOB_FINISHED);
	tell_end(t);
}

static void test_hostile(void **state)
{
	struct ff_buf bare = FF_BUF_INIT;
	struct plain plain;
	const char *text;

	for (int colour = 0; colour < 2; colour++) {
		plain_open(&plain, 2, colour);
		tell_evil(&plain.teller);
		ff_buf_clear(&bare);
		text = plain_text(&plain);
		assert_int_equal(strlen(text), plain.text.len);
		strip_sgr(&bare, text);
		if (!colour)
			assert_string_equal(ff_buf_str(&bare), text);
		for (const char *p = ff_buf_str(&bare); *p; p++) {
			assert_true((unsigned char)*p >= ' ' || *p == '\n' || *p == '\t');
			assert_true(*p != 0x7f && (unsigned char)*p != 0xff);
		}
		assert_null(strstr(text, "\xc2\x9b"));
		assert_null(strstr(text, "\xe2\x80\xae"));
		assert_non_null(strstr(text,
				       "x\\x1b[2J\\x1b]0;t\\x07\\r\\x08\\x0e\\x7f\\x9b31m\\xff"
				       "\\u202e\xc3\xa9"));
		assert_non_null(strstr(text, "\\nsecond\n"));
		assert_int_equal(strstr(text, "\033[1;31mE\033[0m ") != NULL, colour);
		plain_close(&plain);
	}
	ff_buf_release(&bare);
}

/* --- long runs --- */

static void test_progress(void **state)
{
	struct plain plain;
	char unit[32];
	const char *text;

	plain_open(&plain, 0, false);
	tell_started(&plain.teller, 1, 1);
	tell_job(&plain.teller, "unit", "pytest", 400);
	for (int i = 0; i < 400; i++) {
		snprintf(unit, sizeof unit, "t.py::t%d", i);
		if (i == 50)
			plain.teller.event.time_us += 12000 MS;
		tell_unit(&plain.teller, "unit", unit, "popen", "gw0", i == 60 ? &failed : &passed,
			  1);
	}
	text = strstr(plain_text(&plain), "collected\n");
	assert_non_null(text);
	assert_string_equal(text,
			    "collected\n"
			    "[ 10%] 40/400, 420 ms\n"
			    "[ 12%] 51/400, 12.5 s\n"
			    "FAILED  t.py::t60 [popen gw0] 0.12s - AssertionError: assert 1 == 2\n"
			    "[ 20%] 80/400, 1 failed, 12.8 s\n"
			    "[ 30%] 120/400, 1 failed, 13.2 s\n"
			    "[ 40%] 160/400, 1 failed, 13.6 s\n"
			    "[ 50%] 200/400, 1 failed, 14.0 s\n"
			    "[ 60%] 240/400, 1 failed, 14.4 s\n"
			    "[ 70%] 280/400, 1 failed, 14.8 s\n"
			    "[ 80%] 320/400, 1 failed, 15.2 s\n"
			    "[ 90%] 360/400, 1 failed, 15.6 s\n"
			    "[100%] 400/400, 1 failed, 16.0 s\n");
	plain_close(&plain);
}

static void test_many_commands(void **state)
{
	struct plain plain;
	char unit[32];

	plain_open(&plain, 0, false);
	tell_started(&plain.teller, 1, 1);
	tell_job(&plain.teller, "bench", "run", 21);
	for (int i = 0; i < 21; i++) {
		snprintf(unit, sizeof unit, "bench[n=%d]", i);
		tell_unit(&plain.teller, "bench", unit, "popen", NULL, &built, 1);
	}
	assert_null(strstr(plain_text(&plain), "PASSED"));
	plain_close(&plain);
}

static void test_many_hosts(void **state)
{
	struct plain plain;
	char name[32];

	plain_open(&plain, 0, false);
	tell_started(&plain.teller, 30, 1);
	for (uint32_t i = 0; i < 30; i++) {
		snprintf(name, sizeof name, "node%u", i);
		plain.teller.event.host = name;
		if (i == 7) {
			plain.teller.event.u.host_failed.error = "no route";
			tell(&plain.teller, FF_EVENT_HOST_FAILED);
			continue;
		}
		plain.teller.event.u.sync_finished.sent_files = 1;
		plain.teller.event.u.sync_finished.sent_bytes = 1024;
		tell(&plain.teller, FF_EVENT_SYNC_FINISHED);
		plain.teller.event.host = name;
		plain.teller.event.u.host_ready.native = i % 2;
		plain.teller.event.u.host_ready.took_us = i == 20 ? 2100 MS : 100 MS;
		tell(&plain.teller, FF_EVENT_HOST_READY);
		plain.teller.event.host = name;
		plain.teller.event.worker = "gw0";
		plain.teller.event.u.worker_started.words = "Python 3.11.2";
		tell(&plain.teller, FF_EVENT_WORKER_STARTED);
	}
	tell_unit_started(&plain.teller, "unit", "t.py::a", "node1", "gw0");
	assert_string_equal(
		plain_text(&plain),
		"farflung 0.1.0 · run 20261120-080000-4f3a · 30 hosts, 60 slots, 1 job\n"
		"first on host node0: Python 3.11.2\n"
		"host node7 failed: no route\n"
		"hosts: 29 of 30 ready, 14 with the native worker, the slowest (node20) in "
		"2.1 s; 29 files sent, 29.0 KiB\n");
	plain_close(&plain);
}

static void test_bounded_failures(void **state)
{
	struct ff_result result = {.outcome = FF_OUTCOME_FAILED};
	char *text = malloc((1 << 20) + 1);
	struct plain plain;

	assert_non_null(text);
	memset(text, 'x', 1 << 20);
	text[1 << 20] = '\0';
	result.longrepr = text;
	plain_open(&plain, -1, false);
	tell_started(&plain.teller, 1, 1);
	for (int i = 0; i < 20; i++)
		tell_unit(&plain.teller, "unit", "t.py::a", "popen", "gw0", &result, 1);
	tell_end(&plain.teller);
	assert_non_null(
		strstr(plain_text(&plain), "\n5 more are not shown: texts of more than 16 MiB\n"));
	assert_true(plain.text.len < 17 << 20);
	plain_close(&plain);
	free(text);
}

static void test_interrupted(void **state)
{
	struct plain plain;

	plain_open(&plain, -1, false);
	tell_started(&plain.teller, 1, 1);
	tell_unit_started(&plain.teller, "unit", "t.py::a", "popen", "gw0");
	tell_unit_started(&plain.teller, "unit", "t.py::b", "popen", "gw1");
	tell_unit_started(&plain.teller, "unit", "t.py::b", "build1", "gw2"); /* given again */
	tell_unit_started(&plain.teller, "unit", "t.py::c", "build1", "gw3");
	plain.teller.event.u.interrupted.times = 1;
	tell(&plain.teller, FF_EVENT_INTERRUPTED);
	plain.teller.event.host = "build1";
	tell(&plain.teller, FF_EVENT_HOST_LOST);
	plain.teller.event.u.stopping.why = FF_REASON_INTERRUPTED;
	plain.teller.event.u.stopping.kill = true;
	tell(&plain.teller, FF_EVENT_STOPPING);
	plain.teller.event.u.interrupted.times = 2;
	tell(&plain.teller, FF_EVENT_INTERRUPTED);
	assert_string_equal(plain_text(&plain),
			    "interrupted: waiting for 3 running units (again to kill them)\n"
			    "host build1 lost: for no known reason\n"
			    "time is up: killing 1 running unit\n"
			    "interrupted again: killing 1 running unit\n");
	plain_close(&plain);
}

static void test_nothing_ran(void **state)
{
	struct plain plain;

	for (int colour = 0; colour < 2; colour++) {
		plain_open(&plain, -1, colour);
		tell_started(&plain.teller, 1, 1);
		tell(&plain.teller, FF_EVENT_RUN_FINISHED);
		assert_non_null(strstr(plain_text(&plain), "nothing ran in 0.00s"));
		plain_close(&plain);
	}
}

/* --- what goes wrong --- */

static void tell_down(struct teller *t, const char *host, enum ff_event_kind kind,
		      const char *error, uint32_t units)
{
	t->event.host = host;
	t->event.u.host_lost.error = error;
	t->event.u.host_lost.units = units;
	if (kind == FF_EVENT_HOST_AWAY)
		t->event.u.host_away.retry_us = 2000 MS;
	tell(t, kind);
}

static void tell_ready(struct teller *t, const char *host)
{
	t->event.host = host;
	t->event.u.host_ready.native = true;
	t->event.u.host_ready.slots = 2;
	t->event.u.host_ready.took_us = 100 MS;
	tell(t, FF_EVENT_HOST_READY);
}

static void tell_lost(struct teller *t, const char *unit, int64_t duration_us)
{
	t->event.job = "unit";
	t->event.unit = unit;
	t->event.host = "build1";
	t->event.u.unit_lost.attempt = 1;
	t->event.u.unit_lost.duration_us = duration_us;
	t->event.u.unit_lost.reason = "connection lost";
	tell(t, FF_EVENT_UNIT_LOST);
}

/* One host comes back, one does not: a line for each failure, and one in the summary for what was
 * not mended. */
static void test_hosts_go_and_come(void **state)
{
	struct plain plain;

	plain_open(&plain, 0, false);
	tell_started(&plain.teller, 3, 1);
	tell_ready(&plain.teller, "build1");
	tell_ready(&plain.teller, "build2");
	tell_down(&plain.teller, "build3", FF_EVENT_HOST_AWAY, "no route", 0);
	tell_down(&plain.teller, "build3", FF_EVENT_HOST_AWAY, "no route", 0);
	tell_down(&plain.teller, "build1", FF_EVENT_HOST_AWAY, "connection lost", 3);
	tell_lost(&plain.teller, "t.py::a", 0);
	tell_lost(&plain.teller, "t.py::b", 1500 MS);
	tell_ready(&plain.teller, "build1");
	tell_down(&plain.teller, "build3", FF_EVENT_HOST_FAILED, "no route", 0);
	tell(&plain.teller, FF_EVENT_RUN_FINISHED);
	assert_string_equal(strchr(plain_text(&plain), '\n') + 1,
			    "host build1: native worker, 2 slots, ready in 100 ms\n"
			    "host build2: native worker, 2 slots, ready in 100 ms\n"
			    "host build3 away: no route; trying again in 2.0 s\n"
			    "host build1 away: connection lost; 3 units ran there; trying again "
			    "in 2.0 s\n"
			    "host build1 is back: native worker, 2 slots, ready in 100 ms\n"
			    "host build3 failed: no route\n"
			    "\n"
			    "═══════════════════════════ lost with what ran them "
			    "════════════════════════════\n"
			    "t.py::a [build1]: connection lost\n"
			    "t.py::b [build1]: connection lost\n\n"
			    "hosts: 2 of 3 used; build3 failed: no route\n"
			    "\n"
			    "host build1: 2 attempts, busy 0.0 % of 2 slots, 2 lost\n"
			    "host build2: 0 attempts, busy 0.0 % of 2 slots\n"
			    "\n"
			    "═════════════════════════════ nothing ran in 0.00s "
			    "═════════════════════════════\n");
	plain_close(&plain);
	/* -v has a line for each unit and each try. */
	plain_open(&plain, 1, false);
	tell_started(&plain.teller, 3, 1);
	tell_down(&plain.teller, "build3", FF_EVENT_HOST_AWAY, "no route", 0);
	plain.teller.event.host = "build3";
	plain.teller.event.u.host_joining.tries = 2;
	tell(&plain.teller, FF_EVENT_HOST_JOINING);
	tell_down(&plain.teller, "build3", FF_EVENT_HOST_AWAY, "no route", 0);
	tell_lost(&plain.teller, "t.py::a", 0);
	tell_lost(&plain.teller, "t.py::b", 1500 MS);
	assert_string_equal(strchr(plain_text(&plain), '\n') + 1,
			    "host build3 away: no route; trying again in 2.0 s\n"
			    "host build3: trying again\n"
			    "host build3 away: no route; trying again in 2.0 s\n"
			    "LOST    t.py::a [build1] - attempt 1: connection lost\n"
			    "LOST    t.py::b [build1] 1.50s - attempt 1: connection lost\n");
	plain_close(&plain);
}

/* A host whose workers never start: told once, though all of its slots try. */
static void test_unusable_host(void **state)
{
	static const char *const workers[] = {"gw0", "gw1", "gw2"};
	struct plain plain;

	plain_open(&plain, 0, false);
	tell_started(&plain.teller, 2, 1);
	tell_ready(&plain.teller, "build1");
	tell_ready(&plain.teller, "build2");
	for (int i = 0; i < 3; i++) {
		plain.teller.event.host = "build2";
		plain.teller.event.worker = workers[i];
		tell(&plain.teller, FF_EVENT_WORKER_OPENING);
	}
	for (int i = 0; i < 3; i++) {
		plain.teller.event.host = "build2";
		plain.teller.event.worker = workers[i];
		plain.teller.event.u.worker_ended.crashed = true;
		plain.teller.event.u.worker_ended.reason = "python9: not found";
		tell(&plain.teller, FF_EVENT_WORKER_ENDED);
	}
	tell(&plain.teller, FF_EVENT_RUN_FINISHED);
	assert_non_null(strstr(plain_text(&plain), "host build2: worker gw0 did not start: "
						   "python9: not found\n\n"
						   "hosts: 1 of 2 used; build2 not usable: "
						   "python9: not found\n"));
	plain_close(&plain);
}

/* A host that lacks what a payload needs may still be of use to another. */
static void test_unfit_host(void **state)
{
	struct plain plain;

	for (int worked = 0; worked < 2; worked++) {
		plain_open(&plain, 0, false);
		tell_started(&plain.teller, 2, 1);
		tell_ready(&plain.teller, "build1");
		tell_ready(&plain.teller, "build2");
		plain.teller.event.host = "build2";
		plain.teller.event.u.host_unfit.payload = "pytest";
		plain.teller.event.u.host_unfit.error = "python9: not found";
		tell(&plain.teller, FF_EVENT_HOST_UNFIT);
		if (worked)
			tell_unit_started(&plain.teller, "build", "build", "build2", NULL);
		tell(&plain.teller, FF_EVENT_RUN_FINISHED);
		assert_non_null(strstr(plain_text(&plain),
				       "host build2 can't run pytest: python9: not "
				       "found\n\nhosts: "));
		assert_non_null(strstr(plain_text(&plain),
				       worked ? "hosts: 2 of 2 used; build2 can't run pytest: "
						"python9: not found\n"
					      : "hosts: 1 of 2 used; build2 can't run pytest: "
						"python9: not found\n"));
		plain_close(&plain);
	}
}

/* Workers that end with their host have its line. */
static void test_host_takes_workers(void **state)
{
	struct plain plain;

	plain_open(&plain, 0, false);
	tell_started(&plain.teller, 1, 1);
	tell_down(&plain.teller, "build1", FF_EVENT_HOST_LOST, "connection lost", 1);
	for (int i = 0; i < 3; i++) {
		plain.teller.event.host = "build1";
		plain.teller.event.worker = "gw0";
		plain.teller.event.u.worker_ended.crashed = true;
		tell(&plain.teller, FF_EVENT_WORKER_ENDED);
	}
	assert_string_equal(strchr(plain_text(&plain), '\n') + 1,
			    "host build1 lost: connection lost; 1 unit ran there\n");
	plain_close(&plain);
}

static void tell_job_end(struct teller *t, const char *job, enum ff_job_result result,
			 enum ff_reason why, const char *reason, uint32_t not_run)
{
	t->event.job = job;
	t->event.u.job_finished.result = result;
	t->event.u.job_finished.why = why;
	t->event.u.job_finished.reason = reason;
	t->event.u.job_finished.counts.not_run = not_run;
	tell(t, FF_EVENT_JOB_FINISHED);
}

/* What did not run is told, with its job, and is not "skipped". */
static void test_not_run(void **state)
{
	struct plain plain;
	struct ff_counts counts = {.total = 30, .not_run = 25, .parts_not_run = 3};

	plain_open(&plain, 0, false);
	tell_started(&plain.teller, 1, 5);
	plain.teller.event.job = "build";
	plain.teller.event.u.job_added.payload = "run";
	plain.teller.event.u.job_added.units = 20;
	tell(&plain.teller, FF_EVENT_JOB_ADDED);
	tell_job(&plain.teller, "unit", "pytest", 10);
	plain.teller.event.u.stopping.why = FF_REASON_MAXFAIL;
	plain.teller.event.u.stopping.reason = "after 2 failures";
	tell(&plain.teller, FF_EVENT_STOPPING);
	plain.teller.event.job = "unit";
	plain.teller.event.u.units_not_run.count = 5;
	tell(&plain.teller, FF_EVENT_UNITS_NOT_RUN);
	plain.teller.event.u.job_finished.counts.parts_not_run = 2;
	tell_job_end(&plain.teller, "unit", FF_JOB_STOPPED, FF_REASON_MAXFAIL, "2 units failed", 5);
	tell_job_end(&plain.teller, "build", FF_JOB_STOPPED, FF_REASON_INTERRUPTED, NULL, 20);
	plain.teller.event.u.job_finished.counts.parts_not_run = 1;
	tell_job_end(&plain.teller, "file", FF_JOB_FAILED, FF_REASON_NONE, NULL, 0);
	tell_job_end(&plain.teller, "lint", FF_JOB_FAILED, FF_REASON_SESSION,
		     "pytest.exit: no\nmore", 0);
	tell_job_end(&plain.teller, "gone", FF_JOB_ERROR, FF_REASON_NO_HOST, NULL, 0);
	tell_job_end(&plain.teller, "fine", FF_JOB_FAILED, FF_REASON_NONE, NULL, 0);
	counts.by_outcome[FF_OUTCOME_PASSED] = 5;
	plain.teller.event.u.run_finished.counts = counts;
	plain.teller.event.u.run_finished.exit_code = 1;
	tell(&plain.teller, FF_EVENT_RUN_FINISHED);
	assert_string_equal(strchr(plain_text(&plain), '\n') + 1,
			    "job unit: 10 tests collected\n"
			    "stopping after 2 failures\n"
			    "\n"
			    "job build: stopped: interrupted; 20 of 20 commands did not run\n"
			    "job unit: stopped: 2 units failed; 5 of 10 tests did not run, "
			    "nor did 2 files\n"
			    "job file: failed; 1 file did not run\n"
			    "job lint: failed: pytest.exit: no\n"
			    "more\n"
			    "job gone: error: no-host\n"
			    "\n"
			    "════════════════ 5 passed, 25 not run, 3 files not run in 0.00s "
			    "════════════════\n");
	plain_close(&plain);
}

/* Only what is known of its time is shown of a unit that went away with its host. */
static void test_lost_without_time(void **state)
{
	static const struct ff_result lost = {.outcome = FF_OUTCOME_LOST,
					      .message = "no host left"};
	struct plain plain;

	plain_open(&plain, 0, false);
	tell_started(&plain.teller, 1, 1);
	tell_unit(&plain.teller, "unit", "t.py::a", "build1", NULL, &lost, 1);
	assert_string_equal(strchr(plain_text(&plain), '\n') + 1,
			    "LOST    t.py::a [build1] - no host left\n");
	plain_close(&plain);
}

/* The end names each lost unit once, up to a bound; what is beyond is counted. */
static void test_lost_by_name(void **state)
{
	struct plain plain;
	char name[16];
	const char *text, *end;

	plain_open(&plain, 0, false);
	tell_started(&plain.teller, 1, 1);
	for (uint32_t i = 0; i < FF_TERMINAL_LOST_MAX + 3; i++) {
		snprintf(name, sizeof(name), "t.py::a%u", i);
		tell_lost(&plain.teller, name, 0);
	}
	tell_lost(&plain.teller, "t.py::a0", 0);
	tell(&plain.teller, FF_EVENT_RUN_FINISHED);
	text = plain_text(&plain);
	end = strstr(text, " lost with what ran them ");
	assert_non_null(end);
	assert_non_null(strstr(end, "\nt.py::a0, 2 times, last [build1]: connection lost\n"
				    "t.py::a1 [build1]: connection lost\n"));
	assert_non_null(strstr(end, "\nt.py::a19 [build1]: connection lost\n"
				    "and 3 more losses of others\n\n"));
	assert_null(strstr(end, "t.py::a20"));
	plain_close(&plain);
}

/* Units that have one name run beside each other. */
static void test_same_names(void **state)
{
	struct plain plain;
	struct ff_event event = {.kind = FF_EVENT_UNIT_OUTPUT, .job = "unit", .unit = "same"};

	plain_open(&plain, 2, false);
	for (event.index = 0; event.index < 2; event.index++) {
		event.host = event.index ? "b" : "a";
		event.u.unit_output.stream = 1;
		event.u.unit_output.bytes = event.index ? "one" : "zero";
		event.u.unit_output.len = strlen(event.u.unit_output.bytes);
		plain.teller.reporter->class->event(plain.teller.reporter, &event);
	}
	event.kind = FF_EVENT_UNIT_FINISHED;
	event.u.unit_finished.final = true;
	event.u.unit_finished.attempt = 1;
	event.u.unit_finished.result = &passed;
	for (event.index = 0; event.index < 2; event.index++)
		plain.teller.reporter->class->event(plain.teller.reporter, &event);
	assert_string_equal(plain_text(&plain), "[b same] zero\nPASSED  same [b] 0.02s\n"
						"[b same] one\nPASSED  same [b] 0.02s\n");
	plain_close(&plain);
}

/* --- an fd that does not take it --- */

static struct ff_reporter *reporter_on(int fd)
{
	struct ff_terminal_setup setup = {.writer.fd = fd, .verbosity = 1};

	return ff_terminal_new(&setup);
}

static void test_full_disk(void **state)
{
	int fd = open("/dev/full", O_WRONLY);
	struct teller teller = {.reporter = reporter_on(fd)};
	struct ff_err err = {0};

	tell_started(&teller, 1, 1);
	tell_end(&teller);
	assert_int_equal(teller.reporter->class->finish(teller.reporter, &err), FF_ESYS);
	assert_non_null(strstr(err.text, strerror(ENOSPC)));
	teller.reporter->class->free(teller.reporter);
	close(fd);
}

static void test_reader_gone(void **state)
{
	struct teller teller = {0};
	struct ff_err err = {0};
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	teller.reporter = reporter_on(fds[1]);
	tell_started(&teller, 1, 1);
	close(fds[0]);
	tell_hosts(&teller);
	tell_end(&teller);
	assert_int_equal(teller.reporter->class->finish(teller.reporter, &err), 0);
	assert_true(teller.reporter->class->deserted(teller.reporter));
	teller.reporter->class->free(teller.reporter);
	close(fds[1]);
}

static size_t lines_of(const struct ff_buf *text)
{
	size_t lines = 0;

	for (size_t i = 0; i < text->len; i++)
		lines += ff_buf_data(text)[i] == '\n';
	return lines;
}

/* A pipe that fills up while nobody reads, non-blocking or not: the run goes on, more than enough
 * is told once, and every line arrives in the end. */
static void test_slow_reader(void **state)
{
	for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
		struct teller teller = {0};
		struct ff_buf text = FF_BUF_INIT;
		size_t told = 1;
		int fds[2];

		assert_int_equal(pipe2(fds, flags), 0);
		teller.reporter = reporter_on(fds[1]);
		tell_started(&teller, 1, 1);
		while (!teller.reporter->class->full(teller.reporter)) {
			tell_unit(&teller, "unit", "t.py::a", "popen", "gw0", &passed, 1);
			assert_true(++told < 200000);
		}
		assert_true(told > 20000);
		while (lines_of(&text) < told) {
			struct pollfd pollfd = {.fd = fds[0], .events = POLLIN};
			char chunk[65536];
			ssize_t n;

			poll(&pollfd, 1, -1);
			n = read(fds[0], chunk, sizeof chunk);
			if (n > 0)
				ff_buf_add(&text, chunk, (size_t)n);
		}
		assert_int_equal(lines_of(&text), told);
		assert_false(teller.reporter->class->full(teller.reporter));
		assert_int_equal(teller.reporter->class->finish(teller.reporter, NULL), 0);
		assert_false(teller.reporter->class->deserted(teller.reporter));
		teller.reporter->class->free(teller.reporter);
		close(fds[0]);
		close(fds[1]);
		ff_buf_release(&text);
	}
}

/* After a second Ctrl-C nobody waits for a reader that has stopped. */
static void test_abandoned(void **state)
{
	struct teller teller = {0};
	struct ff_err err = {0};
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	teller.reporter = reporter_on(fds[1]);
	tell_started(&teller, 1, 1);
	while (!teller.reporter->class->full(teller.reporter))
		tell_unit(&teller, "unit", "t.py::a", "popen", "gw0", &passed, 1);
	teller.reporter->class->abandon(teller.reporter);
	assert_int_equal(teller.reporter->class->finish(teller.reporter, &err), 0);
	teller.reporter->class->free(teller.reporter);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verbosities),
		cmocka_unit_test(test_ascii),
		cmocka_unit_test(test_colour),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_progress),
		cmocka_unit_test(test_many_commands),
		cmocka_unit_test(test_many_hosts),
		cmocka_unit_test(test_bounded_failures),
		cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_nothing_ran),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_reader_gone),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_abandoned),
		cmocka_unit_test(test_hosts_go_and_come),
		cmocka_unit_test(test_unusable_host),
		cmocka_unit_test(test_unfit_host),
		cmocka_unit_test(test_host_takes_workers),
		cmocka_unit_test(test_not_run),
		cmocka_unit_test(test_lost_without_time),
		cmocka_unit_test(test_lost_by_name),
		cmocka_unit_test(test_same_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

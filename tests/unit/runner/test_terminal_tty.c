/* The terminal reporter on a tty: a small terminal at the other end of a pty keeps the screen, so
 * that what a person would see is compared, whatever sequences drew it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "report/terminal.h"
#include "tell.h"

enum { LINES = 400, COLUMNS = 200 };

struct tty {
	struct teller teller;
	int master, slave;
	int64_t now_us; /* the ticks' clock */
	unsigned columns;
	char cells[LINES][COLUMNS][5]; /* one character each; all that was ever on the screen */
	int row, column, writes;
	bool wrapped, hidden;
	struct ff_buf raw;
	char text[LINES * COLUMNS * 4];
};

/* --- the terminal --- */

static void escape(struct tty *tty, const char *params, char final)
{
	int n = *params ? atoi(params) : 1;

	switch (final) {
	case 'A':
		tty->row -= n;
		assert_true(tty->row >= 0);
		break;
	case 'J':
		assert_string_equal(params, "");
		memset(&tty->cells[tty->row][tty->column], 0,
		       sizeof tty->cells[0][0] * (size_t)(COLUMNS - tty->column));
		memset(tty->cells[tty->row + 1], 0,
		       sizeof tty->cells[0] * (size_t)(LINES - tty->row - 1));
		break;
	case 'm':
		break;
	default:
		fail_msg("an unknown sequence: ESC [ %s %c", params, final);
	}
}

static const char *put_one(struct tty *tty, const char *p)
{
	size_t len = 1;

	if (*p == '\r') {
		tty->column = 0;
	} else if (*p == '\n') {
		assert_true(++tty->row < LINES);
	} else if (*p == '\033') {
		char params[32];
		size_t digits = strspn(p + 2, "0123456789;");

		assert_int_equal(p[1], '[');
		snprintf(params, sizeof params, "%.*s", (int)digits, p + 2);
		escape(tty, params, p[2 + digits]);
		len = 3 + digits;
	} else {
		assert_true((unsigned char)*p >= ' ');
		while (((unsigned char)p[len] & 0xc0) == 0x80)
			len++;
		if (tty->column >= (int)tty->columns)
			tty->wrapped = true;
		assert_true(tty->column < COLUMNS && len < 5);
		memset(tty->cells[tty->row][tty->column], 0, 5);
		memcpy(tty->cells[tty->row][tty->column++], p, len);
	}
	return p + len;
}

/* Takes what the reporter wrote so far: up to a mark that is sent through behind it. */
static void take(struct tty *tty)
{
	static const char mark = '\005';
	const char *p;

	ff_buf_clear(&tty->raw);
	assert_int_equal(
		ff_writer_finish(((struct ff_terminal *)tty->teller.reporter)->screen.writer), 0);
	assert_int_equal(write(tty->slave, &mark, 1), 1);
	while (tty->raw.len == 0 || ff_buf_data(&tty->raw)[tty->raw.len - 1] != mark) {
		struct pollfd pollfd = {.fd = tty->master, .events = POLLIN};
		char chunk[4096];
		ssize_t n;

		assert_int_equal(poll(&pollfd, 1, 10000), 1);
		n = read(tty->master, chunk, sizeof chunk);
		assert_true(n > 0);
		ff_buf_add(&tty->raw, chunk, (size_t)n);
	}
	tty->raw.len--;
	for (p = ff_buf_str(&tty->raw); *p;)
		p = put_one(tty, p);
}

/* The lines of the screen, without what follows the last one that has something. */
static const char *screen(struct tty *tty)
{
	size_t at = 0;

	take(tty);
	for (int row = 0; row < LINES; row++) {
		size_t end = at;

		for (int column = 0; column < COLUMNS; column++) {
			const char *cell = tty->cells[row][column];

			at += (size_t)sprintf(tty->text + at, "%s", *cell ? cell : " ");
			if (*cell && *cell != ' ')
				end = at;
		}
		at = end;
		tty->text[at++] = '\n';
	}
	while (at > 0 && tty->text[at - 1] == '\n')
		at--;
	strcpy(tty->text + at, at > 0 ? "\n" : "");
	return tty->text;
}

static void resize(struct tty *tty, unsigned columns, unsigned rows)
{
	struct winsize size = {.ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows};

	tty->columns = columns;
	assert_int_equal(ioctl(tty->slave, TIOCSWINSZ, &size), 0);
}

static void open_tty(struct tty *tty, const char *locale, bool colour)
{
	struct ff_terminal_setup setup = {.tty = true, .colour = colour};

	memset(tty, 0, sizeof *tty);
	assert_int_equal(openpty(&tty->master, &tty->slave, NULL, NULL, NULL), 0);
	resize(tty, 80, 24);
	setenv("LC_ALL", locale, 1);
	setup.writer.fd = tty->slave;
	tty->teller.reporter = ff_terminal_new(&setup);
	tty->now_us = 5000 MS;
}

static void close_tty(struct tty *tty)
{
	tty->teller.reporter->class->free(tty->teller.reporter);
	close(tty->master);
	close(tty->slave);
	ff_buf_release(&tty->raw);
}

static void tick(struct tty *tty, int64_t after_us)
{
	tty->now_us += after_us;
	tty->teller.reporter->class->tick(tty->teller.reporter, tty->now_us);
}

static void finish(struct tty *tty)
{
	struct ff_err err = {0};

	assert_int_equal(tty->teller.reporter->class->finish(tty->teller.reporter, &err), 0);
}

#define STARTED "farflung 0.1.0 - run 20261120-080000-4f3a - 2 hosts, 4 slots, 1 job\n"
#define FAILED	"FAILED  t.py::a [build1 gw3] 0.12s - AssertionError: assert 1 == 2\n"

static struct tty tty;

static void test_block(void **state)
{
	struct teller *t = &tty.teller;

	open_tty(&tty, "C", false);
	tick(&tty, 0); /* nothing is known yet */
	assert_string_equal(screen(&tty), "");
	tell_started(t, 2, 1);
	assert_string_equal(screen(&tty), STARTED);
	tick(&tty, 100 MS);
	assert_string_equal(screen(&tty), STARTED "0 of 2 hosts ready - 0.0s\n");
	tell_job(t, "unit", "pytest", 4);
	assert_string_equal(screen(&tty), STARTED "0 of 2 hosts ready - 0.0s\n");
	tick(&tty, 1000 MS);
	assert_string_equal(screen(&tty), STARTED "job unit: 4 tests collected\n"
						  "[>                   ] 0/4 0% - 1.0s\n");
	tell_unit_started(t, "unit", "t.py::a", "build1", "gw3");
	tell_unit_started(t, "unit", "t.py::b", "build1", "gw2");
	tick(&tty, 1000 MS);
	assert_string_equal(screen(&tty), STARTED "job unit: 4 tests collected\n"
						  "[>                   ] 0/4 0% - 2.0s\n"
						  "   2.0s t.py::a [build1 gw3]\n"
						  "   2.0s t.py::b [build1 gw2]\n");
	tell_unit(t, "unit", "t.py::a", "build1", "gw3", &failed, 1);
	tick(&tty, 1000 MS);
	assert_string_equal(screen(&tty),
			    STARTED "job unit: 4 tests collected\n" FAILED
				    "[=====>              ] 1/4 25% - 1 failed - 3.0s - ETA 9s\n"
				    "   3.0s t.py::b [build1 gw2]\n");
	tell_end(t);
	finish(&tty);
	assert_null(strstr(screen(&tty), "ETA"));
	assert_memory_equal(tty.text, STARTED "job unit: 4 tests collected\n" FAILED "\n=",
			    strlen(STARTED "job unit: 4 tests collected\n" FAILED "\n="));
	assert_int_equal(tty.column, 0);
	tick(&tty, 1000 MS); /* nothing is drawn any more */
	take(&tty);
	assert_int_equal(tty.raw.len, 0);
	assert_false(tty.wrapped);
	close_tty(&tty);
}

/* A line while the block is drawn: one frame takes the block away, writes, and draws it again. */
static void test_frame(void **state)
{
	open_tty(&tty, "C.UTF-8", true);
	tell_started(&tty.teller, 1, 1);
	tell_unit_started(&tty.teller, "unit", "t.py::a", "build1", "gw3");
	tick(&tty, 100 MS);
	take(&tty);
	tell_notice(&tty.teller, "note", "hello");
	take(&tty);
	assert_int_equal(tty.raw.len, 0);
	tick(&tty, 100 MS);
	take(&tty);
	assert_string_equal(ff_buf_str(&tty.raw),
			    "\r\033[1A\033[J\033[34mnote:\033[0m hello\r\n"
			    "0 of 1 hosts ready · 0.1s\r\n   0.1s t.py::a [build1 gw3]");
	tick(&tty, 50 MS); /* too early for another frame */
	take(&tty);
	assert_int_equal(tty.raw.len, 0);
	tell_notice(&tty.teller, "note", "late");
	finish(&tty);
	take(&tty);
	assert_string_equal(ff_buf_str(&tty.raw), "\r\033[1A\033[J\033[34mnote:\033[0m late\r\n");
	close_tty(&tty);
}

static void test_many_units(void **state)
{
	char unit[64];

	open_tty(&tty, "C", false);
	tell_started(&tty.teller, 0, 1);
	tell_job(&tty.teller, "unit", "pytest", 100);
	for (int i = 0; i < 12; i++) {
		snprintf(unit, sizeof unit, "t.py::t%d", i);
		tell_unit_started(&tty.teller, "unit", unit, "build1", "gw3");
	}
	tell_unit(&tty.teller, "unit", "t.py::t2", "build1", "gw3", &passed, 1);
	tick(&tty, 100 MS);
	assert_non_null(strstr(screen(&tty), "\n[>                   ] 1/100 1% - "));
	assert_non_null(strstr(tty.text, "   0.1s t.py::t0 [build1 gw3]\n"
					 "   0.1s t.py::t1 [build1 gw3]\n"
					 "   0.1s t.py::t3 [build1 gw3]\n"));
	assert_non_null(strstr(tty.text, "   0.0s t.py::t8 [build1 gw3]\n        +3 more\n"));
	/* Its host dies: they run no more. */
	tty.teller.event.host = "build1";
	tell(&tty.teller, FF_EVENT_HOST_LOST);
	tick(&tty, 100 MS);
	assert_null(strstr(screen(&tty), "t.py"));
	finish(&tty);
	close_tty(&tty);
}

/* Lines are cut to the window, between characters, and never wrap. */
static void test_narrow(void **state)
{
	open_tty(&tty, "C.UTF-8", true);
	resize(&tty, 24, 24);
	tell_started(&tty.teller, 0, 1);
	tell_job(&tty.teller, "unit", "pytest", 4);
	tell_unit_started(&tty.teller, "unit", "é€é€é€é€é€é€é€é€é€é€", "build1", "gw3");
	tell_unit_started(&tty.teller, "unit",
			  "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac"
			  "\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5",
			  "build1", "gw3");
	tell_unit_started(&tty.teller, "unit", "exactly 15 wide", NULL, NULL);
	take(&tty);
	tty.row = tty.column = 0;
	memset(tty.cells, 0, sizeof tty.cells);
	tty.wrapped = false;
	tick(&tty, 100 MS);
	assert_string_equal(screen(&tty), "[>                   ]…\n"
					  "   0.0s é€é€é€é€é€é€é€…\n"
					  "   0.0s 日本語日本語日…\n"
					  "   0.0s exactly 15 wide\n");
	assert_false(tty.wrapped);
	finish(&tty);
	assert_string_equal(screen(&tty), "");
	close_tty(&tty);
}

static void test_resize(void **state)
{
	open_tty(&tty, "C", false);
	tell_started(&tty.teller, 0, 1);
	tell_job(&tty.teller, "unit", "pytest", 4);
	for (int i = 0; i < 10; i++) {
		char unit[32];

		snprintf(unit, sizeof unit, "t.py::t%d", i);
		tell_unit_started(&tty.teller, "unit", unit, "build1", "gw3");
	}
	tick(&tty, 100 MS);
	assert_non_null(strstr(screen(&tty), "t.py::t7"));
	/* Lower: fewer rows; the permanent lines stay. */
	resize(&tty, 80, 5);
	tick(&tty, 100 MS);
	assert_memory_equal(screen(&tty), "farflung", 8);
	assert_non_null(strstr(tty.text, "4 tests collected\n[>"));
	assert_non_null(strstr(tty.text, "t.py::t1 [build1 gw3]\n        +8 more\n"));
	assert_null(strstr(tty.text, "t.py::t2"));
	resize(&tty, 80, 1);
	tick(&tty, 100 MS);
	assert_null(strstr(screen(&tty), "t.py"));
	assert_non_null(strstr(tty.text, "4 tests collected\n[>"));
	/* Narrower and wider again. */
	resize(&tty, 10, 24);
	tick(&tty, 100 MS);
	assert_non_null(strstr(screen(&tty), "4 tests collected\n[>    ...\n"));
	resize(&tty, 100, 24);
	tick(&tty, 100 MS);
	assert_non_null(
		strstr(screen(&tty), "4 tests collected\n[>                   ] 0/4 0% - "));
	resize(&tty, 1, 1);
	tick(&tty, 100 MS);
	finish(&tty);
	assert_string_equal(strstr(screen(&tty), "job unit"), "job unit: 4 tests collected\n");
	close_tty(&tty);
}

static void test_quiet(void **state)
{
	struct ff_terminal_setup setup = {.tty = true, .verbosity = -1};

	open_tty(&tty, "C", false);
	tty.teller.reporter->class->free(tty.teller.reporter);
	setup.writer.fd = tty.slave;
	tty.teller.reporter = ff_terminal_new(&setup);
	tell_started(&tty.teller, 0, 1);
	tell_job(&tty.teller, "unit", "pytest", 4);
	tick(&tty, 100 MS);
	finish(&tty);
	assert_string_equal(screen(&tty), "");
	close_tty(&tty);
}

static void test_interrupt_shows_at_once(void **state)
{
	open_tty(&tty, "C", false);
	tell_started(&tty.teller, 0, 1);
	tell_unit_started(&tty.teller, "unit", "t.py::a", "build1", "gw3");
	tick(&tty, 100 MS);
	tty.teller.event.u.interrupted.times = 1;
	tell(&tty.teller, FF_EVENT_INTERRUPTED);
	assert_non_null(
		strstr(screen(&tty), "interrupted: waiting for 1 running unit (again to kill it)"));
	assert_null(strstr(tty.text, "t.py::a"));
	tick(&tty, 100 MS);
	assert_non_null(strstr(screen(&tty), "\nstopping - "));
	assert_non_null(strstr(tty.text, "t.py::a"));
	finish(&tty);
	close_tty(&tty);
}

/* The window is closed: nothing more is drawn, and that is no error of the run. */
static void test_hang_up(void **state)
{
	open_tty(&tty, "C", false);
	tell_started(&tty.teller, 0, 1);
	close(tty.master);
	tty.master = -1;
	tick(&tty, 100 MS);
	tell_end(&tty.teller);
	finish(&tty);
	close_tty(&tty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_block),
		cmocka_unit_test(test_frame),
		cmocka_unit_test(test_many_units),
		cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_resize),
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_interrupt_shows_at_once),
		cmocka_unit_test(test_hang_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

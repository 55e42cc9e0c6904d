/* The terminal reporter beside a front: whose the terminal is, and the front's text among ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "report/terminal.h"
#include "tell.h"

struct plain {
	struct teller teller;
	FILE *file;
	char text[8192];
};

static void begin(struct plain *plain, bool front, uint32_t jobs)
{
	struct ff_terminal_setup setup = {.front = front};

	setenv("LC_ALL", "C.UTF-8", 1);
	*plain = (struct plain){.file = tmpfile()};
	assert_non_null(plain->file);
	setup.writer.fd = fileno(plain->file);
	plain->teller.reporter = ff_terminal_new(&setup);
	plain->teller.event.time_us = START_US;
	tell_started(&plain->teller, 1, jobs);
	plain->teller.event.host = "h";
	plain->teller.event.u.host_ready.slots = 2;
	tell(&plain->teller, FF_EVENT_HOST_READY);
}

/* All that was written so far. */
static const char *text_of(struct plain *plain)
{
	struct ff_err err = {0};
	ssize_t len;

	assert_int_equal(plain->teller.reporter->class->finish(plain->teller.reporter, &err), 0);
	len = pread(fileno(plain->file), plain->text, sizeof(plain->text) - 1, 0);
	assert_true(len >= 0);
	plain->text[len] = '\0';
	return plain->text;
}

static void end(struct plain *plain)
{
	plain->teller.reporter->class->free(plain->teller.reporter);
	fclose(plain->file);
}

static void tell_front(struct plain *plain, const char *job, enum ff_event_kind kind)
{
	plain->teller.event.job = job;
	tell(&plain->teller, kind);
}

static void fail_a_unit(struct plain *plain, const char *job)
{
	tell_unit_started(&plain->teller, job, "test_a", "h", "gw0");
	tell_unit(&plain->teller, job, "test_a", "h", "gw0", &failed, 1);
}

static void finish_front(struct plain *plain, const char *job, const char *error)
{
	plain->teller.event.u.front_finished.error = error;
	tell_front(plain, job, FF_EVENT_FRONT_FINISHED);
	plain->teller.event.u.run_finished.reason = "1 failed";
	plain->teller.event.u.run_finished.counts.by_outcome[FF_OUTCOME_FAILED] = 1;
	tell(&plain->teller, FF_EVENT_RUN_FINISHED);
}

static void test_silent_beside_it(void **state)
{
	struct plain plain;

	begin(&plain, true, 1);
	tell_front(&plain, "unit", FF_EVENT_FRONT_STARTED);
	tell_job(&plain.teller, "unit", "pytest", 3);
	fail_a_unit(&plain, "unit");
	finish_front(&plain, "unit", NULL);
	assert_string_equal(text_of(&plain), "");
	end(&plain);
}

/* Nothing is lost of what was said before it was known that there is none. */
static void test_held_until_it_is_known(void **state)
{
	struct plain plain;
	const char *text;

	begin(&plain, true, 1);
	assert_true(ftell(plain.file) == 0 && lseek(fileno(plain.file), 0, SEEK_END) == 0);
	plain.teller.event.host = "h";
	plain.teller.event.worker = "gw0";
	plain.teller.event.u.worker_started.words = "Python 3";
	tell(&plain.teller, FF_EVENT_WORKER_STARTED);
	text = text_of(&plain);
	assert_int_equal(strncmp(text, "farflung 0.1.0", 14), 0);
	assert_non_null(strstr(text, "host h: "));
	assert_non_null(strstr(text, "Python 3"));
	end(&plain);
}

/* What it would have told of units is ours to tell. */
static void test_told_after_all_when_it_died(void **state)
{
	struct plain plain;
	const char *text;

	begin(&plain, true, 1);
	tell_front(&plain, "unit", FF_EVENT_FRONT_STARTED);
	fail_a_unit(&plain, "unit");
	finish_front(&plain, "unit", "it died");
	text = text_of(&plain);
	assert_non_null(strstr(text, "failures"));
	assert_non_null(strstr(text, "test_a"));
	assert_non_null(strstr(text, "1 failed"));
	end(&plain);
}

static void say(struct plain *plain, const char *job, const char *text)
{
	plain->teller.event.u.front_text.text = text;
	tell_front(plain, job, FF_EVENT_FRONT_TEXT);
}

/* Of two jobs: whole lines, each with its job's name; ours says less of them. */
static void test_text_among_ours(void **state)
{
	struct plain plain;
	const char *text;

	begin(&plain, false, 2);
	tell_front(&plain, "a", FF_EVENT_FRONT_STARTED);
	tell_front(&plain, "b", FF_EVENT_FRONT_STARTED);
	say(&plain, "a", "..");
	say(&plain, "b", "begins\n\nand");
	say(&plain, "a", "F\nmore");
	fail_a_unit(&plain, "a");
	finish_front(&plain, "a", NULL);
	text = text_of(&plain);
	assert_non_null(strstr(text, "[b] begins\n\n[a] ..F\n[a] more\n"));
	assert_null(strstr(text, "[b] and")); /* it goes on */
	assert_null(strstr(text, "test_a"));
	end(&plain);
	/* Without its own end, its failures are shown. */
	begin(&plain, false, 2);
	tell_front(&plain, "a", FF_EVENT_FRONT_STARTED);
	fail_a_unit(&plain, "a");
	finish_front(&plain, "a", "it died");
	assert_non_null(strstr(text_of(&plain), "test_a"));
	end(&plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silent_beside_it),
		cmocka_unit_test(test_held_until_it_is_known),
		cmocka_unit_test(test_told_after_all_when_it_died),
		cmocka_unit_test(test_text_among_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

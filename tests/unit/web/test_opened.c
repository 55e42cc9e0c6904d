/* A run that is looked at while its journal grows: by a thread of its own, for as long as anybody
 * looks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "web/opened.h"

enum { PATIENCE = 1000 }; /* looks of 10 ms each */

static const char began[] =
	"\"run-started\",\"run\":\"r\",\"version\":\"0\",\"config\":\"f.yaml\",\"command\":\"run\","
	"\"directory\":\"/\",\"hosts\":1,\"slots\":1,\"jobs\":1,\"machine\":\"m\",\"pid\":1";
static const char more[] = "\"host-added\",\"host\":\"h\",\"spec\":\"popen\",\"slots\":1";

struct journal {
	char folder[32], *path;
	int fd; /* as a run that goes on has it: locked */
	unsigned seq;
	struct ff_opened *run;
};

static void say(struct journal *journal, const char *event)
{
	char *line =
		ff_xasprintf("{\"seq\":%u,\"time\":\"2026-01-02T03:04:05.000000Z\",\"event\":%s}\n",
			     ++journal->seq, event);

	assert_int_equal(write(journal->fd, line, strlen(line)), strlen(line));
	ff_free(line);
}

static int set_up(void **state)
{
	struct journal *journal = ff_xcalloc(1, sizeof(*journal));
	struct ff_err err = {0};

	strcpy(journal->folder, "/tmp/ff-opened-XXXXXX");
	assert_non_null(mkdtemp(journal->folder));
	journal->path = ff_xasprintf("%s/journal.jsonl", journal->folder);
	journal->fd = open(journal->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(journal->fd >= 0 && flock(journal->fd, LOCK_EX) == 0);
	say(journal, began);
	journal->run = ff_opened_new(journal->path, &err);
	assert_non_null(journal->run);
	*state = journal;
	return 0;
}

static int tear_down(void **state)
{
	struct journal *journal = *state;

	ff_clock_fake(NULL, NULL);
	ff_opened_free(journal->run);
	if (journal->fd >= 0)
		close(journal->fd);
	unlink(journal->path);
	rmdir(journal->folder);
	ff_free(journal->path);
	ff_free(journal);
	return 0;
}

static void wait_10_ms(void)
{
	const struct timespec nap = {.tv_nsec = 10000000};

	nanosleep(&nap, NULL);
}

static struct ff_opened_place peek(struct journal *journal, bool now)
{
	struct ff_opened_place place = {0};
	struct ff_err err = {0};

	assert_int_equal(ff_opened_peek(journal->run, now, &place, &err), 0);
	return place;
}

/* Until its thread has come to the end. */
static void follow(struct journal *journal, uint64_t seq)
{
	for (int i = 0; i < PATIENCE; i++, wait_10_ms())
		if (peek(journal, false).seq == seq && !peek(journal, false).behind)
			return;
	fail_msg("event %u was not read", (unsigned)seq);
}

static void test_it_follows(void **state)
{
	struct journal *journal = *state;

	follow(journal, 1);
	assert_false(peek(journal, false).over);
	say(journal, more);
	follow(journal, 2);
	assert_false(peek(journal, false).over);
}

static void test_the_last_word_is_read_at_once(void **state)
{
	struct journal *journal = *state;

	follow(journal, 1);
	say(journal, more);
	assert_int_equal(peek(journal, true).seq, 2);
	assert_false(peek(journal, true).over);
	/* It was killed: without an event that says so. */
	say(journal, more);
	close(journal->fd);
	journal->fd = -1;
	assert_true(peek(journal, true).over);
	assert_int_equal(peek(journal, false).seq, 3);
	assert_true(peek(journal, false).over);
}

static void test_a_question_to_a_run_that_is_over_gets_all(void **state)
{
	struct journal *journal = *state;
	struct ff_err err = {0};

	follow(journal, 1);
	say(journal, more);
	close(journal->fd);
	journal->fd = -1;
	assert_int_equal(ff_opened_lock(journal->run, &err), 0);
	assert_int_equal(ff_opened_model(journal->run)->seq, 2);
	ff_opened_unlock(journal->run);
}

static int64_t much_later(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return ((int64_t)now.tv_sec + 3600) * FF_SECOND_US;
}

static void test_nobody_looks_for_long(void **state)
{
	struct journal *journal = *state;
	struct ff_err err = {0};

	follow(journal, 1);
	ff_clock_fake(much_later, NULL);
	/* Its thread looks once more in that time, and leaves it at that. */
	for (int i = 0; i < 100; i++)
		wait_10_ms();
	say(journal, more);
	for (int i = 0; i < 60; i++)
		wait_10_ms();
	assert_int_equal(ff_opened_lock(journal->run, &err), 0);
	assert_int_equal(ff_opened_model(journal->run)->seq, 2);
	ff_opened_unlock(journal->run);
	say(journal, more);
	follow(journal, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_it_follows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_last_word_is_read_at_once, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_question_to_a_run_that_is_over_gets_all,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nobody_looks_for_long, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The writer: nothing is lost, nobody waits, what is live is replaced; fast, slow, stopped and gone
 * readers. The same program runs under ThreadSanitizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "report/writer.h"

struct rig {
	int fds[2];
	struct ff_writer *writer;
	sem_t woken;
	struct ff_buf text;
};

static void woken(void *ctx)
{
	sem_post(&((struct rig *)ctx)->woken);
}

static void rig_open(struct rig *rig, int flags)
{
	struct ff_writer_opts opts = {.wake = woken, .ctx = rig};

	*rig = (struct rig){0};
	assert_int_equal(pipe2(rig->fds, O_CLOEXEC | flags), 0);
	sem_init(&rig->woken, 0, 0);
	opts.fd = rig->fds[1];
	rig->writer = ff_writer_new(&opts);
}

static void rig_close(struct rig *rig)
{
	ff_writer_free(rig->writer);
	if (rig->fds[0] >= 0)
		close(rig->fds[0]);
	close(rig->fds[1]);
	sem_destroy(&rig->woken);
	ff_buf_release(&rig->text);
}

static void put(struct rig *rig, const char *text)
{
	ff_writer_put(rig->writer, text, strlen(text), NULL);
}

static void put_live(struct rig *rig, const char *text, const char *live, const char *undo)
{
	struct ff_writer_live is = {live, strlen(live), undo};

	ff_writer_put(rig->writer, text, strlen(text), &is);
}

/* Reads until there are `len` bytes, or the end. */
static const char *take(struct rig *rig, size_t len)
{
	while (rig->text.len < len) {
		char chunk[65536];
		size_t want = len - rig->text.len;
		ssize_t n = read(rig->fds[0], chunk, want < sizeof chunk ? want : sizeof chunk);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd pollfd = {.fd = rig->fds[0], .events = POLLIN};

			poll(&pollfd, 1, -1);
			continue;
		}
		if (n <= 0)
			break;
		ff_buf_add(&rig->text, chunk, (size_t)n);
	}
	return ff_buf_str(&rig->text);
}

/* Puts text until the pipe takes no more: the thread hangs in its write. */
static size_t fill(struct rig *rig)
{
	static char line[1024];
	size_t put_bytes = 0;
	int room = fcntl(rig->fds[1], F_GETPIPE_SZ);

	memset(line, 'x', sizeof line);
	while (put_bytes < (size_t)room + sizeof line) {
		ff_writer_put(rig->writer, line, sizeof line, NULL);
		put_bytes += sizeof line;
	}
	return put_bytes;
}

/* What follows once all is written. */
static const char *take_rest(struct rig *rig)
{
	assert_int_equal(ff_writer_finish(rig->writer), 0);
	ff_writer_free(rig->writer);
	rig->writer = NULL;
	close(rig->fds[1]);
	rig->fds[1] = dup(STDERR_FILENO);
	ff_buf_clear(&rig->text);
	return take(rig, SIZE_MAX);
}

static void test_order(void **state)
{
	struct rig rig;

	rig_open(&rig, 0);
	assert_false(ff_writer_busy(rig.writer));
	assert_int_equal(ff_writer_finish(rig.writer), 0); /* nothing was put */
	put(&rig, "one\n");
	put(&rig, "");
	put(&rig, "two\n");
	assert_int_equal(ff_writer_finish(rig.writer), 0);
	assert_false(ff_writer_busy(rig.writer));
	put(&rig, "three\n");
	assert_int_equal(ff_writer_finish(rig.writer), 0);
	assert_string_equal(take(&rig, 14), "one\ntwo\nthree\n");
	rig_close(&rig);
}

static void test_live(void **state)
{
	struct rig rig;

	rig_open(&rig, 0);
	put_live(&rig, "a\n", "[1]", "<1");
	assert_int_equal(ff_writer_finish(rig.writer), 0);
	put_live(&rig, "", "[2]", "<2");
	assert_int_equal(ff_writer_finish(rig.writer), 0);
	put(&rig, "b\n"); /* none from here on */
	assert_int_equal(ff_writer_finish(rig.writer), 0);
	put(&rig, "c\n");
	assert_string_equal(take_rest(&rig), "a\n[1]<1[2]<2b\nc\n");
	rig_close(&rig);
}

/* While the reader is stopped, only the newest live text waits; all final text does. */
static void test_live_is_replaced(void **state)
{
	struct rig rig;
	int lives = 0, lines = 0;
	const char *rest;
	char text[32];
	size_t filled;

	rig_open(&rig, 0);
	put_live(&rig, "", "[0]", "<0");
	assert_int_equal(ff_writer_finish(rig.writer), 0);
	filled = fill(&rig);
	for (int i = 1; i <= 1000; i++) {
		snprintf(text, sizeof text, "[%d]", i);
		put_live(&rig, i % 500 == 0 ? "line\n" : "", text, "<n");
	}
	take(&rig, 3 + 2 + filled);
	rest = take_rest(&rig);
	for (const char *p = rest; *p; p++) {
		lives += *p == '[';
		lines += *p == '\n';
	}
	/* The frame that hung may have had one of its own. */
	assert_true(lives <= 2);
	assert_int_equal(lines, 2);
	assert_string_equal(strstr(rest, "[1000]"), "[1000]");
	rig_close(&rig);
}

/* Nobody reads: putting returns, `full` says so, and once all is read `wake` was called. */
static void test_full(void **state)
{
	struct rig rig;
	static char text[100000];
	size_t total = 0;

	rig_open(&rig, 0);
	memset(text, 'x', sizeof text);
	assert_false(ff_writer_full(rig.writer));
	while (!ff_writer_full(rig.writer)) {
		ff_writer_put(rig.writer, text, sizeof text, NULL);
		total += sizeof text;
		assert_true(total < 4 * FF_WRITER_FULL);
	}
	assert_true(total > FF_WRITER_FULL);
	ff_writer_put(rig.writer, text, sizeof text, NULL); /* taken all the same */
	total += sizeof text;
	assert_int_equal(sem_trywait(&rig.woken), -1);
	/* More than half must be read first. */
	take(&rig, FF_WRITER_FULL / 4);
	assert_int_equal(sem_trywait(&rig.woken), -1);
	take(&rig, total);
	assert_int_equal(rig.text.len, total);
	assert_int_equal(sem_wait(&rig.woken), 0);
	assert_int_equal(ff_writer_finish(rig.writer), 0);
	assert_int_equal(sem_trywait(&rig.woken), -1); /* once */
	assert_false(ff_writer_full(rig.writer));
	rig_close(&rig);
}

/* A non-blocking descriptor: it is shared with somebody, and waited for. */
static void test_nonblocking(void **state)
{
	struct rig rig;
	size_t filled;

	rig_open(&rig, O_NONBLOCK);
	filled = fill(&rig);
	take(&rig, filled);
	assert_int_equal(rig.text.len, filled);
	assert_int_equal(ff_writer_finish(rig.writer), 0);
	rig_close(&rig);
}

static void test_reader_gone(void **state)
{
	struct rig rig;
	size_t filled;

	/* SIGPIPE has its default action: it must not come. */
	rig_open(&rig, 0);
	filled = fill(&rig);
	assert_true(filled > 0);
	assert_true(ff_writer_busy(rig.writer));
	close(rig.fds[0]);
	rig.fds[0] = -1;
	assert_int_equal(ff_writer_finish(rig.writer), EPIPE);
	assert_int_equal(ff_writer_error(rig.writer), EPIPE);
	while (!ff_writer_full(rig.writer) && filled < 2 * FF_WRITER_FULL)
		filled += fill(&rig);
	assert_false(ff_writer_full(rig.writer)); /* dropped */
	assert_int_equal(ff_writer_finish(rig.writer), EPIPE);
	rig_close(&rig);
}

/* One that was full and whose reader goes away wakes, too. */
static void test_reader_gone_wakes(void **state)
{
	struct rig rig;

	rig_open(&rig, 0);
	while (!ff_writer_full(rig.writer))
		fill(&rig);
	close(rig.fds[0]);
	rig.fds[0] = -1;
	assert_int_equal(sem_wait(&rig.woken), 0);
	assert_false(ff_writer_full(rig.writer));
	rig_close(&rig);
}

static void test_full_disk(void **state)
{
	struct ff_writer_opts opts = {.fd = open("/dev/full", O_WRONLY | O_CLOEXEC)};
	struct ff_writer *writer = ff_writer_new(&opts);

	ff_writer_put(writer, "x", 1, NULL);
	assert_int_equal(ff_writer_finish(writer), ENOSPC);
	ff_writer_free(writer);
	close(opts.fd);
}

static void test_abandon(void **state)
{
	struct rig rig;

	/* Idle: nothing is lost by it. */
	rig_open(&rig, 0);
	put(&rig, "x");
	assert_int_equal(ff_writer_finish(rig.writer), 0);
	ff_writer_abandon(rig.writer);
	assert_int_equal(ff_writer_finish(rig.writer), 0);
	put(&rig, "y");
	assert_int_equal(ff_writer_finish(rig.writer), ECANCELED);
	rig_close(&rig);
	/* Stopped. */
	rig_open(&rig, 0);
	fill(&rig);
	ff_writer_abandon(rig.writer);
	assert_int_equal(ff_writer_finish(rig.writer), ECANCELED);
	rig_close(&rig);
	/* Never started, never finished. */
	rig_open(&rig, 0);
	rig_close(&rig);
	rig_open(&rig, 0);
	fill(&rig);
	rig_close(&rig);
	ff_writer_free(NULL);
}

/* What comes soon after something was written is written together; the end waits for nothing. */
static void test_linger(void **state)
{
	struct ff_writer_opts opts = {.linger_us = 1000 * FF_SECOND_US};
	struct rig rig = {0};
	char got[16];

	assert_int_equal(pipe2(rig.fds, O_CLOEXEC | O_DIRECT), 0); /* a read for each write */
	opts.fd = rig.fds[1];
	rig.writer = ff_writer_new(&opts);
	sem_init(&rig.woken, 0, 0);
	put(&rig, "one");
	assert_int_equal(read(rig.fds[0], got, sizeof got), 3);
	put(&rig, "two");
	put(&rig, "three");
	assert_true(ff_writer_busy(rig.writer));
	assert_int_equal(ff_writer_finish(rig.writer), 0);
	assert_int_equal(read(rig.fds[0], got, sizeof got), 8);
	assert_memory_equal(got, "twothree", 8);
	put(&rig, "four"); /* it lingers again: who frees it waits for nothing, too */
	rig_close(&rig);
}

/* Ctrl-S, and Ctrl-Q. */
static void test_stopped_tty(void **state)
{
	struct rig rig;
	int master, slave;
	struct termios raw;

	for (int again = 0; again < 2; again++) {
		struct ff_writer_opts opts;

		assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
		tcgetattr(slave, &raw);
		cfmakeraw(&raw);
		tcsetattr(slave, TCSANOW, &raw);
		rig = (struct rig){.fds = {master, slave}};
		sem_init(&rig.woken, 0, 0);
		opts = (struct ff_writer_opts){.fd = slave, .wake = woken, .ctx = &rig};
		rig.writer = ff_writer_new(&opts);
		assert_int_equal(tcflow(slave, TCOOFF), 0);
		put(&rig, "waits");
		assert_true(ff_writer_busy(rig.writer));
		if (again) {
			tcflow(slave, TCOON);
			assert_string_equal(take(&rig, 5), "waits");
			assert_int_equal(ff_writer_finish(rig.writer), 0);
		} else {
			ff_writer_abandon(rig.writer);
			assert_int_equal(ff_writer_finish(rig.writer), ECANCELED);
		}
		rig_close(&rig);
	}
}

static struct rig *interrupted;

static void on_signal(int signo)
{
	ff_writer_abandon(interrupted->writer);
}

static void *interrupt(void *ctx)
{
	const pthread_t *thread = ctx;

	pthread_kill(*thread, SIGUSR1);
	return NULL;
}

/* A signal handler abandons it while finish waits, or just before. */
static void test_abandon_from_signal(void **state)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	pthread_t self = pthread_self(), thread;
	struct rig rig;

	sigaction(SIGUSR1, &action, NULL);
	for (int i = 0; i < 50; i++) {
		rig_open(&rig, 0);
		interrupted = &rig;
		fill(&rig);
		assert_int_equal(pthread_create(&thread, NULL, interrupt, &self), 0);
		assert_int_equal(ff_writer_finish(rig.writer), ECANCELED);
		pthread_join(thread, NULL);
		rig_close(&rig);
	}
	signal(SIGUSR1, SIG_DFL);
}

struct mask {
	sem_t known;
	sigset_t set;
};

/* `wake` is called from the thread. */
static void note_mask(void *ctx)
{
	struct mask *mask = ctx;

	pthread_sigmask(SIG_SETMASK, NULL, &mask->set);
	sem_post(&mask->known);
}

/* Signals are for the program's own threads. */
static void test_signals_are_blocked(void **state)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGPIPE, SIGTTOU, SIGCHLD, SIGWINCH};
	struct ff_writer_opts opts = {.wake = note_mask};
	struct mask mask;
	struct rig rig;
	sigset_t own;

	rig_open(&rig, 0);
	ff_writer_free(rig.writer);
	sem_init(&mask.known, 0, 0);
	opts.fd = rig.fds[1];
	opts.ctx = &mask;
	rig.writer = ff_writer_new(&opts);
	while (!ff_writer_full(rig.writer))
		fill(&rig);
	take(&rig, FF_WRITER_FULL);
	sem_wait(&mask.known);
	pthread_sigmask(SIG_SETMASK, NULL, &own);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		assert_true(sigismember(&mask.set, signals[i]));
		assert_false(sigismember(&own, signals[i])); /* the caller's mask is as before */
	}
	rig_close(&rig);
	sem_destroy(&mask.known);
}

static void *read_slowly(void *ctx)
{
	struct rig *rig = ctx;

	for (size_t at = 1; take(rig, at) && rig->text.len >= at; at += 1 + at % 4999)
		sched_yield();
	return NULL;
}

/* Everything at once, for ThreadSanitizer and for the order of every line. */
static void test_storm(void **state)
{
	struct rig rig;
	pthread_t reader;
	const char *text;
	int next = 0;

	rig_open(&rig, 0);
	assert_int_equal(pthread_create(&reader, NULL, read_slowly, &rig), 0);
	for (int i = 0; i < 20000; i++) {
		char line[32], live[32];

		snprintf(line, sizeof line, "%d\n", i);
		snprintf(live, sizeof live, "~live %d", i);
		if (i % 3 == 0)
			put(&rig, line);
		else
			put_live(&rig, line, live, "~\n");
		if (ff_writer_full(rig.writer))
			sem_wait(&rig.woken);
	}
	assert_int_equal(ff_writer_finish(rig.writer), 0);
	ff_writer_free(rig.writer);
	rig.writer = NULL;
	close(rig.fds[1]);
	rig.fds[1] = dup(STDERR_FILENO);
	pthread_join(reader, NULL);
	for (text = ff_buf_str(&rig.text); *text; text += strcspn(text, "\n") + 1) {
		if (*text == '~')
			continue;
		assert_int_equal(atoi(text), next);
		next++;
	}
	assert_int_equal(next, 20000);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_live),
		cmocka_unit_test(test_live_is_replaced),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_nonblocking),
		cmocka_unit_test(test_reader_gone),
		cmocka_unit_test(test_reader_gone_wakes),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_abandon),
		cmocka_unit_test(test_linger),
		cmocka_unit_test(test_stopped_tty),
		cmocka_unit_test(test_abandon_from_signal),
		cmocka_unit_test(test_signals_are_blocked),
		cmocka_unit_test(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

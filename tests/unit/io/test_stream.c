/* Streams over socket pairs and pipes: data, EOF, back-pressure, half-close, errors. */
#include <fcntl.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "io/stream.h"
#include "io/loop_private.h"

struct end {
	struct ff_stream stream;
	struct ff_buf out, in;
	unsigned eofs, drains, errors, closes;
	bool close_on_data;
};

static struct ff_loop loop;

static void on_closed(struct ff_stream *stream, void *ctx)
{
	((struct end *)ctx)->closes++;
}

static void on_data(struct ff_stream *stream, const void *bytes, size_t len, void *ctx)
{
	struct end *end = ctx;

	ff_buf_add(&end->in, bytes, len);
	if (end->close_on_data)
		ff_stream_close(stream, on_closed);
}

static void on_eof(struct ff_stream *stream, const struct ff_err *err, void *ctx)
{
	((struct end *)ctx)->eofs++;
	if (err)
		((struct end *)ctx)->errors++;
}

static void on_drained(struct ff_stream *stream, const struct ff_err *err, void *ctx)
{
	if (err) {
		((struct end *)ctx)->errors++;
	} else {
		((struct end *)ctx)->drains++;
	}
}

static const struct ff_stream_ops ops = {.data = on_data, .eof = on_eof, .drained = on_drained};

static void open_end(struct end *end, int fd)
{
	memset(end, 0, sizeof(*end));
	assert_int_equal(ff_stream_open(&end->stream, &loop, fd, &end->out, &ops, end, NULL), 0);
}

static void close_end(struct end *end)
{
	if (end->stream.open)
		ff_stream_close(&end->stream, on_closed);
	while (!end->closes)
		ff_loop_run_once(&loop, ff_clock_us() + FF_SECOND_US);
	assert_int_equal(end->closes, 1);
	ff_buf_release(&end->out);
	ff_buf_release(&end->in);
}

#define RUN_UNTIL(condition)                                                                       \
	do {                                                                                       \
		int64_t deadline_ = ff_clock_us() + 10 * FF_SECOND_US;                             \
		while (!(condition) && ff_clock_us() < deadline_)                                  \
			ff_loop_run_once(&loop, deadline_);                                        \
		assert_true(condition);                                                            \
	} while (0)

static int setup(void **state)
{
	return ff_loop_init(&loop, NULL);
}

static int teardown(void **state)
{
	assert_int_equal(ff_loop_release(&loop), 0);
	return 0;
}

static void pair(struct end *a, struct end *b)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	open_end(a, fds[0]);
	open_end(b, fds[1]);
}

static void both_ways_and_half_close(void **state)
{
	struct end a, b;

	pair(&a, &b);
	ff_stream_read(&a.stream, true);
	ff_stream_read(&b.stream, true);
	ff_buf_addstr(&a.out, "hello");
	ff_stream_flush(&a.stream);
	assert_int_equal(a.drains, 1);
	ff_stream_shutdown(&a.stream);
	RUN_UNTIL(b.eofs == 1);
	assert_string_equal(ff_buf_str(&b.in), "hello");
	ff_buf_addstr(&b.out, "still here");
	ff_stream_flush(&b.stream);
	ff_stream_shutdown(&b.stream);
	RUN_UNTIL(a.eofs == 1);
	assert_string_equal(ff_buf_str(&a.in), "still here");
	assert_int_equal(a.errors + b.errors, 0);
	close_end(&a);
	close_end(&b);
}

static void bulk_with_back_pressure(void **state)
{
	enum { SIZE = 8 << 20 };
	struct end a, b;

	pair(&a, &b);
	assert_non_null(ff_buf_reserve(&a.out, SIZE));
	for (size_t i = 0; i < SIZE; i++)
		ff_buf_data(&a.out)[i] = (uint8_t)(i * 7 >> 3);
	ff_buf_added(&a.out, SIZE);
	ff_stream_flush(&a.stream);
	ff_stream_shutdown(&a.stream);
	assert_true(ff_stream_unsent(&a.stream) > 0);
	for (int i = 0; i < 3; i++)
		uv_run(loop.uv, UV_RUN_NOWAIT);
	assert_int_equal(b.in.len, 0);
	assert_true(ff_stream_unsent(&a.stream) > 0);
	ff_stream_read(&b.stream, true);
	RUN_UNTIL(b.eofs == 1);
	assert_int_equal(b.in.len, SIZE);
	for (size_t i = 0; i < SIZE; i++) {
		if (ff_buf_data(&b.in)[i] != (uint8_t)(i * 7 >> 3))
			fail_msg("byte %zu differs", i);
	}
	assert_int_equal(a.drains, 1);
	close_end(&a);
	close_end(&b);
}

static void writing_to_nobody(void **state)
{
	struct end a, b;

	pair(&a, &b);
	ff_stream_close(&b.stream, on_closed);
	ff_buf_addstr(&a.out, "x");
	ff_stream_flush(&a.stream);
	assert_int_equal(a.errors, 1);
	assert_int_equal(ff_stream_unsent(&a.stream), 0);
	ff_buf_addstr(&a.out, "y");
	ff_stream_flush(&a.stream);
	assert_int_equal(a.errors, 1);
	assert_int_equal(a.out.len, 0);
	close_end(&a);
	close_end(&b);
}

static void closed_from_its_callback(void **state)
{
	struct end a, b;

	pair(&a, &b);
	b.close_on_data = true;
	ff_stream_read(&b.stream, true);
	ff_buf_addstr(&a.out, "x");
	ff_stream_flush(&a.stream);
	RUN_UNTIL(b.closes == 1);
	assert_int_equal(b.eofs, 0);
	close_end(&a);
	ff_buf_release(&b.in);
}

/* A pipe's descriptor is closed by the shutdown, and its number used again before the close. */
static void pipe_end_is_closed(void **state)
{
	struct end a, b, c, d;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	open_end(&a, fds[0]);
	open_end(&b, fds[1]);
	ff_stream_read(&a.stream, true);
	ff_buf_addstr(&b.out, "last words");
	ff_stream_flush(&b.stream);
	ff_stream_shutdown(&b.stream);
	pair(&c, &d);
	ff_stream_read(&c.stream, true);
	RUN_UNTIL(a.eofs == 1);
	assert_string_equal(ff_buf_str(&a.in), "last words");
	close_end(&b);
	ff_buf_addstr(&d.out, "x");
	ff_stream_flush(&d.stream);
	RUN_UNTIL(c.in.len == 1);
	close_end(&a);
	close_end(&c);
	close_end(&d);
}

static void files_are_refused(void **state)
{
	struct ff_stream stream;
	struct ff_err err;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert_int_equal(ff_stream_open(&stream, &loop, fd, NULL, &ops, NULL, &err), FF_ESYS);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

/* A pipe's reading end that is looked at late, and the writing end. */
static int open_after(struct end *end, int64_t late_us)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	memset(end, 0, sizeof(*end));
	assert_int_equal(
		ff_stream_open_reading(&end->stream, &loop, fds[0], late_us, &ops, end, NULL), 0);
	return fds[1];
}

static int open_late(struct end *end)
{
	return open_after(end, FF_WATCH_LATE_US);
}

static void looked_at_when_its_time_has_come(void **state)
{
	int64_t begin = ff_clock_us();
	struct end a, b;
	int fd = open_late(&a), other = open_late(&b);

	assert_int_equal(write(fd, "first", 5), 5);
	RUN_UNTIL(a.in.len == 5);
	assert_true(ff_clock_us() - begin >= FF_WATCH_LATE_US);
	/* From then on it is like any other. */
	assert_int_equal(write(other, "x", 1), 1);
	RUN_UNTIL(b.in.len == 1);
	assert_int_equal(write(fd, " second", 7), 7);
	RUN_UNTIL(a.in.len == 12);
	close(fd);
	RUN_UNTIL(a.eofs == 1);
	close_end(&a);
	close_end(&b);
	close(other);
}

/* Whoever comes first: each at its own time, one of them sooner than it was meant to. */
static void each_at_its_time(void **state)
{
	struct end never, soon, hurried;
	int fds[3] = {open_after(&never, 1000 * FF_SECOND_US), open_after(&soon, 1000),
		      open_after(&hurried, 500 * FF_SECOND_US)};

	for (int i = 0; i < 3; i++)
		assert_int_equal(write(fds[i], "x", 1), 1);
	RUN_UNTIL(soon.in.len == 1);
	assert_int_equal(hurried.in.len, 0);
	ff_stream_hurry(&hurried.stream);
	ff_stream_hurry(&soon.stream); /* it is not late any more */
	RUN_UNTIL(hurried.in.len == 1);
	assert_int_equal(never.in.len, 0);
	close_end(&never);
	ff_stream_hurry(&never.stream);
	close_end(&soon);
	close_end(&hurried);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

static void looked_at_when_told(void **state)
{
	char bytes[3 * FF_LOOP_SCRATCH / 2];
	struct end a;
	int fd = open_late(&a);

	memset(bytes, 'x', sizeof(bytes));
	fcntl(fd, F_SETPIPE_SZ, 4 * FF_LOOP_SCRATCH);
	assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	/* Not to be read: a look changes nothing. */
	ff_stream_read(&a.stream, false);
	ff_stream_look(&a.stream);
	assert_int_equal(a.in.len, 0);
	ff_stream_read(&a.stream, true);
	ff_stream_look(&a.stream);
	assert_int_equal(a.in.len, sizeof(bytes));
	assert_int_equal(a.eofs, 0);
	close(fd);
	ff_stream_look(&a.stream);
	assert_int_equal(a.eofs, 1);
	ff_stream_look(&a.stream);
	assert_int_equal(a.eofs, 1);
	close_end(&a);
}

static void closed_before_its_time(void **state)
{
	struct end ends[3];
	int fds[3];

	for (int i = 0; i < 3; i++)
		fds[i] = open_late(&ends[i]);
	/* The first, whose time the timer is set for, then one from the middle. */
	close_end(&ends[0]);
	close_end(&ends[1]);
	assert_int_equal(write(fds[2], "x", 1), 1);
	RUN_UNTIL(ends[2].in.len == 1);
	close_end(&ends[2]);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

static void closed_by_a_look(void **state)
{
	struct end a;
	int fd = open_late(&a);

	a.close_on_data = true;
	assert_int_equal(write(fd, "x", 1), 1);
	ff_stream_look(&a.stream);
	assert_false(a.stream.open);
	close_end(&a);
	close(fd);
}

/* At rest it sees what has come together, its end too; more than one rest is one. */
static void rests_and_goes_on(void **state)
{
	struct end a, b;
	int fd = open_late(&a), other = open_late(&b);
	int64_t begin;

	assert_int_equal(write(fd, "one", 3), 3);
	RUN_UNTIL(a.in.len == 3);
	begin = ff_clock_us();
	ff_stream_rest(&a.stream, FF_WATCH_LATE_US);
	ff_stream_rest(&a.stream, FF_WATCH_LATE_US);
	assert_int_equal(write(fd, " two", 4), 4);
	ff_loop_run_once(&loop, 0);
	assert_true(a.in.len == 3 || ff_clock_us() - begin >= FF_WATCH_LATE_US);
	assert_int_equal(write(fd, " three", 6), 6);
	RUN_UNTIL(a.in.len == 13);
	assert_true(ff_clock_us() - begin >= FF_WATCH_LATE_US);
	/* What is not to be read waits, and is there afterwards. */
	ff_stream_rest(&a.stream, FF_WATCH_LATE_US);
	ff_stream_read(&a.stream, false);
	assert_int_equal(write(fd, "!", 1), 1);
	close(fd);
	assert_int_equal(write(other, "x", 1), 1);
	RUN_UNTIL(b.in.len == 1);
	ff_stream_read(&a.stream, true);
	RUN_UNTIL(a.eofs == 1);
	assert_int_equal(a.in.len, 14);
	ff_stream_rest(&a.stream, FF_WATCH_LATE_US); /* at its end: nothing */
	ff_stream_rest(&b.stream, FF_WATCH_LATE_US);
	close_end(&a);
	close_end(&b); /* while it rests */
	close(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_ways_and_half_close, setup, teardown),
		cmocka_unit_test_setup_teardown(bulk_with_back_pressure, setup, teardown),
		cmocka_unit_test_setup_teardown(writing_to_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(closed_from_its_callback, setup, teardown),
		cmocka_unit_test_setup_teardown(pipe_end_is_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(files_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(looked_at_when_its_time_has_come, setup, teardown),
		cmocka_unit_test_setup_teardown(each_at_its_time, setup, teardown),
		cmocka_unit_test_setup_teardown(looked_at_when_told, setup, teardown),
		cmocka_unit_test_setup_teardown(closed_before_its_time, setup, teardown),
		cmocka_unit_test_setup_teardown(closed_by_a_look, setup, teardown),
		cmocka_unit_test_setup_teardown(rests_and_goes_on, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

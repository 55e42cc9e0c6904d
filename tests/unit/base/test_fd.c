/* What comes and goes in pieces, ends early, or is more than was asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

enum { MANY = 300000 }; /* more than a pipe holds */

static void *drain(void *ctx)
{
	const int *fds = ctx;
	struct ff_buf *all = calloc(1, sizeof(*all));

	assert_int_equal(ff_read_all(fds[0], SIZE_MAX, all), 0);
	return all;
}

static void test_through_a_pipe(void **state)
{
	char *bytes = malloc(MANY);
	struct ff_buf *all;
	pthread_t thread;
	void *got;
	int fds[2];

	(void)state;
	for (size_t i = 0; i < MANY; i++)
		bytes[i] = (char)(i * 7);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(pthread_create(&thread, NULL, drain, fds), 0);
	assert_int_equal(ff_write_all(fds[1], bytes, MANY), 0);
	close(fds[1]);
	pthread_join(thread, &got);
	all = got;
	assert_int_equal(all->len, MANY);
	assert_memory_equal(ff_buf_data(all), bytes, MANY);
	close(fds[0]);
	ff_buf_release(all);
	free(all);
	free(bytes);
}

static void test_bounds_and_errors(void **state)
{
	char path[] = "/tmp/ff-fd-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);
	struct ff_buf buf = FF_BUF_INIT;

	(void)state;
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(ff_write_all(fd, "0123456789", 10), 0);
	assert_int_equal(ff_write_all(fd, NULL, 0), 0);
	ff_buf_addstr(&buf, "before ");
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(ff_read_all(fd, 10, &buf), 0);
	assert_string_equal(ff_buf_str(&buf), "before 0123456789");
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	ff_buf_clear(&buf);
	assert_int_equal(ff_read_all(fd, 9, &buf), 0);
	assert_true(buf.len > 9); /* which tells that there is more */
	close(fd);
	assert_int_equal(ff_read_all(fd, 9, &buf), EBADF);
	assert_int_equal(ff_write_all(fd, "x", 1), EBADF);
	ff_buf_release(&buf);
	ff_buf_init(&buf, 100);
	fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	assert_int_equal(ff_read_all(fd, SIZE_MAX, &buf), ENOMEM);
	close(fd);
	ff_buf_release(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_through_a_pipe),
		cmocka_unit_test(test_bounds_and_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

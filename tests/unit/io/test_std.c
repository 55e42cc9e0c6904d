/* Closed standard descriptors are opened on the null device, the others are left alone. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "io/std.h"

/* In a process of its own, which can't say more than its status. */
static int check(unsigned closed)
{
	struct stat null, info;
	int next;

	if (stat("/dev/null", &null) != 0)
		return 1;
	for (int fd = 0; fd < 3; fd++) {
		if (closed & (1u << fd))
			close(fd);
	}
	if (ff_std_descriptors_open() != closed)
		return 2;
	for (int fd = 0; fd < 3; fd++) {
		if (fstat(fd, &info) != 0)
			return 3;
		if ((closed & (1u << fd)) && info.st_rdev != null.st_rdev)
			return 4;
		if ((closed & (1u << fd)) && fcntl(fd, F_GETFD) != 0)
			return 5; /* children get them, too */
	}
	next = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (next < 3)
		return 6;
	return ff_std_descriptors_open() ? 7 : 0;
}

static void closed_ones(void **state)
{
	for (unsigned closed = 0; closed < 8; closed++) {
		int status = -1;
		pid_t pid = fork();

		if (pid == 0)
			_exit(check(closed));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(closed_ones)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

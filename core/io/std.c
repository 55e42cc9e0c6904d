/* Closed standard descriptors. It knows nothing but the system. */
#include "io/std.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

unsigned ff_std_descriptors_open(void)
{
	unsigned closed = 0;

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		int saved = errno, null;

		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		closed |= 1u << fd;
		/* The lowest number that is free: this one. Children get it as well. */
		null = open("/dev/null", O_RDWR);
		if (null > STDERR_FILENO)
			close(null);
		errno = saved;
	}
	return closed;
}

/* Whether a test left descriptors open: how many there are, to compare before and after. */
#ifndef FF_FAKES_DESCRIPTORS_H
#define FF_FAKES_DESCRIPTORS_H

#include <dirent.h>
#include <stdlib.h>

/* Entries of /proc/self/fd, "." and ".." and its own included each time. */
static inline int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	if (!dir)
		abort();
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

#endif

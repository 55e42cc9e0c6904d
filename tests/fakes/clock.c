/* A wall clock that steps, for programs that it is preloaded into: it shows the system's, and so
 * many microseconds more, as the file says that FARFLUNG_TEST_CLOCK names (eight bytes, the
 * machine's order; whoever writes them sets the clock of all that run with it, at once). Who waits
 * for a semaphore until a time of that clock waits by it. All other clocks go on. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)
#define LOOK_NS	  INT64_C(20000000) /* so often who waits looks whether the clock was set */

static const int64_t none;
static const volatile int64_t *more_us = &none;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("FARFLUNG_TEST_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *at = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*more_us), PROT_READ, MAP_SHARED, fd, 0);

	if (fd >= 0)
		close(fd);
	if (at != MAP_FAILED)
		more_us = at;
}

static int64_t system_ns(clockid_t id, int *rc)
{
	struct timespec ts = {0};

	*rc = (int)syscall(SYS_clock_gettime, id, &ts);
	return (int64_t)ts.tv_sec * SECOND_NS + ts.tv_nsec;
}

static bool steps(clockid_t id)
{
	return id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE;
}

static int64_t now_ns(clockid_t id, int *rc)
{
	return system_ns(id, rc) + (steps(id) ? *more_us * 1000 : 0);
}

static struct timespec timespec_of(int64_t ns)
{
	return (struct timespec){.tv_sec = ns / SECOND_NS, .tv_nsec = ns % SECOND_NS};
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc;
	int64_t ns = now_ns(id, &rc);

	if (rc == 0)
		*ts = timespec_of(ns);
	return rc;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	int rc;
	int64_t ns = now_ns(CLOCK_REALTIME, &rc);

	if (zone)
		memset(zone, 0, sizeof(struct timezone));
	if (tv)
		*tv = (struct timeval){.tv_sec = ns / SECOND_NS, .tv_usec = ns % SECOND_NS / 1000};
	return rc;
}

time_t time(time_t *at)
{
	int rc;
	time_t now = (time_t)(now_ns(CLOCK_REALTIME, &rc) / SECOND_NS);

	if (at)
		*at = now;
	return now;
}

/* The next look at the system's clock; false: the time has come by ours. */
static bool next_look(const struct timespec *until, struct timespec *look)
{
	int rc;
	int64_t until_ns = (int64_t)until->tv_sec * SECOND_NS + until->tv_nsec;
	int64_t left_ns = until_ns - now_ns(CLOCK_REALTIME, &rc);

	if (left_ns <= 0)
		return false;
	*look = timespec_of(system_ns(CLOCK_REALTIME, &rc) +
			    (left_ns < LOOK_NS ? left_ns : LOOK_NS));
	return true;
}

int sem_timedwait(sem_t *restrict sem, const struct timespec *restrict until)
{
	static int (*real)(sem_t *, const struct timespec *);
	struct timespec look;
	int rc;

	if (!real)
		real = (int (*)(sem_t *, const struct timespec *))dlsym(RTLD_NEXT, "sem_timedwait");
	while (next_look(until, &look)) {
		rc = real(sem, &look);
		if (rc == 0 || errno != ETIMEDOUT)
			return rc;
	}
	rc = sem_trywait(sem);
	if (rc < 0 && errno == EAGAIN)
		errno = ETIMEDOUT;
	return rc;
}

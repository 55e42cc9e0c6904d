#include "report/thread.h"

#include <signal.h>
#include <sys/resource.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum { NICE = 5, MS_NS = 1000000, SECOND_NS = 1000000000 };

int ff_thread_start(pthread_t *thread, void *(*run)(void *ctx), void *ctx)
{
	sigset_t all, before;
	int errnum;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	errnum = pthread_create(thread, NULL, run, ctx);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return errnum;
}

void ff_thread_yield_to_others(void)
{
#ifdef __linux__
	/* Elsewhere all of the process has one value. */
	id_t self = (id_t)syscall(SYS_gettid);

	setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + NICE);
#endif
}

void ff_thread_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

struct timespec ff_thread_in_ms(int64_t ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += (time_t)(ms / 1000);
	at.tv_nsec += (long)(ms % 1000 * MS_NS);
	if (at.tv_nsec >= SECOND_NS) {
		at.tv_sec++;
		at.tv_nsec -= SECOND_NS;
	}
	return at;
}

/* Threads beside the program's own one, and what they wait by. */
#ifndef FF_REPORT_THREAD_H
#define FF_REPORT_THREAD_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

/* As pthread_create, and returns what it does. All signals are blocked in the new thread: they are
 * for the program's own threads, and a closed pipe is EPIPE there. */
int ff_thread_start(pthread_t *thread, void *(*run)(void *ctx), void *ctx);
/* The calling thread alone gives way to others from now on, and what it starts does, too. */
void ff_thread_yield_to_others(void);

/* A condition whose pthread_cond_timedwait takes ff_thread_in_ms. */
void ff_thread_cond_init(pthread_cond_t *cond);
struct timespec ff_thread_in_ms(int64_t ms);

#endif

/* Whose turn it is to run the loop: a thread that waits, or else our own. */
#include "python/native/hub.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/embed.h"
#include "io/loop_private.h"

#ifdef __GLIBC_PREREQ
#define HAS_CLOCKWAIT __GLIBC_PREREQ(2, 30)
#else
#define HAS_CLOCKWAIT 0
#endif

struct hub hub = {.lock = PTHREAD_MUTEX_INITIALIZER, .own_fd = -1, .lead_fd = -1, .next_rest = 16};

enum {
	DRIVE_ROUNDS = 64,
	/* While others lead, our thread looks after so long whether they still do: a moment at
	 * first, since they mostly come and go; longer each time that it finds the same one. */
	NAP_MIN_US = 1000,
	NAP_MAX_US = 200000,
	SPIN_US = 50,
	SPIN_REST_MIN = 16,
	SPIN_REST_MAX = 4096,
};

void hub_lock(void)
{
	pthread_mutex_lock(&hub.lock);
}

void hub_unlock(void)
{
	pthread_mutex_unlock(&hub.lock);
}

static void ring(int fd)
{
	uint64_t one = 1;

	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void hear(int fd)
{
	uint64_t count;

	while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

static int64_t loop_deadline_us(void)
{
	int timeout_ms = ff_loop_timeout_ms(hub.loop);

	return timeout_ms < 0	 ? FF_NEVER_US
	       : timeout_ms == 0 ? 0
				 : ff_clock_us() + (int64_t)timeout_ms * 1000;
}

void hub_drive(void)
{
	if (hub.loop->running || hub.forked)
		return;
	for (int round = 0; round < DRIVE_ROUNDS; round++) {
		ff_loop_turn(hub.loop);
		if (ff_loop_timeout_ms(hub.loop) != 0)
			break;
	}
	if (hub.leader && hub.poll_until_us > loop_deadline_us())
		ring(hub.leader == &hub.own ? hub.own_fd : hub.lead_fd);
}

/* An answer that is microseconds away is met awake, as in io/loop.c, and on its terms: a try in
 * vain is followed by waits that sleep at once, twice as many each time. */
static bool may_stay_awake(const struct hub_waiter *me, int64_t until_us)
{
	if (me == &hub.own || until_us == 0)
		return false;
	if (hub.rest == 0)
		return true;
	hub.rest--;
	return false;
}

static void rest_after(bool met)
{
	if (met) {
		hub.next_rest = SPIN_REST_MIN;
		return;
	}
	hub.rest = hub.next_rest;
	if (hub.next_rest < SPIN_REST_MAX)
		hub.next_rest *= 2;
}

/* Without the lock. */
static bool met_awake(struct pollfd *fds)
{
	int64_t end_us = ff_clock_us() + SPIN_US;

	do {
		if (poll(fds, 2, 0) != 0)
			return true;
		sched_yield();
	} while (ff_clock_us() < end_us);
	return false;
}

/* Without the lock. EINTR or 0. */
static int sleep_until(struct pollfd *fds, int64_t until_us)
{
	int64_t left_us = until_us - ff_clock_us();
	struct timespec left;

	if (until_us == FF_NEVER_US)
		return ppoll(fds, 2, NULL, NULL) < 0 ? errno : 0;
	if (left_us < 0)
		left_us = 0;
	left = (struct timespec){.tv_sec = left_us / 1000000, .tv_nsec = left_us % 1000000 * 1000};
	return ppoll(fds, 2, &left, NULL) < 0 ? errno : 0;
}

/* Polls once as `me`, the leader. With the lock, which is given up meanwhile. EINTR or 0. */
static int lead(struct hub_waiter *me, int wake_fd, int64_t deadline_us)
{
	struct pollfd fds[2] = {
		{.fd = ff_loop_fd(hub.loop), .events = POLLIN},
		{.fd = wake_fd, .events = POLLIN},
	};
	int64_t until_us = loop_deadline_us();
	bool awake, met = false;
	int error = 0;

	hub.poll_until_us = until_us;
	if (deadline_us < until_us)
		until_us = deadline_us;
	awake = may_stay_awake(me, until_us);
	hub.leader = me;
	me->leading = true;
	hub_unlock();
	if (awake)
		met = met_awake(fds);
	else
		error = sleep_until(fds, until_us);
	if (fds[1].revents)
		hear(wake_fd);
	hub_lock();
	if (awake)
		rest_after(met);
	me->leading = false;
	if (hub.leader == me)
		hub.leader = NULL;
	/* A signal may have come while no system call was there to be interrupted. */
	return error == EINTR || (awake && !met) ? EINTR : 0;
}

static void nap(int64_t for_us)
{
	struct pollfd fd = {.fd = hub.own_fd, .events = POLLIN};
	struct timespec left = {.tv_sec = 0, .tv_nsec = for_us * 1000};

	hub.asleep_until_us = ff_clock_us() + for_us;
	hub_unlock();
	if (ppoll(&fd, 1, &left, NULL) > 0)
		hear(hub.own_fd);
	hub_lock();
	hub.asleep_until_us = 0;
}

static void *run(void *unused)
{
	int64_t nap_us = NAP_MIN_US;
	uint64_t leads = 0;

	hub_lock();
	while (!hub.stop) {
		/* Between two waits of a thread that asks and is answered, nobody leads. */
		if (hub.leader || (hub.leads != leads && hub.followers == 0)) {
			nap_us = hub.leads != leads	   ? NAP_MIN_US
				 : nap_us < NAP_MAX_US / 2 ? nap_us * 2
							   : NAP_MAX_US;
			leads = hub.leads;
			nap(nap_us);
			continue;
		}
		nap_us = NAP_MIN_US;
		hub_drive();
		lead(&hub.own, hub.own_fd, FF_NEVER_US);
		if (!hub.leader)
			hub_drive();
	}
	hub_unlock();
	return NULL;
}

static bool start_thread(struct ff_err *err)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&hub.thread, NULL, run, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc != 0)
		ff_err_sys(err, rc, "cannot start a thread");
	return rc == 0;
}

/* A fork must not happen while another thread holds the lock: nobody would give it back. */
static void on_child(void)
{
	hub.forked = true;
	hub_unlock();
}

bool hub_start(struct ff_err *err)
{
	if (hub.forked) {
		ff_err_set(err, FF_EUNSUPPORTED,
			   "this process was forked from one with gateways: it can have none");
		return false;
	}
	if (hub.started)
		return true;
	if (hub.own_fd < 0) {
		hub.own_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		hub.lead_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (hub.own_fd < 0 || hub.lead_fd < 0) {
			ff_err_sys(err, errno, "cannot make an eventfd");
			return false;
		}
		ff_list_init(&hub.own.node);
		hub.loop = ff_loop_new(err);
		if (!hub.loop)
			return false;
		pthread_atfork(hub_lock, hub_unlock, on_child);
	}
	if (!start_thread(err))
		return false;
	hub.started = true;
	return true;
}

void hub_stop(void)
{
	if (!hub.started || hub.forked)
		return;
	hub_lock();
	hub.stop = true;
	ring(hub.own_fd);
	hub_unlock();
	pthread_join(hub.thread, NULL);
	hub.stop = false;
	hub.started = false;
}

void hub_wake(struct ff_list *list)
{
	for (struct ff_list *at = list->next; at != list; at = at->next) {
		struct hub_waiter *waiter = ff_container_of(at, struct hub_waiter, node);

		if (waiter->fd >= 0)
			ring(waiter->fd);
		else if (waiter->leading)
			ring(hub.lead_fd);
		else
			sem_post(&waiter->wake);
	}
}

/* Until then by a clock that nobody sets, where the system can: a wall clock that is put back while
 * somebody waits would keep him that much longer. */
static int await(sem_t *wake, int64_t deadline_us)
{
	struct timespec until;
	clockid_t id = HAS_CLOCKWAIT ? CLOCK_MONOTONIC : CLOCK_REALTIME;
	int64_t left_us = deadline_us - ff_clock_us();

	clock_gettime(id, &until);
	left_us = (left_us > 0 ? left_us : 0) + until.tv_nsec / 1000;
	until.tv_sec += left_us / 1000000;
	until.tv_nsec = left_us % 1000000 * 1000;
#if HAS_CLOCKWAIT
	return sem_clockwait(wake, id, &until);
#else
	return sem_timedwait(wake, &until);
#endif
}

/* With the lock, which is given up meanwhile. EINTR or 0. */
static int follow(struct hub_waiter *me, int64_t deadline_us)
{
	int rc;

	hub.followers++;
	hub_unlock();
	rc = deadline_us == FF_NEVER_US ? sem_wait(&me->wake) : await(&me->wake, deadline_us);
	rc = rc < 0 && errno == EINTR ? EINTR : 0;
	hub_lock();
	hub.followers--;
	return rc;
}

/* Somebody has to go on: our own thread, unless it is about to look anyway. */
static void leave(void)
{
	if (!hub.leader &&
	    (hub.followers > 0 || hub.asleep_until_us - ff_clock_us() > (int64_t)NAP_MIN_US))
		ring(hub.own_fd);
}

enum hub_wait hub_wait(struct ff_list *list, int64_t deadline_us, bool (*ready)(void *), void *arg)
{
	struct hub_waiter me = {.fd = -1};
	enum hub_wait result;
	int error = 0;

	if (ready(arg))
		return HUB_READY;
	sem_init(&me.wake, 0, 0);
	ff_list_add_tail(list, &me.node);
	for (;;) {
		bool may_lead = !hub.leader || hub.leader == &hub.own;

		if (may_lead)
			hub_drive();
		result = ready(arg) ? HUB_READY : error ? HUB_SIGNAL : HUB_TIMEOUT;
		if (result != HUB_TIMEOUT ||
		    (deadline_us != FF_NEVER_US && ff_clock_us() >= deadline_us))
			break;
		if (may_lead) {
			hub.leads++;
			error = lead(&me, hub.lead_fd, deadline_us);
		} else {
			error = follow(&me, deadline_us);
		}
	}
	ff_list_del(&me.node);
	sem_destroy(&me.wake);
	leave();
	return result;
}

/* One epoll set below libuv's, which sees it as a single descriptor. */
#include "io/watch.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "io/loop_private.h"

enum { BATCH = 64 };

struct ff_watches {
	int set;
	uv_poll_t poll;
	struct ff_watch **by_fd;
	size_t cap, open;
	uint32_t generation;
	struct ff_timer timer; /* of the first of those that are late */
	struct ff_list late;   /* the first to be due is the first */
};

/* Nobody is told of an end (EPOLLHUP) again and again who does not ask: events that only edges
 * trigger stand for none. */
static uint32_t mask_of(int events)
{
	uint32_t mask =
		(events & FF_WATCH_READ ? EPOLLIN : 0U) | (events & FF_WATCH_WRITE ? EPOLLOUT : 0U);

	return mask ? mask : EPOLLET;
}

static struct epoll_event event_of(const struct ff_watch *watch)
{
	return (struct epoll_event){
		.events = mask_of(watch->events),
		.data.u64 = (uint64_t)watch->generation << 32 | (uint32_t)watch->fd,
	};
}

static void tell(const struct ff_watches *watches, const struct epoll_event *event)
{
	uint32_t fd = (uint32_t)event->data.u64;
	struct ff_watch *watch = fd < watches->cap ? watches->by_fd[fd] : NULL;
	int events = (event->events & EPOLLIN ? FF_WATCH_READ : 0) |
		     (event->events & EPOLLOUT ? FF_WATCH_WRITE : 0);

	/* What comes before it in the batch may have closed it, and opened another one. */
	if (!watch || watch->generation != event->data.u64 >> 32)
		return;
	if (event->events & (EPOLLHUP | EPOLLERR))
		events = FF_WATCH_READ | FF_WATCH_WRITE;
	watch->fn(watch, events);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	const struct ff_watches *watches = poll->data;
	struct epoll_event batch[BATCH];
	int len = epoll_wait(watches->set, batch, BATCH, 0);

	(void)status;
	(void)events;
	for (int i = 0; i < len; i++)
		tell(watches, &batch[i]);
}

/* --- those that are late --- */

static struct ff_watch *first_late(const struct ff_watches *watches)
{
	return ff_list_empty(&watches->late)
		       ? NULL
		       : ff_container_of(watches->late.next, struct ff_watch, node);
}

static void set_timer(struct ff_watches *watches)
{
	const struct ff_watch *first = first_late(watches);

	ff_timer_set(&watches->timer, first ? first->due_us : FF_NEVER_US);
}

static void no_longer_late(struct ff_watches *watches, struct ff_watch *watch)
{
	bool was_first = first_late(watches) == watch;

	ff_list_del(&watch->node);
	watch->late = false;
	if (was_first)
		set_timer(watches);
}

static int add(const struct ff_watches *watches, const struct ff_watch *watch)
{
	struct epoll_event event = event_of(watch);

	return epoll_ctl(watches->set, EPOLL_CTL_ADD, watch->fd, &event) == 0 ? 0 : -errno;
}

static void on_due(struct ff_timer *timer)
{
	struct ff_watches *watches = timer->ctx;
	int64_t now_us = ff_clock_us();
	struct ff_watch *watch;

	while ((watch = first_late(watches)) && watch->due_us <= now_us) {
		no_longer_late(watches, watch);
		/* What can't be watched is ready at any time; its owner hears that from it. */
		if (add(watches, watch) != 0)
			watch->fn(watch, FF_WATCH_READ | FF_WATCH_WRITE);
	}
}

static int begin(struct ff_loop *loop)
{
	struct ff_watches *watches = ff_calloc(1, sizeof(*watches));
	int rc;

	if (!watches)
		return -ENOMEM;
	watches->set = epoll_create1(EPOLL_CLOEXEC);
	rc = watches->set < 0 ? -errno : uv_poll_init(loop->uv, &watches->poll, watches->set);
	if (rc != 0) {
		if (watches->set >= 0)
			close(watches->set);
		ff_free(watches);
		return rc;
	}
	watches->poll.data = watches;
	ff_timer_init(&watches->timer, loop, on_due, watches);
	ff_list_init(&watches->late);
	uv_poll_start(&watches->poll, UV_READABLE, on_poll);
	uv_unref((uv_handle_t *)&watches->poll); /* only what is watched keeps the loop alive */
	loop->watches = watches;
	return 0;
}

static int make_room(struct ff_watches *watches, int fd)
{
	size_t cap = watches->cap ? watches->cap : BATCH;
	struct ff_watch **by_fd;

	while (cap <= (size_t)fd)
		cap *= 2;
	if (cap == watches->cap)
		return 0;
	by_fd = ff_realloc(watches->by_fd, cap * sizeof(struct ff_watch *));
	if (!by_fd)
		return -ENOMEM;
	for (size_t i = watches->cap; i < cap; i++)
		by_fd[i] = NULL;
	watches->by_fd = by_fd;
	watches->cap = cap;
	return 0;
}

static int open_watch(struct ff_watch *watch, const struct ff_watch *as)
{
	struct ff_watches *watches;
	int rc = as->loop->watches ? 0 : begin(as->loop);

	if (rc == 0)
		rc = make_room(as->loop->watches, as->fd);
	if (rc != 0)
		return rc;
	watches = as->loop->watches;
	*watch = *as;
	watch->generation = ++watches->generation;
	ff_list_init(&watch->node);
	rc = watch->late ? 0 : add(watches, watch);
	if (rc != 0)
		return rc;
	watches->by_fd[watch->fd] = watch;
	if (watches->open++ == 0)
		uv_ref((uv_handle_t *)&watches->poll);
	return 0;
}

int ff_watch_open(struct ff_watch *watch, struct ff_loop *loop, int fd, int events,
		  void (*fn)(struct ff_watch *watch, int events))
{
	return open_watch(watch,
			  &(struct ff_watch){.loop = loop, .fn = fn, .fd = fd, .events = events});
}

/* It is not in the set. */
static void make_late(struct ff_watch *watch, int64_t due_us)
{
	struct ff_watches *watches = watch->loop->watches;
	struct ff_list *before = watches->late.prev;

	watch->late = true;
	watch->due_us = due_us;
	/* Most come in the order in which they will be due. */
	while (before != &watches->late &&
	       ff_container_of(before, struct ff_watch, node)->due_us > due_us)
		before = before->prev;
	ff_list_add_head(before, &watch->node);
	if (first_late(watches) == watch)
		set_timer(watches);
}

int ff_watch_open_late(struct ff_watch *watch, struct ff_loop *loop, int fd, int events,
		       int64_t late_us, void (*fn)(struct ff_watch *watch, int events))
{
	const struct ff_watch as = {
		.loop = loop,
		.fn = fn,
		.fd = fd,
		.events = events,
		.late = true,
	};
	int rc = open_watch(watch, &as);

	if (rc == 0)
		make_late(watch, ff_clock_us() + late_us);
	return rc;
}

void ff_watch_hurry(struct ff_watch *watch)
{
	if (!watch->late)
		return;
	no_longer_late(watch->loop->watches, watch);
	make_late(watch, ff_clock_us());
}

void ff_watch_rest(struct ff_watch *watch, int64_t rest_us)
{
	struct epoll_event none = {0};

	if (watch->late)
		return;
	epoll_ctl(watch->loop->watches->set, EPOLL_CTL_DEL, watch->fd, &none);
	make_late(watch, ff_clock_us() + rest_us);
}

void ff_watch_set(struct ff_watch *watch, int events)
{
	struct epoll_event event;

	if (events == watch->events)
		return;
	watch->events = events;
	if (watch->late)
		return;
	event = event_of(watch);
	epoll_ctl(watch->loop->watches->set, EPOLL_CTL_MOD, watch->fd, &event);
}

void ff_watch_close(struct ff_watch *watch)
{
	struct ff_watches *watches = watch->loop->watches;
	struct epoll_event none = {0};

	if (watch->late)
		no_longer_late(watches, watch);
	else
		epoll_ctl(watches->set, EPOLL_CTL_DEL, watch->fd, &none);
	watches->by_fd[watch->fd] = NULL;
	if (--watches->open == 0)
		uv_unref((uv_handle_t *)&watches->poll);
}

size_t ff_watches_open(const struct ff_loop *loop)
{
	return loop->watches ? loop->watches->open : 0;
}

bool ff_watches_own(const struct ff_loop *loop, const uv_handle_t *handle)
{
	return loop->watches && (handle == (const uv_handle_t *)&loop->watches->poll ||
				 handle == (const uv_handle_t *)&loop->watches->timer.uv);
}

void ff_watches_end(struct ff_loop *loop)
{
	if (!loop->watches)
		return;
	uv_close((uv_handle_t *)&loop->watches->poll, NULL);
	ff_timer_close(&loop->watches->timer, NULL);
}

void ff_watches_free(struct ff_loop *loop)
{
	if (!loop->watches)
		return;
	close(loop->watches->set);
	ff_free(loop->watches->by_fd);
	ff_free(loop->watches);
	loop->watches = NULL;
}

/* One epoll set below libuv's, which sees it as a single descriptor. */
#include "io/watch.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/alloc.h"

enum { BATCH = 64 };

struct ff_watches {
	int set;
	uv_poll_t poll;
	struct ff_watch **by_fd;
	size_t cap, open;
	uint32_t generation;
};

/* Nobody is told of an end (EPOLLHUP) again and again who does not ask: events that only edges
 * trigger stand for none. */
static uint32_t mask_of(int events)
{
	uint32_t mask = (events & FF_WATCH_READ ? EPOLLIN : 0U) |
			(events & FF_WATCH_WRITE ? EPOLLOUT : 0U);

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

static int begin(struct ff_loop *loop)
{
	struct ff_watches *watches = ff_calloc(1, sizeof(*watches));
	int rc;

	if (!watches)
		return -ENOMEM;
	watches->set = epoll_create1(EPOLL_CLOEXEC);
	rc = watches->set < 0 ? -errno : uv_poll_init(&loop->uv, &watches->poll, watches->set);
	if (rc != 0) {
		if (watches->set >= 0)
			close(watches->set);
		ff_free(watches);
		return rc;
	}
	watches->poll.data = watches;
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

int ff_watch_open(struct ff_watch *watch, struct ff_loop *loop, int fd, int events,
		  void (*fn)(struct ff_watch *watch, int events))
{
	struct ff_watches *watches;
	struct epoll_event event;
	int rc = loop->watches ? 0 : begin(loop);

	if (rc == 0)
		rc = make_room(loop->watches, fd);
	if (rc != 0)
		return rc;
	watches = loop->watches;
	*watch = (struct ff_watch){
		.loop = loop,
		.fn = fn,
		.fd = fd,
		.events = events,
		.generation = ++watches->generation,
	};
	event = event_of(watch);
	if (epoll_ctl(watches->set, EPOLL_CTL_ADD, fd, &event) != 0)
		return -errno;
	watches->by_fd[fd] = watch;
	if (watches->open++ == 0)
		uv_ref((uv_handle_t *)&watches->poll);
	return 0;
}

void ff_watch_set(struct ff_watch *watch, int events)
{
	struct epoll_event event;

	if (events == watch->events)
		return;
	watch->events = events;
	event = event_of(watch);
	epoll_ctl(watch->loop->watches->set, EPOLL_CTL_MOD, watch->fd, &event);
}

void ff_watch_close(struct ff_watch *watch)
{
	struct ff_watches *watches = watch->loop->watches;
	struct epoll_event none = {0};

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
	return loop->watches && handle == (const uv_handle_t *)&loop->watches->poll;
}

void ff_watches_end(struct ff_loop *loop)
{
	if (loop->watches)
		uv_close((uv_handle_t *)&loop->watches->poll, NULL);
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

/* Gateways inside a loop that is not ours: epoll waits for our descriptor beside its own ones, here
 * a timer that beats. A thousand round trips, each begun by the answer to the one before.
 *
 *     foreign_epoll [XSPEC]        default: popen */
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "farflung.h"

enum { TRIPS = 1000, END_MS = 5000, BEAT_NS = 20000000 };

struct trips {
	struct ff_channel *channel;
	int64_t done;
	bool over;
	struct ff_err err;
};

static void send_next(struct trips *trips)
{
	struct ff_value value = ff_int(trips->done);

	if (ff_channel_send(trips->channel, &value, &trips->err) < 0)
		trips->over = true;
}

/* From inside ff_loop_turn: for each item, and with NULL at the end. */
static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct trips *trips = ctx;

	if (item && ++trips->done < TRIPS)
		send_next(trips);
	else
		trips->over = true;
}

/* Waits as the rest of the program does, and lets ours have its turn whenever that woke up. */
static void run(struct ff_loop *loop, struct trips *trips, int epoll, int beat)
{
	unsigned long long beats = 0, more;

	while (!trips->over) {
		struct epoll_event ready[2];
		int count = epoll_wait(epoll, ready, 2, ff_loop_timeout_ms(loop));

		for (int i = 0; i < count; i++)
			if (ready[i].data.fd == beat && read(beat, &more, sizeof(more)) > 0)
				beats += more;
		ff_loop_turn(loop);
	}
	printf("%lld round trips, %llu beats\n", (long long)trips->done, beats);
}

static int open_epoll(const struct ff_loop *loop, int beat)
{
	struct epoll_event ours = {.events = EPOLLIN}, theirs = {.events = EPOLLIN};
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	ours.data.fd = ff_loop_fd(loop);
	theirs.data.fd = beat;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, ours.data.fd, &ours) != 0 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, beat, &theirs) != 0)
		perror("foreign_epoll");
	return epoll;
}

static int start(struct trips *trips, struct ff_group *group, const char *spec)
{
	struct ff_task task = {.source = "for item in channel: channel.send(item)"};
	struct ff_gateway *gateway = ff_makegateway(group, spec, &trips->err);

	if (gateway)
		trips->channel = ff_gateway_remote_exec(gateway, &task, &trips->err);
	if (!trips->channel)
		return -1;
	ff_channel_set_callback(trips->channel, on_item, trips);
	send_next(trips);
	return 0;
}

int main(int argc, char **argv)
{
	const struct itimerspec every = {{0, BEAT_NS}, {0, BEAT_NS}};
	int beat = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), epoll;
	struct trips trips = {0};
	struct ff_loop *loop = ff_loop_new(&trips.err);
	struct ff_group *group = loop ? ff_open_group(loop, &trips.err) : NULL;

	timerfd_settime(beat, 0, &every, NULL);
	if (group && start(&trips, group, argc > 1 ? argv[1] : "popen") == 0) {
		epoll = open_epoll(loop, beat);
		run(loop, &trips, epoll, beat);
		close(epoll);
	}
	if (trips.err.code)
		fprintf(stderr, "foreign_epoll: %s\n", trips.err.text);
	ff_channel_unref(trips.channel);
	if (group)
		ff_group_terminate(group, END_MS);
	ff_group_free(group);
	ff_loop_free(loop);
	close(beat);
	return trips.done != TRIPS;
}

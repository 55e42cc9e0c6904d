/* A subscriber is live, or it is behind and reads the journal until it has come up to what was
 * published last. While it is behind, published events pass it by: they are in the journal too. */
#include "event/bus.h"

#include <inttypes.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "event/reader.h"

struct ff_subscription {
	struct ff_list link;
	void (*fn)(struct ff_event_ref *event, void *ctx);
	void *ctx;
	uint64_t next;		  /* the first that it has not had */
	struct ff_reader *reader; /* while it is behind */
	bool busy;		  /* in one of its calls for older events */
	bool gone;
};

struct queued {
	struct ff_list link;
	struct ff_event_ref *ref;
};

struct ff_bus {
	struct ff_journal *journal;
	struct ff_list subscriptions;
	struct ff_list queue; /* published from within a callback */
	uint64_t last;	      /* published */
	unsigned depth;	      /* of calls that walk the list: who is gone stays in it */
};

struct ff_bus *ff_bus_new(struct ff_journal *journal)
{
	struct ff_bus *bus = ff_xcalloc(1, sizeof(*bus));

	bus->journal = journal;
	ff_list_init(&bus->subscriptions);
	ff_list_init(&bus->queue);
	return bus;
}

static void drop(struct ff_subscription *sub)
{
	ff_list_del(&sub->link);
	ff_reader_free(sub->reader);
	ff_free(sub);
}

void ff_bus_free(struct ff_bus *bus)
{
	struct ff_list *pos, *tmp;

	if (!bus)
		return;
	ff_list_for_each_safe(pos, tmp, &bus->subscriptions)
		drop(ff_container_of(pos, struct ff_subscription, link));
	ff_list_for_each_safe(pos, tmp, &bus->queue) {
		struct queued *queued = ff_container_of(pos, struct queued, link);

		ff_event_unref(queued->ref);
		ff_free(queued);
	}
	ff_free(bus);
}

static void deliver(struct ff_subscription *sub, struct ff_event_ref *ref)
{
	sub->next = ref->event->seq + 1;
	sub->fn(ref, sub->ctx);
}

static void deliver_once(struct ff_subscription *sub, const struct ff_event *event)
{
	struct ff_event_lent lent = FF_EVENT_LENT(event);

	deliver(sub, &lent.ref);
	ff_event_lent_release(&lent);
}

/* What it asked for is not to be had; it hears so, and is live from here on. */
static void give_up(struct ff_bus *bus, struct ff_subscription *sub, const char *why)
{
	struct ff_event event = {
		.seq = bus->last, .time_us = ff_clock_wall_us(), .kind = FF_EVENT_NOTICE};
	struct ff_buf text = FF_BUF_INIT;

	ff_reader_free(sub->reader);
	sub->reader = NULL;
	ff_buf_addf(&text, "events %" PRIu64 " to %" PRIu64 " can't be read back: %s", sub->next,
		    bus->last, why);
	event.u.notice.level = "error";
	event.u.notice.text = ff_buf_str(&text);
	deliver_once(sub, &event);
	ff_buf_release(&text);
}

/* Up to FF_BUS_STEP older events for one that is behind. */
static void step(struct ff_bus *bus, struct ff_subscription *sub)
{
	if (!sub->reader || sub->busy)
		return;
	sub->busy = true;
	ff_journal_write(bus->journal);
	for (int i = 0; i < FF_BUS_STEP && !sub->gone && sub->next <= bus->last; i++) {
		const struct ff_event *event;
		struct ff_err err = {0};
		int rc = ff_reader_next(sub->reader, &event, &err);

		if (rc <= 0) {
			give_up(bus, sub, rc < 0 ? err.text : "the journal is incomplete");
			break;
		}
		if (event->seq >= sub->next)
			deliver_once(sub, event);
	}
	sub->busy = false;
	if (sub->next > bus->last) {
		ff_reader_free(sub->reader);
		sub->reader = NULL;
	}
}

static void hand_out(struct ff_bus *bus, struct ff_event_ref *ref)
{
	struct ff_list *pos;

	bus->last = ref->event->seq;
	/* Those who come meanwhile are at the end, those who go stay until leave(). */
	ff_list_for_each(pos, &bus->subscriptions) {
		struct ff_subscription *sub = ff_container_of(pos, struct ff_subscription, link);

		if (sub->gone)
			continue;
		if (sub->reader)
			step(bus, sub);
		else if (ref->event->seq >= sub->next)
			deliver(sub, ref);
	}
}

static void enter(struct ff_bus *bus)
{
	bus->depth++;
}

/* The outermost call hands out what was published meanwhile, then lets go of who is gone. */
static void leave(struct ff_bus *bus)
{
	struct ff_list *pos, *tmp;

	while (bus->depth == 1 && !ff_list_empty(&bus->queue)) {
		struct queued *queued = ff_container_of(bus->queue.next, struct queued, link);

		ff_list_del(&queued->link);
		hand_out(bus, queued->ref);
		ff_event_unref(queued->ref);
		ff_free(queued);
	}
	if (--bus->depth > 0)
		return;
	ff_list_for_each_safe(pos, tmp, &bus->subscriptions) {
		struct ff_subscription *sub = ff_container_of(pos, struct ff_subscription, link);

		if (sub->gone)
			drop(sub);
	}
}

void ff_bus_publish(struct ff_bus *bus, const struct ff_event *event)
{
	struct ff_event_lent lent = FF_EVENT_LENT(event);

	if (bus->depth > 0) {
		struct queued *queued = ff_xcalloc(1, sizeof(*queued));

		queued->ref = ff_event_copy(event);
		ff_list_add_tail(&bus->queue, &queued->link);
		return;
	}
	enter(bus);
	hand_out(bus, &lent.ref);
	leave(bus);
	ff_event_lent_release(&lent);
}

struct ff_subscription *ff_bus_subscribe(struct ff_bus *bus, uint64_t from_seq,
					 void (*fn)(struct ff_event_ref *event, void *ctx),
					 void *ctx, struct ff_err *err)
{
	struct ff_subscription *sub;
	struct ff_reader *reader = NULL;

	if (from_seq == 0)
		from_seq = 1;
	if (from_seq <= bus->last) {
		if (!bus->journal) {
			ff_err_set(err, FF_ENOTFOUND,
				   "event %" PRIu64 " is past, without a journal", from_seq);
			return NULL;
		}
		reader = ff_reader_new(ff_journal_path(bus->journal), err);
		if (!reader)
			return NULL;
	}
	sub = ff_xcalloc(1, sizeof(*sub));
	sub->fn = fn;
	sub->ctx = ctx;
	sub->next = from_seq;
	sub->reader = reader;
	ff_list_add_tail(&bus->subscriptions, &sub->link);
	enter(bus);
	step(bus, sub);
	leave(bus);
	return sub;
}

void ff_bus_unsubscribe(struct ff_bus *bus, struct ff_subscription *subscription)
{
	if (bus->depth > 0)
		subscription->gone = true;
	else
		drop(subscription);
}

bool ff_bus_pump(struct ff_bus *bus)
{
	struct ff_list *pos;
	bool behind = false;

	enter(bus);
	ff_list_for_each(pos, &bus->subscriptions) {
		struct ff_subscription *sub = ff_container_of(pos, struct ff_subscription, link);

		if (sub->gone)
			continue;
		step(bus, sub);
		behind |= sub->reader && !sub->gone;
	}
	leave(bus);
	return behind;
}

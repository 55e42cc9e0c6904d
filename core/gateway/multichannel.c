/* Many channels as one, and the queue over them. Built on the public face of channels, save that a
 * queue which goes away takes its callbacks back. */
#include "gateway/multichannel.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "gateway/private.h"

struct entry {
	struct ff_list link;
	struct ff_channel *channel;
	size_t size; /* credit to give when it is taken */
	bool end;
	struct ff_item item;
};

/* A channel's place in the queue. Its end marker needs no memory when it comes. */
struct source {
	struct ff_queue *queue;
	struct entry end;
	bool attached;
};

struct ff_queue {
	struct ff_multichannel *multi;
	struct ff_list entries;
	size_t len;
	size_t open; /* channels that have not ended */
	bool endmarkers;
	bool lossy; /* an entry could not be stored */
	struct source sources[];
};

struct ff_multichannel {
	size_t len;
	struct ff_queue *queue;
	struct ff_channel *channels[];
};

struct ff_multichannel *ff_multichannel_new(struct ff_channel *const *channels, size_t count)
{
	struct ff_multichannel *multi;
	size_t i;

	multi = ff_calloc(1, sizeof(*multi) + count * sizeof(struct ff_channel *));
	if (!multi)
		return NULL;
	multi->len = count;
	for (i = 0; i < count; i++)
		multi->channels[i] = ff_channel_ref(channels[i]);
	return multi;
}

static void queue_free(struct ff_queue *queue)
{
	struct ff_list *pos, *tmp;
	size_t i;

	if (!queue)
		return;
	for (i = 0; i < queue->multi->len; i++) {
		if (queue->sources[i].attached)
			ff_channel_drop_callback(queue->multi->channels[i]);
	}
	ff_list_for_each_safe(pos, tmp, &queue->entries) {
		struct entry *entry = ff_container_of(pos, struct entry, link);

		ff_list_del(pos);
		ff_item_release(&entry->item);
		if (!entry->end)
			ff_free(entry);
	}
	ff_free(queue);
}

void ff_multichannel_free(struct ff_multichannel *multi)
{
	size_t i;

	if (!multi)
		return;
	queue_free(multi->queue);
	for (i = 0; i < multi->len; i++)
		ff_channel_unref(multi->channels[i]);
	ff_free(multi);
}

size_t ff_multichannel_len(const struct ff_multichannel *multi)
{
	return multi->len;
}

struct ff_channel *ff_multichannel_at(const struct ff_multichannel *multi, size_t index)
{
	return index < multi->len ? multi->channels[index] : NULL;
}

int ff_multichannel_send_each(struct ff_multichannel *multi, const struct ff_value *value,
			      struct ff_err *err)
{
	int first = 0;
	size_t i;

	for (i = 0; i < multi->len; i++) {
		int rc = ff_channel_send(multi->channels[i], value, first ? NULL : err);

		if (!first)
			first = rc;
	}
	return first;
}

/* The loop of the first channel that has one. */
static const struct ff_group_driver *find_driver(const struct ff_multichannel *multi, void **ctx)
{
	size_t i;

	for (i = 0; i < multi->len; i++) {
		const struct ff_group_driver *driver = ff_channel_driver(multi->channels[i], ctx);

		if (driver)
			return driver;
	}
	return NULL;
}

static struct ff_limit limit_start(const struct ff_multichannel *multi, int64_t timeout_ms)
{
	void *ctx = NULL;
	const struct ff_group_driver *driver = find_driver(multi, &ctx);

	return ff_limit_start(driver, ctx, timeout_ms);
}

int ff_multichannel_receive_each(struct ff_multichannel *multi, int64_t timeout_ms,
				 struct ff_item *items, size_t *received, struct ff_err *err)
{
	struct ff_limit limit = limit_start(multi, timeout_ms);
	size_t i;
	int rc = 0;

	for (i = 0; i < multi->len; i++) {
		rc = ff_channel_receive(multi->channels[i], ff_limit_left(&limit), &items[i], err);
		if (rc)
			break;
	}
	*received = i;
	return rc;
}

int ff_multichannel_waitclose(struct ff_multichannel *multi, int64_t timeout_ms, struct ff_err *err)
{
	struct ff_limit limit = limit_start(multi, timeout_ms);
	int first = 0;
	size_t i;

	for (i = 0; i < multi->len; i++) {
		struct ff_err now;
		int rc = ff_channel_waitclose(multi->channels[i], ff_limit_left(&limit), &now);

		if (rc && rc != FF_EREMOTE && rc != FF_ELOST)
			return ff_err_set(err, rc, "%s", now.text);
		if (rc && !first)
			first = ff_err_set(err, rc, "%s", now.text);
	}
	return first;
}

/* --- the queue --- */

static void append(struct ff_queue *queue, struct entry *entry)
{
	ff_list_add_tail(&queue->entries, &entry->link);
	queue->len++;
}

static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct source *source = ctx;
	struct ff_queue *queue = source->queue;
	struct entry *entry;

	if (!item) {
		queue->open--;
		if (queue->endmarkers)
			append(queue, &source->end);
		return;
	}
	entry = ff_calloc(1, sizeof(*entry));
	if (!entry) {
		queue->lossy = true;
		ff_channel_give_credit(channel, ff_channel_item_size(channel));
		return;
	}
	entry->channel = channel;
	entry->size = ff_channel_item_size(channel);
	ff_channel_take_item(channel, &entry->item);
	append(queue, entry);
}

struct ff_queue *ff_multichannel_queue(struct ff_multichannel *multi, bool endmarkers)
{
	struct ff_queue *queue;
	size_t i;

	if (multi->queue)
		return multi->queue;
	queue = ff_calloc(1, sizeof(*queue) + multi->len * sizeof(struct source));
	if (!queue)
		return NULL;
	queue->multi = multi;
	queue->endmarkers = endmarkers;
	queue->open = multi->len;
	ff_list_init(&queue->entries);
	multi->queue = queue;
	for (i = 0; i < multi->len; i++) {
		struct ff_channel *channel = multi->channels[i];
		struct source *source = &queue->sources[i];

		source->queue = queue;
		source->end.channel = channel;
		source->end.end = true;
		ff_list_init(&source->end.link);
		ff_channel_hold_credit(channel, true);
		/* A channel that somebody else listens to gives nothing here. */
		if (ff_channel_set_callback(channel, on_item, source)) {
			ff_channel_hold_credit(channel, false);
			queue->open--;
		} else {
			source->attached = true;
		}
	}
	return queue;
}

struct ff_queue_entry *ff_queue_entry_new(void)
{
	return ff_calloc(1, sizeof(struct ff_queue_entry));
}

void ff_queue_entry_release(struct ff_queue_entry *entry)
{
	if (entry)
		ff_item_release(&entry->item);
}

void ff_queue_entry_free(struct ff_queue_entry *entry)
{
	ff_queue_entry_release(entry);
	ff_free(entry);
}

struct ff_channel *ff_queue_entry_channel(const struct ff_queue_entry *entry)
{
	return entry->channel;
}

bool ff_queue_entry_end(const struct ff_queue_entry *entry)
{
	return entry->end;
}

const struct ff_value *ff_queue_entry_value(const struct ff_queue_entry *entry)
{
	return &entry->item.value;
}

int ff_queue_poll(struct ff_queue *queue, struct ff_queue_entry *out)
{
	struct entry *entry;

	if (ff_list_empty(&queue->entries)) {
		if (queue->lossy)
			return FF_ENOMEM;
		return queue->open ? FF_EAGAIN : FF_EEOF;
	}
	entry = ff_container_of(queue->entries.next, struct entry, link);
	ff_list_del(&entry->link);
	queue->len--;
	out->channel = entry->channel;
	out->end = entry->end;
	out->item = entry->item;
	if (!entry->end) {
		ff_channel_give_credit(entry->channel, entry->size);
		ff_free(entry);
	}
	return 0;
}

int ff_queue_get(struct ff_queue *queue, int64_t timeout_ms, struct ff_queue_entry *entry,
		 struct ff_err *err)
{
	struct ff_limit limit = limit_start(queue->multi, timeout_ms);
	bool ran = false;
	int rc;

	while ((rc = ff_queue_poll(queue, entry)) == FF_EAGAIN) {
		if (!limit.driver)
			return ff_err_set(err, FF_EUNSUPPORTED,
					  "receive queue: no loop to wait in");
		if (ran && limit.driver->now_us(limit.ctx) >= limit.deadline_us)
			return ff_err_set(err, FF_ETIMEOUT, "receive queue: timed out");
		ran = true;
		rc = limit.driver->run_once(limit.ctx, limit.deadline_us);
		if (rc)
			break;
	}
	return rc ? ff_err_set(err, rc, "receive queue: %s", ff_err_text(rc)) : 0;
}

size_t ff_queue_len(const struct ff_queue *queue)
{
	return queue->len;
}

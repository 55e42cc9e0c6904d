/* The table of named values: what is bound, and who waits for what. It sends and receives items and
 * must not know what carries them. */
#include "gateway/names.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/map.h"
#include "gateway/names_item.h"
#include "gateway/private.h"

/* A name that is bound, or waited for. */
struct record {
	struct ff_names *names;
	bool bound;
	size_t size; /* of the value */
	struct ff_item item;
	struct ff_list watches;
	char name[];
};

struct peer {
	struct ff_list link;
	struct ff_names *names;
	struct ff_channel *channel;
	struct ff_list watches;
	size_t num_watches;
};

/* Someone who waits: a peer, or local code. */
struct ff_names_watch {
	struct ff_list in_record, in_peer;
	struct record *record;
	struct peer *peer; /* NULL: local */
	bool once;	   /* a get */
	ff_names_fn *fn;
	void *ctx;
};

struct ff_names {
	struct ff_map records;
	struct ff_list peers;
	size_t bytes;
};

/* --- records and watches --- */

static int find_record(struct ff_names *names, const char *name, struct record **out)
{
	struct record *record = ff_map_get(&names->records, name);
	size_t size = strlen(name) + 1;

	if (!record) {
		if (names->records.len >= FF_NAMES_MAX)
			return FF_ETOOBIG;
		record = ff_calloc(1, sizeof(*record) + size);
		if (!record || ff_map_set(&names->records, name, record)) {
			ff_free(record);
			return FF_ENOMEM;
		}
		record->names = names;
		ff_list_init(&record->watches);
		memcpy(record->name, name, size);
	}
	*out = record;
	return 0;
}

static void drop_if_unused(struct record *record)
{
	if (record->bound || !ff_list_empty(&record->watches))
		return;
	ff_map_del(&record->names->records, record->name);
	ff_free(record);
}

static struct ff_names_watch *add_watch(struct record *record, struct peer *peer)
{
	struct ff_names_watch *watch = ff_calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
	watch->record = record;
	watch->peer = peer;
	ff_list_init(&watch->in_peer);
	ff_list_add_tail(&record->watches, &watch->in_record);
	if (peer) {
		ff_list_add_tail(&peer->watches, &watch->in_peer);
		peer->num_watches++;
	}
	return watch;
}

static void free_watch(struct ff_names_watch *watch)
{
	struct record *record = watch->record;

	ff_list_del(&watch->in_record);
	ff_list_del(&watch->in_peer);
	if (watch->peer)
		watch->peer->num_watches--;
	ff_free(watch);
	drop_if_unused(record);
}

/* --- telling --- */

static void tell_peer(struct peer *peer, const char *tag, const struct record *record)
{
	/* Closing it ends the peer. */
	struct ff_channel *channel = ff_channel_ref(peer->channel);
	struct ff_err err;
	int rc = ff_names_send(channel, tag, record->name, &record->item.value, &err);

	if (rc == FF_EAGAIN)
		ff_channel_close(channel, "named values: you do not read what you asked for");
	else if (rc && rc != FF_ECLOSED)
		ff_channel_close(channel, err.text);
	ff_channel_unref(channel);
}

static void tell(struct ff_names_watch *watch)
{
	struct record *record = watch->record;
	struct peer *peer = watch->peer;

	if (!peer) {
		watch->fn(record->name, &record->item.value, watch->ctx);
	} else if (watch->once) {
		free_watch(watch);
		tell_peer(peer, "value", record);
	} else {
		tell_peer(peer, "changed", record);
	}
}

/* Telling may end any watch: each is moved back before its turn. */
static void tell_all(struct record *record)
{
	struct ff_list round;

	if (ff_list_empty(&record->watches))
		return;
	round = record->watches;
	round.next->prev = &round;
	round.prev->next = &round;
	ff_list_init(&record->watches);
	while (!ff_list_empty(&round)) {
		struct ff_list *node = round.next;

		ff_list_del(node);
		ff_list_add_tail(&record->watches, node);
		tell(ff_container_of(node, struct ff_names_watch, in_record));
	}
}

/* Takes over the item; `size` are its bytes. */
static int bind(struct ff_names *names, const char *name, struct ff_item *item, size_t size)
{
	struct record *record;
	size_t others;
	int rc = find_record(names, name, &record);

	if (rc)
		return rc;
	others = names->bytes - record->size;
	if (size > FF_NAMES_BYTES_MAX - others) {
		drop_if_unused(record);
		return FF_ETOOBIG;
	}
	ff_item_release(&record->item);
	record->item = *item;
	*item = (struct ff_item)FF_ITEM_INIT;
	record->size = size;
	record->bound = true;
	names->bytes = others + size;
	tell_all(record);
	return 0;
}

/* --- peers --- */

static void end_peer(struct peer *peer)
{
	while (!ff_list_empty(&peer->watches))
		free_watch(ff_container_of(peer->watches.next, struct ff_names_watch, in_peer));
	ff_list_del(&peer->link);
	ff_channel_unref(peer->channel);
	ff_free(peer);
}

static struct ff_names_watch *find_subscription(const struct peer *peer, const char *name)
{
	struct ff_list *node;

	ff_list_for_each(node, &peer->watches) {
		struct ff_names_watch *watch =
			ff_container_of(node, struct ff_names_watch, in_peer);

		if (!watch->once && !strcmp(watch->record->name, name))
			return watch;
	}
	return NULL;
}

/* A get or a subscription: what is bound is told at once. */
static int watch_name(struct peer *peer, const char *name, bool once)
{
	struct ff_names_watch *watch = once ? NULL : find_subscription(peer, name);
	struct record *record;
	int rc;

	if (!watch) {
		if (peer->num_watches >= FF_NAMES_WATCHES_MAX)
			return FF_ETOOBIG;
		rc = find_record(peer->names, name, &record);
		if (rc)
			return rc;
		watch = add_watch(record, peer);
		if (!watch) {
			drop_if_unused(record);
			return FF_ENOMEM;
		}
		watch->once = once;
	}
	if (watch->record->bound)
		tell(watch);
	return 0;
}

static int on_set(struct peer *peer, const char *name, size_t size)
{
	struct ff_item item = FF_ITEM_INIT;
	int rc;

	ff_channel_take_item(peer->channel, &item);
	item.value = *ff_at(&item.value, 2);
	rc = ff_names_has_channel(&item.value) ? FF_EINVAL : bind(peer->names, name, &item, size);
	ff_item_release(&item);
	return rc;
}

static void on_request(struct peer *peer, const struct ff_value *request)
{
	char name[FF_NAME_MAX + 1], words[128];
	const struct ff_value *tag = ff_at(request, 0);
	bool set = ff_is_str(tag, "set");
	int rc = FF_EINVAL;

	if (tag && request->len == (set ? 3U : 2U) && ff_names_copy(name, ff_at(request, 1))) {
		if (set) {
			rc = on_set(peer, name, ff_channel_item_size(peer->channel));
		} else if (ff_is_str(tag, "get") || ff_is_str(tag, "subscribe")) {
			rc = watch_name(peer, name, ff_is_str(tag, "get"));
		} else if (ff_is_str(tag, "unsubscribe")) {
			struct ff_names_watch *watch = find_subscription(peer, name);

			if (watch)
				free_watch(watch);
			rc = 0;
		}
	}
	if (!rc)
		return;
	snprintf(words, sizeof(words), "named values: request refused: %s", ff_err_text(rc));
	ff_channel_close(peer->channel, words);
}

static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	if (!item)
		end_peer(ctx);
	else if (!ff_channel_isclosed(channel))
		on_request(ctx, &item->value);
}

int ff_names_attach(struct ff_names *names, struct ff_channel *channel, struct ff_err *err)
{
	struct peer *peer = ff_calloc(1, sizeof(*peer));
	int rc;

	if (!peer)
		return ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
	peer->names = names;
	peer->channel = ff_channel_ref(channel);
	ff_list_init(&peer->watches);
	ff_list_add_tail(&names->peers, &peer->link);
	rc = ff_channel_set_callback(channel, on_item, peer);
	if (rc) {
		end_peer(peer);
		ff_err_set(err, rc, "channel %u has a callback", ff_channel_id(channel));
	}
	return rc;
}

/* --- life --- */

struct ff_names *ff_names_new(void)
{
	struct ff_names *names = ff_calloc(1, sizeof(*names));

	if (!names)
		return NULL;
	ff_map_init(&names->records);
	ff_list_init(&names->peers);
	return names;
}

static void free_record(struct record *record)
{
	/* What is left is local: peers have taken theirs along. */
	while (!ff_list_empty(&record->watches)) {
		struct ff_names_watch *watch =
			ff_container_of(record->watches.next, struct ff_names_watch, in_record);

		ff_list_del(&watch->in_record);
		ff_free(watch);
	}
	ff_item_release(&record->item);
	ff_free(record);
}

void ff_names_free(struct ff_names *names)
{
	size_t cursor = 0;
	void *record;

	if (!names)
		return;
	while (!ff_list_empty(&names->peers)) {
		struct peer *peer = ff_container_of(names->peers.next, struct peer, link);

		ff_channel_drop_callback(peer->channel);
		ff_channel_close(peer->channel, NULL);
		end_peer(peer);
	}
	while (ff_map_next(&names->records, &cursor, NULL, &record))
		free_record(record);
	ff_map_release(&names->records);
	ff_free(names);
}

/* --- local use --- */

int ff_names_set(struct ff_names *names, const char *name, const struct ff_value *value,
		 struct ff_err *err)
{
	struct ff_buf packed = FF_BUF_INIT;
	struct ff_item item = FF_ITEM_INIT;
	int rc = ff_names_check(name, err);

	if (!rc && ff_names_has_channel(value))
		rc = ff_err_set(err, FF_EINVAL, "named values hold no channels");
	if (!rc)
		rc = ff_dump_item(&packed, value, err);
	if (!rc)
		rc = ff_load_item(&item, ff_buf_data(&packed), packed.len, NULL, 0, err);
	if (!rc) {
		rc = bind(names, name, &item, packed.len);
		if (rc)
			ff_err_set(err, rc, "name '%s': %s", name, ff_err_text(rc));
	}
	ff_item_release(&item);
	ff_buf_release(&packed);
	return rc;
}

const struct ff_value *ff_names_value(const struct ff_names *names, const char *name)
{
	const struct record *record = ff_map_get(&names->records, name);

	return record && record->bound ? &record->item.value : NULL;
}

static int copy_value(struct ff_item *item, const struct ff_value *value, struct ff_err *err)
{
	struct ff_buf packed = FF_BUF_INIT;
	int rc = ff_dump_item(&packed, value, err);

	if (!rc)
		rc = ff_load_item(item, ff_buf_data(&packed), packed.len, NULL, 0, err);
	ff_buf_release(&packed);
	return rc;
}

/* An attached channel that one can wait on. */
static struct ff_channel *find_waitable(const struct ff_names *names)
{
	struct ff_list *node;
	void *ctx;

	ff_list_for_each(node, &names->peers) {
		struct peer *peer = ff_container_of(node, struct peer, link);

		if (ff_channel_driver(peer->channel, &ctx))
			return peer->channel;
	}
	return NULL;
}

int ff_names_get(struct ff_names *names, const char *name, int64_t timeout_ms, struct ff_item *item,
		 struct ff_err *err)
{
	struct ff_channel *channel = find_waitable(names);
	const struct ff_group_driver *driver;
	const struct ff_value *value;
	int64_t deadline;
	bool ran = false;
	void *ctx = NULL;
	int rc = ff_names_check(name, err);

	driver = channel ? ff_channel_driver(channel, &ctx) : NULL;
	deadline = ff_deadline_after(driver, ctx, timeout_ms);
	while (!rc && !(value = ff_names_value(names, name))) {
		/* The one we waited on may have ended. */
		channel = find_waitable(names);
		if (!channel)
			return ff_err_set(err, FF_EUNSUPPORTED,
					  "name '%s': no channel to wait for it", name);
		rc = ff_channel_check_blocking(channel, err);
		if (!rc)
			rc = ff_channel_wait_once(channel, deadline, &ran, err);
	}
	return rc ? rc : copy_value(item, value, err);
}

struct ff_names_watch *ff_names_subscribe(struct ff_names *names, const char *name, ff_names_fn *fn,
					  void *ctx, struct ff_err *err)
{
	struct ff_names_watch *watch = NULL;
	struct record *record;
	int rc = ff_names_check(name, err);

	if (rc)
		return NULL;
	rc = find_record(names, name, &record);
	if (!rc) {
		watch = add_watch(record, NULL);
		if (!watch)
			drop_if_unused(record);
	}
	if (!watch) {
		rc = rc ? rc : FF_ENOMEM;
		ff_err_set(err, rc, "name '%s': %s", name, ff_err_text(rc));
		return NULL;
	}
	watch->fn = fn;
	watch->ctx = ctx;
	if (record->bound)
		tell(watch);
	return watch;
}

void ff_names_unsubscribe(struct ff_names_watch *watch)
{
	if (watch)
		free_watch(watch);
}

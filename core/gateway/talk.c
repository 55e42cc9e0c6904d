/* Plain items and named values on one channel. What is special about an item is decided in here and
 * nowhere else. */
#include "gateway/talk.h"

#include "base/alloc.h"
#include "base/map.h"
#include "gateway/names_item.h"
#include "gateway/private.h"

/* Special items are pairs that begin with one of these; plain ones that look so travel in ITEM. */
#define NAMES	  "\0names"
#define ITEM	  "\0item"
#define TAG(text) ff_strn(text, sizeof(text) - 1)

struct slot {
	struct ff_item item;
	size_t size;
	bool bound;
	struct ff_list subs;
	char name[];
};

struct waiting {
	struct ff_list link;
	size_t size; /* credit */
	struct ff_item item;
};

struct ff_talk_sub {
	struct ff_list link;
	struct ff_talk *talk;
	struct slot *slot; /* NULL: plain items */
	ff_talk_fn *fn;
	void *ctx;
	bool over; /* was told of the end */
};

struct ff_talk {
	struct ff_channel *channel;
	struct ff_map slots;
	struct ff_list subs; /* to plain items */
	struct ff_list items;
	size_t num_subs; /* to plain items, also while they are told */
	size_t bytes;
	bool ended, draining;
};

static bool is_tag(const struct ff_value *value, const char *tag, size_t len)
{
	return value && value->kind == FF_STR && value->len == len &&
	       memcmp(value->text, tag, len) == 0;
}
#define IS_TAG(value, text) is_tag(value, text, sizeof(text) - 1)

static bool is_special(const struct ff_value *item)
{
	const struct ff_value *tag = ff_at(item, 0);

	return item->kind == FF_TUPLE && item->len == 2 && tag->kind == FF_STR && tag->len &&
	       !tag->text[0];
}

/* --- telling --- */

/* Any of them may go meanwhile: each is moved back before its turn. */
static void tell(struct ff_list *subs, const char *name, const struct ff_value *value)
{
	struct ff_list round;

	if (ff_list_empty(subs))
		return;
	round = *subs;
	round.next->prev = &round;
	round.prev->next = &round;
	ff_list_init(subs);
	while (!ff_list_empty(&round)) {
		struct ff_talk_sub *sub = ff_container_of(round.next, struct ff_talk_sub, link);

		ff_list_del(&sub->link);
		ff_list_add_tail(subs, &sub->link);
		if (sub->over)
			continue;
		sub->over = !value;
		sub->fn(name, value, sub->ctx);
	}
}

static void drop_waiting(struct ff_talk *talk, struct waiting *waiting)
{
	ff_list_del(&waiting->link);
	ff_channel_give_credit(talk->channel, waiting->size);
	ff_item_release(&waiting->item);
	ff_free(waiting);
}

/* Items that wait, to those who have come for them. */
static void drain(struct ff_talk *talk)
{
	if (talk->draining)
		return;
	talk->draining = true;
	while (talk->num_subs && !ff_list_empty(&talk->items)) {
		struct waiting *waiting = ff_container_of(talk->items.next, struct waiting, link);

		/* Taken out first: a callback may look at what waits. */
		ff_list_del(&waiting->link);
		tell(&talk->subs, NULL, &waiting->item.value);
		drop_waiting(talk, waiting);
	}
	talk->draining = false;
}

static void tell_end(struct ff_talk *talk)
{
	size_t cursor = 0;
	const char *name;
	void *slot;

	talk->ended = true;
	tell(&talk->subs, NULL, NULL);
	while (ff_map_next(&talk->slots, &cursor, &name, &slot))
		tell(&((struct slot *)slot)->subs, name, NULL);
}

/* --- what comes --- */

static int find_slot(struct ff_talk *talk, const char *name, struct slot **out)
{
	struct slot *slot = ff_map_get(&talk->slots, name);
	size_t size = strlen(name) + 1;

	if (!slot) {
		if (talk->slots.len >= FF_NAMES_MAX)
			return FF_ETOOBIG;
		slot = ff_calloc(1, sizeof(*slot) + size);
		if (!slot || ff_map_set(&talk->slots, name, slot)) {
			ff_free(slot);
			return FF_ENOMEM;
		}
		ff_list_init(&slot->subs);
		memcpy(slot->name, name, size);
	}
	*out = slot;
	return 0;
}

static int copy(struct ff_item *item, const struct ff_value *value, size_t *size,
		struct ff_err *err)
{
	struct ff_buf packed = FF_BUF_INIT;
	int rc = ff_dump_item(&packed, value, err);

	if (!rc)
		rc = ff_load_item(item, ff_buf_data(&packed), packed.len, NULL, 0, err);
	if (size)
		*size = packed.len;
	ff_buf_release(&packed);
	return rc;
}

static int bind(struct ff_talk *talk, const char *name, const struct ff_value *value)
{
	struct ff_item item = FF_ITEM_INIT;
	struct slot *slot;
	size_t size = 0;
	int rc = find_slot(talk, name, &slot);

	if (!rc)
		rc = copy(&item, value, &size, NULL);
	if (!rc && size > FF_NAMES_BYTES_MAX - (talk->bytes - slot->size))
		rc = FF_ETOOBIG;
	if (rc) {
		ff_item_release(&item);
		return rc;
	}
	talk->bytes += size - slot->size;
	ff_item_release(&slot->item);
	slot->item = item;
	slot->size = size;
	slot->bound = true;
	return 0;
}

/* All are there before the first of them is told. */
static int on_names(struct ff_talk *talk, const struct ff_value *names)
{
	char name[FF_NAME_MAX + 1];
	size_t count = names && names->kind == FF_DICT ? names->len : 0;
	int rc = count ? 0 : FF_EINVAL;

	for (size_t i = 0; !rc && i < count; i++)
		rc = ff_names_copy(name, &names->items[2 * i])
			     ? bind(talk, name, &names->items[2 * i + 1])
			     : FF_EINVAL;
	for (size_t i = 0; !rc && i < count; i++) {
		struct slot *slot;

		ff_names_copy(name, &names->items[2 * i]);
		slot = ff_map_get(&talk->slots, name);
		/* The value is the item's own: the callback may bring about another one. */
		tell(&slot->subs, slot->name, &names->items[2 * i + 1]);
	}
	return rc;
}

static int keep(struct ff_talk *talk, bool wrapped)
{
	struct waiting *waiting = ff_calloc(1, sizeof(*waiting));

	if (!waiting)
		return FF_ENOMEM;
	waiting->size = ff_channel_item_size(talk->channel);
	ff_channel_take_item(talk->channel, &waiting->item);
	if (wrapped)
		waiting->item.value = *ff_at(&waiting->item.value, 1);
	ff_list_add_tail(&talk->items, &waiting->link);
	drain(talk);
	return 0;
}

static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct ff_talk *talk = ctx;
	size_t size = ff_channel_item_size(channel);
	bool special = item && is_special(&item->value);
	int rc;

	if (!item) {
		tell_end(talk);
		return;
	}
	if (!special || IS_TAG(ff_at(&item->value, 0), ITEM)) {
		rc = keep(talk, special);
	} else {
		rc = IS_TAG(ff_at(&item->value, 0), NAMES) ? on_names(talk, ff_at(&item->value, 1))
							   : FF_EINVAL;
		ff_channel_give_credit(channel, size);
	}
	if (rc)
		ff_channel_close(channel, rc == FF_EINVAL   ? "talk: these are no names"
					  : rc == FF_ENOMEM ? "talk: out of memory"
							    : "talk: too many names, or too long");
}

/* --- life --- */

struct ff_talk *ff_talk_new(struct ff_channel *channel, struct ff_err *err)
{
	struct ff_talk *talk = ff_calloc(1, sizeof(*talk));

	if (!talk) {
		ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
		return NULL;
	}
	ff_map_init(&talk->slots);
	ff_list_init(&talk->subs);
	ff_list_init(&talk->items);
	talk->channel = ff_channel_ref(channel);
	ff_channel_hold_credit(channel, true);
	if (ff_channel_set_callback(channel, on_item, talk)) {
		ff_channel_hold_credit(channel, false);
		ff_channel_unref(channel);
		ff_free(talk);
		ff_err_set(err, FF_EEXISTS, "channel %u has a callback", ff_channel_id(channel));
		return NULL;
	}
	return talk;
}

static void free_subs(struct ff_list *subs)
{
	while (!ff_list_empty(subs)) {
		struct ff_talk_sub *sub = ff_container_of(subs->next, struct ff_talk_sub, link);

		ff_list_del(&sub->link);
		ff_free(sub);
	}
}

void ff_talk_free(struct ff_talk *talk)
{
	size_t cursor = 0;
	void *slot;

	if (!talk)
		return;
	ff_channel_drop_callback(talk->channel);
	while (!ff_list_empty(&talk->items))
		drop_waiting(talk, ff_container_of(talk->items.next, struct waiting, link));
	ff_channel_close(talk->channel, NULL);
	ff_channel_unref(talk->channel);
	while (ff_map_next(&talk->slots, &cursor, NULL, &slot)) {
		free_subs(&((struct slot *)slot)->subs);
		ff_item_release(&((struct slot *)slot)->item);
		ff_free(slot);
	}
	ff_map_release(&talk->slots);
	free_subs(&talk->subs);
	ff_free(talk);
}

struct ff_channel *ff_talk_channel(const struct ff_talk *talk)
{
	return talk->channel;
}

/* --- sending --- */

static struct ff_limit limit_of(const struct ff_talk *talk, int64_t timeout_ms)
{
	void *ctx = NULL;
	const struct ff_group_driver *driver = ff_channel_driver(talk->channel, &ctx);

	return ff_limit_start(driver, ctx, timeout_ms);
}

int ff_talk_send(struct ff_talk *talk, const struct ff_value *items, size_t count,
		 int64_t timeout_ms, size_t *sent, struct ff_err *err)
{
	struct ff_limit limit = limit_of(talk, timeout_ms);
	size_t i = 0;
	int rc = 0;

	while (!rc && i < count) {
		struct ff_value pair[] = {TAG(ITEM), items[i]};
		struct ff_value wrapped = ff_collection(FF_TUPLE, pair, 2);

		rc = ff_channel_send(talk->channel, is_special(&items[i]) ? &wrapped : &items[i],
				     err);
		if (rc == FF_EAGAIN)
			rc = ff_channel_waitwritable(talk->channel, ff_limit_left(&limit), err);
		else if (!rc)
			i++;
	}
	if (sent)
		*sent = i;
	if (!rc)
		rc = ff_channel_waittaken(talk->channel, ff_limit_left(&limit), err);
	/* Who has all of them may have closed it since. */
	return rc == FF_ECLOSED && i == count && ff_channel_taken(talk->channel) ? 0 : rc;
}

int ff_talk_set(struct ff_talk *talk, const struct ff_value *names, struct ff_err *err)
{
	struct ff_value pair[] = {TAG(NAMES), *names};
	struct ff_value item = ff_collection(FF_TUPLE, pair, 2);
	char name[FF_NAME_MAX + 1];

	if (names->kind != FF_DICT || !names->len)
		return ff_err_set(err, FF_EINVAL, "a dict of names was expected");
	for (size_t i = 0; i < names->len; i++)
		if (!ff_names_copy(name, &names->items[2 * i]))
			return ff_err_set(err, FF_EINVAL, "a name is a str of 1 to %d bytes",
					  FF_NAME_MAX);
	return ff_channel_send(talk->channel, &item, err);
}

/* --- receiving --- */

/* Why nothing more will come. */
static int ended(const struct ff_talk *talk, struct ff_err *err)
{
	struct ff_channel *channel = talk->channel;

	if (channel->error && !channel->error_taken) {
		channel->error_taken = channel->error_seen = true;
		return ff_err_set(err, FF_EREMOTE, "%s", channel->error);
	}
	if (channel->why && !channel->loss_taken) {
		channel->loss_taken = true;
		return ff_err_set(err, FF_ELOST, "%s", channel->why->err.text);
	}
	return ff_err_set(err, FF_EEOF, "channel %u: end of file", channel->id);
}

/* One turn for who waits; `until` is what counts once. */
static int wait_more(struct ff_talk *talk, int64_t deadline_us, bool *ran, struct ff_err *err)
{
	int rc = ff_channel_check_blocking(talk->channel, err);

	if (!rc && talk->ended)
		rc = ended(talk, err);
	return rc ? rc : ff_channel_wait_once(talk->channel, deadline_us, ran, err);
}

int ff_talk_receive(struct ff_talk *talk, int64_t timeout_ms, struct ff_item *item,
		    struct ff_err *err)
{
	int64_t deadline = limit_of(talk, timeout_ms).deadline_us;
	struct waiting *waiting;
	bool ran = false;
	int rc = 0;

	if (talk->num_subs)
		return ff_err_set(err, FF_EINVAL, "channel %u has subscribers to its items",
				  talk->channel->id);
	while (!rc && ff_list_empty(&talk->items))
		rc = wait_more(talk, deadline, &ran, err);
	if (rc)
		return rc;
	waiting = ff_container_of(talk->items.next, struct waiting, link);
	*item = waiting->item;
	waiting->item = (struct ff_item)FF_ITEM_INIT;
	drop_waiting(talk, waiting);
	return 0;
}

int ff_talk_get(struct ff_talk *talk, const char *name, const struct ff_value *ignore,
		int64_t timeout_ms, struct ff_item *item, struct ff_err *err)
{
	int64_t deadline = limit_of(talk, timeout_ms).deadline_us;
	const struct slot *slot;
	bool ran = false;
	int rc = ff_names_check(name, err);

	while (!rc) {
		slot = ff_map_get(&talk->slots, name);
		if (slot && slot->bound && !(ignore && ff_value_equal(&slot->item.value, ignore)))
			return copy(item, &slot->item.value, NULL, err);
		rc = wait_more(talk, deadline, &ran, err);
	}
	return rc;
}

/* --- subscriptions --- */

struct ff_talk_sub *ff_talk_subscribe(struct ff_talk *talk, const char *name, ff_talk_fn *fn,
				      void *ctx, struct ff_err *err)
{
	struct ff_talk_sub *sub = ff_calloc(1, sizeof(*sub));
	int rc = sub ? 0 : ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));

	if (!rc && name)
		rc = ff_names_check(name, err);
	if (!rc && name) {
		rc = find_slot(talk, name, &sub->slot);
		if (rc)
			ff_err_set(err, rc, "name '%s': %s", name, ff_err_text(rc));
	}
	if (rc) {
		ff_free(sub);
		return NULL;
	}
	sub->talk = talk;
	sub->fn = fn;
	sub->ctx = ctx;
	ff_list_add_tail(name ? &sub->slot->subs : &talk->subs, &sub->link);
	if (!name) {
		talk->num_subs++;
		drain(talk);
	} else if (sub->slot->bound) {
		struct ff_item now = FF_ITEM_INIT;

		/* A copy: it may be set anew in there. */
		if (copy(&now, &sub->slot->item.value, NULL, NULL) == 0)
			fn(sub->slot->name, &now.value, ctx);
		ff_item_release(&now);
	}
	if (talk->ended)
		tell(name ? &sub->slot->subs : &talk->subs, name, NULL);
	return sub;
}

void ff_talk_unsubscribe(struct ff_talk_sub *sub)
{
	if (!sub)
		return;
	if (!sub->slot)
		sub->talk->num_subs--;
	ff_list_del(&sub->link);
	ff_free(sub);
}

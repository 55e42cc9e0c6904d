/* The asking end of named values: which answers are awaited, and who is told of changes. */
#include "gateway/names_client.h"

#include "base/alloc.h"
#include "base/map.h"
#include "gateway/names_item.h"
#include "gateway/private.h"

/* A name that something is awaited for. */
struct entry {
	struct ff_names_client *client;
	uint32_t asked, answered; /* gets: the table answers each, in order */
	struct ff_item answer;	  /* to the last of them */
	bool known;		  /* `last` is what subscribers were told */
	struct ff_item last;
	struct ff_list subs;
	size_t num_subs;
	bool waiting, telling; /* a get; callbacks */
	char name[];
};

struct ff_names_sub {
	struct ff_list link;
	struct entry *entry;
	ff_names_fn *fn;
	void *ctx;
};

struct ff_names_client {
	struct ff_channel *channel;
	struct ff_map entries;
	bool ended;
};

static int find_entry(struct ff_names_client *client, const char *name, struct entry **out,
		      struct ff_err *err)
{
	struct entry *entry = ff_map_get(&client->entries, name);
	size_t size = strlen(name) + 1;
	int rc = ff_names_check(name, err);

	if (rc)
		return rc;
	if (!entry) {
		entry = ff_calloc(1, sizeof(*entry) + size);
		if (!entry || ff_map_set(&client->entries, name, entry)) {
			ff_free(entry);
			return ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
		}
		entry->client = client;
		ff_list_init(&entry->subs);
		memcpy(entry->name, name, size);
	}
	*out = entry;
	return 0;
}

static void free_entry(struct entry *entry)
{
	while (!ff_list_empty(&entry->subs)) {
		struct ff_names_sub *sub =
			ff_container_of(entry->subs.next, struct ff_names_sub, link);

		ff_list_del(&sub->link);
		ff_free(sub);
	}
	ff_item_release(&entry->answer);
	ff_item_release(&entry->last);
	ff_free(entry);
}

static void drop_if_unused(struct entry *entry)
{
	if (entry->waiting || entry->telling || entry->asked != entry->answered || entry->num_subs)
		return;
	ff_map_del(&entry->client->entries, entry->name);
	free_entry(entry);
}

/* --- what the table says --- */

/* Makes the value of the item that is being delivered the entry's. */
static void take_value(struct ff_channel *channel, struct ff_item *out)
{
	ff_item_release(out);
	ff_channel_take_item(channel, out);
	out->value = *ff_at(&out->value, 2);
}

static void on_value(struct entry *entry, struct ff_channel *channel)
{
	/* Answers that nobody waits for any more are only counted. */
	if (entry->answered == entry->asked)
		return;
	if (++entry->answered == entry->asked && entry->waiting)
		take_value(channel, &entry->answer);
}

static void on_changed(struct entry *entry, struct ff_channel *channel)
{
	struct ff_list round;

	if (!entry->num_subs)
		return; /* was under way when the last one left */
	take_value(channel, &entry->last);
	entry->known = true;
	entry->telling = true;
	round = entry->subs;
	round.next->prev = &round;
	round.prev->next = &round;
	ff_list_init(&entry->subs);
	/* A callback may end any of them: each is moved back before its turn. */
	while (!ff_list_empty(&round)) {
		struct ff_names_sub *sub = ff_container_of(round.next, struct ff_names_sub, link);

		ff_list_del(&sub->link);
		ff_list_add_tail(&entry->subs, &sub->link);
		sub->fn(entry->name, &entry->last.value, sub->ctx);
	}
	entry->telling = false;
}

static void on_answer(struct ff_names_client *client, const struct ff_value *answer)
{
	const struct ff_value *tag = ff_at(answer, 0);
	bool changed = ff_is_str(tag, "changed");
	char name[FF_NAME_MAX + 1];
	struct entry *entry;

	if (!tag || answer->len != 3 || !(changed || ff_is_str(tag, "value")) ||
	    !ff_names_copy(name, ff_at(answer, 1))) {
		ff_channel_close(client->channel, "named values: this is no answer");
		return;
	}
	entry = ff_map_get(&client->entries, name);
	if (!entry)
		return;
	if (changed)
		on_changed(entry, client->channel);
	else
		on_value(entry, client->channel);
	drop_if_unused(entry);
}

static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct ff_names_client *client = ctx;

	if (!item)
		client->ended = true;
	else if (!ff_channel_isclosed(channel))
		on_answer(client, &item->value);
}

/* --- life --- */

struct ff_names_client *ff_names_client_new(struct ff_channel *channel, struct ff_err *err)
{
	struct ff_names_client *client = ff_calloc(1, sizeof(*client));

	if (!client) {
		ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
		return NULL;
	}
	ff_map_init(&client->entries);
	if (ff_channel_set_callback(channel, on_item, client)) {
		ff_err_set(err, FF_EEXISTS, "channel %u has a callback", ff_channel_id(channel));
		ff_free(client);
		return NULL;
	}
	client->channel = ff_channel_ref(channel);
	return client;
}

void ff_names_client_free(struct ff_names_client *client)
{
	size_t cursor = 0;
	void *entry;

	if (!client)
		return;
	ff_channel_drop_callback(client->channel);
	ff_channel_close(client->channel, NULL);
	ff_channel_unref(client->channel);
	while (ff_map_next(&client->entries, &cursor, NULL, &entry))
		free_entry(entry);
	ff_map_release(&client->entries);
	ff_free(client);
}

/* --- asking --- */

int ff_names_client_set(struct ff_names_client *client, const char *name,
			const struct ff_value *value, struct ff_err *err)
{
	int rc = ff_names_check(name, err);

	if (!rc && ff_names_has_channel(value))
		rc = ff_err_set(err, FF_EINVAL, "named values hold no channels");
	return rc ? rc : ff_names_send(client->channel, "set", name, value, err);
}

/* Why no answer will come. */
static int ended(const struct ff_names_client *client, struct ff_err *err)
{
	const struct ff_channel *channel = client->channel;
	const char *error = ff_channel_error(channel);

	if (error)
		return ff_err_set(err, FF_EREMOTE, "%s", error);
	if (channel->why)
		return ff_err_set(err, FF_ELOST, "%s", channel->why->err.text);
	return ff_err_set(err, FF_EEOF, "channel %u: end of file", channel->id);
}

int ff_names_client_get(struct ff_names_client *client, const char *name, int64_t timeout_ms,
			struct ff_item *item, struct ff_err *err)
{
	const struct ff_group_driver *driver;
	int64_t deadline;
	struct entry *entry;
	bool ran = false;
	uint32_t ticket;
	void *ctx = NULL;
	int rc = ff_channel_check_blocking(client->channel, err);

	if (!rc && client->ended)
		rc = ended(client, err);
	if (!rc)
		rc = find_entry(client, name, &entry, err);
	if (rc)
		return rc;
	entry->waiting = true;
	rc = ff_names_send(client->channel, "get", name, NULL, err);
	ticket = rc ? entry->asked : ++entry->asked;
	driver = ff_channel_driver(client->channel, &ctx);
	deadline = ff_deadline_after(driver, ctx, timeout_ms);
	while (!rc && entry->answered != ticket) {
		if (client->ended)
			rc = ended(client, err);
		else
			rc = ff_channel_wait_once(client->channel, deadline, &ran, err);
	}
	if (!rc) {
		*item = entry->answer;
		entry->answer = (struct ff_item)FF_ITEM_INIT;
	}
	entry->waiting = false;
	drop_if_unused(entry);
	return rc;
}

struct ff_names_sub *ff_names_client_subscribe(struct ff_names_client *client, const char *name,
					       ff_names_fn *fn, void *ctx, struct ff_err *err)
{
	struct ff_names_sub *sub;
	struct entry *entry;

	if (find_entry(client, name, &entry, err))
		return NULL;
	sub = ff_calloc(1, sizeof(*sub));
	if (!sub)
		ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
	if (!sub ||
	    (!entry->num_subs && ff_names_send(client->channel, "subscribe", name, NULL, err))) {
		ff_free(sub);
		drop_if_unused(entry);
		return NULL;
	}
	sub->entry = entry;
	sub->fn = fn;
	sub->ctx = ctx;
	ff_list_add_tail(&entry->subs, &sub->link);
	entry->num_subs++;
	if (entry->known)
		fn(entry->name, &entry->last.value, ctx);
	return sub;
}

void ff_names_client_unsubscribe(struct ff_names_sub *sub)
{
	struct entry *entry;

	if (!sub)
		return;
	entry = sub->entry;
	ff_list_del(&sub->link);
	ff_free(sub);
	if (--entry->num_subs)
		return;
	/* A callback may be looking at the last value: it goes with the entry. */
	entry->known = false;
	/* If that fails, nobody is there to tell of changes. */
	ff_names_send(entry->client->channel, "unsubscribe", entry->name, NULL, NULL);
	drop_if_unused(entry);
}

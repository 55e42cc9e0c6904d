/* What arrives, on its way to Python threads. As with execnet, whatever a gateway brought is seen
 * in that order: while a callback runs or is to run, what came later waits behind it, also for
 * other channels. */
#include "python/native/line.h"

#include <string.h>

#include "base/alloc.h"

/* --- arrivals --- */

void arrival_free(struct arrival *arrival)
{
	if (!arrival)
		return;
	for (size_t i = 0; i < arrival->end_count; i++)
		end_unref(arrival->ends[i]);
	ff_free(arrival->ends);
	ff_free(arrival->error);
	ff_item_release(&arrival->item);
	end_unref(arrival->end);
	ff_free(arrival);
}

static struct arrival *make_arrival(struct end *end, enum arrival_kind kind)
{
	struct arrival *arrival = ff_calloc(1, sizeof(*arrival));

	if (!arrival)
		return NULL;
	ff_list_init(&arrival->node);
	arrival->kind = kind;
	arrival->end = end;
	end->refs++;
	return arrival;
}

void line_settle(struct arrival *arrival)
{
	struct end *end = arrival->end;

	arrival->end = NULL; /* what an end keeps must not keep it */
	if (arrival->kind == ARRIVAL_ITEM) {
		ff_list_add_tail(&end->items, &arrival->node);
		arrival = NULL;
	} else {
		end->no_more = true;
		end->closed = end->closed || arrival->closed;
		if (arrival->error) {
			ff_list_add_tail(&end->errors, &arrival->node);
			arrival = NULL;
		}
	}
	hub_wake(&end->waiters);
	arrival_free(arrival);
	end_unref(end);
}

static void arrive(struct arrival *arrival)
{
	struct line *line = arrival->end->line;

	if (arrival->end->calls || line->calling || !ff_list_empty(&line->arrived)) {
		ff_list_add_tail(&line->arrived, &arrival->node);
		hub_wake(&line->waiters);
	} else {
		line_settle(arrival);
	}
}

struct arrival *line_next(struct line *line)
{
	line->calling = false;
	while (!ff_list_empty(&line->arrived)) {
		struct arrival *arrival = ff_container_of(line->arrived.next, struct arrival, node);

		ff_list_del(&arrival->node);
		if (arrival->end->calls) {
			line->calling = true;
			return arrival;
		}
		line_settle(arrival);
	}
	return NULL;
}

struct arrival *end_take(struct end *end)
{
	struct arrival *arrival;

	if (ff_list_empty(&end->items))
		return NULL;
	arrival = ff_container_of(end->items.next, struct arrival, node);
	ff_list_del(&arrival->node);
	return arrival;
}

/* --- ends --- */

static size_t count_channels(const struct ff_value *value)
{
	size_t count = value->kind == FF_CHANNEL, len = value->len;

	if (value->kind == FF_DICT)
		len *= 2;
	if (value->kind >= FF_LIST && value->kind <= FF_DICT)
		for (size_t i = 0; i < len; i++)
			count += count_channels(&value->items[i]);
	return count;
}

static void add_channels(struct arrival *arrival, const struct ff_value *value)
{
	struct line *line = arrival->end->line;
	size_t len = value->kind == FF_DICT ? 2 * (size_t)value->len : value->len;
	struct ff_channel *channel;
	struct end *end;

	if (value->kind == FF_CHANNEL) {
		channel = ff_channel_from_id(line->gateway, value->channel);
		end = channel ? end_of(line, channel) : NULL;
		if (end)
			arrival->ends[arrival->end_count++] = end;
	} else if (value->kind >= FF_LIST && value->kind <= FF_DICT) {
		for (size_t i = 0; i < len; i++)
			add_channels(arrival, &value->items[i]);
	}
}

static void give_end(struct end *end)
{
	const char *error = ff_channel_error(end->channel);
	struct arrival *arrival = make_arrival(end, ARRIVAL_END);

	if (!arrival)
		return;
	arrival->closed = ff_channel_isclosed(end->channel);
	if (error)
		arrival->error = ff_strdup(error);
	end->ended = true;
	arrive(arrival);
	end_unref(end); /* the callback's */
}

static void give_item(struct end *end, const struct ff_item *item)
{
	struct arrival *arrival = make_arrival(end, ARRIVAL_ITEM);
	size_t channels = count_channels(&item->value);

	if (arrival && channels > 0)
		arrival->ends = ff_calloc(channels, sizeof(struct end *));
	if (!arrival || (channels > 0 && !arrival->ends)) {
		arrival_free(arrival);
		ff_channel_close(end->channel, "out of memory at the receiver");
		return;
	}
	add_channels(arrival, &item->value);
	ff_channel_take_item(end->channel, &arrival->item);
	arrive(arrival);
}

static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	if (item)
		give_item(ctx, item);
	else
		give_end(ctx);
}

struct end *end_new(struct line *line, struct ff_channel *channel)
{
	struct end *end = ff_calloc(1, sizeof(*end));

	if (!end) {
		if (channel)
			ff_channel_unref(channel);
		return NULL;
	}
	end->refs = 1;
	end->line = line;
	line->refs++;
	ff_list_init(&end->items);
	ff_list_init(&end->waiters);
	ff_list_init(&end->errors);
	end->channel = channel;
	if (channel) {
		end->refs++;
		ff_channel_set_data(channel, end);
		ff_channel_set_item_max(channel, INT32_MAX);
		ff_channel_set_callback(channel, on_item, end);
	}
	return end;
}

struct end *end_of(struct line *line, struct ff_channel *channel)
{
	struct end *end = ff_channel_data(channel);

	if (!end)
		return end_new(line, channel);
	ff_channel_unref(channel);
	end->refs++;
	return end;
}

static void free_all(struct ff_list *list)
{
	while (!ff_list_empty(list)) {
		struct arrival *arrival = ff_container_of(list->next, struct arrival, node);

		ff_list_del(&arrival->node);
		arrival_free(arrival);
	}
}

/* Nobody but the library knows it any more, or not even that. */
void end_unref(struct end *end)
{
	if (!end || --end->refs > 0)
		return;
	free_all(&end->items);
	free_all(&end->errors);
	if (end->channel) {
		ff_channel_set_data(end->channel, NULL);
		ff_channel_unref(end->channel);
	}
	line_unref(end->line);
	ff_free(end);
}

void end_drop(struct end *end)
{
	struct ff_channel *channel = end->channel;

	/* With a callback it goes on as long as the library holds it: that is the only one left
	 * then, and knows by the reference that is dropped here. */
	if (channel && !end->ended && !end->calls) {
		ff_channel_ref(channel);
		ff_channel_close(channel, NULL);
		ff_channel_unref(channel);
	} else if (channel && !end->ended) {
		ff_channel_send_eof(channel);
	}
	end_unref(end);
}

void end_close_here(struct end *end, bool closed, const char *error)
{
	struct arrival *arrival = make_arrival(end, ARRIVAL_END);

	if (!arrival)
		return;
	arrival->closed = closed;
	if (error)
		arrival->error = ff_strdup(error);
	line_settle(arrival);
}

/* --- lines --- */

static void set_state(struct line *line, enum line_state state, const struct ff_err *err)
{
	line->state = state;
	if (err)
		line->err = *err;
	hub_wake(&line->waiters);
}

static void on_opened(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	set_state(ctx, err ? LINE_FAILED : LINE_OPEN, err);
}

static void on_closed(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	set_state(ctx, LINE_CLOSED, err);
}

struct ff_group *line_group_new(struct ff_err *err)
{
	return ff_open_group(hub.loop, err);
}

static int set_spec(struct ff_xspec *spec, const char *text, const struct line_field *fields,
		    const struct line_field *env, struct ff_err *err)
{
	int rc = ff_xspec_parse(spec, text, err);

	if (rc != 0)
		return rc;
	for (; rc == 0 && fields->key; fields++) {
		rc = ff_xspec_set(spec, fields->key, fields->value);
		if (rc == FF_ENOTFOUND)
			rc = 0; /* execnet keeps and ignores them */
		else if (rc != 0)
			ff_err_set(err, rc, "%s=%s: %s", fields->key, fields->value,
				   ff_err_text(rc));
	}
	for (; rc == 0 && env->key; env++)
		if (ff_strv_addf(&spec->env, "%s=%s", env->key, env->value) != 0)
			rc = ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
	if (rc != 0)
		ff_xspec_release(spec);
	return rc;
}

struct line *line_new(void)
{
	struct line *line = ff_calloc(1, sizeof(*line));

	if (!line)
		return NULL;
	line->refs = 1;
	ff_list_init(&line->waiters);
	ff_list_init(&line->arrived);
	return line;
}

struct line *line_open(struct ff_group *group, const char *text, const struct line_field *fields,
		       const struct line_field *env, struct ff_err *err)
{
	struct line *line = line_new();
	struct ff_open_opts opts = {
		.opened = on_opened, .closed = on_closed, .ctx = line, .item_max = INT32_MAX};
	struct ff_xspec spec;

	if (!line) {
		ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
		return NULL;
	}
	if (set_spec(&spec, text, fields, env, err) != 0) {
		ff_free(line);
		return NULL;
	}
	line->gateway = ff_open_gateway(group, &spec, &opts, err);
	if (!line->gateway) {
		ff_xspec_release(&spec);
		ff_free(line);
		return NULL;
	}
	line->refs++; /* the connection's */
	return line;
}

void line_unref(struct line *line)
{
	if (--line->refs > 0)
		return;
	ff_free(line);
}

void line_kill(struct line *line)
{
	struct ff_group *group = line->gateway ? ff_gateway_group(line->gateway) : NULL;

	if (group && line->state != LINE_CLOSED && line->state != LINE_FAILED)
		ff_group_driver(group)->kill(ff_group_ctx(group), line->gateway);
}

void line_release(struct line *line)
{
	struct ff_gateway *gateway = line->gateway;

	if (!gateway || (line->state != LINE_CLOSED && line->state != LINE_FAILED))
		return;
	line->gateway = NULL;
	ff_open_release(gateway);
	line_unref(line);
}

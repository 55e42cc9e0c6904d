/* Calls that wait: they run the loop of the channel's group until their condition holds. No clock
 * but the driver's. */
#include "gateway/private.h"

#include "base/clock.h"

const struct ff_group_driver *ff_channel_driver(const struct ff_channel *channel, void **ctx)
{
	struct ff_group *group = channel->gateway ? channel->gateway->group : NULL;

	if (!group)
		return NULL;
	*ctx = ff_group_ctx(group);
	return ff_group_driver(group);
}

int64_t ff_deadline_after(const struct ff_group_driver *driver, void *ctx, int64_t timeout_ms)
{
	if (!driver || timeout_ms < 0 || timeout_ms > INT64_MAX / 2000)
		return FF_NEVER_US;
	return driver->now_us(ctx) + timeout_ms * 1000;
}

struct ff_limit ff_limit_start(const struct ff_group_driver *driver, void *ctx, int64_t timeout_ms)
{
	return (struct ff_limit){
		.driver = driver,
		.ctx = ctx,
		.deadline_us = ff_deadline_after(driver, ctx, timeout_ms),
		.timeout_ms = timeout_ms,
	};
}

int64_t ff_limit_left(const struct ff_limit *limit)
{
	int64_t left;

	if (limit->deadline_us == FF_NEVER_US)
		return limit->timeout_ms;
	left = limit->deadline_us - limit->driver->now_us(limit->ctx);
	return left > 0 ? (left + 999) / 1000 : 0;
}

int ff_channel_wait_once(struct ff_channel *channel, int64_t deadline_us, bool *ran,
			 struct ff_err *err)
{
	const struct ff_group_driver *driver;
	void *ctx;
	int rc;

	driver = ff_channel_driver(channel, &ctx);
	if (!driver)
		return ff_err_set(err, FF_EUNSUPPORTED,
				  "channel %u: its gateway is in no group with a loop to wait in",
				  channel->id);
	if (*ran && driver->now_us(ctx) >= deadline_us)
		return ff_err_set(err, FF_ETIMEOUT, "channel %u: timed out", channel->id);
	*ran = true;
	rc = driver->run_once(ctx, deadline_us);
	if (rc)
		return ff_err_set(err, rc, "channel %u: %s", channel->id, ff_err_text(rc));
	return 0;
}

static int64_t deadline_of(const struct ff_channel *channel, int64_t timeout_ms)
{
	void *ctx = NULL;
	const struct ff_group_driver *driver = ff_channel_driver(channel, &ctx);

	return ff_deadline_after(driver, ctx, timeout_ms);
}

int ff_channel_check_blocking(const struct ff_channel *channel, struct ff_err *err)
{
	if (!channel->gateway || !channel->gateway->depth)
		return 0;
	return ff_err_set(err, FF_EDEADLK, "channel %u: %s", channel->id, ff_err_text(FF_EDEADLK));
}

/* Into the one of both that is not NULL. */
static int receive(struct ff_channel *channel, int64_t timeout_ms, struct ff_item *item,
		   struct ff_buf *out, struct ff_err *err)
{
	int64_t deadline = deadline_of(channel, timeout_ms);
	bool ran = false;
	int rc;

	rc = ff_channel_check_blocking(channel, err);
	if (rc)
		return rc;
	ff_channel_ref(channel);
	while ((rc = item ? ff_channel_poll(channel, item, err)
			  : ff_channel_poll_packed(channel, out, err)) == FF_EAGAIN) {
		rc = ff_channel_wait_once(channel, deadline, &ran, err);
		if (rc)
			break;
	}
	ff_channel_unref(channel);
	return rc;
}

int ff_channel_receive(struct ff_channel *channel, int64_t timeout_ms, struct ff_item *item,
		       struct ff_err *err)
{
	return receive(channel, timeout_ms, item, NULL, err);
}

int ff_channel_receive_packed(struct ff_channel *channel, int64_t timeout_ms, struct ff_buf *out,
			      struct ff_err *err)
{
	return receive(channel, timeout_ms, NULL, out, err);
}

int ff_channel_waitclose(struct ff_channel *channel, int64_t timeout_ms, struct ff_err *err)
{
	int64_t deadline = deadline_of(channel, timeout_ms);
	bool ran = false;
	int rc = 0;

	if (channel->state == FF_CHANNEL_OPENED)
		rc = ff_channel_check_blocking(channel, err);
	ff_channel_ref(channel);
	while (!rc && channel->state == FF_CHANNEL_OPENED)
		rc = ff_channel_wait_once(channel, deadline, &ran, err);
	if (!rc && channel->error && !channel->error_taken) {
		channel->error_taken = true;
		rc = ff_err_set(err, FF_EREMOTE, "%s", channel->error);
	} else if (!rc && channel->why) {
		rc = ff_err_set(err, FF_ELOST, "%s", channel->why->err.text);
	}
	ff_channel_unref(channel);
	return rc;
}

bool ff_channel_next(struct ff_channel *channel, int64_t timeout_ms, struct ff_item *item,
		     struct ff_err *err)
{
	int rc;

	ff_item_release(item);
	err->code = 0;
	rc = ff_channel_receive(channel, timeout_ms, item, err);
	if (rc == FF_EEOF)
		*err = (struct ff_err){0};
	return !rc;
}

/* For senders: until `holds`, or nothing can be sent any more. */
static int wait_until(struct ff_channel *channel, bool (*holds)(const struct ff_channel *),
		      int64_t timeout_ms, struct ff_err *err)
{
	int64_t deadline = deadline_of(channel, timeout_ms);
	bool ran = false;
	int rc = 0;

	if (!holds(channel))
		rc = ff_channel_check_blocking(channel, err);
	ff_channel_ref(channel);
	while (!rc && !holds(channel)) {
		if (ff_channel_can_send(channel))
			rc = ff_channel_wait_once(channel, deadline, &ran, err);
		else
			rc = ff_err_set(err, FF_ECLOSED, "channel %u: %s", channel->id,
					ff_err_text(FF_ECLOSED));
	}
	ff_channel_unref(channel);
	return rc;
}

int ff_channel_waitwritable(struct ff_channel *channel, int64_t timeout_ms, struct ff_err *err)
{
	return wait_until(channel, ff_channel_writable, timeout_ms, err);
}

static bool is_taken(const struct ff_channel *channel)
{
	return ff_channel_can_send(channel) && !channel->pending.len;
}

int ff_channel_waittaken(struct ff_channel *channel, int64_t timeout_ms, struct ff_err *err)
{
	return wait_until(channel, is_taken, timeout_ms, err);
}

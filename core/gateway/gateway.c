/* The gateway as its carrier sees it: bytes in, bytes out, its end. What frames mean is in
 * frames.c, liveness and credit offers in hello.c. No sockets, no clock. */
#include "gateway/private.h"

#include <assert.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/opts.h"
#include "base/clock.h"
#include "base/log.h"

/* Memory is reserved at once for an incomplete frame up to this size; beyond, as it arrives. */
enum { IN_RESERVE = 4 << 20 };

/* Longer frames are judged by their header, before the rest is kept. */
enum { LONG_FRAME = 64 << 10 };

struct ff_gateway *ff_gateway_new(const struct ff_gateway_opts *given)
{
	static const struct ff_gateway_ops none = {0};
	struct ff_gateway *gateway = ff_calloc(1, sizeof(*gateway));
	struct ff_gateway_opts all, *opts = &all;

	if (!gateway)
		return NULL;
	ff_opts_copy(&all, sizeof(all), given, FF_OPTS_UNTIL(struct ff_gateway_opts, ctx));
	gateway->id = ff_strdup(opts->id ? opts->id : "");
	gateway->execmodel = ff_strdup(opts->execmodel ? opts->execmodel : "thread");
	gateway->why = ff_calloc(1, sizeof(*gateway->why));
	if (!gateway->id || !gateway->execmodel || !gateway->why) {
		ff_free(gateway->id);
		ff_free(gateway->execmodel);
		ff_free(gateway->why);
		ff_free(gateway);
		return NULL;
	}
	gateway->why->refs = 1;
	gateway->ops = opts->ops ? opts->ops : &none;
	gateway->ctx = opts->ctx;
	gateway->initiator = opts->initiator;
	gateway->next_id = opts->initiator ? 1 : 2;
	gateway->frame_max = opts->frame_max ? opts->frame_max : FF_FRAME_PAYLOAD_MAX;
	gateway->window = opts->window_bytes ? opts->window_bytes : FF_CHANNEL_WINDOW;
	if (gateway->window > INT32_MAX)
		gateway->window = INT32_MAX;
	gateway->item_max =
		opts->item_max ? opts->item_max : gateway->window + FF_CHANNEL_ITEM_BEYOND;
	gateway->peer_window = FF_CHANNEL_WINDOW_ASSUMED;
	gateway->peer_silence_us = ff_us_of_ms(opts->peer_silence_ms);
	gateway->strconfig = ff_strconfig_default;
	ff_buf_init(&gateway->in, (size_t)gateway->frame_max + FF_FRAME_HEADER);
	ff_buf_init(&gateway->out, 0);
	ff_list_init(&gateway->channels);
	ff_list_init(&gateway->drains);
	return gateway;
}

void ff_gateway_free(struct ff_gateway *gateway)
{
	static const struct ff_err gone = {FF_ELOST, "the gateway was freed"};

	if (!gateway)
		return;
	assert(!gateway->depth);
	ff_gateway_close(gateway, &gone);
	if (gateway->group)
		ff_group_remove(gateway->group, gateway);
	while (!ff_list_empty(&gateway->channels)) {
		struct ff_channel *channel =
			ff_container_of(gateway->channels.next, struct ff_channel, link);

		channel->gateway = NULL;
		ff_list_del(&channel->link);
		ff_list_del(&channel->drain);
	}
	if (!--gateway->why->refs)
		ff_free(gateway->why);
	if (gateway->has_spec)
		ff_xspec_release(&gateway->spec);
	ff_item_release(&gateway->rinfo);
	ff_table_release(&gateway->table);
	ff_buf_release(&gateway->in);
	ff_buf_release(&gateway->out);
	ff_free(gateway->execmodel);
	ff_free(gateway->id);
	ff_free(gateway);
}

const char *ff_gateway_id(const struct ff_gateway *gateway)
{
	return gateway->id;
}

enum ff_gateway_state ff_gateway_state(const struct ff_gateway *gateway)
{
	return gateway->state;
}

const struct ff_err *ff_gateway_error(const struct ff_gateway *gateway)
{
	return &gateway->why->err;
}

struct ff_group *ff_gateway_group(const struct ff_gateway *gateway)
{
	return gateway->group;
}

const struct ff_xspec *ff_gateway_spec(const struct ff_gateway *gateway)
{
	return gateway->has_spec ? &gateway->spec : NULL;
}

void *ff_gateway_ctx(const struct ff_gateway *gateway, const struct ff_gateway_ops *ops)
{
	return gateway->ops == ops ? gateway->ctx : NULL;
}

size_t ff_gateway_num_channels(const struct ff_gateway *gateway)
{
	return gateway->table.len;
}

void ff_gateway_set_data(struct ff_gateway *gateway, void *data)
{
	gateway->data = data;
}

void *ff_gateway_data(const struct ff_gateway *gateway)
{
	return gateway->data;
}

void ff_gateway_set_group(struct ff_gateway *gateway, struct ff_group *group)
{
	gateway->group = group;
}

void ff_gateway_set_spec(struct ff_gateway *gateway, struct ff_xspec *spec)
{
	if (gateway->has_spec)
		ff_xspec_release(&gateway->spec);
	gateway->spec = *spec;
	gateway->has_spec = true;
	memset(spec, 0, sizeof(*spec));
}

/* --- its end --- */

/* Callbacks may drop others on the way: each is moved back before its turn. */
void ff_gateway_each(struct ff_gateway *gateway, void (*fn)(struct ff_channel *))
{
	struct ff_list round;

	if (ff_list_empty(&gateway->channels))
		return;
	round = gateway->channels;
	round.next->prev = &round;
	round.prev->next = &round;
	ff_list_init(&gateway->channels);
	while (!ff_list_empty(&round)) {
		struct ff_channel *channel = ff_container_of(round.next, struct ff_channel, link);

		ff_list_del(&channel->link);
		ff_list_add_tail(&gateway->channels, &channel->link);
		if (channel->listed)
			fn(channel);
	}
}

void ff_gateway_close(struct ff_gateway *gateway, const struct ff_err *why)
{
	static const char *const states[] = {"opening", "open"};

	if (gateway->state == FF_GATEWAY_CLOSED)
		return;
	if (why)
		gateway->why->err = *why;
	if (ff_log_on())
		ff_log("%s: %s -> closed (%s)", gateway->id, states[gateway->state],
		       why && why->code ? why->text : "by request");
	gateway->state = FF_GATEWAY_CLOSED;
	gateway->depth++;
	ff_gateway_each(gateway, ff_channel_lost);
	if (gateway->group)
		ff_group_member_closed(gateway->group, gateway);
	if (gateway->ops->closed)
		gateway->ops->closed(gateway, &gateway->why->err, gateway->ctx);
	gateway->depth--;
}

int ff_gateway_fail(struct ff_gateway *gateway, int code, const char *fmt, ...)
{
	struct ff_err why = {.code = code};
	va_list args;

	va_start(args, fmt);
	vsnprintf(why.text, sizeof(why.text), fmt, args);
	va_end(args);
	ff_gateway_close(gateway, &why);
	return code;
}

void ff_gateway_lost(struct ff_gateway *gateway, const struct ff_err *why)
{
	ff_gateway_close(gateway, why && why->code ? why : NULL);
}

/* --- bytes out --- */

static void trace_frame(const struct ff_gateway *gateway, const char *way,
			const struct ff_frame *frame)
{
	ff_log("%s %s %s %u (%u bytes)", gateway->id, way, ff_frame_name(frame->code),
	       frame->channel, frame->len);
}

/* Whole frames, from `offset` on. */
static void trace_output(const struct ff_gateway *gateway, size_t offset)
{
	const struct ff_buf *out = &gateway->out;
	struct ff_frame frame;
	size_t used;

	for (; offset < out->len; offset += used) {
		if (ff_frame_parse(ff_buf_data(out) + offset, out->len - offset, INT32_MAX, &frame,
				   &used, NULL) <= 0)
			return;
		trace_frame(gateway, "->", &frame);
	}
}

static void tell_output(struct ff_gateway *gateway)
{
	if (gateway->state != FF_GATEWAY_OPEN || !gateway->ops->want_write)
		return;
	gateway->depth++;
	gateway->ops->want_write(gateway, gateway->ctx);
	gateway->depth--;
}

void ff_gateway_appended(struct ff_gateway *gateway, size_t before)
{
	gateway->began = true;
	gateway->sent_us = gateway->now_us;
	if (ff_log_on())
		trace_output(gateway, before);
	if (gateway->out.len >= FF_GATEWAY_OUTPUT_HIGH)
		gateway->high = true;
	if (!before)
		tell_output(gateway);
}

int ff_gateway_put(struct ff_gateway *gateway, int code, uint32_t channel, const void *payload,
		   size_t len)
{
	size_t before = gateway->out.len;
	int rc;

	if (gateway->state == FF_GATEWAY_CLOSED)
		return FF_ECLOSED;
	rc = ff_frame_put(&gateway->out, code, channel, payload, len);
	if (rc)
		return ff_gateway_fail(gateway, rc, "%s could not be sent: %s", ff_frame_name(code),
				       ff_err_text(rc));
	ff_gateway_appended(gateway, before);
	return 0;
}

struct ff_buf *ff_gateway_output(struct ff_gateway *gateway)
{
	return &gateway->out;
}

void ff_gateway_sent(struct ff_gateway *gateway)
{
	if (gateway->state != FF_GATEWAY_OPEN || !gateway->high ||
	    gateway->out.len >= FF_GATEWAY_OUTPUT_HIGH)
		return;
	gateway->high = false;
	ff_gateway_drain(gateway);
}

/* --- bytes in --- */

void ff_gateway_opened(struct ff_gateway *gateway)
{
	if (gateway->state != FF_GATEWAY_OPENING)
		return;
	if (ff_log_on())
		ff_log("%s: opening -> open", gateway->id);
	gateway->state = FF_GATEWAY_OPEN;
	if (gateway->out.len)
		tell_output(gateway);
}

/* A worker that asks and does not read: 1, or the error that has closed the gateway. (Who may have
 * code executed here needs no such bound.) */
static int count_answers(struct ff_gateway *gateway, int code, size_t before)
{
	size_t now = gateway->out.len;

	if (gateway->initiator && (code == FF_FRAME_STATUS || code == FF_FRAME_CHANNEL_EXEC) &&
	    now > before)
		gateway->answers += now - before;
	if (gateway->answers > now)
		gateway->answers = now;
	if (gateway->answers <= FF_GATEWAY_ANSWERS_MAX)
		return 1;
	return ff_gateway_fail(gateway, FF_ETOOBIG,
			       "the peer asks and does not read: %zu bytes of answers wait",
			       gateway->answers);
}

/* One frame from the front: 1 and in *used its size; 0 and in *used how many bytes it needs in all;
 * or the error that has closed the gateway. */
static int step(struct ff_gateway *gateway, const uint8_t *bytes, size_t len, size_t *used)
{
	size_t before = gateway->out.len;
	struct ff_frame frame;
	struct ff_err err;
	int rc;

	rc = ff_frame_parse(bytes, len, gateway->frame_max, &frame, used, &err);
	if (rc < 0)
		ff_gateway_close(gateway, &err);
	else if (len && bytes[0] == FF_FRAME_HELLO && *used > FF_GATEWAY_HELLO_MAX)
		return ff_gateway_fail(gateway, FF_ETOOBIG, "HELLO of %zu bytes, limit is %d",
				       *used, FF_GATEWAY_HELLO_MAX);
	if (rc >= 0 && *used > LONG_FRAME && len >= FF_FRAME_HEADER &&
	    !ff_gateway_takes(gateway, &frame)) {
		if (gateway->state == FF_GATEWAY_CLOSED)
			return gateway->why->err.code ? gateway->why->err.code : FF_ECLOSED;
		if (rc == 0) {
			gateway->skip = *used - len;
			*used = len;
		}
		return 1;
	}
	if (rc <= 0)
		return rc;
	if (ff_log_on())
		trace_frame(gateway, "<-", &frame);
	ff_gateway_frame(gateway, &frame);
	if (gateway->out.len > (size_t)FF_GATEWAY_OUTPUT_MAX + gateway->frame_max)
		return ff_gateway_fail(gateway, FF_ETOOBIG, "over %zu bytes wait to be sent",
				       gateway->out.len);
	return count_answers(gateway, frame.code, before);
}

/* Adds to the incomplete frame what it lacks, of `len` bytes; *taken says how many. */
static int complete(struct ff_gateway *gateway, const uint8_t *bytes, size_t len, size_t *taken)
{
	struct ff_buf *in = &gateway->in;
	size_t need, part;
	int rc;

	*taken = 0;
	for (;;) {
		rc = step(gateway, ff_buf_data(in), in->len, &need);
		if (rc)
			break;
		part = need - in->len;
		if (need <= IN_RESERVE && !ff_buf_reserve(in, part)) {
			rc = ff_gateway_fail(gateway, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
			break;
		}
		if (part > len - *taken)
			part = len - *taken;
		if (!part)
			return 0;
		rc = ff_buf_add(in, bytes + *taken, part);
		if (rc) {
			ff_gateway_fail(gateway, rc, "frame of %zu bytes: %s", need,
					ff_err_text(rc));
			break;
		}
		*taken += part;
		if (in->len < need)
			return 0;
	}
	if (rc > 0 && in->cap <= FF_CHANNEL_WINDOW)
		ff_buf_clear(in);
	else
		ff_buf_release(in);
	return rc < 0 ? rc : 0;
}

static int feed(struct ff_gateway *gateway, const uint8_t *bytes, size_t len)
{
	size_t used;
	int rc;

	if (gateway->in.len) {
		rc = complete(gateway, bytes, len, &used);
		if (rc || gateway->in.len)
			return rc;
		bytes += used;
		len -= used;
	}
	while (len && gateway->state == FF_GATEWAY_OPEN) {
		if (gateway->skip) {
			used = gateway->skip < len ? gateway->skip : len;
			gateway->skip -= used;
			bytes += used;
			len -= used;
			continue;
		}
		rc = step(gateway, bytes, len, &used);
		if (rc < 0)
			return rc;
		if (!rc) {
			rc = ff_buf_add(&gateway->in, bytes, len);
			if (rc)
				return ff_gateway_fail(gateway, rc, "%s", ff_err_text(rc));
			/* Reserves what is missing, for all pieces that follow. */
			return complete(gateway, bytes, 0, &used);
		}
		bytes += used;
		len -= used;
	}
	return 0;
}

int ff_gateway_feed(struct ff_gateway *gateway, const void *bytes, size_t len, int64_t now_us,
		    struct ff_err *err)
{
	int rc;

	if (gateway->state == FF_GATEWAY_OPENING)
		return ff_err_set(err, FF_EINVAL, "%s: bytes before it is open", gateway->id);
	if (gateway->state == FF_GATEWAY_CLOSED)
		return ff_err_set(err, FF_ECLOSED, "%s: %s", gateway->id, ff_err_text(FF_ECLOSED));
	gateway->now_us = now_us;
	gateway->received_us = now_us;
	gateway->doubt_us = 0;
	rc = feed(gateway, bytes, len);
	if (!rc && gateway->state == FF_GATEWAY_CLOSED)
		rc = gateway->why->err.code; /* closed by what a frame said */
	if (rc)
		ff_err_set(err, rc, "%s: %s", gateway->id, gateway->why->err.text);
	return rc;
}

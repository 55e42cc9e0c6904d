/* What users ask of the other end: tasks, status, string coercion, exit. */
#include "gateway/private.h"

#include "base/opts.h"

/* A channel that came to nothing: the peer never hears of it. */
static struct ff_channel *give_up(struct ff_channel *channel, int rc, const char *what,
				  struct ff_err *err)
{
	ff_err_set(err, rc, "%s: %s", what, ff_err_text(rc));
	channel->peer_done = channel->eof_sent = true;
	ff_channel_unref(channel);
	return NULL;
}

static struct ff_channel *new_channel(struct ff_gateway *gateway, const char *what,
				      struct ff_err *err)
{
	struct ff_channel *channel = ff_channel_new(gateway);
	const char *why = gateway->why->err.code ? gateway->why->err.text : ff_err_text(FF_ECLOSED);

	if (channel)
		return channel;
	if (gateway->state == FF_GATEWAY_CLOSED || gateway->terminated)
		ff_err_set(err, FF_ECLOSED, "%s: %s on a closed gateway: %s", gateway->id, what,
			   why);
	else
		ff_err_set(err, FF_ENOMEM, "%s: %s: %s", gateway->id, what, ff_err_text(FF_ENOMEM));
	return NULL;
}

static int pack_task(struct ff_buf *out, const struct ff_task *given)
{
	struct ff_task all, *task = &all;
	struct ff_pack pack;

	ff_opts_copy(&all, sizeof(all), given, FF_OPTS_UNTIL(struct ff_task, kwargs));
	ff_pack_init(&pack, out);
	ff_pack_open(&pack, FF_TUPLE);
	ff_pack_str(&pack, task->source ? task->source : "");
	ff_pack_str(&pack, task->file_name);
	ff_pack_str(&pack, task->call_name);
	if (task->kwargs.kind == FF_NONE) {
		ff_pack_open(&pack, FF_DICT);
		ff_pack_close(&pack);
	} else {
		ff_pack_value(&pack, &task->kwargs);
	}
	ff_pack_close(&pack);
	return ff_pack_done(&pack);
}

static int put_task(struct ff_channel *channel, const struct ff_task *task)
{
	struct ff_gateway *gateway = channel->gateway;
	struct ff_buf *out = &gateway->out;
	size_t mark;
	int rc;

	rc = ff_frame_begin(out, FF_FRAME_CHANNEL_EXEC, channel->id, &mark);
	if (!rc) {
		rc = pack_task(out, task);
		if (!rc && out->len - mark - FF_FRAME_HEADER > gateway->frame_max)
			rc = FF_ETOOBIG;
		if (!rc)
			rc = ff_frame_end(out, mark);
		if (rc)
			out->len = mark;
	}
	if (rc)
		return rc;
	channel->executed = true;
	ff_gateway_appended(gateway, mark);
	return 0;
}

struct ff_channel *ff_gateway_remote_exec(struct ff_gateway *gateway, const struct ff_task *task,
					  struct ff_err *err)
{
	struct ff_channel *channel = new_channel(gateway, "remote_exec", err);
	int rc = channel ? put_task(channel, task) : 0;

	return rc ? give_up(channel, rc, "remote_exec", err) : channel;
}

int ff_channel_remote_exec(struct ff_channel *channel, const struct ff_task *task,
			   struct ff_err *err)
{
	struct ff_gateway *gateway = channel->gateway;
	int rc = 0;

	if (!ff_channel_can_send(channel) || !gateway || gateway->terminated)
		rc = FF_ECLOSED;
	else if (channel->id % 2 != gateway->next_id % 2)
		rc = FF_EINVAL;
	else if (channel->executed)
		rc = FF_EEXISTS;
	else
		rc = put_task(channel, task);
	return rc ? ff_err_set(err, rc, "channel %u: remote_exec: %s", channel->id, ff_err_text(rc))
		  : 0;
}

struct ff_channel *ff_gateway_remote_status(struct ff_gateway *gateway, struct ff_err *err)
{
	struct ff_channel *channel = new_channel(gateway, "remote_status", err);
	int rc;

	if (!channel)
		return NULL;
	rc = ff_gateway_put(gateway, FF_FRAME_STATUS, channel->id, NULL, 0);
	return rc ? give_up(channel, rc, "remote_status", err) : channel;
}

void ff_gateway_exit(struct ff_gateway *gateway)
{
	if (gateway->group)
		ff_group_member_left(gateway->group, gateway);
	ff_gateway_send_exit(gateway);
}

void ff_gateway_send_exit(struct ff_gateway *gateway)
{
	if (gateway->exiting)
		return;
	gateway->exiting = true;
	ff_gateway_put(gateway, FF_FRAME_GATEWAY_TERMINATE, 0, NULL, 0);
}

bool ff_gateway_exiting(const struct ff_gateway *gateway)
{
	return gateway->exiting;
}

int ff_gateway_repr(const struct ff_gateway *gateway, struct ff_buf *out)
{
	static const char *const states[] = {
		[FF_GATEWAY_OPENING] = "uninitialized",
		[FF_GATEWAY_OPEN] = "receive-live",
		[FF_GATEWAY_CLOSED] = "not-receiving",
	};
	const char *model = gateway->has_spec ? gateway->spec.execmodel : NULL;

	return ff_buf_addf(out, "<Gateway id='%s' %s, %s model, %zu active channels>", gateway->id,
			   states[gateway->state], model ? model : "thread",
			   ff_gateway_num_channels(gateway));
}

int ff_gateway_reconfigure(struct ff_gateway *gateway, struct ff_strconfig config)
{
	const uint8_t payload[] = {config.py2str_as_py3str ? 'R' : 'C',
				   config.py3str_as_py2str ? 'R' : 'C',
				   '@',
				   0,
				   0,
				   0,
				   2,
				   'Q'};
	int rc;

	rc = ff_gateway_put(gateway, FF_FRAME_RECONFIGURE, 0, payload, sizeof(payload));
	if (!rc)
		gateway->strconfig = config;
	return rc;
}

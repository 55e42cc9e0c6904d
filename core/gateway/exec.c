/* Forms of remote_exec: one shot, as a call, on a whole group; and what a gateway's other end says
 * of itself when asked. */
#include "gateway/exec.h"

#include "base/alloc.h"
#include "gateway/private.h"

struct collector {
	struct ff_items items;
	size_t bytes;
	int rc; /* why it gave up */
};

void ff_items_release(struct ff_items *items)
{
	if (!items)
		return;
	for (size_t i = 0; i < items->len; i++)
		ff_item_release(&items->v[i]);
	ff_free(items->v);
	*items = (struct ff_items)FF_ITEMS_INIT;
}

static int make_room(struct ff_items *items)
{
	size_t cap = items->cap ? items->cap * 2 : 8;
	struct ff_item *v;

	if (items->len < items->cap)
		return 0;
	if (items->len >= FF_COLLECT_ITEMS_MAX)
		return FF_ETOOBIG;
	v = ff_realloc(items->v, cap * sizeof(*v));
	if (!v)
		return FF_ENOMEM;
	items->v = v;
	items->cap = cap;
	return 0;
}

static void collect(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct collector *collector = ctx;
	struct ff_items *items = &collector->items;

	if (!item || collector->rc)
		return;
	collector->bytes += ff_channel_item_size(channel);
	collector->rc = collector->bytes > FF_COLLECT_BYTES_MAX ? FF_ETOOBIG : make_room(items);
	if (collector->rc)
		ff_channel_close(channel, NULL);
	else
		ff_channel_take_item(channel, &items->v[items->len++]);
}

/* Before anything is sent: what would wait in vain. */
static int check_waiting(const struct ff_gateway *gateway, struct ff_err *err)
{
	if (gateway->depth)
		return ff_err_set(err, FF_EDEADLK, "%s: %s", gateway->id, ff_err_text(FF_EDEADLK));
	if (!gateway->group || !ff_group_driver(gateway->group))
		return ff_err_set(err, FF_EUNSUPPORTED, "%s is in no group with a loop to wait in",
				  gateway->id);
	return 0;
}

int ff_exec_collect(struct ff_gateway *gateway, const struct ff_task *task, int64_t timeout_ms,
		    struct ff_items *items, struct ff_err *err)
{
	struct collector collector = {.rc = 0};
	struct ff_channel *channel;
	struct ff_err why = {0};
	int rc = check_waiting(gateway, err);

	if (rc)
		return rc;
	channel = ff_gateway_remote_exec(gateway, task, &why);
	if (!channel)
		return ff_err_set(err, why.code, "%s", why.text);
	rc = ff_channel_set_callback(channel, collect, &collector);
	if (!rc)
		rc = ff_channel_waitclose(channel, timeout_ms, &why);
	if (collector.rc) {
		rc = collector.rc;
		ff_err_set(&why, rc, "%zu items of the task: %s", collector.items.len,
			   ff_err_text(rc));
	}
	ff_channel_drop_callback(channel);
	ff_channel_unref(channel);
	if (rc) {
		ff_items_release(&collector.items);
		return ff_err_set(err, rc, "%s", why.text);
	}
	*items = collector.items;
	return 0;
}

int ff_exec_call(struct ff_gateway *gateway, const struct ff_task *task, int64_t timeout_ms,
		 struct ff_item *result, struct ff_err *err)
{
	struct ff_items items = FF_ITEMS_INIT;
	int rc = ff_exec_collect(gateway, task, timeout_ms, &items, err);

	if (rc)
		return rc;
	if (items.len > 1) {
		rc = ff_err_set(err, FF_EPROTO, "%s: one item was expected, %zu came", gateway->id,
				items.len);
	} else if (items.len) {
		*result = items.v[0];
		items.len = 0;
	}
	ff_items_release(&items);
	return rc;
}

struct ff_multichannel *ff_exec_group(struct ff_group *group, const struct ff_task *task,
				      struct ff_err *err)
{
	size_t len = ff_group_len(group), started = 0;
	struct ff_multichannel *multi = NULL;
	struct ff_channel **channels;
	struct ff_err why = {FF_ENOMEM, "out of memory"};

	channels = ff_calloc(len + 1, sizeof(struct ff_channel *));
	while (channels && started < len) {
		struct ff_gateway *gateway = ff_group_at(group, started);

		channels[started] = ff_gateway_remote_exec(gateway, task, &why);
		if (!channels[started])
			break;
		started++;
	}
	if (channels && started == len)
		multi = ff_multichannel_new(channels, len);
	for (size_t i = 0; i < started; i++)
		ff_channel_unref(channels[i]);
	ff_free(channels);
	if (!multi)
		ff_err_set(err, why.code, "%s", why.text);
	return multi;
}

/* --- rinfo --- */

/* Python workers run the function; for native ones the name is that of a built-in. */
static const char info_source[] =
	"def info(channel):\n"
	"    import os, sys\n"
	"    version = tuple(sys.version_info[:5])\n"
	"    channel.send(dict(platform=sys.platform, version='%d.%d.%d' % version[:3],\n"
	"                      version_info=version, executable=sys.executable,\n"
	"                      cwd=os.getcwd(), pid=os.getpid()))\n";

const struct ff_value *ff_gateway_rinfo(struct ff_gateway *gateway, bool update, int64_t timeout_ms,
					struct ff_err *err)
{
	const struct ff_task task = {.source = info_source, .call_name = "info"};
	struct ff_item item = FF_ITEM_INIT;

	if (gateway->rinfo.value.kind == FF_DICT && !update)
		return &gateway->rinfo.value;
	if (ff_exec_call(gateway, &task, timeout_ms, &item, err))
		return NULL;
	if (item.value.kind != FF_DICT) {
		ff_err_set(err, FF_EPROTO, "%s: rinfo is a dict, not %s", gateway->id,
			   ff_kind_name(item.value.kind));
		ff_item_release(&item);
		return NULL;
	}
	ff_item_release(&gateway->rinfo);
	gateway->rinfo = item;
	return &gateway->rinfo.value;
}

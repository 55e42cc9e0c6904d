/* The built-in `fetch`: hands a channel to the sender of core/rsync and waits for its end. */
#include "base/alloc.h"
#include "rsync/fetch.h"
#include "worker/exec.h"
#include "worker/worker.h"

struct fetch {
	struct ff_exec exec;
	struct ff_fetch_send *send;
};

static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct fetch *fetch = ctx;

	if (item) /* there is nothing to say to it */
		return;
	ff_fetch_send_free(fetch->send);
	ff_exec_finish(&fetch->exec, NULL);
	ff_free(fetch);
}

int ff_builtin_fetch(struct ff_worker *worker, struct ff_channel *channel,
		     const struct ff_request *request, struct ff_err *err)
{
	struct fetch *fetch = ff_calloc(1, sizeof(*fetch));

	if (!fetch)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	fetch->send = ff_fetch_send_start(channel, request->kwargs, err);
	if (!fetch->send) {
		ff_free(fetch);
		return err->code;
	}
	ff_exec_begin(&fetch->exec, worker, channel, NULL);
	/* Last: it frees fetch if all was sent, or the controller closed the channel meanwhile. */
	ff_channel_set_callback(channel, on_item, fetch);
	return FF_EXEC_RUNNING;
}

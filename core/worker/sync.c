/* The built-in `rsync`: hands a channel to the receiver of core/rsync and waits for its end. */
#include "base/alloc.h"
#include "rsync/receive.h"
#include "worker/exec.h"
#include "worker/worker.h"

static void on_finished(struct ff_channel *channel, const char *error, void *ctx)
{
	struct ff_exec *exec = ctx;

	ff_exec_finish(exec, error);
	ff_free(exec);
}

int ff_builtin_rsync(struct ff_worker *worker, struct ff_channel *channel,
		     const struct ff_request *request, struct ff_err *err)
{
	struct ff_exec *exec = ff_calloc(1, sizeof(*exec));
	int rc;

	if (!exec)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	/* Begun first: `finished` may be called before the start returns. */
	ff_exec_begin(exec, worker, ff_channel_ref(channel), NULL);
	rc = ff_rsync_receive_start(channel, request->kwargs, on_finished, exec, err);
	if (!rc) {
		ff_channel_unref(channel);
		return FF_EXEC_RUNNING;
	}
	ff_exec_finish(exec, err->text);
	ff_free(exec);
	return rc;
}

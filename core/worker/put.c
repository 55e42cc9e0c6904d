/* The built-in `put`: hands a channel to the receiver of core/rsync and waits for its end. */
#include "base/alloc.h"
#include "rsync/put.h"
#include "worker/exec.h"
#include "worker/worker.h"

struct put {
	struct ff_exec exec;
	struct ff_put *files;
	bool over;
};

static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct put *put = ctx;
	struct ff_err err = {0};
	int rc;

	if (item && put->over)
		return;
	if (item) {
		rc = ff_put_item(put->files, &item->value, &err);
		put->over = rc != 0;
		if (put->over)
			ff_channel_close(channel, rc < 0 ? err.text : NULL); /* comes back here */
		return;
	}
	ff_put_free(put->files);
	ff_exec_finish(&put->exec, NULL);
	ff_free(put);
}

int ff_builtin_put(struct ff_worker *worker, struct ff_channel *channel,
		   const struct ff_request *request, struct ff_err *err)
{
	struct ff_put *files;
	struct put *put;
	bool all_there;

	files = ff_put_start(channel, request->kwargs, &all_there, err);
	if (!files)
		return err->code;
	if (all_there) {
		ff_put_free(files);
		return FF_EXEC_DONE;
	}
	put = ff_xcalloc(1, sizeof(*put));
	put->files = files;
	ff_exec_begin(&put->exec, worker, channel, NULL);
	/* Last: it frees put if the controller closed the channel meanwhile. */
	ff_channel_set_callback(channel, on_item, put);
	return FF_EXEC_RUNNING;
}

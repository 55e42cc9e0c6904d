/* The built-ins `echo` and `emit`: what measures a line. `echo` sends back each item; `emit` sends
 * `items` ints, or byte items of `size`, as fast as they are taken. */
#include <string.h>

#include "base/alloc.h"
#include "worker/exec.h"
#include "worker/worker.h"

enum { SIZE_MAX_BYTES = 64 << 20 };

struct echo {
	struct ff_exec exec;
	size_t owed; /* credit held back until the other side has taken what it was sent */
};

static void pay(struct echo *echo)
{
	if (echo->owed == 0 || ff_exec_full(&echo->exec))
		return;
	ff_channel_give_credit(echo->exec.channel, echo->owed);
	echo->owed = 0;
}

static void on_echo_drain(struct ff_channel *channel, void *ctx)
{
	pay(ctx);
}

static void on_echo(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct echo *echo = ctx;
	struct ff_err err;

	if (!item) {
		ff_exec_finish(&echo->exec, NULL);
		ff_free(echo);
	} else if (ff_channel_send(channel, &item->value, &err) == 0) {
		echo->owed += ff_channel_item_size(channel);
		pay(echo);
	} else {
		ff_channel_close(channel, err.text);
	}
}

int ff_builtin_echo(struct ff_worker *worker, struct ff_channel *channel,
		    const struct ff_request *request, struct ff_err *err)
{
	struct echo *echo = ff_calloc(1, sizeof(*echo));

	if (!echo)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	ff_exec_begin(&echo->exec, worker, channel, NULL);
	ff_channel_set_drain(channel, on_echo_drain, echo);
	ff_channel_hold_credit(channel, true);
	ff_channel_set_callback(channel, on_echo, echo);
	return FF_EXEC_RUNNING;
}

struct emit {
	struct ff_exec exec;
	char *bytes; /* NULL: ints */
	size_t size;
	int64_t next, items;
};

static void emit_more(struct emit *emit)
{
	struct ff_channel *channel = emit->exec.channel;
	int rc = 0;

	while (!rc && emit->next < emit->items && !ff_exec_full(&emit->exec)) {
		struct ff_value number = ff_int(emit->next);

		rc = emit->bytes ? ff_channel_send_bytes(channel, emit->bytes, emit->size, NULL)
				 : ff_channel_send(channel, &number, NULL);
		emit->next++;
	}
	ff_exec_lost(&emit->exec, rc);
	if (rc || emit->next == emit->items)
		ff_channel_close(channel, NULL);
}

static void on_emit_drain(struct ff_channel *channel, void *ctx)
{
	emit_more(ctx);
}

static void on_emit(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct emit *emit = ctx;

	if (item)
		return;
	ff_exec_finish(&emit->exec, NULL);
	ff_free(emit->bytes);
	ff_free(emit);
}

int ff_builtin_emit(struct ff_worker *worker, struct ff_channel *channel,
		    const struct ff_request *request, struct ff_err *err)
{
	int64_t items = ff_dict_int(request->kwargs, "items", -1);
	int64_t size = ff_dict_int(request->kwargs, "size", 0);
	struct emit *emit;

	if (items < 0 || size < 0 || size > SIZE_MAX_BYTES)
		return ff_err_set(err, FF_EINVAL,
				  "emit: wants items >= 0 and size from 0 to %d bytes",
				  SIZE_MAX_BYTES);
	emit = ff_calloc(1, sizeof(*emit));
	if (emit && size)
		emit->bytes = ff_malloc((size_t)size);
	if (!emit || (size && !emit->bytes)) {
		ff_free(emit);
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	}
	if (size)
		memset(emit->bytes, 'x', (size_t)size);
	emit->size = (size_t)size;
	emit->items = items;
	ff_exec_begin(&emit->exec, worker, channel, NULL);
	ff_channel_set_drain(channel, on_emit_drain, emit);
	emit_more(emit);
	/* Last: it frees emit if all was sent, or the controller closed the channel meanwhile. */
	ff_channel_set_callback(channel, on_emit, emit);
	return FF_EXEC_RUNNING;
}

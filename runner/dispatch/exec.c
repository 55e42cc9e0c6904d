/* `farflung exec`: each host runs one command as soon as it is there. */
#include <string.h>

#include "base/alloc.h"
#include "dispatch/round.h"
#include "event/output.h"
#include "transport/open.h"
#include "worker/bootstrap.h"

struct one {
	struct exec *exec;
	size_t number; /* in the round */
	struct ff_channel *channel;
	struct ff_output output; /* free of secrets */
	struct ff_mask_stream masked;
	enum ff_exec_end end;
	char *message;
	bool has_end; /* it said how it ended */
};

struct exec {
	struct ff_round round;
	const struct ff_exec_opts *opts;
	const struct ff_payload *payload;
	struct one *ones;
	void (*each)(void *ctx, const struct ff_exec_result *result);
	void *ctx;
	int code;
};

static bool runs(const struct one *one)
{
	return one->exec->round.states[one->number] == FF_ROUND_RUNS;
}

/* `bytes` NULL: no more will come. */
static void add_output(struct one *one, const char *bytes, size_t len)
{
	const struct ff_mask *mask = ff_input_masking();
	struct ff_buf text = FF_BUF_INIT;

	if (!mask) {
		ff_output_add(&one->output, bytes, len);
		return;
	}
	if (bytes)
		ff_mask_feed(mask, &one->masked, bytes, len, &text);
	else
		ff_mask_end(mask, &one->masked, &text);
	ff_output_add(&one->output, ff_buf_data(&text), text.len);
	ff_buf_release(&text);
}

static void tell(struct one *one)
{
	struct exec *exec = one->exec;
	struct ff_exec_result result = {
		.host = exec->round.hosts[one->number], .end = one->end, .message = one->message};
	struct ff_buf text = FF_BUF_INIT;

	ff_round_ended(&exec->round, one->number);
	add_output(one, NULL, 0);
	ff_output_text(&one->output, &text);
	result.output = text.len ? ff_buf_str(&text) : "";
	result.output_len = text.len;
	if (one->end == FF_EXEC_UNREACHED || one->end == FF_EXEC_LOST)
		exec->code = FF_EXIT_INFRA;
	else if (one->end == FF_EXEC_FAILED && exec->code == FF_EXIT_OK)
		exec->code = FF_EXIT_FAILED;
	exec->each(exec->ctx, &result);
	ff_buf_release(&text);
	ff_output_release(&one->output);
	ff_mask_stream_release(&one->masked);
	ff_free(one->message);
	one->message = NULL;
}

static void end(struct one *one, enum ff_exec_end how, const char *message)
{
	one->end = how;
	ff_free(one->message);
	one->message = ff_xstrdup(message);
	tell(one);
}

/* --- what it says --- */

static void on_started(void *ctx, uint32_t index)
{
	(void)ctx;
	(void)index;
}

static void on_output(void *ctx, uint32_t index, int stream, const char *bytes, size_t len)
{
	struct one *one = ctx;

	(void)index;
	(void)stream;
	add_output(one, bytes, len);
}

static void on_finished(void *ctx, uint32_t index, const struct ff_result *result)
{
	struct one *one = ctx;

	(void)index;
	one->has_end = true;
	one->end = result->outcome == FF_OUTCOME_PASSED ? FF_EXEC_PASSED : FF_EXEC_FAILED;
	ff_free(one->message);
	one->message = one->end == FF_EXEC_FAILED
			       ? ff_xstrdup(result->message ? result->message : "failed")
			       : NULL;
}

static const struct ff_payload_sink sink = {
	.unit_started = on_started,
	.unit_output = on_output,
	.unit_finished = on_finished,
};

static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct one *one = ctx;
	struct ff_err err = {0};
	const char *error;

	if (item) {
		if (runs(one) && one->exec->payload->item(&item->value, &sink, one, &err) < 0) {
			end(one, FF_EXEC_FAILED, err.text);
			ff_channel_close(channel, NULL);
		}
		return;
	}
	error = ff_channel_error(channel);
	if (runs(one) && one->has_end)
		tell(one);
	else if (runs(one) && ff_gateway_state(ff_channel_gateway(channel)) == FF_GATEWAY_OPEN)
		end(one, FF_EXEC_FAILED, error ? error : "ended without a word");
	else if (runs(one))
		end(one, FF_EXEC_LOST, error ? error : "the connection was lost");
	one->channel = NULL;
	ff_channel_unref(channel);
}

/* --- starting --- */

static void start(void *ctx, size_t number, struct ff_gateway *foreman)
{
	struct one *one = &((struct exec *)ctx)->ones[number];
	const struct ff_exec_opts *opts = one->exec->opts;
	size_t words = 0;
	struct ff_value *argv, kwargs[12], *at = kwargs;
	struct ff_task task = {.call_name = "command"};
	struct ff_err err = {0};

	while (!opts->shell && opts->argv[words])
		words++;
	argv = ff_xcalloc(words + 1, sizeof(*argv));
	for (size_t i = 0; i < words; i++)
		argv[i] = ff_str(opts->argv[i]);
	*at++ = ff_str(opts->shell ? "shell" : "argv");
	*at++ = opts->shell ? ff_str(opts->shell) : ff_collection(FF_LIST, argv, words);
	*at++ = ff_str("stdin");
	*at++ = opts->input ? ff_bytes(opts->input, opts->input_len) : ff_str(NULL);
	*at++ = ff_str("timeout_us");
	*at++ = ff_int(opts->timeout_us);
	*at++ = ff_str("merge"); /* in one order, or hosts would differ by chance */
	*at++ = ff_bool(true);
	task.kwargs = ff_collection(FF_DICT, kwargs, (size_t)(at - kwargs) / 2);
	if (!ff_gateway_is_native(foreman))
		task.source = ff_bootstrap_source("command");
	one->channel = ff_gateway_remote_exec(foreman, &task, &err);
	ff_free(argv);
	if (!one->channel)
		end(one, FF_EXEC_LOST, err.text);
	else if (ff_channel_set_callback(one->channel, on_item, one) < 0)
		end(one, FF_EXEC_FAILED, "out of memory");
}

static void unreached(void *ctx, size_t number, const char *error)
{
	end(&((struct exec *)ctx)->ones[number], FF_EXEC_UNREACHED, error);
}

/* What runs is killed when its channel is closed. */
static void stop(void *ctx, size_t number)
{
	struct one *one = &((struct exec *)ctx)->ones[number];

	end(one, FF_EXEC_STOPPED, "interrupted");
	if (one->channel)
		ff_channel_close(one->channel, NULL);
}

static const struct ff_round_calls calls = {start, unreached, stop};

int ff_dispatch_exec(const struct ff_run_opts *opts, const struct ff_exec_opts *exec_opts,
		     void (*each)(void *ctx, const struct ff_exec_result *result), void *ctx)
{
	struct ff_err err = {0};
	struct exec exec = {.opts = exec_opts,
			    .each = each,
			    .ctx = ctx,
			    .code = FF_EXIT_OK,
			    .payload = ff_payload_find("run")};

	exec.round = (struct ff_round){.fanout = exec_opts->fanout, .calls = &calls, .ctx = &exec};
	if (ff_round_begin(&exec.round, opts, &err))
		return FF_EXIT_INFRA;
	exec.ones = ff_xcalloc(exec.round.len + 1, sizeof(*exec.ones));
	for (size_t i = 0; i < exec.round.len; i++) {
		exec.ones[i] = (struct one){.exec = &exec, .number = i};
		ff_output_init(&exec.ones[i].output,
			       (size_t)opts->config->settings.output_cap_bytes);
	}
	if (!ff_round_go(&exec.round))
		exec.code = FF_EXIT_INTERRUPTED;
	ff_round_end(&exec.round);
	ff_free(exec.ones);
	return exec.code;
}

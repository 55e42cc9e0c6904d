/* `farflung exec`: hosts are opened as for `farflung hosts`, and each runs one command as soon as
 * it is there. */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "dispatch/run.h"
#include "event/output.h"
#include "transport/open.h"
#include "worker/bootstrap.h"

enum state { WAITS, RUNS, ENDED };

struct one {
	struct exec *exec;
	const struct ff_host *host;
	enum state state;
	struct ff_channel *channel;
	struct ff_output output;
	enum ff_exec_end end;
	char *message;
	bool has_end; /* it said how it ended */
};

struct exec {
	struct ff_run *run;
	const struct ff_exec_opts *opts;
	const struct ff_payload *payload;
	struct one *ones;
	size_t len, waiting, running;
	void (*each)(void *ctx, const struct ff_exec_result *result);
	void *ctx;
	int code;
};

static void tell(struct one *one)
{
	struct exec *exec = one->exec;
	struct ff_exec_result result = {
		.host = one->host, .end = one->end, .message = one->message};
	struct ff_buf text = FF_BUF_INIT;

	exec->waiting -= one->state == WAITS;
	exec->running -= one->state == RUNS;
	one->state = ENDED;
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
	ff_output_add(&one->output, bytes, len);
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
		if (one->state == RUNS &&
		    one->exec->payload->item(&item->value, &sink, one, &err) < 0) {
			end(one, FF_EXEC_FAILED, err.text);
			ff_channel_close(channel, NULL);
		}
		return;
	}
	error = ff_channel_error(channel);
	if (one->state == RUNS && one->has_end)
		tell(one);
	else if (one->state == RUNS &&
		 ff_gateway_state(ff_channel_gateway(channel)) == FF_GATEWAY_OPEN)
		end(one, FF_EXEC_FAILED, error ? error : "ended without a word");
	else if (one->state == RUNS)
		end(one, FF_EXEC_LOST, error ? error : "the connection was lost");
	one->channel = NULL;
	ff_channel_unref(channel);
}

/* --- starting --- */

static void start(struct one *one, struct ff_gateway *foreman)
{
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
	one->exec->waiting--;
	one->exec->running++;
	one->state = RUNS;
	one->channel = ff_gateway_remote_exec(foreman, &task, &err);
	ff_free(argv);
	if (!one->channel)
		end(one, FF_EXEC_LOST, err.text);
	else if (ff_channel_set_callback(one->channel, on_item, one) < 0)
		end(one, FF_EXEC_FAILED, "out of memory");
}

/* Starts it if it can be, or says why it never can. `settled`: nobody else will come. */
static void look_at(struct one *one, bool settled)
{
	const struct ff_run *run = one->exec->run;
	const struct ff_host_record *record = &run->state.hosts[one->host->index];
	struct ff_gateway *foreman = ff_act_foreman(run->act, one->host->index);

	if (record->state == FF_HOST_READY && foreman)
		start(one, foreman);
	else if (settled)
		end(one, FF_EXEC_UNREACHED,
		    record->error ? record->error : "the connection was lost");
}

static void start_ready(struct exec *exec)
{
	int code;
	bool settled = ff_run_over(exec->run, &code);

	if (!exec->run->state.hosts_len)
		return; /* its start was not decided on yet */
	for (size_t i = 0; i < exec->len && exec->waiting > 0; i++) {
		if (exec->opts->fanout && exec->running >= exec->opts->fanout)
			return;
		if (exec->ones[i].state == WAITS)
			look_at(&exec->ones[i], settled);
	}
}

/* What runs is killed when its channel is closed. */
static void stop(struct exec *exec)
{
	for (size_t i = 0; i < exec->len; i++) {
		struct one *one = &exec->ones[i];

		if (one->state == ENDED)
			continue;
		end(one, FF_EXEC_STOPPED, "interrupted");
		if (one->channel)
			ff_channel_close(one->channel, NULL);
	}
	exec->code = FF_EXIT_INTERRUPTED;
}

static void choose(struct exec *exec, const struct ff_run_opts *opts)
{
	const struct ff_inventory *inventory = opts->inventory;

	exec->ones = ff_xcalloc(inventory->len + 1, sizeof(*exec->ones));
	for (size_t i = 0; i < inventory->len; i++) {
		struct one *one = &exec->ones[exec->len];

		if (!ff_host_matches(&inventory->hosts[i], opts->only_hosts))
			continue;
		one->exec = exec;
		one->host = &inventory->hosts[i];
		ff_output_init(&one->output, (size_t)opts->config->settings.output_cap_bytes);
		exec->len++;
	}
	exec->waiting = exec->len;
}

int ff_dispatch_exec(const struct ff_run_opts *opts, const struct ff_exec_opts *exec_opts,
		     void (*each)(void *ctx, const struct ff_exec_result *result), void *ctx)
{
	struct ff_err err = {0};
	struct ff_run_opts bare = *opts;
	struct exec exec = {.opts = exec_opts,
			    .each = each,
			    .ctx = ctx,
			    .code = FF_EXIT_OK,
			    .payload = ff_payload_find("run")};

	bare.hosts_bare = true;
	exec.run = ff_run_make(&bare, true, &err);
	if (!exec.run)
		return FF_EXIT_INFRA;
	choose(&exec, opts);
	while (exec.waiting + exec.running > 0 && !exec.run->signalled) {
		start_ready(&exec);
		if (exec.waiting + exec.running > 0)
			ff_loop_run_once(exec.run->loop, FF_NEVER_US);
	}
	if (exec.waiting + exec.running > 0)
		stop(&exec);
	/* Its workers end: no channel has anything to say afterwards. */
	ff_run_end(exec.run);
	ff_free(exec.ones);
	return exec.code;
}

/* A host's setup and teardown: commands by its foreman, one after the other. The setup is asked for
 * first (`stamp`): what it depends on may be as it was, and what it exported then holds. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "dispatch/act_private.h"
#include "state/state.h"
#include "worker/bootstrap.h"

#define STAMP "setup"

enum { OUTPUT_CAP = 64 << 10, OUTPUT_TOLD = 16 << 10 };

enum phase { CHECKING, RUNNING, STAMPING };

struct act_setup {
	struct act_host *host;
	uint32_t tries;
	enum phase phase;
	bool teardown;
	struct ff_channel *channel; /* NULL: it is no more */
	struct ff_output out;	    /* both streams */
	char digest[64];
	bool answered; /* what the phase is for is known */
	bool over;     /* it was told, or nobody waits for it */
};

static const struct ff_config_setup *config_of(const struct act_setup *setup)
{
	const struct ff_config *config = setup->host->act->config;

	return setup->teardown ? &config->teardown : &config->setup;
}

/* --- its end --- */

static void free_setup(struct act_setup *setup)
{
	if (setup->host->setup == setup)
		setup->host->setup = NULL;
	ff_output_release(&setup->out);
	ff_free(setup);
}

/* The last lines of what it printed. */
static const char *end_of(struct ff_input *input, const struct ff_output *out)
{
	struct ff_buf text = FF_BUF_INIT;
	const char *told, *all;
	size_t skip;

	ff_output_text(out, &text);
	all = ff_buf_str(&text);
	skip = all && text.len > OUTPUT_TOLD ? text.len - OUTPUT_TOLD : 0;
	if (skip && strchr(all + skip, '\n'))
		skip = (size_t)(strchr(all + skip, '\n') + 1 - all);
	told = all && *all ? ff_input_text(input, all + skip) : NULL;
	ff_buf_release(&text);
	return told;
}

static void put_done(struct act_setup *setup, bool skipped, const char *error)
{
	struct ff_input *input =
		ff_input_new(setup->teardown ? FF_INPUT_HOST_TORN_DOWN : FF_INPUT_HOST_SET_UP);

	setup->over = true;
	input->host = setup->host->number;
	input->tries = setup->tries;
	input->u.set_up.skipped = skipped;
	input->u.set_up.error = ff_input_text(input, error);
	if (error)
		input->u.set_up.output = end_of(input, &setup->out);
	ff_act_put(setup->host->act, input);
}

/* --- what it exports --- */

static bool is_name(const char *text, size_t len)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

	return len > 0 && strspn(text, letters) >= len && !(*text >= '0' && *text <= '9');
}

bool ff_act_read_vars(struct ff_strv *vars, const struct ff_value *bytes, char error[120])
{
	char *text = ff_xstrndup(bytes->text, bytes->len), *rest = text, *line;
	unsigned number = 0;
	bool good = true;

	ff_strv_release(vars);
	while (good && (line = strsep(&rest, "\n"))) {
		size_t len = strcspn(line, "=");

		number++;
		if (!*line)
			continue;
		good = line[len] == '=' && is_name(line, len);
		if (good)
			ff_strv_add(vars, line);
		else
			snprintf(error, 120, "line %u of $FARFLUNG_ENV is not NAME=VALUE: '%.40s'",
				 number, line);
	}
	ff_free(text);
	return good;
}

static char **put_texts(char **at, char *const *texts)
{
	while (texts && *texts)
		*at++ = *texts++;
	return at;
}

void ff_act_add_vars(const struct act_host *host, struct ff_payload_job *job,
		     struct ff_arena *arena)
{
	const struct ff_strv *common = &host->act->vars;
	size_t own = 0;
	char **env;

	if (host->vars.len + common->len == 0)
		return;
	while (job->env && job->env[own])
		own++;
	env = ff_arena_alloc(arena, (common->len + host->vars.len + own + 1) * sizeof(*env));
	if (!env)
		return;
	*put_texts(put_texts(put_texts(env, common->v), host->vars.v), job->env) = NULL;
	job->env = env;
}

/* --- phases --- */

static void begin(struct act_setup *setup, enum phase phase);

static void on_stamp(struct act_setup *setup, const struct ff_value *item)
{
	const struct ff_value *digest = ff_at(item, 1), *fresh = ff_at(item, 2);
	const struct ff_value *kept = ff_at(item, 3);
	char error[120];

	if (!ff_is_str(ff_at(item, 0), "stamp") || item->len != 4 || digest->kind != FF_STR ||
	    digest->len >= sizeof(setup->digest) || kept->kind != FF_BYTES) {
		put_done(setup, false, "the worker's answer makes no sense");
		return;
	}
	setup->answered = true;
	if (setup->phase == CHECKING)
		snprintf(setup->digest, sizeof(setup->digest), "%s", digest->text);
	if (setup->phase == CHECKING && !(fresh->kind == FF_BOOL && fresh->boolean))
		return; /* the channel's end leads on */
	if (!ff_act_read_vars(&setup->host->vars, kept, error))
		put_done(setup, false, error);
	else
		put_done(setup, setup->phase == CHECKING, NULL);
}

static void on_output(void *ctx, uint32_t index, int stream, const char *bytes, size_t len)
{
	struct act_setup *setup = ctx;

	ff_output_add(&setup->out, bytes, len);
}

static void on_started(void *ctx, uint32_t index)
{
}

static void on_finished(void *ctx, uint32_t index, const struct ff_result *result)
{
	struct act_setup *setup = ctx;

	setup->answered = true;
	if (result->outcome != FF_OUTCOME_PASSED)
		put_done(setup, false, result->message ? result->message : "it failed");
	else if (setup->teardown)
		put_done(setup, false, NULL);
}

static const struct ff_payload_sink command_sink = {
	.unit_started = on_started,
	.unit_output = on_output,
	.unit_finished = on_finished,
};

static void take_item(struct act_setup *setup, const struct ff_item *item)
{
	struct ff_err err = {0};

	if (setup->phase != RUNNING)
		on_stamp(setup, &item->value);
	else if (ff_payload_find("run")->item(&item->value, &command_sink, setup, &err) < 0)
		put_done(setup, false, err.text);
}

static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct act_setup *setup = ctx;
	const char *error = item ? NULL : ff_channel_error(channel);
	bool there = ff_act_host_open(setup->host) &&
		     ff_channel_gateway(channel) == setup->host->foreman;

	if (item) {
		if (!setup->over)
			take_item(setup, item);
		return;
	}
	/* What a lost connection took with it is the host's to tell. */
	if (!setup->over && there && !setup->answered)
		put_done(setup, false, error ? error : "the worker ended it without a word");
	setup->channel = NULL;
	if (setup->over || !there)
		free_setup(setup);
	else
		begin(setup, setup->phase == CHECKING ? RUNNING : STAMPING);
	ff_channel_unref(channel);
}

struct ff_value ff_act_texts(const struct ff_strv *texts, struct ff_arena *arena)
{
	struct ff_value *items = ff_arena_alloc(arena, (texts->len + 1) * sizeof(*items));

	for (size_t i = 0; items && i < texts->len; i++)
		items[i] = ff_str(texts->v[i]);
	return ff_collection(FF_LIST, items, items ? texts->len : 0);
}

static struct ff_channel *ask_stamp(struct act_setup *setup, struct ff_arena *arena,
				    struct ff_err *err)
{
	struct act_host *host = setup->host;
	const struct ff_config_setup *config = config_of(setup);
	struct ff_value kwargs[10] = {ff_str("root"), ff_str(host->workdir), ff_str("name"),
				      ff_str(STAMP)};
	struct ff_task task = {.call_name = "stamp"};

	if (setup->phase == CHECKING) {
		kwargs[4] = ff_str("inputs");
		kwargs[5] = ff_act_texts(&config->inputs, arena);
		kwargs[6] = ff_str("salt");
		kwargs[7] = ff_str(config->run);
		kwargs[8] = ff_str("force");
		kwargs[9] = ff_bool(host->act->config->force);
	} else {
		kwargs[4] = ff_str("write");
		kwargs[5] = ff_str(config->inputs.len > 0 ? setup->digest : "");
	}
	task.kwargs = ff_collection(FF_DICT, kwargs, setup->phase == CHECKING ? 5 : 3);
	if (!ff_gateway_is_native(host->foreman))
		task.source = ff_bootstrap_source("stamp");
	return ff_gateway_remote_exec(host->foreman, &task, err);
}

static struct ff_channel *run_command(struct act_setup *setup, struct ff_arena *arena,
				      struct ff_err *err)
{
	struct act_host *host = setup->host;
	const struct ff_config_setup *config = config_of(setup);
	char *file = ff_xasprintf("FARFLUNG_ENV=%s/.farflung/stamps/" STAMP ".env", host->workdir);
	char *name = ff_xasprintf("FARFLUNG_HOST=%s", host->host->name);
	char *env[] = {name, setup->teardown ? NULL : file, NULL};
	struct ff_payload_job job = {.name = "setup",
				     .shell = config->run,
				     .cwd = host->workdir,
				     .env = env,
				     .timeout_us = config->timeout_us,
				     .grace_us = host->act->config->settings.grace_us};
	struct ff_payload_worker worker = {.id = host->host->name,
					   .host = host->host->name,
					   .native = ff_gateway_is_native(host->foreman)};
	struct ff_channel *channel = NULL;
	struct ff_task task;

	ff_act_add_vars(host, &job, arena);
	if (ff_payload_find("run")->run->task(&job, &worker, arena, &task, err) == 0)
		channel = ff_gateway_remote_exec(host->foreman, &task, err);
	ff_free(file);
	ff_free(name);
	return channel;
}

static void begin(struct act_setup *setup, enum phase phase)
{
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_err err = {0};

	setup->phase = phase;
	setup->answered = false;
	setup->channel = phase == RUNNING ? run_command(setup, &arena, &err)
					  : ask_stamp(setup, &arena, &err);
	ff_arena_release(&arena);
	if (!setup->channel) {
		if (ff_act_host_open(setup->host))
			put_done(setup, false, err.text);
		free_setup(setup);
	} else if (ff_channel_set_callback(setup->channel, on_item, setup) < 0) {
		put_done(setup, false, "out of memory");
	}
}

/* --- orders --- */

void ff_act_setup_drop(struct act_host *host)
{
	struct act_setup *setup = host->setup;

	if (!setup)
		return;
	host->setup = NULL;
	setup->over = true;
	if (setup->channel)
		ff_channel_close(setup->channel, NULL); /* ends in on_item */
	else
		free_setup(setup);
}

void ff_act_setup(struct ff_act *act, const struct ff_order *order)
{
	struct act_host *host;
	struct act_setup *setup;

	if (order->host == FF_NOBODY) {
		ff_act_own_setup(act, order);
		return;
	}
	host = &act->hosts[order->host];
	if (host->tries != order->tries)
		return;
	ff_act_setup_drop(host);
	if (order->kind == FF_ORDER_DROP_SETUP || !ff_act_host_open(host))
		return;
	setup = ff_xcalloc(1, sizeof(*setup));
	setup->host = host;
	setup->tries = order->tries;
	setup->teardown = order->kind == FF_ORDER_TEAR_DOWN;
	ff_output_init(&setup->out, OUTPUT_CAP);
	host->setup = setup;
	if (!setup->teardown)
		ff_strv_release(&host->vars);
	begin(setup, setup->teardown ? RUNNING : CHECKING);
}

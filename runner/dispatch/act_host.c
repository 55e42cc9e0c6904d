/* A host's connection: one native gateway (the foreman), through which everything there goes. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "dispatch/act_private.h"

static struct ff_input *about(const struct act_host *host, enum ff_input_kind kind)
{
	struct ff_input *input = ff_input_new(kind);

	input->host = host->number;
	input->tries = host->tries;
	return input;
}

char *ff_act_local_dir(const struct ff_config *config, const struct ff_host *host)
{
	const char *dir = host->spec.chdir;

	if (!dir)
		return NULL;
	return dir[0] == '/' || dir[0] == '~' ? ff_xstrdup(dir)
					      : ff_xasprintf("%s/%s", config->directory, dir);
}

/* --- what the foreman tells --- */

static void put_ended(struct act_host *host, struct ff_gateway *gateway, const struct ff_err *err)
{
	struct ff_input *input = about(host, FF_INPUT_HOST_ENDED);

	if (err && err->code != 0) {
		input->u.ended.error = ff_input_text(input, err->text);
		input->u.ended.code = err->code;
	}
	if (gateway)
		input->u.ended.wait.known =
			ff_gateway_wait_status(gateway, &input->u.ended.wait.status);
	ff_act_put(host->act, input);
}

struct ff_capacity ff_act_capacity(const struct act_host *host)
{
	const struct ff_value *info = ff_gateway_info(host->foreman);
	int64_t kib = ff_dict_int(info, "memory_kib", 0), cpus = ff_dict_int(info, "cpus", 0);

	return (struct ff_capacity){
		.memory = host->host->memory		      ? host->host->memory
			  : kib > 0 && kib < INT64_MAX / 1024 ? kib * 1024
							      : 0,
		.cpu = cpus > 0 && cpus < INT64_MAX / 1000 ? cpus * 1000 : 0,
	};
}

static void on_opened(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	struct act_host *host = ctx;
	struct ff_input *input;

	if (host->foreman != gateway)
		return;
	if (err) {
		host->foreman = NULL;
		put_ended(host, gateway, err);
		ff_open_release(gateway);
		return;
	}
	host->open_us = ff_clock_us() - host->opened_us;
	ff_free(host->workdir);
	host->workdir = ff_xstrdup(ff_gateway_cwd(gateway));
	input = about(host, FF_INPUT_HOST_OPENED);
	input->u.host_opened.native = ff_gateway_is_native(gateway);
	input->u.host_opened.platform =
		ff_input_text(input, ff_dict_str(ff_gateway_info(gateway), "platform", NULL));
	input->u.host_opened.cwd = ff_input_text(input, host->workdir);
	input->u.host_opened.memory = ff_act_capacity(host).memory;
	input->u.host_opened.cpu = ff_act_capacity(host).cpu;
	ff_act_put(host->act, input);
}

static void on_closed(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	struct act_host *host = ctx;

	if (host->foreman == gateway) {
		host->foreman = NULL;
		put_ended(host, gateway, err);
	}
	ff_open_release(gateway);
}

static void on_stderr(struct ff_gateway *gateway, const char *line, void *ctx)
{
	struct act_host *host = ctx;
	struct ff_input *input = about(host, FF_INPUT_HOST_SAID);

	(void)gateway;
	input->u.said.text = ff_input_text(input, line);
	ff_act_put(host->act, input);
}

/* --- opening --- */

/* The foreman of the host of the inventory that it goes via; NULL: none. */
static struct ff_gateway *parent_of(const struct act_host *host)
{
	const struct ff_act *act = host->act;

	for (size_t i = 0; host->host->spec.via && i < act->inventory->len; i++)
		if (strcmp(act->inventory->hosts[i].name, host->host->spec.via) == 0)
			return act->hosts[i].foreman;
	return NULL;
}

static void complete_spec(struct act_host *host, struct ff_xspec *spec)
{
	const struct ff_config *config = host->act->config;
	struct ff_gateway *parent = parent_of(host);
	char id[300];

	/* The gateway that died may still hold the host's name. */
	snprintf(id, sizeof(id), "%s", host->host->name);
	if (ff_group_get(host->act->group, id))
		snprintf(id, sizeof(id), "%s#%u", host->host->name, host->tries);
	ff_xspec_set(spec, "id", id);
	if (parent)
		ff_xspec_set(spec, "via", ff_gateway_id(parent));
	if (!spec->worker)
		ff_xspec_set(spec, "worker", spec->python && spec->socket ? "python" : "native");
	if (host->host->local) {
		char *dir = ff_act_local_dir(config, host->host);

		ff_xspec_set(spec, "chdir", dir ? dir : ff_config_home(config));
		ff_free(dir);
	}
}

void ff_act_open_host(struct ff_act *act, const struct ff_order *order)
{
	struct act_host *host = &act->hosts[order->host];
	struct ff_open_opts opts = {
		.connect_timeout_ms = act->config->settings.connect_timeout_us / 1000,
		.heartbeat_ms = act->config->settings.heartbeat_us / 1000,
		.silence_ms = act->config->settings.silence_us / 1000,
		.opened = on_opened,
		.closed = on_closed,
		.stderr_line = on_stderr,
		.ctx = host,
	};
	struct ff_xspec spec;
	struct ff_err err = {0};

	host->tries = order->tries;
	host->opened_us = ff_clock_us();
	if (ff_xspec_copy(&spec, &host->host->spec) < 0)
		abort();
	complete_spec(host, &spec);
	host->removal = 0;
	host->foreman = ff_open_gateway(act->group, &spec, &opts, &err);
	if (host->foreman)
		return;
	ff_xspec_release(&spec);
	put_ended(host, NULL, &err);
}

void ff_act_close_host(struct ff_act *act, const struct ff_order *order)
{
	struct act_host *host = &act->hosts[order->host];
	struct ff_gateway *foreman = host->foreman;

	if (host->tries != order->tries || !foreman)
		return;
	host->foreman = NULL; /* how it ends is nobody's concern any more */
	ff_gateway_exit(foreman);
}

void ff_act_host_release(struct act_host *host)
{
	ff_act_setup_drop(host);
	ff_strv_release(&host->vars);
	ff_act_templates_release(host);
	ff_channel_unref(host->probe);
	ff_output_release(&host->probe_output);
	ff_arena_release(&host->arena);
	ff_free(host->amiss_text);
	ff_free(host->workdir);
}

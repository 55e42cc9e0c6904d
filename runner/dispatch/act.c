/* The way of an order to what carries it out. */
#include "dispatch/act.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "dispatch/act_private.h"
#include "dispatch/supply.h"
#include "state/state.h"

void ff_act_put(struct ff_act *act, struct ff_input *input)
{
	act->opts.put(act->opts.ctx, input);
}

const char *ff_act_run_id(const struct ff_act *act)
{
	const struct ff_run_opts *run = act->opts.run;

	if (run->journal)
		return ff_journal_run_id(run->journal);
	return run->run_id ? run->run_id : "none";
}

bool ff_act_host_open(const struct act_host *host)
{
	return host->foreman && ff_gateway_state(host->foreman) == FF_GATEWAY_OPEN;
}

static char *who_we_are(void)
{
	char name[256] = "?";
	const char *user = getenv("USER");

	gethostname(name, sizeof(name) - 1);
	return ff_xasprintf("%s@%s, pid %d", user && *user ? user : "somebody", name,
			    (int)getpid());
}

struct ff_act *ff_act_new(const struct ff_act_opts *opts, struct ff_err *err)
{
	struct ff_act *act = ff_xcalloc(1, sizeof(*act));

	act->opts = *opts;
	act->config = opts->run->config;
	act->reports = opts->run->reports;
	act->plan = opts->run->plan;
	act->inventory = opts->run->inventory;
	act->group = ff_open_group(opts->loop, err);
	if (!act->group) {
		ff_free(act);
		return NULL;
	}
	ff_list_init(&act->all_workers);
	ff_list_init(&act->all_executions);
	ff_list_init(&act->all_fronts);
	ff_list_init(&act->all_fetches);
	act->paused_jobs = ff_xcalloc(act->plan->len / 64 + 1, sizeof(*act->paused_jobs));
	act->holder = who_we_are();
	if (opts->run->journal && opts->run->before)
		ff_supply_note_carry(ff_journal_path(opts->run->journal), opts->run->before);
	if (opts->run->vars)
		ff_strv_add_all(&act->vars, opts->run->vars->v);
	act->room = (uint32_t)ff_inventory_room(act->inventory);
	act->hosts = ff_xcalloc(act->room + 1U, sizeof(*act->hosts));
	for (uint32_t i = 0; i < act->room; i++) {
		act->hosts[i] = (struct act_host){
			.act = act, .number = i, .host = &act->inventory->hosts[i]};
		ff_act_templates_init(&act->hosts[i]);
	}
	return act;
}

bool ff_act_job_paused(const struct ff_act *act, uint32_t job)
{
	return act->paused || (act->paused_jobs[job / 64] >> job % 64 & 1);
}

/* Reading stops, or goes on, for all that units write: as paused and paused_jobs say. */
static void pause_as_said(struct ff_act *act)
{
	struct ff_list *pos, *tmp;

	ff_list_for_each_safe(pos, tmp, &act->all_workers) {
		struct act_worker *worker = ff_container_of(pos, struct act_worker, node);

		if (worker->channel)
			ff_channel_pause(worker->channel, ff_act_job_paused(act, worker->job));
	}
	ff_list_for_each_safe(pos, tmp, &act->all_executions) {
		struct act_execution *execution = ff_container_of(pos, struct act_execution, node);

		if (execution->channel)
			ff_channel_pause(execution->channel, act->paused);
	}
	ff_list_for_each_safe(pos, tmp, &act->all_fronts) {
		struct act_front *front = ff_container_of(pos, struct act_front, node);

		if (front->channel)
			ff_channel_pause(front->channel, act->paused);
	}
}

static void pause_some(struct ff_act *act, uint32_t job, bool on)
{
	uint64_t bit = UINT64_C(1) << job % 64;

	if (job == FF_NOBODY)
		act->paused = on;
	else if (on)
		act->paused_jobs[job / 64] |= bit;
	else
		act->paused_jobs[job / 64] &= ~bit;
	pause_as_said(act);
}

void ff_act_order(struct ff_act *act, const struct ff_order *order)
{
	switch (order->kind) {
	case FF_ORDER_OPEN_HOST:
		ff_act_open_host(act, order);
		break;
	case FF_ORDER_SYNC_HOST:
		ff_act_sync_host(act, order);
		break;
	case FF_ORDER_SET_UP:
	case FF_ORDER_TEAR_DOWN:
	case FF_ORDER_DROP_SETUP:
		ff_act_setup(act, order);
		break;
	case FF_ORDER_PROBE_HOST:
		ff_act_probe_host(act, order);
		break;
	case FF_ORDER_CLOSE_HOST:
		ff_act_close_host(act, order);
		break;
	case FF_ORDER_OPEN_WORKER:
		ff_act_open_worker(act, order);
		break;
	case FF_ORDER_RUN:
	case FF_ORDER_DISCOVER:
		ff_act_execute(act, order);
		break;
	case FF_ORDER_FETCH:
		ff_act_fetch(act, order);
		break;
	case FF_ORDER_CLEAN:
		ff_act_supply_clean(act, order);
		break;
	case FF_ORDER_WITHDRAW:
		ff_act_withdraw(act, order);
		break;
	case FF_ORDER_REST:
		ff_act_rest(act, order);
		break;
	case FF_ORDER_DROP:
		ff_act_drop(act, order);
		break;
	case FF_ORDER_PAUSE:
	case FF_ORDER_RESUME:
		pause_some(act, order->job, order->kind == FF_ORDER_PAUSE);
		break;
	case FF_ORDER_OPEN_FRONT:
		ff_act_open_front(act, order);
		break;
	case FF_ORDER_TELL_FRONT:
		ff_act_tell_front(act, order);
		break;
	case FF_ORDER_PASS_ON:
		ff_act_pass_on(act, order);
		break;
	case FF_ORDER_CLOSE_FRONT:
	case FF_ORDER_KILL_FRONT:
		ff_act_end_front(act, order);
		break;
	default:
		ff_act_worker_order(act, order);
	}
}

void ff_act_terminate(struct ff_act *act, int64_t grace_us)
{
	ff_rsync_free(act->rsync);
	act->rsync = NULL;
	memset(act->paused_jobs, 0, (act->plan->len / 64 + 1) * sizeof(*act->paused_jobs));
	pause_some(act, FF_NOBODY, false);
	ff_group_terminate(act->group, grace_us / 1000);
}

void ff_act_free(struct ff_act *act)
{
	struct ff_list *pos, *tmp;

	if (!act)
		return;
	ff_act_supply_end(act);
	ff_tree_note_end(act->note);
	ff_rsync_free(act->rsync);
	ff_act_own_setup_drop(act);
	ff_strv_release(&act->vars);
	ff_list_for_each_safe(pos, tmp, &act->all_executions)
		ff_act_execution_free(ff_container_of(pos, struct act_execution, node));
	ff_list_for_each_safe(pos, tmp, &act->all_fetches)
		ff_act_fetch_free(ff_container_of(pos, struct act_fetch, node));
	for (uint32_t i = 0; i < act->room; i++)
		ff_act_turns_release(&act->hosts[i]); /* nobody begins any more */
	ff_list_for_each_safe(pos, tmp, &act->all_workers)
		ff_act_worker_free(act, ff_container_of(pos, struct act_worker, node));
	ff_list_for_each_safe(pos, tmp, &act->all_fronts)
		ff_act_front_free(act, ff_container_of(pos, struct act_front, node));
	for (uint32_t i = 0; i < act->room; i++)
		ff_act_host_release(&act->hosts[i]);
	ff_group_free(act->group);
	ff_map_release(&act->workers);
	ff_map_release(&act->executions);
	ff_map_release(&act->fronts);
	ff_free(act->paused_jobs);
	ff_free(act->slots);
	ff_map_release(&act->told);
	ff_free(act->hosts);
	ff_free(act->holder);
	ff_free(act);
}

struct ff_gateway *ff_act_foreman(const struct ff_act *act, uint32_t host)
{
	return act->hosts[host].foreman;
}

int64_t ff_act_open_us(const struct ff_act *act, uint32_t host)
{
	return act->hosts[host].open_us;
}

const char *ff_act_fact(const struct ff_act *act, uint32_t number, const char *key)
{
	const struct act_host *host = &act->hosts[number];

	for (size_t i = 0; i < host->facts_len; i++)
		if (strcmp(host->facts[i].key, key) == 0)
			return host->facts[i].value;
	return NULL;
}

/* Hosts are opened as for `farflung hosts`, and each is begun with when it is there. */
#include "dispatch/round.h"

#include "base/alloc.h"
#include "base/clock.h"

/* Starts it if it can be, or says why it never can. `settled`: nobody else will come. */
static void look_at(struct ff_round *round, size_t i, bool settled)
{
	const struct ff_run *run = round->run;
	uint32_t number = round->hosts[i]->index;
	const struct ff_host_record *record = &run->state.hosts[number];
	struct ff_gateway *foreman = ff_act_foreman(run->act, number);

	if (record->state == FF_HOST_READY && foreman) {
		round->waiting--;
		round->running++;
		round->states[i] = FF_ROUND_RUNS;
		round->calls->start(round->ctx, i, foreman);
	} else if (settled) {
		round->calls->unreached(round->ctx, i,
					record->error ? record->error : "the connection was lost");
	}
}

static void start_ready(struct ff_round *round)
{
	int code;
	bool settled = ff_run_over(round->run, &code);

	if (!round->run->state.hosts_len)
		return; /* its start was not decided on yet */
	for (size_t i = 0; i < round->len && round->waiting > 0; i++) {
		if (round->fanout && round->running >= round->fanout)
			return;
		if (round->states[i] == FF_ROUND_WAITS)
			look_at(round, i, settled);
	}
}

int ff_round_begin(struct ff_round *round, const struct ff_run_opts *opts, struct ff_err *err)
{
	const struct ff_inventory *inventory = opts->inventory;
	struct ff_run_opts bare = *opts;

	bare.hosts_bare = true;
	round->run = ff_run_make(&bare, true, err);
	if (!round->run)
		return err->code ? err->code : FF_ENOMEM;
	round->hosts = ff_xcalloc(inventory->len + 1, sizeof(*round->hosts));
	round->states = ff_xcalloc(inventory->len + 1, sizeof(*round->states));
	for (size_t i = 0; i < inventory->len; i++)
		if (ff_host_matches(&inventory->hosts[i], opts->only_hosts))
			round->hosts[round->len++] = &inventory->hosts[i];
	round->waiting = round->len;
	return 0;
}

bool ff_round_go(struct ff_round *round)
{
	while (round->waiting + round->running > 0 && !round->run->signalled) {
		start_ready(round);
		if (round->waiting + round->running > 0)
			ff_loop_run_once(round->run->loop, FF_NEVER_US);
	}
	if (round->waiting + round->running == 0)
		return true;
	for (size_t i = 0; i < round->len; i++)
		if (round->states[i] != FF_ROUND_ENDED)
			round->calls->stop(round->ctx, i);
	return false;
}

void ff_round_ended(struct ff_round *round, size_t i)
{
	round->waiting -= round->states[i] == FF_ROUND_WAITS;
	round->running -= round->states[i] == FF_ROUND_RUNS;
	round->states[i] = FF_ROUND_ENDED;
}

void ff_round_end(struct ff_round *round)
{
	ff_run_end(round->run);
	ff_free(round->hosts);
	ff_free(round->states);
}

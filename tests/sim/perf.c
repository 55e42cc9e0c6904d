/* The world of perf: hosts are there at once, units take what was recorded, nothing goes wrong.
 * Only decide is timed, with the making and freeing of its inputs, as in a run; not the world's own
 * heap. It is CPU time: others may be at work on the machine. */
#include "perf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "dispatch/engine.h"
#include "event/journal.h"

struct ending {
	int64_t at;
	uint32_t execution, unit;
};

struct perf {
	struct ff_config config;
	struct ff_inventory inventory;
	struct ff_plan plan;
	struct ff_state state;
	struct ff_engine *engine;
	struct ff_decision decision;
	bool journal;
	struct ff_buf lines;
	int64_t *durations;
	int64_t now;
	struct ending *heap;
	uint32_t heap_len;
	struct ff_inputs inputs; /* what hosts answer at once */
	int64_t world_ns;	 /* that the heap took */
	int64_t ready_ns;	 /* when all hosts were there and had their first units */
};

static int64_t cpu_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* What a look at that clock costs: it is no part of decide either. */
static int64_t clock_ns(void)
{
	enum { LOOKS = 100000 };
	int64_t began = cpu_ns();

	for (int i = 0; i < LOOKS; i++)
		cpu_ns();
	return (cpu_ns() - began) / LOOKS;
}

/* Log-normal, as tests' durations are: most take 50 ms, some take seconds. */
static void record_durations(struct perf *perf, uint32_t units)
{
	uint64_t x = 88172645463325252;

	perf->durations = ff_xcalloc(units + 1, sizeof(*perf->durations));
	for (uint32_t i = 0; i < units; i++) {
		double sum = 0;

		for (int k = 0; k < 12; k++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			sum += (double)(x >> 11) / 9007199254740992.0;
		}
		perf->durations[i] = (int64_t)(50000.0 * exp(1.2 * (sum - 6.0)));
	}
}

static const int64_t *expected(void *ctx, uint32_t job)
{
	struct perf *perf = ctx;

	return job == 0 ? perf->durations : NULL;
}

static void push(struct perf *perf, struct ending ending)
{
	uint32_t at = perf->heap_len++;

	for (; at > 0 && ending.at < perf->heap[(at - 1) / 2].at; at = (at - 1) / 2)
		perf->heap[at] = perf->heap[(at - 1) / 2];
	perf->heap[at] = ending;
}

static struct ending pop(struct perf *perf)
{
	struct ending first = perf->heap[0], last = perf->heap[--perf->heap_len];
	uint32_t at = 0, child;

	while ((child = 2 * at + 1) < perf->heap_len) {
		if (child + 1 < perf->heap_len && perf->heap[child + 1].at < perf->heap[child].at)
			child++;
		if (perf->heap[child].at >= last.at)
			break;
		perf->heap[at] = perf->heap[child];
		at = child;
	}
	perf->heap[at] = last;
	return first;
}

static void order(struct perf *perf, const struct ff_order *order)
{
	struct ff_input *input;

	if (order->kind == FF_ORDER_RUN) {
		push(perf, (struct ending){perf->now + perf->durations[order->unit],
					   order->execution, order->unit});
	} else if (order->kind == FF_ORDER_OPEN_HOST) {
		input = ff_input_new(FF_INPUT_HOST_OPENED);
		input->host = order->host;
		input->tries = order->tries;
		ff_inputs_put(&perf->inputs, input);
	}
}

static void decide(struct perf *perf, struct ff_input *input)
{
	struct ff_now now = {perf->now, 1700000000000000 + perf->now};

	ff_engine_decide(perf->engine, input, now, &perf->decision);
	for (size_t i = 0; perf->journal && i < perf->decision.events_len; i++)
		ff_event_json(&perf->lines, &perf->decision.events[i]);
	ff_buf_clear(&perf->lines);
	for (size_t i = 0; i < perf->decision.orders_len; i++)
		order(perf, &perf->decision.orders[i]);
	ff_decision_clear(&perf->decision);
	ff_input_free(input);
}

static void make(struct perf *perf, uint32_t units, uint32_t hosts)
{
	struct ff_config_job *job;
	struct ff_err err = {0};
	char name[32];

	ff_config_init(&perf->config);
	for (uint32_t i = 0; i < hosts; i++) {
		struct ff_config_host *host = ff_config_add_host(&perf->config, "popen");

		snprintf(name, sizeof(name), "h%u", i);
		host->name = ff_arena_strdup(&perf->config.arena, name);
	}
	job = ff_config_add_job(&perf->config, "j", "run");
	job->shell = ff_arena_strdup(&perf->config.arena, "x");
	job->count = units;
	if (ff_inventory_build(&perf->inventory, &perf->config, &err) < 0 ||
	    ff_plan_build(&perf->plan, &perf->config, &perf->inventory, NULL, &err) < 0) {
		printf("%s\n", err.text);
		exit(2);
	}
}

static int64_t lower_bound(const struct perf *perf, uint32_t units, uint32_t hosts)
{
	int64_t sum = 0, longest = 0;

	for (uint32_t i = 0; i < units; i++) {
		sum += perf->durations[i];
		if (perf->durations[i] > longest)
			longest = perf->durations[i];
	}
	return sum / hosts > longest ? sum / hosts : longest;
}

static void run(struct perf *perf)
{
	struct ff_result passed = {.outcome = FF_OUTCOME_PASSED};
	struct ff_input *input;

	decide(perf, ff_input_new(FF_INPUT_START));
	while (!ff_engine_over(perf->engine)) {
		input = ff_inputs_take(&perf->inputs);
		if (!input) {
			int64_t began = cpu_ns();
			struct ending ending = pop(perf);

			if (!perf->ready_ns)
				perf->ready_ns = began;
			passed.duration_us = perf->durations[ending.unit];
			perf->world_ns += cpu_ns() - began;
			perf->now = ending.at;
			input = ff_input_new(FF_INPUT_EXEC_FINISHED);
			input->execution = ending.execution;
			input->u.result = ff_input_result(input, &passed);
		}
		decide(perf, input);
	}
}

int perf(uint32_t units, uint32_t hosts, bool journal)
{
	struct perf perf = {.journal = journal};
	struct ff_engine_opts opts = {.config = &perf.config,
				      .inventory = &perf.inventory,
				      .plan = &perf.plan,
				      .expected_us = expected,
				      .ctx = &perf};
	int64_t began, took, each, bound, all, end;
	bool good;

	record_durations(&perf, units);
	make(&perf, units, hosts);
	perf.heap = ff_xcalloc(hosts + 1, sizeof(*perf.heap));
	began = cpu_ns();
	ff_state_init(&perf.state);
	perf.engine = ff_engine_new(&opts, &perf.state);
	run(&perf);
	end = cpu_ns() - perf.world_ns - units * clock_ns();
	took = (end - began) / 1000;
	each = end - perf.ready_ns;
	bound = lower_bound(&perf, units, hosts);
	all = perf.now;
	good = perf.state.run.counts.by_outcome[FF_OUTCOME_PASSED] == units &&
	       ff_engine_faults(perf.engine) == 0;
	printf("%u units over %u hosts: %.3f s, %.3f us a unit, makespan %.4f of the bound%s\n",
	       units, hosts, (double)took / 1e6, (double)each / units / 1000,
	       (double)all / (double)bound, good ? "" : " (BAD)");
	ff_engine_free(perf.engine);
	ff_state_release(&perf.state);
	ff_decision_release(&perf.decision);
	ff_plan_release(&perf.plan);
	ff_inventory_release(&perf.inventory);
	ff_config_release(&perf.config);
	ff_buf_release(&perf.lines);
	ff_free(perf.durations);
	ff_free(perf.heap);
	return !good;
}

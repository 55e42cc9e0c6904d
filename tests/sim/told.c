/* The earlier runs' journals, as far as they matter to the next. */
#include "told.h"

#include <string.h>

#include "base/alloc.h"

void told_init(struct told *told, struct check *check)
{
	*told = (struct told){.check = check};
	told->promised = ff_xcalloc(check->plan->len + 1, sizeof(*told->promised));
	told->again = ff_xcalloc(check->plan->len + 1, sizeof(*told->again));
}

void told_release(struct told *told)
{
	for (size_t i = 0; i < told->len; i++)
		ff_free(told->runs[i].v);
	ff_free(told->promised);
	ff_free(told->again);
}

void told_begin(struct told *told, struct world *world)
{
	told->len++;
	told->world = world;
	memset(told->promised, 0, told->check->plan->len * sizeof(*told->promised));
	memset(told->again, 0, told->check->plan->len * sizeof(*told->again));
}

static uint32_t number_of(const struct told *told, const char *job)
{
	uint32_t i = 0;

	while (strcmp(told->check->plan->jobs[i].config->name, job) != 0)
		i++;
	return i;
}

static void keep(struct told *told, const struct ff_event *event)
{
	struct told_run *run = &told->runs[told->len - 1];

	if (run->len == run->cap) {
		run->cap = run->cap ? 2 * run->cap : 64;
		run->v = ff_xrealloc(run->v, run->cap * sizeof(*run->v));
	}
	run->v[run->len++] = (struct told_attempt){
		.job = number_of(told, event->job),
		.unit = event->index,
		.attempt = event->u.unit_finished.attempt,
		.final = event->u.unit_finished.final,
		.outcome = event->u.unit_finished.result->outcome,
	};
}

void told_event(struct told *told, const struct ff_event *event)
{
	uint32_t job;

	switch (event->kind) {
	case FF_EVENT_UNITS_BEFORE:
		told->promised[number_of(told, event->job)] += event->u.units_before.count;
		break;
	case FF_EVENT_UNIT_BEFORE:
		told->again[number_of(told, event->job)] += event->u.unit_finished.final;
		if (event->u.unit_finished.result->message)
			check_fail(told->check, "unit %u of %s: %s", event->index, event->job,
				   event->u.unit_finished.result->message);
		keep(told, event);
		break;
	case FF_EVENT_UNIT_FINISHED:
		keep(told, event);
		break;
	case FF_EVENT_JOB_FINISHED:
		job = number_of(told, event->job);
		if (told->again[job] != told->promised[job])
			check_fail(told->check, "of %s %u units were done before, %u are told",
				   event->job, told->promised[job], told->again[job]);
		break;
	default:
		break;
	}
}

static void answer(struct told *told, size_t run, const struct told_attempt *attempt, int64_t at)
{
	struct ff_result result = {.outcome = attempt->outcome};
	struct ff_input *input = ff_input_new(FF_INPUT_BEFORE);

	input->unit = attempt->unit;
	input->u.before.run = (uint32_t)run;
	input->u.before.job = told->check->plan->jobs[attempt->job].config->name;
	input->u.before.name = "u";
	input->u.before.attempt = attempt->attempt;
	input->u.before.final = attempt->final;
	input->u.before.result = ff_input_result(input, &result);
	world_put(told->world, input, at);
}

/* As a reader of journals does: the latest run first, each from its beginning. */
void told_order(struct told *told, const struct ff_order *order)
{
	int64_t at = world_now(told->world), pace = (int64_t)(told->check->seed * 37 % 2000);
	struct ff_input *end;

	if (order->kind != FF_ORDER_TELL_BEFORE)
		return;
	for (size_t i = 0; i + 1 < told->len; i++) {
		const struct told_run *run = &told->runs[told->len - 2 - i];

		for (size_t j = 0; j < run->len; j++)
			if (run->v[j].job == order->job)
				answer(told, i, &run->v[j], at += pace);
	}
	end = ff_input_new(FF_INPUT_BEFORE_TOLD);
	end->job = order->job;
	world_put(told->world, end, at + 1);
}

/* Units that are lists of commands: one after another is executed in the same place, and what they
 * came to is the unit's result, with each step as a phase. To all others it is one unit: retries
 * repeat the whole list. */
#include <string.h>

#include "base/alloc.h"
#include "dispatch/private.h"

/* A list that runs. */
struct steps {
	struct ff_arena arena;
	uint32_t now;	  /* the step that runs */
	uint32_t bad;	  /* the first that came to a bad end; FF_NOBODY */
	int64_t began_us; /* this step */
	struct ff_phase *phases;
	struct ff_buf out, err;
	struct ff_result sum; /* the first bad one's end, all steps' times and bytes */
};

static const struct ff_config_job *config_of(const struct ff_engine *e,
					     const struct execution *execution)
{
	return e->opts.plan->jobs[execution->placement.job].config;
}

static const char *keep(struct steps *steps, const char *text)
{
	const char *copy = text ? ff_arena_strdup(&steps->arena, text) : NULL;

	if (text && !copy)
		ff_xmalloc(SIZE_MAX); /* says that memory is out, and ends */
	return copy;
}

static struct steps *steps_of(struct ff_engine *e, const struct execution *execution)
{
	struct engine_job *job = &e->jobs[execution->placement.job];
	uint32_t unit = execution->placement.unit;
	struct steps *steps = ff_map_get_u32(&job->steps, unit);

	if (steps)
		return steps;
	steps = ff_xcalloc(1, sizeof(*steps));
	steps->bad = FF_NOBODY;
	steps->began_us = execution->started_us;
	steps->sum = (struct ff_result){.outcome = FF_OUTCOME_PASSED};
	steps->phases = ff_xcalloc(config_of(e, execution)->steps_len, sizeof(*steps->phases));
	if (ff_map_set_u32(&job->steps, unit, steps) != 0)
		ff_xmalloc(SIZE_MAX); /* says that memory is out, and ends */
	return steps;
}

static void free_steps(struct steps *steps)
{
	if (!steps)
		return;
	ff_arena_release(&steps->arena);
	ff_buf_release(&steps->out);
	ff_buf_release(&steps->err);
	ff_free(steps->phases);
	ff_free(steps);
}

void ff_steps_forget(struct ff_engine *e, const struct execution *execution)
{
	if (execution->placement.unit != FF_NOBODY)
		free_steps(ff_map_del_u32(&e->jobs[execution->placement.job].steps,
					  execution->placement.unit));
}

void ff_steps_free(struct engine_job *job)
{
	size_t cursor = 0;
	void *steps;

	while (ff_map_next(&job->steps, &cursor, NULL, &steps))
		free_steps(steps);
	ff_map_release(&job->steps);
}

static void add_output(struct steps *steps, const struct ff_result *result)
{
	for (size_t i = 0; i < result->sections_len; i++) {
		const struct ff_section *section = &result->sections[i];
		struct ff_buf *to = strcmp(section->title, "stderr") ? &steps->out : &steps->err;

		ff_buf_add(to, section->text, section->len);
	}
}

/* What the step came to. */
static void add_step(struct ff_engine *e, struct steps *steps, const struct ff_config_job *config,
		     const struct ff_result *result)
{
	struct ff_result *sum = &steps->sum;
	bool first_bad = ff_outcome_bad(result->outcome) && steps->bad == FF_NOBODY;

	steps->phases[steps->now] = (struct ff_phase){
		.when = config->steps[steps->now].name,
		.outcome = result->outcome,
		.duration_us = result->duration_us ? result->duration_us
						   : e->now.mono_us - steps->began_us,
		.message = keep(steps, result->message),
		.step = true,
	};
	sum->user_us += result->user_us;
	sum->system_us += result->system_us;
	sum->max_rss_kib =
		result->max_rss_kib > sum->max_rss_kib ? result->max_rss_kib : sum->max_rss_kib;
	sum->output_bytes += result->output_bytes;
	sum->output_cut |= result->output_cut;
	sum->leaked |= result->leaked;
	sum->out_of_memory |= result->out_of_memory;
	if (!sum->limits)
		sum->limits = keep(steps, result->limits);
	add_output(steps, result);
	/* What ended the list, also if the last of it was only to clean up. */
	if (first_bad || steps->bad == FF_NOBODY) {
		sum->outcome = result->outcome;
		sum->has_status = result->has_status;
		sum->status = result->status;
	}
	if (first_bad) {
		steps->bad = steps->now;
		sum->message = ff_engine_text(e, "step '%s': %s", config->steps[steps->now].name,
					      result->message ? result->message
							      : ff_outcome_word(result->outcome));
		sum->message = keep(steps, sum->message);
	}
}

/* Of those behind it the first that is to run; those between are skipped. steps_len: there is none.
 */
static uint32_t find_next(struct ff_engine *e, struct steps *steps,
			  const struct ff_config_job *config, bool dropped)
{
	uint32_t next = steps->now + 1;

	for (; next < config->steps_len; next++) {
		const char *when = config->steps[next].when;
		bool bad = steps->bad != FF_NOBODY;

		if (!dropped && (!strcmp(when, "always") || bad == !strcmp(when, "failure")))
			break;
		steps->phases[next] = (struct ff_phase){
			.when = config->steps[next].name,
			.outcome = FF_OUTCOME_SKIPPED,
			.message = keep(steps,
					!bad ? "not run: no step before it has failed"
					     : ff_engine_text(e, "not run: step '%s' did not pass",
							      config->steps[steps->bad].name)),
			.step = true,
		};
	}
	return next;
}

/* The next step has the placement, and with it all that the unit has taken. */
static void begin(struct ff_engine *e, struct execution *execution, struct steps *steps)
{
	struct ff_placement placement = execution->placement;
	int64_t started_us = execution->started_us;
	struct ff_order order = {.kind = FF_ORDER_RUN, .step = steps->now};
	struct execution *next;
	struct unit_at at;

	next = ff_executions_add(&e->executions, &placement, ff_execution_name(execution));
	next->started_us = started_us;
	ff_executions_remove(&e->executions, execution);
	at = ff_execution_unit(e, next);
	order.execution = next->number;
	order.host = placement.host;
	order.tries = e->state->hosts[placement.host].tries;
	order.job = placement.job;
	order.unit = placement.unit;
	order.count = e->jobs[placement.job].workers;
	order.name = at.name;
	order.attempt = e->state->jobs[placement.job].units[placement.unit].attempts;
	if (config_of(e, next)->timeout_percent)
		order.timeout_us = ff_marks_timeout_us(e, placement.job, placement.unit);
	steps->began_us = e->now.mono_us;
	ff_engine_order(e, &order);
}

/* All in the decision's arena: the list is forgotten. */
static void give_result(struct ff_engine *e, struct steps *steps, struct ff_result *result,
			size_t len, int64_t started_us)
{
	const struct ff_buf *bufs[] = {&steps->out, &steps->err};
	static const char *const titles[] = {"stdout", "stderr"};
	struct ff_section sections[2];
	size_t sections_len = 0;

	for (size_t i = 0; i < len; i++)
		if (steps->phases[i].message)
			steps->phases[i].message =
				ff_engine_text(e, "%s", steps->phases[i].message);
	for (size_t i = 0; i < 2; i++)
		if (bufs[i]->len)
			sections[sections_len++] = (struct ff_section){
				titles[i],
				ff_decision_copy(e->decision, ff_buf_data(bufs[i]), bufs[i]->len),
				bufs[i]->len, true};
	*result = steps->sum;
	if (result->message)
		result->message = ff_engine_text(e, "%s", result->message);
	if (result->limits)
		result->limits = ff_engine_text(e, "%s", result->limits);
	result->duration_us = e->now.mono_us - started_us;
	result->phases = ff_decision_copy(e->decision, steps->phases, len * sizeof(*steps->phases));
	result->phases_len = len;
	result->sections = ff_decision_copy(e->decision, sections, sizeof(sections));
	result->sections_len = sections_len;
}

bool ff_steps_go_on(struct ff_engine *e, struct execution *execution, struct ff_result *result)
{
	const struct ff_config_job *config = config_of(e, execution);
	bool dropped = result->outcome == FF_OUTCOME_LOST;
	struct steps *steps;

	if (!config->steps_len)
		return false;
	/* A step may have ended before it heard that it is to. */
	if (ff_cancel_is(e, execution->placement.job, execution->placement.unit) && !dropped) {
		dropped = true;
		result->outcome = FF_OUTCOME_LOST;
		result->message = "cancelled";
	}
	steps = steps_of(e, execution);
	add_step(e, steps, config, result);
	steps->now = find_next(e, steps, config, dropped);
	if (steps->now < config->steps_len) {
		begin(e, execution, steps);
		return true;
	}
	give_result(e, steps, result, config->steps_len, execution->started_us);
	ff_steps_forget(e, execution);
	return false;
}

/* What a unit has left on its host is brought here when its command has ended: only then the unit
 * is finished, for those who need it and in every count. Until then it keeps its slots, so that no
 * other one that runs in the same folder writes over what is on its way. */
#include <string.h>

#include "base/alloc.h"
#include "dispatch/private.h"

struct fetch {
	uint32_t execution;
	int64_t began_us;
	struct ff_input *held; /* how its command ended */
};

static const char in_vain[] = "interrupted before its artifacts were there";

static const struct ff_config_artifacts *artifacts_of(const struct ff_engine *e, uint32_t job)
{
	return &e->opts.plan->jobs[job].config->artifacts;
}

bool ff_fetch_expected(const struct ff_engine *e, uint32_t job)
{
	return artifacts_of(e, job)->paths.len > 0 || e->opts.plan->jobs[job].config->coverage;
}

static bool is_wanted(const struct ff_engine *e, uint32_t job, enum ff_outcome outcome)
{
	const char *when = artifacts_of(e, job)->when;

	if (!ff_fetch_expected(e, job) || outcome == FF_OUTCOME_LOST)
		return false;
	if (strcmp(when, "always") == 0)
		return true;
	return ff_outcome_bad(outcome) == (strcmp(when, "failure") == 0);
}

/* What is amiss is the unit's fault, unless it has one of its own: then it is told beside it. */
static void blame(struct ff_engine *e, const struct unit_at *at, struct ff_result *result,
		  const char *error)
{
	struct ff_event event = {.kind = FF_EVENT_NOTICE,
				 .host = e->state->hosts[at->host].name,
				 .job = e->state->jobs[at->job].name,
				 .job_id = at->job + 1,
				 .unit = at->name};

	if (!ff_outcome_bad(result->outcome)) {
		result->outcome = FF_OUTCOME_ERROR;
		result->message = error;
		return;
	}
	event.u.notice.level = "error";
	event.u.notice.text = ff_engine_text(e, "%s: %s", at->name, error);
	ff_engine_emit(e, &event);
}

bool ff_fetch_begin(struct ff_engine *e, const struct execution *execution,
		    struct ff_result *result)
{
	struct ff_order order = {.kind = FF_ORDER_FETCH, .execution = execution->number};
	struct unit_at at = ff_execution_unit(e, execution);
	struct fetch *fetch;

	if (!is_wanted(e, at.job, result->outcome))
		return false;
	/* Jobs that clean up have time of their own. */
	if (ff_engine_killing(e) && (e->no_cleanup || !e->jobs[at.job].runs_anyway)) {
		if (!ff_outcome_bad(result->outcome))
			blame(e, &at, result, in_vain);
		return false;
	}
	fetch = ff_xcalloc(1, sizeof(*fetch));
	fetch->execution = execution->number;
	fetch->began_us = e->now.mono_us;
	fetch->held = ff_input_new(FF_INPUT_EXEC_FINISHED);
	fetch->held->u.result = ff_input_result(fetch->held, result);
	ff_map_set_u32(&e->fetches, execution->number, fetch);
	order.host = at.host;
	order.tries = e->state->hosts[at.host].tries;
	order.job = at.job;
	order.unit = at.unit;
	order.name = at.name;
	ff_engine_order(e, &order);
	return true;
}

bool ff_fetch_runs(const struct ff_engine *e, const struct execution *execution)
{
	return ff_map_get_u32(&e->fetches, execution->number) != NULL;
}

static void free_fetch(struct fetch *fetch)
{
	ff_input_free(fetch->held);
	ff_free(fetch);
}

/* A copy: the events of this decision live longer than what was held. */
static struct ff_result result_of(struct ff_engine *e, const struct fetch *fetch)
{
	struct ff_input lent = {.arena = e->decision->arena};
	const struct ff_result *copy = ff_input_result(&lent, fetch->held->u.result);

	e->decision->arena = lent.arena;
	return *copy;
}

static void tell(struct ff_engine *e, const struct unit_at *at, const struct fetch *fetch,
		 const struct ff_input *input, const char *error)
{
	struct ff_event event = {.kind = FF_EVENT_UNIT_ARTIFACTS,
				 .job = e->state->jobs[at->job].name,
				 .job_id = at->job + 1,
				 .unit = at->name,
				 .index = at->unit,
				 .host = e->state->hosts[at->host].name,
				 .host_id = at->host + 1};

	event.u.unit_artifacts.attempt = e->state->jobs[at->job].units[at->unit].attempts;
	event.u.unit_artifacts.error = error;
	event.u.unit_artifacts.took_us = e->now.mono_us - fetch->began_us;
	if (input) {
		event.u.unit_artifacts.folder = input->u.fetched.folder;
		event.u.unit_artifacts.files = input->u.fetched.files;
		event.u.unit_artifacts.bytes = input->u.fetched.bytes;
	}
	ff_engine_emit(e, &event);
}

/* Each line as one notice; the first as the error, if these are errors. */
static const char *complain(struct ff_engine *e, const char *host, const char *who,
			    const char *const *lines, const char *before, bool required)
{
	const char *error = NULL;

	for (; lines && *lines; lines++) {
		const char *text = ff_engine_text(e, "artifacts: %s%s", before, *lines);

		if (required && !error)
			error = text;
		else
			ff_engine_notice(e, host, required ? "error" : "warning",
					 ff_engine_text(e, "%s: %s", who, text));
	}
	return error;
}

const char *ff_fetch_complain(struct ff_engine *e, const char *host, const char *who,
			      const struct ff_input *input, bool required)
{
	const char *error = NULL, *amiss;

	if (input->u.fetched.error)
		error = ff_engine_text(e, "artifacts: %s", input->u.fetched.error);
	amiss = complain(e, host, who, input->u.fetched.missing, "nothing matches ", required);
	if (!error)
		error = amiss;
	amiss = complain(e, host, who, input->u.fetched.refused, "", true);
	return error ? error : amiss;
}

/* For reports: where it is. */
static void add_property(struct ff_engine *e, struct ff_result *result, const char *folder)
{
	size_t len = result->properties_len;
	struct ff_property *all = ff_xcalloc(len + 1, sizeof(*all));

	if (len > 0)
		memcpy(all, result->properties, len * sizeof(*all));
	all[len] = (struct ff_property){"farflung.artifacts", folder};
	result->properties = ff_decision_copy(e->decision, all, (len + 1) * sizeof(*all));
	result->properties_len = len + 1;
	ff_free(all);
}

void ff_fetch_done(struct ff_engine *e, const struct ff_input *input)
{
	struct execution *execution = ff_executions_find(&e->executions, input->execution);
	struct fetch *fetch = execution ? ff_map_del_u32(&e->fetches, input->execution) : NULL;
	const char *error;
	struct ff_result result;
	struct unit_at at;

	if (!fetch)
		return;
	at = ff_execution_unit(e, execution);
	result = result_of(e, fetch);
	tell(e, &at, fetch, input,
	     input->u.fetched.error ? ff_engine_text(e, "artifacts: %s", input->u.fetched.error)
				    : NULL);
	error = ff_fetch_complain(e, e->state->hosts[at.host].name, at.name, input,
				  artifacts_of(e, at.job)->required);
	if (error)
		blame(e, &at, &result, error);
	if (input->u.fetched.files > 0)
		add_property(e, &result, input->u.fetched.folder);
	free_fetch(fetch);
	ff_execution_end(e, execution, &result);
}

/* It comes to an end without them. */
static struct ff_result give_up(struct ff_engine *e, const struct execution *execution,
				const struct unit_at *at, const char *error)
{
	struct fetch *fetch = ff_map_del_u32(&e->fetches, execution->number);
	struct ff_result result = result_of(e, fetch);

	tell(e, at, fetch, NULL, error);
	blame(e, at, &result, error);
	free_fetch(fetch);
	return result;
}

void ff_fetch_host_lost(struct ff_engine *e, struct execution *execution, const char *reason)
{
	struct unit_at at = ff_execution_unit(e, execution);
	struct ff_result result =
		give_up(e, execution, &at,
			ff_engine_text(e, "its artifacts were lost with host %s: %s",
				       e->state->hosts[at.host].name, reason));

	ff_execution_over(e, execution, true);
	ff_unit_finished(e, &at, &result);
}

void ff_fetch_kill(struct ff_engine *e, struct execution *execution)
{
	struct unit_at at = ff_execution_unit(e, execution);
	struct ff_result result = give_up(e, execution, &at,
					  ff_cancel_is(e, at.job, at.unit)
						  ? "cancelled before its artifacts were there"
						  : in_vain);

	ff_execution_end(e, execution, &result);
}

void ff_fetch_release(struct ff_engine *e)
{
	size_t cursor = 0;
	void *value;

	while (ff_map_next(&e->fetches, &cursor, NULL, &value))
		free_fetch(value);
	ff_map_release(&e->fetches);
}

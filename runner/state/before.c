/* Units that an earlier run had done: how they count. */
#include "state/private.h"

/* By itself or in the hands of a plugin that ran it again. */
bool ff_state_failed_before(const struct ff_unit_record *unit, const struct ff_result *result)
{
	for (size_t i = 0; i < result->phases_len; i++)
		if (result->phases[i].rerun)
			return true;
	return unit->failures > 0;
}

void ff_state_units_before(struct ff_state *state, struct ff_job_record *job,
			   struct ff_unit_record *units, const struct ff_event *event)
{
	enum ff_outcome outcome = event->u.units_before.outcome;
	uint32_t count = event->u.units_before.count;

	for (uint32_t i = 0; i < count; i++) {
		units[i].state = FF_UNIT_DONE;
		units[i].outcome = (uint8_t)outcome;
	}
	job->units_done += count;
	job->counts.by_outcome[outcome] += count;
	state->run.counts.by_outcome[outcome] += count;
}

/* Its outcome counts already; how it came to that does not. */
void ff_state_unit_before(struct ff_state *state, struct ff_job_record *job,
			  struct ff_unit_record *unit, const struct ff_event *event)
{
	const struct ff_result *result = event->u.unit_finished.result;

	unit->attempts = (uint16_t)event->u.unit_finished.attempt;
	if (!event->u.unit_finished.final) {
		unit->failures++;
		job->counts.retried++;
		state->run.counts.retried++;
		return;
	}
	job->flaky += !ff_outcome_bad(result->outcome) && ff_state_failed_before(unit, result);
	if (ff_result_second_error(result)) {
		job->counts.more_errors++;
		state->run.counts.more_errors++;
	}
}

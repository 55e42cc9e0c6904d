/* What an earlier run had done, where one is gone on with: counted, not told again line by line;
 * its failures are among those of the end. */
#include "base/alloc.h"
#include "report/terminal.h"

void ff_terminal_units_before(struct ff_terminal *t, const struct ff_event *event)
{
	t->finished += event->u.units_before.count;
	t->before += event->u.units_before.count;
	if (ff_outcome_bad(event->u.units_before.outcome))
		t->failed += event->u.units_before.count;
}

void ff_terminal_unit_before(struct ff_terminal *t, const struct ff_event *event)
{
	const struct ff_result *result = event->u.unit_finished.result;
	size_t failures = t->failures.len, lines = t->summary.len;
	uint32_t alike = 0;
	char *attempts;
	bool bad;

	if (!result)
		return;
	if (!event->u.unit_finished.final) {
		t->retries++;
		ff_terminal_keep_attempt(t, event);
		return;
	}
	bad = ff_outcome_bad(result->outcome);
	if (!bad)
		ff_terminal_keep_good(t, event);
	else if (ff_terminal_tell_failure(t, event, &alike))
		ff_terminal_keep_failure(t, event);
	ff_terminal_keep_few(t, event, alike, failures, lines);
	attempts = ff_map_del(&t->retried, ff_terminal_unit_key(t, event->job, event->index, 0));
	if (attempts && !bad)
		ff_terminal_keep_flaky(t, event, attempts);
	ff_free(attempts);
}

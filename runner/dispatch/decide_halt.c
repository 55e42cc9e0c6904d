/* Ends a run before its units are all done, as settings.halt says: after so many that failed,
 * passed, or came to any end. */
#include "dispatch/private.h"

static uint32_t ended(const struct ff_engine *e, enum ff_halt on)
{
	const struct ff_counts *counts = &e->state->run.counts;
	uint32_t ended = 0;

	for (int i = 0; i < FF_OUTCOMES; i++)
		if (on == FF_HALT_DONE ||
		    (on == FF_HALT_FAIL) == ff_outcome_bad((enum ff_outcome)i))
			ended += counts->by_outcome[i];
	return ended;
}

void ff_halt_look(struct ff_engine *e)
{
	static const char *const words[] = {[FF_HALT_FAIL] = "failed",
					    [FF_HALT_SUCCESS] = "succeeded",
					    [FF_HALT_DONE] = "ended"};
	enum ff_halt on = e->opts.config->settings.halt.on;
	int64_t count = e->opts.config->settings.halt.count;
	int64_t percent = e->opts.config->settings.halt.percent;
	uint32_t n;

	if (on == FF_HALT_NEVER || ff_engine_stopping(e))
		return;
	n = ended(e, on);
	if (count ? n < count : (int64_t)n * 100 < percent * e->state->run.counts.total)
		return;
	ff_engine_stop(e, FF_REASON_MAXFAIL, ff_engine_text(e, "after %u %s", n, words[on]));
	if (e->opts.config->settings.halt.now)
		ff_engine_due(e, &e->kill, e->now.mono_us);
}

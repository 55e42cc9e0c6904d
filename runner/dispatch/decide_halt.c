/* Ends a run before its units are all done, as settings.maxfail and settings.halt say: after so
 * many that failed, passed, or came to any end. */
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

static void stop_after(struct ff_engine *e, uint32_t n, enum ff_halt on)
{
	static const char *const words[][2] = {[FF_HALT_FAIL] = {"failure", "failures"},
					       [FF_HALT_SUCCESS] = {"success", "successes"},
					       [FF_HALT_DONE] = {"end", "ends"}};

	ff_engine_stop(e, FF_REASON_MAXFAIL,
		       ff_engine_text(e, "after %u %s", n, words[on][n != 1]));
}

void ff_halt_look_maxfail(struct ff_engine *e)
{
	int64_t maxfail = e->opts.config->settings.maxfail;
	uint32_t n = ended(e, FF_HALT_FAIL);

	if (maxfail > 0 && n >= maxfail && !ff_engine_stopping(e))
		stop_after(e, n, FF_HALT_FAIL);
}

void ff_halt_look(struct ff_engine *e)
{
	enum ff_halt on = e->opts.config->settings.halt.on;
	int64_t count = e->opts.config->settings.halt.count;
	int64_t percent = e->opts.config->settings.halt.percent;
	uint32_t n;

	if (on == FF_HALT_NEVER || ff_engine_stopping(e))
		return;
	n = ended(e, on);
	if (count ? n < count : (int64_t)n * 100 < percent * e->state->run.counts.total)
		return;
	stop_after(e, n, on);
	e->kill_now = e->opts.config->settings.halt.now;
}

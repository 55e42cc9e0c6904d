/* How `farflung map` ends: with GNU parallel's numbers. */
#include <signal.h>

#include "cli/execute.h"
#include "config/config.h"
#include "dispatch/dispatch.h"
#include "report/mapped.h"

enum { FAILED_MAX = 100, MORE_FAILED = 101, NOT_RUN = 255, DESERTED = 128 + SIGPIPE };

int ff_mapped_exit_code(const struct ff_config *config, const struct ff_mapped_opts *mapped,
			int code)
{
	const struct ff_mapped_tally *tally = mapped->tally;
	enum ff_halt on = config->settings.halt.on;

	if (tally->deserted && code != FF_EXIT_INTERRUPTED)
		return DESERTED;
	if (tally->unwritten || (code != FF_EXIT_OK && code != FF_EXIT_FAILED))
		return code == FF_EXIT_INTERRUPTED ? code : NOT_RUN;
	if (code == FF_EXIT_FAILED && tally->failed == 0 && !tally->stopped)
		return NOT_RUN;
	if (tally->stopped && config->settings.halt.count == 1)
		return on == FF_HALT_SUCCESS ? FF_EXIT_OK : tally->last_value;
	if (tally->stopped && config->settings.halt.percent && on == FF_HALT_FAIL && tally->total)
		return (int)(((uint64_t)tally->failed * 200 + tally->total) /
			     (2 * (uint64_t)tally->total));
	return tally->failed > FAILED_MAX ? MORE_FAILED : (int)tally->failed;
}

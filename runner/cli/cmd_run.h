/* What `farflung run` does for other commands. */
#ifndef FF_CLI_CMD_RUN_H
#define FF_CLI_CMD_RUN_H

#include "dispatch/before.h"

/* Goes on with `run` (NULL: the last one), an earlier `farflung run`, by the words it was given
 * then and `argv` behind them; what `again` says of it is not taken for done. Returns the exit
 * code. */
int ff_run_again(const char *run, struct ff_before_again *again, int argc, char **argv,
		 const char *command);

#endif

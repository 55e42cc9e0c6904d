/* What `run` and `pytest` share: from a configuration to an exit code. */
#ifndef FF_CLI_EXECUTE_H
#define FF_CLI_EXECUTE_H

#include "config/config.h"

struct ff_execute_opts {
	const char *junit, *jsonl; /* over the configuration's; NULL: as there */
	const char *on;		   /* host pattern; NULL: all */
	char *const *only;	   /* job names; NULL: all */
	int verbosity;
	bool quiet;
	const char *color;   /* auto, always, never; NULL: auto */
	const char *command; /* the subcommand and its words, for the journal */
	int argc;
	char **argv;
};

/* Builds inventory and plan, runs, reports. Errors of the configuration are told: exit 2. */
int ff_execute(struct ff_config *config, const struct ff_execute_opts *opts);

/* Prints each line of err, as it is (they begin with file:line:column or name a file). */
void ff_complain_lines(const char *text);

#endif

/* Telling a journal to reporters again: `farflung replay`, and `attach` while its run goes on. */
#ifndef FF_CLI_RETELL_H
#define FF_CLI_RETELL_H

#include <stdbool.h>

#include "base/strv.h"

struct ff_retell_opts {
	const char *command;	       /* for complaints */
	const char *path;	       /* of the journal */
	const struct ff_strv *reports; /* names and values in turn */
	int verbosity;
	const char *color; /* NULL: auto */
	bool no_terminal;  /* people get their text from none but the reports */
	bool follow;	   /* wait for more as long as the run goes on */
};

/* Tells all, and the last word. Gives the run's exit code; of a run that was cut off (or,
 * without `follow`, that goes on: it is said which) it tells what became of its units (those that
 * ran are lost, the others not run), and gives 3. 130: Ctrl-C, with
 * `follow`: the run is left alone. */
int ff_retell(const struct ff_retell_opts *opts);

#endif

/* Several runs told as one: `farflung merge`, and `farflung report` of more than one. */
#ifndef FF_CLI_MERGE_TELL_H
#define FF_CLI_MERGE_TELL_H

#include <stdbool.h>

#include "base/strv.h"

struct ff_merge_opts {
	const char *command; /* for complaints */
	char *const *dirs;   /* of runs, as ff_run_journal finds them, or what holds one */
	const struct ff_strv *reports; /* names and values in turn */
	int verbosity;
	const char *color;   /* NULL: auto */
	bool no_terminal;    /* people get their text from none but the reports */
	bool kept;	     /* with a journal and history of its own; and all must be shards */
	const char *notify;  /* a file whose receivers are told; NULL: nobody is */
	const char *history; /* a path, "none", or NULL: beside the journals */
};

/* Tells all of them; what does not fit is complained of. The exit code: the worst of theirs, 3:
 * some are missing, there twice or without an end, 2: nothing was told. */
int ff_merge_tell(const struct ff_merge_opts *opts);

#endif

/* Programs that a report is handed to at the end of a run. They run in a process group of their
 * own, and have so much time as is given. */
#ifndef FF_REPORT_PROGRAM_H
#define FF_REPORT_PROGRAM_H

#include <stdbool.h>

#include "base/buf.h"

struct ff_program {
	char *const *argv;	    /* the first is looked for in PATH */
	int in, out;		    /* its stdin, and its stdout and stderr; -1: /dev/null */
	int seconds;		    /* then it is killed */
	const volatile bool *hurry; /* as soon as this is set, too */
};

/* Waits for its end. 0, an errno if it could not be started, or -1; in both cases one line is
 * appended to `why`: "NAME ended with exit status 3". */
int ff_program_run(const struct ff_program *program, struct ff_buf *why);

#endif

/* Where trace lines go when the environment asks for them. */
#ifndef FF_IO_TRACE_H
#define FF_IO_TRACE_H

#include <stdbool.h>

/* Looks at FARFLUNG_DEBUG, or if that is not set at EXECNET_DEBUG (execnet's own name for it), the
 * first time it is called in a process:
 *
 *     2             lines "[pid] text" to stderr
 *     unset, "", 0  nothing
 *     anything else lines "seconds text" to a new file of this process, farflung-debug-PID
 *                   (execnet-debug-PID if it was EXECNET_DEBUG) in $TMPDIR, $TEMP or $TMP, else
 *                   /tmp; one that has the name already must be our own
 *
 * A sink that the program has set (ff_log_set) stays. Nothing fails: without a file there is no
 * tracing. ff_open_group calls it; a program calls it itself to trace what comes before. */
void ff_trace_from_env(void);
/* What workers are told, so that they do the same: "1" (a file) or "2" (stderr); NULL: no
 * tracing. */
const char *ff_trace_word(void);
/* The variable that it is told by. */
const char *ff_trace_variable(void);
/* Whether traces go to stderr, and `line` looks like one of them: so workers' are known among what
 * else they write there. */
bool ff_trace_is_line(const char *line);
/* Writes a line as it is to where traces go; does nothing when they go nowhere. */
void ff_trace_pass(const char *line);

#endif

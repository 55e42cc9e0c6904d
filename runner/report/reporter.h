/* Reporters read events and cannot call back. One const vtable each. */
#ifndef FF_REPORT_REPORTER_H
#define FF_REPORT_REPORTER_H

#include "base/err.h"
#include "event/event.h"

struct ff_reporter; /* an instance: each reporter's own struct begins with this one */

struct ff_reporter_class {
	const char *name;
	/* An event; never fails towards the caller: a reporter that can't write remembers it for
	 * `finish`. */
	void (*event)(struct ff_reporter *reporter, const struct ff_event *event);
	/* Something may be redrawn (about 10 times a second while a run lasts, on a tty); may be
	 * NULL. */
	void (*tick)(struct ff_reporter *reporter, int64_t now_us);
	/* After the last event: writes what is left. 0 or an error that names the file. */
	int (*finish)(struct ff_reporter *reporter, struct ff_err *err);
	void (*free)(struct ff_reporter *reporter);
};

struct ff_reporter {
	const struct ff_reporter_class *class;
};

struct ff_terminal_opts {
	int fd;	  /* where to write: 1 */
	bool tty; /* live block, colours */
	bool colour;
	int verbosity;	  /* -1 quiet, 0, 1 a line per unit, 2 with output as it comes */
	bool show_output; /* commands' output also when they pass */
};
struct ff_reporter *ff_report_terminal(const struct ff_terminal_opts *opts);
/* Writes `path` (created with its folders) at finish, as a whole: a temporary file is renamed. The
 * file's folder is checked to be writable now. */
struct ff_reporter *ff_report_junit(const char *path, struct ff_err *err);
/* One line per event, as the journal has them; "-" is stdout. */
struct ff_reporter *ff_report_jsonl(const char *path, struct ff_err *err);

#endif

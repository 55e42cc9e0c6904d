/* A word when it matters: who stands in a configuration's `notify` is told of a run by HTTP, mail,
 * a commit's status or a command. What is to be said lies on the disk before it is sent, and stays
 * there until it was. A thread of its own does all of it: a run is never delayed, only its very
 * end, for settings.notify_wait at most. What can't be sent is said, and changes no exit code. */
#ifndef FF_NOTIFY_NOTIFY_H
#define FF_NOTIFY_NOTIFY_H

#include <stdio.h>

#include "config/config.h"
#include "event/mask.h"
#include "report/reporter.h"

struct ff_notify_opts {
	const struct ff_config *config; /* its receivers' secrets are revealed */
	const char *home;	    /* the folder that holds `.farflung`, with journals and queue */
	const struct ff_mask *mask; /* what no message may have; NULL: nothing */
	void (*complain)(const char *text);
};

/* What config itself can't know of URLs, addresses and templates; secrets count where they are
 * revealed. FF_ECONFIG: "file:line:column: ...", a line each. */
int ff_notify_check(const struct ff_config *config, struct ff_err *err);

/* Hears of a run; all of `opts` is borrowed until it is freed. Sends what is left in the queue from
 * earlier runs of the same file, too. Its `finish` does nothing: */
struct ff_reporter *ff_notify_new(const struct ff_notify_opts *opts);
/* all reports are written, and that is the run's exit code. Waits as settings say; `abandon` ends
 * that. Tells `complain` what was not sent. */
void ff_notify_end(struct ff_reporter *notify, int exit_code);

/* A word to each, or to the one of that name, that says that it is a test; nothing is queued,
 * nothing tried again. A line on `out` for each; how many failed, or FF_ENOTFOUND: there is none of
 * that name. */
int ff_notify_test(const struct ff_notify_opts *opts, const char *name, FILE *out,
		   struct ff_err *err);
/* Tries once to send what the queue has for the file's receivers; as above, with what stays there
 * for others as a line, too. */
int ff_notify_flush(const struct ff_notify_opts *opts, FILE *out, struct ff_err *err);
/* What the queue has, a line each; how many there are, or FF_ESYS. */
int ff_notify_list(const char *home, FILE *out, struct ff_err *err);

#endif

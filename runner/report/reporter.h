/* Reporters read events and cannot call back. One const vtable each, one line in reporters.c. */
#ifndef FF_REPORT_REPORTER_H
#define FF_REPORT_REPORTER_H

#include "base/buf.h"
#include "base/err.h"
#include "base/strv.h"
#include "event/event.h"

struct ff_reporter; /* an instance: each reporter's own struct begins with this one */

struct ff_reporter_class {
	const char *name;
	/* An event; never fails towards the caller and never waits: what it writes goes through a
	 * writer (writer.h), and a reporter that can't write remembers it for `finish`. */
	void (*event)(struct ff_reporter *reporter, const struct ff_event *event);
	/* Something may be redrawn (about 10 times a second while a run lasts, on a tty); may be
	 * NULL. */
	void (*tick)(struct ff_reporter *reporter, int64_t now_us);
	/* The user asks what runs where since when (SIGUSR1). NULL: it has nothing for people to
	 * read. */
	void (*show)(struct ff_reporter *reporter);
	/* Whether more waits to be written than it likes to hold: the run then stops reading from
	 * its workers until it does not (`wake` of the options is called). NULL: never. */
	bool (*full)(const struct ff_reporter *reporter);
	/* Whether what it writes can't be written, and the run is to stop for that: true once, err
	 * names the file. `finish` need not tell it again. NULL: never. */
	bool (*failed)(struct ff_reporter *reporter, struct ff_err *err);
	/* After the last event: writes what is left, waiting for its reader. 0 or an error that
	 * names the file. */
	int (*finish)(struct ff_reporter *reporter, struct ff_err *err);
	/* Whether the reader of what it writes to stdout went away ("| head", a closed window): the
	 * run went on, but what it said since then was not seen. NULL: never. */
	bool (*deserted)(const struct ff_reporter *reporter);
	/* Nobody waits for it any more: `finish` returns soon, also one that waits now, and may
	 * leave text unwritten. May be called from a signal handler and any thread. NULL: `finish`
	 * never waits for a reader. */
	void (*abandon)(struct ff_reporter *reporter);
	void (*free)(struct ff_reporter *reporter);
};

struct ff_reporter {
	const struct ff_reporter_class *class;
};

/* What earlier runs tell of a unit. */
struct ff_report_known {
	bool bad;	   /* the latest run that had it */
	const char *since; /* the run since which that is so; NULL: the unit is new */
};

/* The latest run before this one in which nothing went wrong. */
struct ff_report_green {
	const char *run;
	uint32_t total; /* units of it */
};

struct ff_trace; /* report/trace.h */

/* What all reporters are opened with. */
struct ff_reporter_opts {
	int verbosity;	   /* -2 without totals, -1 quiet, 0, 1 a line per unit, 2 with output as it
			      comes */
	const char *color; /* auto, always, never; NULL: auto */
	bool runs; /* units are runs of fewer tests, which another report counts: of failures that
		      are alike one is shown */
	bool few_tests; /* of very many failed tests, too, the end shows a few; else as pytest, all
			 */
	bool front;	/* the run's only job may have a front, whose the terminal then is */
	const char *junit_prefix;     /* before class names; NULL: nothing */
	const char *junit_dialect;    /* one of the choices of that option; NULL: pytest's */
	struct ff_reporter *terminal; /* people's text, for who has a word to say there; NULL: it
					 is shown otherwise */
	bool stdout_taken; /* another reporter writes to stdout: people's text goes to stderr */
	/* How long the run is expected to go on, by what earlier ones took, or, where these tell
	 * nothing of its units, by what the reporter makes of them itself (`units_us`; negative:
	 * nothing); negative: unknown. NULL: never known. With `ctx`. */
	int64_t (*left_us)(void *ctx, int64_t units_us);
	/* Fills in `known`; false: nothing is known of any unit. NULL: likewise. What both give
	 * lives as long as the run. */
	bool (*known)(void *ctx, const char *kind, const char *unit, struct ff_report_known *known);
	/* False: there was none that is known. */
	bool (*green)(void *ctx, struct ff_report_green *green);
	const struct ff_trace *trace; /* that the run is told of, or a part of; NULL: none yet */
	/* Called, from any thread, when a reporter that was full is so no more. NULL: nobody waits.
	 */
	void (*wake)(void *ctx);
	void *ctx;
};

/* A reporter that a user can ask for. */
struct ff_reporter_kind {
	const char *name;   /* "junit": also its key below `report:` and its option `--junit` */
	const char *key;    /* its key, if that is spelled otherwise; NULL */
	const char *arg;    /* what the option wants: "FILE" */
	const char *help;   /* one line, for both */
	bool may_be_stdout; /* "-" stands for stdout */
	/* What is wanted is one of these, and no path: "a, b or c". NULL: it is a path. */
	const char *choices;
	bool is_url; /* nor a path */
	/* The value that holds if the user gives none, or NULL; itself NULL: there is none. */
	const char *(*by_itself)(void);
	/* It has each event before the terminal has: what it says there stands above. */
	bool first;
	/* `value` is what the user gave, a path made absolute. NULL: err names it and says why;
	 * what can be known before the run is checked now. */
	struct ff_reporter *(*open)(const struct ff_reporter_opts *opts, const char *value,
				    struct ff_err *err);
	/* It is no reporter, but says how the one named `of` is to be: `open` is NULL then. */
	const char *of;
	void (*set)(struct ff_reporter_opts *opts, const char *value);
};

/* All of them, ends with NULL: reporters.c. The terminal is not among them: it is always there. */
extern const struct ff_reporter_kind *const ff_reporter_kinds[];
/* By name or key. NULL: unknown. */
const struct ff_reporter_kind *ff_reporter_kind_find(const char *name);
const char *ff_reporter_kind_key(const struct ff_reporter_kind *kind);

/* Whether what it wants is a path. */
bool ff_reporter_kind_has_path(const struct ff_reporter_kind *kind);
/* Whether it is one of the kind's choices, or the kind has none. */
bool ff_reporter_kind_takes(const struct ff_reporter_kind *kind, const char *value);

/* The reporters of a run, in a list of any length. */
struct ff_reporters {
	struct ff_reporter **v;
	size_t len, cap;
};

void ff_reporters_add(struct ff_reporters *reporters, struct ff_reporter *reporter);
/* In front of all others. */
void ff_reporters_add_first(struct ff_reporters *reporters, struct ff_reporter *reporter);
void ff_reporters_event(const struct ff_reporters *reporters, const struct ff_event *event);
void ff_reporters_tick(const struct ff_reporters *reporters, int64_t now_us);
void ff_reporters_show(const struct ff_reporters *reporters);
bool ff_reporters_full(const struct ff_reporters *reporters);
/* The first that has failed since the last time. */
bool ff_reporters_failed(const struct ff_reporters *reporters, struct ff_err *err);
/* Finishes all, tells each error to `complain`; 0 or the first error's code. That nobody reads
 * stdout any more is none: ff_reporters_deserted. */
int ff_reporters_finish(struct ff_reporters *reporters, void (*complain)(const char *text));
/* Whether stdout was closed under one of them. */
bool ff_reporters_deserted(const struct ff_reporters *reporters);
/* After a second Ctrl-C: each one's `abandon`. */
void ff_reporters_abandon(const struct ff_reporters *reporters);
void ff_reporters_release(struct ff_reporters *reporters);

/* Where and how people's text goes. */
struct ff_report_look {
	int fd; /* stdout, or stderr if that is taken */
	bool tty, colour;
	unsigned columns; /* 0: unknown */
};
struct ff_report_look ff_report_look(const struct ff_reporter_opts *opts);

/* On stdout, or stderr if that is taken. */
struct ff_reporter *ff_report_terminal(const struct ff_reporter_opts *opts);
/* A service reads what this terminal reporter writes (service.h): from now on none of it is a
 * command, and no block is redrawn. */
void ff_report_terminal_guard(struct ff_reporter *terminal, int service);
/* A command, as it is: whole lines, behind all text so far. */
void ff_report_terminal_command(struct ff_reporter *terminal, const struct ff_buf *command);

#endif

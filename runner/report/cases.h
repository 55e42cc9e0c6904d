/* A run as a list of cases: one for each unit's final outcome, and one for all else that has to be
 * accounted for: what was not run, could not be collected or set up, and jobs that went wrong as a
 * whole. JUnit, TAP, CTRF and the page have an entry for each. No I/O. */
#ifndef FF_REPORT_CASES_H
#define FF_REPORT_CASES_H

#include "base/map.h"
#include "event/event.h"

enum ff_case_kind {
	FF_CASE_UNIT,	    /* a unit's outcome, or that of one of its steps */
	FF_CASE_ATTEMPT,    /* of a unit, another one follows: nothing to be counted */
	FF_CASE_COLLECTION, /* a file or a part of it that could not be collected, or was skipped */
	FF_CASE_NOT_RUN,    /* `count` units, or a part whose units never became known */
	FF_CASE_JOB,	    /* a job as a whole, or a setup: its name is no unit's */
};

enum ff_case_status {
	FF_CASE_PASSED, /* passed, xpassed */
	FF_CASE_FAILED,
	FF_CASE_ERROR,	 /* all other outcomes that are bad, and what is no outcome */
	FF_CASE_SKIPPED, /* skipped, xfailed, and what was not run by the user's own wish */
};

/* Everything is borrowed for the call. */
struct ff_case {
	enum ff_case_kind kind;
	enum ff_case_status status;
	const char *job;     /* that it belongs to; of a setup "setup" or "teardown" */
	const char *payload; /* "pytest", …; NULL: not told */
	const char *name;
	const char *host, *worker;	/* NULL: none */
	const struct ff_result *result; /* of units; else NULL and the next three hold */
	const char *type;		/* a word: "not-run", a reason; NULL */
	const char *message;		/* one line; NULL: none */
	const char *text;		/* NULL: none */
	bool named;	/* `name` is a unit's, file's or part's; else words that tell cases apart */
	uint32_t index; /* of the unit, or the first; UINT32_MAX: attempts are another case's */
	uint32_t count; /* units that it stands for, from `index` on; 0: of no unit */
	uint32_t attempts; /* that were before the last */
	bool earlier;	   /* an earlier run, gone on with, had done it */
	int64_t time_us;   /* wall clock, when it was known */
};

struct ff_cases {
	void (*each)(void *ctx, const struct ff_case *c);
	void *ctx;
	/* The rest is its own. */
	struct ff_map jobs;
	char *stop; /* why the run is stopping, in words; NULL */
};

void ff_cases_release(struct ff_cases *cases);
/* All events, in order; calls `each` for what they bring. */
void ff_cases_event(struct ff_cases *cases, const struct ff_event *event);

/* "passed", "failed", "error", "skipped" */
const char *ff_case_status_word(enum ff_case_status status);
/* Its line: the result's message, or its own. NULL: none. */
const char *ff_case_message(const struct ff_case *c);
/* Whether it passed, but not at once: `attempts`, or what a plugin ran again within the last. */
bool ff_case_flaky(const struct ff_case *c);

#endif

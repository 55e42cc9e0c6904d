/* `when:` of a job: whether it is run, by what became of the jobs that it needs, by variables of
 *the environment and of the file; and which of its units are, by their values of its matrix.
 *
 *	expression:  a word alone: always, passed, failed, cancelled
 *		     always()  passed()  failed()  cancelled()	      all of `needs`, any of them, …
 *		     passed(JOB)  failed(JOB)  skipped(JOB)  cancelled(JOB)   one of `needs`
 *		     env.NAME  vars.NAME  matrix.NAME		      values
 *		     "text"  'text'  word  true  false
 *		     a == b   a != b   not a   a and b   a or b   (a)	also ! && ||
 *
 * success and on_success, failure and on_failure mean passed and failed. failed() and passed() know
 *of what came before the needs, too: of a need that was skipped because another job failed. Pure.
 */
#ifndef FF_PLAN_WHEN_H
#define FF_PLAN_WHEN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/strv.h"

struct ff_when; /* in the arena that it was read into */

/* What became of a job: of one that is for each host, of the worst of them. */
enum ff_when_outcome {
	FF_WHEN_PASSED,
	FF_WHEN_SKIPPED,   /* by its own needs, or `when` */
	FF_WHEN_CANCELLED, /* an interrupt, or maxfail, came before its end */
	FF_WHEN_FAILED,
};

/* What its names may stand for. All borrowed during the call. */
struct ff_when_names {
	const struct ff_strv *needs; /* that may stand in brackets */
	char *const *env;	     /* "NAME=value", NULL at its end */
	/* Of vars.NAME: its value; NULL: err says that there is none, or that it can't be told. */
	const char *(*variable)(const void *ctx, const char *name, struct ff_err *err);
	/* Of matrix.NAME: its number; negative: err. */
	int (*axis)(const void *ctx, const char *name, struct ff_err *err);
	const void *ctx;
};

/* Variables are looked up at once, values of a matrix when it is asked for a unit. FF_ECONFIG with
 * words: "expected ')' at 'x'". */
const struct ff_when *ff_when_parse(const char *text, const struct ff_when_names *names,
				    struct ff_arena *arena, struct ff_err *err);

struct ff_when_facts {
	/* Of the need with that index in `needs`. */
	enum ff_when_outcome (*outcome)(const void *ctx, size_t need);
	const void *ctx;
	bool passed;	/* all of them */
	bool failed;	/* one of them, or what came before */
	bool cancelled; /* the run is being stopped, or one of them was */
	/* Of the unit that it is asked for: its value of that axis. */
	const char *(*value)(const void *unit, unsigned axis);
	const void *unit;
};

bool ff_when_is_true(const struct ff_when *when, const struct ff_when_facts *facts);
/* Whether it says itself which outcomes it is for; else what is needed must be as it should, too.
 */
bool ff_when_asks_outcomes(const struct ff_when *when);
/* Whether it may come out differently for units of one job. */
bool ff_when_asks_units(const struct ff_when *when);

#endif

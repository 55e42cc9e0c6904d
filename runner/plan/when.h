/* `when:` of a job: whether it is run, by what became of the jobs that it needs and by variables of
 * the environment.
 *
 *	expression:  a word alone: always, passed, failed, cancelled
 *		     always()  passed()  failed()  cancelled()	      all of `needs`, any of them, …
 *		     passed(JOB)  failed(JOB)  skipped(JOB)  cancelled(JOB)   one of `needs`
 *		     env.NAME  "text"  'text'  word  true  false      values
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

/* `needs`: names that may stand in brackets. Variables are looked up in `env` ("NAME=value", NULL
 * at its end) at once. FF_ECONFIG with words: "expected ')' at 'x'". */
const struct ff_when *ff_when_parse(const char *text, const struct ff_strv *needs, char *const *env,
				    struct ff_arena *arena, struct ff_err *err);

struct ff_when_facts {
	/* Of the need with that index in `needs`. */
	enum ff_when_outcome (*outcome)(const void *ctx, size_t need);
	const void *ctx;
	bool passed;	/* all of them */
	bool failed;	/* one of them, or what came before */
	bool cancelled; /* the run is being stopped, or one of them was */
};

bool ff_when_is_true(const struct ff_when *when, const struct ff_when_facts *facts);
/* Whether it says itself which outcomes it is for; else what is needed must be as it should, too.
 */
bool ff_when_asks_outcomes(const struct ff_when *when);

#endif

/* The suites of a JUnit report while it grows: what of each is in the spool, and the file that
 * comes of it. */
#ifndef FF_REPORT_JUNIT_SUITES_H
#define FF_REPORT_JUNIT_SUITES_H

#include <stdio.h>

#include "base/buf.h"
#include "base/map.h"
#include "report/cases.h"
#include "report/junit_dialect.h"
#include "report/reporter.h"
#include "report/spool.h"

/* An attempt that was not the last, without its element's name: whether the unit is flaky or
 * failing shows at its last attempt. */
struct attempt {
	struct attempt *next;
	struct ff_spool_piece body;
};

struct suite {
	struct suite *next;
	char *name, *payload;	       /* payload: NULL: not told */
	struct ff_spool_piece *pieces; /* adjoining test cases are one */
	size_t pieces_len, pieces_cap;
	struct ff_map attempts; /* index of a unit -> struct attempt, the first of a list */
	struct ff_map hosts;	/* that units ran on */
	struct ff_map folders;	/* index of a unit -> where its artifacts are, until its end */
	struct ff_buf properties;
	bool places; /* test cases have file and line, as in "xunit1" */
	uint32_t tests, failures, errors, skipped;
	int64_t started_us, took_us;
};

struct junit {
	struct ff_reporter base;
	char *path;
	char *prefix; /* of class names; NULL */
	struct ff_junit_form form;
	char *below;	     /* the checkout we are, as ff_service_below has it */
	struct ff_map names; /* of cases -> how many have it; where these are to be unique */
	struct ff_buf scratch;
	struct ff_spool spool;
	struct suite *suites, *last;
	struct ff_map by_name;
	struct ff_cases cases;
	uint64_t from; /* where the piece that is being written began */
};

/* The job's (NULL: of none), made at the first call. */
struct suite *ff_junit_suite_of(struct junit *junit, const char *job);
void ff_junit_suite_free(struct suite *suite);
/* What was added to the spool since the last call. */
struct ff_spool_piece ff_junit_piece_end(struct junit *junit);
void ff_junit_suite_add(struct suite *suite, const struct ff_spool_piece *piece);
/* The whole report; 0 or an errno. */
int ff_junit_write(const struct junit *junit, FILE *out);

#endif

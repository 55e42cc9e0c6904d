/* What is inside a test case of a JUnit report: each appends to the spool. */
#ifndef FF_REPORT_JUNIT_CASE_H
#define FF_REPORT_JUNIT_CASE_H

#include "report/cases.h"
#include "report/junit_dialect.h"
#include "report/spool.h"

/* "<ELEMENT type=… message=…>text</ELEMENT>"; `type` and `text` may be NULL. */
void ff_junit_problem(struct ff_spool *spool, struct ff_junit_form *form, const char *element,
		      const char *type, const char *message, const char *text);
/* What follows the element's name, up to the name in its end tag. */
void ff_junit_problem_body(struct ff_spool *spool, struct ff_junit_form *form, const char *type,
			   const char *message, const char *text);
/* The problem that the result is, if it is one, of a job with this payload (NULL: not known). */
void ff_junit_outcome(struct ff_spool *spool, struct ff_junit_form *form, const char *payload,
		      const struct ff_result *result);
/* What a plugin ran again within the attempt, a problem each. */
void ff_junit_reruns(struct ff_spool *spool, struct ff_junit_form *form,
		     const struct ff_result *result, const char *element);
/* system-out, behind `lines` of its own, or, where that is NULL, system-err: captured text goes
 * where its title says. */
void ff_junit_captured(struct ff_spool *spool, struct ff_junit_form *form,
		       const struct ff_result *result, const struct ff_buf *lines);
void ff_junit_property(struct ff_buf *out, const char *name, const char *value);
/* The same of "name=value". */
void ff_junit_property_text(struct ff_buf *out, const char *text);
/* The result's, and what tells of a flaky unit: it passed, and did not in earlier attempts or when
 * a plugin ran it within this one; and that an earlier run had done it. `lines`: they are lines of
 * text, added there; NULL: an element of the case. */
void ff_junit_properties(struct ff_spool *spool, struct ff_buf *lines, const struct ff_case *c);

#endif

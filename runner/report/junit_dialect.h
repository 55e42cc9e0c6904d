/* What those that read JUnit reports make of them: there is no one format. A dialect writes what
 * its reader shows, and no more than it takes. */
#ifndef FF_REPORT_JUNIT_DIALECT_H
#define FF_REPORT_JUNIT_DIALECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct ff_junit_dialect {
	const char *name;
	/* Not pytest's form: every case has a class, every problem a type, and <testsuites> has the
	 * totals of all. */
	bool full;
	bool places;	    /* cases have `file` below the checkout, and `line` from 1 */
	bool text_alone;    /* of a problem the text is read, not the attribute `message` */
	bool unique;	    /* of two cases of one class and name it drops the second */
	bool no_properties; /* cases have none: they are lines of system-out */
	bool attachments;   /* lines of system-out name files */
	bool relative;	    /* these below the checkout, the first one counts; else absolute */
	size_t problem_max; /* bytes of a problem's text; 0: any number */
	size_t bad_max;	    /* of system-out or system-err of a case that failed; 0: any number */
	size_t good_max;    /* and of another; 0: any number */
	bool good_silent;   /* nobody would see these */
	uint64_t budget;    /* of all texts; behind that each has a little. 0: any number */
};

/* As it is asked for; NULL: pytest's own form. */
const struct ff_junit_dialect *ff_junit_dialect(const char *name);

/* A dialect, and what was written in it. */
struct ff_junit_form {
	const struct ff_junit_dialect *dialect;
	uint64_t texts; /* bytes of problems and output */
};

/* What may be written of a text that would have `max` bytes at most; SIZE_MAX: all. */
size_t ff_junit_room(const struct ff_junit_form *form, size_t max);

/* Lines that name the files below `folder`, where its reader looks for them; what has a name that
 * it would not take, and more than a few, is not named. Links are not followed. */
void ff_junit_attachments(struct ff_buf *out, const struct ff_junit_dialect *dialect,
			  const char *folder);

#endif

/* Digests of a run's inputs, by which a later run tells what has changed. */
#ifndef FF_DISPATCH_CONTENT_H
#define FF_DISPATCH_CONTENT_H

#include "plan/plan.h"

enum { FF_CONTENT_TEXT = 33 };

/* Of each job of the plan, in order: of what its units do, and of what it needs. Of a job whose
 * digest is another one nothing that was done counts any more. The caller's to free. */
char (*ff_content_of_jobs(const struct ff_plan *plan))[FF_CONTENT_TEXT];
/* Of the file's bytes. FF_ENOTFOUND: it can't be read (standard input can't be read twice). */
int ff_content_of_file(const char *path, char text[FF_CONTENT_TEXT]);

#endif
